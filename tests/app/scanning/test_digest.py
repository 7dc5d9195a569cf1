"""Sums of a scan: requests count once, hits each, and everything is bounded."""

import pytest

from ruleforge.app.scanning import digest as summing
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.hits import Alert, ScanHit


def hit(rule: str, source: str = "192.0.2.1", *, severity: str = "high", second: int = 0, cve: str = "") -> ScanHit:
    return ScanHit(
        request=f"r{second}",
        file="day.log",
        rule=rule,
        cves=(cve or f"CVE-2099-{rule}",),
        spans=(),
        severity=severity,
        source_address=source,
        at=f"2099-01-01T00:00:{second:02d}Z",
        outcome="may_have_succeeded",
    )


def test_a_request_with_two_rules_counts_once_for_its_source_and_for_each_cve() -> None:
    digest = Digest()
    digest.add(Alert((hit("1"), hit("2", severity="critical"))))
    digest.add(Alert((hit("1", second=5),)))
    source = digest.sources["192.0.2.1"]
    assert (source.requests, source.hits, source.may_have_succeeded, source.severity) == (2, 3, 2, "critical")
    assert [(name, tally.requests) for name, tally in digest.by_cve()] == [("CVE-2099-2", 1), ("CVE-2099-1", 2)]
    assert sum(digest.times.counts.values()) == 2
    assert digest.episodes.largest(1)[0].severity == "critical"


def test_two_rules_of_one_cve_are_one_request_of_it() -> None:
    digest = Digest()
    digest.add(Alert((hit("1", cve="CVE-2099-9"), hit("2", cve="CVE-2099-9"))))
    assert (digest.cves["CVE-2099-9"].requests, digest.cves["CVE-2099-9"].hits) == (1, 2)


def test_samples_come_from_different_sources() -> None:
    digest = Digest()
    for number in range(6):
        digest.add(Alert((hit("1", f"192.0.2.{number // 2}", second=number),)))
    assert [sample.source_address for sample in digest.rules["1"].samples] == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]


def test_alerts_that_are_kept_are_bounded_by_rule_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "ALERTS_OF_A_RULE", 2)
    monkeypatch.setattr(summing, "ALERTS_KEPT", 3)
    digest = Digest()
    for rule in ("1", "1", "1", "2", "3"):
        digest.add(Alert((hit(rule),)))
    assert [alert.first.rule for alert in digest.alerts] == ["1", "1", "2"]
    assert digest.alerts_seen == 5


def test_sources_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "SOURCES_KEPT", 2)
    digest = Digest()
    for number in range(5):
        digest.add(Alert((hit("1", f"192.0.2.{number}"),)))
    assert {name: tally.requests for name, tally in digest.sources.items()} == {
        "192.0.2.0": 1,
        "192.0.2.1": 1,
        "others": 3,
    }
