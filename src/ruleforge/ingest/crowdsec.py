"""Reads CrowdSec's virtual-patch rules: a rule holds no request, so one that satisfies it is made."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from ruleforge.engine.reference import compile_rule
from ruleforge.errors import InputError, RuleError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.assemble import assemble
from ruleforge.ingest.synthesis import STANDINS, synthesise
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import latest_version
from ruleforge.rules.tree import Rule, Tree, conditions_of
from ruleforge.sources.found import Findings, FoundRequest

_RULE = re.compile(rb"(?:^[ \t-]*|\{[ \t]{0,20})zones[ \t]{0,20}:", re.MULTILINE)
_TEST = re.compile(rb"^appsec-rules[ \t]*:", re.MULTILINE)
SKIPPED = "RF218"


def is_patch(head: bytes) -> bool:
    """Whether a YAML file that begins so is a rule of CrowdSec, or the list of rules of one of its tests."""
    return _RULE.search(head) is not None or _TEST.search(head) is not None


def read_patch(data: bytes, where: str) -> Advisory:
    """Read one rule; its request is synthesised, and a note on it says so.

    Args:
        data: the bytes of the file.
        where: the file's name as the user gave it.

    Raises:
        InputError: not YAML within bounds, or not a rule (RF210 to RF214); the settings of a test (RF218, skipped).
    """
    if _RULE.search(data) is None and _TEST.search(data) is not None:
        hint = "the template beside it is read"
        raise InputError("skipped: the settings of a test hold no request", where=where, hint=hint, code=SKIPPED)
    from ruleforge.sources.crowdsec.convert import convert_patch  # not before a file of this format is read
    from ruleforge.sources.crowdsec.document import parse_patch

    patch = parse_patch(data, where)
    converted = convert_patch(patch)
    spelling = {name.lower().encode(): name.encode() for name in patch.variables()}
    request = None if converted.tree is None else satisfying_request(converted.tree, spelling)
    problems = [*patch.problems, *(f"the rule could not be read exactly: {loss}" for loss in converted.losses)]
    if request is None:
        problems.append("no request could be made that satisfies the rule")
    found = Findings(
        requests=() if request is None else (_found(request, converted.tree),),
        problems=tuple(problems),
        id=next(iter(patch.cves), patch.name.rpartition("/")[2]),
        cves=(*patch.cves, patch.name),
        title=patch.label or patch.description,
        description=patch.description,
        cwes=patch.cwes,
        tags=("crowdsec", *patch.attack),
        references=patch.references,
        author="crowdsec",
    )
    return assemble(found, data, where)


def rule_of_tree(tree: Tree, name: str = "converted") -> Rule:
    """A rule of `tree` alone, with the latest versions of the payload classes it uses."""
    used = {c.value.decode() for c in conditions_of(tree) if c.op == "is_class" and isinstance(c.value, bytes)}
    return Rule(id=name, when=tree, classes=tuple((each, latest_version(each)) for each in sorted(used)))


def satisfying_request(tree: Tree, spelling: Mapping[bytes, bytes] = MappingProxyType({})) -> Request | None:
    """A request for which `tree` holds, as the reference evaluator says; None where none was found.

    A tree that is no valid rule has none, either. `spelling`: lower-case name → how its author wrote it.
    """
    try:
        compiled = compile_rule(rule_of_tree(tree))
    except RuleError:
        return None
    return next((each for each in synthesise(tree, spelling) if compiled.ask(HttpView(each)) is True), None)


def _found(request: Request, tree: Tree | None) -> FoundRequest:
    folded = tree is not None and any("lower" in condition.transforms for condition in conditions_of(tree))
    return FoundRequest(
        request=msgspec.structs.replace(request, source="crowdsec"),
        origin="rules",
        standins=(b"target.example", *STANDINS),
        notes=(
            "synthesised: the source is a rule, and this request was made to satisfy it",
            *(("the rule folds case, so the case of texts in a real request is not known",) if folded else ()),
        ),
    )
