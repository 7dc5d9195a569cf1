"""What a model said of a rule, as text and as data, beside what the evidence says."""

from typing import TYPE_CHECKING

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.second_opinion import SecondJudge
    from ruleforge.judge.combine import Pooled
    from ruleforge.judge.llm_judge import LlmOpinion, Sampled


def model_data(second: "SecondJudge") -> dict[str, object]:
    """The answer of the model and how it was pooled, or what is pending, as plain data."""
    import msgspec

    from ruleforge.judge.llm_judge import LlmPending

    if isinstance(second.answer, LlmPending):
        return {"pending": msgspec.to_builtins(second.answer)}
    pooled = msgspec.to_builtins(second.combined)
    return {"model": msgspec.to_builtins(second.answer), "combined": pooled} | (
        {"cost": second.cost} if second.cost else {}
    )


def model_lines(second: "SecondJudge") -> list[str]:
    """The same as lines for people; text of the model comes out escaped."""
    from ruleforge.judge.llm_judge import LlmPending

    answer, combined = second.answer, second.combined
    if isinstance(answer, LlmPending):
        lines = ["", term.paint("The model has not answered yet; this is what the evidence says alone.", "yellow")]
        lines.append(term.visible(f"  {term.plural(len(answer.ids), 'question')} open in {answer.where}"))
        return [*lines, *(term.visible(f"  refused: {problem}") for problem in answer.problems)]
    if answer is None or combined is None:
        return []
    lines = ["", term.paint("What the model says", "bold")]
    for name, key, pooled, side in (
        ("p_miss", "miss", combined.miss, answer.miss),
        ("p_off_target", "off_target", combined.off_target, answer.off_target),
    ):
        lines += [_pooled(name, pooled), *_reasons(key, side, answer)]
    cost = [term.visible(f"  cost: {second.cost}")] if second.cost else []
    return [*lines, *(term.paint(term.visible(f"  {warning}"), "yellow") for warning in answer.warnings), *cost]


def _pooled(name: str, pooled: "Pooled") -> str:
    spread = "" if pooled.spread is None else f", samples {pooled.spread:.2f} apart"
    said = f"  {name}: evidence {_number(pooled.evidence)}, model {_number(pooled.llm)}{spread}"
    line = f"{said}; together {_number(pooled.p)}" + (f" ({pooled.note})" if pooled.note else "")
    return term.paint(term.visible(line), "yellow" if pooled.how == "abstains" else "")


def _reasons(key: str, side: "Sampled", answer: "LlmOpinion") -> list[str]:
    lines = []
    for reason in side.reasons:
        condition = answer.conditions.get(reason.condition, reason.condition)
        request = answer.requests.get(f"{key} {reason.request}", reason.request)
        lines.append(term.visible(f"    {reason.claim} ({condition})"))
        lines.append(term.visible(f"      shown by {request}"))
    return lines


def _number(p: float | None) -> str:
    return "unknown" if p is None else f"{p:.2f}"
