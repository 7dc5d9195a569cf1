"""The folder of a released rule: `rule.json`, `tests.yaml`, `evidence.json`, the same byte for byte each time."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.cases.evidence import Evidence
from ruleforge.engine.corpus import Corpus
from ruleforge.pipeline.forge import Forged, Ground
from ruleforge.pipeline.history import Revised, keep, put, revise, supersedes
from ruleforge.pipeline.rule_tests import check_kept, keep_tests, read_kept, write_tests
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import CheckResult
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule
from ruleforge.validate.sensor import sensor_record

ROLES_MOST = 200  # requests whose role is told in evidence.json
PAPERS = ("rule.json", "tests.yaml", "evidence.json")


def write_papers(forged: Forged, ground: Ground, folder: Path) -> tuple[Revised, str]:
    """Write the three files of an accepted rule; each appears whole or not at all. What it supersedes is kept.

    Returns:
        The rule with its revision, and what is wrong with the tests that a person added ("": nothing).
    """
    assert forged.best is not None
    assert forged.evidence is not None
    folder.mkdir(parents=True, exist_ok=True)
    revised = revise(forged.best.candidate.rule, folder)
    kept = read_kept(folder)
    found = check_kept(revised.rule, kept)
    evidence = evidence_of(forged, ground) | supersedes(revised)
    if found is not None:
        evidence["checks"].append(msgspec.to_builtins(found))
    _put(folder / "rule.json", render_json(revised.rule))
    write_tests(revised.rule, forged.evidence, kept, folder)
    _put(folder / "evidence.json", json.dumps(evidence, indent=2, ensure_ascii=False) + "\n")
    return revised, "" if found is None else _told(found)


def _told(found: CheckResult) -> str:
    if not found.failed:
        return found.detail
    return f"{found.failed} of {found.tried} tests that a person added fail: {found.detail}"


def remove_papers(folder: Path) -> int | None:
    """Remove a rule's files (its advisory is refused now); its history and other files of the folder stay.

    The tests that a person added go to the history, too, and come back with the next rule.

    Returns:
        The revision that is kept in the history; None where there was no rule.
    """
    revision = keep(folder)
    keep_tests(folder)
    for name in PAPERS:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return revision


def _put(path: Path, text: str) -> None:
    put(path, text.encode())


def evidence_of(forged: Forged, ground: Ground) -> dict[str, Any]:
    """Tell what speaks for the rule. No clock, no duration: the same run gives the same bytes."""
    best, advisory = forged.best, forged.advisory
    assert best is not None
    opinion = best.opinion
    rule = best.candidate.rule
    return {
        "rule": rule.id,
        "content_hash": content_hash(rule),
        "status": "validated",
        "sentence": render_sentence(rule),
        "advisory": {
            "id": advisory.id,
            "sources": [Path(source).name for source in advisory.sources],
            "digest": advisory.digest,
            "documents": _documents(forged),
        },
        "generator": {
            "strategy": best.candidate.strategy,
            "round": best.candidate.round,
            "arms": best.candidate.arms,
            "changes": list(best.candidate.changes),
            "candidates": forged.outcome.candidates,
            "rounds": forged.outcome.rounds,
            **_model(forged),
        },
        "conditions": [msgspec.to_builtins(condition) for condition in forged.conditions],
        "checks": [msgspec.to_builtins(result) for result in best.trial.results],
        "judge": None if opinion is None else msgspec.to_builtins(opinion),
        "roles": _roles(advisory),
        "against": {
            "background": ground.background.name,
            "corpus": _indexed(ground.corpus) if ground.corpus is not None else None,
            "benign": [_indexed(benign) for benign in ground.benign],
        },
        **_sensor(rule, forged.evidence),
        "approximations": list(advisory.problems)[:20],
    }  # fmt: skip


def _model(forged: Forged) -> dict[str, Any]:
    """What a model had to do with the rule. What it cost differs from run to run and stands in the outcome."""
    use, best = forged.outcome.model, forged.best
    if use is None or best is None:
        return {}
    told = {"wrote_this": best.draft is None, "provider": use.provider, "models": list(use.models)}
    return {"model": told | {"candidates": use.candidates, "passed": use.passed, "declined": list(use.declined)}}


def _sensor(rule: Rule, evidence: Evidence | None) -> dict[str, Any]:
    record = None if evidence is None else sensor_record(rule, evidence)
    return {} if record is None else {"sensor": record}


def _documents(forged: Forged) -> list[dict[str, Any]]:
    """Which of several documents the rule covers, and how many requests they agree on."""
    advisory, left = forged.advisory, {each.source: each for each in forged.left_out}
    if len(advisory.sources) < 2:
        return []
    own = Counter(poc.source for poc in advisory.requests if poc.role == "exploit")
    agreed = Counter(source for poc in advisory.requests for source in poc.agreed)
    return [
        {
            "name": Path(source).name,
            "exploits": left[ordinal].exploits if ordinal in left else own[ordinal],
            "requests_of_earlier_documents": agreed[ordinal],
            "covered": ordinal not in left,
            "why": left[ordinal].why if ordinal in left else "",
        }
        for ordinal, source in enumerate(advisory.sources)
    ]


def _indexed(corpus: Corpus) -> dict[str, Any]:
    """Name what was indexed, without the version of the code that did it, and count its requests."""
    return {"name": corpus.name.partition(" code ")[0].partition(" classes ")[0], "requests": len(corpus)}


def _roles(advisory: Advisory) -> list[dict[str, str]]:
    return [
        {"request": poc.request.id, "origin": poc.origin, "role": poc.role, "reason": poc.reason}
        for poc in advisory.requests[:ROLES_MOST]
    ]
