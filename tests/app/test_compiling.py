"""Compile a folder of rules to a file and scan with it: the same hits, and other rules while a log is followed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")

from ruleforge.app.compiling import compile_rules, is_compiled, load_any
from ruleforge.app.scan import (
    Alert,
    Delivery,
    Finished,
    Replacing,
    ScanOptions,
    ScanReport,
    follow_files,
    prepare,
    run_scan,
)
from ruleforge.app.scanning.choosing import Choice
from ruleforge.app.scanning.digest import Digest
from ruleforge.errors import InputError, UsageError

PRESS = {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"}
CRATE = {"field": "path", "op": "path_suffix", "value": "/fruit/crate.php"}
LONG = {"field": "target.raw", "op": "length_gt", "value": 90}
MANY = {"count": {"when": CRATE, "by": ["source.address"], "within": "5m", "at_least": 2}}


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


def put(folder: Path, **trees: dict[str, Any]) -> Path:
    for name, tree in trees.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        rule = {"schema": 1, "id": f"RF-{name.upper()}", "title": name, "cves": ["CVE-2099-0001"], "severity": "high"}
        (folder / name / "rule.json").write_text(json.dumps(rule | {"event": "http.request", "when": tree}))
    return folder


def line(target: str, minute: int = 0) -> str:
    return f'192.0.2.7 - - [01/Jan/2099:10:{minute:02}:00 +0000] "GET {target} HTTP/1.1" 200 5 "-" "-"\n'


def compiled(folder: Path, out: Path) -> Path:
    compile_rules(folder, out, unvalidated=True)
    return out


def scanned(rules: Path, log: Path, **options: Any) -> Finished:
    found: list[Alert] = []
    prepared = prepare(rules, ScanOptions(unvalidated=True, **options))
    done = run_scan(prepared, [log], Delivery(emit=found.append, name="ndjson"))
    return Finished(done.report, done.digest, done.started, lambda: [hit for alert in found for hit in alert.hits])


def test_a_report_says_what_was_compiled(tmp_path: Path) -> None:
    folder = put(tmp_path / "rules", press=PRESS, long=LONG, many=MANY)
    (folder / "broken").mkdir()
    (folder / "broken" / "rule.json").write_text("{")
    out = tmp_path / "a.rfset"
    report = compile_rules(folder, out, unvalidated=True)
    assert (report.rules, report.requests, report.counting, report.others) == (3, 2, 1, 0)
    assert report.without_literal == ("RF-LONG",)
    assert len(report.broken) == 1
    assert report.bytes == out.stat().st_size
    assert compile_rules(folder, out, unvalidated=True).digest == report.digest


def test_rules_without_evidence_are_left_out(tmp_path: Path) -> None:
    folder = put(tmp_path / "rules", press=PRESS)
    with pytest.raises(UsageError, match="RF111"):
        compile_rules(folder, tmp_path / "a.rfset")


def test_a_name_that_would_not_be_known_again_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RF167"):
        compile_rules(put(tmp_path / "rules", press=PRESS), tmp_path / "a.json", unvalidated=True)


def test_a_compiled_set_gives_the_hits_of_its_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "rules", press=PRESS, long=LONG, many=MANY)
    out = compiled(folder, tmp_path / "a.rfset")
    log = tmp_path / "access.log"
    log.write_text(line("/fruit/press.php") + line("/fruit/crate.php", 1) + line("/" + "x" * 99, 2) +
                   line("/fruit/crate.php", 3) + "no line\n")  # fmt: skip
    for options in ({}, {"engine": "fast"}, {"choice": Choice(rules=("RF-PRESS",))}):
        one, other = scanned(folder, log, **options), scanned(out, log, **options)
        assert list(one.hits()) == list(other.hits()) != []
        plain, told = one.report, other.report
        assert told.rule_set or "choice" in options
        told.rule_set = ""
        assert plain == told


def test_a_file_is_known_by_its_name_or_its_first_bytes(tmp_path: Path) -> None:
    folder = put(tmp_path / "rules", press=PRESS)
    out = compiled(folder, tmp_path / "a.rfset")
    other = tmp_path / "set"
    other.write_bytes(out.read_bytes())
    assert is_compiled(out)
    assert is_compiled(other)
    assert not is_compiled(folder)
    assert not is_compiled(folder / "press" / "rule.json")
    assert [rule.id for rule in load_any(other).rules] == ["RF-PRESS"]
    other.with_suffix(".rfset").write_text("{}")
    with pytest.raises(InputError, match="RF290"):
        prepare(other.with_suffix(".rfset"))


class Following:
    """A log that is followed; each step of `script` is done when it is quiet."""

    def __init__(self, out: Path, log: Path, script: list[Callable[[], object]]) -> None:
        self.notes: list[str] = []
        options = ScanOptions(unvalidated=True)
        prepared = prepare(out, options, live=True)
        steps = iter(script)
        replacing = Replacing(out, options, self.notes.append)

        def watch() -> bool:
            step = next(steps, None)
            return step is not None and (step(), True)[1]

        alerts = follow_files(prepared, [log], Digest(), from_start=True, watch=watch, replacing=replacing)
        self.rules = [alert.first.rule for alert in alerts]
        self.report: ScanReport = prepared.report


def add(log: Path, text: str) -> Callable[[], object]:
    def step() -> None:
        with log.open("a") as file:
            file.write(text)

    return step


def test_a_set_that_is_replaced_is_used_from_the_next_batch_on(tmp_path: Path) -> None:
    log, out = tmp_path / "access.log", tmp_path / "a.rfset"
    log.write_text(line("/fruit/press.php") + line("/fruit/crate.php", 1))
    compiled(put(tmp_path / "one", press=PRESS, many=MANY), out)
    compiled(put(tmp_path / "two", long=LONG, many=MANY), tmp_path / "b.rfset")
    found = Following(
        out,
        log,
        [
            lambda: (tmp_path / "b.rfset").replace(out),
            add(log, line("/fruit/press.php", 2) + line("/" + "x" * 99, 2) + line("/fruit/crate.php", 3)),
            lambda: None,
        ],
    )
    assert found.rules == ["RF-PRESS", "RF-LONG", "RF-MANY"]  # the count goes on over the change
    assert found.report.rule_set_swaps == 1
    assert len(found.notes) == 1
    assert found.report.rule_set[:12] in found.notes[0]


def test_a_broken_set_is_told_once_and_the_one_before_goes_on(tmp_path: Path) -> None:
    log, out = tmp_path / "access.log", tmp_path / "a.rfset"
    log.write_text("")
    compiled(put(tmp_path / "one", press=PRESS), out)
    whole = out.read_bytes()
    again: Callable[[], object] = add(log, line("/fruit/press.php"))
    found = Following(
        out,
        log,
        [
            lambda: out.write_bytes(whole[:-999]),  # in place: what is mapped must not feel it
            again,
            again,
            again,
            lambda: out.unlink(),
            again,
            lambda: out.write_bytes(whole),  # the same again: nothing to tell
            again,
        ],
    )
    assert found.rules == ["RF-PRESS"] * 5
    assert found.report.rule_set_swaps == 0
    assert len(found.notes) == 1
    assert "RF290" in found.notes[0]
