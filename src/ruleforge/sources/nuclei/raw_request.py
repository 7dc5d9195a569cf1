"""From filled-in template text to the parts of a request: request line, headers, body, with their stand-ins."""

import re
from typing import Protocol

import msgspec

from ruleforge.events.request import Request
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins, mark_canaries
from ruleforge.sources.nuclei.template import HttpBlock
from ruleforge.sources.nuclei.text import Text, glue, whole

MAX_HEADERS = 200  # lines

_VERSION = re.compile(rb"HTTP/[0-9.]{1,8}")
_METHOD = re.compile(rb"[ \t]*([^\s]{1,64})[ \t\r]*")
_AUTHORITY = re.compile(rb"https?://[^/?#\\\s]*", re.IGNORECASE)
_UNSAFE_IN_TARGET = re.compile(rb"[\x00-\x20\x7f-\xff]")
_HOST = Text(TARGET_HOST, whole(TARGET_HOST))


class Filler(Protocol):
    """Fills the variables of a text; each kind of document has its own."""

    standins: Standins

    def fill(self, text: str) -> Text:
        """Replace every variable of `text` by its value."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose parts still remember their stand-ins."""

    method: Text
    target: Text
    version: bytes = b"HTTP/1.1"
    headers: tuple[tuple[Text, Text], ...] = ()
    body: Text | None = None
    notes: tuple[str, ...] = ()

    def request(self) -> Request:
        """The request alone."""
        return Request(
            method=self.method.data,
            target=self.target.data,
            version=self.version,
            headers=tuple((name.data, value.data) for name, value in self.headers),
            body=None if self.body is None else self.body.data,
            source="nuclei",
        )

    def standins(self) -> tuple[bytes, ...]:
        """All stand-ins of 2 bytes and more, each once, in order of appearance."""
        texts = [self.method, self.target, *(part for header in self.headers for part in header)]
        if self.body is not None:
            texts.append(self.body)
        found = dict.fromkeys(standin for text in texts for standin in text.standins())
        return tuple(standin for standin in found if len(standin) > 1)


def draft_of_path(block: HttpBlock, path: str, scope: Filler) -> Draft:
    """The request of a `method` + `path` block for one entry of `path`."""
    target, notes = _clean_target(_fill(scope, path).stripped())
    body = None if block.body is None else _without_last_line_end(_fill(scope, block.body))
    headers = _with_defaults(_block_headers(block, scope), body)
    return Draft(method=_fill(scope, block.method), target=target, headers=headers, body=body, notes=notes)


def draft_of_raw(block: HttpBlock, raw: str, scope: Filler) -> Draft | None:
    """The request of one entry of `raw`; None when it holds no request line.

    Line ends become CRLF before expressions are filled in, so that binary values stay as they are.
    """
    lines_as_sent = _without_annotations(raw).replace("\r\n", "\n").replace("\n", "\r\n")
    text = _fill(scope, lines_as_sent)
    end = text.data.find(b"\n")
    line, rest = (text, Text()) if end < 0 else (text.cut(0, end), text.cut(end + 1))
    method_match = _METHOD.match(line.data)
    if method_match is None:
        return None
    method = line.cut(*method_match.span(1))
    target, version = _target_and_version(line.cut(method_match.end()))
    headers, body = _head_and_body(rest)
    notes: tuple[str, ...] = ()
    if not block.unsafe:
        target, notes = _clean_target(target)
        body = _tidy_body(headers, body)
        given = {name.data.lower() for name, _ in headers}
        headers += [header for header in _block_headers(block, scope) if header[0].data.lower() not in given]
        if body is None and block.body is not None:
            body = _without_last_line_end(_fill(scope, block.body))
    elif body is not None and not body.data.strip(b"\r\n"):
        body = None
    finished = tuple(headers) if block.unsafe else _with_defaults(headers, body)
    return Draft(method=method, target=target, version=version, headers=finished, body=body, notes=notes)


def _fill(scope: Filler, text: str) -> Text:
    return mark_canaries(scope.fill(text), scope.standins)


def _without_annotations(raw: str) -> str:
    """Drop empty lines and `@timeout: 20s`, `@Host: …`, `@tls-sni: …` lines before the request line."""
    lines = raw.lstrip("\r\n").split("\n")
    first = 0
    while first < len(lines) and (lines[first].lstrip().startswith("@") or not lines[first].strip()):
        first += 1
    return "\n".join(lines[first:])


def _target_and_version(line: Text) -> tuple[Text, bytes]:
    line = line.stripped()
    start = max(line.data.rfind(b" "), line.data.rfind(b"\t")) + 1
    if not _VERSION.fullmatch(line.data, start):
        return line, b"HTTP/1.1"
    # "GET HTTP/1.1" asks for the path of the target itself
    return line.cut(0, start).stripped() if start else Text(b"/"), line.data[start:]


def _head_and_body(rest: Text) -> tuple[list[tuple[Text, Text]], Text | None]:
    """Header lines up to the first empty one, and what follows it."""
    headers: list[tuple[Text, Text]] = []
    position = lines = 0
    while position < len(rest.data):
        end = rest.data.find(b"\n", position)
        stop = len(rest.data) if end < 0 else end
        line = rest.cut(position, stop)
        position = stop + 1
        if not line.data.strip():
            return headers, rest.cut(min(position, len(rest.data)))
        lines += 1
        if lines > MAX_HEADERS:
            continue
        if line.data[:1] in b" \t" and headers:  # continues the header before
            name, value = headers[-1]
            headers[-1] = (name, glue([value, Text(b" "), line.stripped()]))
        else:
            colon = line.data.find(b":")
            cut = len(line.data) if colon < 0 else colon
            headers.append(_header(line.cut(0, cut).stripped(), line.cut(min(cut + 1, len(line.data))).stripped()))
    return headers, None


def _header(name: Text, value: Text) -> tuple[Text, Text]:
    """The header; a host whose `{{Hostname}}` is misspelt is the target all the same."""
    return (name, _HOST) if name.data.lower() == b"host" and b"{{" in value.data else (name, value)


def _tidy_body(headers: list[tuple[Text, Text]], body: Text | None) -> Text | None:
    """Take off the one line end that YAML's block text adds; a multipart body needs it and keeps it."""
    if body is None or not body.data.strip(b"\r\n"):
        return None
    multipart = any(name.data.lower() == b"content-type" and b"multipart/" in value.data for name, value in headers)
    return body if multipart else _without_last_line_end(body)


def _without_last_line_end(body: Text) -> Text:
    for line_end in (b"\r\n", b"\n"):
        if body.data.endswith(line_end):
            return body.cut(0, len(body.data) - len(line_end))
    return body


def _clean_target(target: Text) -> tuple[Text, tuple[str, ...]]:
    """Without scheme and host, beginning with a slash, free of bytes that a client never sends in a target."""
    notes: list[str] = []
    authority = _AUTHORITY.match(target.data)
    if authority is not None:
        target = target.cut(authority.end())
    fragment = target.data.find(b"#")
    if fragment >= 0:
        target = target.cut(0, fragment)
        notes.append("the fragment (#…) of the target is never sent and was cut off")
    if _UNSAFE_IN_TARGET.search(target.data):
        target = target.each(lambda data: _UNSAFE_IN_TARGET.sub(lambda found: b"%%%02X" % found[0][0], data))
        notes.append("blanks and bytes outside ASCII in the target were percent-encoded")
    if not target.data.startswith(b"/") and target.data != b"*":
        target = glue([Text(b"/"), target])
    return target, tuple(notes)


def _block_headers(block: HttpBlock, scope: Filler) -> list[tuple[Text, Text]]:
    return [(_fill(scope, name).stripped(), _fill(scope, value).stripped()) for name, value in block.headers]


def _with_defaults(headers: list[tuple[Text, Text]], body: Text | None) -> tuple[tuple[Text, Text], ...]:
    """Add what no client leaves out: `Host`, and `Content-Length` where a body needs it."""
    given = {name.data.lower() for name, _ in headers}
    finished = list(headers)
    if b"host" not in given:
        finished.insert(0, (Text(b"Host"), _HOST))
    if body is not None and body.data and not given & {b"content-length", b"transfer-encoding"}:
        finished.append((Text(b"Content-Length"), Text(b"%d" % len(body.data))))
    return tuple(finished)
