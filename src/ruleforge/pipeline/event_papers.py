"""The folder of a rule that the agent made: `rule.json`, `tests.yaml`, `evidence.json`, and the trace of every step."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.engine.event_watch import ask_stream
from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.formats.jsonl import request_to_json
from ruleforge.events.origin import written
from ruleforge.events.reading import Element
from ruleforge.pipeline.event_bench import Bench, Contender
from ruleforge.pipeline.event_tests import needs_events, read_event_tests
from ruleforge.pipeline.history import HISTORY, Revised, put, revise, supersedes
from ruleforge.pipeline.rule_tests import TESTS, dump_tests, forged_test, read_kept, read_tests
from ruleforge.records.event_case import CaseRun, Example, Item, Step
from ruleforge.records.forging import CheckResult
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule
from ruleforge.validate.event_checks import near_misses_asked, variants_asked

TRACE = "trace.ndjson"
TESTS_OF_KIND = 2  # variants and near-misses of each kind that become tests
TEST_EVENTS_MOST = 300  # of one test; a longer stream is counted in evidence.json and not written out
TRACE_MOST = 4 << 20  # bytes


def write_trace(run: CaseRun, bench: Bench, folder: Path) -> None:
    """Write what was done, step by step, and how it ended: one JSON document a line, without a clock."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"trace": 1, "case": bench.case.id, "event": bench.case.event, "digest": bench.case.digest}
    rows: list[Any] = [head, *map(msgspec.to_builtins, run.steps), {"outcome": msgspec.to_builtins(run.outcome)}]
    put(folder / TRACE, "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows).encode())


def read_trace(file: Path) -> tuple[Step, ...]:
    """Read the steps of a trace.

    Raises:
        InputError: it cannot be read, or is no trace (RF255).
    """
    try:
        with file.open("rb") as stream:
            lines = stream.read(TRACE_MOST).splitlines()
        rows = [json.loads(line) for line in lines]
        return tuple(msgspec.convert(row, Step) for row in rows if isinstance(row, dict) and "choice" in row)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not a trace of the agent: {error}", where=str(file), code="RF255") from error


def write_event_papers(run: CaseRun, bench: Bench, folder: Path) -> tuple[Revised, str]:
    """Write the files of a rule; what it supersedes is kept, and so are the tests that a person added.

    Returns:
        The rule with its revision, and what is wrong with the tests that a person added ("": nothing).
    """
    assert run.rule is not None
    contender = next(c for c in bench.contenders.values() if content_hash(c.rule) == content_hash(run.rule))
    folder.mkdir(parents=True, exist_ok=True)
    revised = revise(run.rule, folder)
    kept = read_kept(folder)
    tests, left_out = _tests(revised.rule, bench, contender)
    put(folder / TESTS, dump_tests(revised.rule, [*tests, *kept.tests]).encode())
    (folder / HISTORY / TESTS).unlink(missing_ok=True)
    failing = _failing(revised.rule, folder / TESTS) if kept.tests else []
    evidence = _evidence(run, bench, contender, left_out) | supersedes(revised)
    if kept.tests:
        checked = CheckResult(
            check="kept_tests",
            passed=not failing,
            tried=len(kept.tests),
            failed=len(failing),
            detail="; ".join(failing)[:600],
        )
        evidence["checks"].append(msgspec.to_builtins(checked))
    put(folder / "rule.json", render_json(revised.rule).encode())
    put(folder / "evidence.json", (json.dumps(evidence, indent=2, ensure_ascii=False) + "\n").encode())
    told = f"{len(failing)} tests fail: {'; '.join(failing)[:300]}" if failing else kept.problem
    return revised, told


def _failing(rule: Rule, file: Path) -> list[str]:
    try:
        if needs_events(rule):
            tried = [(t.name, t.verdict, ask_stream(rule, t.items)) for t in read_event_tests(file, rule)]
        else:
            tried = [(name, verdict, ask_stream(rule, (request,))) for name, verdict, request in read_tests(file)]
    except InputError as problem:
        return [problem.what]
    judged = [
        (name, (answer is True) == (verdict == "match")) for name, verdict, answer in tried if "todo" not in verdict
    ]
    return [f"{name[:100]!r}" for name, good in judged if not good]


def _tests(rule: Rule, bench: Bench, contender: Contender) -> tuple[list[dict[str, Any]], int]:
    """Spell examples, and some variants and near-misses of each kind, as tests; count what is too long."""
    made, left_out = [], 0
    for name, verdict, example in _cases(rule, bench, contender):
        if len(example.items) > TEST_EVENTS_MOST:
            left_out += 1
            continue
        hits = ask_stream(rule, example.items) is True
        told = verdict if hits == (verdict == "match") else f"todo_{verdict}"
        made.append(forged_test({"name": name, "verdict": told} | _spelled(example, rule)))
    return made, left_out


def _cases(rule: Rule, bench: Bench, contender: Contender) -> Iterator[tuple[str, str, Example]]:
    evidence = bench.evidence
    yield from ((f"attack: {one.name}", "match", one) for one in evidence.malicious)
    yield from ((f"ordinary: {one.name}", "no_match", one) for one in evidence.benign)
    seen: Counter[str] = Counter()
    variants, twins = variants_asked(evidence, contender.about), near_misses_asked(rule, evidence, contender.about)
    for verdict, varied in (("match", variants), ("no_match", twins)):
        for one in varied:
            seen[f"{verdict} {one.how}"] += 1
            if seen[f"{verdict} {one.how}"] <= TESTS_OF_KIND:
                yield f"{one.how} of example {one.poc + 1}", verdict, one.example


def _spelled(example: Example, rule: Rule) -> dict[str, Any]:
    if not needs_events(rule):
        item = example.items[0]
        assert not isinstance(item, Event)
        return {"request": {key: value for key, value in request_to_json(item).items() if key != "source"}}
    return {"events": [event_to_json(item) for item in example.items]}


def event_to_json(item: Item) -> dict[str, Any]:
    """Spell an event as tests and cases hold it."""
    if not isinstance(item, Event):
        row = request_to_json(item)
        return {"time": row.pop("ts", None), **row}
    data: dict[str, Any] = {}
    if item.time_us is not None:
        data["time"] = written(item.time_us / 1_000_000)
    if item.times > 1:
        data["times"] = item.times
    data["fields"] = {name: _value(elements) for name, elements in item.values.items()}
    if item.unrecorded:
        data["unrecorded"] = sorted(item.unrecorded)
    return data


def _value(elements: Sequence[Element]) -> object:
    texts = [element.value.decode("utf-8", "replace") for element in elements]
    if any(element.name for element in elements):
        return {element.name.decode("utf-8", "replace"): text for element, text in zip(elements, texts, strict=True)}
    return texts[0] if len(texts) == 1 else texts


def _evidence(run: CaseRun, bench: Bench, contender: Contender, left_out: int) -> dict[str, Any]:
    """Tell what speaks for the rule. No clock: the same run gives the same bytes."""
    case, draft, rule = bench.case, contender.draft, contender.rule
    assert contender.trial is not None
    return {
        "rule": rule.id,
        "content_hash": content_hash(rule),
        "status": "validated",
        "sentence": render_sentence(rule),
        "case": {"id": case.id, "source": Path(case.source).name, "digest": case.digest, "answers": dict(case.answers)},
        "generator": {
            "policy": run.outcome.policy, "strategy": contender.strategy, "steps": run.outcome.steps,
            "candidates": run.outcome.candidates, "bits": None if draft is None else draft.bits,
            "margin": None if draft is None else draft.margin,
            "facets": [] if draft is None else [{"kind": f.kind, "asks": f.said} for f in draft.facets],
            "left_out": [] if draft is None else sorted(draft.banned),
        },
        "checks": [msgspec.to_builtins(result) for result in contender.trial.results],
        "judge": None,
        "similar": [msgspec.to_builtins(one) for one in contender.similar or ()],
        "tests_left_out": left_out,
    }  # fmt: skip
