"""From the text of a script to the requests it would send."""

from collections.abc import Callable

import msgspec

from ruleforge.sources.found import Findings
from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import tree
from ruleforge.sources.poc_code.bounds import MAX_SOURCE
from ruleforge.sources.poc_code.facts import MAX_FOUND, facts_of
from ruleforge.sources.poc_code.interpret import Interpreter, Library
from ruleforge.sources.poc_code.language import language_of
from ruleforge.sources.poc_code.python_clients import PYTHON
from ruleforge.sources.poc_code.python_front import read_python
from ruleforge.sources.poc_code.ruby_clients import RUBY
from ruleforge.sources.poc_code.ruby_front import read_ruby
from ruleforge.sources.poc_code.values import Limit, Map, Value


class Language(msgspec.Struct, frozen=True):
    """How scripts of one language are parsed, and what their libraries do."""

    parse: Callable[[str], tree.Block]
    library: Library


LANGUAGES: dict[str, Language] = {"python": Language(read_python, PYTHON), "ruby": Language(read_ruby, RUBY)}


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
    return msgspec.structs.replace(
        _facts(text, reader), requests=tuple(reader.requests), problems=tuple(reader.problems)
    )


def _facts(text: str, reader: Interpreter) -> Findings:
    """What comments say, and before that what the script's metadata says, as exploit modules have it."""
    given = reader.objects["metadata"].fields.get("items") if "metadata" in reader.objects else None
    if not isinstance(given, Map):
        return facts_of(text)
    stated = {name: _words(given.get(name)) for name in ("Name", "Description", "Author")}
    pairs = [each for each in _list(given.get("References")) if isinstance(each, list) and len(each) == 2]
    references = [(_words(kind).upper(), _words(value)) for kind, value in pairs]
    found = facts_of(text, stated["Name"][:300], stated["Description"])
    cves = [f"CVE-{value.removeprefix('CVE-')}" for kind, value in references if kind == "CVE"]
    return msgspec.structs.replace(
        found,
        cves=tuple(dict.fromkeys((*cves, *found.cves)))[:MAX_FOUND],
        cwes=tuple(dict.fromkeys((*(f"CWE-{v}" for kind, v in references if kind == "CWE"), *found.cwes)))[:MAX_FOUND],
        references=tuple(value for kind, value in references if kind == "URL")[:MAX_FOUND] or found.references,
        author=stated["Author"][:200] or found.author,
    )


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _words(value: Value) -> str:
    """A text, or the texts of a list, with blanks as in prose."""
    parts = [each.data.decode("utf-8", "replace") for each in [value, *_list(value)] if isinstance(each, Text)]
    return " ".join(", ".join(parts).split())[:4_000]
