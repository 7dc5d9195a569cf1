"""Orders hidden in what a judging model reads change no verdict, even where the model obeys every one of them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.cases.evidence import Evidence, case
from ruleforge.events.request import Request
from ruleforge.judge.combine import combined_opinion
from ruleforge.judge.llm_judge import LlmOpinion, ask_llm_judge
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Opinion
from ruleforge.rules.tree import AllOf, Condition, Name, Product, Rule

ROWS = json.loads((Path(__file__).parent / "injections.json").read_text("utf-8"))
GATE = 0.5
HELD_BACK = Opinion(judge="evidence judge", p_miss=0.6, p_off_target=0.7)
LET_PASS = Opinion(judge="evidence judge", p_miss=0.05, p_off_target=0.1)
LONG = {"[": 40_000, "A": 70_000}  # answers that would make the file large


def test_injections_were_found() -> None:
    assert len(ROWS) >= 60
    assert {row["place"] for row in ROWS} >= {"title", "description", "agent", "path", "body", "literal", "name"}
    assert len({(row["place"], row["text"]) for row in ROWS}) == len(ROWS)


def poisoned(
    row: dict[str, str], rule: Rule, advisory: Advisory, evidence: Evidence
) -> tuple[Rule, Advisory, Evidence]:
    """The rule, the disclosure and the requests with an order at its place."""
    text, place, swap = row["text"], row["place"], msgspec.structs.replace
    raw = text.encode("utf-8", "surrogatepass")
    if place in ("title", "description"):
        advisory = swap(advisory, **{place: text})
    elif place == "tag":
        advisory = swap(advisory, tags=(text,))
    elif place == "product":
        advisory = swap(advisory, products=(Product("orchard", text),))
    elif place in ("literal", "name"):
        own = (
            Condition("args", "contains", raw) if place == "literal" else Condition("args", "present", None, Name(raw))
        )
        rule = swap(rule, when=AllOf((own, *rule.when.parts)))  # type: ignore[union-attr]
    else:
        request = evidence.exploits[0].view.request
        name, _, value = raw.partition(b": ")
        changed: dict[str, dict[str, Any]] = {
            "agent": {"headers": ((b"User-Agent", raw),)},
            "path": {"target": raw},
            "body": {"method": b"POST", "body": raw},
            "header": {"headers": ((name, value),)},
        }
        sent: Request = swap(request, **changed[place])
        evidence = swap(evidence, exploits=(case(sent, "exploit", 0),))
    return rule, advisory, evidence


def passes(opinion: Opinion) -> bool:
    """Whether a gate would let the rule through: what is not known does not pass."""
    return all(p is not None and p <= GATE for p in (opinion.p_miss, opinion.p_off_target))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['place']}: {row['text'][:30]!r}")
def test_an_obedient_model_changes_no_verdict(
    row: dict[str, str], rule: Rule, advisory: Advisory, evidence: Evidence, door_of: Any
) -> None:
    says = row["says"] * LONG.get(row["says"], 1)
    door = door_of(lambda _call: says)
    opinion = ask_llm_judge(*poisoned(row, rule, advisory, evidence), door, 1)
    assert isinstance(opinion, LlmOpinion)
    assert not passes(combined_opinion(HELD_BACK, opinion))
    assert passes(combined_opinion(LET_PASS, opinion))
    for side in (opinion.miss, opinion.off_target):
        assert side.probability is None or 0 <= side.probability <= 1
        assert all(reason.condition in opinion.conditions for reason in side.reasons)
    for call in door.provider.asked:  # wherever the order stands, it stands inside a frame
        outside = [line for line in call.written(bytes(32)).user.split("\n") if not line.startswith("| ")]
        assert not any(row["text"][:40] in line for line in outside)
