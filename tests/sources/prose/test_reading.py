"""Documents of every kind give the requests they show, and nothing else; see `cases/`: a document, what is in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.sources.found import Findings, FoundRequest
from ruleforge.sources.prose import read_prose

FILES = sorted(Path(__file__).parent.glob("cases/*.json"))
DOCUMENTS = [next(file.parent.glob(f"{file.stem}.[mt]*")) for file in FILES]
LINE = b"GET /a/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"


def read(text: str | bytes, *, markdown: bool = True) -> Findings:
    return read_prose(text if isinstance(text, bytes) else text.encode(), markdown=markdown)


def test_cases_were_found() -> None:
    assert len(FILES) >= 18


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.stem)
def test_a_document_gives_the_requests_it_shows(document: Path, line_end: str) -> None:
    expected = json.loads(document.with_suffix(".json").read_text())
    text = document.read_text().replace("\n", line_end)
    found = read(text, markdown=document.suffix == ".md")
    assert [(each.request.method, each.origin) for each in found.requests] == [
        (case["method"].encode(), f"line {case['line']}") for case in expected
    ]
    for each, case in zip(found.requests, expected, strict=True):
        check(each, case)


def check(found: FoundRequest, case: dict[str, Any]) -> None:
    request = found.request
    body = (request.body or b"").decode()
    if "target" in case:
        assert request.target == case["target"].encode()
    assert case.get("target_has", "").encode() in request.target
    assert body == case.get("body", body)
    assert case.get("body_has", "") in body
    assert any(case.get("standin_has", "").encode() in each for each in (*found.standins, b""))
    assert (b"Host", b"target.example") in request.headers
    if "header" in case:
        assert tuple(part.encode() for part in case["header"]) in request.headers


def test_steps_count_the_requests_in_the_order_of_their_lines() -> None:
    text = "```\nPUT /b/x.txt HTTP/1.1\nHost: a\n\nhello\n```\nthen\n```\ncurl http://localhost/b/y?c=1 -d z=1\n```\n"
    assert [(each.step, each.request.method) for each in read(text).requests] == [(0, b"PUT"), (1, b"POST")]


def test_the_same_request_counts_once_however_it_is_shown() -> None:
    text = "curl 'http://localhost/a?b=../../etc/passwd'\n\nPoC: http://localhost/a?b=../../etc/passwd\n"
    assert len(read(text).requests) == 1


def test_facts_come_from_title_header_and_text() -> None:
    text = (
        "# Exploit Title: Damson CMS 2.0 - Blind SQL Injection\n# Exploit Author: J. Doe\n# Software: Damson CMS v2.0\n"
        "# CVE: CVE-2099-7001 (CWE-89)\n# Severity: High\n# See https://damson.invalid/notes\n"
    )
    found = read(text, markdown=False)
    assert found.title == "Damson CMS 2.0 - Blind SQL Injection"
    assert (found.cves, found.cwes, found.tags) == (("CVE-2099-7001",), ("CWE-89",), ("sqli",))
    assert (found.product, found.severity, found.author) == ("Damson CMS", "high", "J. Doe")
    assert found.references == ("https://damson.invalid/notes",)


def test_a_first_heading_is_the_title_but_no_heading_of_a_section() -> None:
    found = read("## Summary\n\n# Loquat Gateway: SSRF (CVE-2099-7002)\n\ntext\n")
    assert found.title == "Loquat Gateway: SSRF (CVE-2099-7002)"
    assert found.tags == ("ssrf",)


def test_badges_of_product_and_weakness_are_read() -> None:
    text = (
        "![](https://img.shields.io/static/v1?label=Product&message=Sloe%20Mail&color=blue)\n"
        "![](https://img.shields.io/static/v1?label=Vulnerability&message=CWE-79%20XSS&color=green)\n"
    )
    found = read(text)
    assert (found.product, found.cwes, found.tags) == ("Sloe Mail", ("CWE-79",), ("xss",))


def test_bytes_of_another_encoding_are_sent_as_they_are_written() -> None:
    found = read(b"POST /a HTTP/1.1\nHost: x\nContent-Length: 4\n\nn=\xe4\xff\n", markdown=False)
    assert found.requests[0].request.body == b"n=\xe4\xff"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert len(read(b"\xef\xbb\xbf" + LINE).requests) == 1


def test_a_request_to_another_place_is_left_out_with_the_reason() -> None:
    found = read("curl https://files.vendor.invalid/install.sh?v=2\n")
    assert not found.requests
    assert any("another host" in problem for problem in found.problems)


def test_a_script_that_gives_nothing_is_read_as_text() -> None:
    text = "```python\n# run: curl 'http://localhost/a?f=../../etc/passwd'\n```\n"
    assert len(read(text).requests) == 1


HOSTILE = {
    "one huge line": b"GET /" + b"a" * 4_000_000,
    "a huge link": b"http://localhost/a?b=" + b"../" * 1_000_000,
    "many fences": b"```\nx\n" * 300_000,
    "fences of fences": b"`" * 2_000_000,
    "open quotes": b"curl \"a 'b " * 200_000,
    "open quotes on lines": b"curl \"a 'b\n" * 200_000,
    "nested quotes": b"curl " + b"\"'" * 1_000_000,
    "many commands": b"curl http://localhost/a?b=1 -d 'x=y'\n" * 60_000,
    "many requests": LINE * 60_000,
    "requests without version": b"POST /a\nHost: b\n\n" * 100_000,
    "headers without end": b"GET / HTTP/1.1\n" + b"A: b\n" * 500_000,
    "binary": bytes(range(256)) * 16_000,
    "many links": b"PoC: http://localhost/x?id=../../etc/passwd\n" * 60_000,
    "links on one line": b"http://localhost/x?id=1 " * 150_000,
    "brackets": b"http://localhost/" + b"[" * 2_000_000,
    "placeholders": b"http://localhost/a?b=" + b"[SQL]" * 500_000,
    "forms": b"<form action=/a method=post><input name=b value=c>" * 70_000,
    "attributes": b"<form " + b"a=b " * 900_000,
    "inputs": b"<form action=/a>" + b"<input name=b value='" * 180_000,
    "sqlmap": b"Parameter: a (GET)\nPayload: a=1\n" * 120_000,
    "slashes": b"/" * 4_000_000,
    "dots and slashes": b"a.b/" * 1_000_000,
    "question marks": b"/a?b=" * 800_000,
    "json without end": b"POST /a HTTP/1.1\n\n" + b"{" * 3_900_000,
    "braces on lines": b"POST /a HTTP/1.1\nHost: b\n\n" + b"{\n" * 1_900_000,
    "scripts": b"```python\nimport x\n```\n" * 150_000,
    "blanks": b" " * 4_000_000,
    "line ends": b"\r\n" * 2_000_000,
    "assignments": b"A=$A$A$A\n" * 20_000 + b"curl $A\n" * 5_000,
    "growing values": b"A=xxxxxxxx\n" + b"A=$A$A\n" * 100_000 + b"curl http://x/$A\n",
    "stars": b"* " * 2_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("markdown", [True, False])
def test_hostile_documents_end_within_bounds(name: str, markdown: bool) -> None:
    found = read(HOSTILE[name][: 4 << 20], markdown=markdown)
    assert len(found.requests) <= 200
    assert len(found.problems) <= 50
    assert len(found.title) <= 300


PIECES = st.sampled_from(
    [
        "GET /a?b=../../c HTTP/1.1",
        "Host: x",
        "",
        "POST /q",
        "Content-Length: 3",
        "```",
        "```python",
        "curl ",
        "-d ",
        "'",
        '"',
        "\\",
        "http://localhost/",
        "[SQL]",
        "<form action=/x method=post>",
        "<input name=a value='",
        "Parameter: a (GET)",
        "Payload: a=1",
        "--b--",
        "{",
        "import requests",
        "\x00",
        "\udcff",
        "HTTP/1.1 200 OK",
        "# Title: ",
        "$(",
        "`",
        "²",
    ]
)


@given(st.lists(st.tuples(PIECES, st.sampled_from(["\n", " ", "", "\r\n"])), max_size=60), st.booleans())
def test_any_mixture_of_pieces_gives_findings(pieces: list[tuple[str, str]], markdown: bool) -> None:
    data = "".join(a + b for a, b in pieces).encode("utf-8", "surrogateescape")
    found = read(data, markdown=markdown)
    for each in found.requests:
        assert each.request.target[:1] in (b"/", b"*")
        assert all(len(mark) > 1 for mark in each.standins)
        assert each.origin.startswith("line ")
