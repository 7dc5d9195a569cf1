"""Write-ups become advisories; what discloses nothing is skipped with a reason."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.ingest.prose import read_markdown, read_text
from ruleforge.ingest.readers import READERS, SKIPPED, read_advisory
from ruleforge.records.advisory import Advisory

POC = b"PoC: http://localhost/a.php?id=1' union select 1,2-- -\n"


@pytest.mark.parametrize("name", ["a.md", "a.markdown", "a.txt", "a.http", "a.req", "a.sh", "a.TXT"])
def test_documents_are_known_by_their_endings(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"curl 'http://localhost/a?b=../../etc/passwd'\n")
    found = read_advisory(file)
    assert isinstance(found, Advisory)
    assert [poc.request.target for poc in found.requests] == [b"/a?b=../../etc/passwd"]


def test_a_saved_request_is_one_request(tmp_path: Path) -> None:
    file = tmp_path / "one.http"
    file.write_bytes(b'POST /a HTTP/1.1\r\nHost: shop.invalid\r\nX-A: b\r\n\r\n{"a": 1}\r\n\r\n')
    found = read_advisory(file)
    assert isinstance(found, Advisory)
    (poc,) = found.requests
    assert (poc.request.method, poc.request.body) == (b"POST", b'{"a": 1}')
    assert (b"X-A", b"b") in poc.request.headers


def test_the_name_of_the_file_says_first_which_cve_it_is() -> None:
    found = read_text(b"# Title: better than CVE-2099-1111\n" + POC, "folder/CVE-2099-2222-17.txt")
    assert (found.id, found.cves) == ("CVE-2099-2222", ("CVE-2099-2222",))


def test_the_title_says_which_cve_it_is_where_others_are_mentioned() -> None:
    found = read_markdown(b"# Pear (CVE-2099-3333)\n\nA bypass of CVE-2099-3330.\n\n" + POC, "README.md")
    assert (found.id, found.cves) == ("CVE-2099-3333", ("CVE-2099-3333",))


def test_a_document_that_names_its_cve_and_shows_no_request_is_an_advisory_without_requests() -> None:
    found = read_markdown(b"# CVE-2099-4444\n\nSome words.\n", "x.md")
    assert not found.requests
    assert "no concrete request was found" in found.problems


@pytest.mark.parametrize(
    "text",
    [
        b"# Our tool\n\nRun `make`.\n",
        b"words",
        b"# Tool\nCVE-2099-1000 CVE-2099-1001 CVE-2099-1002 CVE-2099-1003\n",
    ],
)
def test_a_document_that_discloses_nothing_is_skipped(text: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read_markdown(text, "README.md")
    assert caught.value.code == SKIPPED


def test_binary_files_are_no_documents(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\x00\x01\x02" * 100)
    found = read_advisory(file)
    assert isinstance(found, InputError)
    assert found.code == SKIPPED


@given(st.binary(max_size=400), st.sampled_from(["markdown", "text", "request", "shell"]), st.booleans())
def test_any_bytes_under_the_name_of_a_cve_give_an_advisory(data: bytes, name: str, with_poc: bool) -> None:
    found = READERS[name].read((POC if with_poc else b"") + data, "CVE-2099-5555.txt")
    assert found.cves == ("CVE-2099-5555",)


@given(st.binary(max_size=400))
def test_bytes_without_a_cve_give_an_advisory_with_a_request_or_are_skipped(data: bytes) -> None:
    try:
        found = read_text(data, "x.txt")
    except InputError as error:
        code = error.code
    else:
        code = SKIPPED if found.requests or found.cves else ""
    assert code == SKIPPED


def is_even(cve: str) -> bool:
    return int(hashlib.sha256(cve.encode()).hexdigest()[-1], 16) % 2 == 0


def path_of(target: str) -> str:
    path = re.sub(r"^https?://[^/]*", "", target).split("?")[0].split("#")[0]
    return re.sub(r"/{2,}", "/", unquote(path)).rstrip("/").lower() or "/"


@pytest.mark.corpus
@pytest.mark.parametrize(("folder", "least"), [("vulhub", 0.95), ("exploitdb", 0.90)])
@pytest.mark.parametrize("even", [True, False])
def test_most_documents_give_a_request_that_others_found_in_them(
    corpus: Path, folder: str, least: float, even: bool
) -> None:
    paths: dict[str, set[str]] = {}
    with gzip.open(corpus / "exploits" / "exploits-dev.jsonl.gz") as rows:
        for row in map(json.loads, rows):
            if row["source"] == folder and is_even(row["cve"]) is even:
                paths.setdefault(row["cve"], set()).add(path_of(row["target"]))
    hits = total = 0
    for file in sorted((corpus / "documents" / folder).iterdir()):
        named = re.match(r"CVE-\d+-\d+", file.name)
        if named is None or named[0] not in paths:
            continue
        found = read_advisory(file)
        assert isinstance(found, Advisory)
        mine = {path_of(poc.request.target.decode("latin-1")) for poc in found.requests}
        hits, total = hits + bool(mine & paths[named[0]]), total + 1
    assert total >= 20
    assert hits >= least * total
