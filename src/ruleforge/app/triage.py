"""What to forge first, and why: sources and intelligence in, an order with its reasons out."""

import multiprocessing
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from ruleforge.app.data import current_files
from ruleforge.errors import UsageError
from ruleforge.ingest.readers import SKIPPED, list_files
from ruleforge.pipeline.run import read_sources
from ruleforge.triage.epss import read_epss
from ruleforge.triage.exposure import read_products
from ruleforge.triage.kev import read_kev
from ruleforge.triage.rank import Ranking, rank
from ruleforge.triage.signals import SIGNALS, Intelligence
from ruleforge.triage.weights import load_weights

Progress = Callable[[str, int, int], None]


def triage(
    paths: Sequence[Path],
    progress: Progress = lambda *_: None,
    *,
    now: date,
    kev: Path | None = None,
    epss: Path | None = None,
    products: Path | None = None,
    weights: Path | None = None,
    data_dir: Path | None = None,
    jobs: int = 0,
    top: int | None = None,
    score_least: float = 0.0,
) -> Ranking:
    """Order what lies below `paths` by how much speaks for forging it now.

    Args:
        paths: sources and folders of them; none: the templates that `data update` fetched.
        progress: told (stage, done, of).
        now: today, for ages and recency.
        kev: KEV catalogue; None: what `data update` fetched, if it did.
        epss: EPSS scores; None: the same.
        products: the user's own products; None: exposure cannot tell.
        weights: overrides the weights that ship.
        data_dir: where `data update` keeps what it fetched; None: the platform's place.
        jobs: processes; 0: one per core.
        top: how many to rank at most; None: all.
        score_least: what scores less is left out, 0 to 100.

    Raises:
        UsageError: a path does not exist, or none was given and there are no templates (RF117, RF130).
        InputError: intelligence, list or weights cannot be read (RF270 to RF274, RF222, RF225).
        OutsideError: one of these files cannot be opened (RF501).
    """
    found = current_files(data_dir)
    wanted = list(paths) or [file for kind, file in found.items() if kind == "templates"]
    if not wanted:
        hint = "name templates or folders of them, or fetch some: ruleforge data update --templates"
        raise UsageError("no sources to order", hint=hint, code="RF130")
    for path in wanted:
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    weighed = load_weights(weights, SIGNALS.names())
    kev, epss = kev or found.get("kev"), epss or found.get("epss")
    known = Intelligence(
        now=now,
        kev=read_kev(kev) if kev else None,
        epss=read_epss(epss) if epss else None,
        products=read_products(products) if products else None,
    )
    files = list(list_files(wanted))
    read = read_sources(files, jobs or multiprocessing.cpu_count(), progress)
    return rank(read, known, weighed, top=top, score_least=score_least)


def is_failure(detail: str) -> bool:
    """Whether an unreadable source is a failure, not a file that is no advisory and need not be one."""
    return not detail.startswith(f"[{SKIPPED}]")
