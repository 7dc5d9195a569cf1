"""Cassettes: what was asked and answered, one file a call, so that a session can be played again with nobody there."""

import json
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.errors import InputError, OutsideError
from ruleforge.llm.files import read_bounded, write_whole
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
from ruleforge.rules.canonical import canonical_json

CASSETTE_MOST = 2 << 20  # bytes


class Recorder:
    """A provider that writes down what another one answers. The same session gives the same bytes."""

    def __init__(self, inner: Provider, folder: Path) -> None:
        self.url, self.model = inner.url, inner.model
        self._inner, self._folder = inner, folder

    def holds(self, call: Call) -> bool:
        """As the provider says."""
        return self._inner.holds(call)

    def send(self, call: Call) -> Reply | Waiting:
        """Send the call and write down a reply; what is still to come is not recorded."""
        reply = self._inner.send(call)
        if isinstance(reply, Reply):
            write_whole(self._folder / f"{call.id}.json", cassette(call, reply))
        return reply

    def refuse(self, call: Call, problems: tuple[str, ...]) -> bool:
        """As the provider says."""
        return self._inner.refuse(call, problems)


def cassette(call: Call, reply: Reply) -> bytes:
    """What is recorded of a call: everything that decides the answer, and the answer."""
    asked: dict[str, object] = {**call.identity(), "subject": call.subject}
    said: dict[str, object] = msgspec.to_builtins(reply)
    for count in ("tokens_cached", "tokens_written"):  # without them as older recordings are, byte for byte
        if not said[count]:
            del said[count]
    return canonical_json({"format": 1, "key": call.key, "asked": asked, "reply": said}) + b"\n"


class Player:
    """A provider that answers from cassettes and from nothing else."""

    def __init__(self, folder: Path, model: str, url: str = "") -> None:
        self.url, self.model = url or f"replay:{folder}", model
        self._folder = folder

    def holds(self, _call: Call) -> bool:
        """A recording costs nothing."""
        return True

    def send(self, call: Call) -> Reply:
        """Give the recorded reply.

        Raises:
            OutsideError: there is no recording of this call (RF543).
            InputError: the recording is damaged, or of another call (RF266).
        """
        file = self._folder / f"{call.id}.json"
        data = read_bounded(file, CASSETTE_MOST)
        if data is None:
            hint = "record the session again: the prompt, the schema, the model or a setting changed"
            raise OutsideError(f"no recording of call {call.id}", where=str(self._folder), hint=hint, code="RF543")
        return _reply(data, call.key, file)

    def refuse(self, _call: Call, _problems: tuple[str, ...]) -> bool:
        """The recorded session asked again, and so does this one."""
        return False


def _reply(data: bytes, key: str, file: Path) -> Reply:
    try:
        found: Any = json.loads(data)
        written = (found["format"], found["key"])
        reply = msgspec.convert(found["reply"], Reply)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"not a recording: {error}"[:200], where=str(file), code="RF266") from error
    if written != (1, key):
        raise InputError("a recording of another call, or of another format", where=str(file), code="RF266")
    return reply


@LLMS.add("replay")
def make_replay(address: Address, _ground: Ground) -> Provider:
    """`replay:FOLDER?model=NAME`: answers as recorded; the model is the one that was asked then."""
    check_options(address, ("model",))
    folder = folder_of(address)
    return Player(folder, model_of(address, recorded_model(folder)), address.url)


def recorded_model(folder: Path) -> str:
    """The model of the first recording; "mailbox" where there is none."""
    for file in sorted(folder.glob("*.json"))[:1]:
        data = read_bounded(file, CASSETTE_MOST) or b""
        try:
            return str(json.loads(data)["asked"]["model"])
        except (ValueError, TypeError, KeyError, RecursionError):
            break
    return "mailbox"
