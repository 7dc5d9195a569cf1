"""Labelled rules for reading by eye or by a model: a seeded choice, one rule of an advisory."""

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

Row = Mapping[str, Any]


def read_part(file: Path, part: str) -> list[dict[str, Any]]:
    """Read the natural rules of one part, "train" or "test", that our own generator made."""
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        rows = [json.loads(line) for line in lines]
    own = [row for row in rows if row["part"] == part and row["group"] == "natural" and row["origin"] != "crowdsec"]
    return sorted(own, key=lambda row: str(row["pair"]))


def is_bad(row: Row) -> bool | None:
    """Whether either label is true; None where neither is known."""
    known = [row[kind]["label"] for kind in ("miss", "off") if row[kind]["label"] is not None]
    return any(known) if known else None


def choose(rows: Sequence[Row], count: int, seed: str, wanted: Callable[[Row], bool]) -> list[Row]:
    """Choose `count` rows at most, one of an advisory, in an order that depends on `seed` and their names only."""
    chosen: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: hashlib.sha256(f"{seed} {row['pair']}".encode()).digest()):
        if len(chosen) < count and row["advisory"] not in chosen and wanted(row):
            chosen[row["advisory"]] = row
    return list(chosen.values())


def rule_of(row: Row) -> Rule:
    """The rule of a row."""
    return parse_rule({"schema": 1, "id": "RF-JUDGED-1"} | row["rule"]).require()


def advisory_of(row: Row, templates: Path) -> Advisory:
    """What was disclosed, as the judge is given it."""
    found = read_advisory(templates / row["source"])
    if not isinstance(found, Advisory):
        raise found
    return assign_roles(found)
