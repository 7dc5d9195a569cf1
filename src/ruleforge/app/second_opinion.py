"""A model as second judge of a rule, beside the evidence judge: what `judge --llm` asks."""

from pathlib import Path

from ruleforge.app.rules import read_evidence
from ruleforge.cases.evidence import Evidence
from ruleforge.judge.combine import DEFAULT, BothWeights, Combined, combine, combined_opinion, load_weights
from ruleforge.judge.llm_judge import SAMPLES, LlmOpinion, LlmPending, ask_llm_judge
from ruleforge.llm.door import Door
from ruleforge.llm.prices import dollars_said
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Opinion
from ruleforge.rules.tree import Rule


def author_of(rule: Path) -> str:
    """Name the model that wrote a forged rule, as its evidence.json does; empty where none did, or none is known."""
    told = read_evidence(rule if rule.is_dir() else rule.parent).get("model")
    if not isinstance(told, dict) or told.get("wrote_this") is not True:
        return ""
    models = told.get("models")
    return ", ".join(str(model) for model in models) if isinstance(models, list) else ""


class SecondJudge:
    """Asks a model about one rule, and keeps what it said for whoever shows it.

    As long as the model has not answered, the opinion of the evidence stays what it is.
    """

    def __init__(self, door: Door, *, samples: int = SAMPLES, weights: Path | None = None, generator: str = "") -> None:
        self.answer: LlmOpinion | LlmPending | None = None
        self.combined: Combined | None = None
        self._door, self._samples, self._generator = door, samples, generator
        self._weights: BothWeights = load_weights(weights) if weights else DEFAULT

    @property
    def cost(self) -> str:
        """What asking has cost in this run, for people; empty where nobody sends a bill."""
        return self._door.money_note or (dollars_said(spent) if (spent := self._door.meter.run.money) else "")

    def __call__(self, rule: Rule, advisory: Advisory, evidence: Evidence, opinion: Opinion) -> Opinion:
        """Ask, and give the joint opinion."""
        self.answer = ask_llm_judge(rule, advisory, evidence, self._door, self._samples, generator=self._generator)
        if isinstance(self.answer, LlmPending):
            return opinion
        self.combined = combine(opinion, self.answer, self._weights)
        return combined_opinion(opinion, self.answer, self._weights)
