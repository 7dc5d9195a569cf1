"""The order: weighted mean over what could tell, parts that add up, ties by number, and every source accounted for."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.records.advisory import Advisory
from ruleforge.records.priority import LEFT_OUT
from ruleforge.triage.rank import UNKNOWN, Ranking, data_dates, rank, score
from ruleforge.triage.signals import SIGNALS, Intelligence
from ruleforge.triage.weights import load_weights

Make = Callable[..., Advisory]
Known = Callable[..., Intelligence]
WEIGHTS = load_weights(None, SIGNALS.names())
NONE = dict.fromkeys(SIGNALS.names(), 0.0)


def order(advisories: list[Advisory], known: Intelligence, **more: Any) -> Ranking:
    weights = more.pop("weights", WEIGHTS)
    return rank([(each.sources[0], each) for each in advisories], known, weights, **more)


def test_a_score_is_the_weighted_mean_of_what_could_tell(advisory: Make, known: Known) -> None:
    weights = NONE | {"kev": 30, "cvss": 10, "exposure": 60}
    found = score(advisory(1, cvss=5.0), known(kev={1: True}), weights)
    assert found.score == pytest.approx(100 * (30 * 1.0 + 10 * 0.5) / 40)
    assert found.told == pytest.approx(0.4)
    assert [(part.signal, part.points) for part in found.parts if part.weight and part.value is not None] == [
        ("kev", 75.0), ("cvss", 12.5),
    ]  # fmt: skip


def test_a_signal_that_could_not_tell_is_no_zero(advisory: Make, known: Known) -> None:
    weights = NONE | {"kev": 10, "exposure": 10}
    assert score(advisory(1), known(kev={1: True}), weights).score == 100
    assert score(advisory(1), known(kev={1: True}, products=("lantern/desk",)), weights).score == 50


def test_where_no_signal_can_tell_there_is_no_score(advisory: Make, known: Known) -> None:
    [found] = order([advisory(1)], known(), weights=NONE | {"kev": 1}).left_out
    assert (found.score, found.left_out, found.told) == (None, "no_signal", 0.0)
    assert "there is no KEV catalogue" in found.detail


@given(kev=st.booleans(), chance=st.none() | st.floats(0, 1), cvss=st.none() | st.floats(0.1, 10))
def test_points_add_up_to_the_score(kev: bool, chance: float | None, cvss: float | None) -> None:
    from ruleforge.triage.epss import Epss, EpssScore
    from ruleforge.triage.kev import Kev, KevEntry

    data = Intelligence(
        now=date(2099, 9, 1),
        kev=Kev(entries={"CVE-2099-0001": KevEntry("", False)}, date="2099-01-01", origin="x") if kev else None,
        epss=None if chance is None else Epss(scores={"CVE-2099-0001": EpssScore(chance, None)}, date="", origin="x"),
    )
    found = score(Advisory(id="CVE-2099-0001", sources=("x",), cvss=cvss), data, WEIGHTS)
    assert found.score is not None
    assert 0 <= found.score <= 100
    assert sum(part.points for part in found.parts) == pytest.approx(found.score, abs=0.05)


def test_equal_scores_are_ordered_by_number_not_by_text(advisory: Make, known: Known) -> None:
    items = [advisory(number) for number in (10_000, 300, 9_999, 4)]
    first, second = order(items, known()), order(items[::-1], known())
    assert [each.advisory for each in first.ranked] == [f"CVE-2099-{n}" for n in ("0004", "0300", "9999", "10000")]
    assert first == second
    assert [each.rank for each in first.ranked] == [1, 2, 3, 4]


def test_a_plugin_xss_never_outranks_code_execution_in_an_exploited_gateway(advisory: Make, known: Known) -> None:
    gateway = advisory(1, vendor="fortinet", product="fortios", tags=("rce", "unauth"), cvss=9.8)
    plugin = advisory(2, tags=("wp-plugin", "xss", "wordpress"), cvss=6.1, created="2099-08-31")
    for data in (
        known(),
        known(kev={1: False}),
        known(kev={1: True}, epss={1: 0.9, 2: 0.01}),
        known(epss={1: 0.3, 2: 0.3}),
    ):
        assert [each.advisory for each in order([plugin, gateway], data).ranked] == [gateway.id, plugin.id]


def test_every_source_is_ranked_or_left_out_with_a_reason(advisory: Make, known: Known) -> None:
    twin = advisory(1, sources=("twin.yaml",), cvss=8.0)
    items: list[tuple[str, Advisory | InputError]] = [
        ("a", advisory(1, cvss=9.0)), ("twin.yaml", twin), ("c", advisory(3, cvss=5.0)), ("d", advisory(4, cvss=0.5)),
        ("e", advisory(5, requests=(), problems=("no HTTP: the template holds dns",))),
        ("f", advisory(6, requests=(), problems=("no HTTP request could be worked out",))),
        ("g", InputError("not valid YAML", where="g", code="RF212")), ("h", advisory(8, cvss=6.0)),
    ]  # fmt: skip
    found = rank(items, known(), NONE | {"cvss": 1}, top=2, score_least=10)
    assert [each.advisory for each in found.ranked] == ["CVE-2099-0001", "CVE-2099-0008"]
    assert {each.sources[0]: each.left_out for each in found.left_out} == {
        "twin.yaml": "duplicate_cve", "CVE-2099-0003.yaml": "beyond_top", "CVE-2099-0004.yaml": "below_score",
        "CVE-2099-0005.yaml": "not_http", "CVE-2099-0006.yaml": "no_request", "g": "unreadable",
    }  # fmt: skip
    assert all(each.detail and each.rank is None and each.left_out in LEFT_OUT for each in found.left_out)


def test_of_two_sources_of_one_cve_the_better_stands_for_both(advisory: Make, known: Known) -> None:
    found = order([advisory(1, sources=("b.yaml",)), advisory(1, sources=("a.yaml",), cvss=9.9)], known())
    [kept], [left] = found.ranked, found.left_out
    assert (kept.sources, left.left_out) == (("a.yaml",), "duplicate_cve")
    assert left.detail == "CVE-2099-0001 stands in the list by a.yaml"
    assert [part.reason for part in kept.parts if part.signal == "exploit"] == ["2 sources show an exploit"]


def test_every_score_shows_the_dates_of_its_data(advisory: Make, known: Known) -> None:
    found = order([advisory(1)], known(kev={1: True}, epss={1: 0.5}))
    for each in found.ranked:
        assert [(data.data, data.date, data.age_days, data.warning) for data in each.data] == [
            ("KEV", "2099-08-20", 12, ""), ("EPSS", "2099-08-20", 12, ""),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "warning"),
    [
        ("2099-08-02", ""),
        ("2099-08-01", "the KEV data is 31 days old"),
        ("2099-09-02", ""),
        ("2099-09-09", "the KEV data is dated later than today"),
        ("", "the KEV data does not say of when it is"),
    ],
)
def test_old_undated_and_future_data_comes_with_a_warning(known: Known, day: str, warning: str) -> None:
    assert data_dates(known(kev={1: True}, day=day))[0].warning == warning


def test_missing_data_is_told(known: Known) -> None:
    assert [each.warning for each in data_dates(known())] == [
        "there is no KEV data, so this signal could not tell", "there is no EPSS data, so this signal could not tell",
    ]  # fmt: skip


def test_what_has_no_title_takes_that_of_another_document_of_its_cve(advisory: Make, known: Known) -> None:
    script = advisory(1, sources=("CVE-2099-0001.sh",), title="", cvss=9.9)
    text = advisory(1, sources=("a.md",), title="Fruit press: injection")
    alone = advisory(2, sources=("crake.sh",), title="", products=())
    found = order([script, text, alone], known())
    titles = {each.sources[0]: each.title for each in found.ranked}
    assert titles == {"CVE-2099-0001.sh": "Fruit press: injection", "crake.sh": "Unnamed disclosure (crake.sh)"}


def test_a_source_that_says_nothing_stands_below_one_that_is_known_to_be_severe(advisory: Make, known: Known) -> None:
    silent = Advisory(id="crake", sources=("crake.sh",), requests=advisory(1).requests)
    severe = advisory(2, tags=("rce", "unauth"), cvss=9.8)
    for data in (known(), known(kev={1: False}), known(kev={1: True}, epss={2: 0.01}, products=("lantern/desk",))):
        first, last = order([silent, severe], data).ranked
        assert (first.advisory, last.advisory) == (severe.id, "crake")
        assert last.score is not None
        assert last.score < 40
        assert last.told < 0.2


def test_data_that_is_missing_for_all_leaves_scores_as_they_are(advisory: Make, known: Known) -> None:
    weights = NONE | {"kev": 30, "cvss": 10}
    assert score(advisory(1, cvss=5.0), known(), weights).score == 50
    unnamed = Advisory(id="crake", sources=("crake.sh",), cvss=5.0)
    found = score(unnamed, known(kev={1: True}), weights)
    assert found.score == pytest.approx(100 * (30 * UNKNOWN + 10 * 0.5) / 40)
    assert found.told == pytest.approx(0.25)
    assert [part.value for part in found.parts if part.signal == "kev"] == [None]
