"""How the request travels: chunks, compression, media types, versions, letter case of headers, absolute targets."""

import gzip
import zlib
from collections.abc import Iterator

import brotli  # type: ignore[import-untyped]
import msgspec

from oracle.case import Case, mutator
from ruleforge.events.request import Request

_INFLATING = (b"application/json", b"text/json", b"application/xml", b"text/xml", b"application/soap+xml")


@mutator("chunked", "HTTP/1.1 with a body that is not coded yet: every such server reads chunks")
def chunked(case: Case) -> Iterator[Request]:
    if case.is_modern and case.body:
        sizes = (1, 7, 3, 16)
        text, at, turn = b"", 0, 0
        while at < len(case.body):
            part = case.body[at : at + sizes[turn % len(sizes)]]
            text += b"%x\r\n%b\r\n" % (len(part), part)
            at, turn = at + len(part), turn + 1
        yield case.with_body(text + b"0\r\n\r\n", (b"Transfer-Encoding", b"chunked"), drop=(b"content-length",))


@mutator("chunk_extensions", "as chunked: extensions and trailers are ignored (RFC 9112)")
def chunk_extensions(case: Case) -> Iterator[Request]:
    if case.is_modern and case.body:
        first, rest = case.body[:2], case.body[2:]
        text = b"%x;a=b\r\n%b\r\n" % (len(first), first)
        text += b'%X;c="d"\r\n%b\r\n' % (len(rest), rest) if rest else b""
        text += b"0\r\nX-Check: 1\r\n\r\n"
        yield case.with_body(text, (b"transfer-encoding", b"Chunked"), drop=(b"content-length",))


@mutator("gzip_chunked", "as gzip_body and HTTP/1.1: both codings at once")
def gzip_chunked(case: Case) -> Iterator[Request]:
    if case.is_modern and _inflates(case):
        packed = gzip.compress(case.body, mtime=0)
        text = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
        coded = ((b"Content-Encoding", b"gzip"), (b"Transfer-Encoding", b"chunked"))
        yield case.with_body(text, *coded, drop=(b"content-length",))


@mutator("gzip_body", "JSON or XML body, endpoint no PHP, ASP or CGI file: stacks that read those inflate on their own")
def gzip_body(case: Case) -> Iterator[Request]:
    if _inflates(case):
        yield case.with_body(gzip.compress(case.body, mtime=0), (b"Content-Encoding", b"gzip"))


@mutator("deflate_body", "as gzip_body")
def deflate_body(case: Case) -> Iterator[Request]:
    if _inflates(case):
        yield case.with_body(zlib.compress(case.body), (b"Content-Encoding", b"deflate"))


@mutator("br_body", "JSON body, endpoint no PHP, ASP, CGI or Java file: body parsers of Node undo brotli")
def br_body(case: Case) -> Iterator[Request]:
    if _inflates(case) and case.media_type == _INFLATING[0] and case.server != "java":
        yield case.with_body(brotli.compress(case.body), (b"Content-Encoding", b"br"))


def _inflates(case: Case) -> bool:
    return bool(case.body) and case.media_type in _INFLATING and case.server not in ("php", "asp", "aspnet", "cgi")


def _typed(case: Case, value: bytes) -> Request:
    headers = tuple((name, value if name.lower() == b"content-type" else sent) for name, sent in case.request.headers)
    return msgspec.structs.replace(case.request, headers=headers)


@mutator("content_type_charset", "a body with a declared type and no charset: UTF-8 is what servers assume")
def content_type_charset(case: Case) -> Iterator[Request]:
    declared = case.header(b"content-type")
    if case.body and declared and b"charset" not in declared.lower():
        yield _typed(case, declared + b"; charset=UTF-8")
        yield _typed(case, declared + b';charset="utf-8"')


@mutator("content_type_case", "a body with a declared type: types have no case (RFC 9110)")
def content_type_case(case: Case) -> Iterator[Request]:
    kind, semicolon, rest = case.header(b"content-type").partition(b";")
    if case.body and kind:
        yield _typed(case, kind.title() + semicolon + rest)
        yield _typed(case, kind.upper() + semicolon + rest)


@mutator("content_type_parameter", "a body with a declared type: unknown parameters are ignored (RFC 9110)")
def content_type_parameter(case: Case) -> Iterator[Request]:
    declared = case.header(b"content-type")
    if case.body and declared:
        yield _typed(case, declared + b"; profile=plain")


@mutator("header_name_case", "always: names of headers have no case (RFC 9110)")
def header_name_case(case: Case) -> Iterator[Request]:
    for change in (bytes.lower, bytes.upper):
        headers = tuple((change(name), value) for name, value in case.request.headers)
        yield msgspec.structs.replace(case.request, headers=headers)


@mutator("header_order", "always: the order of headers of other names carries no meaning (RFC 9110)")
def header_order(case: Case) -> Iterator[Request]:
    names = {name.lower() for name, _ in case.request.headers}
    if len(names) == len(case.request.headers):
        yield msgspec.structs.replace(case.request, headers=tuple(reversed(case.request.headers)))


@mutator("cookie_name_case", "ASP and ASP.NET only: their collection of cookies has no case, others' has")
def cookie_name_case(case: Case) -> Iterator[Request]:
    if case.server in ("asp", "aspnet") and case.header(b"cookie"):
        yield msgspec.structs.replace(
            case.request,
            headers=tuple(
                (name, _cookies(value) if name.lower() == b"cookie" else value) for name, value in case.request.headers
            ),
        )


def _cookies(value: bytes) -> bytes:
    pieces = [piece.partition(b"=") for piece in value.split(b";")]
    return b";".join(name.swapcase() + equals + text for name, equals, text in pieces)


@mutator("absolute_form", "HTTP/1.1 with a Host header and a rooted target: servers must accept the form (RFC 9112)")
def absolute_form(case: Case) -> Iterator[Request]:
    host = case.header(b"host")
    if case.is_modern and host and case.request.target[:1] == b"/":
        yield case.with_target(b"http://" + host + case.request.target)
        yield case.with_target(b"HTTP://" + host + case.request.target)


@mutator("http_1_0", "HTTP/1.1 without chunks: the older version has all that the request needs")
def http_1_0(case: Case) -> Iterator[Request]:
    if case.is_modern and not case.header(b"transfer-encoding"):
        yield msgspec.structs.replace(case.request, version=b"HTTP/1.0")
