"""A mailbox of questions to models: what is open, one question, an answer to it."""

from pathlib import Path
from typing import Literal

import msgspec

from ruleforge.errors import UsageError
from ruleforge.llm import mailbox as post
from ruleforge.llm.answers import ANSWER_MOST, problems_of, read_json
from ruleforge.llm.files import read_bounded

__all__ = ["ANSWER_MOST", "Entry", "Handed", "Shown", "mailbox_answer", "mailbox_list", "mailbox_show", "read_answer"]

State = Literal["open", "refused", "wrong", "answered"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One question and how it stands.

    `open`: no answer yet. `refused`: the last answer was wrong and was moved aside. `wrong`: an answer lies there that
    does not satisfy the schema. `answered`: one that does.
    """

    id: str
    role: str
    subject: str
    sample: int
    state: State
    problems: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One question in full."""

    entry: Entry
    letter: post.Letter


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an answer: kept where there is no problem."""

    id: str
    problems: tuple[str, ...]


def mailbox_list(folder: Path) -> list[Entry]:
    """List the questions of a mailbox.

    Raises:
        UsageError: no such folder (RF182).
        InputError: a question is damaged (RF266).
    """
    return [_entry(folder, post.read_letter(folder, id_)) for id_ in post.letter_ids(folder)]


def mailbox_show(folder: Path, start: str) -> Shown:
    """Read the question whose id begins with `start`; raises like `mailbox_list`, and where it is not one (RF183)."""
    letter = post.read_letter(folder, post.find_id(folder, start))
    return Shown(entry=_entry(folder, letter), letter=letter)


def mailbox_answer(folder: Path, start: str, data: bytes, *, replace: bool = False) -> Handed:
    """Check an answer against what was asked for, and put it there if nothing is wrong with it.

    Raises:
        UsageError: not one question (RF183), or there is a right answer already (RF184).
    """
    id_ = post.find_id(folder, start)
    if not replace and _entry(folder, post.read_letter(folder, id_)).state == "answered":
        raise UsageError(f"question {id_} is answered", hint="--replace puts yours in its place", code="RF184")
    return Handed(id=id_, problems=post.put_answer(folder, id_, data))


def read_answer(file: Path) -> bytes:
    """Read an answer from a file, a little more than may be, so that one that is too long is told so.

    Raises:
        UsageError: no such file (RF117).
    """
    data = read_bounded(file.resolve(), ANSWER_MOST)
    if data is None:
        raise UsageError("no such file or folder", where=str(file), code="RF117")
    return data


def _entry(folder: Path, letter: post.Letter) -> Entry:
    state, problems = _state(folder, letter)
    return Entry(
        id=letter.id,
        role=letter.role,
        subject=letter.subject,
        sample=letter.sample,
        state=state,
        problems=problems,
    )


def _state(folder: Path, letter: post.Letter) -> tuple[State, tuple[str, ...]]:
    data = read_bounded(folder / f"{letter.id}.answer.json", ANSWER_MOST)
    if data is None:
        problems = post.problems_there(folder, letter.id)
        return ("refused" if problems else "open"), problems
    read = read_json(data.decode("utf-8", "replace"))
    problems = (read.problem,) if read.problem else problems_of(read.value, letter.schema)
    return ("wrong" if problems else "answered"), problems
