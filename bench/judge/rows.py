"""Rows of the pairs file: a rule, the vulnerability it is for, what its makers knew, and its labels."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from judge.ground import Ground
from judge.labels import Labels, Subject, label_all
from judge.split import Place, split
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.rules.canonical import canonical_json
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.tree import Rule

_YEAR = re.compile(r"CVE-([0-9]{4})-")


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for an advisory, before it is labelled."""

    rule: Rule
    advisory: str
    group: str  # "natural" | "constructed"
    origin: str
    strategy: str = ""
    round: int = 0
    tests_passed: bool | None = None
    gates: dict[str, bool | None] = {}
    confidence: float | None = None
    rank: int | None = None


def year_of(advisory: Advisory) -> int:
    """Return the year of the first CVE; 0 where none is named."""
    found = next((match for name in (*advisory.cves, advisory.id) if (match := _YEAR.match(name))), None)
    return int(found[1]) if found else 0


def pair_id(rule: Rule, advisory: str) -> str:
    """Return 16 hex digits that stand for the rule, without id and title, and the advisory."""
    bare = msgspec.structs.replace(rule, title="")
    document = {key: value for key, value in dump_rule(bare).items() if key not in ("id", "revision")}
    return hashlib.sha256(canonical_json(document) + b"\0" + advisory.encode()).hexdigest()[:16]


def places(advisories: Mapping[str, Advisory]) -> dict[str, Place]:
    """Place every advisory in a part; it depends on the templates alone, not on the rules that were made of them."""
    return split({name: (product_of(advisory), year_of(advisory)) for name, advisory in advisories.items()})


def make_rows(offered: Sequence[Offered], ground: Ground, sources: Mapping[str, str]) -> list[dict[str, Any]]:
    """Label what is offered; each (rule, advisory) once, the first one wins."""
    first: dict[str, Offered] = {}
    for one in offered:
        first.setdefault(pair_id(one.rule, one.advisory), one)
    kept = sorted(first.items(), key=lambda item: (item[1].advisory, item[0]))
    labels = label_all([Subject(one.rule, one.advisory) for _, one in kept], ground)
    where = places(ground.advisories)
    return [
        _row(pair, one, label, ground.advisories[one.advisory], sources[one.advisory], where[one.advisory])
        for (pair, one), label in zip(kept, labels, strict=True)
    ]


def _row(pair: str, one: Offered, labels: Labels, advisory: Advisory, source: str, place: Place) -> dict[str, Any]:
    return {
        "pair": pair, "advisory": advisory.id, "source": source, "cves": list(advisory.cves),
        "product": product_of(advisory), "year": year_of(advisory), "group": one.group, "origin": one.origin,
        "strategy": one.strategy, "round": one.round, "rule": dump_rule(one.rule), "tests_passed": one.tests_passed,
        "gates": one.gates, "confidence": one.confidence, "rank": one.rank, "miss": msgspec.to_builtins(labels.miss),
        "off": msgspec.to_builtins(labels.off), "part": place.part, "split": place.split,
    }  # fmt: skip


def any_defect(row: Mapping[str, Any]) -> bool | None:
    """True when either label is; None when both are unknown; else false (one false, the other false or unknown)."""
    both = (row["miss"]["label"], row["off"]["label"])
    return True if True in both else None if both == (None, None) else False


def known_defect(row: Mapping[str, Any]) -> bool | None:
    """Say whether a rule is bad where both labels could come out either way; else null.

    By what was tried, not by how it came out: a rule without an ordinary twin can be found off target by a stranger,
    but never be found on target, and counting it would lean one way.
    """
    miss, off = row["miss"], row["off"]
    if miss["label"] is None or not (off["near"][1] or off["neutral"][1]):
        return None
    return bool(miss["label"] or off["label"])


def write_rows(rows: Iterable[Mapping[str, Any]], file: Path) -> None:
    """Write rows as JSON lines, gzipped without a time, so that equal rows give equal bytes."""
    text = b"".join(json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n" for row in rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as stream:
        stream.write(text)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Read a pairs file."""
    with gzip.open(file, "rb") as stream:
        return [json.loads(line) for line in stream]


def frozen(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the seal of the test part: sha256 over the sorted (pair, labels), and the counts."""
    test = [row for row in rows if row["part"] == "test"]
    lines = sorted(json.dumps([row["pair"], row["miss"]["label"], row["off"]["label"]]) for row in test)
    counts: dict[str, int] = {}
    for row in test:
        for name in (row["group"], f"{row['group']} {row['split']}"):
            counts[name] = counts.get(name, 0) + 1
    return {
        "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "pairs": len(test),
        "advisories": len({row["advisory"] for row in test}),
        "natural_advisories": len({row["advisory"] for row in test if row["group"] == "natural"}),
        "counts": dict(sorted(counts.items())),
    }
