"""What agents are shown, as text: whatever strangers wrote stands in frames and can neither end them nor hide."""

from ruleforge.llm.framing import write_prompt
from ruleforge.llm.prompt import Part, Prompt
from ruleforge.records.forging import CheckResult


def framed(parts: tuple[Part, ...], key: bytes) -> str:
    """Write pieces out as one text; the rules about frames come first where there are frames."""
    written = write_prompt(Prompt(parts), key)
    return "\n\n".join(filter(None, (written.system, written.user)))


def checks_text(results: tuple[CheckResult, ...]) -> str:
    """What the checks found, a line each. Details may quote requests: text of a stranger."""
    words = {True: "passed", False: "failed", None: "could not tell"}
    lines = []
    for result in results:
        tried = f" ({result.failed} of {result.tried} failed)" if result.tried else ""
        detail = f": {result.detail}" if result.detail else ""
        lines.append(f"{result.check}: {words[result.passed]}{tried}{detail}"[:600])
    return "\n".join(lines)
