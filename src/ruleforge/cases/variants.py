"""The same attack, written another way: requests by which a server would still be exploited."""

import msgspec

from ruleforge.cases import feedback_mutators, judge_mutators  # noqa: F401 - they register themselves
from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.mutator import FAMILIES, VARIANTS, Mutator
from ruleforge.errors import UsageError
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

__all__ = ["MAX_VARIANTS", "VARIANTS", "Mutator", "Variant", "variants"]

MAX_VARIANTS = 40  # of one request and family


class Variant(msgspec.Struct, frozen=True):
    """A request made from an exploit request."""

    request: Request
    mutator: str
    note: str


def variants(anatomy: Anatomy, advisory: Advisory, family: str) -> tuple[Variant, ...]:
    """Make the variants of one family, each different from the original and from the others.

    Beyond 40, every mutator keeps its first ones. Cost: about a millisecond.

    Raises:
        UsageError: no such family (code RF103).
    """
    if family not in FAMILIES:
        raise UsageError(f"unknown family {family!r}", hint="known: " + ", ".join(FAMILIES), code="RF103")
    seen = {_identity(anatomy.poc.request)}
    made: list[list[Variant]] = []
    for name, mutator in VARIANTS.items():
        if mutator.family != family or mutator.valid(anatomy, advisory):
            continue
        group = []
        for number, request in enumerate(mutator.make(anatomy, advisory)):
            if (identity := _identity(request)) not in seen:
                seen.add(identity)
                group.append(Variant(_named(request, name, number), name, mutator.title))
        made.append(group)
    return _take_turns(made)


def _take_turns(groups: list[list[Variant]]) -> tuple[Variant, ...]:
    longest = max((len(group) for group in groups), default=0)
    turns = [group[turn] for turn in range(longest) for group in groups if turn < len(group)]
    return tuple(turns[:MAX_VARIANTS])


def _identity(request: Request) -> tuple[object, ...]:
    return request.method, request.target, request.version, request.headers, request.body


def _named(request: Request, mutator: str, number: int) -> Request:
    return msgspec.structs.replace(request, id=f"{request.id}~{mutator}.{number}")
