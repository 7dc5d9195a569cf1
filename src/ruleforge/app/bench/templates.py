"""Rows about the sources themselves: rules and refusals, replay, harmless probes, other products' exploits."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.bench.ground import Ground, Template, read_text
from ruleforge.app.bench.tally import Tally
from ruleforge.cases.anatomy import expected_classes
from ruleforge.errors import InputError
from ruleforge.ingest.readers import read_advisories
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import REFUSALS
from ruleforge.records.quality import Row, rate
from ruleforge.validate.products import product_of

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


class _Label(msgspec.Struct):
    """What a person said of one template."""

    template: str
    rule_possible: bool | str | None
    refusal: str | None = None

    @property
    def refuse(self) -> bool | None:
        """Whether the template ought to be refused; None where the labeller could not tell."""
        if isinstance(self.rule_possible, bool):
            return not self.rule_possible
        return True if self.rule_possible == "context" else None


class _Labels(msgspec.Struct):
    labels: list[_Label]


def refusal_rows(ground: Ground, files: Sequence[Path]) -> list[Row]:
    """Precision and recall of refusals on each file of labels."""
    if not files:
        return [
            Row(key=f"refusal_{what}", title=f"refusals, {what}", unit="templates", rate=None, target=target, note=why)
            for what, target in (("precision", 0.90), ("recall", 0.80))
            for why in ["needs --labels FILE"]
        ]
    return [row for file in files for row in _labelled(ground, file)]


def _labelled(ground: Ground, file: Path) -> list[Row]:
    try:
        labels = msgspec.convert(json.loads(read_text(file)), _Labels).labels
    except (ValueError, RecursionError) as error:
        hint = 'expected: {"labels": [{"template": …, "rule_possible": true, false or "context"}]}'
        raise InputError(f"no labels: {error}", where=str(file), hint=hint, code="RF248") from error
    by_id = {template.advisory.id: template for template in ground.templates}
    unclear = unknown = 0
    both = wrongly_refused = wrongly_ruled = 0
    reasons = Tally()
    for label in labels:
        template = by_id.get(label.template)
        if template is None or label.refuse is None:
            unknown += template is None
            unclear += template is not None
            continue
        refused = _is_refused(ground, template)
        both += refused and label.refuse
        wrongly_refused += refused and not label.refuse
        wrongly_ruled += label.refuse and not refused
        if refused and label.refuse and label.refusal in REFUSALS:
            outcome = ground.outcomes.get(template.advisory.id)
            reasons.add(outcome is not None and outcome.reason == label.refusal)
    name = file.stem
    note = f"{len(labels)} labels; {unclear} unclear and {unknown} without a template are left out"
    agreed = f"; same reason in {reasons.hits} of {reasons.of}" if reasons.of else ""
    return [
        Row(
            key=f"refusal_precision:{name}",
            title=f"refusals, precision ({name})",
            unit="templates",
            rate=rate(both, both + wrongly_refused),
            target=0.90,
            stretch=0.95,
            note=note + agreed,
        ),
        Row(
            key=f"refusal_recall:{name}",
            title=f"refusals, recall ({name})",
            unit="templates",
            rate=rate(both, both + wrongly_ruled),
            target=0.80,
            stretch=0.90,
        ),
    ]


def _is_refused(ground: Ground, template: Template) -> bool:
    outcome = ground.outcomes.get(template.advisory.id)
    return outcome.outcome != "rule" if outcome else not ground.rules_for(template.names)


def replay_row(ground: Ground) -> Row:
    """Every rule against the exploit requests of its own source."""
    tally = Tally()
    for template in ground.templates:
        own = ground.rules_for([template.advisory.id])
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
