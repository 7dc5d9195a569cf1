"""What the judge says: the true defect first, its condition in the words of the rule, the request that shows it."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from ruleforge.judge.chain import chain_of
from ruleforge.judge.evidence_judge import judge_rule
from ruleforge.judge.observe import observe
from ruleforge.judge.showing import Focus, shown
from ruleforge.records.forging import REASONS, Reason
from ruleforge.rules.render import render_clause
from ruleforge.rules.tree import AnyOf, Condition

FILE = {"field": "args", "name": "file"}
SHOW = {"field": "path", "op": "path_suffix", "value": "/press/show.php"}
CLASS = FILE | {"op": "is_class", "value": "traversal"}
EXACT = FILE | {"op": "equals", "value": "../../etc/shadow"}
HOST = {"field": "headers", "name": "host", "op": "equals", "value": "press.example"}
# a rule, the code that must come up, whether it has to be the first, where in the rule it lies
DEFECTS: list[tuple[dict[str, Any], str, bool, str]] = [
    ({"all": [SHOW, EXACT]}, "misses_variant", True, "when.all[1]"),
    ({"all": [SHOW, EXACT]}, "loses_free_choice", True, "when.all[1]"),
    ({"all": [SHOW, EXACT]}, "copied_from_attack", False, "when.all[1]"),
    ({"all": [SHOW, EXACT]}, "exact_value", False, "when.all[1]"),
    (SHOW, "fires_without_payload", False, "when"),
    (SHOW, "fires_on_near_miss", False, "when"),
    (SHOW, "no_payload_condition", False, "when"),
    ({"all": [{"field": "path", "op": "path_suffix", "value": "/press/else.php"}, CLASS]}, "misses_exploit", True,
     "when.all[0]"),
    ({"all": [{"field": "path.raw", "op": "contains", "value": "/press/show.php"}, CLASS]}, "raw_place", False,
     "when.all[0]"),
    ({"all": [{"field": "path", "op": "equals", "value": "/press/show.php"}, CLASS]}, "fixed_path", False,
     "when.all[0]"),
    (CLASS, "no_endpoint", False, "when"),
    ({"all": [SHOW, CLASS, HOST]}, "idle_condition", False, "when.all[2]"),
]  # fmt: skip


def said(press: SimpleNamespace, when: dict[str, Any], evidence: Any = None) -> list[Reason]:
    opinion = judge_rule(press.rule_from(when), evidence or press.disclosed(press.hit))
    return [reason for reason in opinion.chain if reason.code not in ("speaks_for_it", "not_measured")]


@pytest.mark.parametrize(("when", "code", "first", "place"), DEFECTS)
def test_a_planted_defect_is_named_with_its_condition(
    press: SimpleNamespace, when: dict[str, Any], code: str, first: bool, place: str
) -> None:
    found = said(press, when)
    (reason, *_) = [reason for reason in found if code in (reason.code, *reason.also)]
    assert reason.condition == place
    assert not first or reason is found[0]


def test_a_sound_rule_has_nothing_against_it_but_suspicions_and_something_for_it(press: SimpleNamespace) -> None:
    opinion = judge_rule(press.rule_from({"all": [SHOW, CLASS]}), press.disclosed(press.hit))
    against = [reason.code for reason in opinion.chain if reason.weight > 0]
    assert not {code for code in against if code.startswith(("misses", "fires"))}
    assert sum(reason.code == "speaks_for_it" for reason in opinion.chain) == 4


def test_a_sentence_says_the_condition_as_the_rule_does_and_shows_the_request(press: SimpleNamespace) -> None:
    exact = press.rule_from({"all": [SHOW, EXACT]})
    (reason, *_) = said(press, {"all": [SHOW, EXACT]})
    assert render_clause(exact.when.parts[1]) in reason.text
    assert reason.request.startswith("GET /")
    assert "press" in reason.request


@pytest.mark.parametrize("when", [{"all": [SHOW, EXACT]}, SHOW, CLASS])
def test_of_one_question_the_heaviest_comes_first_and_what_speaks_for_the_rule_last(
    press: SimpleNamespace, when: dict[str, Any]
) -> None:
    chain = judge_rule(press.rule_from(when), press.disclosed(press.hit)).chain
    against = [reason for reason in chain if reason.code not in ("speaks_for_it", "not_measured")]
    assert tuple(against) == chain[: len(against)]
    for question in ("miss", "off_target"):
        weights = [reason.weight for reason in against if reason.question == question]
        assert weights == sorted(weights, reverse=True)
        assert all(weight > 0 for weight in weights)


def test_the_likelier_defect_comes_first(press: SimpleNamespace) -> None:
    for when, question in (({"all": [SHOW, EXACT]}, "miss"), (SHOW, "off_target")):
        assert judge_rule(press.rule_from(when), press.disclosed(press.hit)).chain[0].question == question


def test_every_code_is_in_the_table_and_every_reason_is_a_line(press: SimpleNamespace) -> None:
    for when, *_ in DEFECTS:
        opinion = judge_rule(press.rule_from(when), press.disclosed(press.hit))
        assert {reason.code for reason in opinion.chain} <= set(REASONS)
        assert len(opinion.reasons) == len(opinion.chain)
        assert all("\n" not in line and line.startswith(("p_miss: ", "p_off_target: ")) for line in opinion.reasons)


@pytest.mark.parametrize("target", ["/a?x=\x1b[31m", "/" + "a" * 5_000, "/a?x=\x00\n"])
def test_a_request_is_shown_short_and_without_control_characters(press: SimpleNamespace, target: str) -> None:
    text = shown(press.sent(target, body=b"\x1b]0;x\x07" + b"y" * 9_000).view.request)
    assert text.isprintable()
    assert len(text) < 400


def test_what_says_one_thing_is_said_once(press: SimpleNamespace) -> None:
    found = said(press, {"all": [SHOW, EXACT]})
    places = [reason.condition for reason in found if reason.question == "miss"]
    assert len(places) == len(set(places))
    (about, *_) = [reason for reason in found if reason.condition == "when.all[1]"]
    assert {"misses_variant", "loses_free_choice", "copied_from_attack", "exact_value"} <= {about.code, *about.also}


def test_what_a_rule_fires_on_is_one_sentence_with_all_counts(press: SimpleNamespace) -> None:
    (about, *_) = [reason for reason in said(press, SHOW) if reason.question == "off_target"]
    assert {"fires_without_payload", "fires_on_near_miss", "no_payload_condition"} <= {about.code, *about.also}
    assert about.text.count("; also on") >= 1
    assert "no condition reads what makes the request an attack" in about.text


def test_a_choice_that_loses_the_rule_is_named_with_the_request_that_shows_it(press: SimpleNamespace) -> None:
    named = {"all": [SHOW, FILE | {"op": "contains", "value": "shadow"}]}
    (reason,) = [r for r in said(press, named) if "loses_free_choice" in (r.code, *r.also)]
    assert "another file is read" in reason.text
    assert reason.condition == "when.all[1]"
    assert "shadow" not in reason.request


def test_a_text_that_no_variant_changed_is_said_not_to_be_known_as_needed(press: SimpleNamespace) -> None:
    evidence = press.disclosed("/press/show.php?file=../../etc/shadow&zq=blorple77")
    rule = {"all": [SHOW, CLASS, {"field": "args", "name": "zq", "op": "equals", "value": "blorple77"}]}
    (reason,) = [r for r in judge_rule(press.rule_from(rule), evidence).chain if r.code == "not_varied"]
    assert "blorple77" in reason.text
    sound = judge_rule(press.rule_from({"all": [SHOW, CLASS]}), evidence)
    assert "not_varied" not in {r.code for r in sound.chain}


@pytest.mark.parametrize("field", ["action", "rest_route", "option"])
def test_a_rule_that_asks_which_function_is_called_is_not_said_to_be_asked_of_every_path(
    press: SimpleNamespace, field: str
) -> None:
    selector = {"field": "args", "name": field, "op": "equals", "value": "press_show"}
    evidence = press.disclosed(f"/?{field}=press_show&file=../../etc/shadow")
    codes = {c for r in said(press, {"all": [selector, CLASS]}, evidence) for c in (r.code, *r.also)}
    assert "no_endpoint" not in codes


def test_a_route_that_is_asked_of_the_path_or_an_argument_is_a_place(press: SimpleNamespace) -> None:
    route = {"op": "path_suffix", "value": "/v1/press"}
    either = {"any": [{"field": "path"} | route, {"field": "args", "name": "rest_route"} | route]}
    evidence = press.disclosed("/?rest_route=/v1/press&file=../../etc/shadow")
    assert "no_endpoint" not in {
        code for reason in said(press, {"all": [either, CLASS]}, evidence) for code in (reason.code, *reason.also)
    }


@pytest.mark.parametrize(("page", "shared"), [("/index.php", True), ("/quillmark_press_9q.php", False)])
def test_a_place_that_other_products_have_is_told_from_one_of_its_own(
    press: SimpleNamespace, page: str, shared: bool
) -> None:
    evidence = press.disclosed(f"{page}?file=../../etc/shadow")
    place = {"field": "path", "op": "path_suffix", "value": page}
    anywhere = {"field": "args", "op": "is_class", "value": "traversal"}
    codes = {
        code for reason in said(press, {"all": [place, anywhere]}, evidence) for code in (reason.code, *reason.also)
    }
    assert ("place_of_others" in codes) is shared
    named = {code for reason in said(press, {"all": [place, CLASS]}, evidence) for code in (reason.code, *reason.also)}
    assert "place_of_others" not in named


@pytest.mark.parametrize("place", ["target", "body"])
def test_a_long_request_is_cut_around_what_matters(press: SimpleNamespace, place: str) -> None:
    filling = "a=" + "b" * 900 + "&file="
    end = "../../etc/shadow"
    target = "/press/show.php?" + (filling + end if place == "target" else "x=1")
    body = (filling + end).encode() if place == "body" else None
    request = press.sent(target, body=body).view.request
    at = (request.target if place == "target" else request.body or b"").index(b"file=")
    text = shown(request, Focus(place, at))
    assert "file=../../etc/shadow" in text
    assert "…" in text
    assert text.startswith("GET /press/show.php")
    assert end not in shown(request)


def test_what_stands_in_a_header_is_shown(press: SimpleNamespace) -> None:
    request = msgspec.structs.replace(press.sent("/").view.request, headers=((b"X-Press", b"${jndi:ldap://x}"),))
    assert "x-press: ${jndi" in shown(request, Focus("header", name=b"x-press"))


def test_a_list_of_what_each_author_showed_is_said(press: SimpleNamespace) -> None:
    evidence = press.evidence(exploits=(press.sent(press.hit), press.sent(press.miss)), documents=(0, 1))
    tree = AnyOf((press.page, Condition("path", "path_suffix", b"/press/print.php")))
    opinion = judge_rule(press.rule_of(tree), evidence)
    assert "2 exploits are hit by 2 alternatives" in "\n".join(opinion.reasons)


def test_what_is_true_of_many_good_rules_is_told_after_all_that_is_wrong(press: SimpleNamespace) -> None:
    observed = observe(press.rule_from({"all": [SHOW, EXACT]}), press.disclosed(press.hit))
    chain = chain_of(observed, {"miss": {}, "off": {"guard": 9.0}}, {"miss": 0.5, "off_target": 0.9})
    against = [reason.code for reason in chain if reason.weight > 0]
    assert against[0] == "loses_free_choice"
    assert against[-1] == "one_guard"


def test_a_rule_that_falls_silent_without_the_payload_is_not_said_to_read_none(press: SimpleNamespace) -> None:
    name = {"field": "args", "op": "present", "name": "file"}  # no class, no value: it does not "read" the payload
    evidence = press.disclosed(press.hit)
    silent = msgspec.structs.replace(evidence, siblings=(press.sent(press.miss, "neutral"),))
    fires, falls_silent = (judge_rule(press.rule_from({"all": [SHOW, name]}), each) for each in (evidence, silent))
    assert "no_payload_condition" in {code for r in fires.chain for code in (r.code, *r.also)}
    assert fires.unread
    assert "no_payload_condition" not in {code for r in falls_silent.chain for code in (r.code, *r.also)}
    assert not falls_silent.unread
