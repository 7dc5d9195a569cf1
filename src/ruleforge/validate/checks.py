"""The checks, in growing rigour and cost. Each returns its result and the requests that were answered wrongly."""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.cases.evidence import Case, Evidence, case, identity
from ruleforge.engine.corpus import Row
from ruleforge.records.forging import CheckResult, Trial
from ruleforge.rules.lint import is_generic_path
from ruleforge.rules.proofs import prove
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Root, Rule, Tree, conditions_of
from ruleforge.validate import gates


class Finding(msgspec.Struct, frozen=True):
    """A check's result with its counterexamples."""

    result: CheckResult
    missed: tuple[Case, ...] = ()
    hit: tuple[Case, ...] = ()
    feedback: tuple[str, ...] = ()


TOLD_SHARED = "cannot be told from the exploits of "
TOLD_FAMILY = "attacks in the very way of "
_WORD = re.compile(rb"(?<![%0-9A-Za-z])[A-Za-z_][\w-]{2,}")  # no hexadecimal digits of an escape

Ask: TypeAlias = Callable[[Case], bool]
Check: TypeAlias = Callable[[Rule, Ask, Evidence], Finding]
CHECKS: Registry[Check] = Registry("check")


def _ids(cases: Iterable[Case]) -> tuple[str, ...]:
    return tuple(c.view.request.id or c.kind for c in cases)[: gates.EXAMPLES_MOST]


@CHECKS.add("static_proof")
def static_proof(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """No condition can never hold or always holds; the rule is short enough to read."""
    del ask, evidence
    problems = [f"{p.code} {p.path}: {p.message}" for p in prove(rule) if p.severity == "error"]
    size = sum(1 for _ in conditions_of(rule.when))
    if size > gates.CONDITIONS_MOST:
        problems.append(f"{size} conditions; at most {gates.CONDITIONS_MOST} can be reviewed")
    result = CheckResult(
        check="static_proof", passed=not problems, tried=1, failed=len(problems), detail="; ".join(problems)[:500]
    )
    return Finding(result, feedback=tuple(problems))


@CHECKS.add("replay")
def replay(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Every exploit request of the source is hit."""
    del rule
    missed = tuple(c for c in evidence.exploits if not ask(c))
    result = CheckResult(
        check="replay", passed=not missed, tried=len(evidence.exploits), failed=len(missed), examples=_ids(missed)
    )
    return Finding(result, missed=missed, feedback=tuple(f"misses exploit request {name}" for name in _ids(missed)))


@CHECKS.add("siblings")
def siblings(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Silent on the setup and probe steps of the same source."""
    del rule
    if not evidence.siblings:
        return Finding(CheckResult(check="siblings", passed=None, detail="the source has no other step"))
    own = {identity(c.view.request) for c in evidence.exploits}
    hit = tuple(c for c in evidence.siblings if identity(c.view.request) not in own and ask(c))
    result = CheckResult(
        check="siblings",
        passed=len(hit) <= gates.SIBLINGS_HIT_MOST,
        tried=len(evidence.siblings),
        failed=len(hit),
        examples=_ids(hit),
    )
    return Finding(result, hit=hit, feedback=tuple(f"fires on the {c.kind} step {c.view.request.id}" for c in hit[:5]))


@CHECKS.add("near_misses")
def near_misses(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Silent on ordinary twins of the exploit: same endpoint with ordinary values, same payload elsewhere."""
    del rule
    if not evidence.near_misses:
        detail = "exempt: " + ("; ".join(dict.fromkeys(evidence.exemptions)) or "no near-miss could be made")
        return Finding(CheckResult(check="near_misses", passed=None, detail=detail))
    hit = tuple(c for c in evidence.near_misses if ask(c))
    result = CheckResult(
        check="near_misses",
        passed=len(hit) <= gates.NEAR_MISSES_HIT_MOST,
        tried=len(evidence.near_misses),
        failed=len(hit),
        detail="; ".join(dict.fromkeys(c.note or c.kind for c in hit))[:500],
        examples=_ids(hit),
    )
    return Finding(result, hit=hit, feedback=tuple(f"fires on a near-miss ({c.kind}): {c.note}" for c in hit[:5]))


@CHECKS.add("variants")
def variants(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Still fires when the exploit is written another way that a server would accept."""
    del rule
    tried = len(evidence.variants)
    if not tried:
        return Finding(CheckResult(check="variants", passed=None, detail="no valid variant of these requests is known"))
    missed = tuple(c for c in evidence.variants if not ask(c))
    passed = 1 - len(missed) / tried >= gates.VARIANT_SURVIVAL_LEAST
    kinds = sorted({c.kind for c in missed})
    result = CheckResult(
        check="variants", passed=passed, tried=tried, failed=len(missed), detail=", ".join(kinds), examples=_ids(missed)
    )
    return Finding(result, missed=missed, feedback=tuple(f"misses the variant {kind}" for kind in kinds))


def hits_strangers(row: Row, evidence: Evidence, own: set[tuple[bytes, bytes, bytes]]) -> bool:
    """Whether a hit on `row` counts against the rule: another product's source, and not our very request."""
    if row.owner == evidence.advisory or row.owner in evidence.cves:
        return False
    if row.product and row.product == evidence.product:
        return False
    return identity(row.request) not in own


def _shared_most(tree: Tree) -> tuple[int, str]:
    """Say with how many other sources a rule may share its shape, and how that is told.

    Without an endpoint it detects a kind of attack, not this flaw alone: then it is the rule of all of them. That is
    sound where the path is written as none is and, for few, where a file is asked for that every product has; a payload
    in some argument of any page is an attack on anything.
    """
    if names_place(tree):
        return gates.SHARED_SOURCES_MOST, TOLD_SHARED
    read = {condition.field for condition in conditions_of(tree)}
    if read & {"path.raw", "path.decoded"}:
        return gates.FAMILY_SOURCES_MOST, TOLD_FAMILY
    return gates.SHARED_SOURCES_MOST if "path" in read else 0, TOLD_FAMILY


def _attacks_alike(row: Row, evidence: Evidence) -> bool:
    return row.kind == "exploit" and hits_strangers(row, evidence, set())


def names_place(tree: Root) -> bool:
    """Whether some condition names a place of the product: words in the path that are not every product's."""
    match tree:
        case AllOf(parts) | AnyOf(parts):
            return any(names_place(part) for part in parts)
        case Condition(field=field, op=op, value=value):
            if not field.startswith("path") or op == "is_class" or not isinstance(value, bytes):
                return False
            return bool(_WORD.search(value)) and not is_generic_path(value)
    return False


def sibling_sources(rule: Rule, evidence: Evidence) -> int:
    """Count the other vulnerabilities of the same product whose exploits the rule fires on: fewer tells them apart."""
    if evidence.corpus is None or not evidence.product:
        return 0
    corpus = evidence.corpus

    def foreign(row: Row) -> bool:
        return row.kind != "exploit" or row.product != evidence.product or row.owner == evidence.advisory

    rows = corpus.hits(_tree(rule), evidence.classes, limit=200, skip=foreign)
    return len({corpus.row(number).owner for number in rows})


@CHECKS.add("other_products")
def other_products(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Silent on the requests of every other product's source in the run."""
    del ask
    if evidence.corpus is None:
        return Finding(CheckResult(check="other_products", passed=None, detail="no other sources in this run"))
    own = {identity(c.view.request) for c in evidence.exploits}
    corpus, tree = evidence.corpus, _tree(rule)
    rows = corpus.hits(tree, evidence.classes, limit=200, skip=lambda row: not hits_strangers(row, evidence, own))
    strangers = [corpus.row(number) for number in rows]
    hit = tuple(
        case(row.request, "other_product", note=f"{row.owner} ({row.product or 'unnamed'})") for row in strangers
    )
    owners = sorted({row.owner for row in strangers})
    passed: bool | None = len(hit) <= gates.OTHER_PRODUCTS_HIT_MOST
    detail = ", ".join(owners[:10])
    most, told = _shared_most(tree)
    if not passed and len(owners) <= most and all(row.kind == "exploit" for row in strangers):
        passed, detail = None, told + ", ".join(owners)
        if told == TOLD_FAMILY:  # those whose request is ours byte for byte belong to it as well
            alike = corpus.hits(tree, evidence.classes, limit=200, skip=lambda row: not _attacks_alike(row, evidence))
            detail = told + ", ".join(sorted({corpus.row(number).owner for number in alike}))
    result = CheckResult(
        check="other_products", passed=passed, tried=len(corpus), failed=len(hit), detail=detail, examples=_ids(hit)
    )
    return Finding(result, hit=hit, feedback=tuple(f"fires on {owner}, another product" for owner in owners[:5]))


def family(trial: Trial) -> tuple[str, ...]:
    """Name the other sources that attack in the very way a rule detects, where it names no place that tells them."""
    told = next((r.detail for r in trial.results if r.check == "other_products" and r.passed is None), "")
    return tuple(told.removeprefix(TOLD_FAMILY).split(", ")) if told.startswith(TOLD_FAMILY) else ()


@CHECKS.add("benign_traffic")
def benign_traffic(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Silent on recorded normal traffic."""
    del ask
    if not evidence.benign:
        return Finding(CheckResult(check="benign_traffic", passed=None, detail="no benign traffic was given"))
    hit: list[Case] = []
    tried = 0
    for corpus in evidence.benign:
        tried += len(corpus)
        for number in corpus.hits(_tree(rule), evidence.classes, limit=200):
            row = corpus.row(number)
            hit.append(case(row.request, "benign", note=row.request.source))
    result = CheckResult(
        check="benign_traffic",
        passed=len(hit) <= gates.BENIGN_HIT_MOST,
        tried=tried,
        failed=len(hit),
        examples=_ids(hit),
    )
    return Finding(result, hit=tuple(hit), feedback=tuple(f"fires on normal traffic of {c.note}" for c in hit[:5]))


def _tree(rule: Rule) -> Tree:
    return rule.when  # type: ignore[return-value]
