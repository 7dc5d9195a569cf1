"""Each check passes on evidence that speaks for a rule, fails on evidence against it, and says which request it was."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ruleforge.validate
from ruleforge.cases.evidence import case
from ruleforge.engine.corpus import Row
from ruleforge.engine.reference import compile_tree
from ruleforge.pipeline.loop import check_rule
from ruleforge.records.forging import CheckResult, Trial
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, conditions_of
from ruleforge.validate import gates
from ruleforge.validate.checks import CHECKS, Finding, family, hits_strangers, names_place, sibling_sources

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Any]
OWN = "/press/show.php?file=../../etc/shadow"


def ask(name: str, rule: Rule, evidence: Any) -> Finding:
    """One check's finding; what every result must be is checked on the way."""
    ask_view = compile_tree(rule.when, dict(rule.classes))  # type: ignore[arg-type]
    found = CHECKS[name](rule, lambda case: ask_view(case.view) is True, evidence)
    result = found.result
    assert result.check == name
    assert result.failed >= 0
    assert len(result.examples) <= gates.EXAMPLES_MOST
    assert result.passed is not None or result.detail, "a check that cannot tell says why"
    assert result.passed is not False or found.feedback, "a failure says what to change"
    return found


# --- static proof -----------------------------------------------------------------------------------------------------


def test_a_plain_rule_is_sound(orchard: SimpleNamespace, evidence_of: Make) -> None:
    assert ask("static_proof", orchard.tight, evidence_of()).result.passed is True


def test_a_rule_that_can_never_hold_is_not(orchard: SimpleNamespace, evidence_of: Make) -> None:
    never = AllOf((Condition("method", "equals", b"GET"), Not(Condition("method", "equals", b"GET"))))
    found = ask("static_proof", orchard.rule_of(never), evidence_of())
    assert found.result.passed is False
    assert found.result.detail


def test_a_rule_that_nobody_can_read_is_not(orchard: SimpleNamespace, evidence_of: Make) -> None:
    many = tuple(
        Condition("args", "equals", b"pear%d" % n, Name(b"crate%d" % n)) for n in range(gates.CONDITIONS_MOST + 1)
    )
    found = ask("static_proof", orchard.rule_of(AnyOf(many)), evidence_of())
    assert found.result.passed is False
    assert str(len(many)) in found.result.detail
    assert ask("static_proof", orchard.rule_of(AnyOf(many[1:])), evidence_of()).result.passed is True


def test_conditions_are_counted_through_every_combination() -> None:
    one = Condition("path", "present")
    assert len(list(conditions_of(one))) == 1
    assert len(list(conditions_of(AllOf((one, Not(one), AnyOf((one, one))))))) == 4


def test_a_rule_that_counts_events_can_be_proved_too(evidence_of: Make) -> None:
    rule = Rule(
        id="RF-X-1", when=Count(Condition("path", "path_suffix", b"/press/show.php"), ("source.address",), 60, 5)
    )
    assert CHECKS["static_proof"](rule, lambda case: False, evidence_of()).result.check == "static_proof"


# --- replay, siblings, near-misses, variants --------------------------------------------------------------------------


def test_every_exploit_must_be_hit(orchard: SimpleNamespace, evidence_of: Make) -> None:
    assert ask("replay", orchard.tight, evidence_of()).result.passed is True
    other = orchard.case(orchard.get("/press/print.php?file=" + orchard.up, "other"), "exploit", 1)
    found = ask("replay", orchard.tight, evidence_of(exploits=(*evidence_of().exploits, other)))
    assert (found.result.passed, found.result.tried, found.result.failed) == (False, 2, 1)
    assert found.result.examples == ("other",)
    assert found.missed == (other,)


def test_own_setup_and_probe_steps_must_not_be_hit(orchard: SimpleNamespace, evidence_of: Make) -> None:
    step = orchard.case(orchard.get("/press/show.php?file=pears.txt", "step"), "probe")
    evidence = evidence_of(siblings=(step,))
    assert ask("siblings", orchard.tight, evidence).result.passed is True
    found = ask("siblings", orchard.loose, evidence)
    assert (found.result.passed, found.result.examples, found.hit) == (False, ("step",), (step,))


def test_a_step_that_is_the_exploit_itself_does_not_count(orchard: SimpleNamespace, evidence_of: Make) -> None:
    same = orchard.case(orchard.get(OWN, "same"), "probe")
    assert ask("siblings", orchard.tight, evidence_of(siblings=(same,))).result.passed is True


def test_ordinary_twins_must_not_be_hit(orchard: SimpleNamespace, evidence_of: Make) -> None:
    twin = orchard.case(orchard.get("/press/show.php?file=pears", "twin"), "ordinary_values", 0, "an ordinary value")
    evidence = evidence_of(near_misses=(twin,))
    assert ask("near_misses", orchard.tight, evidence).result.passed is True
    found = ask("near_misses", orchard.loose, evidence)
    assert found.result.detail == (twin.note or twin.kind), "the kind of request that it fires on, in words"
    assert (found.result.passed, found.result.failed, found.hit) == (False, 1, (twin,))
    assert "an ordinary value" in found.feedback[0]


def test_without_near_misses_the_check_tells_why(orchard: SimpleNamespace, evidence_of: Make) -> None:
    found = ask("near_misses", orchard.loose, evidence_of(exemptions=("path only", "path only")))
    assert found.result.passed is None
    assert found.result.detail.count("path only") == 1


def variants_with(orchard: SimpleNamespace, missed: int, of: int) -> tuple[Any, ...]:
    page = lambda n: "print" if n < missed else "show"  # noqa: E731
    return tuple(
        orchard.case(orchard.get(f"/press/{page(n)}.php?file={orchard.up}", f"v{n}"), f"kind{n % 2}", 0)
        for n in range(of)
    )


def test_most_variants_must_be_hit(orchard: SimpleNamespace, evidence_of: Make) -> None:
    of = 20
    for missed in range(of + 1):
        found = ask("variants", orchard.tight, evidence_of(variants=variants_with(orchard, missed, of)))
        assert found.result.passed is ((of - missed) / of >= gates.VARIANT_SURVIVAL_LEAST)
        assert (found.result.tried, found.result.failed, len(found.missed)) == (of, missed, missed)
        assert not missed or "kind0" in found.result.detail


def test_without_variants_the_check_cannot_tell(orchard: SimpleNamespace, evidence_of: Make) -> None:
    assert ask("variants", orchard.tight, evidence_of()).result.passed is None


# --- other products ---------------------------------------------------------------------------------------------------


def test_without_other_sources_the_check_cannot_tell(orchard: SimpleNamespace, evidence_of: Make) -> None:
    assert ask("other_products", orchard.tight, evidence_of()).result.passed is None


def test_an_ordinary_step_of_another_product_must_not_be_hit(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    corpus = corpus_of(
        (OWN, "exploit", "CVE-2099-4000", "acme/press"), ("/press/show.php?file=pears", "setup", "B", "b/b")
    )
    assert ask("other_products", orchard.tight, evidence_of(corpus=corpus)).result.passed is True
    found = ask("other_products", orchard.loose, evidence_of(corpus=corpus))
    assert (found.result.passed, found.result.failed, found.result.tried) == (False, 1, 2)
    assert found.result.detail == "B"
    assert "B" in found.feedback[0]


def test_an_exploit_that_two_products_share_is_told_and_not_held_against_the_rule(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    corpus = corpus_of(("/a/press/show.php?file=" + orchard.up, "exploit", "B", "b/b"))
    found = ask("other_products", orchard.tight, evidence_of(corpus=corpus))
    assert found.result.passed is None
    assert "B" in found.result.detail


def test_exploits_of_many_other_products_are_held_against_the_rule(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    rows = [(f"/{n}/press/show.php?file={orchard.up}", "exploit", f"B{n}", f"b/{n}") for n in range(8)]
    assert ask("other_products", orchard.tight, evidence_of(corpus=corpus_of(*rows))).result.passed is False


ROOTED = AllOf((Condition("path.decoded", "contains", b"/..../..../"), Condition("path.raw", "is_class", b"traversal")))
ROOT_ATTACK = "/..../..../..../etc/shadow"


def test_a_way_of_attack_that_few_sources_share_is_the_rule_of_all_of_them(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    rows = [(f"{ROOT_ATTACK}{n}", "exploit", f"CVE-2099-50{n:02}", f"b/{n}") for n in range(gates.FAMILY_SOURCES_MOST)]
    rule = orchard.rule_of(ROOTED)
    found = ask("other_products", rule, evidence_of(corpus=corpus_of(*rows)))
    assert found.result.passed is None
    assert family(Trial(rule_id=rule.id, results=(found.result,))) == tuple(sorted(row[2] for row in rows))
    more = ask("other_products", rule, evidence_of(corpus=corpus_of(*rows, (ROOT_ATTACK, "exploit", "B", "b/b"))))
    assert more.result.passed is False
    probe = ask("other_products", rule, evidence_of(corpus=corpus_of((ROOT_ATTACK, "probe", "B", "b/b"))))
    assert probe.result.passed is False
    assert family(Trial(rule_id=rule.id, results=(probe.result,))) == ()


def test_a_source_with_our_very_request_belongs_to_the_family(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    own = (case(orchard.get(ROOT_ATTACK), "exploit"),)
    rows = [(ROOT_ATTACK, "exploit", "CVE-2099-5001", "b/1"), (f"{ROOT_ATTACK}2", "exploit", "CVE-2099-5002", "b/2")]
    rule = orchard.rule_of(ROOTED)
    found = ask("other_products", rule, evidence_of(exploits=own, corpus=corpus_of(*rows)))
    assert (found.result.passed, found.result.failed) == (None, 1)
    assert family(Trial(rule_id=rule.id, results=(found.result,))) == ("CVE-2099-5001", "CVE-2099-5002")


def test_a_file_that_every_product_has_is_no_place_of_this_one() -> None:
    assert names_place(Condition("path", "path_suffix", b"/press/show.php"))
    assert not names_place(Condition("path", "path_suffix", b"/index.php"))
    assert not names_place(ROOTED)


OWNERS = [
    ("CVE-2099-4000", "", False),  # our own source
    ("CVE-2099-4001", "", False),  # another source of a CVE that ours is about
    ("B", "acme/press", False),  # another weakness of the same product
    ("B", "other/press", True),
    ("B", "", True),  # an unnamed product counts as another
]


@pytest.mark.parametrize(("owner", "product", "counts"), OWNERS)
def test_who_is_a_stranger(orchard: SimpleNamespace, evidence_of: Make, owner: str, product: str, counts: bool) -> None:
    row = Row(request=orchard.get("/press/show.php?file=pears"), kind="probe", owner=owner, product=product)
    about = evidence_of(cves=frozenset({"CVE-2099-4001"}))
    assert hits_strangers(row, about, set()) is counts


def test_an_unnamed_product_has_no_family(orchard: SimpleNamespace, evidence_of: Make) -> None:
    row = Row(request=orchard.get("/press/show.php?file=pears"), kind="probe", owner="B", product="")
    assert hits_strangers(row, evidence_of(product=""), set()) is True


def test_our_very_request_in_another_source_does_not_count(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    corpus = corpus_of(*[(OWN, "setup", f"B{n}", "b/b") for n in range(5)])
    assert ask("other_products", orchard.tight, evidence_of(corpus=corpus)).result.passed is True


def test_other_weaknesses_of_the_same_product_are_counted_once_each(
    orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make
) -> None:
    target = "/press/show.php?file=" + orchard.up
    corpus = corpus_of(
        (target, "exploit", "CVE-2099-4000", "acme/press"), (target, "exploit", "B", "acme/press"),
        (target, "exploit", "B", "acme/press"), (target, "probe", "C", "acme/press"), (target, "exploit", "D", "d/d"),
    )  # fmt: skip
    assert sibling_sources(orchard.tight, evidence_of(corpus=corpus)) == 1
    assert sibling_sources(orchard.tight, evidence_of(corpus=corpus, product="")) == 0
    assert sibling_sources(orchard.tight, evidence_of()) == 0


# --- benign traffic ---------------------------------------------------------------------------------------------------


def test_normal_traffic_must_not_be_hit(orchard: SimpleNamespace, evidence_of: Make, corpus_of: Make) -> None:
    one = corpus_of(("/press/show.php?file=pears", "benign", "", ""), ("/", "benign", "", ""))
    two = corpus_of(("/press/list", "benign", "", ""))
    assert ask("benign_traffic", orchard.tight, evidence_of(benign=(one, two))).result.passed is True
    found = ask("benign_traffic", orchard.loose, evidence_of(benign=(one, two)))
    assert (found.result.passed, found.result.tried, found.result.failed) == (False, 3, 1)
    assert found.result.examples == ("/press/show.php?file=pears",)


def test_without_normal_traffic_the_check_cannot_tell(orchard: SimpleNamespace, evidence_of: Make) -> None:
    assert ask("benign_traffic", orchard.loose, evidence_of()).result.passed is None


# --- all of them ------------------------------------------------------------------------------------------------------


def test_all_checks_run_in_order_and_give_one_result_each(orchard: SimpleNamespace, evidence_of: Make) -> None:
    trial, findings = check_rule(orchard.tight, evidence_of())
    assert tuple(result.check for result in trial.results) == CHECKS.names()
    assert [finding.result for finding in findings] == list(trial.results)
    assert trial.passed
    assert not check_rule(orchard.rule_of(Condition("path", "path_suffix", b"/other/page.php")), evidence_of())[
        0
    ].passed


def test_a_check_that_crashes_is_a_recorded_failure_and_the_others_go_on(
    orchard: SimpleNamespace, evidence_of: Make
) -> None:
    def broken(rule: Rule, ask: object, evidence: object) -> Finding:
        raise ZeroDivisionError("pears are not numbers")

    def last(rule: Rule, ask: object, evidence: object) -> Finding:
        return Finding(CheckResult(check="last", passed=True))

    with CHECKS.temporarily("broken", broken), CHECKS.temporarily("last", last):
        trial, _ = check_rule(orchard.tight, evidence_of())
    results = {result.check: result for result in trial.results}
    assert results["broken"].passed is False
    assert "ZeroDivisionError" in results["broken"].detail
    assert "pears are not numbers" in results["broken"].detail
    assert results["last"].passed is True
    assert results["replay"].passed is True
    assert not trial.passed


def test_every_check_and_gate_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "checks.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert len(CHECKS) >= 7
    assert set(CHECKS) <= listed
    named = {name for name in vars(gates) if name.isupper()}
    assert len(named) >= 8
    assert named <= listed
    assert all(check.__doc__ and check.__doc__.strip() for _, check in CHECKS.items())


def test_thresholds_stand_in_one_file_only() -> None:
    """A share or a limit that decides is a float or a number above one; `limit=` of a search decides nothing."""
    found = []
    for file in sorted(Path(ruleforge.validate.__file__).parent.glob("*.py")):
        if file.name != "gates.py":
            tree = ast.parse(file.read_text("utf-8"))
            compared = [side for node in ast.walk(tree) if isinstance(node, ast.Compare) for side in node.comparators]
            floats = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is float]
            found += [(file.name, node.lineno) for node in floats]
            found += [
                (file.name, side.lineno)
                for side in compared
                if isinstance(side, ast.Constant) and type(side.value) is int and side.value > 1
            ]
    assert found == []
