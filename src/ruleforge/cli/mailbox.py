"""`ruleforge mailbox`: questions to a model as files, and answers to them by whoever can give one."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ruleforge.cli import terminal as term

mailbox = typer.Typer(no_args_is_help=True, help="Questions to a model as files, and answers.", rich_markup_mode=None)

STATE_STYLES = {"open": "yellow", "refused": "red", "wrong": "red", "answered": "green"}
Folder = Annotated[Path, typer.Argument(help="The folder of mailbox:FOLDER.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a question, or its beginning.")]


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"


@mailbox.callback()
def _mailbox() -> None:
    """Questions to a model as files, and answers to them by a person, a program or an agent."""


@mailbox.command("list", short_help="What is asked, and what is open.")
def list_(
    folder: Folder,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """List the questions of a mailbox: open, refused (the last answer was wrong), wrong or answered.

    Exit code 1: some are open, refused or wrong.
    """
    import msgspec

    from ruleforge.app.mailbox import mailbox_list

    found = mailbox_list(folder)
    if format is Format.json:
        term.out_json([msgspec.to_builtins(each) for each in found], indent=2)
    else:
        for each in found:
            state = term.paint(each.state.ljust(8), STATE_STYLES[each.state])
            told = f"  {each.problems[0]}" if each.problems else ""
            line = f"{each.id}  {term.visible(f'{each.role}  {each.subject}  sample {each.sample}{told}')}"
            term.out(f"{state}  {term.shorten(line, 160)}")
        answered = sum(each.state == "answered" for each in found)
        term.out(f"{term.plural(len(found), 'question')}, {answered:,} answered")
    raise typer.Exit(1 if any(each.state != "answered" for each in found) else 0)


@mailbox.command("show", short_help="One question in full.")
def show(
    folder: Folder,
    id: Id,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Show one question: its prompt, the schema of the answer, and what was wrong with the last answer.

    \b
    ruleforge mailbox show letters 3f9a
    ruleforge mailbox show letters 3f9a --format json | my-model | ruleforge mailbox answer letters 3f9a
    """
    import json

    import msgspec

    from ruleforge.app.mailbox import mailbox_show

    shown = mailbox_show(folder, id)
    letter, entry = shown.letter, shown.entry
    if format is Format.json:
        term.out_json(msgspec.to_builtins(letter) | {"state": entry.state, "problems": entry.problems}, indent=2)
        return
    state = term.paint(entry.state, STATE_STYLES[entry.state])
    term.out(f"{letter.id}  {state}  {term.visible(f'{letter.role}  {letter.subject}  sample {letter.sample}')}\n")
    for text in (letter.system, letter.prompt):
        term.out("\n".join(map(term.visible, text.split("\n"))) + "\n")
    term.out(term.paint("Schema of the answer", "bold") + "\n" + json.dumps(letter.schema, indent=2, ensure_ascii=True))
    for problem in entry.problems:
        term.out(term.paint("wrong: ", "red") + term.visible(problem))


@mailbox.command("answer", short_help="Hand in an answer.")
def answer(
    folder: Folder,
    id: Id,
    file: Annotated[Path, typer.Argument(help="The answer, one JSON document; - or nothing: standard input.")] = Path(
        "-"
    ),
    replace: Annotated[bool, typer.Option("--replace", help="Replace an answer that is there.")] = False,
) -> None:
    """Check an answer against what was asked for and, if nothing is wrong with it, put it into the mailbox.

    Exit code 1: something is wrong with it; the question stays open.

    \b
    ruleforge mailbox answer letters 3f9a answer.json
    """
    from ruleforge.app.mailbox import ANSWER_MOST, mailbox_answer, read_answer

    data = sys.stdin.buffer.read(ANSWER_MOST + 1) if str(file) == "-" else read_answer(file)
    handed = mailbox_answer(folder, id, data, replace=replace)
    for problem in handed.problems:
        term.out(term.visible(problem))
    if handed.problems:
        raise typer.Exit(1)
    term.out(f"answered: {handed.id}")
