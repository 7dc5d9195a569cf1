"""Fetch intelligence and templates, check them whole, keep the edition before, and say of when everything is."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from ruleforge.app.data_kinds import KINDS, Kind, Verified
from ruleforge.errors import InputError, OutsideError, RuleForgeError, UsageError
from ruleforge.settings import user_data_folder
from ruleforge.store.download import download
from ruleforge.store.editions import Edition, Editions
from ruleforge.triage.rank import OLD_DAYS

Progress = Callable[[str, int, int], None]


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """How the update of one kind ended."""

    kind: str
    state: str  # "new", "unchanged" or "failed"
    edition: Edition | None = None  # what is in use now; None: nothing is
    before: Edition | None = None  # what was in use before
    problems: int = 0  # entries that could not be read
    error: str = ""
    outside: bool = False  # the error is one of network or disk, not of the data


class DataState(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one kind."""

    kind: str
    meaning: str
    unit: str
    edition: Edition | None = None
    previous: Edition | None = None
    age_days: int | None = None  # of the data; None: there is none, or it does not say of when it is
    place: str = ""  # file or folder in use
    warning: str = ""


def current_files(data_dir: Path | None) -> dict[str, Path]:
    """Return kind → file or folder in use, of what `data_update` fetched.

    Raises:
        InputError: the record of what was fetched cannot be read (RF276).
    """
    editions = Editions(data_dir or user_data_folder())
    held = editions.manifest().current
    places = {kind: editions.path(kind, edition) for kind, edition in held.items() if kind in KINDS}
    return {kind: place for kind, place in places.items() if place.exists()}


def data_status(data_dir: Path | None, *, now: date) -> list[DataState]:
    """Say for every kind what is in use, how old it is, and what is wrong with it.

    Raises:
        InputError: the record of what was fetched cannot be read (RF276).
    """
    editions = Editions(data_dir or user_data_folder())
    manifest = editions.manifest()
    return [
        _state(name, kind, manifest.current.get(name), manifest.previous.get(name), editions, now)
        for name, kind in KINDS.items()
    ]


def _state(
    name: str, kind: Kind, edition: Edition | None, previous: Edition | None, editions: Editions, now: date
) -> DataState:
    place = editions.path(name, edition) if edition is not None else None
    age = (now - date.fromisoformat(edition.date)).days if edition is not None and edition.date else None
    return DataState(
        kind=name,
        meaning=kind.meaning,
        unit=kind.unit,
        edition=edition,
        previous=previous,
        age_days=age,
        place=str(place or ""),
        warning=_warning(edition, place, age),
    )


def _warning(edition: Edition | None, place: Path | None, age: int | None) -> str:
    if edition is None or place is None:
        return "not fetched yet"
    if not place.exists():
        return "its file is gone; fetch it again"
    if place.is_file() and _digest(place) != edition.sha256:
        return "its file was changed since it was fetched; fetch it again"
    if age is None:
        return "it does not say of when it is"
    return f"older than {OLD_DAYS} days" if age > OLD_DAYS else ""


def data_update(
    kinds: Sequence[str],
    progress: Progress = lambda *_: None,
    *,
    now: datetime,
    source: str = "",
    data_dir: Path | None = None,
    force: bool = False,
) -> list[Updated]:
    """Fetch each kind, read it whole, and take it into use.

    One that fails leaves what was in use as it was, and the rest goes on.

    Args:
        kinds: names of KINDS; none: those of `source` if that is a file or folder, else KEV and EPSS.
        progress: told (stage, done, of).
        now: date and time of the fetch, for the record.
        source: an https address, a file, or a folder with files; empty: where each kind is published.
        data_dir: where to keep it; None: the platform's place for data.
        force: take data that is older or has fewer than half as many entries as before.

    Raises:
        UsageError: an unknown kind (RF102), an address that is not https (RF131), or it cannot be told which kind
            the source is (RF132).
        InputError: the record of what was fetched cannot be read (RF276).
    """
    places = _places(kinds, source)
    editions = Editions(data_dir or user_data_folder())
    editions.manifest()
    return [_update(name, place, editions, progress, now, force) for name, place in places.items()]


def _places(kinds: Sequence[str], source: str) -> dict[str, str]:
    """Return kind → where to take it from."""
    for name in kinds:
        KINDS[name]
    if not source:
        wanted = kinds or [name for name, kind in KINDS.items() if kind.by_default]
        return {name: KINDS[name].url for name in wanted}
    if not _is_address(source) and Path(source).is_dir():
        return _in_folder(Path(source), kinds)
    if not _is_address(source) and not Path(source).exists():
        raise UsageError("no such file or folder", where=source, hint="check the path", code="RF117")
    named = kinds or [name for name, kind in KINDS.items() if _fits(source.rpartition("/")[2], kind)]
    if len(named) != 1:
        hint = "give one of " + ", ".join(f"--{name}" for name in KINDS)
        raise UsageError("it is not clear which kind of data this is", where=source[:200], hint=hint, code="RF132")
    if _is_address(source) and not source.startswith("https://"):
        raise UsageError("not an https address", where=source[:200], hint="only https is fetched", code="RF131")
    return {named[0]: source}


def _is_address(source: str) -> bool:
    return "://" in source


def _fits(name: str, kind: Kind) -> bool:
    name = name.lower()
    return any(mark in name for mark in kind.marks) and name.endswith(kind.endings)


def _in_folder(folder: Path, kinds: Sequence[str]) -> dict[str, str]:
    files = sorted(file for file in folder.iterdir() if file.is_file() and "schema" not in file.name.lower())
    found: dict[str, str] = {}
    for name, kind in KINDS.items():
        fitting = [file for ending in kind.endings for file in reversed(files) if file.name.lower().endswith(ending)]
        fitting = [file for file in fitting if _fits(file.name, kind)]
        if fitting and (not kinds or name in kinds):
            found[name] = str(fitting[0])
    missing = [name for name in kinds if name not in found]
    if missing or not found:
        hint = "a name holds 'kev', 'epss' or 'templates'; or give the file itself"
        what = f"no file of {', '.join(missing or KINDS)} in this folder"
        raise UsageError(what, where=str(folder), hint=hint, code="RF132")
    return found


def _update(name: str, place: str, editions: Editions, progress: Progress, now: datetime, force: bool) -> Updated:
    before = editions.manifest().current.get(name)
    try:
        with editions.staging(name) as folder:
            file, digest = _fetch(place, KINDS[name], folder, progress)
            size = file.stat().st_size
            if before is not None and before.sha256 == digest and editions.path(name, before).exists():
                return Updated(kind=name, state="unchanged", edition=before, before=before)
            verified = KINDS[name].verify(file, progress)
            if not force:
                _doubt(verified, before, place, now.date())
            edition = Edition(
                file=_name(name, verified, digest),
                date=verified.date,
                count=verified.count,
                sha256=digest,
                bytes=size,
                source=place,
                fetched=now.isoformat(timespec="seconds"),
            )
            editions.put(name, verified.place, edition)
            return Updated(kind=name, state="new", edition=edition, before=before, problems=verified.problems)
    except RuleForgeError as problem:
        if problem.where.startswith(str(editions.folder)):
            problem.where = place  # where it came from says more than where it was put for checking
        outside = isinstance(problem, OutsideError)
        return Updated(kind=name, state="failed", edition=before, before=before, error=str(problem), outside=outside)
    except OSError as problem:
        error = OutsideError(f"cannot be kept: {problem.strerror}", where=str(editions.folder), code="RF502")
        return Updated(kind=name, state="failed", edition=before, before=before, error=str(error), outside=True)


def _name(kind: str, verified: Verified, digest: str) -> str:
    """A name that says what is in the file; readers take an undated file's date from it."""
    return "-".join(filter(None, (kind, verified.date, digest[:12])))


def _fetch(place: str, kind: Kind, folder: Path, progress: Progress) -> tuple[Path, str]:
    progress(f"fetch {kind.meaning}", 0, 1)
    if _is_address(place):
        file = folder / _plain(place.rpartition("/")[2])
        got = download(place, file, bytes_most=kind.bytes_most, seconds_most=kind.seconds_most)
        return file, got.sha256
    file = folder / _plain(Path(place).name)
    try:
        with Path(place).open("rb") as source:
            data = source.read(kind.bytes_most + 1)
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=place, code="RF501") from error
    if len(data) > kind.bytes_most:
        raise InputError(
            f"more than {kind.bytes_most:,} bytes", where=place, hint="is it the right file?", code="RF222"
        )
    file.write_bytes(data)
    return file, hashlib.sha256(data).hexdigest()


def _plain(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name[-80:])
    return "fetched-" + kept


def _doubt(new: Verified, old: Edition | None, place: str, today: date) -> None:
    """Refuse data that is mostly unreadable, lost most of its entries, is older than what is in use, or of tomorrow."""
    doubts = []
    if new.problems > new.count:
        doubts.append(f"{new.problems:,} of its entries cannot be read, and {new.count:,} can")
    if new.date and date.fromisoformat(new.date) > today + timedelta(days=1):
        doubts.append(f"it is dated {new.date}, later than today")
    if old is not None and new.count * 2 < old.count:
        doubts.append(f"it has {new.count:,} entries, and what is in use has {old.count:,}")
    if old is not None and new.date and new.date < old.date:
        doubts.append(f"it is of {new.date}, and what is in use is of {old.date}")
    if doubts:
        raise InputError(
            f"not taken: {'; '.join(doubts)}", where=place, hint="if that is right, give --force", code="RF275"
        )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
