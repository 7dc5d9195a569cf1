"""From rules to offered pairs: what is kept of the loop's attempts, others' rules, and folders of forged rules."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from ruleforge.records.advisory import Advisory

ROOT = Path(__file__).resolve().parents[2]
RULE = {
    "schema": 1,
    "id": "RF-CVE-2099-0001-1",
    "event": "http.request",
    "when": {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"},
}


@pytest.fixture(scope="module")
def judge() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import judge.candidates
        import judge.given
        import judge.label_rules
        import judge.others

        yield judge
    finally:
        sys.path.remove(str(ROOT / "bench"))


def tried(judge: ModuleType, origin: str, number: int) -> Any:
    return judge.candidates.Tried(
        origin=origin, strategy="s", round=0, rule=RULE, meaning=f"{origin} {number}", passed=origin != "rejected",
        gates={}, confidence=0.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("passed", "rejected", "wanted"),
    [(9, 9, "sppprrrr"), (1, 9, "sprrrrrr"), (9, 1, "sppppppr"), (0, 2, "srr"), (3, 0, "sppp")],
)
def test_the_shipped_rule_stays_and_those_that_failed_get_their_share(
    judge: ModuleType, passed: int, rejected: int, wanted: str
) -> None:
    tries = [tried(judge, "shipped", 0)]
    tries += [tried(judge, "passed", n) for n in range(passed)] + [tried(judge, "rejected", n) for n in range(rejected)]
    kept = judge.candidates.bounded(tries, 8)
    assert "".join(each.origin[0] for each in kept) == wanted


def test_a_file_that_is_half_written_is_read_up_to_there(judge: ModuleType, tmp_path: Path) -> None:
    tries = judge.candidates.Tries(
        advisory="CVE-2099-0001", source="a.yaml", outcome="rule", made=1, attempts=(tried(judge, "shipped", 0),)
    )
    line = msgspec.json.encode(tries)
    file = tmp_path / "tries.jsonl"
    file.write_bytes(line + b"\n" + line[:50])
    assert judge.candidates.read_tries(file) == [tries]
    assert judge.candidates.read_tries(tmp_path / "none.jsonl") == []


def test_what_the_gates_said_is_kept(judge: ModuleType, tmp_path: Path) -> None:
    from ruleforge.rules.parse import parse_rule

    rule = parse_rule(RULE).require()
    file = tmp_path / "gates.jsonl"
    assert judge.given.Gates(file).of(rule, "CVE-2099-0001") is None
    said = judge.given.Gated(False, {"near_misses": False, "variants": None})
    file.write_bytes(msgspec.json.encode((judge.rows.pair_id(rule, "CVE-2099-0001"), said)) + b"\n")
    gates = judge.given.Gates(file)
    assert gates.of(rule, "CVE-2099-0001") == said
    assert gates.of(rule, "CVE-2099-0002") is None


def test_forged_folders_give_the_rules_of_known_advisories(judge: ModuleType, tmp_path: Path) -> None:
    for name in ("CVE-2099-0001", "CVE-2099-0002"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rule.json").write_text(json.dumps(RULE))
    papers = {
        "advisory": {"id": "CVE-2099-0001"},
        "checks": [{"check": "replay", "passed": True}, {"check": "near_misses", "passed": None}],
        "generator": {"strategy": "endpoint_literal", "round": 2},
    }
    (tmp_path / "CVE-2099-0001" / "evidence.json").write_text(json.dumps(papers))
    ground = judge.ground.Ground({"CVE-2099-0001": None}, {}, {}, (), ())
    (offered,) = judge.label_rules.forged(tmp_path, ground)
    assert (offered.advisory, offered.origin, offered.strategy, offered.round) == (
        "CVE-2099-0001", "shipped", "endpoint_literal", 2,
    )  # fmt: skip
    assert offered.tests_passed is True
    assert offered.gates == {"replay": True, "near_misses": None}


def test_rules_of_others_are_read_where_there_is_an_advisory_of_the_same_cve(judge: ModuleType, tmp_path: Path) -> None:
    patch = (
        "name: orchard/vpatch-CVE-2099-0001\nrules:\n  - and:\n    - zones: [URI]\n      transform: [lowercase]\n"
        "      match: {type: contains, value: /fruit/press}\n    - zones: [ARGS]\n      variables: [crate]\n"
        "      match: {type: contains, value: ..}\nlabels:\n  classification: [cve.CVE-2099-0001]\n"
    )
    (tmp_path / "appsec-rules__a.yaml").write_text(patch)
    (tmp_path / "appsec-rules__b.yaml").write_text(patch.replace("0001", "0002"))
    (tmp_path / "appsec-rules__c.yaml").write_text("rules: [")
    advisory = Advisory(id="CVE-2099-0001", sources=("x.yaml",), cves=("CVE-2099-0001",))
    (found,) = judge.others.read_crowdsec(tmp_path, [advisory])
    assert found.advisory == "CVE-2099-0001"
    assert found.rule.cves == ("CVE-2099-0001",)
    assert found.losses == ()
