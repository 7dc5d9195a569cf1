"""Every signal: its value where it can tell, None with a reason where it cannot, and words a person would write."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import Product
from ruleforge.triage.signals import SIGNALS, Intelligence, Told

Make = Callable[..., Advisory]
Known = Callable[..., Intelligence]


def ask(signal: str, advisory: Advisory, known: Intelligence) -> tuple[float | None, str]:
    told: Told = SIGNALS[signal](advisory, known)
    return told.value, told.reason


def test_kev_tells_exploited_from_not_and_knows_ransomware(advisory: Make, known: Known) -> None:
    data = known(kev={1: True, 2: False})
    assert ask("kev", advisory(1), data) == (
        1.0, "CVE-2099-0001 is known to be exploited since 2099-02-03 and used by ransomware groups",
    )  # fmt: skip
    assert ask("kev", advisory(2), data) == (0.9, "CVE-2099-0002 is known to be exploited since 2099-02-03")
    assert ask("kev", advisory(3), data) == (0.0, "not known to be exploited as of 2099-08-20")


def test_kev_cannot_tell_about_what_is_younger_or_has_no_number(advisory: Make, known: Known) -> None:
    assert ask("kev", advisory(1), known()) == (None, "there is no KEV catalogue")
    assert ask("kev", advisory(3), known(kev={1: True}, day="2098-12-31")) == (
        None, "the catalogue of 2098-12-31 is older than this CVE",
    )  # fmt: skip
    assert ask("kev", advisory(id="press", cves=()), known(kev={1: True})) == (None, "the source names no CVE")


def test_of_several_cves_the_gravest_counts(advisory: Make, known: Known) -> None:
    both = advisory(3, cves=("CVE-2099-0002", "CVE-2099-0001"))
    assert ask("kev", both, known(kev={1: True, 2: False}))[0] == 1.0
    value, reason = ask("epss", both, known(epss={1: 0.5, 2: 0.1}))
    assert value == pytest.approx(0.5)
    assert reason == "EPSS: 50.0% chance of being exploited within 30 days, more than 50.0% of all CVEs"


def test_epss_never_claims_certainty_and_cannot_tell_what_it_does_not_cover(advisory: Make, known: Known) -> None:
    assert "EPSS: 99.9% chance" in ask("epss", advisory(1), known(epss={1: 1.0}))[1]
    assert ask("epss", advisory(9), known(epss={1: 1.0})) == (
        None, "the scores as of 2099-08-20 do not cover this CVE",
    )  # fmt: skip
    assert ask("epss", advisory(1), known()) == (None, "there are no EPSS scores")


def test_exposure_compares_with_the_users_products(advisory: Make, known: Known) -> None:
    mine = known(products=("orchard/fruit_press",))
    assert ask("exposure", advisory(1), mine) == (1.0, "you run it: orchard/fruit_press")
    assert ask("exposure", advisory(1, product="cider"), mine) == (0.0, "orchard cider is not among your products")
    assert ask("exposure", advisory(1, product=""), mine) == (None, "the source names no product")
    assert ask("exposure", advisory(1), known()) == (None, "there is no list of your products")


def test_content_multiplies_gain_place_and_rights(advisory: Make, known: Known) -> None:
    gateway = advisory(1, vendor="fortinet", product="fortios", tags=("rce", "unauth"))
    assert ask("content", gateway, known()) == (
        1.0, "remote code execution in a VPN, gateway or firewall, without logging in",
    )  # fmt: skip
    value, _ = ask("content", advisory(1, tags=("xss", "wp-plugin")), known())
    assert value == pytest.approx(0.2 * 0.25 * 0.85)
    assert ask("content", advisory(1), known()) == (None, "the source does not say what kind of flaw it is")


@pytest.mark.parametrize(
    ("given", "value", "reason"),
    [
        ({"cvss": 9.8}, 0.98, "CVSS base score 9.8"),
        ({"severity": "high"}, 0.8, "severity high, without a base score"),
        ({"severity": "unknown"}, None, "the source states neither a base score nor a severity"),
    ],
)
def test_cvss_falls_back_to_the_severity(
    advisory: Make, known: Known, given: dict[str, Any], value: float | None, reason: str
) -> None:
    found, words = ask("cvss", advisory(1, **given), known())
    assert (found, words) == (value if value is None else pytest.approx(value), reason)


@pytest.mark.parametrize(
    ("now", "created", "value", "reason"),
    [
        (date(2099, 7, 1), "", 1.0, "a CVE of 2099, this year"),
        (date(2098, 1, 1), "", 1.0, "a CVE of 2099, this year"),
        (date(2102, 7, 1), "", 0.5, "a CVE of 2099, about 3 years old"),
        (date(2105, 7, 1), "2104-07-01", 0.7937, "disclosed on 2104-07-01, about 1 year old"),
        (date(2105, 7, 1), "soon", 0.25, "a CVE of 2099, about 6 years old"),
    ],
)
def test_recency_is_halved_every_three_years(
    advisory: Make, known: Known, now: date, created: str, value: float, reason: str
) -> None:
    found, words = ask("recency", advisory(1, created=created), known(now=now))
    assert (found, words) == (pytest.approx(value, abs=1e-3), reason)


def test_recency_cannot_tell_without_a_date_or_a_number(advisory: Make, known: Known) -> None:
    assert ask("recency", advisory(id="press", cves=()), known())[0] is None


@pytest.mark.parametrize(
    ("roles", "sources", "value", "reason"),
    [
        (("exploit",), 0, 0.7, "one source shows an exploit"),
        (("exploit", "setup"), 2, 0.85, "2 sources show an exploit"),
        (("exploit",), 5, 1.0, "5 sources show an exploit"),
        (("probe",), 0, 0.2, "a source exists, but no request of it carries the attack"),
    ],
)
def test_more_sources_of_an_exploit_count_more(
    advisory: Make, known: Known, roles: tuple[str, ...], sources: int, value: float, reason: str
) -> None:
    data = msgspec.structs.replace(known(), exploits={"CVE-2099-0001": sources})
    assert ask("exploit", advisory(1, *roles), data) == (value, reason)


def test_detectability_asks_for_a_request_that_carries_the_attack(advisory: Make, known: Known) -> None:
    assert ask("detectability", advisory(1, "setup", "exploit"), known()) == (1.0, "a request carries the attack")
    assert ask("detectability", advisory(1, "exploit", "exploit"), known())[1] == "2 requests carry the attack"
    assert ask("detectability", advisory(1, "probe"), known())[0] == 0.0
    assert ask("detectability", advisory(1, requests=()), known()) == (0.0, "there is no request to see")
    assert ask("detectability", advisory(1, ""), known())[0] is None


TEXT = st.text(max_size=40)
VECTOR = st.sampled_from(["", "CVSS:3.1/PR:N/UI:R", "CVSS:3.1/PR:H", "PR", "/:/:", "PR:X"])


@given(
    id=TEXT, cves=st.lists(TEXT | st.just("CVE-2099-0001"), max_size=3), title=TEXT, tags=st.lists(TEXT, max_size=4),
    severity=TEXT, created=TEXT, vendor=TEXT, product=TEXT, cvss_vector=VECTOR, cwes=st.lists(TEXT, max_size=2),
    cvss=st.none() | st.floats(-5, 50),
)  # fmt: skip
def test_any_advisory_gives_a_share_or_none_and_a_reason(vendor: str, product: str, **given: Any) -> None:
    lists = {key: tuple(given.pop(key)) for key in ("cves", "tags", "cwes")}
    advisory = Advisory(sources=("x",), products=(Product(vendor, product),), **given, **lists)
    for name in SIGNALS:
        told = SIGNALS[name](advisory, Intelligence(now=date(2099, 9, 1)))
        assert told.value is None or 0 <= told.value <= 1
        assert told.reason
        assert not told.reason.endswith(".")
