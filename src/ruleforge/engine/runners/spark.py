"""Pieces of work on Spark: executors that share a file system with the driver write the same part files."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ruleforge.engine.runners.counting import Reached, gathered, heard
from ruleforge.engine.runners.pieces import Piece
from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.engine.runners.work import BATCH_ROWS, Outcome, Tally, Work, do_piece
from ruleforge.errors import OutsideError, UsageError
from ruleforge.rules.tree import Rule

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

TRIES = 2
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.log.level": "ERROR",
}


def spark_session(jobs: int = 2, settings: dict[str, str] | None = None) -> "SparkSession":
    """Return the session of this process: the one that is there, what spark-submit says, or one of this machine.

    Args:
        jobs: tasks at a time, where no cluster is named.
        settings: of Spark, beside those that a scan needs.

    Raises:
        UsageError: PySpark is not installed (RF160).
        OutsideError: Spark does not start, as without Java (RF560).
    """
    try:
        from pyspark import SparkConf
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        hint = "pip install 'ruleforge[spark]', and Java 17 or newer"
        raise UsageError("PySpark is not installed", hint=hint, code="RF160") from error
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # executors of this machine run what we run
    try:
        conf = SparkConf()
        if not conf.contains("spark.master"):
            conf.setMaster(f"local[{jobs},{TRIES}]").set("spark.driver.host", "127.0.0.1")
            conf.set("spark.driver.bindAddress", "127.0.0.1")
        for name, value in (SETTINGS | (settings or {})).items():
            conf.setIfMissing(name, value)
        return SparkSession.builder.appName("ruleforge").config(conf=conf).getOrCreate()
    except (PySparkException, OSError) as error:
        hint = "Java 17 or newer must be on the path, or JAVA_HOME name it"
        raise OutsideError(f"Spark does not start: {error}"[:300], hint=hint, code="RF560") from error


def run_spark(work: Work, pieces: Iterator[Piece], jobs: int) -> Iterator[Outcome]:
    """Do `pieces` on Spark, one task each; yield what became of them when all are done.

    The inputs and the folder of parts must have the same paths everywhere. A task that fails is tried once more; when
    it fails again Spark gives the job up, and the parts that are in place stay.

    Raises:
        UsageError: PySpark is not installed (RF160).
        OutsideError: Spark does not start, or gave up (RF560).
    """
    todo = list(pieces)
    if not todo:
        return
    spark = spark_session(jobs)
    from pyspark.errors import PySparkException

    shared = spark.sparkContext.broadcast(work)

    def do_all(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        return done_of(shared.value, batches)

    rows = [(piece.number, bytearray(msgspec.json.encode(piece))) for piece in todo]
    tasks = spark.sparkContext.parallelize(rows, min(len(rows), MOST_TASKS))
    frame = spark.createDataFrame(tasks, "number int, piece binary").mapInArrow(do_all, "number int, tally binary")
    try:
        tallies = {row.number: msgspec.json.decode(bytes(row.tally), type=Tally) for row in frame.collect()}
    except PySparkException as error:
        hint = "go on with --resume: what was done stays"
        raise OutsideError(f"Spark gave up: {_reason(error)}", hint=hint, code="RF560") from error
    finally:
        shared.destroy()
    for piece in todo:
        yield Outcome(piece, tallies.get(piece.number))


def count_spark(files: Sequence[Path], rules: Sequence[Rule]) -> Reached:
    """Count on Spark what pieces left in files: each shard of keys is one task.

    Raises:
        OutsideError: Spark does not start, or gave up (RF560).
    """
    if not files:
        return gathered(())
    from ruleforge.engine.runners.frames import alerts_frame, seen_schema

    spark = spark_session()
    from pyspark.errors import PySparkException

    try:
        seen = spark.read.schema(seen_schema()).parquet(*(path.absolute().as_uri() for path in files))
        rows = alerts_frame(seen, RuleSet((), "", tuple(rules))).collect()
    except PySparkException as error:
        hint = "go on with --resume: what was done stays"
        raise OutsideError(f"Spark gave up: {_reason(error)}", hint=hint, code="RF560") from error
    return heard((row.kind, bytes(row.data)) for row in rows)


MOST_TASKS = 10_000  # with more pieces a task does several


def done_of(work: Work, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Do the pieces of `batches`; yield their counts. This is what an executor runs."""
    import pyarrow as pa

    for batch in batches:
        for row in batch.to_pylist():
            tally = do_piece(work, msgspec.json.decode(row["piece"], type=Piece))
            yield pa.RecordBatch.from_pydict(
                {"number": pa.array([row["number"]], pa.int32()), "tally": [msgspec.json.encode(tally)]}
            )


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "Exception" in line]
    return (told or lines or ["no reason given"])[-1][:300]
