"""What agents are shown, as text: whatever strangers wrote stands in frames and can neither end them nor hide."""

import msgspec

from ruleforge.llm.framing import write_prompt
from ruleforge.llm.prompt import Part, Prompt
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import CheckResult, Trial

DESCRIPTION_MOST = 6_000  # characters
LIST_MOST = 20


def framed(parts: tuple[Part, ...], key: bytes) -> str:
    """Write pieces out as one text; the rules about frames come first where there are frames."""
    written = write_prompt(Prompt(parts), key)
    return "\n\n".join(filter(None, (written.system, written.user)))


def disclosure_text(advisory: Advisory) -> str:
    """What a document says of a vulnerability, without its requests. Text of a stranger."""
    products = ", ".join(
        " ".join(filter(None, (p.vendor, p.product, p.versions))) for p in advisory.products[:LIST_MOST]
    )
    rows = (
        ("Title", advisory.title),
        ("CVEs", ", ".join(advisory.cves[:LIST_MOST])),
        ("Products", products),
        ("Weaknesses", ", ".join(advisory.cwes[:LIST_MOST])),
        ("Severity", advisory.severity),
        ("Tags", ", ".join(advisory.tags[:LIST_MOST])),
    )
    head = "\n".join(f"{name}: {value[:500]}" for name, value in rows if value)
    return f"{head}\n\n{advisory.description[:DESCRIPTION_MOST]}".strip()


def checks_text(results: tuple[CheckResult, ...]) -> str:
    """What the checks found, a line each. Details may quote requests: text of a stranger."""
    words = {True: "passed", False: "failed", None: "could not tell"}
    lines = []
    for result in results:
        tried = f" ({result.failed} of {result.tried} failed)" if result.tried else ""
        detail = f": {result.detail}" if result.detail else ""
        lines.append(f"{result.check}: {words[result.passed]}{tried}{detail}"[:600])
    return "\n".join(lines)


def trial_data(trial: Trial) -> dict[str, object]:
    """A trial as plain data, for the papers of a proposal."""
    return {"checks": [msgspec.to_builtins(result) for result in trial.results], "feedback": list(trial.feedback)}
