"""Labelled pairs of our own: rules about products that do not exist, labels drawn from a fixed seed."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.app.judging.pairs import Pair

CANDIDATES = (("shipped", "endpoint_payload"), ("passed", "endpoint_any_parameter"), ("rejected", "payload_anywhere"))


def rule_document(number: int, conditions: int) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"field": "path", "op": "path_suffix", "value": f"/fruit{number}/press.php"}]
    parts += [{"field": "args", "name": f"crate{at}", "op": "contains", "value": "../"} for at in range(conditions - 1)]
    return {"schema": 1, "id": f"RF-CVE-2099-{number:04}-1", "when": {"all": parts}}


def pair_row(number: int, origin: str, *, key: int, **keys: Any) -> dict[str, Any]:
    """One line of a file of pairs; `keys` replace what it says."""
    group = "natural" if origin in ("shipped", "passed", "rejected", "crowdsec") else "constructed"
    row = {
        "pair": f"{number * 100 + key:016x}",
        "advisory": f"CVE-2099-{number:04}",
        "source": f"CVE-2099-{number:04}.yaml",
        "cves": [f"CVE-2099-{number:04}"],
        "product": f"orchard press{number}",
        "year": 2099,
        "group": group,
        "origin": origin,
        "strategy": "",
        "round": 0,
        "rule": rule_document(number, 2),
        "tests_passed": origin != "rejected",
        "gates": {"benign_traffic": True, "replay": origin != "rejected"},
        "confidence": 0.8,
        "miss": {"label": False, "independent": [0, 1], "oracle": [0, 9], "why": ""},
        "off": {"label": False, "near": [0, 4], "neutral": [0, 2], "why": ""},
        "part": "train",
        "split": "train",
    }
    return row | keys


def pair_of(row: dict[str, Any]) -> Pair:
    return msgspec.convert(row, Pair)


def invented(advisories: int, seed: int = 7) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Pairs of that many advisories, and answers of a judge that is calibrated and right more often than not."""
    chance = random.Random(seed)
    rows: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for number in range(advisories):
        split = ("train", "product", "date")[number % 3]
        origins = [*CANDIDATES, ("path_only", ""), ("exact_literal", "")]
        for key, (origin, strategy) in enumerate(origins):
            p_miss, p_off = chance.betavariate(0.5, 2.0), chance.betavariate(0.4, 3.0)
            labels = chance.random() < p_miss, chance.random() < p_off
            keys = {"part": "train" if split == "train" else "test", "split": split, "strategy": strategy}
            if origin in ("shipped", "passed"):
                keys["rank"] = key
            miss, off = ({"label": label} for label in labels)
            off |= {"near": [0, 4 * (number % 5 > 0)]}  # for every fifth no harmless twin could be made
            rule = rule_document(number, 2 + (chance.random() < 0.5))
            rows.append(pair_row(number, origin, key=key, miss=miss, off=off, rule=rule, **keys))
            mode = "block" if max(p_miss, p_off) < 0.1 else "count" if max(p_miss, p_off) < 0.4 else "review"
            apart = {"apart_miss": (p_miss + 0.2) / 1.2, "apart_off": (p_off + 0.1) / 1.1}
            answers.append({"pair": rows[-1]["pair"], "p_miss": p_miss, "p_off": p_off, "mode": mode} | apart)
    return rows, answers


@pytest.fixture
def put_lines(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as JSON lines; texts as they are; packed where the name ends so."""

    def put(rows: list[Any], name: str = "pairs.jsonl.gz") -> Path:
        text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        file = tmp_path / name
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return file

    return put
