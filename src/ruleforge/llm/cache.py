"""Answers kept by what was asked, so that the same question is paid once."""

from pathlib import Path

import msgspec

from ruleforge.llm.files import read_bounded, write_whole
from ruleforge.llm.provider import Call, Reply

ENTRY_MOST = 1 << 20  # bytes


class Entry(msgspec.Struct, frozen=True):
    """A valid answer and the whole hash of its question."""

    key: str
    reply: Reply


class Cache:
    """A folder of answers, by model, settings, prompt and schema. What does not read back is asked anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, call: Call) -> Reply | None:
        """The answer to this call, if it is known."""
        data = read_bounded(self._file(call), ENTRY_MOST)
        if data is None or len(data) > ENTRY_MOST:
            return None
        try:
            entry = msgspec.json.decode(data, type=Entry)
        except msgspec.MsgspecError:
            return None
        return entry.reply if entry.key == call.key else None

    def put(self, call: Call, reply: Reply) -> None:
        """Keep a valid answer."""
        write_whole(self._file(call), msgspec.json.encode(Entry(call.key, reply)))

    def _file(self, call: Call) -> Path:
        key = call.key
        return self._folder / key[:2] / f"{key}.json"
