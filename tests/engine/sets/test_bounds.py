"""Tables from a file: those that kernels could not follow safely are refused, whatever is wrong with them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

from ruleforge.engine.fast.build import make_tables
from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.layout import SKIP_IF_FALSE, Tables
from ruleforge.engine.fast.stored import USUAL_GAPS
from ruleforge.engine.rarity import background_rarity
from ruleforge.engine.sets.bounds import NAMES, check_tables
from ruleforge.errors import InputError
from ruleforge.rules.parse import parse_rule

PRESS = {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"}
CRATE = {"field": "args", "name": "crate", "op": "contains", "value": "../"}
TREES: list[dict[str, Any]] = [
    PRESS,
    {"all": [PRESS, CRATE]},
    {"all": [PRESS, CRATE, {"not": {"field": "headers", "name": "x-press", "op": "present"}}]},
    {"any": [CRATE, {"field": "body", "op": "contains", "value": "squeeze-all"}, {"not": PRESS}]},
    {"field": "args", "op": "is_class", "value": "xss"},
    {"field": "method", "op": "equals", "value": "PUT"},
    {"some": "args", "where": {"all": [{"field": "name", "op": "equals", "value": "juice"},
                                       {"field": "value", "op": "contains", "value": "$(peel"}]}},
    {"all": [{"field": "path", "op": "contains", "value": "/ab"},
             {"field": "query.raw", "op": "length_gt", "value": 9}]},
]  # fmt: skip
RULES = [
    parse_rule(
        {"schema": 1, "id": f"RF-CVE-2099-{n:04}-1", "title": "t", "event": "http.request", "when": tree}
        | ({"classes": {"xss": 1}} if "is_class" in str(tree) else {})
    ).require()
    for n, tree in enumerate(TREES)
]
TABLES = {gaps: make_tables(RULES, gaps, background_rarity()) for gaps in USUAL_GAPS}
WHOLE = TABLES[Gaps()]


def refused(tables: Tables, rules: int = len(RULES)) -> str:
    with pytest.raises(InputError) as caught:
        check_tables(tables, rules, "a.rfset")
    assert caught.value.code == "RF292"
    return caught.value.what


def changed(name: str, at: int, value: int) -> Tables:
    array = getattr(WHOLE, name).copy()
    array[at] = value
    return WHOLE._replace(**{name: array})


def standing_in() -> tuple[int, Tables]:
    """Tables in which something stands in for rules, as for the forms that an access log does not show."""
    index = {"any": [{"field": "path", "op": "path_suffix", "value": end} for end in ("/index.php", "/index.html")]}
    rules = [
        parse_rule(
            {"schema": 1, "id": f"RF-CVE-2099-{n:04}-1", "title": "t", "event": "http.request",
             "when": {"all": [index, {"field": "args", "name": "juice", "op": "equals", "value": word}]}}
        ).require()
        for n, word in enumerate(("apple", "cherry", "damson", "medlar"))
    ]  # fmt: skip
    return len(rules), make_tables(rules, Gaps(frozenset({"body"})), background_rarity())


def test_tables_in_which_something_stands_in_for_rules_are_taken() -> None:
    rules, tables = standing_in()
    assert len(tables.members) == rules
    assert len(tables.unless_found) > rules
    check_tables(tables, rules, "a.rfset")


def test_a_rule_that_would_be_tried_twice_is_refused() -> None:
    rules, tables = standing_in()
    twice = tables._replace(always=np.array([tables.members[0], rules], np.int32))
    assert (
        refused(twice, rules) == "a compiled set that cannot be right: always has a rule that something stands in for"
    )


def test_every_array_that_kernels_follow_is_checked() -> None:
    assert set(Tables._fields) <= NAMES


@pytest.mark.parametrize("tables", TABLES.values(), ids=range(len(TABLES)))
def test_what_is_compiled_passes(tables: Tables) -> None:
    check_tables(tables, len(RULES), "a.rfset")


def test_tables_without_rules_pass() -> None:
    check_tables(make_tables([], Gaps(), background_rarity()), 0, "a.rfset")


# Whatever a byte or an offset says, a kernel stays within its arrays.
HARMLESS = {"bits", "literal_key", "unless_found", "searched", "folded", "literal_bytes", "leaf_name", "words",
            "word_edges", "short_flag", "bucket_offset", "short_offset", "rule_header"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(name for name in set(Tables._fields) - HARMLESS if len(getattr(WHOLE, name))))
def test_a_number_that_leads_nowhere_is_refused(name: str) -> None:
    array = getattr(WHOLE, name)
    most = 255 if array.dtype == np.uint8 else 1 << 30
    assert refused(changed(name, len(array) - 1, -1 if name == "literal_key_at" else most))


@pytest.mark.parametrize("name", sorted(Tables._fields))
def test_an_array_that_is_too_short_or_of_another_type_is_refused(name: str) -> None:
    array = getattr(WHOLE, name)
    assert refused(WHOLE._replace(**{name: array.astype(np.float64)}))
    if not len(array):
        return
    assert name == "always" or refused(WHOLE._replace(**{name: array[:-1]}))
    assert name == "always" or refused(WHOLE._replace(**{name: array[:0]}))


def test_differences_that_wrap_around_are_seen() -> None:
    assert "owner_at" in refused(changed("owner_at", 1, np.iinfo(np.int32).max - 1))
    at = WHOLE.owner_at.copy()
    at[1], at[2] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
    assert "owner_at" in refused(WHOLE._replace(owner_at=at))


def test_a_set_of_another_number_of_rules_is_refused() -> None:
    assert refused(WHOLE, len(RULES) + 1)


def test_a_rule_that_would_be_tried_twice_for_one_row_is_refused() -> None:
    assert "twice" in refused(WHOLE._replace(always=np.zeros(2, np.int32)))


def programs_of(steps: list[int]) -> Tables:
    """Tables in which the last rule has this program."""
    begin = int(WHOLE.program_at[-2])
    programs = np.array([*WHOLE.programs[:begin].tolist(), *steps], np.int32)
    at = WHOLE.program_at.copy()
    at[-1] = len(programs)
    return WHOLE._replace(programs=programs, program_at=at)


@pytest.mark.parametrize(
    "steps",
    [
        [],  # no answer
        [0, 0],  # two
        [-1],  # of none
        [0, -1],  # of one
        [-3],
        [-9],  # no step
        [0, SKIP_IF_FALSE],  # how far?
        [0, SKIP_IF_FALSE, -2, 0, -1],  # back: without end
        [0, SKIP_IF_FALSE, 9, 0, -1],  # out of it
        [0, SKIP_IF_FALSE, 1, 0, -1],  # over half of a pair
        [0, SKIP_IF_FALSE, 1, SKIP_IF_FALSE, 0, 0, -1],  # into a number
    ],
)
def test_a_program_that_does_not_leave_one_answer_on_every_way_is_refused(steps: list[int]) -> None:
    assert refused(programs_of(steps))


def test_a_program_that_skips_a_whole_part_passes() -> None:
    check_tables(programs_of([0, SKIP_IF_FALSE, 2, 0, -1]), len(RULES), "a.rfset")
    check_tables(programs_of([0, SKIP_IF_FALSE, 2, 0, -1, -3]), len(RULES), "a.rfset")


@given(st.data())
def test_a_stack_that_passes_the_check_stays_within_its_program(data: st.DataObject) -> None:
    """Walk every way through random programs: where the check passes, no way leaves its bounds."""
    step = st.sampled_from([0, 1, 2, 3, -1, -2, -3, -4, -5])
    steps = data.draw(st.lists(step, min_size=1, max_size=9))
    tables = programs_of(steps)
    try:
        check_tables(tables, len(RULES), "a.rfset")
    except InputError:
        return
    ways, seen = [(0, 0)], set()
    while ways:
        at, depth = ways.pop()
        if (at, depth) in seen:
            continue
        seen.add((at, depth))
        assert 0 <= depth <= len(steps)
        if at == len(steps):
            assert depth == 1
            continue
        assert at < len(steps)
        now = steps[at]
        if now in (-4, -5):
            assert depth >= 1
            ways += [(at + 2, depth), (at + 2 + steps[at + 1], depth)]
        else:
            assert depth >= (0 if now >= 0 else 1 if now == -3 else 2)
            ways.append((at + 1, depth + (1 if now >= 0 else 0 if now == -3 else -1)))
