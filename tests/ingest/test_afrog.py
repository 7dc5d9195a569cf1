"""PoC files of afrog and xray on the way to an advisory."""

import pytest

from ruleforge.errors import InputError
from ruleforge.ingest.afrog import is_poc
from ruleforge.ingest.readers import read_advisories, read_advisory
from ruleforge.records.advisory import Advisory

POC = """id: CVE-2099-3005
info: {name: Fig Desk reads files, severity: critical}
rules:
  r0:
    request: {method: GET, path: "/fig/view?f=../../etc/fig"}
    expression: response.status == 200
expression: r0()
"""


def test_a_poc_is_recognised_among_yaml_files(tmp_path):
    file = tmp_path / "fig.yml"
    file.write_text(POC)
    advisory = read_advisory(file)
    assert isinstance(advisory, Advisory)
    assert (advisory.id, advisory.cves, advisory.severity) == ("CVE-2099-3005", ("CVE-2099-3005",), "critical")
    assert [poc.request.target for poc in advisory.requests] == [b"/fig/view?f=../../etc/fig"]
    assert advisory.requests[0].matchers == ("status:200",)


def test_a_template_is_not_taken_for_a_poc():
    assert is_poc(POC.encode())
    assert not is_poc(b"id: x\ninfo: {name: y}\nhttp:\n  - path: ['{{BaseURL}}/rules:']\n")


@pytest.mark.corpus
def test_every_poc_of_the_development_data_is_read(corpus):
    results = list(read_advisories([corpus / "documents" / "afrog"]))
    assert len(results) >= 200
    assert not [each for each in results if isinstance(each, InputError)]
    assert sum(bool(each.requests) for each in results) >= 0.97 * len(results)
