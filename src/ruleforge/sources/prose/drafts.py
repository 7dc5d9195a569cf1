"""From a request as a person wrote it down to one that could be sent: placeholders filled, stand-ins marked."""

import re

import msgspec

from ruleforge.events.request import Request
from ruleforge.rules.classes import classes_of
from ruleforge.sources.found import FoundRequest
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins, mark_canaries
from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.prose.chunks import to_bytes
from ruleforge.sources.prose.placeholders import Filler

MAX_TARGET = 32 << 10  # characters
MAX_HEADERS = 200
MAX_BODY = 1 << 20  # characters
LEAST_SECRET = 6  # characters of a value that is one session's own

_URL = re.compile(r"(?:https?:)?//([^/?#\\\s]{0,300})", re.IGNORECASE)
_HOST_FIRST = re.compile(r"([^/?#\s]{1,300})(?=[/?#]|$)")
_UNSAFE = re.compile(rb"[\x00-\x20\x7f-\xff]")
_CUT_OFF = re.compile(r"\.\.\.$|…|\[\.\.\.\]|\[snip|<snip|\(snip", re.IGNORECASE)
_SNIPPED = re.compile(
    r"\[?(?:\.{3,}|…)[ ]?(?:snip|snipped|cut|truncated|omitted)?[ ]?(?:\.{3,}|…)?\]|<snip>|\[snip\]", re.IGNORECASE
)
_METHOD = re.compile(r"[A-Za-z_-]{1,32}")
_SECRET_NAME = re.compile(
    r"csrf|xsrf|nonce|token|sess(?:ion)?(?:id)?\b|sessid|sid$|jsessionid|_wpnonce|authorization|api[_-]?key|viewstate"
    r"|^auth|wordpress_logged_in|remember|password|passwd|^pwd$|^pass$",
    re.IGNORECASE,
)
_PAIR = re.compile(r"(?:^|[?&;\s])([\w.\[\]%-]{1,80})=([^&;\s]{1,4000})")
_OTHER_HOST = re.compile(
    r"(?:https?|ftp|ldaps?|rmi|gopher)(?::|%3[Aa])(?:/|%2[Ff]){2}([A-Za-z0-9.-]{3,200})"
    r"(?:(?::|%3[Aa])\d{1,5})?(?:(?:/|%2[Ff])([A-Za-z0-9_.-]{4,80})(?![A-Za-z0-9_.%/-]))?"
)
_VOCABULARY = re.compile(
    r"(?:^|\.)(?:w3\.org|xmlsoap\.org|sun\.com|apache\.org|oracle\.com|mozilla\.org|microsoft\.com|springframework\.org)$|"
    r"^(?:localhost|127\.|0\.0\.0\.0|169\.254\.|metadata\.)",
    re.IGNORECASE,
)
_PLAIN_HOST = re.compile(r"[\w.:-]{0,200}|\[[\da-fA-F:.]{2,40}\](?::\d{1,5})?|https?://[\w.:-]{1,200}/?", re.ASCII)
_PLACE = re.compile(r"[\[<{]{1,2}[\w .-]{1,60}[\]>}]{1,2}")
_PARTS = re.compile(r"--(\S{1,200})\r?\nContent-Disposition:", re.IGNORECASE)
_MULTIPART = re.compile(r"boundary=\"?([^\";,\s]{2,200})", re.IGNORECASE)


# "/press-2.0.1/": where the author unpacked a release, not where others have the product.
_INSTALLED = re.compile(
    r"/(?!(?:api|rest|ver|version|soap|oauth)[_.-]?v?\d)[A-Za-z][A-Za-z_-]{2,30}[_-]?v?\d{1,3}(?:\.\d{1,4}){1,3}(?:-?\w{1,6})?/+"
)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A request as written. Texts come from `to_text`, so that any byte survives."""

    method: str
    url: str  # whole, or from the path on
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    version: str = "HTTP/1.1"
    line: int = 0  # of the document, counted from 1
    marks: tuple[str, ...] = ()  # stand-ins that the reader put in already
    notes: tuple[str, ...] = ()
    host_first: bool = False  # `url` begins with a host although no scheme says so, as for curl
    complete: bool = True  # written out as a request; False: a link or a fragment, so nothing is known but the target


class Made(msgspec.Struct, frozen=True):
    """A request, and what is known about how it came about."""

    found: FoundRequest
    payload_put: bool = False  # a placeholder was filled with a representative payload


def authority_of(draft: Draft) -> str | None:
    """The host that the draft's URL names; None when it names none."""
    found = _URL.match(draft.url) or (_HOST_FIRST.match(draft.url) if draft.host_first else None)
    return None if found is None else found[1]


def make_request(draft: Draft, filler: Filler, standins: Standins) -> Made | str:
    """Turn a draft into a request to the target, or say why it is none."""
    if not _METHOD.fullmatch(draft.method):
        return f"line {draft.line}: a request without a readable method was left out"
    if len(draft.url) > MAX_TARGET or len(draft.body or "") > MAX_BODY:
        return f"line {draft.line}: a request beyond the bounds was left out"
    target, notes = _target(draft, filler), list(draft.notes)
    if _CUT_OFF.search(target.split("?")[0]) or target.endswith(("...", "…")):
        return f"line {draft.line}: a request that is cut off was left out"
    if (rooted := _without_release(target)) != target:
        notes.append(f"the folder {target[: len(target) - len(rooted)]} is where the author installed a release")
        target = rooted
    before, mark, fragment = target.partition("#")
    # A request that is written out with more than the name of a place in a page was sent like that.
    if mark and (draft.host_first or not draft.complete or "/" not in fragment):
        target = before
        notes.append("the fragment (#…) of the target is never sent and was cut off")
    filled = filler.fill(target, "url")
    marks = [*draft.marks, *filled.marks]
    notes += filled.notes
    draft = _with_boundary(draft)
    headers, put = _headers(draft, filler, marks, notes)
    body, body_put = _body(draft, filler, marks, notes)
    request = _request(draft, filled.text, headers, body, marks, notes, standins)
    if _lacks_body(draft) and not payload_classes(request):
        return f"line {draft.line}: a request whose body the document does not show was left out"
    found = FoundRequest(
        request=request,
        origin=f"line {draft.line}",
        standins=_present(marks, request),
        notes=tuple(dict.fromkeys(notes)),
    )
    return Made(found, filled.payload or put or body_put)


def _lacks_body(draft: Draft) -> bool:
    """Whether the headers declare a body that is not there."""
    lengths = [value for name, value in draft.headers if name.lower() == "content-length"]
    return not draft.body and any(re.fullmatch(r"0*[1-9]\d{0,8}", length, re.ASCII) for length in lengths)


def payload_classes(request: Request) -> frozenset[str]:
    """The payload classes of what the request carries, those that ordinary paths satisfy left out for the path."""
    path, _, query = request.target.partition(b"?")
    found = {name for name in classes_of(path[:4096]) if name not in ("upload_name", "url_value", "serialized_object")}
    for pair in query[:8192].split(b"&")[:100]:
        found.update(classes_of(pair.partition(b"=")[2] or pair))
    if request.body:
        found.update(classes_of(request.body[:16_384]))
    return frozenset(found)


def _target(draft: Draft, filler: Filler) -> str:
    url = draft.url.strip()
    found = _URL.match(url) or (_HOST_FIRST.match(url) if draft.host_first else None)
    target = url[found.end() :] if found else url
    if not target.startswith(("/", "*")):
        target = "/" + target
    if target.startswith("//") and not draft.complete:  # an install folder "/" before "/x"
        target = "/" + target.lstrip("/")
    return filler.without_root(target)


def _without_release(target: str) -> str:
    """Leave out a first folder that names a release, where something follows it."""
    folder = _INSTALLED.match(target)
    if folder is None or target[folder.end() :].strip("/")[:1] in ("", "?"):
        return target
    return target[folder.end() - 1 :]


def _with_boundary(draft: Draft) -> Draft:
    """A body that is a form in parts, shown without the header that says so, gets it."""
    found = _PARTS.match(draft.body or "")
    if found is None or any(name.lower() == "content-type" for name, _ in draft.headers):
        return draft
    header = ("Content-Type", f"multipart/form-data; boundary={found[1]}")
    notes = (*draft.notes, "the header that names the boundary is not in the document")
    return msgspec.structs.replace(draft, headers=(*draft.headers, header), notes=notes)


def _headers(draft: Draft, filler: Filler, marks: list[str], notes: list[str]) -> tuple[list[tuple[str, str]], bool]:
    headers: list[tuple[str, str]] = []
    put = False
    for name, value in draft.headers[:MAX_HEADERS]:
        low = name.lower()
        if low == "host" and _PLAIN_HOST.fullmatch(_PLACE.sub("", value[:500])):  # a payload in it stays
            continue
        if low == "content-length" or _SNIPPED.fullmatch(value):
            continue
        filled = filler.fill(value, "header")
        put |= filled.payload
        marks += filled.marks
        notes += filled.notes
        headers.append((name, _own_links(low, filled.text)))
        marks += _secrets(low, filled.text)
    if not any(name.lower() == "host" for name, _ in headers):
        headers.insert(0, ("Host", TARGET_HOST.decode()))
    return headers, put


def _own_links(name: str, value: str) -> str:
    """Where a page comes from is the target, too: `Referer: http://localhost/x` names its stand-in."""
    found = _URL.match(value) if name in ("referer", "origin") else None
    return value if found is None else f"http://{TARGET_HOST.decode()}{value[found.end() :]}"


def _secrets(name: str, value: str) -> list[str]:
    """The values in a header that only one session has."""
    if name == "cookie":
        pairs = [pair.partition("=") for pair in value.split(";")[:50]]
        values = [part.strip() for _, _, part in pairs]
    else:
        values = [value.rpartition(" ")[2]] if _SECRET_NAME.search(name) else []
    return [each for each in values if len(each) >= LEAST_SECRET and not classes_of(to_bytes(each)[:8192])]


def _body(draft: Draft, filler: Filler, marks: list[str], notes: list[str]) -> tuple[str | None, bool]:
    if draft.body is None or not draft.body:
        return draft.body, False
    kind = next((value.lower() for name, value in draft.headers if name.lower() == "content-type"), "")
    text = draft.body
    if _SNIPPED.search(text[:65_536]):
        notes.append("the body is cut off in the document")
        marks += [found[0] for found in _SNIPPED.finditer(text[:65_536])]
    looks_json = text.lstrip()[:1] in ("{", "[")
    quote = "json" if "json" in kind or looks_json else "url" if "urlencoded" in kind else "body"
    filled = filler.fill(text, quote)
    boundary = next((m[1] for _, value in draft.headers if (m := _MULTIPART.search(value[:1000]))), "")
    marks += [boundary] if boundary and boundary in text else []
    marks += filled.marks
    notes += filled.notes
    return filled.text, filled.payload


def _request(
    draft: Draft,
    target: str,
    headers: list[tuple[str, str]],
    body: str | None,
    marks: list[str],
    notes: list[str],
    standins: Standins,
) -> Request:
    texts = [target, *(value for name, value in headers if name.lower() != "host"), *([body] if body else [])]
    marks += _named_secrets(target, body)
    changed = [_mark_hosts(text, marks, standins) for text in texts]
    data = changed[0]
    if _UNSAFE.search(data):
        data = _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], data)
        notes.append("blanks and bytes outside ASCII in the target were percent-encoded")
    rest = iter(changed[1:])
    sent = [(to_bytes(n), to_bytes(v) if n.lower() == "host" else next(rest)) for n, v in headers]
    content = next(rest) if body else None if draft.body is None else b""
    if content and not any(name.lower() == b"transfer-encoding" for name, _ in sent):
        sent.append((b"Content-Length", b"%d" % len(content)))
    return Request(
        method=draft.method.encode(),
        target=data,
        version=draft.version.encode(),
        headers=tuple(sent),
        body=content,
        source="prose",
    )


def _named_secrets(target: str, body: str | None) -> list[str]:
    """Values of parameters such as `_wpnonce` and `csrf_token`, where nothing hostile stands in them."""
    found = [*_PAIR.finditer(target.partition("?")[2][:16_384]), *_PAIR.finditer((body or "")[:16_384])]
    values = [each[2] for each in found if _SECRET_NAME.search(each[1]) and len(each[2]) >= LEAST_SECRET]
    return [value for value in values if not classes_of(to_bytes(value))]


def _mark_hosts(text: str, marks: list[str], standins: Standins) -> bytes:
    """Callback hosts become stand-ins; other hosts that the author chose are marked."""
    for found in _OTHER_HOST.finditer(text[:65_536]):
        host = found[1].rstrip(".-")
        if not _VOCABULARY.search(host) and host != TARGET_HOST.decode() and len(host) >= 4:
            marks.append(host)
            if found[2] and text.count(found[2]) == 1:  # the name of the author's own file
                marks.append(found[2])
    marked = mark_canaries(Text(to_bytes(text)), standins)
    marks += [each.decode("latin-1") for each in marked.standins()]
    return marked.data


def _present(marks: list[str], request: Request) -> tuple[bytes, ...]:
    """The stand-ins that the request holds, each once; what is one as a whole makes no part of a longer word one."""
    parts = [request.target, *(value for _, value in request.headers), request.body or b""]
    found = dict.fromkeys(to_bytes(mark) for mark in marks)
    return tuple(mark for mark in found if len(mark) > 1 and any(mark in part for part in parts))
