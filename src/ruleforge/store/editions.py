"""Data that `data update` fetched: in a folder of its own, one edition in use and the one before, with a manifest.

The manifest is written last and whole, so that a run that breaks off leaves the edition before in use.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import msgspec

from ruleforge.errors import InputError

MANIFEST = "manifest.json"
SCHEMA = 1


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """One edition of one kind of data."""

    file: str  # name of the file or folder, inside the folder of its kind
    date: str  # of the data itself, "2026-08-16"; empty: it does not say
    count: int  # entries, scores, templates
    sha256: str  # of the bytes as they were fetched
    bytes: int  # as they were fetched
    source: str  # URL or file it came from
    fetched: str  # date and time, RFC 3339


class Manifest(msgspec.Struct, kw_only=True):
    """What there is: kind → edition."""

    schema: int = SCHEMA
    current: dict[str, Edition] = msgspec.field(default_factory=dict)
    previous: dict[str, Edition] = msgspec.field(default_factory=dict)


class Editions:
    """The folder of the fetched data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self) -> Manifest:
        """Read what there is; an empty manifest where nothing was fetched yet.

        Raises:
            InputError: the manifest cannot be read (RF276).
        """
        place = self.folder / MANIFEST
        try:
            found = msgspec.json.decode(place.read_bytes(), type=Manifest)
        except FileNotFoundError:
            return Manifest()
        except (OSError, msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise self._damaged(str(error)) from None
        held = [*found.current.values(), *found.previous.values()]
        if found.schema != SCHEMA or not all(_is_plain(edition.file) and _is_date(edition.date) for edition in held):
            raise self._damaged("it does not fit this version")
        return found

    def _damaged(self, why: str) -> InputError:
        hint = "remove it and run 'ruleforge data update' again"
        what = f"the record of the fetched data cannot be read: {why[:200]}"
        return InputError(what, where=str(self.folder / MANIFEST), hint=hint, code="RF276")

    def path(self, kind: str, edition: Edition) -> Path:
        """Return where an edition lies."""
        return self.folder / kind / edition.file

    @contextmanager
    def staging(self, kind: str) -> Iterator[Path]:
        """Give a folder for what is not checked yet, on the same disk; it is gone afterwards."""
        place = self.folder / kind / f".part-{os.getpid()}"
        for left in place.parent.glob(".part-*"):  # of runs that were killed
            if left == place or not _runs(left.name.removeprefix(".part-")):
                shutil.rmtree(left, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def put(self, kind: str, staged: Path, edition: Edition) -> None:
        """Take what lies at `staged` into use as `edition`; the edition that was in use becomes the one before."""
        with self._locked():
            manifest = self.manifest()
            before = manifest.current.get(kind)
            target = self.path(kind, edition)
            if target.exists():
                _remove(target)
            staged.replace(target)
            if before is not None and before.file != edition.file:
                manifest.previous[kind] = before
            manifest.current[kind] = edition
            part = self.folder / f".{MANIFEST}.part"
            part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
            part.replace(self.folder / MANIFEST)
            self._tidy(kind, manifest)

    def _tidy(self, kind: str, manifest: Manifest) -> None:
        """Remove editions that are neither in use nor the one before."""
        kept = {held[kind].file for held in (manifest.current, manifest.previous) if kind in held}
        for item in (self.folder / kind).iterdir():
            if item.name not in kept and not item.name.startswith("."):
                _remove(item)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _runs(number: str) -> bool:
    """Whether a process of this number runs; what is no number counts as running."""
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):
        return True
    return True


def _is_plain(name: str) -> bool:
    """Whether a name stays inside its folder."""
    return name == Path(name).name and name not in ("", "..")


def _is_date(text: str) -> bool:
    try:
        return text in ("", date.fromisoformat(text).isoformat())
    except ValueError:
        return not text


def _remove(item: Path) -> None:
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item)
    else:
        item.unlink()
