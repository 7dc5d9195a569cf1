"""From files and folders to advisories: every file gives exactly one result, in a fixed order."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.ingest.nuclei import read_nuclei
from ruleforge.records.advisory import Advisory

# bytes of the file, its name as the user gave it → advisory; raises InputError.
Reader: TypeAlias = Callable[[bytes, str], Advisory]

READERS = Registry[Reader]("advisory format")
READERS.put("nuclei", read_nuclei)

MAX_FILE_BYTES = 4 * 1024 * 1024  # more is not even read into memory
MAX_FILES = 200_000
MAX_FOLDERS = 50_000

_YAML = frozenset({".yaml", ".yml"})
SKIPPED = "RF218"  # the code of a file that is no advisory and need not be one, such as a README


def read_advisories(paths: Sequence[Path]) -> Iterator[Advisory | InputError]:
    """Read all files given, and all files in the folders given, each into an advisory or the reason why not.

    Folders are read in order of their names; links that lead out of a folder are not followed. Files that are
    no YAML give an InputError with code RF218 ("skipped"), so that a caller can count them apart.
    """
    for file in list_files(paths):
        yield read_advisory(file)


def list_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that `paths` name, each once, in the order `read_advisories` reads them."""
    seen: set[Path] = set()
    for path in paths:
        for file in _files(path):
            identity = file.resolve()
            if identity not in seen:
                seen.add(identity)
                yield file


def read_advisory(file: Path) -> Advisory | InputError:
    """Read one file; whatever is wrong with it comes back as the error, for the rest of a batch goes on."""
    where = str(file)
    try:
        if not file.is_file():
            return InputError("no such file or folder", where=where, hint="check the path", code="RF217")
        if file.suffix.lower() not in _YAML:
            return InputError("skipped: not YAML", where=where, hint="only .yaml and .yml are read", code=SKIPPED)
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            return InputError(f"the file has {size} bytes", where=where, hint="split the file", code="RF210")
        return READERS["nuclei"](file.read_bytes(), where)
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"cannot be read: {error.strerror}", where=where, hint="check path and rights", code="RF217")


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or the regular files below a folder, sorted; a missing path comes back to be reported."""
    if not path.is_dir():
        yield path
        return
    root = path.resolve()
    found = 0
    for folders, (folder, names, files) in enumerate(os.walk(path, followlinks=False)):
        names.sort()
        for name in sorted(files):
            file = Path(folder) / name
            if found < MAX_FILES and _is_inside(file, root):
                found += 1
                yield file
        if folders >= MAX_FOLDERS or found >= MAX_FILES:
            return


def _is_inside(file: Path, root: Path) -> bool:
    """Whether `file` is a regular file that, links followed, lies within `root`."""
    return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(root))
