"""EVENT_CHECKS: what a rule about events must stand before it is released. Each asks one thing and counts."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from ruleforge.cases.event_shapes import literal_in, shapes
from ruleforge.cases.event_variants import OF_THE_NAME, REVERSED, Varied
from ruleforge.engine.event_watch import ask_stream
from ruleforge.engine.reference import compile_rule
from ruleforge.events.event import Event, EventView
from ruleforge.events.kinds import EVENTS, HTTP
from ruleforge.events.request import Request
from ruleforge.records.event_case import Example
from ruleforge.records.forging import CheckResult, Trial
from ruleforge.rules.lint import lint
from ruleforge.rules.tree import Count, Rule, conditions_of
from ruleforge.rules.tree import Sequence as InSequence
from ruleforge.validate import gates

# Shapes of the generator hold no text of the case; only these operators compare with one.
_COMPARING = frozenset({"equals", "in", "contains", "contains_any", "contains_all", "starts_with", "ends_with"})


class EventEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that a rule about events is tried on."""

    malicious: tuple[Example, ...]
    benign: tuple[Example, ...]
    variants: tuple[Varied, ...] = ()
    near_misses: tuple[Varied, ...] = ()
    ordinary: tuple[Event, ...] = ()  # of ours, by themselves
    logs: tuple[
        tuple[Event | Request, ...], ...
    ] = ()  # of the user, each file a stream that a rule must stay silent on


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator knows of a rule beyond its text."""

    bits: float | None = None  # of surprise; None: it counts, and the margin says more
    margin: float | None = None  # of a count
    is_indicator: bool = False  # it asks for a name that the attacker picked, and a person decides


def check_event_rule(rule: Rule, evidence: EventEvidence, drafted: Drafted) -> Trial:
    """Run every check; a crash of one is its failure, and the others go on."""
    results = []
    for name, check in EVENT_CHECKS.items():
        try:
            results.append(check(rule, evidence, drafted))
        except Exception as problem:  # noqa: BLE001 - recorded, never swallowed
            told = f"the check crashed: {type(problem).__name__}: {problem}"[:300]
            results.append(CheckResult(check=name, passed=False, detail=told))
    return Trial(rule_id=rule.id, results=tuple(results))


def survival(trial: Trial) -> float:
    """Share of variants that a rule still hits; 1.0 where there are none."""
    for result in trial.results:
        if result.check == "variants" and result.tried:
            return 1 - result.failed / result.tried
    return 1


def _hits(rule: Rule, example: Example) -> bool:
    return ask_stream(rule, example.items) is True


def _silent(name: str, rule: Rule, examples: Iterable[tuple[str, Example]]) -> CheckResult:
    tried = list(examples)
    hit = [how for how, example in tried if _hits(rule, example)]
    return CheckResult(
        check=name,
        passed=not hit,
        tried=len(tried),
        failed=len(hit),
        examples=tuple(dict.fromkeys(hit))[: gates.EXAMPLES_MOST],
    )


def _malicious(rule: Rule, evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    missed = [one.name for one in evidence.malicious if not _hits(rule, one)]
    return CheckResult(
        check="malicious",
        passed=not missed,
        tried=len(evidence.malicious),
        failed=len(missed),
        examples=tuple(missed[: gates.EXAMPLES_MOST]),
    )


def _benign(rule: Rule, evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    return _silent("benign", rule, ((one.name, one) for one in evidence.benign))


def _variants(rule: Rule, evidence: EventEvidence, drafted: Drafted) -> CheckResult:
    asked = variants_asked(evidence, drafted)
    missed = [one.how for one in asked if not _hits(rule, one.example)]
    share = 1 - len(missed) / len(asked) if asked else 1
    return CheckResult(
        check="variants",
        passed=share >= gates.EVENT_VARIANT_SURVIVAL_LEAST if asked else None,
        tried=len(asked),
        failed=len(missed),
        detail="" if asked else "no other way to write the attack is known",
        examples=tuple(dict.fromkeys(missed))[: gates.EXAMPLES_MOST],
    )


def _near_misses(rule: Rule, evidence: EventEvidence, drafted: Drafted) -> CheckResult:
    asked = near_misses_asked(rule, evidence, drafted)
    return _silent("near_misses", rule, ((one.how, one.example) for one in asked))


def variants_asked(evidence: EventEvidence, drafted: Drafted) -> list[Varied]:
    """Return the variants that a rule has to hit; one on a name need not hit another name."""
    return [one for one in evidence.variants if not (drafted.is_indicator and one.how in OF_THE_NAME)]


def near_misses_asked(rule: Rule, evidence: EventEvidence, drafted: Drafted) -> list[Varied]:
    """Return the near-misses that a rule must be silent on: number, pace and order matter to those that ask them."""
    asked = [one for one in evidence.near_misses if not (drafted.is_indicator and one.how in OF_THE_NAME)]
    if not isinstance(rule.when, Count | InSequence):
        asked = [one for one in asked if len(one.example.items) == 1 and one.how != "few"]
    elif isinstance(rule.when, Count):
        asked = [one for one in asked if one.how != REVERSED]
    return asked


def _ordinary(rule: Rule, evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    if isinstance(rule.when, Count | InSequence) or rule.event == HTTP:
        what = "ordinary events of ours are asked one by one, which counts nothing"
        return CheckResult(check="ordinary", passed=None, detail=what)
    if not evidence.ordinary:
        return CheckResult(check="ordinary", passed=None, detail="nobody wrote ordinary events of this kind")
    ask = compile_rule(rule).ask
    hit = [event.id for event in evidence.ordinary if ask(EventView(event)) is True]
    return CheckResult(
        check="ordinary",
        passed=not hit,
        tried=len(evidence.ordinary),
        failed=len(hit),
        examples=tuple(hit[: gates.EXAMPLES_MOST]),
    )


def _logs(rule: Rule, evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    if not evidence.logs:
        return CheckResult(check="logs", passed=None, detail="no log of ordinary use was given")
    streams = ((f"log {number + 1}", Example("", log)) for number, log in enumerate(evidence.logs))
    return _silent("logs", rule, streams)


def _surprise(_rule: Rule, _evidence: EventEvidence, drafted: Drafted) -> CheckResult:
    if drafted.margin is not None:
        least = gates.EVENT_MARGIN_LEAST
        told = f"the attack reaches {drafted.margin:.1f} times what ordinary use does; {least:g} are needed"
        return CheckResult(check="surprise", passed=drafted.margin >= gates.EVENT_MARGIN_LEAST, detail=told)
    if drafted.bits is None:
        return CheckResult(check="surprise", passed=None, detail="an order of events has no bits")
    told = f"{drafted.bits:.1f} bits in ordinary events; {gates.EVENT_SURPRISE_LEAST_BITS:g} are needed"
    return CheckResult(check="surprise", passed=drafted.bits >= gates.EVENT_SURPRISE_LEAST_BITS, detail=told)


def _lint(rule: Rule, _evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    found = lint(rule) if rule.event != HTTP else ()
    return CheckResult(
        check="lint", passed=not found, failed=len(found), detail="; ".join(f"{f.code} {f.path}" for f in found)[:300]
    )


def _size(rule: Rule, _evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    count = sum(1 for _ in conditions_of(rule.when))
    return CheckResult(check="size", passed=count <= gates.CONDITIONS_MOST, detail=f"{count} conditions")


def _grounded(rule: Rule, evidence: EventEvidence, _drafted: Drafted) -> CheckResult:
    """Every text that a rule compares with stands in an example of the attack, in the field it is asked of."""
    if rule.event == HTTP:
        return CheckResult(check="grounded", passed=None, detail="forging of requests has its own checks for this")
    known: dict[str, list[bytes]] = {}
    for example in evidence.malicious:
        for item in example.items:
            assert isinstance(item, Event)
            for field, elements in item.values.items():
                known.setdefault(field, []).extend(element.value.lower() for element in elements)
    loose = []
    shaped = {shape.regex.encode() for shape in shapes()}
    for condition in conditions_of(rule.when):
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        texts = [value for value in values if isinstance(value, bytes)] if condition.op in _COMPARING else []
        if condition.op == "regex" and isinstance(condition.value, bytes) and condition.value not in shaped:
            literal = literal_in(condition.value)
            texts = [] if literal is None else [literal]
            loose += [condition.field] if literal is None else []
        if EVENTS[rule.event].fields[condition.field].role == "":
            loose.append(condition.field)
        loose += [
            condition.field for text in texts if not any(text.lower() in one for one in known.get(condition.field, ()))
        ]
    return CheckResult(check="grounded", passed=not loose, failed=len(loose), examples=tuple(dict.fromkeys(loose)))


EVENT_CHECKS: dict[str, Callable[[Rule, EventEvidence, Drafted], CheckResult]] = {
    "malicious": _malicious,
    "benign": _benign,
    "variants": _variants,
    "near_misses": _near_misses,
    "ordinary": _ordinary,
    "logs": _logs,
    "surprise": _surprise,
    "grounded": _grounded,
    "lint": _lint,
    "size": _size,
}


def failing(trial: Trial) -> Sequence[str]:
    """Names of the checks that a rule failed."""
    return [result.check for result in trial.results if result.passed is False]
