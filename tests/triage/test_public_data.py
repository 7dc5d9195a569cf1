"""The order over the public templates: what is exploited stands first, also where KEV is not asked."""

import hashlib
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from ruleforge.ingest.readers import read_advisories
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory
from ruleforge.records.priority import Priority
from ruleforge.triage.epss import read_epss
from ruleforge.triage.kev import read_kev
from ruleforge.triage.rank import rank
from ruleforge.triage.signals import SIGNALS, Intelligence
from ruleforge.triage.weights import load_weights

pytestmark = pytest.mark.corpus
WEIGHTS = load_weights(None, SIGNALS.names())
NOW = date(2026, 8, 20)  # a few days after the newest of the data


@pytest.fixture(scope="module")
def advisories(corpus: Path) -> list[Advisory]:
    read = read_advisories([corpus / "nuclei-templates" / "http" / "cves"])
    return [assign_roles(each) for each in read if isinstance(each, Advisory)]


@pytest.fixture(scope="module")
def known(corpus: Path) -> Intelligence:
    folder = corpus / "intel"
    [scores] = folder.glob("epss-*.csv")
    kev = read_kev(folder / "known_exploited_vulnerabilities.json")
    return Intelligence(now=NOW, kev=kev, epss=read_epss(scores))


def order(advisories: Sequence[Advisory], known: Intelligence, *without: str) -> tuple[Priority, ...]:
    weights = WEIGHTS | dict.fromkeys(without, 0.0)
    return rank([(each.sources[0], each) for each in advisories], known, weights).ranked


def area_under_curve(ranked: Sequence[Priority], exploited: set[str]) -> float:
    """Probability that one that is exploited scores higher than one that is not; a tie counts half."""
    scores = [(each.score or 0.0, bool(exploited & set(each.cves))) for each in ranked]
    low = sorted(score for score, hit in scores if not hit)
    high = [score for score, hit in scores if hit]
    wins = sum((bisect_left(low, score) + bisect_right(low, score)) / 2 for score in high)
    return wins / (len(low) * len(high))


def tuned(each: Priority) -> bool:
    """Whether a CVE belongs to the half that may be looked at while tuning."""
    return int(hashlib.sha256(each.cves[0].encode()).hexdigest()[-1], 16) % 2 == 0 if each.cves else True


def test_both_forms_of_the_catalogue_say_the_same(corpus: Path) -> None:
    found = [read_kev(corpus / "intel" / f"known_exploited_vulnerabilities.{form}") for form in ("json", "csv")]
    assert found[0].entries == found[1].entries
    assert len(found[0].entries) >= 1_400
    assert [each.problems for each in found] == [0, 0]


def test_what_is_exploited_stands_first(advisories: list[Advisory], known: Intelligence) -> None:
    assert known.kev is not None
    exploited = set(known.kev.entries)
    started = time.process_time()
    ranked = order(advisories, known)
    seconds = time.process_time() - started
    whole = sum(bool(exploited & set(each.cves)) for each in ranked)
    print(f"\ntriage.ranked {len(ranked)} kev {whole} rank_cpu_s {seconds:.2f}")  # noqa: T201
    for label, without in {"all": (), "no kev": ("kev",), "no kev, epss": ("kev", "epss")}.items():
        listed = order(advisories, known, *without)
        counts = {n: sum(bool(exploited & set(each.cves)) for each in listed[:n]) for n in (100, 300, 500)}
        halves = [area_under_curve([e for e in listed if tuned(e) is half], exploited) for half in (True, False)]
        print(f"triage.kev_among_top [{label}] {counts} auroc tuned {halves[0]:.3f} only counted {halves[1]:.3f}")  # noqa: T201
        assert min(halves) >= {"all": 0.99, "no kev": 0.93, "no kev, epss": 0.87}[label]
    for name in ("epss", "content", "cvss", "recency", "exploit", "detectability"):
        listed = order(advisories, known, *(each for each in SIGNALS if each != name))
        counts = {n: sum(bool(exploited & set(each.cves)) for each in listed[:n]) for n in (100, 300, 500)}
        print(f"triage.alone [{name}] {counts} auroc {area_under_curve(listed, exploited):.3f}")  # noqa: T201
    assert whole >= 300
    assert sum(bool(exploited & set(each.cves)) for each in ranked[:300]) >= 285


def test_tags_that_say_kev_are_not_believed(advisories: list[Advisory], known: Intelligence) -> None:
    assert known.kev is not None
    tagged = [each for each in advisories if "kev" in each.tags]
    unconfirmed = [each for each in tagged if not set(each.cves) & set(known.kev.entries)]
    untagged = [each for each in advisories if "kev" not in each.tags and set(each.cves) & set(known.kev.entries)]
    print(f"\ntriage.kev_tags {len(tagged)} unconfirmed {len(unconfirmed)} missing {len(untagged)}")  # noqa: T201
    assert unconfirmed
    assert all(SIGNALS["kev"](each, known).value == 0.0 for each in unconfirmed)


def test_no_plugin_xss_stands_before_an_exploited_code_execution(
    advisories: list[Advisory], known: Intelligence
) -> None:
    by_id = {each.id: each for each in advisories}
    for without in ((), ("kev",), ("epss",), ("kev", "epss")):
        ranked = order(advisories, known, *without)
        plugins = [e.rank or 0 for e in ranked if {"wp-plugin", "xss"} <= set(by_id[e.advisory].tags)]
        gateways = [e.rank or 0 for e in ranked if _is_open_gateway(by_id[e.advisory], known)]
        assert len(plugins) >= 100
        assert len(gateways) >= 10
        assert max(gateways) < min(plugins)


def _is_open_gateway(advisory: Advisory, known: Intelligence) -> bool:
    """Code execution without logging in, in a gateway, and known to be exploited."""
    words = SIGNALS["content"](advisory, known).reason
    place = words.startswith("remote code execution in a VPN") and words.endswith("without logging in")
    return place and bool(SIGNALS["kev"](advisory, known).value)
