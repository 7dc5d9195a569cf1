"""What a candidate is checked against, gathered once per advisory."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ruleforge.events.places import HttpView
from ruleforge.events.request import Request

if TYPE_CHECKING:  # they bring numpy, which judging one rule does not need
    from ruleforge.engine.corpus import Corpus
    from ruleforge.engine.sensor_logs import Sensors


class Case(msgspec.Struct, frozen=True):
    """A request with what it is evidence of."""

    view: HttpView
    kind: str  # mutator or near-miss kind; "exploit", "setup", "probe"
    poc: int = -1  # the exploit request it was made from
    note: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All requests that speak for or against a candidate of one advisory."""

    advisory: str
    product: str  # canonical; "" when unnamed
    exploits: tuple[Case, ...]
    variants: tuple[Case, ...] = ()
    near_misses: tuple[Case, ...] = ()
    siblings: tuple[Case, ...] = ()  # setup and probe steps of the same source
    exemptions: tuple[str, ...] = ()  # why there are no near-misses, where there are none
    cves: frozenset[str] = frozenset()
    corpus: "Corpus | None" = None  # requests of all sources of this run
    benign: "Sequence[Corpus]" = ()
    sensors: "Sensors | None" = None  # logs with attackers in them
    classes: Mapping[str, int]
    proposed: tuple[Case, ...] = ()  # requests that a model proposed as tests, and that reading bore out
    documents: tuple[int, ...] = ()  # of each exploit: the ordinal of its document


def identity(request: Request) -> tuple[bytes, bytes, bytes]:
    """What makes two recorded requests the same for a rule."""
    return request.method, request.target, request.body or b""


def case(request: Request, kind: str, poc: int = -1, note: str = "") -> Case:
    """Wrap a request as evidence."""
    return Case(HttpView(request), kind, poc, note)
