"""What a person may set once and for all: flags win over RULEFORGE_*, the project's file, the user's file, defaults."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.errors import OutsideError, UsageError

PREFIX = "RULEFORGE_"
MAX_BYTES = 1 << 20  # of a settings file
MAX_JOBS = 1_024


class Setting(msgspec.Struct, frozen=True):
    """One value and where it came from: "default", a file, "RULEFORGE_JOBS", "flag"."""

    value: object
    source: str = "default"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Paths from a file are relative to that file, others to where the program runs."""

    benign: tuple[Path, ...] = ()  # request files of ordinary traffic, for validation
    background: Path | None = None  # table made by `background build`; None: the one that ships
    jobs: int = 0  # processes; 0: one per core
    out: Path | None = None  # where rules go
    data_dir: Path | None = None  # where `data update` keeps what it fetched; None: the platform's place for data
    products: Path | None = None  # list of the user's own products, for triage
    weights: Path | None = None  # how much each signal of triage counts; None: the table that ships
    sources: dict[str, str] = msgspec.field(default_factory=dict)  # name → where its value came from


NAMES = ("benign", "background", "jobs", "out", "data_dir", "products", "weights")


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    user_file: Path | None = None,
) -> Settings:
    """Put the settings together.

    Args:
        flags: what was given on the command line; None and empty tuples stand for "not given".
        folder: where to look for `ruleforge.toml` or `pyproject.toml`, upwards; the working folder by default.
        environ: environment variables; those of this process by default.
        user_file: the user's own file; the platform's place for it by default.

    Raises:
        UsageError: an unknown name (RF120), a value of the wrong type (RF121), a file that is no TOML (RF122).
        OutsideError: a settings file exists and cannot be read (RF501).
    """
    found: dict[str, Setting] = {}
    project = project_file(folder or Path.cwd())
    for file in (user_file or user_settings_file(), project):
        if file is not None and file.is_file():
            found |= _from_file(file)
    found |= _from_environ(os.environ if environ is None else environ)
    for name, value in (flags or {}).items():
        if value is not None and value != ():
            found[name] = Setting(_checked(name, value, "flag", Path()), "flag")
    sources = {name: found[name].source if name in found else "default" for name in NAMES}
    values: dict[str, Any] = {name: setting.value for name, setting in found.items()}
    return Settings(**values, sources=sources)


def user_settings_file() -> Path:
    """Where the user's own settings are kept on this platform."""
    import platformdirs  # only when settings are asked for

    return Path(platformdirs.user_config_dir("ruleforge", appauthor=False)) / "ruleforge.toml"


def user_data_folder() -> Path:
    """Where data that was fetched for the user is kept on this platform."""
    import platformdirs  # only when it is asked for

    return Path(platformdirs.user_data_dir("ruleforge", appauthor=False))


def user_cache_folder() -> Path:
    """Where what can be made again is kept on this platform."""
    import platformdirs  # only when it is asked for

    return Path(platformdirs.user_cache_dir("ruleforge", appauthor=False))


def project_file(folder: Path) -> Path | None:
    """Find the nearest `ruleforge.toml`, or `pyproject.toml` with a table for us, in `folder` or above it."""
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        own, shared = place / "ruleforge.toml", place / "pyproject.toml"
        if own.is_file():
            return own
        if shared.is_file() and "ruleforge" in _read(shared).get("tool", {}):
            return shared
    return None


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(file), code="RF501") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"the settings file has more than {MAX_BYTES} bytes", where=str(file), code="RF122")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not a TOML file: {error}", where=str(file), code="RF122") from error


def _from_file(file: Path) -> dict[str, Setting]:
    table = _read(file)
    if file.name == "pyproject.toml":
        table = table["tool"]["ruleforge"]
        if not isinstance(table, dict):
            raise UsageError("tool.ruleforge is no table", where=str(file), code="RF121")
    return {name: Setting(_checked(name, value, str(file), file.parent), str(file)) for name, value in table.items()}


def _from_environ(environ: Mapping[str, str]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for name in NAMES:
        text = environ.get(PREFIX + name.upper(), "")
        if text:
            value = text.split(os.pathsep) if name == "benign" else text
            found[name] = Setting(_checked(name, value, PREFIX + name.upper(), Path()), PREFIX + name.upper())
    return found


def _checked(name: str, value: object, where: str, base: Path) -> object:
    """Turn `value` into the type of the setting `name`."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(NAMES)
        raise UsageError(f"unknown setting {name!r}", where=where, hint=hint, code="RF120")
    if name == "jobs":
        return _jobs(value, where)
    if name == "benign":
        values = [value] if isinstance(value, str | Path) else value
        if isinstance(values, list | tuple) and all(isinstance(item, str | Path) for item in values):
            return tuple(base / item for item in values)
        raise UsageError("benign is a file or a list of files", where=where, code="RF121")
    if isinstance(value, str | Path) and str(value):
        return base / value
    raise UsageError(f"{name} is a path, found {value!r}", where=where, code="RF121")


def _jobs(value: object, where: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_JOBS:
        return value
    raise UsageError(f"jobs is a number from 0 to {MAX_JOBS}, found {value!r}", where=where, code="RF121")
