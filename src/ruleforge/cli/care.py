"""`ruleforge doctor`, `demo` and `background`: the installation, the tour, the user's own ground."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ruleforge.cli import terminal as term


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"


STATE_STYLES = {"ok": "green", "limited": "yellow", "broken": "red"}


def doctor(
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Say what is installed, what is missing, what that disables, and where each setting comes from.

    Exit code 3: something is broken.
    """
    import msgspec

    from ruleforge.app.doctor import doctor as look
    from ruleforge.settings import load_settings

    health = look(load_settings(), today=datetime.now(UTC).date())
    if format is Format.json:
        term.out_json(msgspec.to_builtins(health) | {"ok": health.ok}, indent=2)
    else:
        for finding in health.findings:
            state = term.paint(finding.state.ljust(8), STATE_STYLES[finding.state])
            term.out(f"{state} {finding.what.ljust(16)}  {term.visible(finding.value)}")
            if finding.consequence:
                term.out(f"{'':8} {'':16}  {term.paint(term.visible(finding.consequence), 'dim')}")
        term.out("\n" + term.paint("Settings", "bold") + " (flag, RULEFORGE_*, project file, user file, default)")
        rows = [
            (name, term.visible(value), f"from {term.visible(source)}")
            for name, (value, source) in health.settings.items()
        ]
        term.out("\n".join(term.columns(rows)))
    raise typer.Exit(0 if health.ok else 3)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the rules that are made.")] = Path("demo-out"),
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Forge rules from our own examples, scan sample traffic with them, and tell what happened.

    \b
    ruleforge demo --out demo-out
    """
    from ruleforge.app.demo import demo as run
    from ruleforge.cli.demo_text import demo_dict, demo_lines

    with term.progress() as progress:
        report = run(out, progress)
    if format is Format.json:
        term.out_json(demo_dict(report), indent=2)
    else:
        term.out("\n".join(demo_lines(report)))


background = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The table of what ordinary traffic looks like."
)


@background.callback()
def _background() -> None:
    """The table of what ordinary traffic looks like."""


@background.command()
def build(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Ordinary requests or access logs.")],
    out: Annotated[Path, typer.Option(help="Where to write the table.", show_default=False)],
    made: Annotated[str, typer.Option(help="Date of the table; today, if not given.", show_default=False)] = "",
    source: Annotated[str, typer.Option(help="One line on where the traffic is from.")] = "",
    least: Annotated[int, typer.Option(min=1, help="Keep what stands in so many requests at least.")] = 3,
    sites: Annotated[int, typer.Option(min=1, help="Keep what so many sites use; 2 for a table to share.")] = 1,
) -> None:
    """Count what your own ordinary traffic holds, so that rules ask about what is unusual on your site.

    The table holds hashes and rounded counts; no text of the traffic can be read back from it.

    \b
    ruleforge background build day1.jsonl.gz day2.jsonl.gz --out background.msgpack
    ruleforge forge templates/ --out rules --background background.msgpack
    """
    from ruleforge.app.backgrounds import background_build

    made = made or datetime.now(UTC).date().isoformat()
    with term.progress() as progress:
        table = background_build(
            files, out, made=made, source=source, least=least, sites_least=sites, progress=progress
        )
    tokens = sum(map(len, table.file.counts.values()))
    term.out(f"{term.visible(str(out))}: {table.file.rows:,} requests, {tokens:,} tokens kept, dated {table.file.made}")
