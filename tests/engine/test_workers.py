"""Tests of work spread over processes."""

import contextlib
import os
import signal
import time

import pytest

from ruleforge.engine.workers import OutOfTimeError, deadline, spread


def _double(number: int) -> int:
    return number * 2


def _die_on_seven(number: int) -> int:
    if number == 7:
        os._exit(9)
    return number


def _handlers(_: int) -> tuple[bool, bool]:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(spread(_double, range(50), 2, chunk=3)) == [number * 2 for number in range(50)]


def test_no_items_give_no_results() -> None:
    assert list(spread(_double, [], 2, chunk=4)) == []


def test_a_process_that_dies_loses_its_own_item_only() -> None:
    found = list(spread(_die_on_seven, list(range(20)), 2, chunk=4))
    assert found == [number if number != 7 else None for number in range(20)]


def test_workers_do_not_inherit_the_signal_handlers_of_the_program() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert list(spread(_handlers, [1, 2], 2, chunk=1)) == [(True, True), (True, True)]
    finally:
        signal.signal(signal.SIGTERM, before)


def _sleep_through_crashes() -> None:
    for _ in range(500):  # five seconds at most
        with contextlib.suppress(Exception):  # what parts do with their crashes
            time.sleep(0.01)


def test_an_item_that_takes_too_long_is_stopped_even_where_crashes_are_recorded() -> None:
    with pytest.raises(OutOfTimeError), deadline(0.05):
        _sleep_through_crashes()


def test_a_deadline_that_is_kept_leaves_nothing_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with deadline(30):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def _outlive_an_inner_deadline() -> None:
    with deadline(0.3):
        with deadline(30):
            pass
        time.sleep(5)


def test_a_deadline_inside_another_leaves_that_one_counting() -> None:
    with pytest.raises(OutOfTimeError):
        _outlive_an_inner_deadline()


def test_a_deadline_inside_another_ends_no_later_than_that_one() -> None:
    with pytest.raises(OutOfTimeError), deadline(0.1), deadline(30):
        time.sleep(5)
