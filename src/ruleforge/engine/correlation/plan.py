"""Rules that count or order events, taken apart: trees that any set of rules can answer, and what to do with hits."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from ruleforge.engine.correlation.observation import Key, Observation, RuleHit
from ruleforge.errors import UsageError
from ruleforge.events.reading import View
from ruleforge.rules.canonical import canonical_json
from ruleforge.rules.dump import dump_tree
from ruleforge.rules.proofs import roots
from ruleforge.rules.tree import Count, Rule
from ruleforge.rules.tree import Sequence as SequenceTree

Spared: TypeAlias = Callable[[View, int], bool]
MAX_KEY_BYTES = 256  # of one value; a longer one is told apart by its digest
_SHOWN_BYTES = 64  # of a longer one
MAX_DISTINCT = 1_000  # values of one event that are counted


class _Use(msgspec.Struct, frozen=True):
    rule: int
    step: int


class Plan:
    """Correlation rules and their parts.

    `parts` are ordinary rules about one event each: give them to any set that answers (compiled, batch, reference), and
    `observe` the positions of those that hold.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Take rules apart.

        Raises:
            UsageError: a rule neither counts nor orders events (RF133).
        """
        self.rules = tuple(rules)
        parts: dict[bytes, int] = {}
        self._uses: list[list[_Use]] = []
        found: list[Rule] = []
        for number, rule in enumerate(self.rules):
            if not is_correlation(rule):
                raise UsageError(f"the rule {rule.id} neither counts nor orders events", code="RF133")
            for step, (_, tree) in enumerate(roots(rule.when)):
                part = msgspec.structs.replace(rule, when=tree, id=f"{rule.id}/{step}")
                same = canonical_json({"event": rule.event, "when": dump_tree(tree), "classes": dict(rule.classes)})
                at = parts.setdefault(same, len(found))
                if at == len(found):
                    found.append(part)
                    self._uses.append([])
                self._uses[at].append(_Use(number, step))
        self.parts: tuple[Rule, ...] = tuple(found)

    def users_of(self, part: int) -> tuple[int, ...]:
        """Return the rules that need a part, as positions in `rules`, each once."""
        return tuple(dict.fromkeys(use.rule for use in self._uses[part]))

    def observe(
        self,
        view: View,
        hits: Sequence[int],
        *,
        time_us: int | None,
        id: str,  # noqa: A002 - the name of the field
        times: int = 1,
        spared: Spared | None = None,
    ) -> Observation:
        """Say what one event means to the rules.

        Args:
            view: the event.
            hits: positions in `parts` that hold for it.
            time_us: when it was, microseconds since 1970; None: not known.
            id: unique in its source. Events of one moment follow each other by the number at the end of their ids.
            times: events that the record stands for.
            spared: whether the event is not to count for a rule, by its position in `rules`.
        """
        if not hits:
            return Observation(time_us, id, times)
        steps: dict[int, int] = {}
        for part in hits:
            for use in self._uses[part]:
                steps[use.rule] = steps.get(use.rule, 0) | 1 << use.step
        found, unkeyed = [], []
        for number, which in sorted(steps.items()):
            if spared is not None and spared(view, number):
                continue
            root = self.rules[number].when
            assert isinstance(root, Count | SequenceTree)
            key = _key(view, root.by)
            if key is None:
                unkeyed.append(number)
                continue
            distinct = _values(view, root.distinct) if isinstance(root, Count) and root.distinct else ()
            found.append(RuleHit(number, which, key, distinct))
        return Observation(time_us, id, times, tuple(found), tuple(unkeyed))


def is_correlation(rule: Rule) -> bool:
    """Whether a rule counts or orders events."""
    return isinstance(rule.when, Count | SequenceTree)


def _key(view: View, by: tuple[str, ...]) -> Key | None:
    """Return the key of an event; None where a field has no value, for then it belongs to nobody in particular."""
    parts = []
    for field in by:
        elements = view.read(field).elements
        if not elements:
            return None
        parts.append(bounded(elements[0].value if len(elements) == 1 else b"\0".join(e.value for e in elements)))
    return tuple(parts)


def _values(view: View, field: str) -> tuple[bytes, ...]:
    elements = view.read(field).elements[:MAX_DISTINCT]
    return tuple(dict.fromkeys(bounded(element.value) for element in elements))


def bounded(value: bytes) -> bytes:
    """Return the value, or of a long one its beginning and a digest that tells it from others."""
    if len(value) <= MAX_KEY_BYTES:
        return value
    return value[:_SHOWN_BYTES] + b"... sha256:" + hashlib.sha256(value).hexdigest().encode()
