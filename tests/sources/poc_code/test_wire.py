"""Request lines that scripts write byte by byte are told in one pass, whatever blanks are in them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import requests_in_code, wire
from ruleforge.sources.poc_code.wire import MAX_TARGET, draft_of_raw

PLAIN = re.compile(rb"([A-Z]{3,12})[ \t]+(\S[^\r\n]*?)[ \t]+(HTTP/[0-9.]{1,8})[ \t]*(?:\r?\n|\r|\Z)")  # short ones only


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n", (b"GET", b"/a", b"HTTP/1.1")),
        (b"\r\n GET \t /a b\tc \t HTTP/1.0 \t\n", (b"GET", b"/a b\tc", b"HTTP/1.0")),
        (b"GET /a HTTP/1.1", (b"GET", b"/a", b"HTTP/1.1")),
        (b"POST /a HTTP/1.1 HTTP/1.1\rX: y", (b"POST", b"/a HTTP/1.1", b"HTTP/1.1")),
        (b"GET /" + b"a" * (MAX_TARGET - 1) + b" HTTP/1.1\r\n", (b"GET", b"/" + b"a" * (MAX_TARGET - 1), b"HTTP/1.1")),
        (b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\n", (b"GET", b"/" + b"a" * MAX_TARGET, b"HTTP/1.1")),
        (b"GET HTTP/1.1\r\n", None),
        (b"GET  HTTP/1.1\r\n", None),
        (b"GET \r\nHTTP/1.1\r\n", None),
        (b"GET\r\n/a HTTP/1.1\r\n", None),
        (b"get /a HTTP/1.1\r\n", None),
        (b"GET /a HTTP/1.1x\r\n", None),
        (b"GET /a\r\n", None),
        (b"", None),
    ],
)
def test_a_request_line_is_cut_at_its_first_and_last_blanks(line: bytes, parts: tuple[bytes, ...] | None) -> None:
    draft = draft_of_raw(Text(line), 1)
    assert (None if draft is None else (draft.method.data, draft.url.data, draft.version)) == parts


PIECES = st.sampled_from(
    [b"GET", b"POST", b" ", b"\t", b"/a", b"HTTP/1.1", b"HTTP/", b"\r", b"\n", b"\x0b", b"x: y", b""]
)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_it_says_the_same_as_the_plain_pattern(data: bytes) -> None:
    data = data.lstrip(b"\r\n \t")
    draft, found = draft_of_raw(Text(data), 1), PLAIN.match(data)
    assert (draft and (draft.method.data, draft.url.data, draft.version)) == (found and found.groups())


@pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t", b" HTTP/1.1 ", b"HTTP/1. "])
def test_no_pattern_of_a_request_line_repeats_over_blanks(blanks: bytes) -> None:
    """What cost the square of its length once is a plain no; patterns see the method, the version, and line ends."""
    assert draft_of_raw(Text(b"GET " + blanks * (200_000 // len(blanks)) + b"x"), 1) is None
    patterns = (wire._METHOD, wire._VERSION, wire._LINE_END)
    assert [re.findall(rb"[*+]|,\}", each.pattern) for each in patterns] == [[], [], []]


def test_a_target_too_long_is_said_so() -> None:
    script = "import socket\ns=socket.socket()\ns.send('GET /'+'a'*40000+' HTTP/1.1\\r\\n\\r\\n')\ns.recv(9)\n"
    found = requests_in_code(script, "python")
    assert found.requests == ()
    assert found.problems == ("line 3: a target of 40001 bytes was left out",)
