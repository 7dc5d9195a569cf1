"""Why no rule was shipped: the code and the sentence, before generation or after the last round."""

import re
from collections import Counter

from ruleforge.pipeline.loop import Attempt, LoopResult
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import CheckResult

EXAMPLES_MOST = 3  # requests named where a check has no words of its own

Refusal = tuple[str, str]  # (a key of REFUSALS, what was seen)


def refuse_before(advisory: Advisory) -> Refusal | None:
    """Refuse what no candidate could save; None: go on."""
    if not advisory.requests:
        return advisory.early if advisory.early[0] else ("no_http", "the source holds no HTTP request")
    exploits = [poc for poc in advisory.requests if poc.role == "exploit"]
    if exploits:
        return None
    asked = "the one request carries no attack"
    if len(advisory.requests) > 1:
        asked = f"none of {len(advisory.requests)} requests carries an attack"
    checks = " ".join(matcher for poc in advisory.requests for matcher in poc.matchers)
    if re.search(r"compare_versions|version", checks, re.IGNORECASE):
        return "version_check", f"{asked}; a version is compared"
    return "fingerprint_only", asked


def _failed(attempt: Attempt) -> set[str]:
    return {result.check for result in attempt.trial.results if result.passed is False}


def _told(result: CheckResult) -> str:
    """Say for a person what a check found: how many requests were answered wrongly, and of what kind they are."""
    why = result.detail or ", ".join(result.examples[:EXAMPLES_MOST])
    if not result.failed:
        return f"{result.check}: {why}".rstrip(": ")
    return f"{result.check}: {result.failed} of {result.tried}" + (f" ({why})" if why else "")


def refuse_after(advisory: Advisory, loop: LoopResult) -> Refusal:
    """Name the check that stopped the candidates."""
    del advisory
    if not loop.attempts:
        return "normal_use", "no condition on these requests is distinctive; nothing could be proposed"
    # A candidate that misses its own exploits tells nothing of what stands in the way of one that does not.
    firing = [a for a in loop.attempts if not _failed(a) & {"replay", "variants"}] or loop.attempts
    last = firing[-1]
    failed = Counter(check for attempt in firing for check in sorted(_failed(attempt)))
    common = failed.most_common(1)[0][0] if failed else ""
    detail = "; ".join(_told(r) for r in last.trial.results if r.passed is False)[:600]
    if common in ("near_misses", "siblings", "benign_traffic", "surprise"):
        return "normal_use", detail
    if common == "other_products":
        return "shared_shape", detail
    return "no_candidate_passed", detail
