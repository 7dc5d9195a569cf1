"""What of a rule survives where attackers choose otherwise, and which of its texts nothing has changed."""

from collections.abc import Collection

from ruleforge.judge.observe import Asked, Observed
from ruleforge.judge.shape import Question, wants_value

NAMED = ("parameter", "program", "transport")  # kinds of choice: where else the disclosure says the flaw is


def chosen(observed: Observed) -> dict[tuple[int, str], list[Asked]]:
    """The requests of each free choice: by exploit and what is chosen otherwise. Exploits it misses are left out."""
    missed = {one.case.poc for one in observed.exploits if not one.fires}
    found: dict[tuple[int, str], list[Asked]] = {}
    for one in observed.choices:
        if one.case.poc not in missed:
            found.setdefault((one.case.poc, one.case.note), []).append(one)
    return found


def _lost(observed: Observed, kinds: Collection[str] | None = None) -> list[float]:
    """Of each free choice, the share of other values by which the rule is lost."""
    groups = chosen(observed).values()
    return [
        sum(not one.fires for one in group) / len(group)
        for group in groups
        if kinds is None or group[0].case.kind in kinds
    ]


def choices_lost(observed: Observed) -> float | None:
    """Share of the free choices by which the rule is lost."""
    lost = _lost(observed)
    return sum(lost) / len(lost) if lost else None


def choice_worst(observed: Observed) -> float | None:
    """The free choice of which most other values lose the rule."""
    return max(_lost(observed), default=None)


def literal_lost(observed: Observed) -> float | None:
    """The worst choice that a wanted text, name or pattern does not survive, where a payload class might."""
    groups = chosen(observed).values()
    lost = [sum(not one.fires and _by_text(observed, one) for one in group) / len(group) for group in groups]
    return max(lost, default=None)


def _by_text(observed: Observed, asked: Asked) -> bool:
    blamed = observed.blamed(asked)
    return (
        any(q.op != "is_class" for q in observed.conjuncts[blamed[0]].questions if q.op != "present")
        if blamed
        else False
    )


def payload_lost(observed: Observed) -> float | None:
    """The worst choice inside the payload."""
    kinds = {one.case.kind for one in observed.choices} - {"value", "file name", *NAMED}
    return max(_lost(observed, kinds), default=None)


def value_lost(observed: Observed) -> float | None:
    """The worst choice of an ordinary value or of a file name."""
    return max(_lost(observed, ("value", "file name")), default=None)


def named_lost(observed: Observed) -> float | None:
    """Share of what the disclosure names beside the place of the exploit that is missed."""
    lost = _lost(observed, NAMED)
    return sum(lost) / len(lost) if lost else None


def unvaried(observed: Observed) -> tuple[int, ...]:
    """Conditions that want a text where the attacker chooses, and of which no choice changed what they read.

    That the rule hits every variant says nothing of them.
    """
    cases = [*observed.choices, *observed.variants, *observed.seen_variants]
    read: dict[tuple[str, int], frozenset[bytes]] = {}
    found = []
    for at, conjunct in enumerate(observed.conjuncts):
        wants = [q for q in conjunct.questions if wants_value(q)]
        if wants and not any(_changed(q, one, observed, read) for q in wants for one in cases):
            found.append(at)
    return tuple(found)


def _changed(question: Question, one: Asked, observed: Observed, read: dict[tuple[str, int], frozenset[bytes]]) -> bool:
    """Whether the wanted text, which stands in the exploit, is gone from a variant of it."""
    if not 0 <= one.case.poc < len(observed.exploits):
        return False
    exploit = observed.exploits[one.case.poc]
    before = read.setdefault((question.place, -1 - one.case.poc), _texts(question, exploit))
    after = read.setdefault((question.place, id(one)), _texts(question, one))
    return any(
        any(text.lower() in value for value in before) and not any(text.lower() in value for value in after)
        for text in question.literals
    )


def _texts(question: Question, asked: Asked) -> frozenset[bytes]:
    return frozenset(element.value.lower() for element in asked.case.view.read(question.place).elements)
