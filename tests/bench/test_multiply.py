"""Copies of rules for benchmarks: valid, different, of the same shape, the same every time."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Condition, Rule, conditions_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def multiply() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import multiply

        yield multiply
    finally:
        sys.path.remove(str(ROOT / "bench"))


def rule(number: int, *parts: dict[str, object]) -> Rule:
    document = {"schema": 1, "id": f"RF-CVE-2099-{number:04}-1", "when": {"all": list(parts)}}
    if any(part["op"] == "is_class" for part in parts):
        document["classes"] = {"sql_injection": 1}
    return parse_rule(document).require()


RULES = (
    rule(
        1,
        {"field": "path", "op": "path_suffix", "value": "/orchard/Press_2.php"},
        {"field": "args", "name": "crate", "op": "is_class", "value": "sql_injection"},
    ),
    rule(2, {"field": "path.raw", "op": "contains", "value": "/%2e%2e/cellar"}),
    rule(3, {"field": "args", "name": {"regex": r"\Avars\[[^\]]*\]\z"}, "op": "present"}),
    rule(4, {"field": "query.raw", "op": "regex", "value": r"(?i)pear(?:s|es){1,3}\x41[a-f]\d+"}),
    rule(5, {"field": "json", "name": "/stall/*/a~1b", "op": "equals", "value": "plums"}),
    rule(6, {"field": "headers", "name": "x-press", "op": "equals", "value": "on"}),
    rule(7, {"field": "args", "op": "is_class", "value": "sql_injection"}),
)


def test_copies_are_valid_and_ask_different_things(multiply: ModuleType) -> None:
    made = multiply.multiply(RULES, 300)
    assert len(made) == 300
    assert made[: len(RULES)] == RULES
    assert len({content_hash(copy) for copy in made}) == len({copy.id for copy in made}) == 300
    for copy in made:
        assert parse_rule(dump_rule(copy)).require() == copy


def test_copies_are_the_same_every_time(multiply: ModuleType) -> None:
    assert multiply.multiply(RULES, 50) == multiply.multiply(list(RULES), 50)


def test_a_copy_has_the_shape_of_its_original(multiply: ModuleType) -> None:
    originals = {original.id: original for original in RULES}
    for copy in multiply.multiply(RULES, 100)[len(RULES) :]:
        original = originals[copy.id.rpartition("-copy")[0]]
        pairs = zip(conditions_of(copy.when), conditions_of(original.when), strict=True)
        for new, old in pairs:
            assert (new.field, new.op, new.transforms) == (old.field, old.op, old.transforms)
            assert shape(new) == shape(old)


def shape(condition: Condition) -> tuple[str, ...]:
    """The literals with every letter as its kind; escapes and classes of patterns are no words."""
    name = condition.name.text if condition.name else b""
    value = condition.value if isinstance(condition.value, bytes) else b""
    return tuple("".join(map(kind, text.decode())) for text in (name, value))


def kind(char: str) -> str:
    return char if not char.isalnum() else "9" if char.isdigit() else "A" if char.isupper() else "a"


def test_escapes_classes_and_words_of_the_language_stay(multiply: ModuleType) -> None:
    made = multiply.multiply(RULES, 100)
    values = [str(condition.value) for copy in made for condition in conditions_of(copy.when)]
    assert all("%2e%2e" in value for value in values if "%" in value)
    patterns = [value for value in values if "(?" in value]
    assert len(patterns) > 5
    assert all("(?i)" in value and "\\x41[a-f]\\\\d+" in value and "{1,3}" in value for value in patterns)


def test_rules_without_words_of_their_own_are_not_copied(multiply: ModuleType) -> None:
    assert multiply.multiply(RULES[5:], 10) == RULES[5:]


def test_fewer_rules_are_spread_over_all(multiply: ModuleType) -> None:
    assert multiply.multiply(RULES, 3) == (RULES[0], RULES[2], RULES[4])


def test_words_that_many_rules_share_stay(multiply: ModuleType) -> None:
    many = [
        rule(10 + n, {"field": "path", "op": "path_suffix", "value": f"/stall/fig{'x' * n}.php"}) for n in range(12)
    ]
    copies = multiply.multiply(many, 24)[12:]
    assert all(str(next(conditions_of(copy.when)).value).startswith("b'/stall/") for copy in copies)
    assert all(b"fig" not in next(conditions_of(copy.when)).value for copy in copies)
