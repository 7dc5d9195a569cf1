"""Tables in the user's cache: found by the next process, made anew where they cannot be used."""

import os
from pathlib import Path

import pytest

from ruleforge.engine.fast import kept
from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.kept import KeptMatcher, prune
from ruleforge.engine.fast.stored import SUFFIX
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

GAPS = Gaps(frozenset({"body"}))


@pytest.fixture
def rules(monkeypatch) -> list[Rule]:
    monkeypatch.setattr(kept, "LEAST_RULES", 1)
    when = {"field": "path", "op": "path_suffix", "value": "/attic/door"}
    return [
        parse_rule({"schema": 1, "id": "RF-CVE-2099-0001-1", "title": "t", "event": "http.request", "when": when})
        .require()
    ]  # fmt: skip


@pytest.fixture
def made(monkeypatch) -> list[Gaps]:
    """The kinds of gaps that tables were made for."""
    found: list[Gaps] = []
    from ruleforge.engine.fast import matcher

    def make(rules, gaps, rarity):
        found.append(gaps)
        return make_tables(rules, gaps, rarity)

    make_tables = matcher.make_tables
    monkeypatch.setattr(matcher, "make_tables", make)
    return found


def test_tables_are_made_once_for_all_that_ask(rules, made, tmp_path):
    early, first = KeptMatcher(rules, tmp_path), KeptMatcher(rules, tmp_path)
    tables = first._plan(GAPS)
    assert made == [GAPS]
    again = KeptMatcher(rules, tmp_path)._plan(GAPS)
    assert all((a == b).all() for a, b in zip(tables, again, strict=True))
    early._plan(GAPS)  # opened when nothing was there
    assert made == [GAPS]


def test_a_file_learns_the_kinds_of_gaps_that_are_met(rules, made, tmp_path):
    KeptMatcher(rules, tmp_path)._plan(GAPS)
    KeptMatcher(rules, tmp_path)._plan(Gaps())
    last = KeptMatcher(rules, tmp_path)
    last._plan(GAPS), last._plan(Gaps())
    assert made == [GAPS, Gaps()]
    assert len(list(tmp_path.glob(f"*{SUFFIX}"))) == 1


def test_a_damaged_file_is_made_anew_and_told_of(rules, made, tmp_path):
    KeptMatcher(rules, tmp_path)._plan(GAPS)
    (path,) = tmp_path.glob(f"*{SUFFIX}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    notes: list[str] = []
    KeptMatcher(rules, tmp_path, notes.append)._plan(GAPS)
    assert made == [GAPS, GAPS]
    assert "compiled rules are made anew: a damaged compiled set" in notes
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_made_costs_time_and_a_note(rules, made, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    notes: list[str] = []
    matcher = KeptMatcher(rules, tmp_path / "file" / "sets", notes.append)
    matcher._plan(GAPS), matcher._plan(Gaps())
    assert made == [GAPS, Gaps()]
    assert len(notes) == 1


def test_few_rules_leave_no_file(rules, monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "LEAST_RULES", 2)
    KeptMatcher(rules, tmp_path)._plan(GAPS)
    assert list(tmp_path.iterdir()) == []


def _files(folder: Path, sizes: list[int]) -> list[Path]:
    paths = [folder / f"{number}{SUFFIX}" for number in range(len(sizes))]
    for age, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        path.write_bytes(bytes(size))
        os.utime(path, (1_000 - age, 1_000 - age))
    return paths


@pytest.mark.parametrize(("sizes", "left"), [([1] * 4, [0, 1, 3]), ([60, 60, 1, 1], [0, 3])])
def test_what_was_not_used_for_longest_goes_first_and_the_newest_stays(monkeypatch, tmp_path, sizes, left):
    monkeypatch.setattr(kept, "MOST_SETS", 2)
    monkeypatch.setattr(kept, "MOST_BYTES", 100)
    paths = _files(tmp_path, sizes)
    prune(tmp_path, keep=paths[3])
    assert [number for number, path in enumerate(paths) if path.exists()] == left
