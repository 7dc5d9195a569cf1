"""Which rules of a folder are run, which are reported, and which are left out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ruleforge.app.rules import load_one, load_rules, without_correlation
from ruleforge.errors import UsageError

PutRule = Callable[..., Path]


def test_validated_rules_load_in_order_of_their_ids(put_rule: PutRule, tmp_path: Path) -> None:
    put_rule("CVE-2099-0002")
    put_rule("CVE-2099-0001")
    loaded = load_rules(tmp_path / "rules")
    assert [rule.id for rule in loaded.rules] == ["RF-CVE-2099-0001-1", "RF-CVE-2099-0002-1"]
    assert loaded.broken == ()
    assert loaded.unvalidated == ()


def test_a_rule_without_evidence_is_left_out_unless_asked_for(put_rule: PutRule, tmp_path: Path) -> None:
    put_rule(validated=False)
    assert len(load_rules(tmp_path / "rules").unvalidated) == 1
    assert len(load_rules(tmp_path / "rules", unvalidated=True).rules) == 1


def test_evidence_of_another_version_of_a_rule_does_not_count(put_rule: PutRule, tmp_path: Path) -> None:
    file = put_rule() / "rule.json"
    file.write_text(file.read_text().replace("press.php", "juice.php"))
    loaded = load_rules(tmp_path / "rules")
    assert loaded.rules == ()
    assert loaded.unvalidated == (str(file),)


@pytest.mark.parametrize("evidence", ["", "[]", "{", '{"status": "rejected"}', "[" * 100_000])
def test_evidence_that_says_nothing_good_does_not_count(put_rule: PutRule, tmp_path: Path, evidence: str) -> None:
    (put_rule() / "evidence.json").write_text(evidence)
    assert load_rules(tmp_path / "rules").rules == ()


def test_a_rule_that_does_not_load_is_reported_even_without_evidence(put_rule: PutRule, tmp_path: Path) -> None:
    put_rule("CVE-2099-0001")
    (put_rule("CVE-2099-0002", validated=False) / "rule.json").write_text("{")
    loaded = load_rules(tmp_path / "rules")
    assert len(loaded.rules) == 1
    assert [problem.code for problem in loaded.broken] == ["RF301"]


def test_rules_that_count_events_are_reported_by_a_scan(put_rule: PutRule, tmp_path: Path) -> None:
    when = {"field": "path", "op": "equals", "value": "/login"}
    count = {"count": {"when": when, "by": ["source.address"], "within": "5m", "at_least": 9}}
    put_rule(when=count)
    loaded = without_correlation(load_rules(tmp_path / "rules"))
    assert loaded.rules == ()
    assert [problem.code for problem in loaded.broken] == ["RF330"]


def test_one_rule_is_found_by_its_folder_or_its_file(put_rule: PutRule) -> None:
    folder = put_rule()
    assert load_one(folder) == load_one(folder / "rule.json")


def test_a_folder_of_several_rules_is_not_one_rule(put_rule: PutRule, tmp_path: Path) -> None:
    put_rule("CVE-2099-0001")
    put_rule("CVE-2099-0002")
    with pytest.raises(UsageError, match="RF115"):
        load_one(tmp_path / "rules")


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RF110"):
        load_rules(tmp_path / "none")
