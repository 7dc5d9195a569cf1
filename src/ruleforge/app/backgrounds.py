"""Make a table of what a user's own ordinary traffic looks like."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ruleforge.background.table import Background, build_background, load_background, save_background
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request

Progress = Callable[[str, int, int], None]


def background_build(
    files: Sequence[Path],
    out: Path,
    *,
    made: str,
    source: str = "",
    least: int = 3,
    sites_least: int = 1,
    progress: Progress = lambda *_: None,
) -> Background:
    """Count what `files` hold and write the table to `out`; no text of the traffic can be read back from it.

    Args:
        files: request files or access logs of ordinary traffic.
        out: the table.
        made: date, for the evidence that names the table.
        source: one line on where the traffic is from.
        least: keep what stands in so many requests at least.
        sites_least: keep what so many sites (by Host) use at least; 2 or more for a table that others may see.
        progress: told (file, requests, 0).

    Raises:
        UsageError: the files hold no request (RF119).
        InputError: the format of a file is not known (RF220).
        OutsideError: a file cannot be opened (RF501).
    """
    source = source or f"{len(files)} file{'s' if len(files) != 1 else ''} of the user"
    rows = _requests(files, progress)
    table = build_background(rows, made=made, source=source, least=least, groups_least=sites_least)
    if not table.file.rows:
        raise UsageError("no request in these files", where=", ".join(map(str, files)), code="RF119")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    save_background(table, part)
    part.replace(out)
    return load_background(out)


def _requests(files: Sequence[Path], progress: Progress) -> Iterator[Request]:
    for file in files:
        for number, request in enumerate(read_requests(file), 1):
            if number % 1000 == 0:
                progress(str(file), number, 0)
            if not isinstance(request, InputError):
                yield request
