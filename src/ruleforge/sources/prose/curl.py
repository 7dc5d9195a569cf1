"""Command lines of curl: from what a document shows a person to type to the request that curl would send."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote_from_bytes

import msgspec

from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.prose.chunks import to_bytes
from ruleforge.sources.prose.drafts import Draft
from ruleforge.sources.prose.shell_words import split_command

MAX_COMMANDS = 200  # of one document
MAX_PARTS = 200
MAX_VARIABLES = 500
MAX_VALUE = 8 << 10  # characters
MAX_PART = 64 << 10  # characters
MAX_EXPANDED = 4 << 20  # characters that variables may add to the words of a document
BOUNDARY = "rfboundaryzqxk"
FORM = "application/x-www-form-urlencoded"

_START = re.compile(r"(?:^|(?<=[\s|;&`(/'\"]))curl(?:\.exe)?(?=[ \t]+[-'\"“‘\w$/<\[{\\])")
_ASSIGNMENT = re.compile(r"^[ \t$#]*(?:export[ \t]+)?([A-Za-z_]\w{0,63})=", re.MULTILINE)
_NAME = re.compile(r"\0(\w{1,64})\0")

# short option → long one; what takes a value is in VALUED
_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "G": "get", "b": "cookie", "A": "user-agent",
    "e": "referer", "u": "user", "I": "head", "T": "upload-file", "0": "http1.0", "r": "range", "o": "output",
    "x": "proxy", "m": "max-time", "w": "write-out", "c": "cookie-jar", "E": "cert", "D": "dump-header",
    "K": "config", "U": "proxy-user", "y": "speed-time", "Y": "speed-limit", "z": "time-cond", "C": "continue-at",
    "P": "ftp-port", "Q": "quote", "t": "telnet-option", "h": "help",
}  # fmt: skip
_VALUED = frozenset(
    [
        "request",
        "header",
        "data",
        "data-raw",
        "data-binary",
        "data-ascii",
        "data-urlencode",
        "json",
        "form",
        "form-string",
        "cookie",
        "user-agent",
        "referer",
        "user",
        "upload-file",
        "range",
        "output",
        "proxy",
        "max-time",
        "write-out",
        "cookie-jar",
        "cert",
        "dump-header",
        "config",
        "proxy-user",
        "speed-time",
        "speed-limit",
        "time-cond",
        "continue-at",
        "ftp-port",
        "quote",
        "telnet-option",
        "url",
        "url-query",
        "request-target",
        "connect-timeout",
        "retry",
        "retry-delay",
        "retry-max-time",
        "resolve",
        "connect-to",
        "cacert",
        "capath",
        "key",
        "key-type",
        "cert-type",
        "ciphers",
        "interface",
        "limit-rate",
        "local-port",
        "max-filesize",
        "max-redirs",
        "noproxy",
        "pass",
        "postquote",
        "socks5",
        "socks5-hostname",
        "socks4",
        "socks4a",
        "preproxy",
        "stderr",
        "trace",
        "trace-ascii",
        "tls-max",
        "tls13-ciphers",
        "unix-socket",
        "abstract-unix-socket",
        "oauth2-bearer",
        "proto",
        "proto-default",
        "proto-redir",
        "dns-servers",
        "doh-url",
        "keepalive-time",
        "output-dir",
        "parallel-max",
        "engine",
        "rate",
        "aws-sigv4",
        "expect100-timeout",
        "happy-eyeballs-timeout-ms",
        "hostpubmd5",
        "krb",
        "libcurl",
        "login-options",
        "pinnedpubkey",
    ]
)


class _Part(msgspec.Struct, frozen=True):
    name: str
    content: str
    filename: str | None = None
    kind: str | None = None


class _Operation:
    """The options between `curl` and `--next` or the end of the command."""

    def __init__(self) -> None:
        self.method = ""
        self.urls: list[str] = []
        self.headers: list[tuple[str, str]] = []
        self.data: list[str] = []
        self.query: list[str] = []
        self.parts: list[_Part] = []
        self.kind = ""  # content type of the data
        self.as_query = self.head = self.json = False
        self.upload: str | None = None
        self.target: str | None = None
        self.version = "HTTP/1.1"
        self.marks: list[str] = []
        self.notes: list[str] = []


class CurlFound(msgspec.Struct, frozen=True):
    """The requests of all commands of a text."""

    drafts: tuple[Draft, ...]
    spans: tuple[tuple[int, int], ...]  # where in the text the commands stand
    problems: tuple[str, ...] = ()


def read_curl(text: str, standins: Standins, first_line: int = 1) -> CurlFound:
    """Read all commands of curl in `text`; files they name are stand-ins, variables as well.

    Args:
        text: lines joined by LF.
        standins: hands out what stands for files and variables.
        first_line: the number of its first line in the document.
    """
    drafts: list[Draft] = []
    spans: list[tuple[int, int]] = []
    problems: list[str] = []
    position = line_position = 0
    line = first_line
    values = _assigned(text)
    while (found := _START.search(text, position)) is not None:
        if len(spans) >= MAX_COMMANDS:
            problems.append(f"more than {MAX_COMMANDS} commands of curl: the others were left out")
            break
        line += text.count("\n", line_position, found.start())
        line_position = found.start()
        before = text[max(found.start() - 1, 0) : found.start()]
        command = split_command(text, found.end(), {"`": "`", "(": ")", "'": "'", '"': '"'}.get(before, ""))
        position = max(command.end, found.end())
        spans.append((found.start(), position))
        if not command.closed:
            problems.append(f"line {line}: a quote of the command is never closed")
        drafts += _drafts([_known(word, values) for word in command.words], standins, line)
    return CurlFound(tuple(drafts), tuple(spans), tuple(problems))


class _Values(dict[str, str]):
    """The variables of a script, and how far words may still grow by them."""

    left = MAX_EXPANDED


def _assigned(text: str) -> _Values:
    """What a script assigns to its variables, the last of several; values that only a run would know are not kept."""
    values = _Values()
    for found in list(_ASSIGNMENT.finditer(text))[:MAX_VARIABLES]:
        words = split_command(text, found.end()).words if text[found.end() : found.end() + 1].strip() else ()
        value = _known(words[0], values) if words else ""
        if value and len(value) <= MAX_VALUE and not _NAME.search(value):
            values[found[1]] = value
    return values


def _known(word: str, values: _Values) -> str:
    """The word with the values of those variables that the text itself sets; as it is where it would grow too long."""
    if not values or "\0" not in word:
        return word
    added = sum(len(values.get(found[1], found[0])) for found in _NAME.finditer(word))
    if len(word) + added > MAX_PART or added > values.left:
        return word
    values.left -= added
    return _NAME.sub(lambda found: values.get(found[1], found[0]), word)


def _drafts(words: Sequence[str], standins: Standins, line: int) -> Iterator[Draft]:
    for operation in _operations(words, standins):
        for url in operation.urls[:50]:
            if not re.match(r"[a-z]{2,10}://", url, re.IGNORECASE) or url[:4].lower() == "http":
                yield _draft(operation, url, line, standins)


def _operations(words: Sequence[str], standins: Standins) -> Iterator[_Operation]:
    operation = _Operation()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word in ("--next", "-:"):
            yield operation
            operation = _Operation()
            continue
        for name, glued in _options(word):
            value = ""
            if name in _VALUED:
                value = glued if glued is not None else words[at] if at < len(words) else ""
                at += glued is None
            _apply(operation, name, value, standins)
        if not word.startswith("-") or word == "-":
            operation.urls.append(word)
    yield operation


def _options(word: str) -> Iterator[tuple[str, str | None]]:
    """The options that one word holds, long names, with the value glued to it: `-sXPOST` → silent, request=POST."""
    if word.startswith("--"):
        name, mark, value = word[2:].partition("=")
        yield name, (value if mark else None)
    elif word.startswith("-") and len(word) > 1:
        for index, letter in enumerate(word[1:], 2):
            name = _SHORT.get(letter, "")
            if name in _VALUED:
                yield name, word[index:] or None
                return
            yield name, None


def _apply(operation: _Operation, name: str, value: str, standins: Standins) -> None:
    handle = _HANDLERS.get(name)
    if handle is not None:
        handle(operation, value, standins)


def _header(operation: _Operation, value: str, _: Standins) -> None:
    name, colon, content = value.partition(":")
    if colon and content.strip():  # without a value, curl leaves its own header out
        operation.headers.append((name.strip(), content.strip()))
    elif value.rstrip().endswith(";"):  # how curl is told to send an empty one
        operation.headers.append((value.rstrip()[:-1].strip(), ""))


def _data(operation: _Operation, value: str, standins: Standins) -> None:
    operation.data.append(_file(operation, value[1:], standins) if value.startswith("@") else value)


def _urlencode(operation: _Operation, value: str, standins: Standins) -> None:
    mark = next((c for c in value if c in "=@"), "")
    name, _, content = value.partition(mark) if mark else ("", "", value)
    text = _file(operation, content, standins) if mark == "@" else content
    encoded = _quoted(text)
    operation.data.append(f"{name}={encoded}" if name else encoded)


def _quoted(text: str) -> str:
    """Percent-encode all but what is left to be filled in."""
    parts = re.split(r"(\0\w{1,64}\0)", text)
    return "".join(part if index % 2 else quote_from_bytes(to_bytes(part), safe="") for index, part in enumerate(parts))


def _json(operation: _Operation, value: str, standins: Standins) -> None:
    operation.json = True
    _data(operation, value, standins)


def _form(operation: _Operation, value: str, standins: Standins) -> None:
    name, _, rest = value.partition("=")
    if len(operation.parts) >= MAX_PARTS:
        return
    content, settings = _settings(rest)
    if content.startswith(("@", "<")):
        path = content[1:]
        filename = settings.get("filename", path.rpartition("/")[2].rpartition("\\")[2]) if content[0] == "@" else None
        text = _file(operation, path, standins)
        kind = settings.get("type") or ("application/octet-stream" if filename is not None else None)
        operation.parts.append(_Part(name, text, filename, kind))
    else:
        operation.parts.append(_Part(name, content, settings.get("filename"), settings.get("type")))


def _settings(rest: str) -> tuple[str, dict[str, str]]:
    """The content of a part, and `type`, `filename` after it."""
    found = re.search(r";[ ]*(?:type|filename|headers|encoder)=", rest)
    if rest.startswith('"'):
        end = re.compile(r'"((?:[^"\\]|\\.)*)"').match(rest[:MAX_PART])
        content = re.sub(r"\\([\\\"])", r"\1", end[1]) if end else rest
        tail = rest[end.end() :] if end else ""
    else:
        content, tail = (rest, "") if found is None else (rest[: found.start()], rest[found.start() :])
    pairs = re.findall(r';[ ]*(type|filename)=(?:"([^"]*)"|([^;]*))', tail[:4_000])
    return content, {name: quoted or plain.strip() for name, quoted, plain in pairs}


def _file(operation: _Operation, name: str, standins: Standins) -> str:
    """What stands for the content of a file that the document only names."""
    mark = standins.named("file " + name).data.decode("ascii")
    operation.marks.append(mark)
    operation.notes.append(f"the content of the file {name[:100]} is not in the document")
    return mark


def _user(operation: _Operation, value: str, _: Standins) -> None:
    encoded = base64.b64encode(to_bytes(value)).decode("ascii")
    operation.marks.append(encoded)
    operation.headers.append(("Authorization", "Basic " + encoded))


def _cookie(operation: _Operation, value: str, _: Standins) -> None:
    if "=" in value:  # otherwise it is the name of a file
        operation.headers.append(("Cookie", value))


def _set(name: str) -> Callable[[_Operation, str, Standins], None]:
    return lambda operation, value, _: setattr(operation, name, value)


def _on(name: str, value: object = True) -> Callable[[_Operation, str, Standins], None]:
    return lambda operation, _value, _: setattr(operation, name, value)


def _named(name: str, start: str = "") -> Callable[[_Operation, str, Standins], None]:
    return lambda operation, value, _: operation.headers.append((name, start + value))


_HANDLERS: dict[str, Callable[[_Operation, str, Standins], None]] = {
    "request": _set("method"),
    "header": _header,
    "data": _data,
    "data-ascii": _data,
    "data-binary": _data,
    "data-raw": lambda operation, value, _: operation.data.append(value),
    "data-urlencode": _urlencode,
    "json": _json,
    "form": _form,
    "form-string": lambda operation, value, _: operation.parts.append(
        _Part(value.partition("=")[0], value.partition("=")[2])
    ),
    "get": _on("as_query"),
    "head": _on("head"),
    "cookie": _cookie,
    "user-agent": _named("User-Agent"),
    "referer": lambda operation, value, _: operation.headers.append(("Referer", value.removesuffix(";auto"))),
    "user": _user,
    "oauth2-bearer": _named("Authorization", "Bearer "),
    "range": _named("Range", "bytes="),
    "upload-file": _set("upload"),
    "request-target": _set("target"),
    "url": lambda operation, value, _: operation.urls.append(value),
    "url-query": lambda operation, value, _: operation.query.append(value.removeprefix("+")),
    "http1.0": _on("version", "HTTP/1.0"),
    "http2": _on("version", "HTTP/2"),
}


def _draft(operation: _Operation, url: str, line: int, standins: Standins) -> Draft:
    body, kind = _body(operation, standins)
    queries = [*operation.query, *(operation.data if operation.as_query else ())]
    url, url_marks = _filled(_with_query(_target(operation, url), queries), standins)
    marks = [*operation.marks, *url_marks]
    headers: list[tuple[str, str]] = []
    for name, value in _headers(operation, kind):
        text, found = _filled(value, standins)
        headers.append((_NAME.sub(r"\1", name), text))
        marks += found
    if body is not None:
        body, found = _filled(body, standins)
        marks += found
    return Draft(
        method=_NAME.sub(r"\1", operation.method) or _method(operation, body),
        url=url,
        headers=tuple(headers),
        body=body,
        version=operation.version,
        line=line,
        marks=tuple(dict.fromkeys(marks)),
        notes=tuple(dict.fromkeys(operation.notes)),
        host_first=True,
    )


def _method(operation: _Operation, body: str | None) -> str:
    if operation.head:
        return "HEAD"
    return "PUT" if operation.upload is not None else "GET" if body is None else "POST"


def _target(operation: _Operation, url: str) -> str:
    if operation.target is not None:
        found = re.match(r"(?:https?://)?[^/?#]{0,300}", url)
        return (found[0] if found else "") + operation.target
    if operation.upload is not None and url.partition("?")[0].endswith("/"):
        return url + operation.upload.rpartition("/")[2]
    return url


def _with_query(url: str, queries: list[str]) -> str:
    if not queries:
        return url
    start, mark, fragment = url.partition("#")
    return start + ("&" if "?" in start else "?") + "&".join(queries) + mark + fragment


def _body(operation: _Operation, standins: Standins) -> tuple[str | None, str]:
    if operation.parts:
        operation.marks.append(BOUNDARY)
        return _multipart(operation.parts), f"multipart/form-data; boundary={BOUNDARY}"
    if operation.upload is not None:
        return _file(operation, operation.upload, standins), ""
    if operation.as_query or not operation.data:
        return None, ""
    if operation.json:
        return "".join(operation.data), "application/json"
    return "&".join(operation.data), FORM


def _multipart(parts: list[_Part]) -> str:
    texts = []
    for part in parts:
        name = f'; filename="{part.filename}"' if part.filename is not None else ""
        kind = f"\r\nContent-Type: {part.kind}" if part.kind else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"{name}{kind}'
        texts.append(f"{head}\r\n\r\n{part.content}\r\n")
    return "".join(texts) + f"--{BOUNDARY}--\r\n"


def _headers(operation: _Operation, kind: str) -> list[tuple[str, str]]:
    headers = list(operation.headers)
    given = {name.lower() for name, _ in headers}
    if kind.startswith("multipart/"):
        headers = [header for header in headers if header[0].lower() != "content-type"]
        given.discard("content-type")
    if kind and "content-type" not in given:
        headers.append(("Content-Type", kind))
    if operation.json and "accept" not in given:
        headers.append(("Accept", "application/json"))
    return headers


def _filled(text: str, standins: Standins) -> tuple[str, list[str]]:
    """Put stand-ins where the shell would have put the value of a variable."""
    marks: list[str] = []

    def put(found: re.Match[str]) -> str:
        mark = standins.named(found[1]).data.decode("ascii")
        marks.append(mark)
        return mark

    return _NAME.sub(put, text), marks
