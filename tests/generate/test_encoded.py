"""Payloads in base64 are asked for by what they decode to, however the argument was encoded on the way."""

from base64 import b64encode
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect, inner_text
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.encoded import encoded_facets
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import Tree

LATEST = {name: latest_version(name) for name in CLASSES}
PAYLOADS = [
    ("xss", b"<img src=x onerror=jam(1)>", b'" autofocus onfocus=jam(2) x="'),
    ("sql_injection", b"7 UNION SELECT jar,2 FROM shelf-- ", b"7' or sleep(3)-- "),
    ("traversal", b"../../../../etc/shadow", b"/proc/self/environ"),
    ("crlf_injection", b"plum\r\nSet-Cookie: jar=1", b"x\n\n<b>"),
    ("command_injection", b"jam; cat /srv/larder", b"`id`"),
    ("template_injection", b"${7*7*1234567}", b"{{7*7*1234567}}"),
]


def request_of(value: bytes) -> Request:
    target = b"/larder/label.php?text=" + quote_plus(b64encode(value)).encode()
    return Request(method=b"GET", target=target, headers=((b"Host", b"larder.example"),))


def tree_of(value: bytes) -> Tree:
    facets = list(
        encoded_facets(
            dissect(PocRequest(request=request_of(value))), Advisory(id="T-1", sources=("t",)), default_background()
        )
    )
    assert facets, value
    return facets[0].tree


@pytest.mark.parametrize(("name", "first", "second"), PAYLOADS)
def test_another_payload_of_the_kind_is_seen_and_ordinary_text_is_not(name: str, first: bytes, second: bytes) -> None:
    part = next(p for p in dissect(PocRequest(request=request_of(first))).parts if p.name == b"text")
    assert name in part.inner
    ask = compile_tree(tree_of(first), LATEST)
    assert ask(HttpView(request_of(first))) is True
    assert ask(HttpView(request_of(second))) is True
    assert ask(HttpView(request_of(b"nine jars of plum jam on the upper shelf"))) is False
    assert (
        ask(HttpView(Request(method=b"GET", target=b"/larder/label.php?text=" + quote_plus(first).encode()))) is False
    )


def test_a_plus_that_was_sent_bare_is_still_a_digit() -> None:
    value = b"<script>jam(1)</script>~~~>>>"
    assert b"+" in b64encode(value)
    bare = Request(method=b"GET", target=b"/larder/label.php?text=" + b64encode(value))
    assert compile_tree(tree_of(value), LATEST)(HttpView(bare)) is True


@given(st.binary(max_size=200))
def test_only_printable_text_counts_as_the_inside_of_a_value(value: bytes) -> None:
    text = inner_text(b64encode(value))
    assert text in (b"", value)
    odd = sum(byte not in b"\t\r\n" and not 0x20 <= byte < 0x7F for byte in value)
    assert (text == value and bool(value)) == (len(b64encode(value).rstrip(b"=")) >= 12 and 10 * odd <= len(value))
