"""EVENT_STRATEGIES: how rules about events are proposed, in the order in which the embedded policy asks for them."""

from collections.abc import Callable

from ruleforge.generate.event_counting import count, distinct, sequence
from ruleforge.generate.event_draft import EventDraft, EventMaterial
from ruleforge.generate.event_single import arms, indicator, single
from ruleforge.records.event_case import EventCase

Strategy = Callable[[EventMaterial, frozenset[str]], EventDraft | None]

EVENT_STRATEGIES: dict[str, Strategy] = {
    "single": single,
    "arms": arms,
    "count": count,
    "distinct": distinct,
    "sequence": sequence,
    "indicator": indicator,
}
_FOR_ONE = ("single", "arms", "indicator")
_FOR_STREAMS = ("count", "distinct", "sequence", "single", "indicator")


def strategies_for(case: EventCase) -> tuple[str, ...]:
    """Return the strategies that can say something on a case, the most general first."""
    return _FOR_STREAMS if case.is_stream else _FOR_ONE
