"""`ruleforge extract`: what documents say of vulnerabilities, with the words that say it, and whether it is enough."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.extract import Extracted
    from ruleforge.records.facts import Fact, Facts

_MARKDOWN = {ord(mark): f"\\{mark}" for mark in "\\|`*_[]"} | {ord(mark): f"&#{ord(mark)};" for mark in "<>&"}
QUOTE_SHOWN = 70  # characters of a quote in a line of text; JSON gives all
_STYLES = {"request": "green", "enough": "green"}


class Format(StrEnum):
    """What `extract` prints."""

    text = "text"
    json = "json"
    md = "md"


def extract(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Advisories, write-ups, pages, PDFs, patches; folders of them.")
    ],
    llm: Annotated[
        str, typer.Option(help="A model that reads as well, such as mailbox:FOLDER.", show_default=False)
    ] = "",
    llm_record: Annotated[
        Path | None, typer.Option(help="Keep what is asked and answered there, for replay:FOLDER.", show_default=False)
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for answers that are to come.")] = 0,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Print the text that offsets count in, and stop.")
    ] = False,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """List what documents say (endpoint, parameter, payload, kind of attack, versions), each with its quote and place.

    It ends with the early answer: whether this is enough for a rule, what is missing, or why one HTTP request cannot
    show the attack. `forge` reads the same documents and uses the same facts. Nothing is fetched; no model is asked but
    the one that --llm names. Exit code 1: a document could not be read, or a model has not answered yet.

    \b
    ruleforge extract advisory.md
    ruleforge extract write-ups/ --format json
    ruleforge extract advisory.pdf --llm mailbox:letters
    """
    from ruleforge.app.extract import extract as run

    door = None
    if llm:
        from ruleforge.app.models import open_door

        door = open_door(llm, record=llm_record, wait_seconds=wait)
    found = list(run(files, door))
    if not found:
        term.note("ruleforge: there is no document in what was given; see ruleforge extract --help")
    if show_text:
        term.out("\n".join(_visible_lines(each.text) for each in found))
    elif format is Format.json:
        term.out_json([_data(each) for each in found], indent=2)
    elif format is Format.md:
        term.out("\n".join(line for each in found for line in _markdown(each)))
    elif found:
        term.out("\n\n".join("\n".join(_lines(each)) for each in found))
    raise typer.Exit(1 if not found or any(each.error or each.pending for each in found) else 0)


def _visible_lines(text: str) -> str:
    return "\n".join(term.visible(line) for line in text.split("\n"))


def _data(one: "Extracted") -> dict[str, Any]:
    import msgspec

    from ruleforge.app.extract import REFUSAL_OF

    data: dict[str, Any] = {"document": one.document, "model": one.model, "pending": one.pending}
    if one.facts is None:
        return data | {"error": one.error, "code": one.code}
    told: dict[str, Any] = msgspec.to_builtins(one.facts)
    return data | told | {"document": one.document, "refusal": REFUSAL_OF.get(one.facts.verdict, "")}


def _lines(one: "Extracted") -> list[str]:
    head = term.paint(term.visible(one.document), "bold")
    if one.facts is None:
        return [head, term.paint(f"  {term.visible(one.error)}", "red")]
    facts = one.facts
    rows = [_row(fact) for fact in facts.facts]
    lines = [head, *(term.columns(rows) if rows else ["  no facts"])]
    lines += [f"  {said}" for said in _verdict(facts)]
    for title, texts in (("Conflicts", facts.conflicts), ("Dropped, for the document does not say it", facts.dropped),
                         ("Not read", facts.problems)):  # fmt: skip
        lines += [f"  {title}:", *(f"    {term.visible(term.shorten(text, 200))}" for text in texts)] if texts else []
    if one.pending:
        lines.append(term.paint(term.visible(f"  the model has not answered yet: {one.pending}"), "yellow"))
    return lines


def _row(fact: "Fact") -> tuple[str, ...]:
    means = f"{fact.value} = {fact.means}" if fact.means else fact.value
    about = f" of {fact.about}" if fact.about else ""
    who = "" if fact.source == "embedded" else f", {fact.source}"
    quote = _around(" ".join(fact.quote.split()), " ".join(fact.value.split()))
    return (
        fact.kind,
        term.visible(term.shorten(means + about, 60)),
        f"{fact.confidence}{who}",
        f"{fact.line}:{fact.start}-{fact.end}",
        term.visible(f"“{quote}”"),
    )


def _around(quote: str, value: str) -> str:
    """The part of a quote that holds the value, in the width of a column."""
    start = max(0, quote.find(value) - max(8, (QUOTE_SHOWN - len(value)) // 2))
    return ("…" if start else "") + term.shorten(quote[start:], QUOTE_SHOWN)


def _verdict(facts: "Facts") -> list[str]:
    from ruleforge.app.extract import VERDICTS

    said = term.paint(VERDICTS[facts.verdict], _STYLES.get(facts.verdict, "yellow"))
    lines = [said, term.visible(f"  {facts.why}")] if facts.why else [said]
    return [*lines, *(term.visible(f"  missing: {text}") for text in facts.missing)]


def _markdown(one: "Extracted") -> list[str]:
    from ruleforge.app.extract import VERDICTS

    lines = [f"## {_cell(one.document)}", ""]
    if one.facts is None:
        return [*lines, _cell(one.error), ""]
    facts = one.facts
    lines += [
        f"{VERDICTS[facts.verdict].removesuffix('.')}: {_cell(facts.why)}." if facts.why else VERDICTS[facts.verdict],
        "",
        *(f"- missing: {_cell(text)}" for text in facts.missing),
    ]
    lines += [f"- conflict: {_cell(text)}" for text in facts.conflicts]
    lines += [f"- dropped: {_cell(text)}" for text in facts.dropped]
    lines += [f"- not read: {_cell(text)}" for text in facts.problems]
    lines += ["", "| kind | value | means | of | sure | by | line | quote |", "|---|---|---|---|---|---|--:|---|"]
    for fact in facts.facts:
        cells = (
            fact.kind,
            fact.value,
            fact.means,
            fact.about,
            fact.confidence,
            fact.source,
            str(fact.line),
            fact.quote,
        )
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return [*lines, ""]


def _cell(text: str) -> str:
    return term.visible(term.shorten(" ".join(text.split()), 300)).translate(_MARKDOWN)
