"""The same arguments, sent differently: escapes, order, company, duplicates, multipart, JSON escapes."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator

from oracle.case import Case, Piece, join, mutator
from oracle.path import escaped

from ruleforge.events.decoding import percent_decode
from ruleforge.events.request import Request
from ruleforge.rules.classes import classes_of

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.DOTALL)
_PLAIN = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.)|([\x20-\x7e])", re.DOTALL)
_BOUNDARY = b"7d91e2f04c"
_JOINING = {"struts", "struts2", "spring", "springboot"}


@mutator("percent_names", "arguments with plain names: names are decoded once, as values are")
def percent_names(case: Case) -> Iterator[Request]:
    yield from case.rewritten(lambda piece: [Piece(escaped(piece.name, 2), piece.value)])


@mutator("percent_values", "arguments: values are decoded once, so encoding a letter changes nothing")
def percent_values(case: Case) -> Iterator[Request]:
    for every in (2, 1):
        yield from case.rewritten(lambda piece, every=every: [Piece(piece.name, escaped(piece.value, every))])


@mutator("plus_for_space", "an argument with a space: + and %20 mean the same there")
def plus_for_space(case: Case) -> Iterator[Request]:
    yield from case.rewritten(lambda piece: [Piece(piece.name, piece.value.replace(b"%20", b"+"))])
    yield from case.rewritten(lambda piece: [Piece(piece.name, piece.value.replace(b"+", b"%20"))])


@mutator("parameter_order", "two or more arguments, no name twice: order carries no meaning")
def parameter_order(case: Case) -> Iterator[Request]:
    for pieces, write in _places(case):
        if len({piece.name for piece in pieces}) == len(pieces) > 1:
            yield write(join(reversed(pieces)))


@mutator("extra_parameters", "arguments: unknown ones are ignored")
def extra_parameters(case: Case) -> Iterator[Request]:
    for pieces, write in _places(case):
        yield write(join([*pieces, Piece(b"_", b"1709"), Piece(b"lang", b"en")]))
        yield write(join([Piece(b"_", b"1709"), *pieces]))


@mutator("duplicate_decoy_first", "PHP only, name without []: the last one counts")
def duplicate_decoy_first(case: Case) -> Iterator[Request]:
    if case.server == "php":
        yield from _doubled(case, lambda piece: [Piece(piece.name, b"1"), piece])


@mutator("duplicate_decoy_last", "Java only, name without []: the first one counts")
def duplicate_decoy_last(case: Case) -> Iterator[Request]:
    if case.server == "java":
        yield from _doubled(case, lambda piece: [piece, Piece(piece.name, b"1")])


def _doubled(case: Case, double: Callable[[Piece], list[Piece]]) -> Iterator[Request]:
    """Double the arguments with a payload; where there is none, all of them."""
    for pieces, write in _places(case):
        names = Counter(piece.name for piece in pieces)
        loaded = [piece for piece in pieces if classes_of(piece.text)] or list(pieces)
        chosen = {piece.name for piece in loaded if names[piece.name] == 1 and b"[" not in percent_decode(piece.name)}
        if chosen:
            yield write(join(each for piece in pieces for each in (double(piece) if piece.name in chosen else [piece])))


@mutator("multipart_form", "a declared form for a PHP file, or for Struts or Spring: they read both kinds alike")
def multipart_form(case: Case) -> Iterator[Request]:
    tags = {tag.lower() for tag in case.advisory.tags}
    reads_both = case.server == "php" or (case.server == "java" and bool(tags & _JOINING))
    if not case.form_pieces or not reads_both or case.request.method.upper() != b"POST":
        return
    text = b""
    for piece in case.form_pieces:
        name = percent_decode(piece.name.replace(b"+", b" "))
        if re.search(rb'["\\\r\n\0]', name) or _BOUNDARY in piece.text:
            return
        text += b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (_BOUNDARY, name, piece.text)
    text += b"--%b--\r\n" % _BOUNDARY
    yield case.with_body(text, (b"Content-Type", b"multipart/form-data; boundary=" + _BOUNDARY))


@mutator("percent_u", "ASP and ASP.NET only: they alone decode %uXXXX in arguments")
def percent_u(case: Case) -> Iterator[Request]:
    if case.server in ("asp", "aspnet"):
        yield from case.rewritten(lambda piece: [Piece(piece.name, _wide(piece))])


def _wide(piece: Piece) -> bytes:
    """Write every byte that is no letter or digit as %u00XX; nothing where a byte is no ASCII."""
    if not piece.text.isascii():
        return piece.value
    return b"".join(bytes([byte]) if bytes([byte]).isalnum() else b"%%u%04x" % byte for byte in piece.text)


@mutator("json_escaped_values", "a body that is JSON: \\u escapes mean the letter")
def json_escaped_values(case: Case) -> Iterator[Request]:
    yield from _escaped_json(case, keys=False)


@mutator("json_escaped_keys", "a body that is JSON: \\u escapes mean the letter, in keys too")
def json_escaped_keys(case: Case) -> Iterator[Request]:
    yield from _escaped_json(case, keys=True)


def _escaped_json(case: Case, *, keys: bool) -> Iterator[Request]:
    if b"json" not in case.media_type:
        return
    try:
        text = case.body.decode()
        json.loads(text)
    except (ValueError, RecursionError):
        return

    def change(found: re.Match[str]) -> str:
        colon = found[2] or ""
        return f'"{_unicode(found[1])}"{colon}' if bool(colon) is keys else found[0]

    yield case.with_body(_STRING.sub(change, text).encode())


def _unicode(text: str) -> str:
    return _PLAIN.sub(lambda found: found[1] or f"\\u{ord(found[2]):04x}", text)


def _places(case: Case) -> Iterator[tuple[tuple[Piece, ...], Callable[[bytes], Request]]]:
    if case.query_pieces:
        yield case.query_pieces, lambda text: case.with_target(case.path + b"?" + text)
    if case.form_pieces:
        yield case.form_pieces, lambda text: case.with_body(text)
