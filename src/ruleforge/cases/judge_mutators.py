"""Family JUDGE: ways of writing that generation and validation never see."""

import re
from itertools import count, islice

import msgspec

from ruleforge.cases.anatomy import Anatomy, Part
from ruleforge.cases.bodies import json_members
from ruleforge.cases.edit import (
    FORM,
    argument_pieces,
    decode_argument,
    header_value,
    is_form,
    plain_body,
    target_of,
    with_argument_pieces,
    with_body,
    with_header,
    with_headers,
    with_path,
    with_query,
    with_raw_argument,
    with_value,
    without_header,
)
from ruleforge.cases.mutator import VARIANTS, Mutator, always, put
from ruleforge.cases.payloads import no_other_payload, other_payloads, unwrap
from ruleforge.cases.significance import decisive_class, is_java, needs_root, plain_path
from ruleforge.events.decoding import percent_decode
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

_FILE_NAME = re.compile(rb"\.[A-Za-z0-9]{1,8}\Z")
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_WORD_GAP = re.compile(rb"(?<=[\w)*]) (?=[\w(@])")
_QUERY_WORDS = re.compile(
    rb"\b(?:select|union|sleep|benchmark|from|where|waitfor|delay|and|or|concat|extractvalue|updatexml|case|when|then"
    rb"|group_concat|information_schema|md5|substring|ascii|order|by|insert|into|load_file|if)\b",
    re.IGNORECASE,
)
_MARKUP_WORDS = re.compile(rb"(?<=<)/?[a-z]{1,12}\b|\bon[a-z]{3,18}(?=\s*=)", re.IGNORECASE)
_BOTH_METHODS = re.compile(rb"\.(?:jspx?|do|action|cgi|aspx|jsf)\Z", re.IGNORECASE)


# --- path -----------------------------------------------------------------------------------------------------------


def _path_written(anatomy: Anatomy, _advisory: Advisory) -> str:
    return plain_path(anatomy)


def _under_prefix(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    return with_path(request, b"/eu-west/tenant-42/my-site" + target_of(request).path)


def _dot_segment(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    folder, _, name = target_of(request).path.rpartition(b"/")
    return with_path(request, folder + b"/./" + name)


def _no_folder(anatomy: Anatomy, advisory: Advisory) -> str:
    if reason := plain_path(anatomy):
        return reason
    last = target_of(anatomy.poc.request).path.rpartition(b"/")[2]
    if not last:
        return "the path ends with a slash already"
    if _FILE_NAME.search(last) or last.isdigit():
        return "the path names a file or an object"
    if anatomy.poc.request.method != b"GET":
        return "a redirect to the folder would lose the body"
    return "a slash at the end is another route in Java" if is_java(anatomy, advisory) else ""


def _with_slash(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    return with_path(request, target_of(request).path + b"/")


def _letters_encoded(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    turn = count()

    def every_third(found: re.Match[bytes]) -> bytes:
        return found[0] if found[0][:1] == b"%" or next(turn) % 3 else b"%%%02x" % found[0][0]

    return with_path(request, re.sub(rb"%..|[A-Za-z]", every_third, target_of(request).path))


def _no_servlet(anatomy: Anatomy, advisory: Advisory) -> str:
    return plain_path(anatomy) or ("" if is_java(anatomy, advisory) else "no servlet container is known to answer")


def _matrix(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    return with_path(request, target_of(request).path.rstrip(b"/") + b";v=1")


put("prefix_three", "judge", "deployed under three folders", needs_root, _under_prefix)
put("dot_segment", "judge", "/./ in the path", _path_written, _dot_segment)
put("trailing_slash", "judge", "a slash at the end of the path", _no_folder, _with_slash)
put("path_letters", "judge", "letters of the path percent-encoded", _path_written, _letters_encoded)
put("matrix_parameter", "judge", "a matrix parameter at the end of the path", _no_servlet, _matrix)


# --- arguments ------------------------------------------------------------------------------------------------------


def _first_wins(anatomy: Anatomy, _advisory: Advisory) -> str:
    if not target_of(anatomy.poc.request).path.lower().endswith(b".php"):
        return "which of two equal names counts is known for PHP only"
    return "" if _repeatable(anatomy) else "no payload is in a plain query argument"


def _repeatable(anatomy: Anatomy) -> list[Part]:
    return [part for part in anatomy.payloads if part.place == "query_args" and b"[" not in part.name]


def _repeated(anatomy: Anatomy, _advisory: Advisory) -> Request | None:
    part = _repeatable(anatomy)[0]
    pieces = argument_pieces(anatomy.poc.request, "query_args") or []
    for index, piece in enumerate(pieces):
        name = piece.partition(b"=")[0]
        if decode_argument(name) == part.name:
            return with_argument_pieces(
                anatomy.poc.request, "query_args", [*pieces[:index], name + b"=1", *pieces[index:]]
            )
    return None


def _one_method(anatomy: Anatomy, _advisory: Advisory) -> str:
    request = anatomy.poc.request
    path = target_of(request).path.partition(b";")[0]
    if not _BOTH_METHODS.search(path):
        return "the language is not known to read both query and form"
    if request.method == b"GET" and not request.body:
        return "" if b"=" in (target_of(request).query or b"") else "there are no arguments"
    if request.method != b"POST" or plain_body(request) is None or not is_form(request):
        return "the method or the body is decisive"
    return "" if not target_of(request).query and len(request.body or b"") < 2_000 else "there are arguments in both"


def _other_method(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    if request.method == b"POST":
        bare = msgspec.structs.replace(request, method=b"GET", body=None)
        bare = without_header(without_header(bare, b"content-type"), b"content-length")
        return with_query(bare, request.body)
    query = target_of(request).query or b""
    moved = with_query(msgspec.structs.replace(request, method=b"POST"), None)
    return with_body(with_header(with_header(moved, b"Content-Type", FORM), b"Content-Length", b"0"), query)


put("repeated_argument", "judge", "a harmless value of the same name before the payload", _first_wins, _repeated)
put("other_method", "judge", "form for query, or query for form", _one_method, _other_method)


# --- encoding -------------------------------------------------------------------------------------------------------


def _no_escapes(anatomy: Anatomy, _advisory: Advisory) -> str:
    text = anatomy.poc.request.target
    return "" if re.search(rb"%(?:[0-9][A-Fa-f]|[A-Fa-f].)", text) else "no percent escape has a letter"


def _mixed_case(anatomy: Anatomy, _advisory: Advisory) -> Request:
    turn = count()

    def alternate(found: re.Match[bytes]) -> bytes:
        return found[0].lower() if next(turn) % 2 else found[0].upper()

    request = anatomy.poc.request
    return msgspec.structs.replace(request, target=_ESCAPE.sub(alternate, request.target))


def _twice(anatomy: Anatomy, advisory: Advisory) -> list[tuple[Part, bytes]]:
    """Values that are a payload only after another decoding, with what they are then."""
    found = []
    for part in anatomy.payloads:
        name = decisive_class(part.classes, advisory)
        if part.place in ("query_args", "form_args") and name and b"%" in part.value and len(part.value) < 4_096:
            inner = unwrap(part.value, name)
            if inner is not None and inner.text != part.value and inner.text == percent_decode(part.value):
                found.append((part, inner.text))
    return found


def _decoded_once(anatomy: Anatomy, advisory: Advisory) -> str:
    return "" if _twice(anatomy, advisory) else "nothing shows that the server decodes twice"


def _encoded_twice(anatomy: Anatomy, advisory: Advisory) -> Request | None:
    request: Request | None = anatomy.poc.request
    for part, text in _twice(anatomy, advisory):
        raw = b"".join([b"%%25%02x" % byte for byte in text])
        request = with_raw_argument(request, part, raw) if request is not None else None
    return request


put("mixed_hex_case", "judge", "percent escapes in changing case", _no_escapes, _mixed_case)
put("encoded_twice", "judge", "every byte of a doubly encoded payload encoded twice", _decoded_once, _encoded_twice)


# --- payloads -------------------------------------------------------------------------------------------------------


def _of_class(anatomy: Anatomy, advisory: Advisory, *names: str) -> list[Part]:
    places = ("query_args", "form_args", "json", "multipart", "xml", "cookies")
    found = (
        part
        for part in anatomy.payloads
        if part.place in places and decisive_class(part.classes, advisory) in names and len(part.value) < 4_096
    )
    return list(islice(found, 8))


def _no_gaps(anatomy: Anatomy, advisory: Advisory) -> str:
    parts = _of_class(anatomy, advisory, "sql_injection")
    return "" if any(_WORD_GAP.search(part.value) for part in parts) else "no SQL words with a space between them"


def _gaps(anatomy: Anatomy, advisory: Advisory, text: bytes) -> Request | None:
    request: Request | None = anatomy.poc.request
    for part in _of_class(anatomy, advisory, "sql_injection"):
        value = _WORD_GAP.sub(lambda _: text, part.value)
        if request is not None and value != part.value:
            request = with_value(request, part, value)
    return request


def _no_words(anatomy: Anatomy, advisory: Advisory) -> str:
    parts = _of_class(anatomy, advisory, "sql_injection", "xss")
    return "" if any(_flipped(part, advisory) != part.value for part in parts) else "no key words to write differently"


def _flipped(part: Part, advisory: Advisory) -> bytes:
    xss = decisive_class(part.classes, advisory) == "xss"
    if xss and b"</script" not in part.value.lower() and b"<" not in part.value and b"on" not in part.value.lower():
        return part.value
    return (_MARKUP_WORDS if xss else _QUERY_WORDS).sub(lambda found: _alternating(found[0]), part.value)


def _alternating(word: bytes) -> bytes:
    return b"".join([bytes([b]).upper() if at % 2 else bytes([b]).lower() for at, b in enumerate(word)])


def _flip(anatomy: Anatomy, advisory: Advisory) -> Request | None:
    request: Request | None = anatomy.poc.request
    for part in _of_class(anatomy, advisory, "sql_injection", "xss"):
        value = _flipped(part, advisory)
        if request is not None and value != part.value:
            request = with_value(request, part, value)
    return request


put("sql_blanks", "judge", "tabs and line ends between SQL words", _no_gaps,
    lambda a, d: _gaps(a, d, b"\t"), lambda a, d: _gaps(a, d, b"\n"))  # fmt: skip
put("sql_comments", "judge", "comments between SQL words", _no_gaps, lambda a, d: _gaps(a, d, b"/**/"))
put("word_case", "judge", "changing case in SQL and markup words", _no_words, _flip)
VARIANTS.put(
    "foreign_payload",
    Mutator("foreign_payload", "judge", "another payload of the same class, of the judge's own list",
            no_other_payload, lambda a, d: other_payloads(a, d, "judge")),
)  # fmt: skip


# --- body and headers -----------------------------------------------------------------------------------------------


def _no_type(anatomy: Anatomy, _advisory: Advisory) -> str:
    if any(part.place == "headers" and part.name == b"content-type" for part in anatomy.parts):
        return "the Content-Type carries the payload"
    kind = header_value(anatomy.poc.request, b"content-type")
    return "" if kind and b"/" in kind and anatomy.poc.request.body else "there is no Content-Type"


def _typed(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    kind, mark, rest = (header_value(request, b"content-type") or b"").partition(b";")
    extra = b"; q=1" if b"charset" in rest.lower() else b"; charset=utf-8"
    return with_header(request, b"Content-Type", kind.strip() + extra + mark + rest)


def _no_object(anatomy: Anatomy, _advisory: Advisory) -> str:
    body = plain_body(anatomy.poc.request)
    if not any(part.place == "json" for part in anatomy.parts) or body is None or not json_members(body):
        return "the body is no JSON object with members"
    return ""


def _nested(anatomy: Anatomy, _advisory: Advisory) -> Request:
    body = anatomy.poc.request.body or b""
    end = json_members(body)[-1].end
    extra = b',"clientInfo":{"build":{"major":3},"tags":["a","b"]},"seq":0'
    return with_body(anatomy.poc.request, body[:end] + extra + body[end:])


def _no_origin_form(anatomy: Anatomy, _advisory: Advisory) -> str:
    host = header_value(anatomy.poc.request, b"host")
    return plain_path(anatomy) or ("" if host and re.fullmatch(rb"[\w.:-]+", host) else "no host is known")


def _absolute(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    target = b"http://" + (header_value(request, b"host") or b"") + request.target
    return msgspec.structs.replace(request, target=target)


def _no_old_version(anatomy: Anatomy, _advisory: Advisory) -> str:
    if header_value(anatomy.poc.request, b"transfer-encoding") is not None:
        return "HTTP/1.0 knows no chunks"
    return "" if anatomy.poc.request.version.startswith(b"HTTP/1.1") else "the version is another one"


def _lower_names(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    return with_headers(request, [(name.lower(), value) for name, value in request.headers])


def _many_cookies(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    old = header_value(request, b"cookie")
    many = [b"pref%d=%d" % (number, number * 7919 % 1000) for number in range(30)]
    return with_header(request, b"Cookie", b"; ".join([*many, old] if old else many))


put("typed_body", "judge", "a parameter in the Content-Type", _no_type, _typed)
put("json_nested", "judge", "more members in the JSON object", _no_object, _nested)
put("absolute_target", "judge", "the target with scheme and host", _no_origin_form, _absolute)
put("old_version", "judge", "HTTP/1.0", _no_old_version,
    lambda a, _: msgspec.structs.replace(a.poc.request, version=b"HTTP/1.0"))  # fmt: skip
put("lower_headers", "judge", "header names in small letters", always, _lower_names)
put("many_cookies", "judge", "thirty more cookies", always, _many_cookies)
