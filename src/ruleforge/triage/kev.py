"""The catalogue of known exploited vulnerabilities of CISA, as JSON or CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.errors import InputError
from ruleforge.triage.bounded import CVE, day, read_bounded

MAX_ENTRIES = 200_000
COLUMNS = ("cveID", "dateAdded", "knownRansomwareCampaignUse")


class KevEntry(msgspec.Struct, frozen=True):
    """One vulnerability that is exploited."""

    added: str  # "2024-01-31"; empty: not stated
    ransomware: bool  # known to be used in ransomware campaigns


class Kev(msgspec.Struct, frozen=True, kw_only=True):
    """The catalogue."""

    entries: dict[str, KevEntry]
    date: str  # of the catalogue; of its newest entry where it states none
    origin: str  # the file
    problems: int = 0  # entries that could not be read


class _Row(msgspec.Struct):
    cveID: str  # noqa: N815 - the names of the catalogue
    dateAdded: str = ""  # noqa: N815
    knownRansomwareCampaignUse: str = ""  # noqa: N815


class _Catalogue(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]
    dateReleased: str = ""  # noqa: N815
    catalogVersion: str = ""  # noqa: N815


def read_kev(file: Path) -> Kev:
    """Read the catalogue; an entry that cannot be read is counted and the rest kept.

    Raises:
        InputError: neither form of the catalogue, or no entry (RF270); too large (RF222); damaged (RF225).
        OutsideError: the file cannot be opened (RF501).
    """
    data = read_bounded(file)
    rows: Iterable[_Row | None]
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        rows, date = _from_json(data.removeprefix(b"\xef\xbb\xbf"), str(file))
    else:
        rows, date = _from_csv(data, str(file)), ""
    entries: dict[str, KevEntry] = {}
    problems = 0
    for row in rows:
        cve = row.cveID.strip().upper() if row else ""
        if row is None or not CVE.fullmatch(cve) or len(entries) >= MAX_ENTRIES:
            problems += 1
            continue
        entries[cve] = KevEntry(day(row.dateAdded), row.knownRansomwareCampaignUse.strip().lower() == "known")
    if not entries:
        raise InputError("no entry with a CVE number", where=str(file), hint="is it the KEV catalogue?", code="RF270")
    newest = max(entry.added for entry in entries.values())
    return Kev(entries=entries, date=date or newest, origin=str(file), problems=problems)


def _from_json(data: bytes, where: str) -> tuple[Iterator[_Row | None], str]:
    try:
        catalogue = msgspec.json.decode(data, type=_Catalogue)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        what = f"not the KEV catalogue: {str(error)[:200]}"
        raise InputError(what, where=where, hint="its JSON has the key 'vulnerabilities'", code="RF270") from None
    date = day(catalogue.dateReleased) or day(catalogue.catalogVersion.replace(".", "-"))
    return map(_row, catalogue.vulnerabilities), date


def _row(raw: msgspec.Raw) -> _Row | None:
    try:
        return msgspec.json.decode(raw, type=_Row)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _from_csv(data: bytes, where: str) -> Iterator[_Row | None]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    try:
        names = reader.fieldnames or ()
    except csv.Error:
        names = ()
    if "cveID" not in names:
        hint = "its CSV has the column 'cveID'"
        raise InputError("not the KEV catalogue: no such column", where=where, hint=hint, code="RF270")
    return _csv_rows(reader)


def _csv_rows(reader: "csv.DictReader[Any]") -> Iterator[_Row | None]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
            continue
        yield _Row(*(row.get(name) or "" for name in COLUMNS))
