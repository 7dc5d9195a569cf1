"""From files and folders to advisories: every file gives exactly one result, in a fixed order."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.ingest import captures
from ruleforge.ingest.afrog import is_poc, read_poc
from ruleforge.ingest.crowdsec import is_patch, read_patch
from ruleforge.ingest.nuclei import read_nuclei
from ruleforge.ingest.poc_code import ENDINGS, read_poc_code, speaks_http
from ruleforge.ingest.recognise import is_pdf, is_text
from ruleforge.records.advisory import Advisory

MAX_FILE_BYTES = 4 * 1024 * 1024  # more is not even read into memory

# bytes of the file, its name as the user gave it → advisory; raises InputError.
Read: TypeAlias = Callable[[bytes, str], Advisory]


def _prose(name: str) -> Read:
    """A reader of prose, which brings patterns by the hundred: not before a document is read."""

    def read(data: bytes, where: str) -> Advisory:
        from ruleforge.ingest import prose

        found: Advisory = getattr(prose, name)(data, where)
        return found

    return read


class Reader(msgspec.Struct, frozen=True):
    """One format in which vulnerabilities are disclosed."""

    meaning: str  # for the reference pages, "templates of Nuclei"
    endings: tuple[str, ...]  # lower-case file endings that may hold this format, (".yaml", ".yml")
    recognise: Callable[[bytes], bool]  # does the beginning of the file (64 KiB) look like this format?
    read: Read
    most_bytes: int = MAX_FILE_BYTES  # of a file; recordings are larger than texts


READERS = Registry[Reader]("advisory format")
# Asked in this order: the first whose ending fits and that recognises the file reads it. The last of an ending takes
# what is left, so that a broken file gets the error of the most likely format.
READERS.put("afrog", Reader("PoC files of afrog and xray", (".yaml", ".yml"), is_poc, read_poc))
READERS.put("crowdsec", Reader("virtual-patch rules of CrowdSec", (".yaml", ".yml"), is_patch, read_patch))
for _name, _meaning, _endings, _recognise, _read in (
    ("har", "what a browser recorded", (".har",), captures.is_har_file, captures.read_har_file),
    ("burp", "Burp Suite's XML export", (".xml",), captures.is_burp_file, captures.read_burp_file),
    ("pcap", "packets with HTTP/1", (".pcap", ".pcapng", ".cap"), captures.is_capture_file, captures.read_capture_file),
):
    READERS.put(_name, Reader(_meaning, _endings, _recognise, _read, captures.MAX_CAPTURE_BYTES))
READERS.put("nuclei", Reader("templates of Nuclei", (".yaml", ".yml"), lambda _: True, read_nuclei))
READERS.put("poc_code", Reader("scripts that show a vulnerability", tuple(ENDINGS), speaks_http, read_poc_code))
READERS.put("markdown", Reader("write-ups in Markdown", (".md", ".markdown"), is_text, _prose("read_markdown")))
READERS.put("text", Reader("advisories and exploits in plain text", (".txt",), is_text, _prose("read_text")))
READERS.put("html", Reader("pages in HTML", (".html", ".htm"), is_text, _prose("read_page")))
_PATCHES = (".patch", ".diff")
READERS.put("pdf", Reader("documents in PDF, with the extra `pdf`", (".pdf",), is_pdf, _prose("read_page")))
READERS.put(
    "patch", Reader("commits as `git format-patch` writes them", (".patch", ".diff"), is_text, _prose("read_text"))
)
READERS.put("request", Reader("saved HTTP requests", (".http", ".req"), is_text, _prose("read_text")))
READERS.put("shell", Reader("shell scripts that call curl", (".sh",), is_text, _prose("read_text")))

MAX_FILES = 200_000
MAX_FOLDERS = 50_000

HEAD_BYTES = 64 << 10
SKIPPED = "RF218"  # the code of a file that is no advisory and need not be one, such as a README
STATE = ".ruleforge"  # the folder of a run's state, beside the rules it made


def read_advisories(paths: Sequence[Path]) -> Iterator[Advisory | InputError]:
    """Read all files given, and all files in the folders given, each into an advisory or the reason why not.

    Folders are read in order of their names; links that lead out of a folder are not followed. Files of no known
    format give an InputError with code RF218 ("skipped"), so that a caller can count them apart. So does a folder with
    the rules of a run, once for the whole folder: rules are no sources.
    """
    for file in list_files(paths):
        yield read_advisory(file)


def list_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that `paths` name, each once, in the order `read_advisories` reads them.

    A folder that holds the output of a run is not looked into and stands for itself.
    """
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
        if _is_output(file):
            hint = "rules are no sources; nothing in it was read"
            return InputError("skipped: this folder is the output of a run", where=where, hint=hint, code=SKIPPED)
        if not file.is_file():
            return InputError("no such file or folder", where=where, hint="check the path", code="RF217")
        ending = file.suffix.lower()
        candidates = [(name, reader) for name, reader in READERS.items() if ending in reader.endings]
        if not candidates:
            endings = sorted({each for _, reader in READERS.items() for each in reader.endings})
            hint = "read are " + ", ".join(endings)
            return InputError(f"skipped: {ending or 'no ending'}", where=where, hint=hint, code=SKIPPED)
        size = file.stat().st_size
        too_large = InputError(f"the file has {size} bytes", where=where, hint="split the file", code="RF210")
        if size > max(reader.most_bytes for _, reader in candidates):
            return too_large
        data = file.read_bytes()
        for name, reader in candidates:
            if reader.recognise(data[:HEAD_BYTES]):
                if len(data) > reader.most_bytes:
                    return too_large
                return msgspec.structs.replace(reader.read(data, where), format=name)
        return InputError(
            "skipped: no known format", where=where, hint="see docs/reference/advisory-formats.md", code=SKIPPED
        )
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"cannot be read: {error.strerror}", where=where, hint="check path and rights", code="RF217")


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or the regular files below a folder, sorted; a missing path comes back to be reported.

    The output of a run comes back, too, as its folder and after the files beside it.
    """
    if not path.is_dir() or _is_output(path):
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
        outputs = [name for name in names if _is_output(Path(folder) / name)]
        names[:] = [name for name in names if name not in outputs]
        yield from (Path(folder) / name for name in outputs)
        if folders >= MAX_FOLDERS or found >= MAX_FILES:
            return


def _is_output(folder: Path) -> bool:
    """Whether a folder holds what a run made: its state lies beside its rules."""
    return (folder / STATE).is_dir()


def _is_inside(file: Path, root: Path) -> bool:
    """Whether `file` is a regular file that, links followed, lies within `root`."""
    return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(root))
