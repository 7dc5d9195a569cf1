"""A request as a few folded texts, so that required literals can be searched for before a rule is evaluated.

The texts are made from the very readings the evaluator uses. Whatever literal a condition needs to be true is
therefore in the text of the condition's zone, in lower case; a text may hold more than that, never less.

One element of a place with names is written `00 name 01 value 00`, one value of a place without names `01 value 00`,
so that a name, a whole value, a prefix and a suffix are literals too. Values that contain these two bytes are kept
as they are: they can only add occurrences. A value with percent escapes left is repeated in each decoded form, so
that literals behind `percent_decode` occur as well.
"""

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import TypeAlias

import msgspec

from ruleforge.events.bodies import ParsedBody
from ruleforge.events.decoding import MAX_ROUNDS, normalize_path, percent_decode
from ruleforge.events.places import HttpView, knows_header
from ruleforge.events.reading import Element, Reading

NAME_EDGE = b"\x00"  # before a name, after a value
VALUE_EDGE = b"\x01"  # between a name and its value
DECODE_ROUNDS = MAX_ROUNDS


class Zone(msgspec.Struct, frozen=True):
    """Which readings make the text of a zone, and which fields can be searched for in it."""

    sources: tuple[str, ...]  # fields whose readings are written out
    fields: tuple[str, ...]  # fields whose values are then all in the text
    named: bool = False
    edged: bool = True  # False: a value may stand inside the value of another field, without edges of its own


ZONES: Mapping[str, Zone] = {
    "method": Zone(("method",), ("method",)),
    "target": Zone(("target.raw", "path.raw", "query.raw"), ("target.raw", "path.raw", "query.raw"), edged=False),
    # Parts of the target by themselves: what stands beside them is not in their way.
    "path.raw": Zone(("path.raw",), ()),
    "query.raw": Zone(("query.raw",), ()),
    "path": Zone(("path.decoded", "path"), ("path.decoded", "path")),
    "args": Zone(("args",), ("args", "query_args", "form_args"), named=True),
    "args.raw": Zone(("args.raw",), ("args.raw", "query_args.raw", "form_args.raw"), named=True),
    # The halves of args by themselves: a query is complete also where the source does not record bodies.
    "query_args": Zone(("query_args",), (), named=True),
    "query_args.raw": Zone(("query_args.raw",), (), named=True),
    "form_args": Zone(("form_args",), (), named=True),
    "form_args.raw": Zone(("form_args.raw",), (), named=True),
    "json": Zone(("json",), ("json",), named=True),
    "multipart": Zone(("multipart",), ("multipart",), named=True),
    "xml": Zone(("xml",), ("xml",), named=True),
    "headers": Zone(("headers",), ("headers",), named=True),
    "cookies": Zone(("cookies",), ("cookies",), named=True),
    "body": Zone(("body",), ("body",)),
    "body.raw": Zone(("body.raw",), ("body.raw",)),
}
FIELD_ZONE: Mapping[str, str] = {field: zone for zone, made in ZONES.items() for field in made.fields}
OWN_ZONE: Mapping[str, str] = {field: field if field in ZONES else zone for field, zone in FIELD_ZONE.items()}
# Zones without a value in a request that has no body.
BODY_ZONES = frozenset({"json", "multipart", "xml", "body", "body.raw", "form_args", "form_args.raw"})


class ZoneText(msgspec.Struct, frozen=True, gc=False):
    """The text of one zone; `complete` is False when the source or a bound left something out."""

    text: bytes
    complete: bool


ReadZone: TypeAlias = Callable[[HttpView], ZoneText]


class ZoneTexts(Mapping[str, ZoneText]):
    """All zones of one request, each made when it is first asked for."""

    def __init__(self, view: HttpView) -> None:
        self._view = view
        self._made: dict[str, ZoneText] = {}

    def __getitem__(self, zone: str) -> ZoneText:
        made = self._made.get(zone)
        if made is None:
            made = self._made[zone] = read_zone(self._view, zone)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(ZONES)

    def __len__(self) -> int:
        return len(ZONES)


def zone_texts(view: HttpView) -> ZoneTexts:
    """Return the zones of a request, made lazily: asking for one zone parses nothing that only others need."""
    return ZoneTexts(view)


def zone_text(view: HttpView, zone: str) -> bytes:
    """Return the folded text of one zone. Nothing is kept: ask once, or use `zone_texts`."""
    return read_zone(view, zone).text


def zone_complete(view: HttpView, zone: str) -> bool:
    """Say whether the text of `zone` holds all there was: a literal that is not in it was not in the request."""
    return all(view.read(source).complete for source in ZONES[zone].sources)


def read_zone(view: HttpView, zone: str) -> ZoneText:
    """Return text and completeness of one zone in one go."""
    return READERS[zone](view)


def _make_reader(zone: str) -> ReadZone:
    """Read a zone that is made of the field of the same name."""
    named = ZONES[zone].named

    def read(view: HttpView) -> ZoneText:
        reading = view.read(zone)
        if not reading.elements:
            return _EMPTY if reading.complete else _UNKNOWN
        text = _named_text(reading.elements) if named else _plain_text([reading])
        return ZoneText(text, reading.complete)

    return read


def _make_parsed_reader(kind: str) -> ReadZone:
    """Read a zone of which a parsed body mostly has nothing."""
    parsed: Callable[[ParsedBody], Reading] = attrgetter(kind)

    def read(view: HttpView) -> ZoneText:
        if view.has_no_body():
            return _EMPTY
        reading = parsed(view.parsed_body())
        if not reading.elements:
            return _EMPTY if reading.complete else _UNKNOWN
        return ZoneText(_named_text(reading.elements), reading.complete)

    return read


_EMPTY, _UNKNOWN = ZoneText(b"", True), ZoneText(b"", False)


def _target(view: HttpView) -> ZoneText:
    """Write the target; path and query stand in it, and their decoded forms in its decoded forms."""
    if "target" in view.request.unrecorded:
        return _UNKNOWN
    value = view.request.target.lower()
    if b"%" not in value:
        return ZoneText(VALUE_EDGE + value + NAME_EDGE, True)
    return ZoneText(_plain_text([view.read("target.raw")]), True)


def _path(view: HttpView) -> ZoneText:
    if "target" in view.request.unrecorded:
        return _UNKNOWN
    path = view.split_target()[0]
    if path[:1] == b"/" and b"%" not in path and normalize_path(path) is path:  # both views are the path as sent
        return ZoneText(VALUE_EDGE + path.lower() + NAME_EDGE, True)
    return ZoneText(_plain_text([view.read("path.decoded"), view.read("path")]), True)


def _args(view: HttpView) -> ZoneText:
    if view.has_no_body() and "target" not in view.request.unrecorded and not view.split_target()[1]:
        return _EMPTY
    reading = view.read("args")
    return ZoneText(_named_text(reading.elements), reading.complete)


def _headers(view: HttpView) -> ZoneText:
    request = view.request
    if "headers" in request.unrecorded:
        return _UNKNOWN
    parts: list[bytes] = []
    for name, value in request.headers:
        _add_value(parts, NAME_EDGE + name.lower() + VALUE_EDGE, value.lower())
    return ZoneText(b"".join(parts), request.recorded_headers is None)


def _cookies(view: HttpView) -> ZoneText:
    request = view.request
    if "headers" in request.unrecorded or not any([name.lower() == b"cookie" for name, _ in request.headers]):  # noqa: C419 - a list is faster here
        return _EMPTY if knows_header(view.request, b"cookie") else _UNKNOWN
    reading = view.read("cookies")
    return ZoneText(_named_text(reading.elements), reading.complete)


_OWN: Mapping[str, ReadZone] = {
    "target": _target,
    "path": _path,
    "args": _args,
    "headers": _headers,
    "cookies": _cookies,
} | {kind: _make_parsed_reader(kind) for kind in ("json", "multipart", "xml")}
READERS: Mapping[str, ReadZone] = {zone: _OWN.get(zone) or _make_reader(zone) for zone in ZONES}


def _plain_text(readings: list[Reading]) -> bytes:
    """Write values without names; what the text already holds is not repeated."""
    text = b""
    for reading in readings:
        for element in reading.elements:
            value = element.value.lower()
            for form in (value, *_decoded(value)):
                whole = VALUE_EDGE + form + NAME_EDGE
                if whole not in text:
                    text += whole
    return text


def _named_text(elements: tuple[Element, ...]) -> bytes:
    parts: list[bytes] = []
    for element in elements:
        name = NAME_EDGE + element.name.lower() + VALUE_EDGE
        _add_value(parts, name, element.value.lower())
        # What only parts of a multipart body have is written in the form of a value.
        if element.filename is not None:
            _add_value(parts, name, element.filename.lower())
        if element.content_type is not None:
            _add_value(parts, name, element.content_type.lower())
    return b"".join(parts)


def _add_value(parts: list[bytes], name: bytes, value: bytes) -> None:
    parts += (name, value, NAME_EDGE)
    if b"%" in value:
        for form in _decoded(value):
            parts += (name, form, NAME_EDGE)


def _decoded(value: bytes) -> Iterator[bytes]:
    """Yield `value` percent-decoded once, twice and so on, while that changes it; `value` is in lower case."""
    for _ in range(DECODE_ROUNDS):
        if b"%" not in value:
            return
        # Lowering between the rounds changes nothing: escapes read the same in both cases.
        decoded = percent_decode(value).lower()
        if decoded == value:
            return
        yield decoded
        value = decoded
