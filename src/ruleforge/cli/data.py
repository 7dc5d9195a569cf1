"""`ruleforge data`: fetch intelligence and templates, and say of when they are."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.data import DataState, Updated
    from ruleforge.store.editions import Edition


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"


Folder = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where fetched data is kept; else the platform's place.", show_default=False),
]
Printed = Annotated[Format, typer.Option(help="What to print on standard output.")]

data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Data that triage uses, and templates.")


@data.callback()
def _data() -> None:
    """Data that triage uses, and templates."""


@data.command()
def update(
    kev: Annotated[bool, typer.Option("--kev", help="Known exploited vulnerabilities (CISA).")] = False,
    epss: Annotated[bool, typer.Option("--epss", help="Exploit prediction scores (FIRST).")] = False,
    templates: Annotated[bool, typer.Option("--templates", help="Public templates, a large archive.")] = False,
    source: Annotated[
        str, typer.Option("--from", metavar="URL|FILE|DIR", help="Take it from here instead.", show_default=False)
    ] = "",
    data_dir: Folder = None,
    force: Annotated[bool, typer.Option("--force", help="Take older or much smaller data, too.")] = False,
    format: Printed = Format.text,
) -> None:
    """Fetch fresh data over HTTPS, check it whole, and take it into use; without a choice, KEV and EPSS.

    The edition in use stays until the new one was read to its end, and is kept beside it afterwards. Without a
    network, give files that you fetched elsewhere with --from.
    Exit code 3: something could not be fetched; 2: what was fetched is not what it should be.

    \b
    ruleforge data update
    ruleforge data update --from downloads/
    ruleforge data update --epss --from epss_scores-2026-08-16.csv.gz
    """
    import msgspec

    from ruleforge.app.data import data_update
    from ruleforge.settings import load_settings

    kinds = [name for name, wanted in (("kev", kev), ("epss", epss), ("templates", templates)) if wanted]
    folder, now = load_settings({"data_dir": data_dir}).data_dir, datetime.now(UTC)
    with term.progress() as progress:
        results = data_update(kinds, progress, now=now, source=source, data_dir=folder, force=force)
    if format is Format.json:
        term.out_json([msgspec.to_builtins(each) for each in results], indent=2)
    for each in results:
        if each.state == "failed":
            term.note(f"ruleforge: {each.error}")
        if format is Format.text:
            term.out("\n".join(_updated(each)))
    failed = [each for each in results if each.state == "failed"]
    raise typer.Exit(0 if not failed else 3 if any(each.outside for each in failed) else 2)


def _updated(each: "Updated") -> list[str]:
    style = {"new": "green", "unchanged": "dim", "failed": "red"}[each.state]
    head = f"{term.paint(each.state.ljust(9), style)}  {each.kind}"
    if each.state == "failed":
        use = f"still in use: {_edition(each.edition)}" if each.edition else _NOTHING.get(each.kind, "there is none")
        return [f"{head}: {use}"]
    lines = [f"{head}: {_edition(each.edition)}" if each.edition else head]
    if each.state == "new" and each.before:
        lines.append(f"{'':9}  kept beside it: {_edition(each.before)}")
    if each.problems:
        lines.append(f"{'':9}  {each.problems:,} that could not be read were left out")
    return lines


_NOTHING = {
    "kev": "there is none; triage works without it and says so",
    "epss": "there is none; triage works without it and says so",
}


def _edition(edition: "Edition") -> str:
    return f"{edition.count:,} of {edition.date or 'an unknown date'}"


@data.command()
def status(data_dir: Folder = None, format: Printed = Format.text) -> None:
    """Say what data there is, of when it is, and where it came from.

    \b
    ruleforge data status
    ruleforge data status --format json
    """
    import msgspec

    from ruleforge.app.data import data_status
    from ruleforge.settings import load_settings

    states = data_status(load_settings({"data_dir": data_dir}).data_dir, now=datetime.now(UTC).date())
    if format is Format.json:
        term.out_json([msgspec.to_builtins(state) for state in states], indent=2)
        return
    for state in states:
        term.out("\n".join(term.visible(text) for text in _status(state)))


def _status(state: "DataState") -> list[str]:
    head = f"{state.kind.ljust(9)}  {state.meaning}"
    edition = state.edition
    if edition is None:
        return [head, f"{'':9}  {state.warning}"]
    age = "" if state.age_days is None else f", {term.plural(state.age_days, 'day')} old"
    lines = [
        head,
        f"{'':9}  of {edition.date or 'an unknown date'}{age}: {term.plural(edition.count, state.unit)}",
        f"{'':9}  fetched {edition.fetched} from {edition.source}",
        f"{'':9}  sha256 {edition.sha256}, in {state.place}",
    ]
    if state.previous is not None:
        lines.append(f"{'':9}  kept beside it: {_edition(state.previous)}")
    return [*lines, f"{'':9}  careful: {state.warning}"] if state.warning else lines
