"""Invented rules and traffic, small enough that a run takes no time and large enough to be cut."""

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.rules.parse import parse_rule

WHENS = (
    {"field": "path", "op": "path_suffix", "value": "/attic/door.cgi"},
    {"all": [{"field": "path", "op": "path_suffix", "value": "/cellar"}, {"field": "args", "op": "present"}]},
    {
        "all": [
            {"field": "path", "op": "contains", "value": "/porch/"},
            {"field": "headers", "name": "x-key", "op": "present"},
        ]
    },
)
TARGETS = (
    "/",
    "/garden",
    "/house/attic/door.cgi?x=1",
    "/cellar?key=%2e%2e",
    "/cellar",
    "/porch/step",
    "/%61ttic/door.cgi",
)


@pytest.fixture(scope="session")
def ruleset() -> RuleSet:
    """Three rules: one on the path, one on arguments, one that logs without headers cannot decide."""
    documents = [
        {"schema": 1, "id": f"RF-CVE-2099-{number:04}-1", "title": "t", "event": "http.request", "when": when,
         "cves": [f"CVE-2099-{number:04}"]}
        for number, when in enumerate(WHENS, 1)
    ]  # fmt: skip
    return RuleSet.of([parse_rule(document).require() for document in documents])


def json_line(random_: random.Random, number: int) -> bytes:
    row = {
        "method": "GET",
        "target": random_.choice(TARGETS),
        "headers": [["X-Key", "1"]] if random_.random() < 0.3 else [],
        "body": "",
        "src_ip": f"192.0.2.{random_.randrange(4)}",
        "ts": f"2099-01-02T03:04:{number % 60:02}Z",
    }
    if random_.random() < 0.3:
        row["id"] = f"given-{number}"
    return msgspec.json.encode(row)


def combined_line(random_: random.Random, _number: int) -> bytes:
    target = random_.choice(TARGETS)
    return f'198.51.100.{random_.randrange(4)} - - [02/Jan/2099:03:04:05 +0000] "GET {target} HTTP/1.1" 200 5'.encode()


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    """Write a log: some lines are blank or broken, and the last one may lack its end."""

    def write(name: str, rows: int, seed: int = 0) -> Path:
        random_ = random.Random(seed)
        make = json_line if name.endswith("jsonl") else combined_line
        lines = [make(random_, 0)]
        for number in range(1, rows):
            fate = random_.random()
            lines.append(b"" if fate < 0.05 else b"broken \xff" if fate < 0.1 else make(random_, number))
        path = tmp_path / name
        path.write_bytes(b"\n".join(lines) + b"\n" * random_.randrange(2))
        return path

    return write
