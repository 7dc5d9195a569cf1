"""What changed between two rules is said in sentences, and nothing is said when nothing changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.rules.canonical import content_hash
from ruleforge.rules.diff import MAX_CHANGES, diff_rules
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Root, Rule, Some

PATH = Condition("path", "path_suffix", b"/press/show.php")
OTHER = Condition("path", "path_suffix", b"/press/view.php")
FILE = Condition("args", "contains", b"../", Name(b"file"))
LONGER = Condition("args", "contains", b"../../", Name(b"file"))
HEAD = Condition("headers", "present", None, Name(b"x-pear"))


def rule(when: Root, **keys: object) -> Rule:
    return Rule(id="RF-X-1", when=when, **keys)  # type: ignore[arg-type]


IN_ONE = (
    'in one alternative: changed condition: the path ends with "/press/view.php", before: the path ends with '
    '"/press/show.php"'
)
SAID = [
    (PATH, AllOf((PATH, FILE)), ['added condition: argument "file" contains "../"']),
    (AllOf((PATH, FILE)), PATH, ['removed condition: argument "file" contains "../"']),
    (
        AllOf((PATH, FILE)),
        AllOf((PATH, LONGER)),
        ['changed condition: argument "file" contains "../../", before: argument "file" contains "../"'],
    ),
    (AnyOf((PATH, FILE)), AnyOf((PATH, FILE, HEAD)), ['added alternative: there is header "x-pear"']),
    (
        AllOf((PATH, AnyOf((FILE, HEAD)))),
        AllOf((PATH, AnyOf((FILE, HEAD, LONGER)))),
        ['added alternative: argument "file" contains "../../"'],
    ),
    (
        AnyOf((AllOf((PATH, FILE)), HEAD)),
        AnyOf((AllOf((OTHER, FILE)), HEAD)),
        [
            IN_ONE,
        ],
    ),
    (
        AllOf((PATH, Not(FILE))),
        AllOf((PATH, Not(HEAD))),
        [
            'in an exception: added condition: there is header "x-pear"',
            'in an exception: removed condition: argument "file" contains "../"',
        ],
    ),
    (
        Some("args", AllOf((Condition("name", "equals", b"a"), Condition("value", "equals", b"b")))),
        Some("args", AllOf((Condition("name", "equals", b"a"), Condition("value", "equals", b"c")))),
        ['in one element of args: changed condition: its value is "c", before: its value is "b"'],
    ),
]


def test_cases_were_found() -> None:
    assert len(SAID) >= 8


@pytest.mark.parametrize(("old", "new", "said"), SAID)
def test_a_change_is_said_in_a_sentence(old: Root, new: Root, said: list[str]) -> None:
    assert sorted(diff_rules(rule(old), rule(new))) == sorted(said)


def test_what_does_not_decide_is_no_change() -> None:
    assert diff_rules(rule(AllOf((PATH, FILE)), title="Pears"), rule(AllOf((FILE, PATH)), revision=4)) == ()


def test_events_and_versions_of_classes_are_changes() -> None:
    found = diff_rules(rule(PATH, classes=(("xss", 1),)), rule(PATH, classes=(("xss", 2),), event="dns.query"))
    assert found == ("the event is dns.query, before http.request", "payload class xss is version 2, before 1")
    assert diff_rules(rule(PATH), rule(PATH, classes=(("xss", 2),))) == ("the versions of payload classes changed",)


def test_a_rule_that_counts_now_is_changed_as_a_whole() -> None:
    (found,) = diff_rules(rule(PATH), rule(Count(PATH, ("source.address",), 60, 5)))
    assert found.startswith("changed: at least 5 requests")


def test_many_changes_are_counted() -> None:
    many = AnyOf(tuple(Condition("args", "equals", b"%d" % n, Name(b"n%d" % n)) for n in range(100)))
    found = diff_rules(rule(AnyOf((PATH, HEAD))), rule(many))
    assert len(found) == MAX_CHANGES + 1
    assert found[-1].startswith("and ")


CONDITIONS = st.sampled_from([PATH, OTHER, FILE, LONGER, HEAD])
TREES = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(TREES, TREES)
def test_a_diff_is_empty_exactly_when_the_content_is_the_same(old: Root, new: Root) -> None:
    same = content_hash(rule(old)) == content_hash(rule(new))
    assert (diff_rules(rule(old), rule(new)) == ()) is same
    assert diff_rules(rule(old), rule(old)) == ()
