"""Put another payload of the same class where one stands, with what must stay before and after it."""

import base64
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from ruleforge.cases.anatomy import Anatomy, Part
from ruleforge.cases.contexts import CONTEXTS
from ruleforge.cases.edit import with_filename, with_value
from ruleforge.cases.significance import decisive_class, dice, is_namespace
from ruleforge.events.decoding import base64_decode, percent_decode
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import latest_version, load_class

MOST_PER_PART = 6
MOST_PARTS = 2
_FILE = Path(__file__).parent / "payloads.json"
_MAX_VALUE = 4_096  # a longer payload is a program of its own


class Wrapped(msgspec.Struct, frozen=True):
    """A value's payload in the form in which it is one, and how to write another in that form."""

    text: bytes
    wrap: Callable[[bytes], bytes]


@lru_cache(maxsize=1)
def payload_lists() -> dict[str, dict[str, dict[str, tuple[bytes, ...]]]]:
    """Our own payloads: family → class → context → texts."""
    data = msgspec.json.decode(_FILE.read_bytes(), type=dict[str, dict[str, dict[str, list[str]]]])
    return {
        family: {
            name: {context: tuple(text.encode() for text in texts) for context, texts in contexts.items()}
            for name, contexts in classes.items()
        }
        for family, classes in data.items()
    }


def no_other_payload(anatomy: Anatomy, advisory: Advisory) -> str:
    """Why no payload can be exchanged; empty where one can."""
    if not any(True for _ in _exchangeable(anatomy, advisory)):
        return "no value attacks by a class that the advisory speaks of"
    return ""


def _exchangeable(anatomy: Anatomy, advisory: Advisory) -> Iterator[tuple[Part, bytes, str]]:
    for part in anatomy.payloads:
        if is_namespace(part):
            continue
        if part.filename and (name := decisive_class(part.filename_classes, advisory)):
            yield part, part.filename, name
        if len(part.value) <= _MAX_VALUE and (name := decisive_class(part.classes, advisory)):
            yield part, part.value, name


def other_payloads(anatomy: Anatomy, advisory: Advisory, family: str) -> tuple[Request, ...]:
    """Exchange the payload of each attacking value, at most two of them, against up to six others of its class."""
    request, seed = anatomy.poc.request, dice(anatomy)[0]
    made: list[Request] = []
    parts = 0
    for part, value, name in _exchangeable(anatomy, advisory):
        texts = replacements(value, name, family)
        if not texts:
            continue
        start = seed % len(texts)
        change = with_filename if value is part.filename else with_value
        changed = [change(request, part, text) for text in (texts[start:] + texts[:start])[:MOST_PER_PART]]
        made += [one for one in changed if one is not None]
        parts += 1
        if parts == MOST_PARTS:
            break
    return tuple(made)


MAX_TEXT = 4_096  # bytes of a value whose payload is replaced


@lru_cache(maxsize=20_000)
def replacements(value: bytes, name: str, family: str) -> tuple[bytes, ...]:
    """Other values of the class `name` that attack as `value` does; empty where that is not known."""
    wrapped = unwrap(value, name)
    if wrapped is None or len(wrapped.text) > MAX_TEXT:
        return ()
    for context, pattern in CONTEXTS.get(name, ()):
        found = pattern.match(wrapped.text)
        if found:
            payloads = payload_lists()[family].get(name, {}).get(context, ())
            texts = [wrapped.wrap(found["head"] + payload + found["tail"]) for payload in payloads]
            payload_class = load_class(name, latest_version(name))
            return tuple(text for text in texts if text != value and payload_class.matches(text))
    return ()


def unwrap(value: bytes, name: str) -> Wrapped | None:
    """Find the form in which `value` is a payload: as it is, percent-encoded once more, or base64."""
    found = load_class(name, latest_version(name)).find(value)
    if found is None:
        return None
    if found.form == value:
        return Wrapped(value, lambda text: text)
    if found.form == percent_decode(value):
        return Wrapped(found.form, _percent_again)
    if found.form == base64_decode(value):
        return Wrapped(found.form, _base64)
    return None


def _percent_again(text: bytes) -> bytes:
    return re.sub(rb"[^A-Za-z0-9_.~-]", lambda byte: b"%%%02x" % byte[0][0], text)


def _base64(text: bytes) -> bytes:
    return base64.b64encode(text)
