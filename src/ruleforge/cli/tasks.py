"""`ruleforge tasks`: work for agents, and what they made of it."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.tasks.showing import Entry, Shown
    from ruleforge.judge.combine import Pooled

tasks = typer.Typer(no_args_is_help=True, help="Work for agents, and what they made of it.", rich_markup_mode=None)

STATE_STYLES = {"open": "yellow", "leased": "cyan", "done": "green", "closed": "red"}
REASONS_SHOWN = 8
PART_MOST = 1_500  # characters of one part of what was handed in; JSON gives all
Rules = Annotated[Path, typer.Argument(metavar="RULES", help="The folder that forge writes rules to.")]


class Role(StrEnum):
    """What an agent can be asked for."""

    generate = "generate"
    judge = "judge"
    review_help = "review_help"


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"


@tasks.callback()
def _tasks() -> None:
    """Work for agents, which come for it over MCP (see: ruleforge mcp), and what they made of it."""


@tasks.command("add", short_help="Make tasks.")
def add(
    rules: Rules,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="What forge reads; nothing: what the rules there were forged from.", show_default=False),
    ] = None,
    role: Annotated[list[Role] | None, typer.Option(help="What is wanted; can be given more than once.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A CVE or folder; can be given more than once.", show_default=False)
    ] = None,
    benign: Annotated[
        list[Path] | None, typer.Option(help="Ordinary traffic that candidates are tried on.", show_default=False)
    ] = None,
    background: Annotated[
        Path | None, typer.Option(help="A table made by 'background build'.", show_default=False)
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=5, help="How many agents judge each question.")] = 1,
    copies: Annotated[int, typer.Option(min=1, max=5, help="How many candidates are wanted for each CVE.")] = 1,
    jobs: Annotated[int, typer.Option(min=0, max=1024, help="Processes; 0: one per core.")] = 0,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Make tasks: a candidate rule for each CVE, verdicts on rules, help with their review.

    With `judge` or `review_help` the rules that are there get tasks, and so does each candidate of an agent that
    passes. Tasks that are there already stay as they are. Exit code 1: no task was made and none was there.

    \b
    ruleforge tasks add rules templates/ --role generate --role judge
    ruleforge tasks add rules --role judge --role review_help --only CVE-2021-41773
    """
    import msgspec

    from ruleforge.app.tasks.adding import add_tasks

    with term.progress(quiet=format is Format.json) as progress:
        added = add_tasks(
            rules,
            sources or [],
            roles=[each.value for each in role or [Role.generate]],
            only=only or [],
            benign=benign or [],
            background=background,
            samples=samples,
            copies=copies,
            jobs=jobs,
            progress=progress,
        )
    if format is Format.json:
        term.out_json(msgspec.to_builtins(added), indent=2)
    else:
        for told in added.left_out:
            term.note(f"no task: {told}")
        told = ", ".join(f"{count:,} {name}" for name, count in added.new.items()) or "none"
        more = f"; {added.known:,} were there already" if added.known else ""
        term.out(f"New tasks: {told}{more}. Agents get them from: ruleforge mcp (see its help)")
    raise typer.Exit(0 if added.new or added.known else 1)


@tasks.command("list", short_help="What there is to do, and who does it.")
def list_(
    rules: Rules,
    role: Annotated[Role | None, typer.Option(help="Only these.", show_default=False)] = None,
    state: Annotated[str, typer.Option(help="open, leased, done or closed.", show_default=False)] = "",
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """List tasks: open, leased (an agent holds it), done, or closed (all rounds used without success).

    Exit code 1: some are open or leased.
    """
    import msgspec

    from ruleforge.app.tasks.showing import list_tasks
    from ruleforge.errors import UsageError

    if state and state not in STATE_STYLES:
        raise UsageError(f"no state {state[:20]!r}", hint="known: " + ", ".join(STATE_STYLES), code="RF154")
    found = list_tasks(rules, role=role.value if role else "", state=state)
    if format is Format.json:
        term.out_json([msgspec.to_builtins(each) for each in found], indent=2)
    else:
        for each in found:
            term.out(_row(each))
        done = sum(each.state == "done" for each in found)
        term.out(f"{term.plural(len(found), 'task')}, {done:,} done")
    raise typer.Exit(1 if any(each.state in ("open", "leased") for each in found) else 0)


def _row(entry: "Entry") -> str:
    state = term.paint(entry.state.ljust(6), STATE_STYLES[entry.state])
    by = f"  by {entry.agent}" if entry.agent else ""
    rounds = f"  {term.plural(entry.rounds, 'round')}" if entry.rounds else ""
    line = f"{entry.role.ljust(11)}  {entry.about}  {entry.made or entry.origin}{by}{rounds}"
    return f"{entry.id}  {state}  {term.shorten(term.visible(line), 160)}"


@tasks.command("show", short_help="One task with all that was handed in.")
def show(
    rules: Rules,
    id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task, or its beginning.")],
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Show one task: what agents handed in and what came of it; for a rule also what evidence and agents think of it.

    \b
    ruleforge tasks show rules 56799
    """
    import msgspec

    from ruleforge.app.tasks.showing import show_task

    shown = show_task(rules, id)
    if format is Format.json:
        term.out_json(msgspec.to_builtins(shown), indent=2)
    else:
        term.out("\n".join(_lines(shown)))


def _lines(shown: "Shown") -> list[str]:
    from ruleforge.app.tasks.work import when

    lines = [_row(shown.entry)]
    if shown.sentence:
        lines.append(f"  {term.visible(shown.sentence)}")
    for given in shown.submissions:
        word, style = ("accepted", "green") if given.accepted else ("not accepted", "red")
        if given.given_back:
            word, style = "given back", "yellow"
        model = f" ({given.model})" if given.model else ""
        lines += ["", f"{when(given.at)}  {term.visible(given.agent + model)}  {term.paint(word, style)}"]
        lines.append(f"  sha256 {given.digest[:16]}…")
        lines += [f"  {term.visible(line)}" for line in _told(given.payload)]
        lines += [f"  wrong: {term.visible(problem)}" for problem in given.feedback]
        lines += [f"  kept as {term.visible(given.made)}"] if given.made else []
    if shown.judged is not None:
        lines += ["", *_opinions(shown)]
    if shown.problem:
        lines += ["", term.visible(f"What is thought of the rule cannot be told: {shown.problem}")]
    return lines


def _told(payload: str) -> list[str]:
    """What was handed in, a line for each part of it."""
    import json

    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        data = {"answer": payload}
    lines: list[str] = []
    for key, value in data.items():
        if isinstance(value, list):
            lines += [f"{key}: {_point(each)}" for each in value]
        elif value not in ("", None):
            lines.append(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")
    return [term.shorten(line, PART_MOST) for line in lines]


def _point(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    about = ", ".join(str(value[key]) for key in ("condition", "request") if value.get(key))
    said = value.get("claim") or value.get("what") or value
    return f"{said} ({about})" if about else str(said)


def _opinions(shown: "Shown") -> list[str]:
    assert shown.judged is not None
    evidence, both = shown.judged.evidence, shown.judged.combined
    if both is None or shown.judged.opinion is None:
        alone = [("p_miss", _number(evidence.p_miss)), ("p_off_target", _number(evidence.p_off_target))]
        return ["By the evidence alone; agents have not answered both questions:", *term.columns(alone)]
    rows = [_pooled("p_miss", both.miss), _pooled("p_off_target", both.off_target)]
    lines = ["By evidence and agents together:", *term.columns(rows)]
    said = [reason for reason in shown.judged.opinion.reasons if ": a model says: " in reason][:REASONS_SHOWN]
    return lines + [f"  {term.visible(reason)}" for reason in said]


def _pooled(name: str, pooled: "Pooled") -> tuple[str, ...]:
    parts = f"evidence {_number(pooled.evidence)}, agents {_number(pooled.llm)}"
    return name, _number(pooled.p), f"{pooled.how}: {parts}", term.visible(pooled.note)


def _number(p: float | None) -> str:
    return "unknown" if p is None else f"{p:.2f}"
