"""The desk of one folder of rules: its queue, and what its tasks are checked against."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from ruleforge.background.table import default_background, load_background
from ruleforge.cases.anatomy import dissect
from ruleforge.cases.evidence import Evidence
from ruleforge.engine.corpus import Corpus
from ruleforge.errors import OutsideError, UsageError
from ruleforge.judge.evidence import JudgeEvidence
from ruleforge.llm.framing import installation_key
from ruleforge.pipeline.forge import Ground
from ruleforge.pipeline.judging import gather_evidence, judge_evidence
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import CLASSES, classes_digest, latest_version
from ruleforge.store.tasks import TaskStore

PLACE = ".agents"  # below the folder of rules
EVIDENCE_KEPT = 8  # advisories whose evidence is kept in memory
ADVISORY_MOST = 16 << 20  # bytes of one advisory in the queue


class GroundFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the tasks of one `tasks add` are checked against, by names of folders below the desk."""

    corpus: str
    benign: tuple[str, ...] = ()
    background: str = ""  # file; empty: the table that ships
    classes: str = ""  # the payload classes the indexes were made with


class Known(msgspec.Struct, frozen=True):
    """An advisory with everything that is checked about rules for it."""

    advisory: Advisory
    ground: Ground
    evidence: Evidence  # what generator and gates see
    judging: JudgeEvidence  # what only critics see


class Desk:
    """The queue of a folder of rules. Safe to use from several threads, and by several processes at once."""

    def __init__(self, rules: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.rules, self.place, self.clock = rules, rules / PLACE, clock
        self.store = TaskStore(self.place / "tasks.db")
        self.frame_key = installation_key(self.place)
        # One at a time: what is checked is checked in full, and indexes are no toys of several threads.
        self.lock = threading.RLock()
        self._grounds: dict[str, Ground] = {}
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()

    @classmethod
    def of(cls, rules: Path, *, clock: Callable[[], float] = time.time) -> "Desk":
        """Open the desk of a folder that has one.

        Raises:
            UsageError: there is none (RF156).
        """
        if not (rules / PLACE / "tasks.db").is_file():
            what = "no tasks for agents there"
            hint = f"make some: ruleforge tasks add {rules} SOURCES"
            raise UsageError(what, where=str(rules), hint=hint, code="RF156")
        return cls(rules, clock=clock)

    def close(self) -> None:
        """Close the queue."""
        self.store.close()

    def keep_advisory(self, ground: str, folder: str, advisory: Advisory) -> None:
        """Keep an advisory for the tasks about it."""
        self.store.put("advisory", f"{ground}/{folder}", msgspec.msgpack.encode(advisory))
        self.store.put("ground of", folder, ground.encode())  # the last one: for look-ups by name

    def keep_ground(self, key: str, ground: GroundFile) -> None:
        """Keep where the indexes of a ground lie."""
        self.store.put("ground", key, msgspec.json.encode(ground))

    def advisory(self, folder: str, ground: str = "") -> Advisory:
        """The advisory of a folder, as tasks about it know it.

        Raises:
            UsageError: no task is about such an advisory (RF157).
        """
        if not ground:
            ground = (self.store.get("ground of", folder) or b"").decode()
        data = self.store.get("advisory", f"{ground}/{folder}")
        if data is None:
            raise UsageError(f"no advisory {folder[:60]!r} in the queue", hint="see: list_rules", code="RF157")
        return msgspec.msgpack.decode(data, type=Advisory)

    def advisories(self) -> list[str]:
        """The folders of all advisories that tasks are about."""
        return self.store.keys("ground of")

    def known(self, folder: str, ground: str) -> Known:
        """Everything that rules for an advisory are checked against. Cost: 20 to 200 ms of CPU the first time.

        Raises:
            UsageError: its advisory is not in the queue (RF157).
            OutsideError: the indexes are missing, or were made by another version (RF566).
        """
        key = (ground, folder)
        with self.lock:
            if key not in self._known:
                self._known[key] = self._gather(folder, ground)
                while len(self._known) > EVIDENCE_KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    def _gather(self, folder: str, key: str) -> Known:
        advisory, ground = self.advisory(folder, key), self.ground(key)
        exploits = [dissect(poc) for poc in advisory.requests if poc.role == "exploit"]
        evidence = gather_evidence(advisory, exploits, ground, {name: latest_version(name) for name in CLASSES})
        return Known(advisory, ground, evidence, judge_evidence(advisory, exploits, evidence, ground.background))

    def ground(self, key: str) -> Ground:
        """Open the indexes of a ground.

        Raises:
            OutsideError: they are missing, or were made by another version (RF566).
        """
        with self.lock:
            if key not in self._grounds:
                self._grounds[key] = self._open(key)
            return self._grounds[key]

    def _open(self, key: str) -> Ground:
        data = self.store.get("ground", key)
        file = msgspec.json.decode(data, type=GroundFile) if data else GroundFile(corpus="")
        folders = [self.place / name for name in (file.corpus, *file.benign)]
        if file.classes != classes_digest() or not all(Corpus.readable(folder) for folder in folders):
            what = "what the tasks are checked against is missing, or was made by another version"
            raise OutsideError(what, where=str(self.place), hint="run the same 'tasks add' again", code="RF566")
        background = load_background(Path(file.background)) if file.background else default_background()
        corpus, *benign = (Corpus(folder) for folder in folders)
        return Ground(background, corpus, tuple(benign))
