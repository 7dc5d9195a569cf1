"""What agents are shown, as text: whatever strangers wrote stands in frames and can neither end them nor hide."""

import json
from typing import Any

from ruleforge.errors import InputError
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


def payload_of(answer: dict[str, Any], most: int) -> str:
    """What an agent gave, as one JSON text.

    Raises:
        InputError: it is longer than `most` bytes, or nested too deeply (RF278).
    """
    try:
        payload = json.dumps(answer, ensure_ascii=True)
    except RecursionError:
        raise InputError("it is nested too deeply", where="answer", code="RF278") from None
    if len(payload) > most:
        raise InputError(f"it is longer than {most:,} bytes", where="answer", code="RF278")
    return payload
