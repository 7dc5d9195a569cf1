"""Recordings as a proof of concept."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.ingest.captures import read_burp_file, read_capture_file, read_har_file
from ruleforge.ingest.readers import read_advisory
from ruleforge.records.advisory import Advisory

RAW = b"POST /pear?x=1 HTTP/1.1\r\nHost: 192.0.2.5:8080\r\nCookie: lang=en; PEARSESSID=0123456789\r\n\r\n"


def test_an_export_becomes_an_advisory_named_by_its_file(tmp_path):
    file = tmp_path / "cve_2099_3003-burp.xml"
    item = base64.b64encode(RAW).decode()
    file.write_text(
        f'<items burpVersion="9"><item><request base64="true">{item}</request><status>500</status></item></items>'
    )
    advisory = read_advisory(file)
    assert isinstance(advisory, Advisory)
    (poc,) = advisory.requests
    assert (advisory.id, advisory.cves) == ("CVE-2099-3003", ("CVE-2099-3003",))
    assert (poc.origin, poc.request.status, poc.request.target) == ("entry 1", None, b"/pear?x=1")
    assert poc.standins[:2] == (b"192.0.2.5:8080", b"192.0.2.5")
    (letters,) = poc.standins[2:]
    assert len(letters) == 10
    assert dict(poc.request.headers)[b"Cookie"] == b"lang=en; PEARSESSID=" + letters


def test_a_har_is_read_and_its_broken_entries_are_problems(tmp_path):
    file = tmp_path / "CVE-2099-3004.har"
    entries = [{"request": {"method": "GET", "url": "http://h.example/a"}}, {"request": {"url": "data:,"}}]
    file.write_text(json.dumps({"log": {"entries": entries}}))
    advisory = read_advisory(file)
    assert isinstance(advisory, Advisory)
    assert [poc.request.target for poc in advisory.requests] == [b"/a"]
    assert "not one of HTTP" in advisory.problems[0]


@pytest.mark.parametrize("name", ["x.har", "x.xml", "x.pcap"])
def test_a_file_of_another_kind_is_skipped(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"<p>a page</p>")
    problem = read_advisory(file)
    assert isinstance(problem, InputError)
    assert problem.code == "RF218"


@pytest.mark.parametrize("read", [read_har_file, read_burp_file, read_capture_file])
@given(data=st.binary())
def test_any_bytes_give_an_advisory_or_a_reason(read, data):
    try:
        advisory = read(data, "x")
    except InputError as error:
        assert error.code.startswith("RF22")  # noqa: PT017 - any other is a crash
    else:
        assert advisory.requests or advisory.problems
