"""Per-site exclusions: hits of a rule that this site knows to be harmless, each with a reason and an end.

An exclusion takes hits away only where everything it names can be read: a log without host names cannot be
excluded by host. What was taken away is counted and shown. Of a rule that counts or orders events it takes the events,
before they are counted.
"""

import ipaddress
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TypeAlias

import msgspec

from ruleforge.errors import InputError, UsageError
from ruleforge.events.kinds import EVENTS, fields_of
from ruleforge.events.origin import parse_address
from ruleforge.events.places import HttpView
from ruleforge.events.reading import View
from ruleforge.events.request import Request
from ruleforge.sources.bounded_yaml import load_yaml

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERY_RULE = "*"
NEVER = "never"
KEYS = ("rule", "host", "path", "source", "fields", "reason", "expires")
MAX_BYTES = 1 << 20
MAX_ENTRIES = 5_000
MAX_TEXT = 2_000  # characters of one value
MAX_FIELDS = 20
_KNOWN = frozenset(field for kind in EVENTS for field in fields_of(kind))
_SENDER = "source.address"


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Hits of `rule` that do not count where everything named here is so."""

    rule: str  # id, or "*" for every rule
    host: str = ""  # lower case, without port; "*.shop.example" also means every name below it
    path: str = ""  # "/app": that path and what lies below it
    source: str = ""  # an address or network of the sender
    fields: tuple[str, ...] = ()  # "user.name=backup", "question.name=*.corp.example": all values of the field are so
    reason: str
    expires: str  # the last day it counts, or "never"

    def said(self) -> str:
        """The exclusion in a line, for people."""
        named = [("host", self.host), ("path", self.path), ("source", self.source)]
        named += [("field", text) for text in self.fields]
        scope = " and ".join(f"{what} {text}" for what, text in named if text)
        return f"{'every rule' if self.rule == EVERY_RULE else self.rule} at {scope}: {self.reason}"


class Exclusions:
    """The exclusions of a file that count today."""

    def __init__(self, entries: Sequence[Exclusion], today: date) -> None:
        self.expired = tuple(entry for entry in entries if is_expired(entry, today))
        self.entries = tuple(entry for entry in entries if not is_expired(entry, today))
        self._of_rule: dict[str, list[tuple[Exclusion, Network | None]]] = {}
        for entry in self.entries:
            network = ipaddress.ip_network(entry.source, strict=False) if entry.source else None
            self._of_rule.setdefault(entry.rule, []).append((entry, network))

    def find(self, rule: str, request: Request) -> Exclusion | None:
        """Return the first exclusion that takes a hit of `rule` on `request` away."""
        return self.find_in(rule, HttpView(request)) if self.asks_about(rule) else None

    def asks_about(self, rule: str) -> bool:
        """Whether some exclusion is about a rule."""
        return rule in self._of_rule or EVERY_RULE in self._of_rule

    def find_in(self, rule: str, view: View) -> Exclusion | None:
        """Return the first exclusion that takes away what `rule` says of an event of any kind."""
        known = (*self._of_rule.get(rule, ()), *self._of_rule.get(EVERY_RULE, ()))
        return next((entry for entry, network in known if _covers(entry, network, view)), None)

    def notes(self, rules: Iterable[str]) -> tuple[str, ...]:
        """Say which exclusions do not count any more, and which name a rule that is not there."""
        ids = set(rules)
        unknown = dict.fromkeys(entry.rule for entry in self.entries if entry.rule not in ids | {EVERY_RULE})
        gone = [f"expired on {entry.expires}: {entry.said()}" for entry in self.expired]
        return (*gone, *(f"no such rule here: {rule}" for rule in unknown))


def is_expired(entry: Exclusion, today: date) -> bool:
    """Whether the last day of an exclusion is over."""
    return entry.expires != NEVER and date.fromisoformat(entry.expires) < today


def _covers(entry: Exclusion, network: Network | None, view: View) -> bool:
    if not isinstance(view, HttpView):  # other events have no host and no path
        if entry.host or entry.path:
            return False
    elif (entry.host and not _is_host(entry.host, host_of(view))) or (
        entry.path and not _is_below(entry.path.encode(), view)
    ):
        return False
    if network is not None and not _is_from(network, view):
        return False
    return all(_has(view, *text.partition("=")[::2]) for text in entry.fields)


def _is_from(network: Network, view: View) -> bool:
    values = _values(view, _SENDER)
    addresses = [parse_address(value.decode("ascii", "replace")) for value in values]
    return bool(values) and all(a is not None and a.version == network.version and a in network for a in addresses)


def _has(view: View, field: str, wanted: str) -> bool:
    """Every value of the field is the one that is named; `*` at its beginning or end stands for anything."""
    values = _values(view, field)
    text = wanted.strip("*").encode()
    if wanted.startswith("*"):
        return bool(values) and all(text in value if wanted.endswith("*") else value.endswith(text) for value in values)
    return bool(values) and all(value.startswith(text) if wanted.endswith("*") else value == text for value in values)


def _values(view: View, field: str) -> list[bytes]:
    """Return the values of a field; none where the event has no such field, or not all of them are known."""
    try:
        reading = view.read(field)
    except UsageError:
        return []
    return [element.value for element in reading.elements] if reading.complete else []


def host_of(view: HttpView) -> str:
    """Return the host a request names, lower case and without port; empty where that is not recorded."""
    values = view.header_values(b"host")
    text = values[0] if len(values) == 1 else b""  # two Host headers: nobody knows which one counts
    if not text and b"://" in view.request.target[:16]:
        text = view.request.target.partition(b"://")[2].partition(b"/")[0].rpartition(b"@")[2]
    host = text.decode("ascii", "replace").strip().lower()
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host


def _is_host(wanted: str, host: str) -> bool:
    if wanted.startswith("*."):
        return host == wanted[2:] or host.endswith(wanted[1:])
    return host == wanted


def _is_below(prefix: bytes, view: HttpView) -> bool:
    """Both as sent and as a server reads it: `/ok/../admin` lies below neither."""
    for field in ("path.raw", "path"):
        elements = view.read(field).elements
        if not elements or not _starts(elements[0].value, prefix):
            return False
    return True


def _starts(path: bytes, prefix: bytes) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith(b"/") else prefix + b"/")


def read_exclusions(path: Path) -> tuple[Exclusion, ...]:
    """Read a file of exclusions, YAML or (by its name) TOML: a list `exclusions`.

    Raises:
        InputError: too large (RF280), no list (RF281), or an entry that is wrong (RF282 to RF286).
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        return parse_exclusions(file.read(MAX_BYTES + 1), path)


def parse_exclusions(data: bytes, path: Path) -> tuple[Exclusion, ...]:
    """Read the text of a file of exclusions.

    Args:
        data: the text; of a file that is too large, more than 1 MiB of it.
        path: its name, which says whether it is TOML; nothing is read from there.

    Raises:
        InputError: as `read_exclusions`.
    """
    if len(data) > MAX_BYTES:
        hint = "split the file"
        raise InputError(f"more than {MAX_BYTES} bytes of exclusions", where=str(path), hint=hint, code="RF280")
    root = _toml(data, path) if path.suffix.lower() == ".toml" else load_yaml(data, str(path)).root
    rows = root.get("exclusions") if isinstance(root, dict) else None
    if root is None or (isinstance(root, dict) and "exclusions" in root and rows is None):
        return ()
    if not isinstance(rows, list):
        raise InputError("no list of `exclusions`", where=str(path), hint="see 'ruleforge exclude add'", code="RF281")
    if len(rows) > MAX_ENTRIES:
        raise InputError(f"more than {MAX_ENTRIES} exclusions", where=str(path), hint="split it", code="RF280")
    return tuple(make_exclusion(row, f"{path}: exclusion {number}") for number, row in enumerate(rows, 1))


def _toml(data: bytes, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a TOML file: {error}", where=str(path), code="RF281") from None


def make_exclusion(row: object, where: str) -> Exclusion:
    """Check one entry.

    Raises:
        InputError: unknown key or no text (RF282), no reason (RF283), no end (RF284), nothing but a rule (RF285),
            or a value that cannot be (RF286).
    """
    if not isinstance(row, dict):
        raise InputError("an exclusion is a table of keys", where=where, hint=", ".join(KEYS), code="RF282")
    fields = _fields(row.get("fields"), where)
    for key, value in row.items():
        if key == "fields":
            continue
        if key not in KEYS:
            raise InputError(f"unknown key {key!r}", where=where, hint=f"known: {', '.join(KEYS)}", code="RF282")
        if not isinstance(value, str | date | None) or len(str(value)) > MAX_TEXT:
            raise InputError(f"the value of {key!r} is no text", where=where, hint="quote it", code="RF282")
        if not str(value or "").isprintable():
            hint = "one line, without control characters"
            raise InputError(f"the value of {key!r} cannot be shown", where=where, hint=hint, code="RF282")
    texts = {key: str(row.get(key) or "").strip() for key in KEYS if key != "fields"}
    _check_needed(texts, fields, where)
    _check_values(texts, where)
    return Exclusion(**texts | {"host": texts["host"].lower()}, fields=fields)


def _fields(given: object, where: str) -> tuple[str, ...]:
    """Read texts like `user.name=backup`, one or a list."""
    texts = [given] if isinstance(given, str) else [] if given is None else given
    hint = "user.name=backup, or a list of such texts"
    if not isinstance(texts, list) or len(texts) > MAX_FIELDS:
        raise InputError("`fields` is no list of fields with their values", where=where, hint=hint, code="RF282")
    for text in texts:
        name, mark, value = text.partition("=") if isinstance(text, str) else ("", "", "")
        if not mark or not value.strip("*") or len(text) > MAX_TEXT or not text.isprintable():
            raise InputError("not a field with its value", where=where, hint=hint, code="RF286")
        if name not in _KNOWN:
            raise InputError(f"no kind of event has a field {name!r}", where=where, hint=hint, code="RF286")
    return tuple(texts)


def _check_needed(texts: dict[str, str], fields: tuple[str, ...], where: str) -> None:
    if not texts["reason"]:
        hint = "say why these hits are harmless; someone will ask"
        raise InputError("an exclusion needs a reason", where=where, hint=hint, code="RF283")
    if not texts["expires"]:
        hint = 'expires: 2099-12-31, or "never" where that is meant'
        raise InputError("an exclusion needs an end", where=where, hint=hint, code="RF284")
    if not texts["rule"]:
        raise InputError("an exclusion needs a rule", where=where, hint="its id, or '*'", code="RF285")
    if not texts["host"] and not texts["path"] and not texts["source"] and not fields:
        hint = (
            "name a host, a path, a source or fields; a rule that is wrong everywhere is left out of the folder instead"
        )
        raise InputError("an exclusion names where it counts", where=where, hint=hint, code="RF285")


def _check_values(texts: dict[str, str], where: str) -> None:
    try:
        if texts["expires"] != NEVER:
            date.fromisoformat(texts["expires"])
    except ValueError:
        raise InputError(f"not a date: {texts['expires']}", where=where, hint="2099-12-31", code="RF286") from None
    try:
        if texts["source"]:
            ipaddress.ip_network(texts["source"], strict=False)
    except ValueError:
        hint = "192.0.2.7 or 192.0.2.0/24"
        raise InputError(f"not a network: {texts['source']}", where=where, hint=hint, code="RF286") from None
    if texts["path"] and (not texts["path"].startswith("/") or texts["path"].strip("/") == ""):
        hint = "a path begins with / and names something below it"
        raise InputError(f"not a path: {texts['path']}", where=where, hint=hint, code="RF286")
    host = texts["host"].removeprefix("*.")
    if texts["host"] and (not host or any(letter in host for letter in "*/: ")):
        hint = "shop.example or *.shop.example"
        raise InputError(f"not a host: {texts['host']}", where=where, hint=hint, code="RF286")
