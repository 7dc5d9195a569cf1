"""The folder of a released rule: `rule.json`, `tests.yaml`, `evidence.json`, the same byte for byte each time."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ruleforge.cases.evidence import Case, Evidence
from ruleforge.engine.corpus import Corpus
from ruleforge.engine.reference import compile_rule
from ruleforge.events.formats.jsonl import request_to_json
from ruleforge.pipeline.forge import Forged, Ground
from ruleforge.pipeline.history import Revised, keep, put, revise, supersedes
from ruleforge.records.advisory import Advisory
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule
from ruleforge.validate.sensor import sensor_record

ROLES_MOST = 200  # requests whose role is told in evidence.json
PAPERS = ("rule.json", "tests.yaml", "evidence.json")
TESTS_PER_KIND = 3  # variants and near-misses kept of each kind; all of them are in evidence.json as counts

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_papers(forged: Forged, ground: Ground, folder: Path) -> Revised:
    """Write the three files of an accepted rule; each appears whole or not at all. What it supersedes is kept."""
    assert forged.best is not None
    assert forged.evidence is not None
    folder.mkdir(parents=True, exist_ok=True)
    revised = revise(forged.best.candidate.rule, folder)
    evidence = evidence_of(forged, ground) | supersedes(revised)
    _put(folder / "rule.json", render_json(revised.rule))
    _put(folder / "tests.yaml", tests_yaml(revised.rule, forged.evidence))
    _put(folder / "evidence.json", json.dumps(evidence, indent=2, ensure_ascii=False) + "\n")
    return revised


def remove_papers(folder: Path) -> int | None:
    """Remove a rule's files (its advisory is refused now); its history and other files of the folder stay.

    Returns:
        The revision that is kept in the history; None where there was no rule.
    """
    revision = keep(folder)
    for name in PAPERS:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return revision


def _put(path: Path, text: str) -> None:
    put(path, text.encode())


def tests_yaml(rule: Rule, evidence: Evidence) -> str:
    """Spell the rule's tests: exploits and variants to match, near-misses and other steps not to match."""
    ask = compile_rule(rule).ask
    tests = [_test(case, "match", f"exploit {case.view.request.id}") for case in evidence.exploits]
    for case in _few(evidence.variants):
        verdict = "match" if ask(case.view) is True else "todo_match"
        tests.append(_test(case, verdict, f"variant {case.kind} of exploit {case.poc + 1}"))
    for case in (*evidence.siblings, *_few(evidence.near_misses)):
        verdict = "no_match" if ask(case.view) is not True else "todo_no_match"
        tests.append(_test(case, verdict, f"{case.kind} {case.note or case.view.request.id}".strip()))
    text: str = yaml.dump(
        {"rule": rule.id, "tests": tests}, Dumper=_DUMPER, sort_keys=False, allow_unicode=False, width=110
    )
    return text


def _few(cases: tuple[Case, ...]) -> list[Case]:
    seen: dict[str, int] = {}
    kept = []
    for case in cases:
        seen[case.kind] = seen.get(case.kind, 0) + 1
        if seen[case.kind] <= TESTS_PER_KIND:
            kept.append(case)
    return kept


def _test(case: Case, verdict: str, name: str) -> dict[str, Any]:
    request = {key: value for key, value in request_to_json(case.view.request).items() if key != "source"}
    return {"name": name, "verdict": verdict, "request": request}


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
