"""Payload classes: what an attack looks like, as versioned data, with the encodings the class sees through."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from ruleforge.errors import RuleError
from ruleforge.events import decoding
from ruleforge.rules.patterns import Pattern, Span, compile_alternatives, quote, reads_ahead

MAX_FORMS = 32  # canonical forms tried of one value, itself included
MAX_FORM_BYTES = 8 << 20  # of all forms together: values up to 256 KiB always get all 32
_PERCENT_ROUNDS = 3
_BASE64_RUNS = 4  # runs of base64 characters decoded in one value
_BASE64_LEAST = 8  # bytes; anything shorter decodes to less than a payload
_KEPT_VALUES = 4_096  # of each class: traffic repeats its values (agents, hosts, page numbers)
_KEPT_BYTES = 512  # a longer value is not kept
_FEW_TRIGGERS = 6  # up to here one search each is faster than one pass for all
_DATA = Path(__file__).parent / "class_data"
_FILE = re.compile(r"([a-z][a-z0-9_]*)\.([1-9][0-9]*)\.json")
_BASE64_WHOLE = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}\Z")
_BASE64_BLANKS = re.compile(rb"[A-Za-z0-9/]{12}[A-Za-z0-9/ ]*={0,2}\Z")  # sent bare in a form, + becomes a blank
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")


class ClassPattern(msgspec.Struct, frozen=True):
    """One way the payload shows, asked about the lower-cased form."""

    id: str
    regex: str
    why: str = ""


class ClassData(msgspec.Struct, frozen=True):
    """A payload class as it is written in its file."""

    name: str
    version: int
    title: str
    description: str
    forms: tuple[str, ...]
    patterns: tuple[ClassPattern, ...]
    triggers: tuple[str, ...] = ()
    cwes: tuple[str, ...] = ()
    positive: tuple[Any, ...] = ()  # examples, for the tests and the reference page
    negative: tuple[Any, ...] = ()
    evasion: tuple[Any, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """Which form of a value is a payload, where in that form, and by which pattern."""

    form: bytes
    span: Span
    pattern: str


class PayloadClass:
    """A compiled payload class. `matches` asks, `find` also tells why; both try the cheap forms first."""

    def __init__(self, data: ClassData) -> None:
        unknown = [form for form in data.forms if form not in FORMS]
        if unknown:
            known = ", ".join(FORMS)
            raise RuleError(f"payload class {data.name} names the form {unknown[0]!r}", hint=f"known: {known}")
        self.data = data
        self._known: dict[bytes, bool] = {}
        self.form_names = frozenset(data.forms)
        self._forms = tuple(FORMS[form] for form in FORMS if form in data.forms and form != "identity")
        self._decodes = "base64" in data.forms or "base64_part" in data.forms

    @property
    def decodes(self) -> bool:
        """Whether the class looks into base64."""
        return self._decodes

    def matches(self, value: bytes) -> bool:
        """Say whether some canonical form of `value` is a payload of this class."""
        known = self._known.get(value)
        if known is None:
            known = self._matches(value)
            if len(value) <= _KEPT_BYTES:
                if len(self._known) >= _KEPT_VALUES:
                    self._known.clear()
                self._known[value] = known
        return known

    def _matches(self, value: bytes) -> bool:
        if self._is_payload(value):
            return True
        if not self._decodes and not _may_be_encoded(value):
            return False
        forms = self.forms(value)
        next(forms)  # the value itself
        return any(self._is_payload(form) for form in forms)

    def surely_matches(self, beginning: bytes) -> bool:
        """Say whether every value that begins so is a payload: the match does not depend on what follows."""
        for form in self.forms(beginning, base64=False):  # what follows may make it no base64
            folded = form.lower()
            span = self._every.search(folded) if self._triggered(folded) else None
            if span is not None and (span.end < len(form) or self._open_ended.test(folded)):
                return True
        return False

    @cached_property
    def _open_ended(self) -> Pattern:
        """The patterns that do not look at what follows; one that finds nothing where there are none."""
        regexes = tuple(pattern.regex.encode() for pattern in self.data.patterns)
        return compile_alternatives(tuple(regex for regex in regexes if not reads_ahead(regex)) or (rb"[^\x00-\xff]",))

    def find(self, value: bytes) -> Found | None:
        """Return the first form that is a payload, the place in it and the pattern; None when there is none."""
        for form in self.forms(value):
            if not self._is_payload(form):
                continue
            folded = form.lower()
            for pattern in self.data.patterns:
                span = compile_alternatives((pattern.regex.encode(),)).search(folded)
                if span is not None:
                    return Found(form, span, pattern.id)
        return None

    def forms(self, value: bytes, *, base64: bool = True) -> Iterator[bytes]:
        """Yield the canonical forms of `value`, itself first, each once, at most 32 and 8 MiB in all."""
        yield value
        seen, size = [value], len(value)
        for decode in self._forms:
            if not base64 and decode in _BASE64_FORMS:
                continue
            for form in tuple(seen):
                for new in decode(form):
                    if new not in seen:
                        seen.append(new)
                        size += len(new)
                        yield new
                    if len(seen) >= MAX_FORMS or size >= MAX_FORM_BYTES:
                        return

    @cached_property
    def _triggered(self) -> Callable[[bytes], bool]:
        return _any_trigger(tuple(trigger.encode() for trigger in self.data.triggers))

    @cached_property
    def _every(self) -> Pattern:
        """Compiled when a trigger is met first: who asks about a few values needs a few of the classes."""
        return compile_alternatives(tuple(pattern.regex.encode() for pattern in self.data.patterns))

    def _is_payload(self, form: bytes) -> bool:
        return self.holds(form.lower())

    def holds(self, folded: bytes) -> bool:
        """Say whether one form, in lower case, is a payload as it stands."""
        return self._triggered(folded) and self._every.test(folded)


def _may_be_encoded(value: bytes) -> bool:
    return b"%" in value or b"+" in value or b"&" in value or b"\\" in value


def _any_trigger(triggers: tuple[bytes, ...]) -> Callable[[bytes], bool]:
    if not triggers:
        return lambda _: True
    if len(triggers) > _FEW_TRIGGERS:
        pattern: Pattern = compile_alternatives(tuple(map(quote, triggers)))
        return pattern.test

    def ask(folded: bytes) -> bool:
        for trigger in triggers:  # noqa: SIM110 - a generator costs more than the search
            if trigger in folded:
                return True
        return False

    return ask


def _percent(value: bytes) -> Iterator[bytes]:
    for _ in range(_PERCENT_ROUNDS):
        if b"%" not in value:
            return
        value = decoding.percent_decode(value)
        yield value


def _plus(value: bytes) -> Iterator[bytes]:
    if b"+" in value:
        yield decoding.plus_to_space(value)


def _percent_u(value: bytes) -> Iterator[bytes]:
    if b"%u" in value or b"%U" in value:
        yield decoding.percent_u_decode(value)


def _entities(value: bytes) -> Iterator[bytes]:
    if b"&" in value:
        yield decoding.html_entity_decode(value)


def _unicode_escape(value: bytes) -> Iterator[bytes]:
    if b"\\" in value:
        yield decoding.unicode_escape_decode(value)


def _base64(value: bytes) -> Iterator[bytes]:
    decoded = _base64_of(value)
    if decoded is not None:
        yield decoded


def _base64_of(value: bytes) -> bytes | None:
    """Decode a value that is nothing but base64; None where it is not."""
    if len(value) < _BASE64_LEAST:
        return None
    if _BASE64_WHOLE.match(value):
        return decoding.base64_decode(value)
    return decoding.base64_decode(value.replace(b" ", b"+")) if _BASE64_BLANKS.match(value) else None


def _base64_part(value: bytes) -> Iterator[bytes]:
    for count, run in enumerate(_BASE64_RUN.finditer(value)):
        if count >= _BASE64_RUNS:
            return
        decoded = decoding.base64_decode(run[0])
        if decoded is not None:
            yield decoded


# In the order they are applied, each to every form found so far.
FORMS: Mapping[str, Callable[[bytes], Iterator[bytes]]] = MappingProxyType(
    {
        "identity": lambda _: iter(()),
        "percent": _percent,
        "plus": _plus,
        "percent_u": _percent_u,
        "entities": _entities,
        "unicode_escape": _unicode_escape,
        "base64": _base64,
        "base64_part": _base64_part,
    }
)
_BASE64_FORMS = (_base64, _base64_part)


def _list_classes() -> Mapping[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for file in sorted(_DATA.glob("*.json")):
        parts = _FILE.fullmatch(file.name)
        if parts:
            found.setdefault(parts[1], []).append(int(parts[2]))
    return MappingProxyType({name: tuple(sorted(versions)) for name, versions in found.items()})


CLASSES: Mapping[str, tuple[int, ...]] = _list_classes()  # name → versions, oldest first


@lru_cache(maxsize=1)
def classes_digest() -> str:
    """Hash the data of all payload classes: what was derived from them is stale when it changes."""
    digest = hashlib.sha256()
    for file in sorted(_DATA.glob("*.json")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def latest_version(name: str) -> int:
    """Return the newest version of a payload class.

    Raises:
        RuleError: there is no such class (code RF310).
    """
    if name not in CLASSES:
        raise RuleError(f"unknown payload class {name!r}", hint="known: " + ", ".join(CLASSES), code="RF310")
    return CLASSES[name][-1]


@lru_cache(maxsize=256)
def load_class(name: str, version: int) -> PayloadClass:
    """Load and compile one version of a payload class, once per process.

    Raises:
        RuleError: there is no such class or version (code RF310), or its data is broken.
    """
    if version not in CLASSES.get(name, ()):
        versions = ", ".join(map(str, CLASSES.get(name, ()))) or "none"
        raise RuleError(f"unknown payload class {name!r} version {version}", hint=f"known: {versions}", code="RF310")
    file = _DATA / f"{name}.{version}.json"
    try:
        data = msgspec.json.decode(file.read_bytes(), type=ClassData)
    except msgspec.MsgspecError as error:
        raise RuleError(f"broken payload class: {error}", where=file.name) from None
    if (data.name, data.version) != (name, version):
        raise RuleError(f"the file is about {data.name} version {data.version}", where=file.name)
    return PayloadClass(data)


_QUOTES = (b"'", b'"', b"`", b"\\")  # the only single bytes that are a payload


@lru_cache(maxsize=1)
def _latest() -> tuple[tuple[str, PayloadClass], ...]:
    return tuple((name, load_class(name, latest_version(name))) for name in CLASSES)


@lru_cache(maxsize=1)
def _some_trigger() -> Callable[[bytes], bool]:
    """Ask whether any class could see something in an unencoded value: one pass instead of one for each class."""
    triggers = tuple(trigger.encode() for _, known in _latest() for trigger in known.data.triggers)
    return _any_trigger(tuple(dict.fromkeys(triggers)))


def classes_of(value: bytes) -> tuple[str, ...]:
    """Return the names of the payload classes (latest versions) that `value` satisfies, in the order of their names.

    Most values of normal traffic are dismissed by one look for triggers; the rest cost a few microseconds a class.
    """
    if len(value) < 2 and value not in _QUOTES:
        return ()
    return _known_classes(value) if len(value) <= _KEPT_BYTES else _find_classes(value)


def _find_classes(value: bytes) -> tuple[str, ...]:
    asked, folded, encoded = _latest(), value.lower(), _may_be_encoded(value)
    if not encoded and not _some_trigger()(folded):
        if not (_BASE64_WHOLE.match(value) or _BASE64_BLANKS.match(value) or _BASE64_RUN.search(value)):
            return ()
        asked = tuple((name, known) for name, known in asked if known.decodes)
    shared: dict[frozenset[str], list[bytes]] = {}  # classes with the same forms decode once
    found = []
    for name, known in asked:
        holds = known.holds(folded)
        if not holds and (encoded or known.decodes):
            if known.form_names not in shared:
                shared[known.form_names] = [form.lower() for form in known.forms(value)]
            holds = any(map(known.holds, shared[known.form_names]))
        if holds:
            found.append(name)
    return tuple(found)


_known_classes = lru_cache(maxsize=2 * _KEPT_VALUES)(_find_classes)
