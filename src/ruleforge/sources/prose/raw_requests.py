"""Requests that a document writes out: request line, headers, body, amid prose, indented, quoted or in a fence."""

import re
from collections.abc import Sequence

import msgspec

from ruleforge.sources.prose.chunks import Chunk, to_bytes
from ruleforge.sources.prose.drafts import Draft

MAX_REQUESTS = 300  # of one document
MAX_LINE = 64 << 10  # characters that are looked at
MAX_BODY_LINES = 4_000
WRAPPED = 66  # characters from which on a line may have been wrapped by an editor

_METHODS = (
    "GET|POST|PUT|DELETE|HEAD|OPTIONS|PATCH|TRACE|CONNECT|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|SEARCH|DEBUG"
    "|TRACK|PURGE|REPORT|SUBSCRIBE|NOTIFY"
)
_LINE = re.compile(
    # A run of marks is taken whole: given back piece by piece, a line of them would cost the cube of its length.
    r"(?P<lead>[ \t]*+(?:(?://|[#>*|;+-]++|\d{1,2}[.)]|\[\+\]|(?:HTTP )?[Rr]equest ?:|REQUEST ?:)[ \t]*+){0,3}[\"'`]?)"
    rf"(?P<method>{_METHODS})[ \t]+(?P<target>\S.*)$"
)
_VERSION = re.compile(r"[ \t]+(?P<version>HTTP/[0-9.]{1,4})(?P<after>[ \t\"'`|.,;:)]{0,4}.{0,80})$")
_HEADER = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,60}|[A-Za-z][\w-]{0,40}\[[\w-]{0,20}\])[ \t]?:(?!//)[ \t]*(?P<value>.*)$"
)
_RESPONSE = re.compile(r"[ \t#>*|;+-]{0,12}HTTP/[0-9.]{1,4}[ \t]+[1-5]\d\d\b")
_RULER = re.compile(
    r"[ \t]*(?:[-=*_#~+.<>]{4,}+|\[/?code\]|</?(?:pre|code)>|={2,}+.{0,60}={2,}|-{3,}+.{0,60}-{3,})[ \t]*$",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(r"boundary=\"?([^\";,\s]{1,200})", re.IGNORECASE)
_ONLY_VERSION = re.compile(r"HTTP/[0-9.]{1,4}")
_SNIPPED = re.compile(r"\[?(?:\.{3,}|…)\]?|\[snip\]|<snip>", re.IGNORECASE)
_STARTS_HEAD = re.compile(
    r"(?:Host|User-Agent|Accept|Cookie|Referer|Connection|Content-(?:Type|Length)): ?\S", re.IGNORECASE
)
_COMMON_HEADER = re.compile(
    r"(?:Host|User-Agent|Accept[\w-]*|Content-[\w-]+|Cookie|Referer|Origin|Connection|Upgrade[\w-]*|Cache-Control|Pragma"
    r"|DNT|X-[\w-]+|Sec-[\w-]+|Authorization|TE|If-[\w-]+|Priority|Proxy[\w-]*)[ \t]?:",
    re.IGNORECASE,
)
_PATHLY = re.compile(r"/|\*$|https?://|[\w/.-]{1,200}\?\w", re.IGNORECASE)
_FRAGMENT = re.compile(
    rf"(?<![\w/-])({_METHODS})[ \t]+((?:/|https?://)[^\s`]{{1,4000}})(?:[ \t]+(HTTP/[0-9.]{{1,4}}))?"
)


class RawFound(msgspec.Struct, frozen=True):
    """What was found in one chunk."""

    drafts: tuple[Draft, ...] = ()
    consumed: frozenset[int] = frozenset()  # numbers of the lines that belong to requests and responses
    problems: tuple[str, ...] = ()


class _Start(msgspec.Struct, frozen=True):
    lead: str
    method: str
    target: str
    version: str  # empty: none was written


def read_raw(chunk: Chunk) -> RawFound:
    """Read all requests of a chunk; a response is read over, and a request line in running text counts as well."""
    lines = chunk.lines
    drafts: list[Draft] = []
    consumed: set[int] = set()
    problems: list[str] = []
    at = 0
    while at < len(lines):
        start = _start(lines[at])
        if start is None or not _is_request(start, lines, at, chunk):
            at = _after_response(lines, at, consumed, chunk.first) if _RESPONSE.match(lines[at][:200]) else at + 1
            continue
        if len(drafts) >= MAX_REQUESTS:
            problems.append(f"more than {MAX_REQUESTS} requests: the others were left out")
            break
        draft, end = _request(start, lines, at, chunk)
        consumed.update(range(chunk.first + at, chunk.first + end))
        if not draft.target_is_readable:
            problems.append(f"line {draft.draft.line}: a request that is cut off was left out")
        else:
            drafts.append(draft.draft)
        at = end
    return RawFound(tuple(drafts), frozenset(consumed), tuple(problems))


def read_fragments(lines: Sequence[tuple[int, str]]) -> list[Draft]:
    """Request lines amid a sentence: "send `POST /a.php?x=1 HTTP/1.1` twice", "a GET /b/../c"."""
    drafts: list[Draft] = []
    for number, line in lines:
        for found in _FRAGMENT.finditer(line[:MAX_LINE]):
            target = found[2].rstrip(".,;:)'\"`") if not found[3] else found[2]
            if len(target) > 1 and len(drafts) < MAX_REQUESTS:
                drafts.append(Draft(method=found[1], url=target, line=number, complete=False))
    return drafts


def _start(line: str) -> _Start | None:
    found = _LINE.match(line[:MAX_LINE])
    if found is None:
        return None
    target, version = found["target"].rstrip(), ""
    end = _VERSION.search(target, max(len(target) - 120, 0))
    if end is not None:
        target, version = target[: end.start()], end["version"]
    return _Start(found["lead"], found["method"], target, version)


def _is_request(start: _Start, lines: Sequence[str], at: int, chunk: Chunk) -> bool:
    """Whether a line is a request line and not a sentence that begins with GET."""
    if start.version:
        return True
    if at + 1 < len(lines) and _ONLY_VERSION.fullmatch(_unled(lines[at + 1], start.lead).strip()):
        return " " not in start.target
    if not _PATHLY.match(start.target):
        return False
    if " " in start.target.strip() and not chunk.fenced and "?" not in start.target:
        return False
    following = next((line for line in lines[at + 1 : at + 2]), "")
    header = _HEADER.match(_unled(following, start.lead)[:400])
    if header is not None and header["name"].lower() in ("host", "user-agent", "content-type", "cookie", "accept"):
        return True
    return chunk.fenced and not start.lead.strip(" \t#>|*") and " " not in start.target.strip()


class _Read(msgspec.Struct, frozen=True):
    draft: Draft
    target_is_readable: bool


def _request(start: _Start, lines: Sequence[str], at: int, chunk: Chunk) -> tuple[_Read, int]:
    """The request whose request line is `lines[at]`, and the index of the first line after it."""
    headers: list[tuple[str, str]] = []
    end = at + 1
    if not start.version and end < len(lines) and _ONLY_VERSION.fullmatch(_unled(lines[end], start.lead).strip()):
        end += 1  # an editor broke the request line
    body_starts = False
    before = lines[at]
    while end < len(lines):
        line = _unled(lines[end], start.lead)
        if not line.strip() and _STARTS_HEAD.match(_unled("".join(lines[end + 1 : end + 2]), start.lead)[:60]):
            end += 1  # a document with an empty line after each line
            continue
        if not line.strip():
            body_starts = True
            end += 1
            break
        if _ends_head(lines[end], line):
            break
        if _SNIPPED.fullmatch(line.strip()):
            end += 1
            continue
        found = _HEADER.match(line[:MAX_LINE])
        if found is not None and not (line[:1] in " \t" and headers):
            headers.append((found["name"], found["value"].strip()))
        elif headers and _goes_on(headers[-1][1], before, line, lines, end, start.lead):
            name, value = headers[-1]
            headers[-1] = (name, _joined(value, line, name))
        else:
            body_starts = start.method not in ("GET", "HEAD") and bool(headers)
            break
        before = lines[end]
        end += 1
    body: str | None = None
    if body_starts and not _is_bodiless(start.method, headers):
        body, end = _body(headers, lines, end, start.lead, chunk)
    draft = Draft(
        method=start.method,
        url=start.target,
        headers=tuple(headers),
        body=body,
        version=start.version or "HTTP/1.1",
        line=chunk.first + at,
    )
    readable = not re.search(r"\.\.\.$|…$|\[\.\.\.\]|\[snip", start.target)
    return _Read(draft, readable), end


def _unled(line: str, lead: str) -> str:
    """The line without what stands before each line of the request: indentation, comment and quote marks."""
    if not lead:
        return line
    if line.startswith(lead):
        return line[len(lead) :]
    marks = lead.strip()
    rest = line.lstrip(" \t")
    if marks and not marks[0].isalnum() and rest.startswith(marks):
        return rest[len(marks) :].lstrip(" \t")
    missing = 0
    for character in line[: len(lead)]:
        if character not in " \t":
            break
        missing += 1
    return line[missing:]


def _ends_head(raw: str, line: str) -> bool:
    return bool(_RESPONSE.match(raw[:200]) or _RULER.match(line[:200]) or (_start(raw) is not None and "HTTP/" in raw))


def _goes_on(value: str, before: str, line: str, lines: Sequence[str], at: int, lead: str) -> bool:
    """Whether a line that is no header continues the one before: folded, or broken by an editor."""
    if line[:1] in " \t" or not value or value.endswith((";", ",")):
        return True
    following = [_unled(each, lead) for each in lines[at + 1 : at + 3]]
    if any(_COMMON_HEADER.match(each[:60]) for each in following) and not any(
        not each.strip() for each in following[:1]
    ):
        return True
    return len(before) >= WRAPPED and not _is_form(line)


def _is_form(line: str) -> bool:
    return bool(re.match(r"[\w.\[\]%-]{1,60}=[^;]*(?:&|$)", line[:400])) or line[:1] in "{<"


def _joined(value: str, line: str, name: str) -> str:
    """A header that goes on in the next line; a cookie or token broken in two has no blank there."""
    glue = " " if line[:1] in " \t" or (" " in value[-20:] and name.lower() == "user-agent") else ""
    return value + (glue or " " if value.endswith((";", ",")) else glue) + line.strip()


def _is_bodiless(method: str, headers: Sequence[tuple[str, str]]) -> bool:
    """Whether what follows the head is the document again and not a body."""
    names = {name.lower(): value for name, value in headers}
    if names.get("content-length", "").strip() == "0":
        return True
    if method in ("POST", "PUT", "PATCH", "PROPFIND", "SEARCH", "REPORT", "PROPPATCH", "LOCK"):
        return False
    length = names.get("content-length", "").strip()[:9]
    return not (
        {"content-type", "transfer-encoding"} & set(names)
        or (length.isascii() and length.isdigit() and int(length) > 0)
    )


def _body(
    headers: Sequence[tuple[str, str]], lines: Sequence[str], at: int, lead: str, chunk: Chunk
) -> tuple[str | None, int]:
    """The body that begins at `lines[at]`, and the index of the first line after it."""
    values = {name.lower(): value for name, value in headers}
    boundary = _BOUNDARY.search(values.get("content-type", "")[:2_000])
    stop = _limit(lines, at, multipart=bool(boundary))
    plain = [_unled(line, lead) for line in lines[at:stop]]
    while plain and not plain[0].strip() and at < stop:
        plain.pop(0)
        at += 1
    count = _count(plain, values, boundary[1] if boundary else "", fenced=chunk.fenced)
    kept = plain[:count]
    while kept and not kept[-1].strip():
        kept.pop()
    if not kept:
        return None, at
    if boundary:
        return "\r\n".join(kept) + "\r\n", at + count
    return _text_of(kept, values), at + count


def _limit(lines: Sequence[str], at: int, *, multipart: bool) -> int:
    """The index of the line at which a body ends at the latest: a response, another request."""
    for index in range(at, min(len(lines), at + MAX_BODY_LINES)):
        raw = lines[index]
        if _RESPONSE.match(raw[:200]):
            return index
        start = _start(raw)
        if start is not None and start.version and index > at:
            return index
        if start is not None and not multipart and index > at and _is_request(start, lines, index, _FENCED):
            return index
    return min(len(lines), at + MAX_BODY_LINES)


_FENCED = Chunk((), 0, fenced=False)


def _count(plain: Sequence[str], values: dict[str, str], boundary: str, *, fenced: bool) -> int:
    """How many of the lines are the body."""
    if boundary:
        last = next((i for i, line in enumerate(plain) if line.strip().startswith("--" + boundary + "--")), None)
        if last is not None:
            return last + 1
        loose = next((i for i, line in enumerate(plain) if i and re.match(r"-{2,}\S{4,80}--\s*$", line[:200])), None)
        if loose is not None:
            return loose + 1
    elif (by_length := _lines_of_length(plain, values.get("content-length", ""))) is not None:
        return by_length
    if fenced:
        return len(plain)
    return _paragraph(plain, multipart=bool(boundary))


def _lines_of_length(plain: Sequence[str], length: str) -> int | None:
    """The number of lines that make `length` bytes, with LF or CRLF; None when it falls within a line."""
    if not (length.isascii() and length.strip().isdigit()) or len(length.strip()) > 8:
        return None
    wanted = int(length)
    with_lf = with_crlf = -1
    for index, line in enumerate(plain, 1):
        size = len(to_bytes(line))
        with_lf, with_crlf = with_lf + size + 1, with_crlf + size + (2 if index > 1 else 1)
        if wanted in (with_lf, with_crlf, with_lf + 1, with_crlf + 2):
            return index
        if with_lf > wanted:
            return None
    return None


def _paragraph(plain: Sequence[str], *, multipart: bool) -> int:
    """Where a body in running text ends: JSON and XML where they close, everything else at an empty line."""
    first = plain[0].lstrip()[:1] if plain else ""
    if first in ("{", "["):
        return _json_lines(plain)
    blank = 0
    for index, line in enumerate(plain):
        if not line.strip():
            blank += 1
            goes_on = next((each.lstrip()[:1] for each in plain[index + 1 : index + 2]), "")
            if first == "<" and goes_on == "<":
                continue
            if multipart and blank < 40 and any(each.startswith("--") for each in plain[index + 1 : index + 60]):
                continue
            if multipart and index and plain[index - 1].lower().startswith("content-"):
                continue
            return index
        if index and _RULER.match(line[:200]) and not (multipart and line.startswith("--")):
            return index
    return len(plain)


def _json_lines(plain: Sequence[str]) -> int:
    depth, quoted, escaped = 0, False, False
    for index, line in enumerate(plain, 1):
        for character in line[:MAX_LINE]:
            if escaped:
                escaped = False
            elif character == "\\" and quoted:
                escaped = True
            elif character == '"':
                quoted = not quoted
            elif not quoted and character in "{[":
                depth += 1
            elif not quoted and character in "}]":
                depth -= 1
        if depth <= 0 and not quoted:
            return index
    return next((i for i, line in enumerate(plain) if not line.strip()), len(plain))


def _text_of(kept: Sequence[str], values: dict[str, str]) -> str:
    """The lines as one body; a form that an editor wrapped is one line again."""
    kind = values.get("content-type", "").lower()
    form = "urlencoded" in kind or (not kind and "=" in kept[0] and kept[0][:1] not in "<{[")
    if form and len(kept) > 1 and "<" not in kept[0][:1]:
        length = values.get("content-length", "").strip()
        joined = "".join(line.strip() for line in kept)
        if (length.isascii() and length.isdigit() and int(length[:9]) == len(to_bytes(joined))) or not any(
            " " in line.strip() for line in kept
        ):
            return joined
    return ("\r\n" if "multipart" in kind else "\n").join(kept)


def _after_response(lines: Sequence[str], at: int, consumed: set[int], first: int) -> int:
    """Read over the head of a response; the index of the first line after it."""
    consumed.add(first + at)
    end = at + 1
    while end < len(lines) and _HEADER.match(lines[end].strip()[:400]):
        consumed.add(first + end)
        end += 1
    return end
