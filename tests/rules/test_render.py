"""Sentences are plain English, complete, bounded, and free of anything a terminal would act on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.places import FIELDS
from ruleforge.rules import render
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.render import MAX_SENTENCE, quote_bytes, render_condition, render_sentence
from ruleforge.rules.transforms import TRANSFORMS
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Sequence, Some

ICONS = Condition("path", "path_suffix", b"/icons/run")
SQL = Condition("args", "is_class", b"sql_injection", Name(b"q"))


def test_every_operator_transform_and_place_has_words():
    assert set(render.OPERATOR_WORDS) | set(render.COUNT_WORDS) == set(OPERATORS)
    assert set(render.TRANSFORM_WORDS) == set(TRANSFORMS)
    assert set(render.PLACE_WORDS) == {name for name, field in FIELDS.items() if field.kind == "single"}
    assert set(render.NAMED_WORDS) == {name for name, field in FIELDS.items() if field.kind == "named"}


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        (
            AllOf((ICONS, SQL)),
            'The path ends with "/icons/run" and argument "q" looks like SQL injection.',
        ),
        (
            AllOf((ICONS, AnyOf((SQL, Condition("body", "contains_any", (b"a", b"b", b"c")))))),
            (
                'The path ends with "/icons/run" and '
                '(argument "q" looks like SQL injection or the body contains "a", "b" or "c").'
            ),
        ),
        (
            Some(
                "args", AllOf((Condition("name", "equals", b"f"), Condition("value", "regex", b"^x", None, ("lower",))))
            ),
            'For some argument, its name is "f" and its value, in lower case, matches "^x".',
        ),
        (Not(Condition("headers", "present", None, Name(b"referer"))), 'It is not so that there is header "referer".'),
        (
            Condition("cookies", "contains", b"x", Name(b"^s", "regex")),
            'Some cookie whose name matches "^s" contains "x".',
        ),
        (Condition("json", "int_gt", 9), "Some JSON value is a number greater than 9."),
        (
            Count(ICONS, ("source.address",), 300, 5),
            ('At least 5 requests share client address within 300 seconds, where the path ends with "/icons/run".'),
        ),
        (
            Sequence((ICONS, SQL), ("source.address",), 60),
            (
                "Requests that share client address follow each other within 60 seconds: the path ends with "
                '"/icons/run", then argument "q" looks like SQL injection.'
            ),
        ),
    ],
)
def test_sentences(tree, sentence):
    assert render_sentence(tree) == sentence
    assert render_sentence(Rule(id="RF-X-1", when=tree)) == sentence


def asks(name: str, field: str = "body") -> Condition:
    return Condition(field, "is_class", name.encode())


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (["xxe"], "The body looks like an XML external entity."),
        (["url_value"], "The body looks like an absolute URL."),
        (["traversal"], "The body looks like path traversal or local file access."),
        (["no_such_class"], "The body looks like a no such class."),
        (
            ["command_injection", "code_injection", "template_injection"],
            "The body looks like operating system command, code, template or expression injection.",
        ),
        (
            ["serialized_object", "jndi", "sql_injection"],
            "The body looks like JNDI lookup or SQL injection or a serialized object.",
        ),
    ],
)
def test_payload_classes_of_one_value_are_said_together(parts, sentence):
    assert render_sentence(AnyOf(tuple(asks(name) for name in parts))) == sentence


def test_values_asked_for_the_same_class_are_said_together():
    tree = AnyOf((asks("jndi", "args"), asks("jndi", "headers"), ICONS, asks("jndi", "body"), asks("xss", "path.raw")))
    assert render_sentence(tree) == (
        "Some argument, some header or the body looks like JNDI lookup injection or "
        'the path ends with "/icons/run" or the path as sent looks like cross-site scripting.'
    )


def test_every_payload_class_has_a_title_that_fits_a_sentence():
    for name in CLASSES:
        sentence = render_sentence(asks(name))
        assert name not in sentence or "_" not in name
        assert " as a value" not in sentence
    assert len(CLASSES) >= 14


def test_a_condition_is_a_clause():
    assert (
        render_condition(Condition("args", "count_gt", 2, Name(b"id")))
        == 'there are more than 2 values of argument "id"'
    )


def test_a_long_rule_is_cut():
    sentence = render_sentence(AnyOf(tuple(Condition("path", "equals", b"/%d" % n) for n in range(900))))
    assert len(sentence) == MAX_SENTENCE
    assert sentence.endswith("…")


@given(value=st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_shown_bytes_are_one_short_printable_line(value):
    shown = quote_bytes(value)
    assert shown.isprintable()
    assert len(shown) <= 82


@pytest.mark.parametrize(
    ("value", "shown"),
    [(b'a"b\\', '"a\\"b\\\\"'), (b"\x1b[31m", '"\\x1b[31m"'), (b"\xff", '"\\xff"'), ("\u202eé".encode(), '"\\u202eé"')],
)
def test_control_characters_are_escaped(value, shown):
    assert quote_bytes(value) == shown
