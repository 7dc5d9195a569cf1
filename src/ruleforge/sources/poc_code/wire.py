"""From what a script hands to its HTTP client to the request as it goes over the wire."""

import re
from collections.abc import Iterator
from itertools import chain

import msgspec

from ruleforge.events.request import Request
from ruleforge.sources.found import FoundRequest
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins, mark_canaries
from ruleforge.sources.nuclei.text import Text, glue, whole
from ruleforge.sources.poc_code.texts import form_parts, joined, pieces_of

MAX_TARGET = 32 << 10  # bytes
MAX_HEADERS = 200

FORM = b"application/x-www-form-urlencoded"
_METHOD = re.compile(rb"[A-Z]{3,12}(?=[ \t])")
_VERSION = re.compile(rb"HTTP/[0-9.]{1,8}")
_LINE_END = re.compile(rb"\r?\n|\r")
_SCHEME = re.compile(rb"(?:https?:)?//", re.IGNORECASE)
_UNSAFE = re.compile(rb"[\x00-\x20\x7f-\xff]")
_LOCAL = re.compile(
    rb"(?:[^@/]*@)?(?:localhost|[\d.]+|\[[\da-f:.]+\]|[a-z\d-]+|[a-z\d.-]*(?:target|victim|example|vuln|test|site|host|"
    rb"domain|server|local)[a-z\d.-]*)(?::\d*)?",
    re.IGNORECASE,
)
_BAD_METHOD = re.compile(rb"[^A-Za-z_-]")
HOST = Text(TARGET_HOST, whole(TARGET_HOST))
BOUNDARY = Text(b"rfboundaryzqxk", whole(b"rfboundaryzqxk"))

Pair = tuple[Text, Text]


class Part(msgspec.Struct, frozen=True):
    """One part of a multipart body."""

    name: Text
    content: Text
    filename: Text | None = None
    kind: Text | None = None  # its content type


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a script describes it."""

    url: Text
    method: Text = Text(b"GET")
    params: tuple[Pair, ...] = ()  # appended to the query, to be encoded
    query: Text | None = None  # appended to the query as it is
    headers: tuple[Pair, ...] = ()
    cookies: tuple[Pair, ...] = ()
    body: Text | None = None
    kind: bytes = b""  # content type where the script gives none
    version: bytes = b"HTTP/1.1"
    raw: bool = False  # written byte by byte: nothing is added but a host
    line: int = 0


def found_request(draft: Draft, standins: Standins, step: int) -> FoundRequest | str:
    """The request of `draft`, or why there is none."""
    cut = target_of(draft.url)
    if isinstance(cut, str):
        return cut
    target, notes = _clean(_with_query(cut, draft))
    if len(target.data) > MAX_TARGET:
        return f"line {draft.line}: a target of {len(target.data)} bytes was left out"
    method = draft.method.stripped()
    if not method.data or _BAD_METHOD.search(method.data) or len(method.data) > 32:
        return f"line {draft.line}: a request without a readable method was left out"
    headers = [(name, mark_canaries(value, standins)) for name, value in _headers(draft)[:MAX_HEADERS]]
    target = mark_canaries(target, standins)
    body = None if draft.body is None else mark_canaries(draft.body, standins)
    if body is not None and body.data and not _has(headers, b"content-length") and not draft.raw:
        headers.append((Text(b"Content-Length"), Text(b"%d" % len(body.data))))
    texts = [method, target, *(part for header in headers for part in header), *([] if body is None else [body])]
    request = Request(
        method=method.data if draft.raw else method.data.upper(),
        target=target.data,
        version=draft.version,
        headers=tuple((name.data, value.data) for name, value in headers),
        body=None if body is None else body.data,
        source="poc_code",
    )
    marks = dict.fromkeys(mark for each in texts for mark in each.standins() if len(mark) > 1)
    return FoundRequest(request=request, origin=f"line {draft.line}", step=step, standins=tuple(marks), notes=notes)


def draft_of_raw(data: Text, line: int) -> Draft | None:
    """Read a request written byte by byte; None when it does not begin with a request line."""
    start = len(data.data) - len(data.data.lstrip(b"\r\n \t"))
    data = data.cut(start)
    first = _request_line(data.data)
    if first is None:
        return None
    rest = data.cut(first.end)
    end = re.search(rb"\r?\n\r?\n|^\r?\n", rest.data)
    head, body = (rest, None) if end is None else (rest.cut(0, end.start()), rest.cut(end.end()))
    headers = []
    for each in pieces_of(head, b"\n", MAX_HEADERS):
        colon = each.data.find(b":")
        if colon > 0:
            headers.append((each.cut(0, colon).stripped(), each.cut(colon + 1).stripped()))
    return Draft(
        method=data.cut(0, first.method_end),
        url=data.cut(*first.target),
        version=first.version,
        headers=tuple(headers),
        body=body if body is not None and body.data.strip(b"\r\n") else None,
        raw=True,
        line=line,
    )


class _RequestLine(msgspec.Struct, frozen=True):
    """Where the parts of a request line are; positions from its start."""

    method_end: int
    target: tuple[int, int]
    version: bytes
    end: int  # behind its line ending


def _request_line(data: bytes) -> _RequestLine | None:
    """The line that `data` begins with, cut at its first and last blanks: one look at each byte, however many blanks.

    A target may hold blanks.
    """
    method = _METHOD.match(data)
    if method is None:
        return None
    ending = _LINE_END.search(data)
    stop, after = ending.span() if ending else (len(data), len(data))
    line = data[:stop].rstrip(b" \t")
    blank = max(line.rfind(b" "), line.rfind(b"\t"))
    version = line[blank + 1 :]
    target = line[method.end() : blank].strip(b" \t")  # without any, `blank` is the one behind the method
    if not target or target[:1].isspace() or not _VERSION.fullmatch(version):
        return None
    start = stop - len(data[method.end() : stop].lstrip(b" \t"))
    return _RequestLine(method.end(), (start, start + len(target)), version, after)


def multipart(parts: list[Part]) -> Text:
    """The body; its boundary is a stand-in."""
    return joined(_multipart_texts(parts))


def _multipart_texts(parts: list[Part]) -> Iterator[Text]:
    for part in parts:
        yield from (Text(b"--"), BOUNDARY, Text(b'\r\nContent-Disposition: form-data; name="'), part.name, Text(b'"'))
        if part.filename is not None:
            yield from (Text(b'; filename="'), part.filename, Text(b'"'))
        if part.kind is not None:
            yield from (Text(b"\r\nContent-Type: "), part.kind)
        yield from (Text(b"\r\n\r\n"), part.content, Text(b"\r\n"))
    yield from (Text(b"--"), BOUNDARY, Text(b"--\r\n"))


def multipart_type() -> Text:
    """The content type of `multipart` bodies."""
    return glue([Text(b"multipart/form-data; boundary="), BOUNDARY])


def target_of(url: Text) -> Text | str:
    """What follows scheme and host of `url`, or why it is no request to the target."""
    url = url.stripped()
    scheme = _SCHEME.match(url.data)
    start = scheme.end() if scheme else 0
    first = next((span for span in url.spans if span[0] <= start), None)
    if first is not None and first[1] > start and first[0] in (0, start):
        return _after_host(url, first[1])
    if scheme is None:
        return url if url.data.startswith(b"/") or not url.data else glue([Text(b"/"), url])
    end = min((at for at in (url.data.find(mark, start) for mark in (b"/", b"?", b"#")) if at >= 0), default=-1)
    host = url.cut(start, len(url.data) if end < 0 else end)
    if not host.spans and not _LOCAL.fullmatch(host.data[:300]):
        return f"a request to another host was left out: {host.data[:80].decode('latin-1')}"
    return Text() if end < 0 else url.cut(end)


def as_path(target: Text) -> Text:
    """A target that its client takes as a path: without a slash in front, it gets one, unless it is a whole URL."""
    if target.data.startswith((b"/", b"http", b"*")) or (target.spans and target.data.startswith(TARGET_HOST)):
        return target
    return glue([Text(b"/"), target])


def _after_host(url: Text, position: int) -> Text:
    """What follows a host that is a stand-in and ends at `position`: a port, maybe another stand-in, the target."""
    while url.data[position : position + 1] == b":":
        position += 1
        span = next((span for span in url.spans if span[0] == position), None)
        digits = re.compile(rb"\d{0,5}").match(url.data, position)
        position = span[1] if span else digits.end() if digits else position
    return url.cut(position)


def _with_query(target: Text, draft: Draft) -> Text:
    mark = b"&" if b"?" in target.data else b"?"
    parts = chain([target], form_parts(draft.params, mark))
    if draft.query is not None and draft.query.data:
        parts = chain(parts, [Text(b"&" if draft.params else mark), draft.query])
    return joined(parts)


def _clean(target: Text) -> tuple[Text, tuple[str, ...]]:
    """Beginning with one slash, without a fragment, free of bytes that no client sends in a target."""
    notes: list[str] = []
    fragment = target.data.find(b"#")
    if fragment >= 0:
        target = target.cut(0, fragment)
        notes.append("the fragment (#…) of the target is never sent and was cut off")
    if _UNSAFE.search(target.data):
        target = target.each(lambda data: _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], data))
        notes.append("blanks and bytes outside ASCII in the target were percent-encoded")
    if target.data[:2] == b"//" and target.data[2:3] not in (b"", b"/"):  # an install folder "/" before "/x"
        target = target.cut(1)
    if not target.data.startswith(b"/") and target.data != b"*":
        target = glue([Text(b"/"), target])
    return target, tuple(notes)


def _headers(draft: Draft) -> list[Pair]:
    headers = [(name.stripped(), value.stripped()) for name, value in draft.headers if name.data.strip()]
    headers = [(name, HOST if _names_target(name, value) else value) for name, value in headers]
    if not _has(headers, b"host"):
        headers.insert(0, (Text(b"Host"), HOST))
    if draft.cookies:
        parts: list[Text] = []
        for name, value in draft.cookies:
            parts += [Text(b"; "), name, Text(b"="), value]
        headers.append((Text(b"Cookie"), glue(parts[1:])))
    if draft.kind and draft.body is not None and not _has(headers, b"content-type"):
        kind = multipart_type() if draft.kind == b"multipart/form-data" else Text(draft.kind)
        headers.append((Text(b"Content-Type"), kind))
    return headers


def _names_target(name: Text, value: Text) -> bool:
    """Whether this is a plain `Host` header; one with a payload in it stays as it is."""
    return name.data.lower() == b"host" and bool(value.spans or _LOCAL.fullmatch(value.data[:300]))


def _has(headers: list[Pair], name: bytes) -> bool:
    return any(given.data.lower() == name for given, _ in headers)
