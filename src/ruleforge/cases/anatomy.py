"""What one proof-of-concept request is made of: endpoint, parameters, payloads, and what of it is significant."""

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from ruleforge.cases.weaknesses import expected_classes
from ruleforge.events.decoding import base64_decode, percent_decode
from ruleforge.events.places import HttpView
from ruleforge.events.reading import Element
from ruleforge.records.advisory import PocRequest
from ruleforge.rules.classes import classes_of as known_classes
from ruleforge.rules.patterns import compile_pattern

__all__ = ["Anatomy", "Part", "Segment", "classes_of", "dissect", "expected_classes", "is_standin", "rank_classes"]

# Headers every client sends: their presence says nothing, only a payload inside them does.
ORDINARY_HEADERS = frozenset(
    b"host connection content-length content-type accept accept-encoding accept-language accept-charset cache-control"
    b" pragma upgrade-insecure-requests user-agent referer origin cookie dnt te trailer transfer-encoding"
    b" x-requested-with authorization sec-fetch-site sec-fetch-mode sec-fetch-dest sec-fetch-user sec-ch-ua"
    b" sec-ch-ua-mobile sec-ch-ua-platform expect if-none-match if-modified-since range content-encoding"
    b" x-forwarded-for priority keep-alive save-data sec-gpc via".split()
)
# A URL is what these headers hold in normal use.
URL_HEADERS = frozenset((b"referer", b"origin", b"host", b"location"))

NORMAL_IN_PATHS = frozenset(("upload_name", "url_value", "serialized_object", "mass_assignment"))
NORMAL_IN_SEGMENTS = frozenset(("upload_name", "url_value", "mass_assignment", "internal_address"))
NORMAL_IN_URL_HEADERS = frozenset(("url_value", "internal_address"))
# From the most telling to the least: which class names a value that several claim and nothing else decides.
SPECIFICITY = (
    "shellshock", "jndi", "xxe", "serialized_object", "jwt_none", "template_injection", "code_injection",
    "command_injection", "sql_injection", "prototype_pollution", "nosql_injection", "traversal", "xss",
    "crlf_injection", "ldap_injection", "xpath_injection", "graphql_introspection", "path_bypass", "internal_address",
    "url_trick", "upload_name", "url_value", "mass_assignment",
)  # fmt: skip


_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/_ -]{12,8192}={0,2}\Z")
_BASE64_SHORT = re.compile(rb"[A-Za-z0-9+/]{2,8192}={0,2}\Z")
HOST_LENGTH_MOST = 255  # RFC 1035, 2.3.4
_NO_HOST = re.compile(rb"[\x00-\x20\"'(){}$<>;|&\\`%]")
# What is typed first on a strange machine, and what fetches the rest; no product calls its own functions so.
SHELL_COMMAND = (
    rb"(?i)^\s*(?:/(?:usr/)?s?bin/)?(?:(?:id|whoami|uname|ifconfig|ipconfig|hostname|netstat|systeminfo|tasklist)(?:\s|\z)"
    rb"|(?:cat|type|ls|dir|ps|ping|curl|wget|nslookup|dig|touch|echo|sleep|chmod|rm|nc|(?:ba|z|da)?sh|cmd(?:\.exe)?"
    rb"|powershell(?:\.exe)?|certutil|telnetd|tftp|expr)(?:\s+\S|\$\{?IFS|<))"
)
# What a payload is in base64, where no class looks into it: these read it in their own way, or say little.
_NOT_INNER = frozenset(("serialized_object", "jwt_none", "upload_name", "url_value", "mass_assignment", "url_trick"))


class Segment(msgspec.Struct, frozen=True):
    """One segment of the path: as sent, decoded once, and what stands in it."""

    raw: bytes
    text: bytes
    classes: tuple[str, ...] = ()
    standin: bool = False


class Part(msgspec.Struct, frozen=True):
    """One named value of a request."""

    place: str  # "query_args" | "form_args" | "json" | "multipart" | "xml" | "headers" | "cookies" | "body"
    name: bytes
    value: bytes
    classes: tuple[str, ...] = ()
    standin: bool = False  # the value is nothing but a stand-in
    name_standin: bool = False
    filename: bytes | None = None
    filename_classes: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()  # payload classes of the text that stands in the value as base64


class Anatomy(msgspec.Struct, frozen=True):
    """The parts of one request, read once and shared by roles, generation, cases and the judge."""

    poc: PocRequest
    segments: tuple[Segment, ...]
    path_classes: tuple[str, ...]  # payload classes of the path as sent
    parts: tuple[Part, ...]

    @property
    def payloads(self) -> tuple[Part, ...]:
        """The parts whose value (or file name) satisfies some payload class."""
        return tuple(part for part in self.parts if part.classes or part.filename_classes)

    @property
    def has_payload(self) -> bool:
        """Whether any place carries a payload."""
        return bool(self.path_classes or self.payloads)


@lru_cache(maxsize=100_000)
def classes_of(value: bytes) -> tuple[str, ...]:
    """Return the payload classes that `value` satisfies, most specific first."""
    found = known_classes(value)
    return tuple(sorted(found, key=_specificity)) if len(found) > 1 else found


def _specificity(name: str) -> int:
    return SPECIFICITY.index(name) if name in SPECIFICITY else len(SPECIFICITY)


def rank_classes(classes: tuple[str, ...], expected: tuple[str, ...]) -> tuple[str, ...]:
    """Order `classes`: those the advisory speaks of first, each group by how telling its members are."""
    wanted = sorted((name for name in classes if name in expected), key=_specificity)
    return (*wanted, *(name for name in classes if name not in expected))


def is_standin(value: bytes, standins: tuple[bytes, ...]) -> bool:
    """Whether `value` is nothing but stand-ins (what is left over is under three letters or digits)."""
    if not value:
        return False
    rest, touched = value, False
    for mark in standins:
        if mark and mark in rest:
            rest, touched = rest.replace(mark, b""), True
    return touched and len(re.findall(rb"[A-Za-z0-9]", rest[:4096])) < 3


def inner_text(value: bytes) -> bytes:
    """Return the printable text that `value` holds as base64 (a blank stands for `+`); b"" where it holds none."""
    if not _BASE64_TEXT.match(value):
        return b""
    text = base64_decode(value.replace(b" ", b"+")) or b""
    odd = len(re.sub(rb"[\t\r\n\x20-\x7e]", b"", text))
    return text if 10 * odd <= len(text) else b""


def inner_command(value: bytes) -> bytes:
    """Return the shell command that `value` is in base64, however short; b"" where it is none."""
    text = (base64_decode(value) or b"") if _BASE64_SHORT.match(value) else b""
    return text if compile_pattern(SHELL_COMMAND).test(text) else b""


def _inner(value: bytes) -> tuple[str, ...]:
    text = inner_text(value)
    found = tuple(name for name in classes_of(text) if name not in _NOT_INNER) if text else ()
    return found or (("command_injection",) if inner_command(value) else ())


def dissect(poc: PocRequest) -> Anatomy:
    """Take `poc` apart. Cost: one parse and the payload classes of each value, about 0.1 ms."""
    view = HttpView(poc.request)
    raw_path = _single(view, "path.raw")
    segments = tuple(_segment(raw, poc.standins) for raw in raw_path.split(b"/") if raw)
    # A path is full of slashes and extensions in normal use: these classes say nothing of it.
    path_classes = tuple(c for c in classes_of(raw_path) if c not in NORMAL_IN_PATHS)
    parts = tuple(_parts(view, poc.standins))
    return Anatomy(poc, segments, path_classes, parts)


def _single(view: HttpView, field: str) -> bytes:
    elements = view.read(field).elements
    return elements[0].value if elements else b""


def _segment(raw: bytes, standins: tuple[bytes, ...]) -> Segment:
    text = percent_decode(raw)
    classes = tuple(c for c in classes_of(raw) if c not in NORMAL_IN_SEGMENTS)
    return Segment(raw, text, classes, any(mark in text or mark in raw for mark in standins))


def _parts(view: HttpView, standins: tuple[bytes, ...]) -> Iterator[Part]:
    yield from _named_values(view, standins)
    yield from _telling_headers(view, standins)
    for element in view.read("cookies").elements:
        yield _part("cookies", element, standins)
    parsed = any(view.read(place).elements for place in ("form_args", "json", "multipart"))
    if not parsed or any(_looks_unparsed(element, view) for element in view.read("form_args").elements):
        for element in view.read("body").elements:
            if element.value:
                yield _part("body", element, standins)


def _named_values(view: HttpView, standins: tuple[bytes, ...]) -> Iterator[Part]:
    for place in ("query_args", "form_args", "json", "multipart", "xml"):
        for element in view.read(place).elements:
            if place == "form_args" and _looks_unparsed(element, view):
                continue
            yield _part(place, element, standins)


def _telling_headers(view: HttpView, standins: tuple[bytes, ...]) -> Iterator[Part]:
    """Headers that no ordinary client sends, and payloads in those that each client sends."""
    for element in view.read("headers").elements:
        classes = classes_of(element.value)
        if element.name in URL_HEADERS:
            classes = tuple(c for c in classes if c not in NORMAL_IN_URL_HEADERS)
        odd_host = element.name == b"host" and odd_host_value(element.value)
        if odd_host or element.name not in ORDINARY_HEADERS or (classes and element.name not in (b"host", b"cookie")):
            yield msgspec.structs.replace(_part("headers", element, standins), classes=classes)


def odd_host_value(value: bytes) -> bytes:
    """Return the first sign that no host name has, b"" where there is none; b"long" for more than 255 bytes."""
    if len(value) > HOST_LENGTH_MOST:
        return b"long"
    found = _NO_HOST.search(value)
    return found[0] if found else b""


def _looks_unparsed(element: Element, view: HttpView) -> bool:
    """Whether a form argument is an artefact of reading a body that is no form (raw text, XML, serialised bytes)."""
    if view.read("json").elements or view.read("xml").elements or view.read("multipart").elements:
        return True
    return len(element.name) > 60 or not re.fullmatch(rb"[\w\[\].:$@!/-]*", element.name)


def _part(place: str, element: Element, standins: tuple[bytes, ...]) -> Part:
    # What names a right is an attack as the name of an argument; as a value it chooses one, as menus do.
    classes = tuple(name for name in classes_of(element.value) if name != "mass_assignment")
    inner = () if classes or place == "body" else _inner(element.value)
    return Part(
        place=place,
        name=element.name,
        value=element.value,
        classes=classes,
        inner=inner,
        standin=is_standin(element.value, standins),
        name_standin=any(mark in element.name for mark in standins),
        filename=element.filename,
        filename_classes=classes_of(element.filename) if element.filename else (),
    )
