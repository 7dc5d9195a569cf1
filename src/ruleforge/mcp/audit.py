"""Who called what and how it ended: one line of JSON for each call, without anything that an agent or a stranger wrote.

Names that an agent asked for are kept, shortened; rules, verdicts, requests, leases and tokens are not: what was handed
in lies in the queue.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ruleforge.app.tasks.work import when
from ruleforge.store.tasks import Agent

SIZE_MOST = 64 << 20  # bytes of the file; then it becomes audit.1.ndjson, in the place of the one before
REFUSED_MOST = 60  # lines about refused requests in a minute; the rest is counted in the next line
NAMES = ("name", "role", "query")  # arguments that are kept
NAME_MOST = 80  # characters of one


class Audit:
    """The audit file of a desk. Safe to use from several threads; several processes append to one file."""

    def __init__(self, file: Path, transport: str, *, clock: Callable[[], float] = time.time) -> None:
        self.file, self._transport, self._clock = file, transport, clock
        self._lock = threading.Lock()
        self._minute, self._refused, self._untold = 0, 0, 0

    def call(
        self, agent: Agent | None, tool: str, arguments: dict[str, object], outcome: str, seconds: float, task: str = ""
    ) -> None:
        """Write down one call. `outcome` is "ok", "not accepted", an error code, "arguments" or "crash"."""
        asked = {f"asked_{key}": str(arguments[key])[:NAME_MOST] for key in NAMES if arguments.get(key)}
        row = {"tool": tool[:NAME_MOST]} | asked | ({"task": task} if task else {})
        self._write(agent, row | {"outcome": outcome, "seconds": round(seconds, 3)})

    def refused(self, agent: Agent | None, why: str) -> None:
        """Write down a request that was refused before any tool was called; a flood of them is only counted."""
        with self._lock:
            minute = int(self._clock() // 60)
            if minute != self._minute:
                self._minute, self._refused = minute, 0
            self._refused += 1
            if self._refused > REFUSED_MOST:
                self._untold += 1
                return
            more, self._untold = self._untold, 0
        self._write(agent, {"tool": "", "outcome": why} | ({"not_written_before": more} if more else {}))

    def _write(self, agent: Agent | None, row: dict[str, object]) -> None:
        who = {"agent": agent.name if agent else "", "role": agent.role if agent else "", "transport": self._transport}
        line = json.dumps({"time": when(self._clock()), **who, **row}, ensure_ascii=True).encode() + b"\n"
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            if self.file.exists() and self.file.stat().st_size > SIZE_MOST:
                self.file.replace(self.file.with_name("audit.1.ndjson"))
            out = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(out, line)
            finally:
                os.close(out)
