"""Rows about the sources themselves: how many have a rule, replay, harmless probes, other products' exploits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ruleforge.app.bench.ground import Ground, Template
from ruleforge.app.bench.tally import Tally
from ruleforge.cases.anatomy import expected_classes
from ruleforge.ingest.readers import read_advisories
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.records.quality import Row, rate

HARMLESS = ("exposed-panels", "technologies", "osint")  # folders of templates that only look


def read_templates(folders: Sequence[Path]) -> Iterator[Template]:
    """Yield the sources that can be read, with roles."""
    for found in read_advisories(folders):
        if isinstance(found, Advisory):
            yield Template(assign_roles(found))


def outcome_row(ground: Ground) -> Row:
    """How many sources have a rule; without outcomes, by the rules that are there."""
    tally, refused = Tally(), Counter[str]()
    for template in ground.templates:
        outcome = ground.outcomes.get(template.advisory.id)
        has_rule = bool(ground.rules_for(template.names)) if outcome is None else outcome.outcome == "rule"
        tally.add(has_rule, [("class", _class_of(template))])
        if not has_rule:
            refused[outcome.reason if outcome else "not known why"] += 1
    return Row(
        key="templates_with_rule",
        title="templates with a rule that passes every gate",
        unit="templates",
        rate=tally.rate(),
        target=0.86,
        stretch=0.88,
        parts=tally.parts(),
        causes={f"no rule ({reason})": {"all": count} for reason, count in refused.most_common()},
        note="" if ground.outcomes else "no outcomes found: reasons of refusals are not known",
    )


def _class_of(template: Template) -> str:
    """Name the payload class the source speaks of first; the rarer one of two that a weakness stands for comes last."""
    expected = expected_classes(template.advisory)
    return next((name for name in expected if name != "shellshock"), expected[0] if expected else "none")


def replay_row(ground: Ground) -> Row:
    """Every rule against the exploit requests of its own source."""
    tally = Tally()
    for template in ground.templates:
        name = f"RF-{template.advisory.id}-"  # a rule that names several vulnerabilities is the own one of the first
        own = {rule for rule in ground.rules_for([template.advisory.id]) if ground.rules[rule].id.startswith(name)}
        for poc in template.exploits() if own else ():
            hit = not own.isdisjoint(ground.compiled.answers(poc.request).hits)
            tally.add(hit, [("class", _class_of(template))])
            if not hit:
                for rule in own:
                    ground.blame(rule, "replay", poc.origin)
    return Row(
        key="replay",
        title="exploit requests of the rule's own template",
        unit="requests",
        rate=tally.rate(),
        target=1.0,
        parts=tally.parts(),
    )


def cross_rows(ground: Ground) -> list[Row]:
    """Rules that fire on the exploits of other CVEs, and on those of other products."""
    products = {name: product_of(each.advisory) for each in ground.templates for name in each.names}
    raw: set[int] = set()
    strangers: dict[int, set[str]] = defaultdict(set)
    for template in ground.templates:
        mine = product_of(template.advisory)
        for poc in template.exploits():
            for rule in ground.compiled.answers(poc.request).hits:
                if rule in ground.rules_for(template.names):
                    continue
                raw.add(rule)
                cves = ground.rules[rule].cves
                its = products.get(cves[0], "") if cves else ""
                if not its or its != mine:
                    strangers[rule].add(template.advisory.id)
    for rule, names in sorted(strangers.items()):
        for name in sorted(names):
            ground.blame(rule, "other_product", name)
    of, note = len(ground.rules), "names of one product count as one"
    return [
        Row(
            key="other_product",
            title="rules firing on another product's exploit",
            unit="rules",
            rate=rate(len(strangers), of),
            wanted="low",
            target=0.01,
            stretch=0.005,
            note=note,
        ),
        Row(
            key="other_cve",
            title="rules firing on any other CVE's exploit",
            unit="rules",
            rate=rate(len(raw), of),
            wanted="low",
        ),
    ]


def harmless_row(ground: Ground, folders: Iterable[Path]) -> Row:
    """Rules that fire on requests that only recognise a product."""
    firing: set[int] = set()
    requests = 0
    for folder in folders:
        for template in read_templates([folder]):
            for poc in template.advisory.requests:
                requests += 1
                for rule in ground.compiled.answers(poc.request).hits:
                    firing.add(rule)
                    ground.blame(rule, "harmless", f"{folder.name}/{template.advisory.id}")
    note = f"{requests:,} requests"
    return Row(
        key="harmless",
        title="rules firing on harmless probes",
        unit="rules",
        rate=rate(len(firing), len(ground.rules)) if requests else None,
        wanted="low",
        target=0.003,
        stretch=0.001,
        note=note if requests else "no harmless templates found",
    )
