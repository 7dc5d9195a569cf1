"""`tests.yaml`: the tests of a rule, those that forging makes and those that a person added.

Forging marks each test it writes with `by: forge` and a hash of the test. A test without a mark, or whose mark no
longer fits because somebody edited it, is a person's: it stays when the rule is forged again, and takes the place of a
forged test of the same request. While there is no rule, such tests wait in the folder `history`.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ruleforge.cases.evidence import Case, Evidence
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.errors import InputError
from ruleforge.events.formats.jsonl import read_jsonl, request_to_json
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.pipeline.history import HISTORY, put
from ruleforge.records.forging import CheckResult
from ruleforge.rules.tree import Rule
from ruleforge.sources.bounded_yaml import Node, load_yaml

TESTS = "tests.yaml"
UNREADABLE = "tests-unreadable.yaml"  # what stood in the place of the tests and was no such file
VERDICTS = ("match", "no_match", "todo_match", "todo_no_match")
TESTS_PER_KIND = 3  # variants and near-misses kept of each kind; all of them are in evidence.json as counts
NAMED_MOST = 5  # failing tests named in a detail

_FORGE = "forge "
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_HINT = "see docs/howto/review-a-rule.md"


class Kept(msgspec.Struct, frozen=True):
    """The tests of a person that lie in a rule's folder."""

    tests: tuple[Node, ...] = ()
    problem: str = ""  # why the file of tests could not be read; it is kept under another name


def read_kept(folder: Path) -> Kept:
    """Read a person's tests, from beside the rule or, where there was none for a while, from its history.

    A file that cannot be read is set aside as it is, so that writing the new one loses nothing.
    """
    for file in (folder / TESTS, folder / HISTORY / TESTS):
        if not file.is_file():
            continue
        data = file.read_bytes()
        try:
            tests = tuple(test for test in _list(data, str(file)) if not _is_forged(test))
        except InputError:
            put(folder / UNREADABLE, data)
            continue
        return Kept(tests, _set_aside(folder))
    return Kept((), _set_aside(folder))


def _set_aside(folder: Path) -> str:
    told = f"a file of tests that could not be read is kept as {UNREADABLE}; mend it, or remove it"
    return told if (folder / UNREADABLE).exists() else ""


def keep_tests(folder: Path) -> None:
    """Move a person's tests to the history, for the rule beside them goes; nothing where there are none."""
    if not (folder / TESTS).is_file():
        return
    kept = read_kept(folder)
    if kept.tests:
        (folder / HISTORY).mkdir(parents=True, exist_ok=True)
        put(folder / HISTORY / TESTS, _dump({"tests": list(kept.tests)}).encode())


def write_tests(rule: Rule, evidence: Evidence, kept: Kept, folder: Path) -> None:
    """Write the tests of a rule with those of a person, which then wait in the history no more."""
    put(folder / TESTS, tests_yaml(rule, evidence, kept.tests).encode())
    (folder / HISTORY / TESTS).unlink(missing_ok=True)


def check_kept(rule: Rule, kept: Kept) -> CheckResult | None:
    """Run a person's tests on a rule; None where there are none. A `todo_…` never fails."""
    if not kept.tests:
        return CheckResult(check="kept_tests", passed=None, detail=kept.problem) if kept.problem else None
    ask = compile_rule(rule).ask
    failing = [why for number, test in enumerate(kept.tests) if (why := _why_failing(test, number, ask))]
    more = [f"and {len(failing) - NAMED_MOST} more"] if len(failing) > NAMED_MOST else []
    told = [*failing[:NAMED_MOST], *more, *([kept.problem] if kept.problem else [])]
    return CheckResult(
        check="kept_tests", passed=not failing, tried=len(kept.tests), failed=len(failing), detail="; ".join(told)[:600]
    )


def _why_failing(test: Node, number: int, ask: Ask) -> str:
    try:
        name, verdict, request = read_test(test, number, "")
    except InputError as problem:
        return f"test {number + 1} that a person added: {problem.what}"
    if verdict.startswith("todo_") or (ask(HttpView(request)) is True) == (verdict == "match"):
        return ""
    return f"{name[:100]!r} should be {verdict}"


def tests_yaml(rule: Rule, evidence: Evidence, kept: tuple[Node, ...]) -> str:
    """Spell the rule's tests: exploits and variants to match, near-misses and other steps not to match; then `kept`."""
    ask = compile_rule(rule).ask
    tests = [_test(case, "match", f"exploit {case.view.request.id}") for case in evidence.exploits]
    for case in _few(evidence.variants):
        verdict = "match" if ask(case.view) is True else "todo_match"
        tests.append(_test(case, verdict, f"variant {case.kind} of exploit {case.poc + 1}"))
    for case in (*evidence.siblings, *_few(evidence.near_misses)):
        verdict = "no_match" if ask(case.view) is not True else "todo_no_match"
        tests.append(_test(case, verdict, f"{case.kind} {case.note or case.view.request.id}"))
    for case in evidence.proposed:
        wanted = "match" if case.kind == "model_malicious" else "no_match"
        holds = (ask(case.view) is True) == (wanted == "match")
        test = _test(case, wanted if holds else f"todo_{wanted}", f"{case.view.request.id}: {case.note}")
        tests.append(test | {"source": "model", "model": case.view.request.source})
    taken = [_plain(test.get("request")) for test in kept if isinstance(test, dict)]
    forged = [forged_test(test) for test in tests if not taken or _plain(test["request"]) not in taken]
    return _dump({"rule": rule.id, "tests": [*forged, *kept]})


def dump_tests(rule: Rule, tests: list[Any]) -> str:
    """Spell a file of tests."""
    return _dump({"rule": rule.id, "tests": tests})


def _dump(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=False, width=110)
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
    return {"name": name.strip(), "verdict": verdict, "request": request}


def _is_forged(test: Node) -> bool:
    return isinstance(test, dict) and test.get("by") == _mark(test)


def _mark(test: dict[str, Any]) -> str:
    """Say who wrote a test, and what it was then."""
    said = json.dumps(_plain({key: value for key, value in test.items() if key != "by"}), sort_keys=True)
    return _FORGE + hashlib.sha256(said.encode()).hexdigest()[:12]


def forged_test(test: dict[str, Any]) -> dict[str, Any]:
    """Mark a test as ours, so that it may be replaced as long as nobody changed it."""
    return test | {"by": _mark(test)}


def _plain(value: object) -> Node:
    """Spell a value as reading it back from YAML spells it: every scalar is its text."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)


def read_tests(file: Path) -> Iterator[tuple[str, str, Request]]:
    """Yield (name, verdict, request) of a `tests.yaml`.

    Raises:
        InputError: not such a file (RF230), or a request in it that cannot be read (RF223).
    """
    for number, test in enumerate(_list(file.read_bytes(), str(file))):
        yield read_test(test, number, str(file))


def _list(data: bytes, where: str) -> list[Node]:
    root = load_yaml(data, where).root
    tests = root.get("tests") if isinstance(root, dict) else None
    if not isinstance(tests, list):
        raise InputError("the key 'tests' is no list", where=where, hint=_HINT, code="RF230")
    return tests


def read_test(test: Node, number: int, where: str) -> tuple[str, str, Request]:
    """Return name, verdict and request of one test; `number` counts from 0.

    Raises:
        InputError: as `read_tests`.
    """
    place = f"{where} tests[{number}]"
    if not isinstance(test, dict) or test.get("verdict") not in VERDICTS:
        raise InputError("a test needs a verdict", where=place, hint="one of " + ", ".join(VERDICTS), code="RF230")
    return str(test.get("name") or f"test {number + 1}"), str(test["verdict"]), _request(test.get("request"), place)


def _request(row: Node, where: str) -> Request:
    if not isinstance(row, dict):
        raise InputError("a test needs a request", where=where, hint="an object as in JSON lines", code="RF230")
    # YAML scalars come as texts; the two flags of a row are true or false.
    typed = {key: value == "true" if key in ("body_b64", "body_sent") else value for key, value in row.items()}
    line = json.dumps(typed).encode()
    for item in read_jsonl(io.BytesIO(line), where):
        if isinstance(item, InputError):
            raise item
        return item
    raise InputError("a test needs a request", where=where, code="RF230")
