"""A script becomes an advisory with the requests it would send, or says why there are none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.ingest.poc_code import ENDINGS, read_poc_code
from ruleforge.ingest.readers import SKIPPED, read_advisory
from ruleforge.records.advisory import Advisory

SCRIPT = """# Exploit Title: Fruit Press 2.0 - Path traversal
# CVE: CVE-2099-3100
import requests, sys
requests.get(sys.argv[1] + "/press/show", params={"file": "../../etc/shadow"})
"""


def test_a_script_becomes_an_advisory(tmp_path: Path) -> None:
    file = tmp_path / "press.py"
    file.write_text(SCRIPT)
    advisory = read_advisory(file)
    assert isinstance(advisory, Advisory)
    assert advisory.id == advisory.cves[0] == "CVE-2099-3100"
    assert advisory.title == "Fruit Press 2.0 - Path traversal"
    assert advisory.tags == ("traversal",)
    assert [poc.request.target for poc in advisory.requests] == [b"/press/show?file=..%2F..%2Fetc%2Fshadow"]
    assert advisory.requests[0].standins == (b"target.example",)


def test_a_script_that_speaks_no_http_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "sum.py"
    file.write_text("print(1 + 1)\n")
    found = read_advisory(file)
    assert isinstance(found, InputError)
    assert found.code == SKIPPED


def test_a_script_without_requests_says_so() -> None:
    advisory = read_poc_code(b"import requests\n", "nothing.py")
    assert advisory.requests == ()
    assert advisory.problems == ("no HTTP request was found",)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"", b"import requests\nrequests.get('http://h/\xe9')"])
def test_bytes_of_any_encoding_are_read(data: bytes) -> None:
    assert read_poc_code(data, "odd.py").digest


@given(st.binary(max_size=300), st.sampled_from(sorted(ENDINGS)))
def test_any_bytes_give_an_advisory(data: bytes, ending: str) -> None:
    assert read_poc_code(data, "any" + ending).sources == ("any" + ending,)
