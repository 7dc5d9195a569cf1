"""The kinds of data that can be fetched: where from, how large at most, and how each is read whole before its use."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.ingest.readers import list_files
from ruleforge.sources.nuclei.template import parse_template
from ruleforge.store.archive import unpack
from ruleforge.triage.bounded import day
from ruleforge.triage.epss import read_epss
from ruleforge.triage.kev import read_kev

Progress = Callable[[str, int, int], None]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of fetched data, whole."""

    place: Path  # file or folder to keep
    count: int  # entries, scores, templates
    date: str  # of the data; empty: it does not say
    problems: int = 0  # entries that could not be read


# A fetched file, the same or another name inside the same folder to put things, progress → what to keep.
Verify: TypeAlias = Callable[[Path, Progress], Verified]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of data."""

    meaning: str  # "known exploited vulnerabilities (CISA)"
    unit: str  # what is counted
    url: str  # where it is published
    marks: tuple[str, ...]  # a file with one of these in its name is of this kind
    endings: tuple[str, ...]  # in the order in which they are preferred
    bytes_most: int
    seconds_most: float
    verify: Verify
    by_default: bool = True  # updated where no kind is named


def _kev(file: Path, _progress: Progress) -> Verified:
    found = read_kev(file)
    return Verified(place=file, count=len(found.entries), date=found.date, problems=found.problems)


def _epss(file: Path, _progress: Progress) -> Verified:
    found = read_epss(file)
    return Verified(place=file, count=len(found.scores), date=found.date, problems=found.problems)


def _templates(file: Path, progress: Progress) -> Verified:
    """Unpack the YAML files and keep those that are templates."""
    into = file.parent / "unpacked"
    unpacked = unpack(file, into, _is_yaml)
    templates = others = 0
    for number, path in enumerate(list_files([into]), 1):
        progress("templates", number, unpacked.files)
        try:
            parse_template(path.read_bytes(), path.name)
            templates += 1
        except InputError:
            others += 1
            path.unlink()
    if not templates:
        raise InputError("no template in the archive", where=str(file), hint="is it the right file?", code="RF272")
    return Verified(place=into, count=templates, date=day(unpacked.newest), problems=others)


def _is_yaml(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return name.endswith((".yaml", ".yml")) and not hidden


KINDS = Registry[Kind]("kind of data")
KINDS.put(
    "kev",
    Kind(
        meaning="known exploited vulnerabilities (CISA)",
        unit="entry",
        url="https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        marks=("kev", "known_exploited", "known-exploited"),
        endings=(".json", ".csv", ".json.gz", ".csv.gz"),
        bytes_most=64 << 20,
        seconds_most=120,
        verify=_kev,
    ),
)
KINDS.put(
    "epss",
    Kind(
        meaning="exploit prediction scores (FIRST EPSS)",
        unit="score",
        url="https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
        marks=("epss",),
        endings=(".csv.gz", ".csv", ".gz", ".txt"),
        bytes_most=64 << 20,
        seconds_most=300,
        verify=_epss,
    ),
)
KINDS.put(
    "templates",
    Kind(
        meaning="public templates (nuclei-templates)",
        unit="template",
        url="https://github.com/projectdiscovery/nuclei-templates/archive/refs/heads/main.tar.gz",
        marks=("templates",),
        endings=(".tar.gz", ".tgz", ".zip"),
        bytes_most=256 << 20,
        seconds_most=900,
        verify=_templates,
        by_default=False,
    ),
)
