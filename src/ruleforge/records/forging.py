"""The papers of forging: candidates, what checks said of them, opinions, and how an advisory ended."""

from typing import Literal

import msgspec

from ruleforge.rules.tree import Rule

Verdict = Literal["rule", "refused", "failed", "skipped"]  # skipped: the file discloses nothing and need not


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One proposed rule, with where it came from."""

    rule: Rule
    strategy: str  # a key of GENERATORS
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


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """A judge's two probabilities, each in [0, 1] or None where it could not tell, with reasons."""

    judge: str  # name and version
    p_miss: float | None  # probability that the rule fails to flag malicious requests of this vulnerability
    p_off_target: float | None  # probability that it looks at something that merely correlates
    reasons: tuple[str, ...] = ()


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """Why a condition stands in a rule: what goes wrong, or what is lacking, without it."""

    condition: str  # as a clause for people
    needed_because: str


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


REFUSALS: dict[str, str] = {
    "no_http": "The exploit does not travel in an HTTP request.",
    "fingerprint_only": "The source only recognises the product; no request of it carries an attack.",
    "version_check": "The source reads a version from a harmless page; no request of it carries an attack.",
    "normal_use": "The request cannot be told from normal use of the product.",
    "needs_state": "The request becomes an attack only through state that a single request does not show.",
    "needs_response": "Only the response shows whether this is an attack.",
    "runtime_payload": "The decisive bytes are encrypted or built at run time, and nothing else is distinctive.",
    "shared_shape": "The same request is an exploit of another product; no condition tells them apart.",
    "no_candidate_passed": "Every candidate failed a check after the last round.",
}
