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
_DECLARED = re.compile(rb"boundary=\"?([A-Za-z0-9'()+_,./:=?-]{1,70})\"?", re.IGNORECASE)
_JOINING = {"struts", "struts2", "spring", "springboot"}


@mutator("percent_names", "arguments with plain names: names are decoded once, as values are")
def percent_names(case: Case) -> Iterator[Request]:
    yield from case.rewritten(lambda piece: [Piece(escaped(piece.name, 2), piece.value)])


@mutator("percent_values", "arguments: values are decoded once, so encoding a letter changes nothing")
def percent_values(case: Case) -> Iterator[Request]:
    yield from case.rewritten(lambda piece: [Piece(piece.name, escaped(piece.value, 2))])
    yield from case.rewritten(lambda piece: [Piece(piece.name, escaped(piece.value))])


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


@mutator("multipart_boundary", "a multipart body: its boundary is the sender's choice, quoted or not")
def multipart_boundary(case: Case) -> Iterator[Request]:
    declared = case.header(b"content-type")
    found = _DECLARED.search(declared)
    if case.media_type != b"multipart/form-data" or not found or len(found[1]) < 6 or b"--" + found[1] not in case.body:
        return
    boundary = b"=_x" + _BOUNDARY
    body = case.body.replace(b"--" + found[1], b"--" + boundary)
    yield case.with_body(body, (b"Content-Type", b'multipart/form-data; boundary="' + boundary + b'"'))


@mutator("multipart_header_case", "a multipart body: names of headers of parts have no case (RFC 7578)")
def multipart_header_case(case: Case) -> Iterator[Request]:
    if case.media_type == b"multipart/form-data":
        body = re.sub(
            rb"(?m)^content-(disposition|type):", lambda found: found[0].swapcase(), case.body, flags=re.IGNORECASE
        )
        yield case.with_body(body)


@mutator("percent_u", "ASP and ASP.NET only: they alone decode %uXXXX in arguments")
def percent_u(case: Case) -> Iterator[Request]:
    if case.server in ("asp", "aspnet"):
        yield from case.rewritten(lambda piece: [Piece(piece.name, _wide(piece, letters=False))])
        loaded = {piece.name for piece in (*case.query_pieces, *case.form_pieces) if classes_of(piece.text)}
        yield from case.rewritten(lambda piece: [Piece(piece.name, _wide(piece, letters=piece.name in loaded))])


def _wide(piece: Piece, *, letters: bool) -> bytes:
    """Write every byte (letters and digits too, if asked for) as %u00XX; nothing where a byte is no ASCII."""
    if not piece.text.isascii():
        return piece.value
    plain = (bytes([byte]) for byte in piece.text)
    return b"".join(byte if byte.isalnum() and not letters else b"%%u%04x" % byte[0] for byte in plain)


@mutator("json_escaped_values", "a body that is JSON: \\u escapes mean the letter")
def json_escaped_values(case: Case) -> Iterator[Request]:
    yield from _escaped_json(case, keys=False)


@mutator("json_escaped_keys", "a body that is JSON: \\u escapes mean the letter, in keys too")
def json_escaped_keys(case: Case) -> Iterator[Request]:
    yield from _escaped_json(case, keys=True)


@mutator("json_layout", "a body that is JSON: blanks between tokens carry no meaning")
def json_layout(case: Case) -> Iterator[Request]:
    document = _json_of(case)
    if document is not None:
        yield case.with_body(json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        yield case.with_body(json.dumps(document, separators=(",", ":")).encode())


@mutator("json_key_order", "a body that is a JSON object without @ or $ keys (those may have to come first)")
def json_key_order(case: Case) -> Iterator[Request]:
    document = _json_of(case)
    if isinstance(document, dict) and not any(key[:1] in "@$" for key in document):
        yield case.with_body(json.dumps(dict(reversed(document.items())), ensure_ascii=False).encode())


def _json_of(case: Case) -> object:
    """The document; None where the body is none that can be written again without a loss."""
    if b"json" not in case.media_type:
        return None
    try:
        text = case.body.decode()
        document: object = json.loads(text)
        pairs: object = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    # A key that stands twice is lost in `document`: then nothing is written.
    return document if _count(pairs) == _count_dict(document) else None


def _count(node: object) -> int:
    """Number of keys, duplicates too, where objects are tuples of pairs."""
    if isinstance(node, tuple):
        return sum(1 + _count(value) for _, value in node)
    return sum(map(_count, node)) if isinstance(node, list) else 0


def _count_dict(node: object) -> int:
    if isinstance(node, dict):
        return sum(1 + _count_dict(value) for value in node.values())
    return sum(map(_count_dict, node)) if isinstance(node, list) else 0


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
