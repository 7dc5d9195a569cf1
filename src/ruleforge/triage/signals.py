"""The signals of triage: each looks at one advisory and says how much speaks for forging it now, or that it cannot."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.triage.content import gain, reach, rights
from ruleforge.triage.epss import Epss
from ruleforge.triage.exposure import ProductList
from ruleforge.triage.kev import Kev

HALF_LIFE_YEARS = 3.0  # of recency: exploitation begins early, and old flaws are exploited for years all the same
LISTED = 0.9  # value of an entry of KEV; with a known ransomware campaign it is 1
BY_SEVERITY = {"critical": 0.95, "high": 0.8, "medium": 0.55, "low": 0.25, "info": 0.0}  # where there is no score
BY_SOURCES = {1: 0.7, 2: 0.85}  # value of so many sources with an exploit; 3 and more: 1
WITHOUT_EXPLOIT = 0.2  # a source exists, but none of its requests carries the attack

_CVE = re.compile(r"CVE-(\d{4})-\d{4,8}", re.IGNORECASE)


class Intelligence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known besides the advisory; None: there is no such data."""

    now: date
    kev: Kev | None = None
    epss: Epss | None = None
    products: ProductList | None = None
    exploits: Mapping[str, int] = msgspec.field(default_factory=dict)  # CVE or id → sources with an exploit request


class Told(msgspec.Struct, frozen=True):
    """What a signal says: a value in [0, 1] or None, and a sentence without its full stop."""

    value: float | None
    reason: str


Signal: TypeAlias = Callable[[Advisory, Intelligence], Told]
SIGNALS = Registry[Signal]("signal")


def cves_of(advisory: Advisory) -> tuple[str, ...]:
    """Return the CVE numbers of an advisory, in capitals, each once; the one that is its id first."""
    named = (advisory.id, *advisory.cves)
    return tuple(dict.fromkeys(cve.upper() for cve in named if _CVE.fullmatch(cve)))


def key_of(advisory: Advisory) -> str:
    """Return what makes two sources the same vulnerability: the first CVE, else the id."""
    return next(iter(cves_of(advisory)), advisory.id)


@SIGNALS.add("kev")
def kev(advisory: Advisory, known: Intelligence) -> Told:
    """Known to be exploited: listed by CISA (0.9), in ransomware campaigns (1), not listed (0)."""
    cves = cves_of(advisory)
    if known.kev is None:
        return Told(None, "there is no KEV catalogue")
    if not cves:
        return Told(None, "the source names no CVE")
    listed = [(known.kev.entries[cve], cve) for cve in cves if cve in known.kev.entries]
    if listed:
        entry, cve = max(listed, key=lambda pair: pair[0].ransomware)
        since = f" since {entry.added}" if entry.added else ""
        campaign = " and used by ransomware groups" if entry.ransomware else ""
        return Told(1.0 if entry.ransomware else LISTED, f"{cve} is known to be exploited{since}{campaign}")
    if known.kev.date and all(int(cve[4:8]) > int(known.kev.date[:4]) for cve in cves):
        return Told(None, f"the catalogue of {known.kev.date} is older than this CVE")
    return Told(0.0, f"not known to be exploited{_as_of(known.kev.date)}")


@SIGNALS.add("epss")
def epss(advisory: Advisory, known: Intelligence) -> Told:
    """Predicted to be exploited: 0.7 of the probability and 0.3 of the percentile, of the CVE with the most."""
    cves = cves_of(advisory)
    if known.epss is None:
        return Told(None, "there are no EPSS scores")
    if not cves:
        return Told(None, "the source names no CVE")
    scores = [known.epss.scores[cve] for cve in cves if cve in known.epss.scores]
    if not scores:
        return Told(None, f"the scores{_as_of(known.epss.date)} do not cover this CVE")
    score = max(scores, key=lambda each: each.probability)
    chance = f"{_cut_percent(score.probability)} chance of being exploited within 30 days"
    if score.percentile is None:
        return Told(score.probability, f"EPSS: {chance}")
    value = 0.7 * score.probability + 0.3 * score.percentile
    return Told(value, f"EPSS: {chance}, more than {_cut_percent(score.percentile)} of all CVEs")


def _cut_percent(share: float) -> str:
    """A share in percent, cut and not rounded: nothing is certain, and nothing is more than all."""
    return f"{min(int(share * 1000), 999) / 10:.1f}%"


def _as_of(day: str) -> str:
    return f" as of {day}" if day else ""


@SIGNALS.add("exposure")
def exposure(advisory: Advisory, known: Intelligence) -> Told:
    """On the user's own list of products (1) or not (0)."""
    if known.products is None:
        return Told(None, "there is no list of your products")
    named = [(product.vendor, product.product) for product in advisory.products if product.vendor or product.product]
    if not named:
        vendor, _, product = product_of(advisory).partition("/")
        if not vendor and not product:
            return Told(None, "the source names no product")
        named = [(vendor, product)]
    for vendor, product in named:
        owned = known.products.find(vendor, product)
        if owned is not None:
            return Told(1.0, f"you run it: {owned.written}")
    shown = ", ".join(" ".join(filter(None, pair)) for pair in named)[:100]
    return Told(0.0, f"{shown} is not among your products")


@SIGNALS.add("content")
def content(advisory: Advisory, _known: Intelligence) -> Told:
    """What an attacker gains, times where, times with which rights."""
    gained = gain(advisory)
    if gained is None:
        return Told(None, "the source does not say what kind of flaw it is")
    place, needed = reach(advisory), rights(advisory)
    words = f"{gained.words} in {place.words}, {needed.words}"
    return Told(gained.value * place.value * needed.value, words)


@SIGNALS.add("cvss")
def cvss(advisory: Advisory, _known: Intelligence) -> Told:
    """The base score, divided by ten; the severity where the source states no score."""
    if advisory.cvss is not None:
        return Told(min(max(advisory.cvss / 10, 0.0), 1.0), f"CVSS base score {advisory.cvss:.1f}")
    value = BY_SEVERITY.get(advisory.severity)
    if value is None:
        return Told(None, "the source states neither a base score nor a severity")
    return Told(value, f"severity {advisory.severity}, without a base score")


@SIGNALS.add("recency")
def recency(advisory: Advisory, known: Intelligence) -> Told:
    """How long the flaw is public: halved every three years, from the date of disclosure or the CVE's year."""
    disclosed = _disclosed(advisory)
    if disclosed is None:
        return Told(None, "neither a date of disclosure nor a CVE number says how old it is")
    day, words = disclosed
    years = max((known.now - day).days / 365.25, 0.0)
    return Told(0.5 ** (years / HALF_LIFE_YEARS), f"{words}, {_age(years)}")


def _age(years: float) -> str:
    return "this year" if years < 0.9 else f"about {years:.0f} year{'s' if years >= 1.5 else ''} old"


def _disclosed(advisory: Advisory) -> tuple[date, str] | None:
    try:
        return date.fromisoformat(advisory.created[:10]), f"disclosed on {advisory.created[:10]}"
    except ValueError:
        pass
    years = [int(cve[4:8]) for cve in cves_of(advisory)]
    if not years or not 1990 <= max(years) <= 9998:
        return None
    return date(max(years), 7, 1), f"a CVE of {max(years)}"


@SIGNALS.add("exploit")
def exploit(advisory: Advisory, known: Intelligence) -> Told:
    """How many sources show an exploit."""
    sources = max(known.exploits.get(key_of(advisory), 0), int(_attacks(advisory) > 0))
    if not sources:
        return Told(WITHOUT_EXPLOIT, "a source exists, but no request of it carries the attack")
    shown = "one source shows" if sources == 1 else f"{sources} sources show"
    return Told(BY_SOURCES.get(sources, 1.0), f"{shown} an exploit")


@SIGNALS.add("detectability")
def detectability(advisory: Advisory, _known: Intelligence) -> Told:
    """Whether an HTTP request carries the attack, so that a rule can see it."""
    attacks = _attacks(advisory)
    if not advisory.requests:
        return Told(0.0, "there is no request to see")
    if not attacks:
        return Told(0.0, "its requests only look or prepare, none carries the attack")
    if all(not poc.role for poc in advisory.requests):
        return Told(None, "its requests have no roles yet")
    many = f"{attacks} requests carry" if attacks > 1 else "a request carries"
    return Told(1.0, f"{many} the attack")


def _attacks(advisory: Advisory) -> int:
    return sum(poc.role in ("exploit", "") for poc in advisory.requests)
