"""Documents become rules, or a list of everything that is wrong with them, with places and next steps."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import RuleError
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.document import MAX_BYTES, MAX_DEPTH, MAX_NODES
from ruleforge.rules.dump import dump_rule, dump_tree, render_json
from ruleforge.rules.parse import MAX_PROBLEMS, load_rule, parse_rule, parse_tree
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Sequence, Some

GOLDEN = json.loads((Path(__file__).parent / "refusals.json").read_text())
PLAIN = {"field": "path", "op": "present"}


def document(when: object, **rest: object) -> dict[str, object]:
    return {"schema": 1, "id": "RF-1", "when": when, **rest}


def codes(data: object) -> list[str]:
    return [problem.code for problem in parse_rule(data).problems]


# --- reading ------------------------------------------------------------------------------------------------


def test_a_whole_document_becomes_a_rule() -> None:
    data = document(
        {
            "all": [
                {"field": "path", "op": "path_suffix", "value": "/cgi-bin/run"},
                {"any": [{"field": "args", "name": {"lower": "ID"}, "op": "is_class", "value": "sql_injection"}]},
                {
                    "not": {
                        "field": "headers",
                        "name": "X-Key",
                        "transforms": ["trim", "lower"],
                        "op": "equals",
                        "value": "é",
                    }
                },
                {"some": "args", "where": {"field": "value", "op": "in", "value": ["a", {"base64": "/w=="}]}},
            ]
        },
        revision=2,
        cves=["CVE-2021-0001"],
        severity="high",
        classes={"sql_injection": 1},
    )
    parsed = parse_rule(data, source="made up")
    assert parsed.problems == ()
    assert parsed.require() == Rule(
        id="RF-1",
        revision=2,
        cves=("CVE-2021-0001",),
        severity="high",
        classes=(("sql_injection", 1),),
        when=AllOf(
            (
                Condition("path", "path_suffix", b"/cgi-bin/run"),
                AnyOf((Condition("args", "is_class", b"sql_injection", Name(b"ID", "lower")),)),
                Not(Condition("headers", "equals", b"\xc3\xa9", Name(b"X-Key"), ("trim", "lower"))),
                Some("args", Condition("value", "in", (b"a", b"\xff"))),
            )
        ),
    )


def test_counts_and_sequences_are_read_at_the_root() -> None:
    condition = Condition("path", "present")
    count = {"count": {"when": PLAIN, "by": ["source.address"], "within": "5m", "at_least": 3, "distinct": "path"}}
    assert parse_tree(count) == (Count(condition, ("source.address",), 300, 3, "path"), ())
    sequence = {"sequence": [PLAIN, PLAIN], "by": ["source.address"], "within": "1d"}
    assert parse_tree(sequence) == (Sequence((condition, condition), ("source.address",), 86_400), ())


def test_one_network_may_be_written_without_a_list() -> None:
    tree, _ = parse_tree({"field": "source.address", "op": "cidr", "value": "10.0.0.0/8"})
    assert tree == Condition("source.address", "cidr", (b"10.0.0.0/8",))


# --- refusing -----------------------------------------------------------------------------------------------


def test_there_is_a_golden_text_for_each_way_to_be_refused() -> None:
    assert len(GOLDEN) >= 40
    given_codes = {line[1:6] for case in GOLDEN for line in case["problems"]}
    assert len(given_codes) >= 20, sorted(given_codes)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["id"])
def test_a_refusal_reads_as_recorded(case: dict[str, object]) -> None:
    parsed = parse_rule(case["document"])
    assert [str(problem) for problem in parsed.problems] == case["problems"]
    assert parsed.rule is None


def test_all_problems_are_reported_at_once() -> None:
    data = document({"all": [{"field": "pth", "op": "contain", "value": 1}, {"any": []}]}, schema=2, extra=1)
    assert codes(data) == ["RF304", "RF302", "RF307", "RF308", "RF313"]


def test_problems_are_bounded_and_warnings_cannot_hide_an_error() -> None:
    warned = {"some": "args", "where": {"field": "filename", "op": "present"}}
    parsed = parse_rule(document({"all": [warned] * (MAX_PROBLEMS + 50) + [{"any": []}]}))
    assert parsed.rule is None
    assert len(parsed.problems) <= MAX_PROBLEMS
    assert len(codes(document({"all": [{"any": []}] * 300}))) == MAX_PROBLEMS


def test_a_part_that_can_never_be_present_is_a_warning_only() -> None:
    parsed = parse_rule(document({"some": "args", "where": {"field": "filename", "op": "present"}}))
    assert [problem.severity for problem in parsed.problems] == ["warning"]
    assert parsed.rule is not None


def test_a_tree_has_a_bounded_depth() -> None:
    def nested(levels: int) -> object:
        tree: object = PLAIN
        for _ in range(levels - 1):
            tree = {"not": tree}
        return document(tree)

    assert codes(nested(MAX_DEPTH)) == []
    assert codes(nested(MAX_DEPTH + 1)) == ["RF314"]
    assert codes(nested(500)) == ["RF314"]


def test_a_tree_has_a_bounded_number_of_nodes() -> None:
    halves = (MAX_NODES - 3) // 2
    assert codes(document({"any": [{"all": [PLAIN] * halves}, {"all": [PLAIN] * halves}]})) == []
    assert codes(document({"any": [{"all": [PLAIN] * 250}, {"all": [PLAIN] * 260}]})) == ["RF314"]


def test_require_names_the_source_the_place_and_how_many_problems_are_left() -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(document({"any": []}, schema=3, extra=1), source="my.json").require()
    assert str(caught.value) == (
        "[RF304] my.json extra unknown key 'extra', and 2 more problems (" + caught.value.hint + ")"
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "all",
                        "not",
                        "some",
                        "where",
                        "field",
                        "op",
                        "value",
                        "when",
                        "schema",
                        "id",
                        "name",
                        "classes",
                        "count",
                        "base64",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_plain_data_makes_the_parser_fail(data: object) -> None:
    assert parse_rule(data).rule is None
    assert parse_rule(document(data)).source == ""


# --- loading text -------------------------------------------------------------------------------------------

UNREADABLE = [
    (b"", "Expecting value"),
    (b"{", "Expecting property name"),
    (b"\xff{}", "codec can't decode"),
    (b'{"id": "a", "id": "b"}', "the key 'id' occurs twice"),
    (b'{"when": {"op": 1, "op": 1}}', "the key 'op' occurs twice"),
    (b'{"revision": NaN}', "NaN is not a number of JSON"),
    (b'{"revision": -Infinity}', "-Infinity is not a number of JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b" " * (MAX_BYTES + 1), "larger than"),
    (b"1" * 5_000, "not a JSON document"),
]


@pytest.mark.parametrize(("text", "message"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_text_that_is_not_one_json_document_is_a_problem_and_no_crash(text: bytes, message: str) -> None:
    parsed = load_rule(text)
    assert parsed.rule is None
    assert [problem.code for problem in parsed.problems] == ["RF301"]
    assert message in parsed.problems[0].message


def test_a_file_is_loaded_under_its_name(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(document(PLAIN)))
    assert load_rule(file).source == "one.json"
    assert load_rule(file).require().id == "RF-1"
    missing = load_rule(tmp_path / "two.json")
    assert missing.rule is None
    assert missing.problems[0].code == "RF301"


# --- writing ------------------------------------------------------------------------------------------------


@given(st.from_type(Rule))
def test_what_is_written_reads_back_as_the_same_rule(rule: Rule) -> None:
    parsed = parse_rule(dump_rule(rule))
    assert [problem for problem in parsed.problems if problem.severity == "error"] == []
    assert parsed.rule == rule
    assert load_rule(render_json(rule).encode()).rule == rule


@given(st.from_type(Rule))
def test_a_tree_alone_reads_back_too(rule: Rule) -> None:
    assert parse_tree(dump_tree(rule.when))[0] == rule.when


def test_only_clean_text_is_written_as_text() -> None:
    values = {
        b"caf\xc3\xa9": "café",
        b"\xff": {"base64": "/w=="},
        b"a\n": {"base64": "YQo="},
        b"\x7f": {"base64": "fw=="},
    }
    for value, written in values.items():
        assert dump_tree(Condition("path", "equals", value))["value"] == written


def test_every_class_that_ships_can_be_used_in_a_rule() -> None:
    assert len(CLASSES) >= 2
    for name, versions in CLASSES.items():
        condition = {"field": "args", "op": "is_class", "value": name}
        assert parse_rule(document(condition, classes={name: versions[-1]})).problems == ()
