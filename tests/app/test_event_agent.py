"""Cases become folders that test, lint and scan take; a new kind of event needs a file of fields and examples."""

# ruff: noqa: E501 - cases as a user writes them

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ruleforge.app.event_agent import AgentSummary, run_cases
from ruleforge.app.event_scan import EventReport, scan_events
from ruleforge.app.lint import LintReport, lint_rules
from ruleforge.app.rules import load_rules
from ruleforge.app.trials import run_tests
from ruleforge.errors import InputError, UsageError
from ruleforge.events.kinds import EVENTS, load_kind
from ruleforge.records.event_case import CaseOutcome

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "events"


def agent(paths: Sequence[Path], out: Path, **more: object) -> tuple[list[CaseOutcome], AgentSummary]:
    summary = AgentSummary()
    return list(run_cases(paths, out, summary, **more)), summary  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All example cases, once."""
    out = tmp_path_factory.mktemp("rules")
    outcomes, summary = agent([FOLDER], out)
    assert summary.cases == len(outcomes) >= 20
    assert summary.by_outcome == {"rule": 16, "escalated": 2, "gave_up": 2}
    assert summary.rules == 16
    return out


def test_rules_load_as_validated(made: Path) -> None:
    loaded = load_rules(made)
    assert len(loaded.rules) == 16
    assert loaded.broken == ()
    assert loaded.unvalidated == ()
    assert {rule.event for rule in loaded.rules} == {
        "process",
        "dns",
        "cloud_api",
        "auth_log",
        "network_flow",
        "http.request",
    }


def test_every_test_beside_them_passes(made: Path) -> None:
    results = list(run_tests(made))
    assert [one for one in results if one.state != "passed"] == []
    assert len(results) >= 200
    assert {one.verdict for one in results} == {"match", "no_match"}


def test_lint_has_nothing_to_say(made: Path) -> None:
    assert list(lint_rules([made], LintReport())) == []


def test_who_has_no_rule_has_a_trace_that_says_why(made: Path) -> None:
    folder = made / "EV-DNS-ONE-DOMAIN"
    assert [file.name for file in folder.iterdir()] == ["trace.ndjson"]
    last = json.loads((folder / "trace.ndjson").read_text().splitlines()[-1])["outcome"]
    assert last["reason"] == "indicator_only"


def test_rules_are_scanned_with_from_a_log(made: Path, tmp_path: Path) -> None:
    log = tmp_path / "day.jsonl"
    fields = {"service": "cloudtrail.amazonaws.com", "action": "StopLogging", "source.address": "203.0.113.200"}
    line = json.dumps({"event": "cloud_api", "time": "2099-01-01T00:00:00Z", "fields": fields})
    other = json.dumps({"event": "cloud_api", "fields": fields | {"action": "DescribeTrails"}})
    log.write_text(f"{line}\n{other}\n")
    report = EventReport()
    found = list(scan_events(made, [log], report))
    assert [one.rule for one in found] == ["RF-EV-CLOUD-TRAIL-STOPPED"]
    assert report.events == 2


def test_the_same_case_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    agent([FOLDER / "dns-tunnel.yaml"], tmp_path)
    for file in sorted((made / "EV-DNS-TUNNEL").iterdir()):
        assert (tmp_path / "EV-DNS-TUNNEL" / file.name).read_bytes() == file.read_bytes()


def test_evidence_says_what_was_asked_and_found(made: Path) -> None:
    evidence = json.loads((made / "EV-AUTH-GUESSING" / "evidence.json").read_text())
    assert evidence["status"] == "validated"
    assert evidence["generator"]["policy"] == "embedded"
    assert evidence["generator"]["margin"] >= 2
    assert [one["check"] for one in evidence["checks"]][:2] == ["malicious", "benign"]
    assert evidence["tests_left_out"] == 0


# --- a person's answers, tests and later changes -------------------------------------------------------------------


def test_an_answer_file_makes_the_rule_or_takes_it_away(tmp_path: Path) -> None:
    case, answers = FOLDER / "dns-one-domain.yaml", tmp_path / "answers.yaml"
    answers.write_text("EV-DNS-ONE-DOMAIN: {indicator_only: yes}\n")
    (outcome,), _ = agent([case], tmp_path / "out", answers=answers)
    assert outcome.outcome == "rule"
    assert (tmp_path / "out" / "EV-DNS-ONE-DOMAIN" / "rule.json").is_file()
    answers.write_text("EV-DNS-ONE-DOMAIN: {indicator_only: no}\n")
    (outcome,), _ = agent([case], tmp_path / "out", answers=answers)
    assert (outcome.outcome, outcome.reason) == ("gave_up", "declined")
    assert "history" in outcome.detail
    assert not (tmp_path / "out" / "EV-DNS-ONE-DOMAIN" / "rule.json").exists()
    assert (tmp_path / "out" / "EV-DNS-ONE-DOMAIN" / "history" / "1-rule.json").is_file()


def test_tests_of_a_person_stay_and_are_told_when_they_fail(tmp_path: Path) -> None:
    case = FOLDER / "cloud-trail-stopped.yaml"
    agent([case], tmp_path)
    file = tmp_path / "EV-CLOUD-TRAIL-STOPPED" / "tests.yaml"
    document = yaml.safe_load(file.read_text())
    count = len(document["tests"])
    event = {"fields": {"service": "cloudtrail.amazonaws.com", "action": "PutEventSelectors"}}
    document["tests"].append({"name": "mine", "verdict": "match", "events": [event]})
    file.write_text(yaml.safe_dump(document))
    (outcome,), _ = agent([case], tmp_path)
    assert outcome.outcome == "rule"
    assert "'mine'" in outcome.detail
    again = yaml.safe_load(file.read_text())["tests"]
    assert len(again) == count + 1
    assert again[-1]["name"] == "mine"


def test_files_that_are_no_cases_are_told_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("case: 1\nid: X\nevent: smoke\n")
    (tmp_path / "other.yaml").write_text("title: no case\n")
    (tmp_path / "good.yaml").write_bytes((FOLDER / "cloud-trail-stopped.yaml").read_bytes())
    outcomes, summary = agent([tmp_path], tmp_path / "out")
    assert [(one.outcome, one.reason) for one in outcomes] == [("failed", "RF253"), ("rule", "")]
    assert summary.skipped == 1
    with pytest.raises(UsageError, match="RF117"):
        agent([tmp_path / "none"], tmp_path / "out")


def test_two_cases_of_one_id_do_not_overwrite_each_other(tmp_path: Path) -> None:
    text = (FOLDER / "cloud-trail-stopped.yaml").read_bytes()
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_bytes(text)
    outcomes, _ = agent([tmp_path], tmp_path / "out")
    assert [(one.outcome, one.reason) for one in outcomes] == [("rule", ""), ("failed", "RF257")]


def test_answers_that_no_case_asked_for_are_told(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("EV-TYPO: {indicator_only: yes}\n")
    _, summary = agent([FOLDER / "cloud-trail-stopped.yaml"], tmp_path / "out", answers=answers)
    assert summary.unused_answers == ("EV-TYPO",)


def test_a_log_of_ordinary_use_is_kept_silent(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    lines = [
        f"Mar  4 05:06:{second:02} gate sshd[{second}]: Failed password for ada from 192.0.2.10 port 40022 ssh2"
        for second in range(50)
    ]
    log.write_text("\n".join(lines) + "\n")
    (outcome,), summary = agent([FOLDER / "auth-guessing.yaml"], tmp_path / "out", benign=[log])
    assert summary.log_events == 50
    assert outcome.outcome != "rule"  # an ordinary client of this site does just that
    with pytest.raises(InputError):
        agent([FOLDER / "auth-guessing.yaml"], tmp_path / "out", benign=[FOLDER / "auth-guessing.yaml"])


# --- another kind of event -----------------------------------------------------------------------------------------

KIND = """
name = "door"
meaning = "a door of the laboratory was opened, or was not"
noun = "entry"

[[fields]]
name = "door.name"
role = "act"
meaning = "which door"

[[fields]]
name = "result"
role = "act"
meaning = "opened or refused"

[[fields]]
name = "note"
role = "content"
form = "text"
meaning = "what the reader of badges wrote"

[[fields]]
name = "badge"
role = "who"
meaning = "badge that was shown"
"""
SINGLE = """
case: 1
id: DOOR-MASTER
event: door
title: A door is opened with the emergency code
malicious:
  - fields: {door.name: vault, result: opened, note: "override accepted code 7714", badge: b1}
  - fields: {door.name: vault, result: opened, note: "override accepted code 0093", badge: b2}
benign:
  - fields: {door.name: vault, result: opened, note: "badge accepted", badge: b3}
  - fields: {door.name: vault, result: refused, note: "override refused", badge: b1}
  - fields: {door.name: lobby, result: opened, note: "badge accepted", badge: b4}
  - fields: {door.name: lobby, result: opened, note: "override test accepted", badge: b5}
  - events: [{repeat: 12, fields: {door.name: "d{n}", result: opened, note: "badge accepted", badge: "b{n}"}}]
"""
COUNTED = """
case: 1
id: DOOR-TRYING
event: door
title: A badge is tried at many doors
malicious:
  - events: [{time: "2099-01-01T00:00:00Z", repeat: 12, every: 10s, fields: {door.name: "d{n}", result: refused, badge: b1}}]
  - events: [{time: "2099-01-02T00:00:00Z", repeat: 9, every: 15s, fields: {door.name: "d{n}", result: refused, badge: b2}}]
benign:
  - events: [{time: "2099-01-01T08:00:00Z", repeat: 20, every: 5s, fields: {door.name: lobby, result: refused, badge: b3}}]
  - events: [{time: "2099-01-01T09:00:00Z", repeat: 15, every: 9s, fields: {door.name: "d{n}", result: opened, badge: b4}}]
  - events: [{time: "2099-01-01T10:00:00Z", repeat: 2, every: 9s, fields: {door.name: "d{n}", result: refused, badge: b5}}]
"""


@pytest.mark.parametrize("roles", [True, False])
def test_a_new_kind_of_event_is_a_file_of_fields_and_examples(tmp_path: Path, roles: bool) -> None:
    text = KIND if roles else "\n".join(line for line in KIND.splitlines() if not line.startswith(("role", "form")))
    (tmp_path / "door.toml").write_text(text)
    (tmp_path / "single.yaml").write_text(SINGLE)
    (tmp_path / "counted.yaml").write_text(COUNTED)
    with EVENTS.temporarily("door", load_kind(tmp_path / "door.toml")):
        outcomes, _ = agent([tmp_path], tmp_path / "out")
        ends = {one.case: (one.outcome, one.strategy) for one in outcomes}
        assert ends["DOOR-MASTER"] == ("rule", "single")
        assert [one for one in run_tests(tmp_path / "out") if one.state != "passed"] == []
        if roles:  # without them nobody knows whose an event is
            assert ends["DOOR-TRYING"] == ("rule", "distinct")
        log = tmp_path / "doors.jsonl"
        fields = {"door.name": "vault", "result": "opened", "note": "override accepted code 5521", "badge": "b9"}
        log.write_text(json.dumps({"event": "door", "time": "2099-01-03T00:00:00Z", "fields": fields}) + "\n")
        found = list(scan_events(tmp_path / "out", [log], EventReport()))
        assert [one.rule for one in found] == ["RF-DOOR-MASTER"]


def test_a_file_that_cannot_be_opened_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cases").mkdir()
    for name in ("first.yaml", "second.yaml"):
        (tmp_path / "cases" / name).write_text('case: "1"\n')
    opened = Path.open

    def refuse(file: Path, *args: Any, **kwargs: Any) -> Any:
        if file.name == "first.yaml":
            raise PermissionError(13, "Permission denied")
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    found = list(run_cases([tmp_path / "cases"], tmp_path / "out", AgentSummary()))
    assert [one.reason for one in found] == ["RF217", "RF253"]
