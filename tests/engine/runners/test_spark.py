"""The same answers from Spark, at rest and streaming. Real Spark, on this machine only."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ruleforge.engine.batches import make_batch_matcher
from ruleforge.engine.runners import COUNTERS, RUNNERS
from ruleforge.engine.runners.pieces import cut, pin
from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.engine.runners.streams import committed_files
from ruleforge.engine.runners.work import Work
from ruleforge.errors import UsageError
from ruleforge.events.columns import to_batch, to_batches
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.parse import parse_rule

pytest.importorskip("pyspark", reason="needs PySpark: pip install 'ruleforge[spark]'")
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None and "JAVA_HOME" not in os.environ, reason="needs Java 17 or newer"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
STREAM = """
import sys
import msgspec
from ruleforge.engine.runners import frames, spark, streams
from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.rules.parse import parse_rule

kind, source, rules, out, checkpoint = sys.argv[1:]
session = spark.spark_session(2)
ruleset = RuleSet.of([parse_rule(each).require() for each in msgspec.json.decode(open(rules, "rb").read())])
if kind == "parquet":
    results = frames.scan_frame(frames.parquet_stream(session, source, 1), ruleset)
else:
    results = frames.scan_lines(frames.text_stream(session, source, 1), ruleset)
print("started", flush=True)
streams.start_stream(results, out, checkpoint, once=True).awaitTermination()
"""


@pytest.fixture(scope="module")
def spark() -> Iterator:
    from ruleforge.engine.runners.spark import spark_session

    session = spark_session(2, {"spark.sql.shuffle.partitions": "2"})
    yield session
    session.stop()


def requests_of(path: Path) -> list[Request]:
    return [item for item in read_requests(path) if isinstance(item, Request)]


def expected(ruleset, requests: list[Request]) -> list[tuple[str, str]]:
    """(id, rule) of every hit, sorted."""
    found = []
    for batch in to_batches(requests):
        matches = make_batch_matcher(ruleset.rules).match(batch)
        ids = batch.column("id").to_pylist()
        found += [(ids[row], ruleset.rules[rule].id) for row, rule in zip(matches.rows, matches.rules, strict=True)]
    return sorted(found)


def of_kind(rows: list, kind: str) -> list:
    return [row for row in rows if row["kind"] == kind]


def named(rows: list) -> list[tuple[str, str]]:
    return sorted((row["request"], row["rule"]) for row in of_kind(rows, "hit"))


def counted(rows: list, kind: str) -> int:
    return sum(row["count"] for row in of_kind(rows, kind))


def test_spark_writes_the_parts_that_processes_write(spark, ruleset, write_log, tmp_path):
    log = write_log("a.jsonl", 300)
    pieces = list(cut([pin(log)], 8000))
    assert len(pieces) >= 3
    works = {}
    for name in RUNNERS:
        works[name] = Work(ruleset, str(tmp_path / name), "key")
        (tmp_path / name).mkdir()
        outcomes = list(RUNNERS[name](works[name], iter(pieces), 2))
        works[name, "tally"] = sorted((outcome.piece.number, outcome.tally) for outcome in outcomes)
    assert works["local", "tally"] == works["spark", "tally"]
    for piece in pieces:
        assert pq.read_table(works["local"].part(piece)).equals(pq.read_table(works["spark"].part(piece)))


def test_a_frame_of_parquet_files_gives_the_same_hits_and_knows_what_each_file_records(spark, ruleset, tmp_path):
    from ruleforge.engine.runners.frames import parquet_frame, scan_frame

    base = [
        Request(method=b"GET", target=b"/attic/door.cgi", id=f"{n}", headers=((b"X-Key", b"1"),)) for n in range(50)
    ]
    base += [Request(method=b"GET", target=b"/porch/a", id=f"p{n}", headers=((b"A", b"1"),)) for n in range(5)]
    few = [msgspec.structs.replace(each, id=f"few{each.id}", recorded_headers=frozenset({b"a"})) for each in base]
    for name, requests in (("all", base), ("few", few)):
        pq.write_table(pa.Table.from_batches([to_batch(requests)]), tmp_path / f"{name}.parquet", row_group_size=20)
    rows = scan_frame(parquet_frame(spark, str(tmp_path)), ruleset).collect()
    assert named(rows) == expected(ruleset, base + few)
    assert counted(rows, "requests") == 110
    undecided = {(Path(row["file"]).name, row["rule"]): row["count"] for row in of_kind(rows, "undecided")}
    assert undecided == {("few.parquet", "RF-CVE-2099-0003-1"): 5}
    assert len({(row["file"], row["row"], row["rule"]) for row in of_kind(rows, "hit")}) == 100


def test_a_frame_of_ones_own_says_what_is_recorded_in_a_column(spark, ruleset):
    from ruleforge.engine.runners.frames import request_schema, scan_frame

    row = {"id": "1", "method": b"GET", "target": b"/porch/a", "headers": [(b"A", b"1")], "unrecorded": 0}
    names = request_schema().names
    rows = [{**row, "recorded_headers": names_} for names_ in ([b"a"], None, [b"x-key"])]
    frame = spark.createDataFrame([tuple(each.get(name) for name in names) for each in rows], request_schema())
    results = scan_frame(frame.coalesce(1), ruleset).collect()
    assert counted(results, "requests") == 3
    assert counted(results, "undecided") == 1


def test_messages_of_kafka_are_named_by_topic_partition_and_offset(spark, ruleset):
    """The connector is not part of PySpark: the messages here have its columns, and the rest is what runs with it."""
    from ruleforge.engine.runners.frames import kafka_lines, scan_lines

    values = [b'{"target":"/attic/door.cgi","method":"GET"}', b"broken", None, b'{\n"target":\n"/garden"}',
              b'{"target":"/attic/door.cgi","id":"own"}']  # fmt: skip
    messages = [(None, value, "web", 3, offset) for offset, value in enumerate(values)]
    schema = "key binary, value binary, topic string, partition int, offset bigint"
    rows = scan_lines(kafka_lines(spark.createDataFrame(messages, schema)), ruleset).collect()
    assert named(rows) == [("3:0", "RF-CVE-2099-0001-1"), ("own", "RF-CVE-2099-0001-1")]
    assert {(row["file"], row["row"]) for row in of_kind(rows, "hit")} == {("web/3", 0), ("web/3", 4)}
    assert (counted(rows, "requests"), counted(rows, "unreadable")) == (3, 1)


def test_a_missing_connector_is_said(spark):
    from ruleforge.engine.runners.frames import kafka_stream

    with pytest.raises(UsageError, match="RF165"):
        kafka_stream(spark, {"kafka.bootstrap.servers": "127.0.0.1:9", "subscribe": "web"})


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_stream_that_is_killed_and_started_again_loses_nothing_and_writes_nothing_twice(ruleset, tmp_path, kind):
    folders = {name: tmp_path / name for name in ("in", "out", "checkpoint")}
    folders["in"].mkdir()
    rules = tmp_path / "rules.json"
    rules.write_bytes(msgspec.json.encode([dump_rule(rule) for rule in ruleset.rules]))
    wanted = []
    for file in range(8):
        wanted += feed(folders["in"], kind, file)
    command = [
        sys.executable,
        "-c",
        STREAM,
        kind,
        str(folders["in"]),
        str(rules),
        str(folders["out"]),
        str(folders["checkpoint"]),
    ]
    random_ = random.Random(kind)
    for kill_after in (random_.randrange(1, 3), random_.randrange(4, 6)):
        run = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_batches(run, folders["checkpoint"], kill_after)
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(random_.random() * 0.3)
        os.killpg(run.pid, signal.SIGKILL)  # driver, Java and the Python of the executors
        run.wait()
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    files = committed_files(folders["out"])
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert sorted((row["request"]) for row in of_kind(rows, "hit")) == sorted(wanted)
    assert len(wanted) == 8 * 20
    assert counted(rows, "requests") == 8 * 40


def feed(folder: Path, kind: str, file: int) -> list[str]:
    """Put 40 requests into a stream's folder; return the ids of those that are hit."""
    ids = [f"{file}-{number}" for number in range(40)]
    targets = [b"/attic/door.cgi" if number % 2 else b"/garden" for number in range(40)]
    unfinished = folder.parent / "next"
    if kind == "parquet":
        requests = [Request(method=b"GET", target=target, id=id_) for id_, target in zip(ids, targets, strict=True)]
        pq.write_table(pa.Table.from_batches([to_batch(requests)]), unfinished)
    else:
        rows = [{"id": id_, "method": "GET", "target": target.decode(), "headers": [], "body": ""}
                for id_, target in zip(ids, targets, strict=True)]  # fmt: skip
        unfinished.write_text("\n".join(map(json.dumps, rows)) + "\n")
    unfinished.rename(folder / f"{file}.{kind}")
    return ids[1::2]


def wait_for_batches(run: subprocess.Popen[bytes], checkpoint: Path, count: int) -> None:
    """Wait until so many batches were begun."""
    while run.poll() is None and not (checkpoint / "offsets" / str(count)).exists():
        time.sleep(0.01)


def test_rules_that_count_come_to_the_same_alerts_on_spark(spark, ruleset, write_log, tmp_path):
    counting = [
        parse_rule({"schema": 1, "id": f"RF-COUNT-{n}", "title": "t", "event": "http.request", "when": root}).require()
        for n, root in enumerate(COUNTS)
    ]
    both = RuleSet.of(ruleset.rules, counting)
    logs = [write_log(f"{name}.jsonl", 200, seed) for seed, name in enumerate("ab")]
    pieces = list(cut([pin(log) for log in logs], 6000))
    found = {}
    for name in RUNNERS:
        work = Work(both, str(tmp_path / name / "hits"), "key")
        (tmp_path / name / "hits").mkdir(parents=True)
        assert all(outcome.tally for outcome in RUNNERS[name](work, iter(pieces), 2))
        found[name] = COUNTERS[name]([work.seen(piece) for piece in pieces], counting)
    assert found["spark"].alerts == found["local"].alerts
    assert {alert.rule for alert in found["local"].alerts} == {"RF-COUNT-0", "RF-COUNT-1"}
    assert found["spark"].tally == found["local"].tally


def test_a_frame_is_counted_by_key(spark, ruleset, tmp_path):
    from ruleforge.engine.runners.counting import heard
    from ruleforge.engine.runners.frames import alerts_frame, parquet_frame, parquet_stream, seen_frame

    rule = parse_rule({"schema": 1, "id": "RF-COUNT", "title": "t", "event": "http.request", "when": COUNTS[0]})
    both = RuleSet.of(ruleset.rules, [rule.require()])
    requests = [
        Request(method=b"GET", target=b"/cellar", id=f"r{n}", time=f"2099-01-02T03:04:{n:02}Z",
                source_address=b"192.0.2.%d" % (n % 2))
        for n in range(12)
    ]  # fmt: skip
    random.Random(3).shuffle(requests)
    for name, some in (("a", requests[:7]), ("b", requests[7:])):
        pq.write_table(pa.Table.from_batches([to_batch(some)]), tmp_path / f"{name}.parquet", row_group_size=3)
    seen = seen_frame(parquet_frame(spark, str(tmp_path)), both)
    reached = heard((row.kind, bytes(row.data)) for row in alerts_frame(seen, both).collect())
    assert [(alert.key, alert.count, alert.last) for alert in reached.alerts] == [
        ((("source.address", b"192.0.2.0"),), 4, "r6"),
        ((("source.address", b"192.0.2.1"),), 4, "r7"),
    ]
    with pytest.raises(UsageError, match="RF169"):
        alerts_frame(seen_frame(parquet_stream(spark, str(tmp_path)), both), both)


COUNTS = (
    {"count": {"when": {"field": "path", "op": "path_suffix", "value": "/cellar"}, "by": ["source.address"],
               "within": "20s", "at_least": 4}},
    {"sequence": [{"field": "path", "op": "path_suffix", "value": "/cellar"},
                  {"field": "path", "op": "path_suffix", "value": "/attic/door.cgi"}],
     "by": ["source.address"], "within": "10s"},
)  # fmt: skip
