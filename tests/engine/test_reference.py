"""The evaluator: Kleene's logic, many values, one element, and no answer where the source did not say."""

import itertools

import pytest

from ruleforge.engine.reference import SharedView, compile_rule, compile_tree, evaluate
from ruleforge.errors import RuleError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Sequence, Some, Tree

VERSIONS = {name: versions[-1] for name, versions in CLASSES.items()}
REQUEST = Request(method=b"GET", target=b"/a?q=1&q=2&e=", unrecorded=frozenset({"body"}))
TRUE = Condition("method", "equals", b"GET")
FALSE = Condition("method", "equals", b"PUT")
UNKNOWN = Condition("body", "contains", b"x")
PARTS = {True: TRUE, False: FALSE, None: UNKNOWN}


def ask(tree: Tree, request: Request = REQUEST) -> bool | None:
    return compile_tree(tree, VERSIONS)(HttpView(request))


def get(target: bytes, **rest: object) -> Request:
    return Request(method=b"GET", target=target, **rest)  # type: ignore[arg-type]


# --- Kleene's logic -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", list(itertools.product([True, False, None], repeat=3)))
def test_all_any_and_not_follow_kleene(answers: tuple[bool | None, ...]) -> None:
    parts = tuple(PARTS[answer] for answer in answers)
    expect_all = False if False in answers else (None if None in answers else True)
    expect_any = True if True in answers else (None if None in answers else False)
    assert ask(AllOf(parts)) is expect_all
    assert ask(AnyOf(parts)) is expect_any
    assert ask(Not(AllOf(parts))) is (None if expect_all is None else not expect_all)


def test_false_wins_at_once_and_later_parts_are_not_asked() -> None:
    class Untouched(HttpView):
        def read(self, field: str, name: bytes | None = None):  # type: ignore[no-untyped-def]
            assert field == "method"
            return super().read(field, name)

    compiled = compile_tree(AllOf((FALSE, Condition("path", "present"))), {})
    assert compiled(Untouched(REQUEST)) is False


# --- many values --------------------------------------------------------------------------------------------

MANY = [
    (Condition("query_args", "equals", b"2", Name(b"q")), True),
    (Condition("query_args", "equals", b"3", Name(b"q")), False),
    (Not(Condition("query_args", "equals", b"1", Name(b"q"))), False),
    (Not(Condition("query_args", "equals", b"1", Name(b"zz"))), True),
    (Condition("query_args", "present", name=Name(b"e")), True),
    (Condition("query_args", "absent", name=Name(b"e")), False),
    (Condition("query_args", "absent", name=Name(b"E")), True),
    (Condition("query_args", "present", name=Name(b"E", "lower")), True),
    (Condition("query_args", "count_gt", 1, Name(b"^[qe]\\z", "regex")), True),
    (Condition("query_args", "count_gt", 2, Name(b"q")), False),
    (Condition("query_args", "count_gt", 2), True),
    (Condition("query_args", "length_gt", 0, Name(b"e")), False),
    (Condition("args", "equals", b"2", Name(b"q")), True),
    (Condition("args", "equals", b"3", Name(b"q")), None),
    (Condition("args", "absent", name=Name(b"q")), False),
    (Condition("args", "absent", name=Name(b"zz")), None),
    (Condition("args", "present", name=Name(b"zz")), None),
    (Condition("args", "count_gt", 2), True),
    (Condition("args", "count_gt", 3), None),
    (Condition("form_args", "present", name=Name(b"Q", "lower")), None),
]


@pytest.mark.parametrize(("tree", "expect"), MANY)
def test_a_condition_holds_when_some_value_satisfies_it(tree: Tree, expect: bool | None) -> None:
    assert ask(tree) is expect


def test_a_value_that_does_not_decode_is_no_value() -> None:
    request = get(b"/?h=6162&g=xyz")
    assert ask(Condition("query_args", "count_gt", 0, None, ("hex_decode",)), request) is True
    assert ask(Condition("query_args", "count_gt", 1, None, ("hex_decode",)), request) is False
    assert ask(Condition("query_args", "absent", None, Name(b"g"), ("hex_decode",)), request) is True
    assert ask(Condition("query_args", "equals", b"ab", None, ("hex_decode",)), request) is True


def test_header_names_ignore_case_however_they_are_written() -> None:
    request = get(b"/", headers=((b"X-Key", b"1"), (b"x-key", b"2")))
    for name in (Name(b"x-KEY"), Name(b"X-KEY", "lower"), Name(b"^x-k", "regex")):
        assert ask(Condition("headers", "count_gt", 1, name), request) is True


def test_only_the_headers_a_source_does_not_record_are_unknown() -> None:
    request = get(b"/", headers=((b"Referer", b"/"),), recorded_headers=frozenset({b"referer", b"user-agent"}))
    assert ask(Condition("headers", "present", name=Name(b"Referer")), request) is True
    assert ask(Condition("headers", "present", name=Name(b"User-Agent")), request) is False
    assert ask(Condition("headers", "present", name=Name(b"Cookie")), request) is None


# --- names of JSON ------------------------------------------------------------------------------------------

JSON = get(b"/", headers=((b"Content-Type", b"application/json"),), body=b'{"A":[{"b":1},{"b":2}],"c":3}')
POINTERS = [
    (Name(b"/A/0/b"), b"1", True),
    (Name(b"/A/*/b"), b"2", True),
    (Name(b"/*/b"), b"2", False),
    (Name(b"/A/*"), b"2", False),
    (Name(b"/a/*/B", "lower"), b"2", True),
    (Name(b"/a/1/b", "lower"), b"2", True),
    (Name(b"/a/*/b"), b"2", False),
    (Name(b"b\\z", "regex"), b"2", True),
    (Name(b"/*"), b"3", True),
]


@pytest.mark.parametrize(("name", "value", "expect"), POINTERS)
def test_a_star_in_a_pointer_stands_for_one_level(name: Name, value: bytes, expect: bool) -> None:
    assert ask(Condition("json", "equals", value, name), JSON) is expect


# --- one element --------------------------------------------------------------------------------------------

NAMED_Q = Condition("name", "equals", b"q")
SOME = [
    (AllOf((NAMED_Q, Condition("value", "equals", b"2"))), True),
    (AllOf((NAMED_Q, Condition("value", "equals", b""))), False),
    (AllOf((NAMED_Q, Not(Condition("value", "equals", b"1")))), True),
    (AnyOf((Condition("name", "equals", b"zz"), Condition("value", "int_gt", 1))), True),
    (Condition("filename", "present"), False),
    (AllOf((Condition("filename", "absent"), Condition("value", "length_lt", 1))), True),
    (Condition("value", "count_gt", 1), False),
]


@pytest.mark.parametrize(("where", "expect"), SOME)
def test_some_asks_all_its_conditions_about_one_element(where: Tree, expect: bool) -> None:
    assert ask(Some("query_args", where)) is expect
    assert ask(Some("args", where)) is (True if expect else None)
    assert ask(Not(Some("query_args", where))) is not expect


# --- classes, sharing, refusals -----------------------------------------------------------------------------


def test_a_class_sees_through_encodings() -> None:
    tree = Condition("query_args", "is_class", b"sql_injection", Name(b"id"))
    assert ask(tree, get(b"/?id=1%2527%2520or%25201%253d1--")) is True
    assert ask(tree, get(b"/?id=12")) is False


def test_a_shared_view_asks_a_costly_condition_once() -> None:
    condition = Condition("path", "regex", b"^/a\\z")
    ask_one, ask_two = compile_tree(condition, {}), compile_tree(AllOf((condition, TRUE)), {})
    view = SharedView(REQUEST)
    assert ask_one(view) is True
    assert list(view.memo.values()) == [True]
    view.memo.update(dict.fromkeys(view.memo, False))  # a wrong answer, to see that it is used
    assert ask_two(view) is False
    assert ask_two(HttpView(REQUEST)) is True


def test_versions_of_a_class_do_not_share_answers() -> None:
    condition = Condition("path", "is_class", b"sql_injection")
    with pytest.raises(RuleError, match="unknown payload class"):
        compile_tree(condition, {"sql_injection": 9_999})
    with pytest.raises(RuleError, match="states no version"):
        compile_tree(condition, {})
    assert compile_tree(condition, VERSIONS)(HttpView(REQUEST)) is False


@pytest.mark.parametrize("root", [Count(TRUE, ("method",), 60, 2), Sequence((TRUE, TRUE), ("method",), 60)])
def test_one_request_cannot_answer_a_count_or_a_sequence(root: Count | Sequence) -> None:
    with pytest.raises(RuleError) as caught:
        compile_rule(Rule(id="RF-1", when=root))
    assert caught.value.code == "RF330"


def test_a_rule_can_be_asked_about_a_request_or_a_view_of_it() -> None:
    rule = Rule(id="RF-1", when=AllOf((TRUE, Not(FALSE))))
    assert evaluate(rule, REQUEST) is True
    assert evaluate(rule, HttpView(REQUEST)) is True
    assert compile_rule(rule).rule is rule
