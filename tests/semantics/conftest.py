"""The semantics table: cases of the rule language as data, read the way users' rules and requests are read."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ruleforge.events.formats.jsonl import read_jsonl
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

FILES = sorted(Path(__file__).parent.glob("*.json"))


class Case(NamedTuple):
    """One row of the table; `theme` is the name of its file."""

    theme: str
    id: str
    why: str
    when: dict[str, Any]
    request: dict[str, Any]
    expect: bool | None
    classes: dict[str, int] | None = None


# A key that is missing or not known fails here, so that no case is half read.
CASES = tuple(Case(file.stem, **row) for file in FILES for row in json.loads(file.read_text("utf-8")))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that takes a `case` all cases of the table."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=[f"{case.theme}-{case.id}" for case in CASES])


def read_rule(case: Case) -> Rule:
    """Parse the case's tree inside a minimal document."""
    document: dict[str, Any] = {"schema": 1, "id": "RF-SEMANTICS-1", "revision": 1, "title": case.id}
    document |= {"description": case.why, "severity": "info", "author": "table", "created": "2025-01-01"}
    document |= {"event": "http.request", "when": case.when}
    return parse_rule(document | ({"classes": case.classes} if case.classes else {})).require()


def read_request(case: Case) -> Request:
    """Read the request as a line of JSON; `target_parts` and `body_parts` ([text, times], …) write long texts short."""
    row = dict(case.request)
    for key in ("target", "body"):
        if (parts := row.pop(f"{key}_parts", None)) is not None:
            row[key] = "".join(text * times for text, times in parts)
    (request,) = read_jsonl(io.BytesIO(json.dumps(row).encode() + b"\n"), "table")
    assert isinstance(request, Request), request
    return request


@pytest.fixture(scope="session")
def cases() -> tuple[Case, ...]:
    """The whole table."""
    return CASES


@pytest.fixture(scope="session")
def table() -> tuple[tuple[Rule, Request, bool | None], ...]:
    """The whole table, read: rule, request, expected answer."""
    return tuple((read_rule(case), read_request(case), case.expect) for case in CASES)


@pytest.fixture
def rule(case: Case) -> Rule:
    """The rule of this case."""
    return read_rule(case)


@pytest.fixture
def sent(case: Case) -> Request:
    """The request of this case."""
    return read_request(case)
