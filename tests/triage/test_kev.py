"""The catalogue of known exploited vulnerabilities: both forms, bad entries, and files that are something else."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.triage import bounded
from ruleforge.triage.kev import KevEntry, read_kev

Put = Callable[[str, bytes | str], Path]
ROWS: list[Any] = [
    {
        "cveID": "CVE-2099-0001",
        "dateAdded": "2099-02-03",
        "knownRansomwareCampaignUse": "Known",
        "product": "Fruit Press",
    },
    {"cveID": "cve-2099-0002 ", "dateAdded": "soon", "knownRansomwareCampaignUse": "Unknown", "notes": ["x"]},
]
JSON = {"title": "t", "catalogVersion": "2099.03.04", "dateReleased": "2099-03-04T01:02:03Z", "vulnerabilities": ROWS}
CSV = (
    "cveID,vendorProject,dateAdded,shortDescription,knownRansomwareCampaignUse\r\n"
    'CVE-2099-0001,Orchard,2099-02-03,"a comma, a ""quote""\nand a line",Known\r\n'
    "CVE-2099-0002,Orchard,,x,Unknown\r\n"
)
WANTED = {"CVE-2099-0001": KevEntry("2099-02-03", True), "CVE-2099-0002": KevEntry("", False)}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_json_form_is_read(put: Put, pack: Callable[[bytes], bytes]) -> None:
    found = read_kev(put("kev", pack(json.dumps(JSON).encode())))
    assert (found.entries, found.date, found.problems) == (WANTED, "2099-03-04", 0)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_csv_form_is_read_and_dated_by_its_newest_entry(put: Put, mark: str) -> None:
    found = read_kev(put("kev.csv", mark + CSV))
    assert (found.entries, found.date) == (WANTED, "2099-02-03")


def test_the_version_dates_a_catalogue_without_a_date_of_release(put: Put) -> None:
    assert read_kev(put("kev", json.dumps(JSON | {"dateReleased": ""}))).date == "2099-03-04"


def test_bad_entries_are_counted_and_the_rest_is_kept(put: Put) -> None:
    bad = [1, None, {}, {"cveID": 5}, {"cveID": "CVE-1"}, {"cveID": "x" * 10_000}]
    found = read_kev(put("kev", json.dumps({"vulnerabilities": [*bad, *ROWS]})))
    assert (set(found.entries), found.problems) == (set(WANTED), len(bad))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"{}", b'{"vulnerabilities": {}}', b'{"vulnerabilities": []}', b"\xff\xfe\x00", b"<html>",
     b"[" * 100_000, b'{"vulnerabilities": [' + b"[" * 100_000, b"cveID\n", b"cve,epss\nCVE-2099-0001,0.1\n",
     b"\x00" * 9],
)  # fmt: skip
def test_another_file_is_refused(put: Put, data: bytes) -> None:
    with pytest.raises(InputError) as found:
        read_kev(put("kev", data))
    assert found.value.code == "RF270"


def test_a_file_that_unpacks_to_too_much_is_refused(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded.read_bounded, "__defaults__", (1 << 20,))
    with pytest.raises(InputError) as found:
        read_kev(put("kev", gzip.compress(bytes(9 << 20))))
    assert found.value.code == "RF222"


def test_a_damaged_gzip_file_is_refused(put: Put) -> None:
    with pytest.raises(InputError) as found:
        read_kev(put("kev", gzip.compress(json.dumps(JSON).encode())[:60]))
    assert found.value.code == "RF225"


@given(st.binary(max_size=300) | st.text(alphabet="cveID,\n\"';CVE-2099-01{}[]:", max_size=200).map(str.encode))
def test_any_bytes_give_a_catalogue_or_a_reason(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("kev") / "kev"
    file.write_bytes(b"cveID,dateAdded\n" + data if len(data) % 2 else data)
    try:
        assert read_kev(file).entries
    except InputError as error:
        assert error.code in ("RF270", "RF225")  # noqa: PT017 - either way is right
