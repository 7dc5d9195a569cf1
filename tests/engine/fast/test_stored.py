"""A compiled set on disk: the same answers, the same name for the same rules, swapped between batches."""

import numpy as np
import pytest

pytest.importorskip("numba")

from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.engine.fast.stored import SUFFIX, WatchedSet, open_set, write_set
from ruleforge.errors import InputError
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, Condition, Name, Rule

DOOR = Rule(id="RF-CVE-2099-0001-1", title="t", event="http.request", when=AllOf(
    (Condition("path", "path_suffix", b"/door"), Condition("args", "contains", b"key", Name(b"q")))))  # fmt: skip
XSS = Rule(id="RF-CVE-2099-0002-1", title="t", event="http.request", classes=(("xss", 1),),
           when=Condition("args", "is_class", b"xss"))  # fmt: skip
BATCH = to_batch(
    [
        Request(method=b"GET", target=b"/door?q=key"),
        Request(method=b"GET", target=b"/?q=<script>alert(1)</script>"),
        Request(method=b"GET", target=b"/door?q=k", unrecorded=frozenset({"body"})),
    ]
)


def answers(matcher):
    matches = matcher.match(BATCH)
    return matches.rows.tolist(), matches.rules.tolist(), matches.unknowns.tolist()


def test_a_stored_set_answers_as_the_one_in_memory(tmp_path):
    path = write_set([DOOR, XSS], tmp_path)
    assert answers(open_set(path)) == answers(FastMatcher([DOOR, XSS])) == ([0, 1], [0, 1], [1, 1])
    assert list(open_set(path).rules) == [DOOR, XSS]


def test_a_kind_of_gaps_that_was_not_stored_is_compiled_when_it_is_met(tmp_path):
    assert answers(open_set(write_set([DOOR, XSS], tmp_path, gaps=[Gaps()]))) == ([0, 1], [0, 1], [1, 1])


def test_the_name_says_what_is_in_it(tmp_path):
    first = write_set([DOOR], tmp_path)
    before = first.stat().st_mtime_ns
    assert first.suffix == SUFFIX
    assert write_set([DOOR], tmp_path) == first
    assert first.stat().st_mtime_ns == before
    assert write_set([DOOR, XSS], tmp_path) != first
    assert not list(tmp_path.glob("*.part"))


def test_the_file_is_the_same_every_time(tmp_path):
    made = [write_set([DOOR, XSS], tmp_path / name).read_bytes() for name in ("a", "b")]
    assert made[0] == made[1]


def test_a_set_without_rules_holds_for_nothing(tmp_path):
    assert answers(open_set(write_set([], tmp_path))) == ([], [], [])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no set at all",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"format":2', b'"format":1'),
        lambda data: data[:40] + b"\xff" * 8 + data[48:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
)
def test_what_is_no_compiled_set_is_refused(tmp_path, damage):
    path = write_set([DOOR], tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        open_set(path)
    assert caught.value.code == "RF290"


def test_a_set_is_swapped_between_batches_and_kept_where_the_next_one_is_broken(tmp_path):
    current = tmp_path / "current"
    current.symlink_to(write_set([DOOR], tmp_path))
    watched = WatchedSet(current)
    assert answers(watched) == ([0], [0], [1])
    first = watched.matcher
    assert not watched.refresh()
    point(current, write_set([XSS], tmp_path))
    assert answers(watched) == ([1], [0], [1])
    assert watched.swaps == 1
    assert np.array_equal(first.match(BATCH).rows, [0])  # who is still at work with the old one goes on
    broken = tmp_path / "broken"
    broken.write_bytes(b"x")
    point(current, broken)
    assert answers(watched) == ([1], [0], [1])
    assert watched.problem is not None
    point(current, write_set([DOOR, XSS], tmp_path))
    assert answers(watched) == ([0, 1], [0, 1], [1, 1])
    assert (watched.swaps, watched.problem) == (2, None)


def point(link, path):
    """Replace a link in one step."""
    new = link.with_name("next")
    new.symlink_to(path)
    new.replace(link)
