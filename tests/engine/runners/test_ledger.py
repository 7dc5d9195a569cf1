import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ruleforge.engine.runners.ledger import PARTS, RUN_FILE, open_ledger
from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.engine.runners.work import do_piece
from ruleforge.errors import OutsideError, UsageError


@pytest.fixture
def log(write_log) -> Path:
    return write_log("a.jsonl", 100)


def test_a_piece_is_done_when_its_part_is_there(ruleset, log, tmp_path):
    out = tmp_path / "out"
    with open_ledger(out, ruleset, [log], resume=False, piece_bytes=3000) as ledger:
        pieces = list(ledger.pieces())
        tally = do_piece(ledger.work, pieces[1])
    with open_ledger(out, ruleset, [log], resume=True, piece_bytes=99) as ledger:
        assert list(ledger.pieces()) == pieces  # cut as the run began
        assert [ledger.tally_of(piece) == tally for piece in pieces] == [piece.number == 1 for piece in pieces]
    assert tally.requests >= 1
    assert len(list((out / PARTS).iterdir())) == 1


def test_a_damaged_part_counts_as_not_done(ruleset, log, tmp_path):
    with open_ledger(tmp_path / "out", ruleset, [log], resume=False) as ledger:
        (piece,) = ledger.pieces()
        do_piece(ledger.work, piece)
        part = ledger.work.part(piece)
        os.truncate(part, part.stat().st_size // 2)
        assert ledger.tally_of(piece) is None
        part.write_bytes(b"")
        assert ledger.tally_of(piece) is None


def test_what_a_killed_run_left_unfinished_is_cleared(ruleset, log, tmp_path):
    out = tmp_path / "out"
    with open_ledger(out, ruleset, [log], resume=False):
        (out / PARTS / ".part-1.parquet.7.tmp").touch()
    with open_ledger(out, ruleset, [log], resume=True):
        assert list((out / PARTS).iterdir()) == []


def test_a_run_is_not_begun_over_another(ruleset, log, tmp_path):
    with open_ledger(tmp_path, ruleset, [log], resume=False):
        pass
    with pytest.raises(UsageError, match="RF163"), open_ledger(tmp_path, ruleset, [log], resume=False):
        pass


def damage(out: Path) -> None:
    (out / RUN_FILE).write_text("{")


def age(out: Path) -> None:
    run = msgspec.json.decode((out / RUN_FILE).read_bytes())
    (out / RUN_FILE).write_bytes(msgspec.json.encode(run | {"layout": 0}))


@pytest.mark.parametrize("change", [damage, age])
def test_a_run_that_cannot_be_understood_is_refused(ruleset, log, tmp_path, change: Callable[[Path], None]):
    out = tmp_path / "out"
    with open_ledger(out, ruleset, [log], resume=False):
        pass
    change(out)
    with pytest.raises(UsageError, match="RF164"), open_ledger(out, ruleset, [log], resume=True):
        pass


def test_a_run_with_other_rules_or_files_is_refused(ruleset, log, tmp_path):
    out = tmp_path / "out"
    with open_ledger(out, ruleset, [log], resume=False):
        pass
    fewer = RuleSet.of(ruleset.rules[:1])
    for rules, files in ((fewer, [log]), (ruleset, [log, log])):
        with pytest.raises(UsageError, match="RF164"), open_ledger(out, rules, files, resume=True):
            pass


def hold(out: Path, rules: RuleSet, log: Path, line) -> None:
    with open_ledger(out, rules, [log], resume=False):
        line.send("held")
        line.recv()


def test_two_processes_do_not_share_a_folder(ruleset, log, tmp_path):
    out = tmp_path / "out"
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    other = context.Process(target=hold, args=(out, ruleset, log, theirs))
    other.start()
    assert ours.recv() == "held"
    with pytest.raises(OutsideError, match="RF561"), open_ledger(out, ruleset, [log], resume=True):
        pass
    other.kill()  # the system takes the lock back
    other.join()
    with open_ledger(out, ruleset, [log], resume=True):
        pass


def test_a_folder_that_cannot_be_made_is_said(ruleset, log, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutsideError, match="RF502"), open_ledger(tmp_path / "file", ruleset, [log], resume=False):
        pass
