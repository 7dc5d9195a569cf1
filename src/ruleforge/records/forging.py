"""The papers of forging: candidates, what checks said of them, opinions, and how an advisory ended."""

from typing import Literal

import msgspec

from ruleforge.rules.tree import Condition, Rule

Mode = Literal["block", "count", "review"]  # may block; may count and alert; a person should look first
Verdict = Literal["rule", "refused", "failed", "skipped"]  # skipped: the file discloses nothing and need not


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One proposed rule, with where it came from."""

    rule: Rule
    strategy: str  # a key of GENERATORS, or "llm/" and the hint that a model was given
    round: int = 0  # 0: first proposal; n: after n refinements
    changes: tuple[str, ...] = ()  # what each refinement changed and why, one sentence each
    arms: int = 1  # how many shapes of request the rule covers


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. `passed` None: the check could not tell, `detail` says why."""

    check: str  # a key of CHECKS
    passed: bool | None
    tried: int = 0
    failed: int = 0
    detail: str = ""
    examples: tuple[str, ...] = ()  # ids of requests wrongly missed or wrongly hit, at most ten


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of one candidate, in the order they ran."""

    rule_id: str
    results: tuple[CheckResult, ...]
    feedback: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check failed; a check that could not tell does not fail a rule."""
        return all(result.passed is not False for result in self.results)


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a judge has against a rule, or for it: what was seen, of which condition, on which request."""

    code: str  # a key of REASONS
    question: Literal["miss", "off_target"]  # what it speaks to
    text: str  # a sentence for people, safe to show
    condition: str = ""  # place in the rule document, "when.any[0].all[2]"; empty: the rule as a whole
    request: str = ""  # the request that shows it, shortened and escaped; never shown to a generator
    feature: str = ""  # what was measured, a key of the judge's features
    weight: float = 0.0  # what it adds to the log-odds of the defect; below 0: it speaks for the rule
    also: tuple[str, ...] = ()  # codes of further reasons that say the same of the same place


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge asks the next round to change. It holds no request: those of the judge stay with the judge."""

    action: Literal["drop", "add_payload", "add_endpoint"]
    code: str  # why, a key of REASONS
    conditions: tuple[Condition, ...] = ()  # what to drop or to put something more general for


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """A judge's two probabilities, each in [0, 1] or None where it could not tell, with reasons."""

    judge: str  # name and version
    p_miss: float | None  # probability that the rule fails to flag malicious requests of this vulnerability
    p_off_target: float | None  # probability that it looks at something that merely correlates
    reasons: tuple[str, ...] = ()
    p_defect: float | None = None  # probability of either
    mode: Mode = "review"  # the strictest use whose gate the rule passes
    thin: str = ""  # why the judge abstains; empty: the evidence suffices
    unread: str = ""  # why it says of no rule like this that it passes, though nothing tried may fail it
    chain: tuple[Reason, ...] = ()  # the reasons with their types, the weightiest first
    features: dict[str, float | None] = msgspec.field(default_factory=dict)  # what was measured; None: not measurable


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """Why a condition stands in a rule: what goes wrong, or what is lacking, without it."""

    condition: str  # as a clause for people
    needed_because: str


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a language model was asked for one advisory, and what came of it; nothing of it is needed for a rule."""

    provider: str  # scheme of its name, "mailbox"
    models: tuple[str, ...] = ()  # who answered
    asked: int = 0  # questions put, those of later rounds too
    answered: int = 0
    pending: int = 0  # nobody has answered yet: the same command asks again
    failed: int = 0  # no valid answer, no budget, or the provider failed
    declined: tuple[str, ...] = ()  # reasons of answers that say there is no safe rule
    candidates: int = 0  # asked for
    passed: int = 0  # of them: with a rule that passed every gate
    calls: int = 0  # sent in this run: what was kept from an earlier one costs nothing
    tokens_in: int | None = 0  # None: the provider does not count
    tokens_out: int | None = 0
    cost: int | None = None  # micro-dollars; None: the door counts no money, or the model has no price
    problems: tuple[str, ...] = ()  # why answers failed, each once

    @property
    def complete(self) -> bool:
        """Whether asking again could not add anything."""
        return not self.pending and not self.failed


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the forging of one advisory ended; one line of `forge --format ndjson`."""

    advisory: str
    sources: tuple[str, ...]
    cves: tuple[str, ...]
    outcome: Verdict
    reason: str = ""  # a key of REFUSALS for "refused", an error code for "failed" and "skipped", empty for "rule"
    detail: str = ""
    rules: tuple[str, ...] = ()
    candidates: int = 0
    rounds: int = 0
    seconds: float = 0.0
    revision: int = 0  # of the rule; 0: none
    changes: tuple[str, ...] = ()  # against the revision before, in sentences; only where this run changed something
    model: ModelUse | None = None  # as author of rules; None: no language model was asked
    tester: ModelUse | None = None  # as author of tests: its candidates are requests, those that count passed


REFUSALS: dict[str, str] = {
    "no_http": "The exploit does not travel in an HTTP request.",
    "too_little": "The source does not say where the attack is sent, or not what it looks like.",
    "fingerprint_only": "The source only recognises the product; no request of it carries an attack.",
    "version_check": "The source reads a version from a harmless page; no request of it carries an attack.",
    "normal_use": "The request cannot be told from normal use of the product.",
    "needs_state": "The request becomes an attack only through state that a single request does not show.",
    "needs_response": "Only the response shows whether this is an attack.",
    "runtime_payload": "The decisive bytes are encrypted or built at run time, and nothing else is distinctive.",
    "shared_shape": "The same request is an exploit of another product; no condition tells them apart.",
    "no_candidate_passed": "Every candidate failed a check after the last round.",
}

# What a judge may say of a rule. A code whose sentence ends in a colon names what the next round may change.
REASONS: dict[str, str] = {
    "misses_exploit": "It misses an exploit of its own source.",
    "misses_variant": "A condition is false on another way of writing the attack.",
    "loses_free_choice": "A condition is false where the attacker chooses otherwise what is free to choose.",
    "misses_named": "It misses the attack in another place that the disclosure names.",
    "copied_from_attack": "A condition wants text of the published attack; the next attacker sends something else.",
    "made_up_bytes": "A condition wants bytes that the source makes up anew each time.",
    "exact_value": "A condition wants one exact value that the attacker chooses.",
    "idle_condition": "A condition keeps out no harmless request that is known, and may cost attacks.",
    "many_conditions": "Many things have to hold at once.",
    "raw_place": "A condition reads the request before it is decoded.",
    "fixed_path": "The path has to be as it is from the root on.",
    "shown_by_one": "Others published exploits that the disclosure does not show.",
    "listed_shapes": "Exploits are hit by an alternative of their own each.",
    "fires_without_payload": "It fires although the payload was taken out.",
    "fires_on_near_miss": "It fires on a harmless request that looks like the attack.",
    "fires_on_step": "It fires on a request of the source that is no attack.",
    "fires_on_traffic": "It fires on normal traffic.",
    "fires_on_stranger": "It fires on an exploit of another product.",
    "no_payload_condition": "No condition reads what makes the request an attack.",
    "no_endpoint": "An alternative says nothing of where the request goes.",
    "place_of_others": "The place it looks at is one that other products have, and any attack there makes it fire.",
    "not_surprising": "What it asks for is common in normal traffic.",
    "one_guard": "One condition alone keeps harmless requests out.",
    "not_varied": "A condition wants a text of which no variant changed anything.",
    "not_measured": "Something could not be measured.",
    "speaks_for_it": "What was measured speaks for the rule.",
}
