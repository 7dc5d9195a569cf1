"""A request in one line for a reader, cut around what matters in it: what was changed, else what carries the attack."""

import re

import msgspec

from ruleforge.cases.anatomy import Part
from ruleforge.cases.edit import encode_argument, encode_name
from ruleforge.events.request import Request
from ruleforge.judge.observe import Asked, Observed
from ruleforge.rules.render import quote_bytes

MAX_REQUEST = 160  # characters of a target that are shown
MAX_BODY = 120
MAX_HEADER = 100
_LEAD = 24  # bytes before what matters that are shown with it
_START = 48  # bytes of the beginning that are shown in any case
_HEAD = 8  # bytes of a value by which it is found
_NOT_TOLD = re.compile(rb"(?i)host|content-length|content-type|connection|accept|user-agent")


class Focus(msgspec.Struct, frozen=True):
    """Where in a request to look: a byte of the target or of the body, or a header."""

    place: str  # "target" | "body" | "header"
    at: int = 0
    name: bytes = b""  # of the header, in lower case


def shown(request: Request, focus: Focus | None = None) -> str:
    """Give a request as one short line without control characters."""
    of = focus or Focus("target")
    text = quote_bytes(request.method[:20], 20)[1:-1] + " "
    text += _window(request.target, of.at if of.place == "target" else 0, MAX_REQUEST)
    if of.place == "header":
        value = next((value for name, value in request.headers if name.lower() == of.name), None)
        if value is not None:
            text += f" with the header {quote_bytes(of.name + b': ' + value, MAX_HEADER)}"
    if request.body:
        text += f' with the body "{_window(request.body, of.at if of.place == "body" else 0, MAX_BODY)}"'
    return text


def _window(data: bytes, at: int, most: int) -> str:
    if len(data) <= most or at < most - 2 * _HEAD:
        return quote_bytes(data, most)[1:-1]
    start = max(at - _LEAD, _START)
    return quote_bytes(data[:_START], _START)[1:-1] + "…" + quote_bytes(data[start:], most - _START)[1:-1]


def focus_of(observed: Observed, asked: Asked) -> Focus | None:
    """Say where a request differs from the exploit that it was made of; of an exploit, where its attack stands."""
    request, poc = asked.case.view.request, asked.case.poc
    exploits = observed.evidence.exploits
    if asked.case.kind != "exploit" and 0 <= poc < len(exploits):
        found = _difference(exploits[poc].view.request, request)
        if found is not None:
            return found
    return attack_in(observed, request, poc)


def _difference(before: Request, after: Request) -> Focus | None:
    if before.target != after.target:
        return Focus("target", _common(before.target, after.target))
    if (before.body or b"") != (after.body or b""):
        return Focus("body", _common(before.body or b"", after.body or b""))
    old = {(name.lower(), value) for name, value in before.headers}
    fresh = [name.lower() for name, value in after.headers if (name.lower(), value) not in old]
    told = [name for name in fresh if not _NOT_TOLD.fullmatch(name)] or fresh
    return Focus("header", name=told[0]) if told else None


def _common(left: bytes, right: bytes) -> int:
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def attack_in(observed: Observed, request: Request, poc: int = 0) -> Focus | None:
    """Where the part that tells the attack stands in a request; None where it is not found."""
    tells = observed.evidence.tells
    own = tells[poc] if 0 <= poc < len(tells) else ()
    parts = [tell.part for tell in own if tell.part is not None]
    return next((found for part in parts if (found := _find(part, request)) is not None), None)


def _find(part: Part, request: Request) -> Focus | None:
    if part.place in ("headers", "cookies"):
        return Focus("header", name=b"cookie" if part.place == "cookies" else part.name)
    value = part.value[:_HEAD]
    for needle in (encode_name(part.name) + b"=", part.name + b"=", value, encode_argument(value)):
        if len(needle) < 2:
            continue
        for place, text in (("target", request.target), ("body", request.body or b"")):
            at = text.find(needle)
            if at >= 0:
                return Focus(place, at)
    return None
