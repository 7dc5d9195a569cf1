"""`ruleforge exclude`: hits that this site knows to be harmless, with a reason and an end."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.excluding import Listed

exclude = typer.Typer(no_args_is_help=True, help="Hits that this site knows to be harmless.", rich_markup_mode=None)

STATE_STYLES = {"counts": "green", "ends soon": "yellow", "expired": "red"}


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"


@exclude.command("add", short_help="Add one to a file, which is made where there is none.")
def add(
    file: Annotated[Path, typer.Argument(help="YAML, or TOML by its name.")],
    rule: Annotated[str, typer.Option(help="Id of the rule, or '*' for every rule.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why these hits are harmless.", show_default=False)],
    expires: Annotated[
        str, typer.Option(help="Last day that it counts, such as 2099-12-31, or never.", show_default=False)
    ],
    host: Annotated[str, typer.Option(help="Host that requests name; *.shop.example for all below it.")] = "",
    path: Annotated[str, typer.Option(help="Path of requests, with all that lies below it.")] = "",
    source: Annotated[str, typer.Option(help="Address or network that requests and other events come from.")] = "",
    field: Annotated[
        list[str] | None,
        typer.Option(help="Field of an event with its value, such as user.name=backup; may be repeated."),
    ] = None,
) -> None:
    """Add an exclusion: a rule at a host, a path, a source or fields of an event, with a reason and an end.

    Of a rule that counts or orders events it takes the events, before they are counted.

    \b
    ruleforge exclude add site.yaml --rule RF-CVE-2021-41773-1 --source 192.0.2.0/24 \\
        --reason "our own scanner" --expires 2099-12-31
    ruleforge exclude add site.yaml --rule RF-AUTH-1 --field user.name=backup --source 192.0.2.9 \\
        --reason "the backup logs in every minute" --expires 2099-12-31
    """
    from ruleforge.app.excluding import add_exclusion

    row: dict[str, str | list[str]] = {"rule": rule, "host": host, "path": path, "source": source}
    row |= {"fields": field or [], "reason": reason, "expires": expires}
    made = add_exclusion(file, row)
    term.out(f"excluded until {made.expires}: {term.visible(made.said())}")


@exclude.command("list", short_help="What a file excludes, and until when.")
def list_(
    file: Annotated[Path, typer.Argument(help="YAML, or TOML by its name.")],
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """List the exclusions of a file."""
    from ruleforge.app.excluding import list_exclusions

    _show(list_exclusions(file, datetime.now(UTC).date()), format)


@exclude.command("check", short_help="Which exclusions have expired, or name a rule that is not there.")
def check(
    file: Annotated[Path, typer.Argument(help="YAML, or TOML by its name.")],
    rules: Annotated[Path, typer.Option(help="Folder of rules.", show_default=False)],
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Check a file of exclusions against a folder of rules.

    Exit code 1: something has expired or names a rule that is not there.
    """
    from ruleforge.app.excluding import list_exclusions

    found = list_exclusions(file, datetime.now(UTC).date(), rules)
    _show(found, format)
    raise typer.Exit(1 if any(each.unknown_rule or each.state == "expired" for each in found) else 0)


def _show(found: "list[Listed]", format: Format) -> None:
    import msgspec

    if format is Format.json:
        term.out_json([msgspec.to_builtins(each) for each in found], indent=2)
        return
    for each in found:
        state = term.paint(each.state.ljust(9), STATE_STYLES[each.state])
        unknown = term.paint("  (no such rule)", "red") if each.unknown_rule else ""
        term.out(f"{state} {each.exclusion.expires.ljust(10)}  {term.visible(each.exclusion.said())}{unknown}")
    if not found:
        term.out("no exclusion")
