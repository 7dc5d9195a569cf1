"""Which matcher answers, and that changing it changes no answer."""

import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from ruleforge.engine import batches
from ruleforge.engine.adaptive import KERNELS_S, NOTE, PORTABLE_S_PER_ROW, SLICE_ROWS, AdaptiveMatcher, joined
from ruleforge.engine.batches import RowByRow, make_batch_matcher
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.errors import UsageError
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

WHENS: tuple[dict[str, Any], ...] = (
    {"field": "path", "op": "path_suffix", "value": "/attic/door"},
    {"field": "headers", "name": "x-door", "op": "present"},
    {"not": {"field": "args", "name": "key", "op": "present"}},
)
ENDS = (sys.executable, "-c", "")
FAILS = (sys.executable, "-c", "raise SystemExit(5)")
LASTS = (sys.executable, "-c", "import time; time.sleep(600)")
MANY = int(10 * KERNELS_S / PORTABLE_S_PER_ROW)


@pytest.fixture
def rules() -> list[Rule]:
    return [
        parse_rule({"schema": 1, "id": f"RF-CVE-2099-{n:04}-1", "title": "t", "event": "http.request", "when": when})
        .require()
        for n, when in enumerate(WHENS)
    ]  # fmt: skip


def rows(count: int) -> pa.RecordBatch:
    unknown = frozenset({"headers", "body"})
    targets = (b"/", b"/house/attic/door", b"/shed?key=1")
    return to_batch(
        [
            Request(method=b"GET", target=targets[n % 3], headers=((b"X-Door", b"1"),) if n % 5 == 0 else (),
                    unrecorded=unknown if n % 7 == 0 else frozenset())
            for n in range(count)
        ]
    )  # fmt: skip


def answers(matcher: batches.BatchMatcher, batch: pa.RecordBatch) -> tuple[list[tuple[int, int]], list[int]]:
    found = matcher.match(batch)
    return list(zip(found.rows.tolist(), found.rules.tolist(), strict=True)), found.unknowns.tolist()


def adaptive(
    rules: list[Rule], notes: list[str], command: tuple[str, ...] = LASTS, kept: Callable[[], bool] = lambda: False
) -> AdaptiveMatcher:
    return AdaptiveMatcher(
        rules,
        lambda: FastMatcher(rules),
        are_kernels_kept=kept,
        command=command,
        note=notes.append,
        clock=lambda: 0.0,  # as if rows took no time once they were measured: only what is expected counts
    )


def until_ended(matcher: AdaptiveMatcher) -> None:
    assert matcher._compiling is not None
    matcher._compiling.wait(60)


def test_a_small_input_is_answered_row_by_row_and_nothing_is_compiled(rules):
    notes: list[str] = []
    matcher = adaptive(rules, notes)
    matcher.expect(100)
    assert answers(matcher, rows(100)) == answers(RowByRow(CompiledSet(rules)), rows(100))
    assert (matcher.is_fast, matcher._compiling, notes) == (False, None, [])


def test_nobody_looks_for_kernels_before_the_work_could_pay_for_loading_them(rules):
    def look() -> bool:
        raise AssertionError("looked")

    adaptive(rules, [], kept=look).match(rows(1))


def test_kernels_that_are_there_answer_a_large_input_from_its_first_row(rules):
    matcher = adaptive(rules, [], kept=lambda: True)
    matcher.expect(MANY)
    assert answers(matcher, rows(40)) == answers(RowByRow(CompiledSet(rules)), rows(40))
    assert matcher.is_fast


def test_a_switch_within_a_batch_changes_no_answer(rules):
    """The process that would compile has ended before the second slice is asked about."""
    notes: list[str] = []
    matcher = adaptive(rules, notes, command=ENDS)
    by_row = matcher._by_row

    def asked(batch: pa.RecordBatch) -> batches.Matches:
        until_ended(matcher)
        return by_row(batch)

    matcher._by_row = asked  # type: ignore[method-assign]
    matcher.expect(MANY)
    batch = rows(3 * SLICE_ROWS + 7)
    assert answers(matcher, batch) == answers(RowByRow(CompiledSet(rules)), batch)
    assert matcher.is_fast
    assert matcher._rows == SLICE_ROWS
    assert notes == [NOTE]


def test_rows_are_answered_while_kernels_compile_and_no_process_is_left_behind(rules):
    notes: list[str] = []
    matcher = adaptive(rules, notes)
    matcher.expect(MANY)
    assert answers(matcher, rows(30)) == answers(RowByRow(CompiledSet(rules)), rows(30))
    process = matcher._compiling
    assert process is not None
    assert process.poll() is None
    assert (matcher.is_fast, notes) == (False, [NOTE])
    del matcher
    assert process.poll() == -15


@pytest.mark.parametrize("command", [FAILS, ("/no/such/program",)])
def test_where_compiling_fails_the_portable_matcher_goes_on(rules, command):
    notes: list[str] = []
    matcher = adaptive(rules, notes, command=command)
    matcher.expect(MANY)
    for _ in range(3):
        assert answers(matcher, rows(30)) == answers(RowByRow(CompiledSet(rules)), rows(30))
        if matcher._compiling is not None:
            until_ended(matcher)
    assert not matcher.is_fast
    assert "could not be compiled" in notes[-1]


def test_without_a_word_about_size_as_much_is_expected_as_was_seen(rules):
    """A clock that gives each slice 200 seconds: after the second one, compiling pays."""
    notes: list[str] = []
    now = iter(range(0, 10**6, 200))
    matcher = AdaptiveMatcher(rules, lambda: FastMatcher(rules), are_kernels_kept=lambda: False, command=LASTS,
                              note=notes.append, clock=lambda: next(now))  # fmt: skip
    matcher.match(rows(SLICE_ROWS))
    assert notes == []
    matcher.match(rows(SLICE_ROWS))
    matcher.match(rows(SLICE_ROWS))
    assert notes == [NOTE]


def test_an_empty_batch_is_answered(rules):
    assert answers(adaptive(rules, []), rows(0)) == ([], [0, 0, 0])


def test_joined_answers_are_those_of_the_whole(rules):
    portable, batch = RowByRow(CompiledSet(rules)), rows(50)
    parts = [(at, portable.match(batch.slice(at, 20))) for at in range(0, 50, 20)]
    whole, found = portable.match(batch), joined(parts)
    assert [each.tolist() for each in found[:3]] == [each.tolist() for each in whole[:3]]
    assert found.verified == whole.verified


def test_the_engine_can_be_chosen(rules, monkeypatch):
    assert isinstance(make_batch_matcher(rules), AdaptiveMatcher)
    assert isinstance(make_batch_matcher(rules, engine="fast"), FastMatcher)
    assert isinstance(make_batch_matcher(rules, engine="portable"), RowByRow)
    monkeypatch.setattr(batches.importlib.util, "find_spec", lambda _: None)
    assert isinstance(make_batch_matcher(rules), RowByRow)
    with pytest.raises(UsageError) as caught:
        make_batch_matcher(rules, engine="fast")
    assert caught.value.code == "RF166"


def test_what_is_expected_counts_from_where_it_was_said(rules):
    notes: list[str] = []
    matcher = adaptive(rules, notes)
    matcher.expect(SLICE_ROWS)
    matcher.match(rows(SLICE_ROWS))
    matcher.match(rows(SLICE_ROWS))  # more than was said: as many again are expected
    assert notes == []
    now = iter(range(0, 10**6, 200))
    matcher._clock = lambda: next(now)
    matcher.match(rows(1))
    matcher.expect(MANY)
    matcher.match(rows(1))
    assert notes == [NOTE]
