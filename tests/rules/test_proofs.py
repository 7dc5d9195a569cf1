"""A proof is never wrong: what is proved dead never holds, what is proved empty never fails."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import FIELDS, HttpView
from ruleforge.events.request import Request
from ruleforge.rules.implication import implies
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.proofs import CODES, never_fails, never_holds, prove
from ruleforge.rules.transforms import TRANSFORMS
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Sequence, Some


def C(field, op, value=None, name=None, *transforms):  # noqa: N802
    return Condition(field, op, value, Name(name) if name is not None else None, transforms)


DEAD = [
    C("path", "contains", b"ADMIN", None, "lower"),
    C("args", "equals", b" x", None, "trim"),
    C("args", "starts_with", b" x", None, "trim", "lower"),
    C("body", "contains", b"a  b", None, "compress_whitespace"),
    C("body", "contains", b"a\tb", None, "compress_whitespace"),
    C("body", "contains", b"a\x00b", None, "remove_nulls", "trim"),
    C("args.raw", "contains", b"a+b", None, "plus_to_space"),
    C("path", "contains", b"//"),
    C("path", "contains", b"/../"),
    C("path", "ends_with", b"/.."),
    C("path", "path_suffix", b"/a;b"),
    C("path", "equals", b"/a\\b"),
    C("path.decoded", "contains", b"/./", None, "normalize_path"),
    C("path.raw", "contains", b"?id="),
    C("args.raw", "contains", b"a&b"),
    C("cookies", "contains", b"a;b"),
    C("cookies", "present", None, b"a=b"),
    C("path", "absent"),
    C("path", "count_gt", 1),
    C("args", "length_lt", 0),
    C("path", "in", (b"//", b"/a;")),
    C("path", "contains_all", (b"a", b";")),
    Some("headers", C("name", "equals", b"User-Agent")),
    AllOf((C("path", "equals", b"/a"), C("path", "equals", b"/b"))),
    AllOf((C("path", "equals", b"/a"), Not(C("path", "starts_with", b"/")))),
    AllOf((C("path", "starts_with", b"/a"), AllOf((C("path", "starts_with", b"/b"),)))),
    AllOf((C("path", "in", (b"/a", b"/b")), C("path", "regex", b"c"))),
    AllOf((C("path", "length_gt", 5), C("path", "length_lt", 6))),
    AllOf((C("path", "contains", b"abc"), C("path", "length_lt", 3))),
    AllOf((C("response.status", "int_eq", 200), C("response.status", "int_gt", 300))),
    AllOf((C("args", "contains", b"a"), Not(C("args", "contains", b"a")))),
    AllOf((C("args", "contains", b"ab"), Not(C("args", "contains", b"a")))),
    AllOf((C("args", "absent", None, b"q"), C("args", "contains", b"a", b"q"))),
    Some("args", AllOf((C("value", "equals", b"a"), C("value", "ends_with", b"b")))),
    AnyOf((C("path", "contains", b"//"), C("path", "contains", b"\\"))),
    Not(AnyOf((C("path", "present"), C("args", "present")))),
]
EMPTY = [
    C("path", "contains", b""),
    C("path", "regex", b"x*"),
    C("target.raw", "present"),
    C("path", "length_gt", -1),
    C("args", "count_gt", -1),
    C("cookies", "absent", None, b"a;b"),
    AnyOf((C("args", "contains", b"a"), Not(C("args", "contains", b"a")))),
    AnyOf((C("args", "contains", b"a"), Not(C("args", "contains", b"ab")))),
    Not(C("path", "contains", b"//")),
]
OPEN = [
    C("args", "contains", b"ADMIN"),
    C("args", "contains", b"A", None, "lower", "percent_decode"),
    C("args", "contains", b" x", None, "trim"),
    C("args", "contains", b"%41", None, "percent_decode_stable"),
    C("path", "contains", b"?"),
    C("path", "contains", b"//", None, "remove_nulls"),
    C("path", "ends_with", b"/..", None, "trim"),
    C("cookies", "starts_with", b" ", None, "plus_to_space"),
    C("path", "contains", b";", None, "percent_decode"),
    C("path.decoded", "contains", b"//"),
    C("args", "contains", b""),
    C("args", "regex", b"x*"),
    C("path", "regex", rb"^\z"),
    C("path", "absent", None, None, "base64_decode"),
    C("path", "contains", b"", None, "hex_decode"),
    AllOf((C("args", "equals", b"a"), C("args", "equals", b"b"))),
    AllOf((C("path", "equals", b"/a"), C("path", "equals", b"/b", None, "lower"))),
    AllOf((C("headers", "equals", b"a", b"x"), C("headers", "equals", b"b", b"x"))),
    AnyOf((C("path", "contains", b"//"), C("path", "contains", b"a"))),
    C("args", "count_gt", 1),
    Some("args", C("value", "contains", b"")),
    Some("multipart", C("filename", "absent")),
]


@pytest.mark.parametrize("tree", DEAD, ids=repr)
def test_what_can_never_hold_is_proved(tree):
    assert never_holds(tree)
    codes = [finding.code for finding in prove(Rule(id="RF-X-1", when=tree))]
    assert "RF603" in codes
    assert len(codes) >= 2


@pytest.mark.parametrize("tree", EMPTY, ids=repr)
def test_what_always_holds_is_proved(tree):
    assert never_fails(tree)
    codes = [finding.code for finding in prove(Rule(id="RF-X-1", when=tree))]
    assert "RF613" in codes
    assert len(codes) >= 2


@pytest.mark.parametrize("tree", OPEN, ids=repr)
def test_what_may_hold_or_not_is_left_alone(tree):
    assert not never_holds(tree)
    assert not never_fails(tree)


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        (AllOf((C("args", "contains", b"abc", b"q"), C("args", "contains", b"b", b"q"))), "when.all[1]"),
        (AllOf((C("path", "path_suffix", b"/b"), C("path", "path_suffix", b"/a/b"))), "when.all[0]"),
        (AllOf((C("path", "equals", b"/a"), C("path", "equals", b"/a"))), "when.all[1]"),
        (AllOf((C("args", "present", None, b"q"), C("args", "regex", b"x", b"q"))), "when.all[0]"),
        (AnyOf((C("body", "contains", b"abc"), C("body", "contains", b"b"))), "when.any[0]"),
        (AllOf((C("args", "int_gt", 5), C("args", "int_gt", 3))), "when.all[1]"),
        (AllOf((C("path", "path_suffix", b"/a/b"), C("path", "path_segments", b"/a"))), "when.all[1]"),
    ],
)
def test_redundant_conditions_are_warned_about(tree, path):
    (finding,) = prove(Rule(id="RF-X-1", when=tree))
    assert (finding.code, finding.path, finding.severity) == ("RF621", path, "warning")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (C("args", "int_gt", 2), C("args", "int_gt", 3)),
        (C("args", "length_lt", 4), C("args", "length_lt", 3)),
        (C("args", "int_eq", 3), C("args", "int_gt", 3)),
        (C("args", "contains", b"a", b"q"), C("args", "contains", b"a", b"r")),
        (C("args", "contains", b"a"), C("args", "contains", b"a", None, "lower")),
        (C("path", "path_segments", b"/a/b"), C("path", "path_suffix", b"/b")),
        (C("path", "path_segments", b"/a/bc"), C("path", "path_segments", b"/a/b")),
        (C("args", "in", (b"a", b"b")), C("args", "equals", b"a")),
        (C("args", "absent"), C("args", "present")),
        (C("args", "count_gt", 1), C("args", "count_gt", 2)),
    ],
)
def test_what_does_not_follow_is_not_claimed_to(one, other):
    assert not implies(one, other, {})


def test_the_innermost_part_is_blamed_with_its_path():
    tree = AnyOf(
        (
            C("path", "equals", b"/a"),
            Some("args", AllOf((C("name", "equals", b"A", None, "lower"), C("value", "present")))),
        )
    )
    places = [(finding.code, finding.path) for finding in prove(Rule(id="RF-X-1", when=tree))]
    assert places == [("RF601", "when.any[1].where.all[0]"), ("RF611", "when.any[1].where.all[1]")]


def test_rules_that_count_or_order_events_are_proved_part_by_part():
    dead = C("path", "contains", b"//")
    counting = Count(when=dead, by=("source.address",), within_seconds=60, at_least=3)
    ordered = Sequence(steps=(C("path", "equals", b"/a"), dead), by=("source.address",), within_seconds=60)
    assert {f.path for f in prove(Rule(id="RF-X-1", when=counting))} == {"when.count.when"}
    assert {f.path for f in prove(Rule(id="RF-X-1", when=ordered))} == {"when.sequence[1]"}


def test_every_code_is_in_the_table_and_in_use():
    found = {f.code for tree in DEAD + EMPTY for f in prove(Rule(id="RF-X-1", when=tree))}
    assert found | {"RF621"} == set(CODES)


TOKENS = (
    b"a", b"A", b"ab", b"/a", b"/b", b"//", b"/../", b"/..", b";", b"\\", b" ", b"  ", b"\t", b"+", b"\x00", b"%2f",
    b"%3b", b"&", b"1", b"2", b"?", b"",
)  # fmt: skip
texts = st.lists(st.sampled_from(TOKENS), max_size=4).map(b"".join)
CHAINS = st.lists(st.sampled_from(TRANSFORMS.names()), max_size=2).map(tuple)
CLASSES = {"sql_injection": 1, "traversal": 1}
VALUES = {
    "bytes": texts,
    "bytes_list": st.lists(texts, max_size=3).map(tuple),
    "pattern": st.sampled_from((b"a", b"x*", b"^", rb"a|", rb"\z", b"")),
    "path": st.sampled_from((b"/a", b"/a/b", b"/A", b"/a;")),
    "int": st.integers(-1, 3),
    "size": st.integers(-1, 4),
    "network_list": st.just((b"192.0.2.0/24",)),
    "class": st.sampled_from((b"sql_injection", b"traversal")),
    "none": st.none(),
}


@st.composite
def conditions(draw, fields):
    op = OPERATORS[draw(st.sampled_from(OPERATORS.names()))]
    field = draw(st.sampled_from(fields))
    named = field in FIELDS and FIELDS[field].kind == "named" and draw(st.booleans())
    chain = () if op.takes == "class" else draw(CHAINS)
    return Condition(field, op.name, draw(VALUES[op.takes]), Name(draw(texts)) if named else None, chain)


def combined(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts)))
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
            | inner.map(Not)
        ),
        max_leaves=4,
    )


# Few fields, so that siblings are about the same value.
FEW = ("path", "args", "args.raw", "cookies", "path.raw", "headers", "method", "query.raw")
somes = st.builds(Some, st.sampled_from(("args", "cookies", "headers")), combined(conditions(("name", "value"))))
trees = combined(conditions(FEW) | conditions(("path", "args")) | somes)


@st.composite
def requests(draw):
    query = b"&".join(draw(st.lists(texts.map(lambda text: b"a=" + text), max_size=2)))
    return Request(
        method=draw(st.sampled_from((b"GET", b""))),
        target=draw(texts) + draw(st.sampled_from((b"", b"?" + query))),
        headers=tuple(
            (name, draw(texts)) for name in draw(st.lists(st.sampled_from((b"Cookie", b"A", b"a")), max_size=2))
        ),
        unrecorded=draw(st.sampled_from((frozenset(), frozenset(), frozenset({"body"}), frozenset({"target"})))),
    )


@settings(max_examples=60)
@given(many=st.lists(trees, min_size=8, max_size=12), sent=st.lists(requests(), min_size=3, max_size=6))
def test_no_proof_is_refuted_by_a_request(many, sent):
    views = [HttpView(request) for request in sent]
    for tree in many:
        never, always = never_holds(tree, CLASSES), never_fails(tree, CLASSES)
        if never or always:
            ask = compile_tree(tree, CLASSES)
            for view in views:
                assert not (never and ask(view) is True), (tree, view.request)
                assert not (always and ask(view) is False), (tree, view.request)


@settings(max_examples=60)
@given(
    field=st.sampled_from(("path", "args", "cookies")),
    many=st.lists(conditions(("value",)), min_size=6, max_size=10),
    chain=CHAINS,
    sent=st.lists(requests(), min_size=3, max_size=6),
)
def test_no_implication_is_refuted_by_a_request(field, many, chain, sent):
    one_subject = [Condition(field, each.op, each.value, None, chain) for each in many if each.op != "is_class"]
    views = [HttpView(request) for request in sent]
    for one in one_subject:
        for other in one_subject:
            if implies(one, other, CLASSES):
                asks = compile_tree(one, CLASSES), compile_tree(other, CLASSES)
                assert not [view for view in views if asks[0](view) is True and asks[1](view) is not True]
