"""Rules compiled to one file, for scans that begin in milliseconds; and such files opened again."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ruleforge.app.event_scan import event_rules
from ruleforge.app.rules import Loaded
from ruleforge.engine.correlation import is_correlation
from ruleforge.engine.cost import cost_of
from ruleforge.errors import UsageError
from ruleforge.events.kinds import HTTP
from ruleforge.settings import user_cache_folder

if TYPE_CHECKING:
    from ruleforge.engine.sets.files import CompiledRules

SUFFIX: Final = ".rfset"
MAGIC: Final = b"ruleforge compiled set\n"
Progress = Callable[[str, int, int], None]


class CompileReport(msgspec.Struct, kw_only=True, frozen=True):
    """What was compiled."""

    file: str
    digest: str  # of the content: the same rules and program make the same file
    bytes: int
    seconds: float  # of processor time
    rules: int  # in the file
    requests: int  # of them: about single requests
    others: int  # about other events
    counting: int  # that count or order events
    without_literal: tuple[str, ...]  # ids of rules that every request must be asked about
    broken: tuple[str, ...] = ()  # rules that failed to load
    unvalidated: int = 0  # rules left out because no evidence says they passed


def compile_rules(
    rules: Path | Loaded, out: Path, *, unvalidated: bool = False, progress: Progress = lambda *_: None
) -> CompileReport:
    """Compile the validated rules of a folder to a file.

    Args:
        rules: a folder of rules, one rule, `builtin`, or rules already loaded.
        out: the file; one that is there is replaced in one step, and scans that follow logs with it change over.
        unvalidated: compile rules without evidence, too.
        progress: told (what, done, of).

    Raises:
        UsageError: there is no such folder (RF110), it holds no rule that can run (RF111), a file that would not be
            known again (RF167), or numba is missing (RF166).
        OSError: `out` cannot be written.
    """
    need_numba("to compile rules")
    if out.suffix != SUFFIX:
        hint = f"--out {out.with_suffix(SUFFIX).name}"
        raise UsageError(f"a compiled set is a file whose name ends in {SUFFIX}", hint=hint, code="RF167")
    from ruleforge.engine.sets.files import write_rules

    loaded = event_rules(rules, unvalidated=unvalidated)
    if not loaded.rules:
        hint = "forge them, or compile with --unvalidated" if loaded.unvalidated else "see what 'ruleforge lint' says"
        raise UsageError("no rule to compile", where=str(rules), hint=hint, code="RF111")
    began = time.process_time()
    digest = write_rules(loaded.rules, out, progress=lambda done, of: progress("kinds of sources", done, of))
    single = [rule for rule in loaded.rules if rule.event == HTTP and not is_correlation(rule)]
    counting = sum(map(is_correlation, loaded.rules))
    return CompileReport(
        file=str(out),
        digest=digest,
        bytes=out.stat().st_size,
        seconds=round(time.process_time() - began, 2),
        rules=len(loaded.rules),
        requests=len(single),
        others=len(loaded.rules) - len(single) - counting,
        counting=counting,
        without_literal=tuple(rule.id for rule in single if not cost_of(rule).found_by),
        broken=tuple(map(str, loaded.broken)),
        unvalidated=len(loaded.unvalidated),
    )


def need_numba(what: str) -> None:
    """Refuse where the fast engine is not installed.

    Raises:
        UsageError: RF166.
    """
    if importlib.util.find_spec("numba") is None:
        hint = "pip install 'ruleforge[fast]', or scan with the folder of rules"
        raise UsageError(f"numba is needed {what}", hint=hint, code="RF166")


def is_compiled(path: Path) -> bool:
    """Whether a path is that of a compiled set: by its name, or by how it begins."""
    if not path.is_file():
        return False
    if path.suffix == SUFFIX:
        return True
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_compiled(path: Path) -> "CompiledRules":
    """Open a compiled set.

    Raises:
        UsageError: numba is missing (RF166).
        InputError: it cannot be used (RF290 to RF292).
    """
    need_numba("to use a compiled set")
    from ruleforge.engine.sets.files import open_rules

    return open_rules(path, user_cache_folder() / "sets")


def load_any(rules: Path | Loaded, *, unvalidated: bool = False) -> Loaded:
    """Load rules of a folder, of `builtin`, or of a compiled set, whose rules were validated when it was made.

    Raises:
        UsageError: there is no such path (RF110); as `open_compiled`.
        InputError: as `open_compiled`.
    """
    if isinstance(rules, Path) and is_compiled(rules):
        return Loaded(open_compiled(rules).rules)
    return event_rules(rules, unvalidated=unvalidated)
