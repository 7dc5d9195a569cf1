"""Raw requests, access logs, files of unknown format, and requests shown to people."""

import gzip
import io
import struct
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError, OutsideError
from ruleforge.events.formats import detect_format, parse_raw_request, read_requests, request_to_text
from ruleforge.events.formats.combined import read_combined
from ruleforge.events.request import Request


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_raw_request_is_read_with_either_line_end(end):
    lines = [b"POST  /a b?c=1  HTTP/1.1", b"Host: shop.example", b"X-Long: one", b"  two", b"odd", b"", b"a=1"]
    request = parse_raw_request(end.join(lines) + end)
    assert (request.method, request.target, request.version) == (b"POST", b"/a b?c=1", b"HTTP/1.1")
    assert request.headers == ((b"Host", b"shop.example"), (b"X-Long", b"one two"), (b"odd", b""))
    assert request.body == b"a=1"


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (b"GET / HTTP/1.1\nHost: h", None),
        (b"GET / HTTP/1.1\n\n", None),
        (b"GET / HTTP/1.1\nContent-Length: 0\n\n", b""),
        (b"GET / HTTP/1.1\nContent-Length: 3\n\na=1\n", b"a=1"),
        (b"GET / HTTP/1.1\nContent-Length: 3\n\na=1&b", b"a=1&b"),
        (b"GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\r\n\r\n", b"0\r\n\r\n"),
    ],
)
def test_the_body_of_a_raw_request_is_what_was_sent(text, body):
    assert parse_raw_request(text).body == body


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET /", (b"GET", b"/", b"")),
        (b"GET", (b"", b"GET", b"")),
        (b"/a b", (b"", b"/a b", b"")),
        (b"\x16\x03\x01 x", (b"", b"\x16\x03\x01 x", b"")),
        (b"GET HTTP/1.1", (b"", b"GET HTTP/1.1", b"")),
    ],
)
def test_a_broken_request_line_keeps_its_bytes(line, expected):
    request = parse_raw_request(line)
    assert (request.method, request.target, request.version) == expected


@given(st.binary())
def test_every_text_is_some_request(text):
    assert isinstance(parse_raw_request(text), Request)


def access(*lines):
    return list(read_combined(io.BytesIO(b"\n".join(lines)), "access.log"))


PREFIX = b"198.51.100.7 - ada [01/Jan/2025:00:00:01 +0000] "


def test_a_combined_line_records_referer_and_agent_only():
    (request,) = access(PREFIX + rb'"GET /a?b=\x22\"c HTTP/1.1" 200 12 "-" "agent \"x\"" "more"')
    assert request == Request(
        method=b"GET", target=b'/a?b=""c', headers=((b"User-Agent", b'agent "x"'),), id="access.log:1",
        source="access.log", source_address=b"198.51.100.7", status=200, time="01/Jan/2025:00:00:01 +0000",
        unrecorded=frozenset({"body"}), recorded_headers=frozenset({b"referer", b"user-agent"}),
    )  # fmt: skip


def test_a_common_line_records_no_headers():
    (request,) = access(PREFIX + b'"HEAD / HTTP/1.0" 304 -')
    assert request.unrecorded == {"body", "headers"}
    assert request.recorded_headers is None


def test_a_virtual_host_before_the_address_is_no_address():
    (request,) = access(b"shop.example:443 " + PREFIX + b'"GET / HTTP/1.1" 200 1 "-" "-"')
    assert request.source_address == b"198.51.100.7"


@pytest.mark.parametrize(
    ("sent", "target"), [(b"-", b"-"), (rb"\x16\x03", b"\x16\x03"), (b"", b""), (b'GET /a"b HTTP/1.0', b'/a"b')]
)
def test_a_malformed_request_line_is_kept(sent, target):
    (request,) = access(PREFIX + b'"' + sent + b'" 400 0')
    assert request.target == target
    assert request.status == 400


def test_a_line_of_another_shape_is_reported_and_the_rest_goes_on():
    items = access(b"hello", PREFIX + b'"GET / HTTP/1.1" 200 1', b"[" * 100_000, b'a [b] "' + b'" 200' * 50_000)
    assert [type(item) for item in items] == [InputError, Request, InputError, InputError]
    assert items[0].where == "access.log:1"


SEGMENT = bytes(12) + b"\x50\x10" + bytes(6) + b"GET / HTTP/1.1\r\n\r\n"
PACKET = b"\x45\0" + (20 + len(SEGMENT)).to_bytes(2, "big") + bytes(5) + b"\x06" + bytes(10) + SEGMENT
CAPTURE = struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101, 1, 0, len(PACKET), len(PACKET)) + PACKET
SAMPLES = {
    "jsonl": b'{"method":"GET","target":"/"}\n',
    "raw_http": b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "combined": PREFIX + b'"GET / HTTP/1.1" 200 1 "-" "-"\n',
    "har": b'{"log": {"entries": [{"request": {"method": "GET", "url": "http://shop.example"}}]}}',
    "burp": b'<items burpVersion="9"><item><request base64="true">R0VUIC8gSFRUUC8xLjENCg0K</request></item></items>',
    "pcap": CAPTURE,
}


@pytest.mark.parametrize("name", SAMPLES)  # the other formats are in test_logs.py
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_of_each_format_is_recognised_and_read_plain_and_compressed(tmp_path, name, pack):
    path = tmp_path / "sample"
    path.write_bytes(pack(SAMPLES[name]))
    (request,) = read_requests(path)
    assert (request.method, request.target) == (b"GET", b"/")


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(OutsideError, match="RF501"):
        list(read_requests(tmp_path / "missing"))
    with pytest.raises(InputError, match="RF220"):
        detect_format(tmp_path / "x", b"\x00\x01")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(SAMPLES["jsonl"] * 1000)[:-9])
    assert list(read_requests(broken, "jsonl"))[-1].code == "RF225"


def test_what_is_shown_can_neither_hide_nor_move_anything():
    text = request_to_text(
        Request(
            method=b"GET",
            target=b"/\x1b[2J\r\n" + "\u202ea".encode(),
            headers=((b"A", b"b\xff\nC: d"),),
            body=b"x\ny\0" * 3,
        ),
        most=9,
    )
    assert text.startswith("GET /\\x1b[2J\\x0d\\x0a")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "A: b\\xff\\x0aC: d" in text
    assert text.endswith("\n\nx\ny\\x00x\ny\\x00x\n[3 more bytes]\n")


@given(st.binary(), st.binary(), st.none() | st.binary())
def test_shown_text_holds_no_control_character(target, value, body):
    text = request_to_text(Request(method=b"GET", target=target, headers=((b"A", value),), body=body))
    assert all(letter.isprintable() or unicodedata.category(letter) == "Zs" for letter in text.replace("\n", ""))


@pytest.mark.corpus
def test_the_development_data_is_read_without_an_error(corpus):
    path = corpus / "exploits" / "exploits-dev.jsonl.gz"
    items = list(read_requests(path))
    assert len(items) > 1000
    assert not [item for item in items if not isinstance(item, Request)]
