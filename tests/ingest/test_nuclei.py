"""Files and folders of templates become advisories; a bad file never stops the others."""

import hashlib
import time
from pathlib import Path

import pytest

from ruleforge.errors import InputError
from ruleforge.ingest.nuclei import read_nuclei
from ruleforge.ingest.readers import READERS, SKIPPED, read_advisories
from ruleforge.records.advisory import Advisory

LANTERN = b"""id: CVE-2099-2000
info:
  name: Lantern Desk - Path Traversal
  author: us
  severity: high
  description: The wick parameter of Lantern Desk reads any file.
  reference: [https://lantern.example/notes]
  classification: {cve-id: CVE-2099-2000, cwe-id: CWE-22, cpe: 'cpe:2.3:a:lantern:desk:*:*:*:*:*:*:*:*'}
  tags: cve,lfi
http:
  - method: GET
    path: ['{{BaseURL}}/desk/show?wick=../../etc/passwd&n={{randstr}}']
    host-redirects: true
    matchers:
      - {type: word, words: ['root:']}
      - {type: status, status: [200]}
      - {type: dsl, dsl: ['len(body) > 3'], negative: true}
    extractors:
      - {type: regex, name: seal, internal: true, regex: ['x']}
"""


def test_a_template_becomes_an_advisory() -> None:
    found = read_nuclei(LANTERN, "t/lantern.yaml")
    assert (found.id, found.cves, found.cwes, found.severity) == (
        "CVE-2099-2000", ("CVE-2099-2000",), ("CWE-22",), "high",
    )  # fmt: skip
    assert [(product.vendor, product.product) for product in found.products] == [("lantern", "desk")]
    assert (found.sources, found.problems) == (("t/lantern.yaml",), ())
    assert found.digest == hashlib.sha256(LANTERN).hexdigest()
    [poc] = found.requests
    assert poc.request.target.startswith(b"/desk/show?wick=../../etc/passwd&n=")
    assert (poc.role, poc.redirects, poc.origin) == ("", True, "http[0].path[0]")
    assert poc.matchers == ("word(body):root:", "status:200", "not dsl:len(body) > 3", "extractor-internal:seal")
    assert len(poc.standins) == 2


def test_the_base_score_and_its_vector_are_read() -> None:
    scored = LANTERN.replace(b"cwe-id", b"cvss-score: 9.8, cvss-metrics: 'CVSS:3.1/AV:N/PR:N', cwe-id")
    found = read_nuclei(scored, "x.yaml")
    assert (found.cvss, found.cvss_vector) == (9.8, "CVSS:3.1/AV:N/PR:N")
    for odd in (b"0", b"0.0", b"10.1", b"nan", b"9;8", b"-1", b"9.8.1"):
        assert read_nuclei(scored.replace(b"9.8,", odd + b" ,"), "x.yaml").cvss is None


def test_a_template_without_http_says_so() -> None:
    found = read_nuclei(b"id: x\ninfo: {name: n}\ndns: [{name: a}]\n", "x.yaml")
    assert found.requests == ()
    assert found.problems == ("no HTTP: the template holds dns",)


def test_a_folder_gives_one_result_for_each_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.yaml").write_bytes(LANTERN)
    (tmp_path / "a.yml").write_bytes(LANTERN.replace(b"CVE-2099-2000", b"CVE-2099-2001"))
    (tmp_path / "broken.yaml").write_bytes(b"id: [")
    (tmp_path / "deep.yaml").write_bytes(b"[" * 100_000)
    (tmp_path / "binary.yaml").write_bytes(b"\x7fELF\x00\xff")
    (tmp_path / "large.yaml").write_bytes(b"#" * (5 << 20))
    (tmp_path / "other.yaml").write_bytes(b"kind: Deployment\n")
    (tmp_path / "README.md").write_text("# readme")
    results = list(read_advisories([tmp_path]))
    assert [r.code if isinstance(r, InputError) else r.id for r in results] == [
        SKIPPED, "CVE-2099-2001", "RF211", "RF212", "RF213", "RF210", "RF214", "CVE-2099-2000",
    ]  # fmt: skip
    assert all(r.where and r.hint for r in results if isinstance(r, InputError))


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(LANTERN)
    assert len(list(read_advisories([file, tmp_path, file]))) == 1


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "x.yaml").write_bytes(LANTERN)
    (inside / "link.yaml").symlink_to(outside / "x.yaml")
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    (inside / "loop").symlink_to(inside, target_is_directory=True)
    assert list(read_advisories([inside])) == []


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    [result] = read_advisories([tmp_path / "nothing"])
    assert isinstance(result, InputError)
    assert result.code == "RF217"


def test_the_reader_is_registered() -> None:
    assert "nuclei" in READERS


@pytest.mark.corpus
def test_the_public_templates_are_read_whole(corpus: Path) -> None:
    started = time.process_time()
    results = list(read_advisories([corpus / "nuclei-templates" / "http" / "cves"]))
    seconds = time.process_time() - started
    found = [result for result in results if isinstance(result, Advisory)]
    requests = [poc for advisory in found for poc in advisory.requests]
    with_notes = sum(bool(poc.notes) for poc in requests) / len(requests)
    print(f"\nnuclei.templates {len(found)} requests {len(requests)} notes {with_notes:.1%} cpu_s {seconds:.1f}")  # noqa: T201
    assert len(results) == len(found) >= 3_000
    assert sum(bool(advisory.requests) for advisory in found) >= 0.99 * len(found)
    assert sum(poc.row == 0 for poc in requests) >= 4_900
    assert with_notes < 0.05
    assert seconds < 60
    for poc in requests:
        parts = [poc.request.method, poc.request.target, poc.request.body or b""]
        blob = b"\0".join([*parts, *(part for header in poc.request.headers for part in header)])
        assert all(standin in blob for standin in poc.standins), poc.origin
