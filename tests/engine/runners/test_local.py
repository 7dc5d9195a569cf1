import gzip
import multiprocessing
import os
import signal
import threading
from itertools import chain
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.runners import RUNNERS
from ruleforge.engine.runners.local import run_local
from ruleforge.engine.runners.pieces import Piece, cut, pin
from ruleforge.engine.runners.work import Work
from ruleforge.events.columns import to_batches
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request


def expected(ruleset, path: Path) -> list[tuple[str, str]]:
    """What one process says of the file as a whole: (id of the request, rule)."""
    compiled = CompiledSet(ruleset.rules)
    requests = [item for item in read_requests(path) if isinstance(item, Request)]
    return [(requests[hit.request_index].id, ruleset.rules[hit.rule_index].id) for hit in compiled.scan(requests)]


def unreadable(path: Path) -> int:
    return sum(not isinstance(item, Request) for item in read_requests(path))


def work_in(folder: Path, ruleset) -> Work:
    folder.mkdir(exist_ok=True)
    return Work(ruleset, str(folder), "key")


def hits_of(work: Work, pieces: list[Piece]) -> list[dict]:
    return list(chain.from_iterable(pq.read_table(work.part(piece)).to_pylist() for piece in pieces))


@pytest.fixture(scope="module")
def no_child_stays():
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.log"])
def test_pieces_on_two_processes_give_what_one_process_gives(ruleset, write_log, tmp_path, name, no_child_stays):
    log = write_log(name, 400)
    work, pieces = work_in(tmp_path / "parts", ruleset), list(cut([pin(log)], 4000))
    assert len(pieces) >= 5
    outcomes = list(run_local(work, iter(pieces), 2))
    hits = hits_of(work, pieces)
    assert [(hit["request"], hit["rule"]) for hit in hits] == expected(ruleset, log)
    assert len(hits) >= 50
    assert [hit["row"] for hit in hits] == sorted(hit["row"] for hit in hits)
    assert {hit["source"] for hit in hits} == {name}
    assert sum(outcome.tally.unreadable for outcome in outcomes) == unreadable(log) > 0
    undecided = sum(outcome.tally.undecidable.get("RF-CVE-2099-0003-1", 0) for outcome in outcomes)
    assert (undecided > 0) == (name == "a.log")  # an access log of that kind has no headers


def test_a_place_in_the_middle_of_a_log_is_named_by_its_line_in_the_file(ruleset, write_log, tmp_path, no_child_stays):
    log = write_log("a.jsonl", 300)
    work, pieces = work_in(tmp_path / "parts", ruleset), list(cut([pin(log)], 3000))
    problems = [text for outcome in run_local(work, iter(pieces), 1) for text in outcome.tally.problems]
    broken = [number for number, line in enumerate(log.read_bytes().split(b"\n"), 1) if line.startswith(b"broken")]
    assert sorted(int(text.split("a.jsonl:")[1].split()[0]) for text in problems) == broken
    assert len(broken) >= 5


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl.gz"])
def test_tables_and_packed_logs_give_the_same_hits(ruleset, write_log, tmp_path, name, no_child_stays):
    log = write_log("a.jsonl", 300)
    batches = list(to_batches((item for item in read_requests(log) if isinstance(item, Request)), 50))
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.Table.from_batches(batches), path, row_group_size=40)
    elif name == "a.arrow":
        with pa.ipc.new_file(path, batches[0].schema) as writer:
            list(map(writer.write_batch, batches))
    else:
        path.write_bytes(gzip.compress(log.read_bytes()))
    work, pieces = work_in(tmp_path / "parts", ruleset), list(cut([pin(path)], 1000))
    assert len(pieces) == 1 if name.endswith("gz") else len(pieces) >= 5
    list(run_local(work, iter(pieces), 2))
    hits = hits_of(work, pieces)
    given = [hit["rule"] for hit in hits]
    assert given == [rule for _, rule in expected(ruleset, log)]
    assert len({(hit["file"], hit["row"], hit["rule"]) for hit in hits}) == len(hits)


def test_a_file_that_cannot_be_read_is_counted_and_the_others_go_on(ruleset, write_log, tmp_path, no_child_stays):
    damaged, odd, empty = tmp_path / "damaged.gz", tmp_path / "odd", tmp_path / "empty.log"
    damaged.write_bytes(gzip.compress(b'{"target":"/"}\n' * 9)[:-9])
    odd.write_bytes(b"\x00\x01")
    empty.touch()
    files = [damaged, odd, tmp_path / "none", empty, write_log("a.jsonl", 20)]
    work, pieces = work_in(tmp_path / "parts", ruleset), list(cut(map(pin, files)))
    outcomes = sorted(run_local(work, iter(pieces), 2), key=lambda outcome: outcome.piece.number)
    assert [bool(outcome.tally.problems) for outcome in outcomes] == [True, True, True, False, True]
    assert [outcome.tally.unreadable_files for outcome in outcomes[1:]] == [1, 1, 0, 0]
    assert "RF501" in outcomes[2].tally.problems[0]
    assert outcomes[4].tally.requests >= 10


def kill_who_reads(fifo: Path, times: int) -> threading.Thread:
    """Kill the process that opens a pipe for reading, so many times: each is in the middle of its piece then."""

    def run() -> None:
        killed: set[int] = set()
        while len(killed) < times:
            descriptor = os.open(fifo, os.O_WRONLY)  # waits for a reader, which may be one that is still dying
            alive = {child.pid for child in multiprocessing.active_children() if child.pid} - killed
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            killed |= alive
            os.close(descriptor)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_piece_whose_process_dies_twice_is_given_up_and_the_others_are_done(ruleset, write_log, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    good = list(cut([pin(write_log("a.jsonl", 50))], 2000))
    later = [msgspec.structs.replace(piece, number=piece.number + 1) for piece in good]
    pieces = [Piece(0, str(fifo), "whole", 0, 1, 0, "jsonl"), *later]
    thread = kill_who_reads(fifo, 2)
    work = work_in(tmp_path / "parts", ruleset)
    outcomes = sorted(run_local(work, iter(pieces), 1), key=lambda outcome: outcome.piece.number)
    thread.join(10)
    assert outcomes[0].tally is None
    assert outcomes[0].problems == ("a process died (signal 9, Killed)",) * 2
    assert [outcome.tally is None for outcome in outcomes[1:]] == [False] * len(good)
    assert multiprocessing.active_children() == []


def test_a_piece_whose_process_dies_once_is_done_by_another(ruleset, tmp_path):
    fifo, log = tmp_path / "fifo", tmp_path / "log"
    os.mkfifo(fifo)
    log.write_bytes(b'{"target":"/attic/door.cgi"}\n')

    def run() -> None:
        kill_who_reads(fifo, 1).join(20)
        log.replace(fifo)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    piece = Piece(0, str(fifo), "whole", 0, 1, 0, "jsonl")
    (outcome,) = run_local(work_in(tmp_path / "parts", ruleset), iter([piece]), 1)
    thread.join(10)
    assert outcome.problems == ("a process died (signal 9, Killed)",)
    assert outcome.tally.hits == 1


def test_a_part_that_cannot_be_written_is_a_problem_and_no_crash(ruleset, write_log, tmp_path):
    work = Work(ruleset, str(tmp_path / "none"), "key")
    (outcome,) = run_local(work, cut([pin(write_log("a.jsonl", 5))]), 1)
    assert outcome.tally is None
    assert len(outcome.problems) == 2
    assert "FileNotFoundError" in outcome.problems[0]


def test_processes_end_when_the_caller_stops_asking(ruleset, write_log, tmp_path):
    outcomes = run_local(work_in(tmp_path / "parts", ruleset), cut([pin(write_log("a.jsonl", 300))], 1000), 2)
    next(outcomes)
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_runners_are_known_by_name():
    assert RUNNERS.names() == ("local", "spark")
