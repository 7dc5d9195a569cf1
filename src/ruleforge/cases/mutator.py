"""What a mutator is: a way to write an exploit request differently, and when a server would still be exploited."""

from collections.abc import Callable

import msgspec

from ruleforge._registry import Registry
from ruleforge.cases.anatomy import Anatomy
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

Valid = Callable[[Anatomy, Advisory], str]
Make = Callable[[Anatomy, Advisory], tuple[Request, ...]]
Change = Callable[[Anatomy, Advisory], Request | None]
FAMILIES = ("feedback", "judge")


class Mutator(msgspec.Struct, frozen=True):
    """One way to write requests differently.

    `valid` gives the reason why the result would be no exploit any more, or is no change; empty when it is one.
    """

    name: str
    family: str  # "feedback" | "judge"
    title: str  # what is different, "under another prefix"
    valid: Valid
    make: Make


VARIANTS: Registry[Mutator] = Registry("variant mutator")


def put(name: str, family: str, title: str, valid: Valid, *changes: Change) -> None:
    """Register a mutator made of single changes; a change that gives None or the same request is left out."""

    def make(anatomy: Anatomy, advisory: Advisory) -> tuple[Request, ...]:
        made = [change(anatomy, advisory) for change in changes]
        return tuple(one for one in made if one is not None and one != anatomy.poc.request)

    VARIANTS.put(name, Mutator(name, family, title, valid, make))


def always(_anatomy: Anatomy, _advisory: Advisory) -> str:
    """Valid for every request."""
    return ""
