"""Clauses are necessary: whatever the reference calls true holds every one of them."""

import base64
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.engine.literals import Literal, clause_holds, clause_zones, requirements
from ruleforge.engine.reference import compile_tree
from ruleforge.engine.regex_literals import regex_clauses
from ruleforge.engine.zones import ZONES, read_zone
from ruleforge.errors import RuleError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES, latest_version, load_class
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Some
from ruleforge.rules.values import read_literal

JNDI_VALUE = Condition("value", "is_class", b"jndi")


def texts_of(tree, classes=None):
    return [sorted((zone, text) for zone, text in clause) for clause in requirements(tree, classes)]


@settings(max_examples=200)
@given(data=st.data())
def test_a_tree_that_is_true_has_every_clause_and_one_that_lacks_a_complete_clause_is_false(drawn, data):
    request = data.draw(drawn.requests())
    view = HttpView(request)
    zones = {zone: read_zone(view, zone) for zone in ZONES}
    texts = {zone: read.text for zone, read in zones.items()}
    for tree in data.draw(st.lists(drawn.rules_for(request), min_size=1, max_size=6)):
        answer = compile_tree(tree, drawn.classes)(view)
        for clause in requirements(tree, drawn.classes):
            if not clause_holds(clause, texts):
                assert answer is not True, (tree, clause)
                if all(zones[zone].complete for zone in clause_zones(clause)):
                    assert answer is False, (tree, clause)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (Condition("path", "path_suffix", b"/Cgi-Bin/x"), [[("path", b"/cgi-bin/x")]]),
        (Condition("path.raw", "equals", b"/A"), [[("target", b"/a")]]),
        (Condition("path", "equals", b"/A"), [[("path", b"\x01/a\x00")]]),
        (Condition("args", "equals", b"X", Name(b"Q")), [[("args", b"\x00q\x01x\x00")], [("args", b"\x00q\x01")]]),
        (Condition("args", "length_gt", 9, Name(b"q")), [[("args", b"\x00q\x01")]]),
        (Condition("args", "absent", None, Name(b"q")), []),
        (Condition("args", "contains", b"a b", None, ("plus_to_space", "lower")), [[("args", b"a")]]),
        (Condition("args", "contains", b"x", None, ("base64_decode",)), []),
        (Condition("args", "contains", b"x", None, ("percent_decode",) * 6), []),
        (Condition("args", "equals", b"xy", None, ("trim",)), [[("args", b"xy")]]),
        (Condition("source.address", "equals", b"x"), []),
        (
            Condition("json", "equals", b"v", Name(b"/a/*/b")),
            [[("json", b"\x01v\x00")], [("json", b"/a")], [("json", b"/b")]],
        ),
        (
            Condition("args", "present", None, Name(rb"\Avars\[[0-9]+\]\z", "regex")),
            [[("args", b"vars[")], [("args", b"]")]],
        ),
        (Not(Condition("path", "equals", b"/a")), []),
        (AnyOf((Condition("path", "equals", b"/a"), Not(Condition("path", "equals", b"/a")))), []),
        (
            AnyOf((Condition("path", "equals", b"/a"), Condition("args", "contains", b"zz"))),
            [[("args", b"zz"), ("path", b"\x01/a\x00")]],
        ),
        (Condition("args", "in", (b"a", b"b")), [[("args", b"\x01a\x00"), ("args", b"\x01b\x00")]]),
    ],
)
def test_clauses_of_a_tree(tree, expected):
    assert sorted(texts_of(tree)) == sorted(expected)


def test_name_and_value_of_one_element_join():
    where = AllOf((Condition("name", "equals", b"q"), Condition("value", "starts_with", b"X")))
    assert Literal("args", b"\x00q\x01x") in set().union(*requirements(Some("args", where)))


def wrapped(value):
    """The value, and the ways a class sees through."""
    text = value.decode("utf-8", "replace")
    yield value
    yield quote_from_bytes(value, safe="").encode()
    yield quote(quote(text, safe=""), safe="").encode()
    yield value.replace(b" ", b"+")
    yield b"".join(b"%%u%04x" % (ord(char) & 0xFFFF) for char in text)
    yield b"".join(b"&#x%x;" % ord(char) for char in text)
    yield b"".join(b"\\u%04x" % (ord(char) & 0xFFFF) for char in text)
    yield base64.b64encode(value)


@pytest.mark.parametrize("name", CLASSES)
def test_a_payload_of_a_class_holds_the_clauses_in_every_encoding(name):
    version = latest_version(name)
    loaded = load_class(name, version)
    clauses = requirements(Condition("args", "is_class", name.encode()), {name: version})
    assert all(zone == "args" and text for clause in clauses for zone, text in clause)
    payloads = [form for text in (*loaded.data.positive, *loaded.data.evasion) for form in wrapped(read_literal(text))]
    seen = [payload for payload in payloads if loaded.matches(payload)]
    assert len(seen) >= 10
    for payload in seen:
        view = HttpView(Request(method=b"GET", target=b"/?q=" + quote_from_bytes(payload, safe="").encode()))
        texts = {"args": read_zone(view, "args").text}
        assert all(clause_holds(clause, texts) for clause in clauses), payload


def test_a_class_without_a_version_or_with_base64_gives_nothing():
    assert requirements(Condition("args", "is_class", b"traversal"), {}) == ()
    assert len(requirements(Condition("args", "is_class", b"traversal"), {"traversal": 1})) == 2  # triggers, patterns
    for name in CLASSES:
        data = load_class(name, latest_version(name)).data
        if any(form.startswith("base64") for form in data.forms):
            assert requirements(Condition("args", "is_class", name.encode()), {name: data.version}) == ()


def test_a_wide_any_keeps_few_clauses_with_an_alternative_for_every_part():
    parts = tuple(AllOf(tuple(Condition("path", "contains", b"%d-%d" % (i, j)) for j in range(4))) for i in range(40))
    clauses = requirements(AnyOf(parts))
    assert 1 <= len(clauses) <= 16
    assert all({text.split(b"-")[0] for _, text in clause} == {b"%d" % i for i in range(40)} for clause in clauses)


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        (rb"abc", [{b"abc"}]),
        (rb"(?i)Union\s+Select", [{b"union"}, {b"select"}]),
        (rb"a(?:b|c)d", [{b"abd", b"acd"}]),
        (rb"ab?c", [{b"abc", b"ac"}]),
        (rb"ab*c", [{b"a"}, {b"c"}]),
        (rb"(?:foo|ba.r)x", [{b"foo", b"ba"}, {b"x"}]),
        (rb"a|", []),
        (rb"^\x41\.\z", [{b"a."}]),
        (rb"[ab]x{2}", [{b"axx", b"bxx"}]),
        (rb"(?i)\xe9tat", [{b"tat"}]),
        (rb"\Qa.b\E", []),
        (rb"a{,2}", [{b"a{,2}"}]),
        (rb"(?P<n>id)=", [{b"id="}]),
        (rb"[[:digit:]]z", [{b"z"}]),
        (rb"(", []),
    ],
)
def test_literals_of_a_pattern(regex, expected):
    found = regex_clauses(regex)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


ATOMS = st.sampled_from(
    (
        b"a",
        b"B",
        rb"\x41",
        b"[ab]",
        b"[^a]",
        b".",
        rb"\d",
        b"\xe9",
        rb"\.",
        b"(?i)",
        b"^",
        b"[[:alpha:]a]",
        b"[a-c]",
        b"{",
        b"]",
    )
)
REGEXES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4).map(b"".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: b"(?:" + b"|".join(parts) + b")")
        | st.tuples(inner, st.sampled_from((b"*", b"+", b"?", b"{2}", b"{0,1}", b"{1,}", b"+?"))).map(
            lambda pair: b"(" + pair[0] + b")" + pair[1]
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    regex=REGEXES, texts=st.lists(st.text("aAbBcC.1é{2}", max_size=10).map(lambda t: t.encode("latin-1")), max_size=8)
)
def test_a_text_in_which_a_pattern_is_found_holds_its_literals(regex, texts):
    try:
        pattern = compile_pattern(regex)
    except RuleError:  # not every mixture is a pattern
        assert regex_clauses(regex) == ()
        return
    for text in texts:
        if pattern.test(text):
            for clause in regex_clauses(regex):
                assert any(literal in text.lower() for literal in clause), (regex, text, clause)


def test_of_an_any_that_grows_too_large_both_the_longest_and_the_most_telling_clauses_are_kept():
    named = Some("headers", AllOf((Condition("name", "in", (b"user-agent", b"referer")), JNDI_VALUE)))
    tree = AnyOf((Condition("args", "is_class", b"jndi", Name(b"quarter")), named))
    clauses = requirements(tree, {"jndi": latest_version("jndi")})
    headers = [[text for zone, text in clause if zone == "headers"] for clause in clauses]
    assert any(all(len(text) > 3 for text in texts) for texts in headers)  # narrows an index
    assert any(not any(b"user-agent" in text for text in texts) for texts in headers)  # rare in ordinary traffic
