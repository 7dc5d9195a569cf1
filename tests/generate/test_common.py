"""What two documents about one flaw have in common becomes the rule; where they differ, it is general."""

import json
from pathlib import Path
from typing import Any

import pytest

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect
from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.common import REQUESTS_MOST, common_facets
from ruleforge.generate.facets import facets_of
from ruleforge.ingest.roles import assign_roles
from ruleforge.pipeline.documents import forge_documents
from ruleforge.pipeline.forge import Forged, Ground
from ruleforge.pipeline.merge import merge
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.render import render_sentence

CASES: list[dict[str, Any]] = [
    case for file in sorted((Path(__file__).parent / "pairs").glob("*.json")) for case in json.loads(file.read_text())
]
LATEST = {name: latest_version(name) for name in CLASSES}


def request(row: list[str]) -> Request:
    method, target, body = row
    kind = {"{": "application/json", "-": "multipart/form-data; boundary=b1"}.get(body[:1], "")
    form = "application/x-www-form-urlencoded" if "=" in body and not body.startswith("<") else "text/plain"
    headers = ((b"Host", b"shop.example"), *(((b"Content-Type", (kind or form).encode()),) if body else ()))
    return Request(method=method.encode(), target=target.encode(), headers=headers, body=body.encode())


def document(name: str, rows: list[list[str]], tags: list[str]) -> Advisory:
    requests = tuple(PocRequest(request=request(row), step=number) for number, row in enumerate(rows))
    return assign_roles(
        Advisory(id="CVE-2099-4000", sources=(name,), cves=("CVE-2099-4000",), tags=tuple(tags), requests=requests,
                 digest=name)
    )  # fmt: skip


def forged(case: dict[str, Any]) -> Forged:
    documents = [document(name, case[name], case["tags"]) for name in ("one", "two")]
    merged = merge(documents)
    assert {poc.role for poc in merged.requests} == {"exploit"}
    return forge_documents(merged, documents, Ground(default_background()))


def test_pairs_were_found() -> None:
    assert len(CASES) >= 12
    assert all(case["hit"] and case["silent"] for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_rule_of_two_documents_hits_what_a_third_author_sends_and_no_ordinary_use(case: dict[str, Any]) -> None:
    result = forged(case)
    assert result.best is not None, result.outcome
    assert result.left_out == ()
    rule = result.best.candidate.rule
    ask = compile_rule(rule).ask
    said = render_sentence(rule)
    for row in (*case["one"], *case["two"], *case["hit"]):
        assert ask(HttpView(request(row))) is True, (row, said)
    for row in case["silent"]:
        assert ask(HttpView(request(row))) is not True, (row, said)


def test_one_document_shares_nothing_with_itself() -> None:
    advisory = document("one", [row for case in CASES for row in case["one"]], ["sqli"])
    exploits = [dissect(poc) for poc in advisory.requests]
    own = [facets_of(anatomy, advisory, default_background()) for anatomy in exploits]
    assert common_facets(exploits, own, default_background(), LATEST) == [()] * len(exploits)


def test_only_so_many_requests_are_compared() -> None:
    rows = [["GET", f"/wrensong/v{number}/deep/list?q=1'%20OR%20'1'='1", ""] for number in range(40)]
    documents = [document("one", rows[:20], ["sqli"]), document("two", rows[20:], ["sqli"])]
    merged = merge(documents)
    exploits = [dissect(poc) for poc in merged.requests]
    own = [facets_of(anatomy, merged, default_background()) for anatomy in exploits]
    shared = common_facets(exploits, own, default_background(), LATEST)
    assert len(shared) == 40
    assert any(shared[:REQUESTS_MOST])
    assert not any(shared[REQUESTS_MOST:])
