"""Reading rules: explain, show and lint."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ruleforge.app.explain import explain_request
from ruleforge.app.lint import LintReport, lint_rules
from ruleforge.app.show import show_rule
from ruleforge.errors import UsageError

Put = Callable[..., Path]


def test_explain_answers_for_each_request_or_the_one_asked_for(put_rule: Put, put_requests: Put, attack: str) -> None:
    rule, file = put_rule(), put_requests("/a", attack)
    assert [found.answer for found in explain_request(rule, file)] == [False, True]
    assert [found.request for found in explain_request(rule, file, "r2")] == ["r2"]
    with pytest.raises(UsageError, match="RF118"):
        list(explain_request(rule, file, "r3"))


def test_show_gives_sentence_evidence_and_tests(put_rule: Put) -> None:
    folder = put_rule()
    request = '{target: "/", method: GET}'
    (folder / "tests.yaml").write_text(f"tests:\n- {{verdict: no_match, request: {request}}}\n")
    shown = show_rule(folder)
    assert "/fruit/press.php" in shown.sentence
    assert shown.validated
    assert shown.tests == {"no_match": 1}
    assert shown.evidence["status"] == "validated"


def test_show_tells_a_rule_that_changed_since_it_was_validated(put_rule: Put) -> None:
    file = put_rule() / "rule.json"
    file.write_text(file.read_text().replace("press.php", "juice.php"))
    assert not show_rule(file).validated


def test_lint_reports_what_does_not_load_and_what_can_never_hold(put_rule: Put, tmp_path: Path) -> None:
    put_rule("CVE-2099-0001")
    upper = {"field": "args", "name": "q", "transforms": ["lower"], "op": "equals", "value": "UNION"}
    put_rule("CVE-2099-0002", when=upper)
    (put_rule("CVE-2099-0003") / "rule.json").write_text("[]")
    report = LintReport()
    remarks = list(lint_rules([tmp_path / "rules"], report))
    assert report.rules == 3
    assert report.errors + report.warnings == len(remarks)
    files = {Path(remark.file).parent.name for remark in remarks if remark.severity == "error"}
    assert files == {"CVE-2099-0002", "CVE-2099-0003"}
