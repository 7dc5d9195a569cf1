"""What is measured of a rule: each number by its meaning, None where there is nothing to measure it by."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.judge.features import FEATURES, KINDS, features, is_quiet
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name

FILE = {"field": "args", "name": "file"}
SHOW = {"field": "path", "op": "path_suffix", "value": "/press/show.php"}
CLASS = FILE | {"op": "is_class", "value": "traversal"}
EXACT = FILE | {"op": "equals", "value": "../../etc/shadow"}
# rule, feature, what it is of one exploit of the invented press program
MEASURED: list[tuple[dict[str, Any], str, float]] = [
    (SHOW, "conditions", 1.0),
    ({"all": [SHOW, CLASS]}, "conditions", 2.0),
    ({"all": [SHOW, CLASS]}, "names_wanted", 1.0),
    ({"all": [SHOW, CLASS]}, "exact_values", 0.0),
    ({"all": [SHOW, EXACT]}, "exact_values", 1.0),
    ({"all": [SHOW, FILE | {"op": "contains", "value": "etc/shadow"}]}, "some_values", 1.0),
    ({"all": [SHOW, FILE | {"op": "contains", "value": "../"}]}, "some_values", 0.0),  # a sign, no example
    ({"all": [SHOW, EXACT]}, "wanted_from_attack", 1.0),
    ({"all": [SHOW, CLASS]}, "wanted_from_attack", 0.0),
    ({"all": [SHOW, CLASS]}, "payload_read", 1.0),
    (SHOW, "payload_read", 0.0),
    ({"all": [SHOW, CLASS]}, "tell_read", 1.0),
    (SHOW, "tell_read", 0.0),
    ({"all": [{"field": "path.raw", "op": "contains", "value": "/press/show"}, CLASS]}, "raw_reads", 1.0),
    ({"all": [{"field": "path", "op": "equals", "value": "/press/show.php"}, CLASS]}, "path_whole", 1.0),
    ({"all": [SHOW, CLASS]}, "path_whole", 0.0),
    (CLASS, "no_endpoint", 1.0),
    ({"all": [SHOW, CLASS]}, "no_endpoint", 0.0),
    ({"all": [SHOW, CLASS]}, "generic_place", 0.0),
    ({"all": [{"field": "path", "op": "path_suffix", "value": "/index.php"}, CLASS]}, "generic_place", 1.0),
    ({"all": [SHOW, {"not": {"field": "headers", "name": "cookie", "op": "present"}}]}, "absences", 1.0),
    ({"all": [SHOW, CLASS]}, "neutral_hit", 0.0),
    (SHOW, "neutral_hit", 1.0),
    ({"all": [SHOW, CLASS]}, "replay_missed", 0.0),
    ({"field": "path", "op": "path_suffix", "value": "/press/other.php"}, "replay_missed", 1.0),
    ({"all": [SHOW, CLASS]}, "near_hit", 0.0),
]


@pytest.mark.parametrize(("when", "name", "value"), MEASURED)
def test_each_number_is_what_its_name_says(
    press: SimpleNamespace, when: dict[str, Any], name: str, value: float
) -> None:
    assert features(press.rule_from(when), press.disclosed(press.hit))[name] == value


def test_a_rule_for_the_page_alone_fires_on_look_alikes_and_one_on_the_payload_does_not(press: SimpleNamespace) -> None:
    shown = press.disclosed(press.hit)
    page, payload = (features(press.rule_from(w), shown) for w in (SHOW, {"all": [SHOW, CLASS]}))
    assert page["near_hit"] > 0.2
    assert page["near_kinds"] > payload["near_kinds"] == 0
    assert payload["guard"] > page["guard"] == 0


def test_a_condition_that_keeps_nothing_out_is_idle(press: SimpleNamespace) -> None:
    shown = press.disclosed(press.hit)
    extra = {"field": "headers", "name": "host", "op": "present"}
    lean, fat = (features(press.rule_from({"all": [SHOW, CLASS, *more]}), shown) for more in ([], [extra]))
    assert (lean["idle_conditions"], fat["idle_conditions"]) == (0.0, 1.0)


def test_bytes_that_the_source_makes_up_are_seen_in_a_literal(press: SimpleNamespace) -> None:
    shown = press.disclosed("/press/show.php?file=../../tmp/qzxv77", standins=(b"qzxv77",))
    wanted = press.rule_from({"all": [SHOW, FILE | {"op": "contains", "value": "tmp/qzxv77"}]})
    assert features(wanted, shown)["wanted_standins"] == 1.0
    assert features(press.rule_from({"all": [SHOW, CLASS]}), shown)["wanted_standins"] == 0.0


def test_alternatives_of_one_exploit_each_are_a_list(press: SimpleNamespace) -> None:
    shown = press.evidence(exploits=(press.sent(press.hit), press.sent(press.miss)), documents=(0, 1))
    other = Condition("path", "path_suffix", b"/press/print.php")
    listed, shared = (features(press.rule_of(tree), shown) for tree in (AnyOf((press.page, other)), press.traversal))
    assert (listed["listed"], listed["documents_listed"]) == (1.0, 1.0)
    assert (shared["listed"], shared["documents_listed"]) == (0.0, 0.0)


ABSENT = [
    "neutral_hit", "near_hit", "near_kinds", "steps_hit", "guard", "idle_conditions", "benign_hit", "strangers_hit",
    "listed", "documents_listed", "variants_missed", "seen_missed", "ways_missed", "wanted_standins", "tell_read",
    "wanted_from_attack", "no_payload_known", "choices_lost", "choice_worst", "payload_lost", "value_lost",
    "named_lost", "literal_lost", "place_shared", "place_nearly", "kin_hit", "published",
]  # fmt: skip


@pytest.mark.parametrize("name", ABSENT)
def test_what_cannot_be_measured_is_none_and_the_table_says_why(press: SimpleNamespace, name: str) -> None:
    assert features(press.rule_of(press.page), press.evidence())[name] is None
    assert FEATURES[name].absent


def test_a_literal_that_a_choice_takes_away_is_measured_and_a_class_is_not(press: SimpleNamespace) -> None:
    shown = press.disclosed(press.hit)
    literal = features(press.rule_from({"all": [SHOW, FILE | {"op": "contains", "value": "shadow"}]}), shown)
    sound = features(press.rule_from({"all": [SHOW, CLASS]}), shown)
    for name in ("choice_worst", "payload_lost", "literal_lost"):
        assert (literal[name], sound[name]) == (1.0, 0.0), name
    assert literal["choices_lost"] > sound["choices_lost"] == 0.0


def test_what_no_variant_changes_is_counted(press: SimpleNamespace) -> None:
    shown = press.disclosed("/press/show.php?file=../../etc/shadow&zq=blorple77")
    extra = {"field": "args", "name": "zq", "op": "equals", "value": "blorple77"}
    lean, fat = (features(press.rule_from({"all": [SHOW, CLASS, *more]}), shown) for more in ([], [extra]))
    assert (lean["unvaried_wanted"], fat["unvaried_wanted"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "words"), [("/show.php", 1.0), ("/press/show.php", 2.0), ("/a/b/c/d/e/press/show.php", 4.0)]
)
def test_the_segments_of_a_place_are_counted_up_to_four(press: SimpleNamespace, value: str, words: float) -> None:
    when = {"all": [{"field": "path", "op": "path_suffix", "value": value}, CLASS]}
    assert features(press.rule_from(when), press.disclosed(press.hit))["place_words"] == words


def test_an_attack_under_any_name_is_told_from_one_under_its_own(press: SimpleNamespace) -> None:
    anywhere = {"field": "args", "op": "is_class", "value": "traversal"}
    shown = press.disclosed(press.hit)
    found = [features(press.rule_from({"all": [SHOW, one]}), shown)["nameless"] for one in (anywhere, CLASS)]
    assert found == [1.0, 0.0]


@pytest.mark.parametrize(
    ("wrong", "quiet"),
    [({}, True), ({"near_hit": 0.1}, False), ({"replay_missed": 1.0}, False), ({"neutral_hit": None}, True),
     ({"seen_missed": 0.1}, True), ({"seen_missed": 0.2}, False), ({"strangers_hit": 0.7}, False)],
)  # fmt: skip
def test_a_rule_is_quiet_where_it_answered_everything_rightly(wrong: dict[str, float | None], quiet: bool) -> None:
    assert is_quiet(wrong) is quiet


def test_without_a_table_of_traffic_rarity_is_unknown(press: SimpleNamespace) -> None:
    found = features(press.rule_of(press.page), press.evidence(background=None))
    assert found["surprise"] is None
    assert found["endpoint_bits"] is None


def test_the_table_names_kind_meaning_and_reason_of_every_feature() -> None:
    assert len(FEATURES) >= 30
    assert {feature.kind for feature in FEATURES.values()} == set(KINDS)
    assert all(feature.meaning and feature.name == name for name, feature in FEATURES.items())


trees = st.recursive(
    st.sampled_from(
        (
            Condition("path", "path_suffix", b"/press/show.php"),
            Condition("args", "is_class", b"traversal", Name(b"file")),
            Condition("args", "equals", b"../../etc/shadow", Name(b"file")),
            Condition("headers", "absent", None, Name(b"cookie")),
            Condition("path.raw", "regex", rb"\.\./"),
        )
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from((AllOf(tuple(parts)), AnyOf(tuple(parts))))
    ),
    max_leaves=6,
)


@given(trees)
def test_shares_are_shares_and_the_same_rule_measures_the_same(press: SimpleNamespace, tree: Any) -> None:
    shown = press.disclosed(press.hit)
    found = features(press.rule_of(tree), shown)
    assert set(found) == set(FEATURES)
    for name in ("replay_missed", "variants_missed", "near_hit", "neutral_hit", "tell_read", "payload_read", "guard"):
        value = found[name]
        assert value is None or 0 <= value <= 1, name
    assert found == features(press.rule_of(tree), shown)
