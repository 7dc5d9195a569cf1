"""From the text of a script to the requests it would send."""

from collections.abc import Callable

import msgspec

from ruleforge.sources.found import Findings
from ruleforge.sources.poc_code import tree
from ruleforge.sources.poc_code.bounds import MAX_SOURCE
from ruleforge.sources.poc_code.facts import facts_of
from ruleforge.sources.poc_code.interpret import Interpreter, Library
from ruleforge.sources.poc_code.language import language_of
from ruleforge.sources.poc_code.python_clients import PYTHON
from ruleforge.sources.poc_code.python_front import read_python
from ruleforge.sources.poc_code.values import Limit


class Language(msgspec.Struct, frozen=True):
    """How scripts of one language are parsed, and what their libraries do."""

    parse: Callable[[str], tree.Block]
    library: Library


LANGUAGES: dict[str, Language] = {"python": Language(read_python, PYTHON)}


def requests_in_code(text: str, language: str | None = None) -> Findings:
    """Read a script without running it; every bound reached and every part left out is a problem of the result.

    Args:
        text: the script, at most 512 Ki characters of it.
        language: a key of LANGUAGES; None: told by `language_of`.

    Returns:
        The requests in the order in which the script sends them, `origin` "line N" counted from 1, and the facts that
        comments and metadata state.
    """
    if len(text) > MAX_SOURCE:
        found = facts_of(text)
        return msgspec.structs.replace(found, problems=(f"the script has more than {MAX_SOURCE} characters",))
    name = language or language_of(text) or ""
    known = LANGUAGES.get(name)
    if known is None:
        return msgspec.structs.replace(
            facts_of(text), problems=(f"no reader for scripts in {name or 'this language'}",)
        )
    try:
        script = known.parse(text)
    except (Limit, RecursionError) as error:
        return msgspec.structs.replace(facts_of(text), problems=(str(error) or "nested too deeply",))
    reader = Interpreter(known.library)
    reader.read(script)
    return msgspec.structs.replace(facts_of(text), requests=tuple(reader.requests), problems=tuple(reader.problems))
