"""The helper functions of template expressions: deterministic, bounded, and marking what only a real run knows."""

import base64
import binascii
import hashlib
import hmac
import html
import urllib.parse
import zlib
from collections.abc import Callable
from typing import TypeAlias

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.nuclei.text import MAX_TEXT, Text, bounded, glue, whole
from ruleforge.sources.nuclei.values import Amount, Value, as_count, as_number, as_text, carries_standin, join_texts

Arguments: TypeAlias = tuple[Value, ...]
Function: TypeAlias = Callable[[Arguments, Standins], Value]

FUNCTIONS = Registry[Function]("template function")

_EMPTY = Text()
_DATE_PARTS = {"%Y": "2031", "%M": "07", "%D": "19", "%H": "21", "%m": "43", "%S": "57", "%s": "57"}
_GO_DATE_PARTS = {"2006": "2031", "01": "07", "02": "19", "15": "21", "04": "43", "05": "57"}
_UNIX_TIME = 1_942_263_837  # an instant of the year 2031, so that no real log line has it


def text_of(arguments: Arguments, index: int) -> Text:
    """The argument at `index` as text; empty when there is none."""
    return as_text(arguments[index]) if index < len(arguments) else _EMPTY


def _count(arguments: Arguments, index: int, default: int) -> int:
    return as_count(arguments[index]) if index < len(arguments) else default


def _put(names: str, function: Function) -> None:
    for name in names.split():
        FUNCTIONS.put(name, function)


def _bytewise(names: str, change: Callable[[bytes], bytes]) -> None:
    """Register a change that works byte by byte, so that each part of the text keeps its mark."""
    _put(names, lambda arguments, _: text_of(arguments, 0).each(change))


def _wholly(names: str, change: Callable[[bytes], bytes], *, always: bool = False) -> None:
    """Register a change of the text as a whole; `always`: the result is a stand-in even of a constant."""

    def function(arguments: Arguments, _: Standins) -> Value:
        result = text_of(arguments, 0).whole(change)
        return result.marked() if always else result

    _put(names, function)


# Random values.


def _random_letters(arguments: Arguments, standins: Standins) -> Value:
    characters = text_of(arguments, 1).data
    length = _count(arguments, 0, 8)
    return standins.digits(length) if characters.isdigit() else standins.letters(length)


def _random_number(arguments: Arguments, standins: Standins) -> Value:
    most = text_of(arguments, 1).data or text_of(arguments, 0).data
    return standins.digits(len(most))


_put("rand_base randbase rand_text_alphanumeric rand_text_alpha rand_char randstr", _random_letters)
_put("rand_text_numeric", lambda arguments, standins: standins.digits(_count(arguments, 0, 6)))
_put("rand_int randint", _random_number)


@FUNCTIONS.add("rand_ip")
def _random_address(_: Arguments, standins: Standins) -> Value:
    number = standins.digits().data
    return Text(address := b"203.0.113.%d" % (100 + int(number) % 150), whole(address))


_put("public_ip resolve", _random_address)


# Encodings.


def encode_base64(text: Text) -> Text:
    """Encode; what precedes the first stand-in by whole groups of three bytes stays literal."""
    encoded = base64.b64encode(text.data)
    if not text.spans:
        return bounded(Text(encoded))
    literal = text.spans[0][0] // 3 * 4
    return bounded(Text(encoded, ((literal, len(encoded)),)))


_put("base64", lambda arguments, _: encode_base64(text_of(arguments, 0)))


@FUNCTIONS.add("base64_py")
def _base64_python(arguments: Arguments, _: Standins) -> Value:
    encoded = base64.encodebytes(text_of(arguments, 0).data)
    return Text(encoded, whole(encoded) if text_of(arguments, 0).spans else ())


def _unbase64(data: bytes) -> bytes:
    cleaned = data.translate(bytes.maketrans(b"-_", b"+/"), b" \r\n\t").rstrip(b"=")
    try:
        return base64.b64decode(cleaned + b"=" * (-len(cleaned) % 4), validate=True)
    except binascii.Error:
        return data


def _unhex(data: bytes) -> bytes:
    try:
        return bytes.fromhex(data.decode("latin-1"))
    except ValueError:
        return data


def _quote(data: bytes) -> bytes:
    return urllib.parse.quote_plus(data, safe="~").encode()


_wholly("base64_decode", _unbase64)
_wholly("hex_decode", _unhex)
_bytewise("hex_encode", lambda data: data.hex().encode())
_bytewise("url_encode urlencode", _quote)
_bytewise("url_decode urldecode", lambda data: urllib.parse.unquote_to_bytes(data.replace(b"+", b" ")))
_bytewise("html_escape", lambda data: html.escape(data.decode("latin-1")).replace("&#x27;", "&#39;").encode("latin-1"))
_bytewise("html_unescape", lambda data: html.unescape(data.decode("utf-8", "replace")).encode())
_bytewise("to_lower tolower", bytes.lower)
_bytewise("to_upper toupper", bytes.upper)
_bytewise("print_debug", lambda data: data)
_wholly("reverse", lambda data: data[::-1])


# Digests: also of a constant they are canaries, which only this scanner sends.

_wholly("md5", lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest().encode(), always=True)
_wholly("sha1", lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest().encode(), always=True)
_wholly("sha256", lambda data: hashlib.sha256(data).hexdigest().encode(), always=True)
_wholly("sha512", lambda data: hashlib.sha512(data).hexdigest().encode(), always=True)
_wholly("mmh3", lambda data: str(94_000_000 + zlib.crc32(data) % 1_000_000).encode(), always=True)


@FUNCTIONS.add("hmac")
def _hmac(arguments: Arguments, _: Standins) -> Value:
    name = text_of(arguments, 0).data.decode("latin-1").replace("-", "").lower()
    digest = name if name in {"md5", "sha1", "sha256", "sha512"} else "sha256"
    return Text(hmac.new(text_of(arguments, 2).data, text_of(arguments, 1).data, digest).hexdigest().encode()).marked()


@FUNCTIONS.add("aes_cbc")
def _aes_cbc(arguments: Arguments, standins: Standins) -> Value:
    return standins.data(min(len(text_of(arguments, 0).data) // 16 * 16 + 16, MAX_TEXT))


_put("aes_gcm", _aes_cbc)


# Compression.


def squeeze(data: bytes, window: int) -> bytes:
    """Compress; `window` is 31 for gzip, 15 for zlib, -15 for bare deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return packer.compress(data) + packer.flush()


def _unsqueeze(data: bytes, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(data, MAX_TEXT)
    except zlib.error:
        return data


_wholly("gzip", lambda data: squeeze(data, 31))
_wholly("zlib", lambda data: squeeze(data, 15))
_wholly("deflate", lambda data: squeeze(data, -15))
_wholly("gzip_decode", lambda data: _unsqueeze(data, 31))
_wholly("zlib_decode", lambda data: _unsqueeze(data, 15))
_wholly("inflate", lambda data: _unsqueeze(data, -15))


# Text.


@FUNCTIONS.add("concat")
def _concat(arguments: Arguments, _: Standins) -> Value:
    return join_texts(arguments, _EMPTY)


@FUNCTIONS.add("join")
def _join(arguments: Arguments, _: Standins) -> Value:
    rest = arguments[1:]
    items = rest[0] if len(rest) == 1 and isinstance(rest[0], tuple) else rest
    return join_texts(items, text_of(arguments, 0))


@FUNCTIONS.add("repeat")
def _repeat(arguments: Arguments, _: Standins) -> Value:
    text, times = text_of(arguments, 0), _count(arguments, 1, 0)
    if len(text.data) * times > MAX_TEXT or len(text.spans) * times > 10_000:
        raise InputError("repeat() makes too long a text", hint="repeat it fewer times", code="RF216")
    return Text(text.data * times) if not text.spans else glue([text] * times)


@FUNCTIONS.add("replace")
def _replace(arguments: Arguments, _: Standins) -> Value:
    text, old, new = text_of(arguments, 0), text_of(arguments, 1), text_of(arguments, 2)
    if not old.data or old.data not in text.data:
        return text
    parts: list[Text] = []
    position = 0
    while (found := text.data.find(old.data, position)) >= 0 and len(parts) < 20_000:
        parts += [text.cut(position, found), new]
        position = found + len(old.data)
    return glue([*parts, text.cut(position)])


@FUNCTIONS.add("padding")
def _padding(arguments: Arguments, _: Standins) -> Value:
    """padding(text, filler, length, "prefix" or "suffix")."""
    text, filler, length = text_of(arguments, 0), text_of(arguments, 1), _count(arguments, 2, 0)
    missing = min(length, MAX_TEXT) - len(text.data)
    if missing <= 0:
        return text
    filling = Text((filler.data or b" ") * (missing // (len(filler.data) or 1) + 1)).cut(0, missing)
    if text.spans or filler.spans:  # then the amount of filling is not what a real run has
        filling = filling.marked()
    return glue([filling, text] if text_of(arguments, 3).data == b"prefix" else [text, filling])


@FUNCTIONS.add("substr")
def _substr(arguments: Arguments, _: Standins) -> Value:
    text = text_of(arguments, 0)
    return text.cut(min(_count(arguments, 1, 0), len(text.data)), _count(arguments, 2, len(text.data)))


def _strip(text: Text, characters: bytes, *, left: bool = True, right: bool = True) -> Text:
    start = len(text.data) - len(text.data.lstrip(characters)) if left else 0
    end = max(len(text.data.rstrip(characters)), start) if right else len(text.data)
    return text.cut(start, end)


_put("trim", lambda arguments, _: _strip(text_of(arguments, 0), text_of(arguments, 1).data or b" "))
_put("trim_space trimspace", lambda arguments, _: text_of(arguments, 0).stripped())
_put("trim_left trimleft", lambda arguments, _: _strip(text_of(arguments, 0), text_of(arguments, 1).data, right=False))
_put("trim_right trimright", lambda arguments, _: _strip(text_of(arguments, 0), text_of(arguments, 1).data, left=False))


@FUNCTIONS.add("trim_prefix")
def _trim_prefix(arguments: Arguments, _: Standins) -> Value:
    text, prefix = text_of(arguments, 0), text_of(arguments, 1).data
    return text.cut(len(prefix)) if text.data.startswith(prefix) else text


@FUNCTIONS.add("trim_suffix")
def _trim_suffix(arguments: Arguments, _: Standins) -> Value:
    text, suffix = text_of(arguments, 0), text_of(arguments, 1).data
    return text.cut(0, len(text.data) - len(suffix)) if suffix and text.data.endswith(suffix) else text


_put("trimprefix", _trim_prefix)
_put("trimsuffix", _trim_suffix)


@FUNCTIONS.add("replace_regex")
def _replace_regex(arguments: Arguments, standins: Standins) -> Value:
    """Never run: the pattern is the template's, and its subject a value of the response."""
    return standins.letters(len(text_of(arguments, 0).data))


@FUNCTIONS.add("remove_bad_chars")
def _remove_bad_chars(arguments: Arguments, _: Standins) -> Value:
    bad = text_of(arguments, 1).data
    return text_of(arguments, 0).each(lambda data: data.translate(None, bad))


@FUNCTIONS.add("index")
def _index(arguments: Arguments, _: Standins) -> Value:
    items, position = arguments[0] if arguments else _EMPTY, _count(arguments, 1, 0)
    if isinstance(items, tuple):
        return items[position] if position < len(items) else _EMPTY
    text = as_text(items)
    return text.cut(min(position, len(text.data)), min(position + 1, len(text.data)))


# Numbers, times, questions.


@FUNCTIONS.add("len")
def _length(arguments: Arguments, _: Standins) -> Value:
    """The length; of a stand-in, a number that is easy to recognise, for the real one is not known."""
    if arguments and isinstance(arguments[0], tuple):
        return Amount(len(arguments[0]))
    text = text_of(arguments, 0)
    return Amount(7100 + len(text.data), standin=True) if text.spans else Amount(len(text.data))


@FUNCTIONS.add("to_number")
def _to_number(arguments: Arguments, _: Standins) -> Value:
    return (as_number(arguments[0]) if arguments else None) or Amount(0)


_put("to_string", lambda arguments, _: text_of(arguments, 0))
_put("unix_time unixtime", lambda arguments, _: Amount(_UNIX_TIME + _count(arguments, 0, 0), standin=True))
_put("to_unix_time", lambda *_: Amount(_UNIX_TIME, standin=True))
_put("wait_for", lambda *_: Amount(value=True))


@FUNCTIONS.add("date_time")
def _date_time(arguments: Arguments, _: Standins) -> Value:
    layout = text_of(arguments, 0).data.decode("latin-1")[:200] or "%Y-%M-%D"
    for part, value in (_DATE_PARTS if "%" in layout else _GO_DATE_PARTS).items():
        layout = layout.replace(part, value)
    return Text(layout.encode("latin-1")).marked()


def _question(name: str, ask: Callable[[bytes, bytes], bool], combine: Callable[[list[bool]], bool]) -> None:
    def function(arguments: Arguments, _: Standins) -> Value:
        text = text_of(arguments, 0).data
        answers = [ask(text, as_text(other).data) for other in arguments[1:]]
        return Amount(combine(answers), any(carries_standin(argument) for argument in arguments))

    FUNCTIONS.put(name, function)


_question("contains", lambda text, part: part in text, all)
_question("contains_all", lambda text, part: part in text, all)
_question("contains_any", lambda text, part: part in text, any)
_question("starts_with", bytes.startswith, any)
_question("ends_with", bytes.endswith, any)
_question("equals_any", lambda text, other: text == other, any)
_question("regex", lambda _, __: True, all)  # never run, see replace_regex
_put("dec_to_hex", lambda arguments, _: text_of(arguments, 0).whole(lambda data: b"%x" % as_count(Text(data))))
_put("hex_to_dec", lambda arguments, _: text_of(arguments, 0).whole(lambda data: b"%d" % _parsed(data, 16)))
_put("bin_to_dec", lambda arguments, _: text_of(arguments, 0).whole(lambda data: b"%d" % _parsed(data, 2)))
_put("oct_to_dec", lambda arguments, _: text_of(arguments, 0).whole(lambda data: b"%d" % _parsed(data, 8)))


def _parsed(data: bytes, base: int) -> int:
    try:
        return int(data[:64], base)
    except ValueError:
        return 0
