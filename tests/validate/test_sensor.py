"""The sensor gate gives three answers, and none of them can be bought with more good sources."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.corpus import Row, build_corpus
from ruleforge.engine.sensor_logs import Kind, SensorLog, Sensors, gather_sensors, open_sensor_log, seen_in
from ruleforge.errors import InputError
from ruleforge.events.request import Request
from ruleforge.records.interval import wilson
from ruleforge.sources.reputation import load_reputation
from ruleforge.validate import gates
from ruleforge.validate.checks import CHECKS, Finding
from ruleforge.validate.sensor import SensorCount, judge_count, sensor_record

ATTACK = "/press/show.php?file=../../etc/shadow"
Make = Callable[..., Any]


def count(sources: int, bad: int, of: int = 100_000, **more: Any) -> SensorCount:
    parts: dict[str, Any] = {"requests": sources, "log_sources": of, "log_requests": of * 5}
    return SensorCount(sources=sources, known_bad=bad, **(parts | more))


JUDGED = [
    (count(0, 0), None),  # a small site that nobody attacked
    (count(0, 0, of=0), None),  # no addresses at all
    (count(4, 3), None),  # three of four are no 75 %
    (count(9, 0), None),
    (count(10, 10), True),
    (count(10, 0), False),
    (count(12, 8), None),  # the interval lies on both sides
    (count(200, 160), True),
    (count(200, 120), False),
    (count(500, 500), True),
    (count(501, 501), False),  # the bound of large logs
    (count(501, 501, log_requests=10_000_000_000), True),  # which grows with very large ones
    (count(10, 10, of=12), True),  # ten are never too many
    (count(11, 11, of=12), False),
    (count(40, 40, of=300), False),
    (count(20, 20, of=300), True),
    (count(60, 60, judged=False), None),
    (count(600, 0, judged=False), False),
    (count(60, 60, cut=True), None),
]


def test_cases_of_judgement_were_found() -> None:
    assert len(JUDGED) >= 19


@pytest.mark.parametrize(("given", "passed"), JUDGED)
def test_a_count_is_judged_by_its_bounds(given: SensorCount, passed: bool | None) -> None:
    verdict = judge_count(given)
    assert verdict.passed is passed
    assert verdict.why
    assert (passed is None) == verdict.why.startswith("insufficient evidence: ")


@given(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(0, 30_000), st.integers(1, 2_000))
def test_more_good_sources_never_turn_a_failure_into_something_better(
    bad: int, good: int, rest: int, more: int
) -> None:
    first = count(bad + good, bad, of=bad + good + rest)
    second = count(bad + good + more, bad, of=bad + good + rest + more)
    if judge_count(first).passed is False:
        assert judge_count(second).passed is False


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_an_interval_holds_its_share_and_stays_between_nothing_and_all(part: int, rest: int) -> None:
    found = wilson(part, part + rest)
    assert 0 <= found.low <= found.share <= found.high <= 1 or part + rest == 0


# --- the check --------------------------------------------------------------------------------------------------------


def request(target: str, address: str, time: str = "2099-03-01T00:00:00Z") -> Request:
    named = f"{address} {target}"
    return Request(method=b"GET", target=target.encode(), id=named, source_address=address.encode(), time=time)


@pytest.fixture
def log_of(tmp_path: Path) -> Callable[..., SensorLog]:
    """Index requests as a log of attackers or a mixed one."""

    def make(requests: list[Request], kind: Kind = "sensor") -> SensorLog:
        folder = tmp_path / f"log{len(list(tmp_path.iterdir()))}"
        corpus = build_corpus([Row(request=each, kind=kind) for each in requests], folder, name="pears 1")
        return open_sensor_log(corpus, folder, "pears 1", kind)

    return make


def ordinary(number: int) -> list[Request]:
    """Visitors who do nothing of interest, one a source."""
    return [request("/press/", f"10.{n // 250}.{n % 250}.1") for n in range(number)]


def attackers(number: int, target: str = ATTACK) -> list[Request]:
    return [request(target, f"203.0.113.{n}", f"2099-03-{n % 28 + 1:02}T00:00:00Z") for n in range(number)]


def find(rule: Any, evidence: Any) -> Finding:
    return CHECKS["sensor_traffic"](rule, lambda case: False, evidence)


def test_without_a_log_it_cannot_tell(orchard: SimpleNamespace, evidence_of: Make) -> None:
    assert find(orchard.tight, evidence_of()).result.passed is None


def test_a_rule_that_few_sources_trigger_all_of_them_bad_passes(
    orchard: SimpleNamespace, evidence_of: Make, log_of: Make
) -> None:
    sensors = gather_sensors([log_of(ordinary(600) + attackers(12))])
    found = find(orchard.tight, evidence_of(sensors=sensors))
    assert found.result.passed is True
    assert found.hit == ()


def test_zero_hits_are_no_failure(orchard: SimpleNamespace, evidence_of: Make, log_of: Make) -> None:
    found = find(orchard.tight, evidence_of(sensors=gather_sensors([log_of(ordinary(30))])))
    assert (found.result.passed, found.result.detail) == (None, "insufficient evidence: no hit")


def test_hits_without_address_are_counted_apart(orchard: SimpleNamespace, evidence_of: Make, log_of: Make) -> None:
    sensors = gather_sensors([log_of(ordinary(30) + [request(ATTACK, "-")] * 20)])
    evidence = evidence_of(sensors=sensors)
    assert find(orchard.tight, evidence).result.passed is None
    record = sensor_record(orchard.tight, evidence)
    assert record is not None
    assert (record["sources"], record["without_address"]) == (0, 20)


def test_a_rule_that_half_of_the_sources_trigger_is_too_generic_and_gets_them_back(
    orchard: SimpleNamespace, evidence_of: Make, log_of: Make
) -> None:
    sensors = gather_sensors([log_of(ordinary(30) + attackers(40, "/press/show.php?file=pears") + attackers(3))])
    found = find(orchard.loose, evidence_of(sensors=sensors))
    assert found.result.passed is False
    assert found.feedback[0].startswith("too generic: 40 of 70 sources")
    assert 0 < len(found.hit) <= gates.SENSOR_COUNTEREXAMPLES_MOST
    assert all(b"pears" in case.view.request.target for case in found.hit), "the exploit itself is no counterexample"


def test_a_rule_that_good_sources_trigger_fails_and_gets_those_back_first(
    orchard: SimpleNamespace, evidence_of: Make, log_of: Make
) -> None:
    mixed = log_of(ordinary(900) + attackers(15, "/press/show.php?file=pears"), "mixed")
    sensor = log_of([request("/", f"203.0.113.{n}") for n in range(3)])
    found = find(orchard.loose, evidence_of(sensors=gather_sensors([sensor, mixed])))
    assert found.result.passed is False
    assert "mostly good sources: 3 of 15 sources" in found.feedback[0]
    assert found.hit[0].note.endswith("not known bad")
    assert find(orchard.loose, evidence_of(sensors=gather_sensors([mixed]))).result.passed is None


def test_lists_of_bad_addresses_count_as_sensors_do(
    orchard: SimpleNamespace, evidence_of: Make, log_of: Make, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text("203.0.113.0/24\n")
    mixed = log_of(ordinary(900) + attackers(15), "mixed")
    sensors = gather_sensors([mixed], load_reputation([tmp_path / "list"]))
    assert find(orchard.tight, evidence_of(sensors=sensors)).result.passed is True


def test_evidence_names_nobody(orchard: SimpleNamespace, evidence_of: Make, log_of: Make) -> None:
    mixed = log_of([*ordinary(90), request(ATTACK, "192.0.2.77")], "mixed")
    sensors: Sensors = gather_sensors([log_of(attackers(12)), mixed])
    record = sensor_record(orchard.tight, evidence_of(sensors=sensors))
    assert record is not None
    told = json.dumps(record)
    assert not any(each.source_address.decode() in told for each in [*attackers(12), request("/", "192.0.2.77")][1:])
    assert record["networks"] == ["203.0.113.0/24"], "only networks of the known bad are named"
    assert record["sources"] == 13
    assert record["known_bad"]["sources"] == 12
    assert 0.6 < record["known_bad"]["low"] < 12 / 13 < record["known_bad"]["high"]
    assert (record["logs"][0]["first_seen"], record["logs"][0]["last_seen"]) == (
        "2099-03-01T00:00:00Z",
        "2099-03-12T00:00:00Z",
    )


def test_an_ipv6_network_of_one_subscriber_is_one_source() -> None:
    seen = seen_in([request("/", "2001:db8:1:2::1"), request("/", "2001:db8:1:2:ffff::9"), request("/", "x")])
    assert (len(seen.sources), seen.unknown, seen.requests) == (1, 1, 3)


def test_a_log_with_too_many_sources_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ruleforge.engine.sensor_logs.MAX_SOURCES", 5)
    with pytest.raises(InputError, match="RF228"):
        seen_in(ordinary(9))


def test_who_was_seen_is_kept_beside_the_index(log_of: Make, tmp_path: Path) -> None:
    log = log_of(attackers(5))
    folder = next(tmp_path.glob("log*"))
    again = open_sensor_log(log.corpus, folder, "pears 1", "sensor")
    assert again.seen == log.seen
    (folder / "seen.msgpack").write_bytes(b"broken")
    assert open_sensor_log(log.corpus, folder, "pears 1", "sensor").seen == log.seen


def test_one_source_is_told_as_one() -> None:
    why = judge_count(SensorCount(sources=1, known_bad=1, requests=1, log_sources=50, log_requests=80)).why
    assert "1 of 1 source (100.0%) is known bad" in why
