"""Rows about recorded traffic: ordinary requests by site list, and attacks that belong to no CVE."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ruleforge.app.bench.ground import Ground
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.quality import Part, Row, rate

HOLD_DIGITS = "012"  # last hex digit of the hash of a site: these sites are only reported
_STEPS = {"exploits": 4, "attack": 100, "benign": 1000, "honeypot": 500}  # every n-th request of a file


def stratum(source: str) -> str:
    """Name the list a row comes from: its source up to the first slash."""
    return source.partition("/")[0]


def site_of(request: Request) -> str:
    """Name the site of a request: its Host header, or its source where there is none."""
    host = next((value for name, value in request.headers if name.lower() == b"host"), None)
    return request.source if host is None else host.decode("utf-8", "surrogatepass")


@lru_cache(maxsize=100_000)
def part_of(site: str) -> str:
    """Say whether a site is "fit" (statistics and gates may use it) or "hold" (only reported)."""
    digest = hashlib.sha256(site.encode("utf-8", "surrogatepass")).hexdigest()
    return "hold" if digest[-1] in HOLD_DIGITS else "fit"


def benign_rows(ground: Ground, file: Path) -> list[Row]:
    """Ordinary requests fired on, per stratum; those of `hold` are never shown, only counted."""
    total: dict[str, Counter[str]] = {"hold": Counter(), "fit": Counter()}
    fired: dict[str, Counter[str]] = {"hold": Counter(), "fit": Counter()}
    sites: dict[tuple[str, str], set[str]] = defaultdict(set)
    for request in ground.take(read_requests(file)):
        site, name = site_of(request), stratum(request.source)
        part = part_of(site)
        total[part][name] += 1
        sites[part, name].add(site)
        hits = ground.compiled.answers(request).hits
        fired[part][name] += bool(hits)
        for rule in hits:
            ground.blame(rule, f"benign_{part}", request.id if part == "fit" else "")
    return [_benign(part, total[part], fired[part], sites) for part in ("hold", "fit")]


def _benign(part: str, total: Counter[str], fired: Counter[str], sites: dict[tuple[str, str], set[str]]) -> Row:
    parts = [
        Part("stratum", name, rate(fired[name], of), f"{len(sites[part, name]):,} sites") for name, of in total.items()
    ]
    worst = sorted(parts, key=lambda each: (-each.rate.hits, -each.rate.of, each.name))
    sizes = sorted(total.values())
    note = f"{len(parts)} strata of {sizes[0]:,} to {sizes[-1]:,} requests" if sizes else ""
    return Row(
        key=f"benign_{part}",
        title=f"ordinary requests fired on, {part}",
        unit="requests",
        rate=rate(fired.total(), total.total()),
        wanted="low",
        target=0.0,
        parts=tuple(worst),
        note=note,
    )


def generic_row(ground: Ground, file: Path) -> Row:
    """Attacks without a CVE: rules are no generic filter, so this is for information."""
    total, fired = Counter[str](), Counter[str]()
    for request in ground.take(read_requests(file)):
        name = stratum(request.source)
        total[name] += 1
        fired[name] += bool(ground.compiled.answers(request).hits)
    parts = tuple(Part("stratum", name, rate(fired[name], total[name])) for name in sorted(total))
    title = "generic attacks fired on (for information)"
    return Row(
        key="generic_attacks", title=title, unit="requests", rate=rate(fired.total(), total.total()), parts=parts
    )


def differential_row(ground: Ground, files: dict[str, Path], wanted: bool) -> Row:
    """Fast set against reference evaluator on a sample: hits and unknowns."""
    key, title = "differences", "answers where fast set and reference differ"
    if not wanted:
        return Row(key=key, title=title, unit="pairs", rate=None, wanted="low", target=0.0, note="needs --differential")
    asks = [compile_rule(rule).ask for rule in ground.rules]
    pairs = wrong = 0
    for name, file in files.items():
        for number, request in enumerate(ground.take(read_requests(file))):
            if number % _STEPS[name]:
                continue
            pairs += len(asks)
            wrong += _differences(ground.compiled, asks, request)
    return Row(key=key, title=title, unit="pairs", rate=rate(wrong, pairs), wanted="low", target=0.0)


def _differences(compiled: CompiledSet, asks: Sequence[Ask], request: Request) -> int:
    view = HttpView(request)
    answers = compiled.answers(request)
    fast = dict.fromkeys(answers.unknowns) | dict.fromkeys(answers.hits, True)
    return sum(ask(view) is not fast.get(rule, False) for rule, ask in enumerate(asks))
