"""Requests and disclosures as text: bounded, and cut where one sees it."""

from hypothesis import given
from hypothesis import strategies as st

from ruleforge.cases.told import BODY_MOST, HEADERS_MOST, LINE_MOST, disclosure_text, request_text
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import Product


@given(target=st.binary(max_size=9_000), body=st.binary(max_size=9_000), headers=st.integers(0, 60))
def test_no_request_is_told_at_length(target: bytes, body: bytes, headers: int) -> None:
    request = Request(method=b"POST", target=target, headers=((b"X", b"y"),) * headers, body=body)
    text = request_text(request)
    assert len(text) <= LINE_MOST + BODY_MOST + HEADERS_MOST * 10 + 400
    assert ("more headers]" in text) == (headers > HEADERS_MOST)
    text.encode()


def test_what_is_no_text_comes_out_escaped_and_what_is_cut_says_so() -> None:
    text = request_text(Request(method=b"GET", target=b"/\xff" + b"a" * 2_000))
    assert "\\xff" in text
    assert "[cut; 2015 bytes in all]" in text


def test_a_disclosure_is_told_without_its_author() -> None:
    advisory = Advisory(
        id="CVE-2099-0001", sources=("press.yaml",), cves=("CVE-2099-0001",), title="Fruit Press reads files",
        description="It reads any file. " * 1_000, author="somebody", products=(Product("orchard", "press"),),
    )  # fmt: skip
    text = disclosure_text(advisory)
    assert "Title: Fruit Press reads files" in text
    assert "Products: orchard press" in text
    assert "somebody" not in text
    assert len(text) < 7_000
