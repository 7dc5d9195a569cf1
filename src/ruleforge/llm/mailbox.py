"""The mailbox: questions become files, and whoever or whatever writes the answers is the model.

    <id>.md             the prompt, for people and agents
    <id>.request.json   role, subject, prompt, the schema that the answer must satisfy
    <id>.answer.json    written by the one who answers: exactly what the schema asks for
    <id>.problems.md    what was wrong with the last answer, which now is <id>.refused-1.json, and so on

Nothing else is kept: what is open follows from the files, over processes and restarts.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.errors import InputError, OutsideError, UsageError
from ruleforge.llm.answers import ANSWER_MOST, Schema, problems_of, read_json
from ruleforge.llm.files import read_bounded, write_whole
from ruleforge.llm.framing import Written
from ruleforge.llm.provider import (
    LLMS,
    Address,
    Call,
    Ground,
    Provider,
    Reply,
    Waiting,
    check_options,
    folder_of,
    model_of,
)

REQUEST_MOST = 4 << 20  # bytes
LISTED_MOST = 10_000  # requests of one folder
REFUSED_MOST = 99  # wrong answers that are kept of one request
SETTLE_SECONDS = 2.0  # a file younger than this may still be being written
_ID = re.compile(r"[0-9a-f]{16}")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it lies in the mailbox."""

    format: int = 1
    id: str
    role: str
    subject: str
    sample: int
    system: str  # the fixed part of the prompt
    prompt: str  # the rest
    schema: Schema


class Mailbox:
    """A provider whose answers are files in a folder."""

    def __init__(
        self,
        folder: Path,
        ground: Ground,
        *,
        model: str = "mailbox",
        url: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.url, self.model = url or f"mailbox:{folder}", model
        self._folder, self._ground, self._now = folder, ground, now

    def holds(self, call: Call) -> bool:
        """Whether the question lies there already."""
        return (self._folder / f"{call.id}.request.json").is_file()

    def send(self, call: Call) -> Reply | Waiting:
        """Put the question, or take its answer."""
        if not self.holds(call):
            self._put(call)
            return Waiting(call.id, str(self._folder))
        file = self._folder / f"{call.id}.answer.json"
        data = read_bounded(file, ANSWER_MOST)
        if data is None or self._being_written(file, data):
            return Waiting(call.id, str(self._folder), problems_there(self._folder, call.id))
        return Reply(text=data.decode("utf-8", "replace"))

    def refuse(self, call: Call, problems: tuple[str, ...]) -> bool:
        """Say what is wrong beside the question, which stays open."""
        refuse_answer(self._folder, call.id, problems)
        return True

    def _being_written(self, file: Path, data: bytes) -> bool:
        if not read_json(data.decode("utf-8", "replace")).problem:
            return False
        try:
            return abs(self._now() - file.stat().st_mtime) < SETTLE_SECONDS
        except OSError:
            return True

    def _put(self, call: Call) -> None:
        written = call.written(self._ground.frame_key)
        letter = Letter(
            id=call.id,
            role=call.role,
            subject=call.subject,
            sample=call.tuning.sample,
            system=written.system,
            prompt=written.user,
            schema=call.schema,
        )
        write_whole(self._folder / f"{call.id}.md", page(letter, written).encode())
        text = json.dumps(msgspec.to_builtins(letter), indent=2, ensure_ascii=True)
        write_whole(self._folder / f"{call.id}.request.json", text.encode() + b"\n")  # last: now it is there


def page(letter: Letter, written: Written) -> str:
    """The question as one Markdown page that says how to answer."""
    schema = json.dumps(letter.schema, indent=2, ensure_ascii=True)
    how = (
        f"Write the answer, one JSON document that satisfies the schema below and nothing else, to the file\n"
        f"`{letter.id}.answer.json` in this folder, or hand it to `ruleforge mailbox answer FOLDER {letter.id} FILE`."
    )
    return (
        f"# Question {letter.id}\n\n{how}\n\n## Instructions\n\n{written.system}\n\n## Question\n\n{written.user}\n\n"
        f"## Schema of the answer\n\n```json\n{schema}\n```\n"
    )


def refuse_answer(folder: Path, id_: str, problems: tuple[str, ...]) -> None:
    """Move a wrong answer aside and write down what is wrong with it."""
    number = min(len(list(folder.glob(f"{id_}.refused-*.json"))) + 1, REFUSED_MOST)
    with contextlib.suppress(FileNotFoundError):  # another process was quicker
        (folder / f"{id_}.answer.json").replace(folder / f"{id_}.refused-{number}.json")
    lines = "".join(f"- {problem}\n" for problem in problems)
    text = f"# What is wrong with the last answer to {id_}\n\n{lines}\nThe question is still open.\n"
    write_whole(folder / f"{id_}.problems.md", text.encode("utf-8", "backslashreplace"))


def problems_there(folder: Path, id_: str) -> tuple[str, ...]:
    """What is written down as wrong with the last answer."""
    data = read_bounded(folder / f"{id_}.problems.md", ANSWER_MOST) or b""
    return tuple(line[2:] for line in data.decode("utf-8", "replace").splitlines() if line.startswith("- "))


def letter_ids(folder: Path) -> list[str]:
    """The ids of all questions, in order.

    Raises:
        UsageError: no such folder (RF182).
        OutsideError: more questions than can be listed (RF546).
    """
    if not folder.is_dir():
        raise UsageError("no such mailbox", where=str(folder), hint="name the folder of mailbox:FOLDER", code="RF182")
    names = [file.name.split(".", 1)[0] for file in folder.glob("*.request.json")]
    ids = sorted(name for name in names if _ID.fullmatch(name))
    if len(ids) > LISTED_MOST:
        raise OutsideError(f"more than {LISTED_MOST:,} questions there", where=str(folder), code="RF546")
    return ids


def find_id(folder: Path, start: str) -> str:
    """The one question whose id begins so.

    Raises:
        UsageError: none, or more than one (RF183).
    """
    found = [id_ for id_ in letter_ids(folder) if id_.startswith(start)]
    if len(found) != 1:
        what = f"{len(found)} questions begin with {start[:20]!r}" if found else f"no question {start[:20]!r}"
        raise UsageError(what, where=str(folder), hint="see: ruleforge mailbox list FOLDER", code="RF183")
    return found[0]


def read_letter(folder: Path, id_: str) -> Letter:
    """Read a question back.

    Raises:
        InputError: it is damaged (RF266).
    """
    file = folder / f"{id_}.request.json"
    data = read_bounded(file, REQUEST_MOST) or b""
    try:
        found: Any = json.loads(data)
        letter = msgspec.convert(found, Letter)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a question: {error}"[:200], where=str(file), code="RF266") from error
    if letter.format != 1 or letter.id != id_:
        raise InputError("not a question of this format, or of another id", where=str(file), code="RF266")
    return letter


def has_answer(folder: Path, id_: str) -> bool:
    """Whether an answer lies there, right or wrong."""
    return read_bounded(folder / f"{id_}.answer.json", 0) is not None


def put_answer(folder: Path, id_: str, data: bytes) -> tuple[str, ...]:
    """Check an answer against the schema of its question and put it there; wrong ones are not put, and told.

    Returns:
        The problems; none where the answer was put.
    """
    letter = read_letter(folder, id_)
    read = read_json(data.decode("utf-8", "replace"))
    problems = (read.problem,) if read.problem else problems_of(read.value, letter.schema)
    if not problems:
        write_whole(folder / f"{id_}.answer.json", json.dumps(read.value, indent=2, ensure_ascii=True).encode() + b"\n")
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{id_}.problems.md").unlink()
    return problems


@LLMS.add("mailbox")
def make_mailbox(address: Address, ground: Ground) -> Provider:
    """`mailbox:FOLDER?model=NAME`: questions and answers are files; the name says who answers, where that is known."""
    check_options(address, ("model",))
    return Mailbox(folder_of(address), ground, model=model_of(address, "mailbox"), url=address.url)
