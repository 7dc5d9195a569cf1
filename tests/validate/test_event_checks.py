"""Each check of rules about events fails for the one thing it is about."""

import pytest

from ruleforge.cases.event_variants import Varied
from ruleforge.events.event import make_event
from ruleforge.records.event_case import Example
from ruleforge.records.forging import CheckResult
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule
from ruleforge.validate.event_checks import EVENT_CHECKS, Drafted, EventEvidence, check_event_rule, failing, survival


def example(what: str, **fields: str) -> Example:
    given = {"question." + key: value for key, value in fields.items()}
    event = make_event("dns", given, time_us=0, id=f"{what}:0", source="x")  # type: ignore[arg-type]
    return Example(what, (event,))


def rule(when: object) -> Rule:
    return parse_rule({"schema": 1, "id": "R", "event": "dns", "when": when}).require()


TXT = {"field": "question.type", "op": "equals", "value": "TXT"}
BAD = rule({"all": [TXT, {"field": "question.name", "op": "contains", "value": "evil"}]})
EVIDENCE = EventEvidence(
    malicious=(example("attack", name="evil.example", type="TXT"),),
    benign=(example("fine", name="a.example", type="TXT"),),
)
ENOUGH = Drafted(bits=9.0)


def result(check: str, asked: Rule, evidence: EventEvidence = EVIDENCE, drafted: Drafted = ENOUGH) -> CheckResult:
    return EVENT_CHECKS[check](asked, evidence, drafted)


def test_a_good_rule_passes_all() -> None:
    trial = check_event_rule(BAD, EVIDENCE, ENOUGH)
    assert [one.check for one in trial.results] == list(EVENT_CHECKS)
    assert trial.passed
    assert len(EVENT_CHECKS) == 10


def test_an_attack_that_is_missed_fails() -> None:
    found = result("malicious", rule({"field": "question.name", "op": "equals", "value": "other"}))
    assert (found.passed, found.failed, found.examples) == (False, 1, ("attack",))


@pytest.mark.parametrize("where", ["benign", "near_misses", "ordinary", "logs"])
def test_what_is_harmless_must_not_be_hit(where: str) -> None:
    harmless = example("harmless", name="b.example", type="TXT")
    more: dict[str, object] = {
        "benign": {"benign": (harmless,)},
        "near_misses": {"near_misses": (Varied("help", harmless, 0),)},
        "ordinary": {"ordinary": harmless.items},
        "logs": {"logs": (harmless.items,)},
    }[where]  # type: ignore[assignment]
    evidence = EventEvidence(**({"malicious": EVIDENCE.malicious, "benign": ()} | more))  # type: ignore[operator, arg-type]
    assert result(where, rule(TXT), evidence).passed is False
    assert result(where, BAD, evidence).passed is True


def test_variants_may_be_missed_once_in_ten_times() -> None:
    hit, missed = example("v", name="evil2.example", type="TXT"), example("v", name="other.example", type="TXT")

    def tried(misses: int) -> CheckResult:
        made = tuple(Varied("other", missed if number < misses else hit, 0) for number in range(10))
        return result("variants", BAD, EventEvidence(malicious=EVIDENCE.malicious, benign=(), variants=made))

    assert tried(1).passed is True
    assert tried(2).passed is False
    assert result("variants", BAD).passed is None


def test_a_rule_on_a_name_need_not_hit_another_name() -> None:
    other = Varied("other_domain", example("v", name="other.example", type="TXT"), 0)
    evidence = EventEvidence(malicious=EVIDENCE.malicious, benign=(), variants=(other,))
    assert result("variants", BAD, evidence).passed is False
    assert result("variants", BAD, evidence, Drafted(bits=9.0, is_indicator=True)).passed is None


@pytest.mark.parametrize(
    ("drafted", "passed"),
    [
        (Drafted(bits=5.9), False),
        (Drafted(bits=6.0), True),
        (Drafted(margin=1.9), False),
        (Drafted(margin=2.0), True),
        (Drafted(), None),
    ],
)
def test_a_rule_must_be_surprising_or_far_above_ordinary_use(drafted: Drafted, passed: bool | None) -> None:
    assert result("surprise", BAD, drafted=drafted).passed is passed


def test_every_text_stands_in_an_example_of_the_attack() -> None:
    assert result("grounded", BAD).passed is True
    assert result("grounded", rule({"field": "question.name", "op": "contains", "value": "devil"})).passed is False
    assert result("grounded", rule({"field": "question.name", "op": "regex", "value": "e.*l"})).passed is False
    assert result("grounded", rule({"field": "question.type", "op": "equals", "value": "evil"})).passed is False
    assert result("grounded", rule({"field": "question.class", "op": "present"})).passed is False  # no role


def test_what_can_be_proved_against_a_rule_fails_it() -> None:
    both = rule({"all": [TXT, {"field": "question.type", "op": "equals", "value": "A"}]})
    assert result("lint", both).passed is False


def test_a_check_that_crashes_fails_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> CheckResult:
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(EVENT_CHECKS, "benign", crash)
    trial = check_event_rule(BAD, EVIDENCE, ENOUGH)
    assert failing(trial) == ["benign"]
    assert "ZeroDivisionError" in next(one.detail for one in trial.results if one.check == "benign")
    assert survival(trial) == 1.0
