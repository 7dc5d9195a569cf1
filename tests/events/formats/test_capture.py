"""Packet captures: frames of several links, TCP in any order, and hostile files."""

import io
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events.formats import detect_format
from ruleforge.events.formats.capture import read_capture, streams
from ruleforge.events.formats.capture.messages import find_requests, find_statuses
from ruleforge.events.formats.capture.packets import Segment
from ruleforge.events.formats.capture.streams import OVERHEAD, Stream
from ruleforge.events.request import Request

CLIENT, SERVER = ("198.51.100.7", 40000), ("203.0.113.9", 80)
SYN, FIN, ACK = 2, 1, 16
GET = b"GET /one?x=1 HTTP/1.1\r\nHost: app.example\r\n\r\n"
POST = b"POST /two HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT /three HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
ANSWER = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok"


def tcp(number, payload=b"", flags=ACK, source=CLIENT, target=SERVER):
    head = struct.pack(">HHIIBBHHH", source[1], target[1], number % 2**32, 0, 5 << 4, flags, 1000, 0, 0)
    return source, target, head + payload


def packed(address):
    return bytes(int(part) for part in address.split("."))


def ipv4(segment, flags=0):
    source, target, data = segment
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 1, flags, 64, 6, 0)
    return head + packed(source[0]) + packed(target[0]) + data


def ipv6(segment):
    data = segment[2]
    options = bytes([6, 0, 1, 4, 0, 0, 0, 0])  # a hop-by-hop header before TCP
    head = struct.pack(">IHBB", 6 << 28, len(options) + len(data), 0, 64)
    sides = [bytes.fromhex("20010db8") + bytes(11) + bytes([side]) for side in (7, 9)]
    return head + sides[0] + sides[1] + options + data


def ethernet(segment):
    return bytes(12) + b"\x08\x00" + ipv4(segment) + b"\0" * 6  # padded, as short frames are


def pcap(frames, link=1, order="<", magic=0xA1B2C3D4):
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return head + b"".join(
        struct.pack(order + "IIII", 4_070_908_800 + second, 0, len(frame), len(frame)) + frame
        for second, frame in enumerate(frames)
    )


def pcapng(frames, order="<"):
    def block(kind, data):
        data += b"\0" * (-len(data) % 4)
        size = struct.pack(order + "I", len(data) + 12)
        return struct.pack(order + "I", kind) + size + data + size

    options = struct.pack(order + "HHB3xI", 9, 1, 9, 0)  # nanoseconds
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(0xBAD, b"unknown kind")
    out += block(1, struct.pack(order + "HHI", 1, 0, 0) + options)
    time_ns = 4_070_908_800 * 10**9
    for frame in frames:
        head = struct.pack(order + "IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(frame), len(frame))
        out += block(6, head + frame)
    return out + block(3, struct.pack(order + "I", 10) + bytes(10))


def read(data, **bounds):
    return list(read_capture(io.BytesIO(data), "x.pcap", **bounds))


def seen(items):
    return [(each.method, each.target, each.body, each.status) for each in items if isinstance(each, Request)]


def exchange(requests, answers, size=40, start=2**32 - 60):
    """Segments of one connection; the sequence numbers of the client wrap around."""
    segments = [tcp(start - 1, flags=SYN), tcp(8_999, flags=SYN | ACK, source=SERVER, target=CLIENT)]
    segments += [tcp(start + place, requests[place : place + size]) for place in range(0, len(requests), size)]
    back = {"source": SERVER, "target": CLIENT}
    segments += [tcp(9_000 + place, answers[place : place + size], **back) for place in range(0, len(answers), size)]
    return [*segments, tcp(start + len(requests), flags=FIN | ACK)]


WHOLE = exchange(GET + POST + CHUNKED, (ANSWER % 404) + (ANSWER % 500))
EXPECTED = [
    (b"GET", b"/one?x=1", None, 404),
    (b"POST", b"/two", b"hello", 500),
    (b"PUT", b"/three", b"3\r\nabc\r\n0\r\n\r\n", None),
]


@pytest.mark.parametrize(
    "data",
    [
        pcap(map(ethernet, WHOLE)),
        pcap(map(ethernet, WHOLE), order=">", magic=0xA1B23C4D),
        pcapng(map(ethernet, WHOLE)),
        pcapng(map(ethernet, WHOLE), order=">"),
        pcap(map(ipv4, WHOLE), link=101),
        pcap([b"\x02\0\0\0" + ipv4(each) for each in WHOLE], link=0),
        pcap([bytes(14) + b"\x08\x00" + ipv4(each) for each in WHOLE], link=113),
        pcap([bytes(20) + ipv4(each) for each in WHOLE], link=276),
        pcap([bytes(12) + b"\x81\0\0\x05\x88\xa8\0\x06\x08\0" + ipv4(each) for each in WHOLE]),
    ],
    ids=["pcap", "nanoseconds", "pcapng", "big pcapng", "raw", "loopback", "cooked", "cooked 2", "vlan"],
)
def test_requests_are_read_from_every_kind_of_capture(data):
    items = read(data)
    assert seen(items) == EXPECTED
    assert {item.source_address for item in items} == {b"198.51.100.7"}
    assert all(item.time.startswith("2099-01-01T00:00") for item in items)
    assert [item.id for item in items] == ["x.pcap:1", "x.pcap:2", "x.pcap:3"]


def test_requests_are_read_over_ipv6():
    frames = [ipv6(each) for each in exchange(GET, b"") if each[0] == CLIENT]
    (request,) = read(pcap(frames, link=229))
    assert (request.target, request.source_address) == (b"/one?x=1", b"2001:db8::7")


@given(st.randoms(use_true_random=False), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_the_order_of_segments_repeats_and_overlaps_do_not_matter(chance, size, start):
    requests = GET + POST + CHUNKED
    segments = exchange(requests, (ANSWER % 404) + (ANSWER % 500), size, start)
    segments += [chance.choice(segments) for _ in range(5)]
    for _ in range(3):
        cut = chance.randrange(len(requests))
        segments.append(tcp(start + cut, requests[cut : cut + chance.randrange(1, 100)]))
    chance.shuffle(segments)
    items = read(pcap(map(ethernet, segments)))
    assert seen(items) == EXPECTED
    assert len(items) == 3


def test_a_gap_costs_the_body_it_falls_into_and_nothing_else():
    first = POST.replace(b": 5", b": 100")
    segments = [tcp(1, first), tcp(1 + len(first) + 95, GET)]
    one, two, problem = read(pcap(map(ethernet, segments)))
    assert (one.target, one.body, one.unrecorded) == (b"/two", None, {"body"})
    assert two.target == b"/one?x=1"
    assert "end was not captured: 1" in str(problem)


def test_a_body_shorter_than_announced_was_sent_so_when_the_sender_closed():
    data = POST.replace(b": 5", b": 100")
    (request,) = read(pcap(map(ethernet, [tcp(1, data), tcp(1 + len(data), flags=FIN)])))
    assert (request.body, request.unrecorded) == (b"hello", frozenset())


def test_a_head_cut_off_says_which_headers_are_known():
    request, _ = read(pcap(map(ethernet, [tcp(1, b"GET /a HTTP/1.1\r\nHost: app.example\r\nX-Ha")])))
    assert (request.headers, request.recorded_headers) == (((b"Host", b"app.example"),), {b"host"})


def test_bytes_sent_twice_with_other_contents_are_reported():
    segments = [tcp(1, GET[:20]), tcp(5, b"XXXX" + GET[8:])]
    request, problem = read(pcap(map(ethernet, segments)))
    assert request.target == b"/one?x=1"
    assert "other contents: 1" in str(problem)


def test_ports_used_again_are_another_connection():
    segments = [*exchange(GET, ANSWER % 200), *exchange(POST, ANSWER % 201, start=77)]
    assert [item[3] for item in seen(read(pcap(map(ethernet, segments))))] == [200, 201]


def test_requests_of_several_connections_come_in_the_order_of_time():
    other = ("198.51.100.8", 5)
    segments = [tcp(1, GET[:10]), tcp(1, POST, source=other), tcp(11, GET[10:])]
    assert [item[1] for item in seen(read(pcap(map(ethernet, segments))))] == [b"/one?x=1", b"/two"]


def test_a_capture_that_begins_inside_a_connection_finds_the_next_request():
    (request,) = read(pcap(map(ethernet, [tcp(500, b"rest of a body\r\n" + GET)])))
    assert request.target == b"/one?x=1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pcap([]), "no HTTP/1 request"),
        (pcap(map(ethernet, [tcp(1, b"\x16\x03\x01\x02\x00")])), "encrypted or of another protocol: 1"),
        (pcap([bytes(30)], link=195), "link type 195"),
        (pcap([ipv4(tcp(1, GET), flags=0x2000)], link=101), "fragments"),
    ],
)
def test_what_cannot_be_read_is_counted(data, words):
    assert words in str(read(data)[-1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "RF223"),
        (b"\xd4\xc3\xb2\xa1", "RF225"),
        (pcap([ethernet(tcp(1, GET))])[:-5], "RF225"),
        (pcap([])[:24] + struct.pack("<IIII", 0, 0, 2**31, 0), "RF225"),
        (pcapng([])[:8] + b"\x4d\x3c\x2b\x1b", "RF225"),
        (pcapng([])[:28] + struct.pack("<II", 6, 13), "RF225"),
        (pcapng([])[:28] + struct.pack("<II", 6, 2**31), "RF225"),
    ],
)
def test_a_damaged_file_ends_with_a_reason(data, code):
    assert read(data)[-1].code == code


def test_frames_before_the_damage_count():
    whole = pcap(map(ethernet, WHOLE))
    items = read(whole + b"\0" * 7)
    assert seen(items) == EXPECTED
    assert items[-1].code == "RF225"
    assert read(whole, most=100)[-1].code == "RF222"


def test_captures_are_recognised(tmp_path):
    assert detect_format(tmp_path / "x", pcap([])) == "pcap"
    assert detect_format(tmp_path / "x", pcapng([])) == "pcap"


@given(
    st.binary() | st.binary().map(lambda data: pcap([]) + data) | st.binary().map(lambda data: pcapng([])[:60] + data)
)
def test_any_bytes_give_requests_or_a_reason(data):
    items = read(data)
    assert items
    assert all(isinstance(each, (Request, InputError)) for each in items)


@given(st.lists(st.binary(max_size=80), max_size=8), st.sampled_from([0, 1, 101, 113, 229, 276]))
def test_any_frames_give_requests_or_a_reason(frames, link):
    assert read(pcap(frames, link=link))


@given(st.integers(0, 10**6), st.integers(1, 60))
def test_any_damaged_exchange_gives_requests_or_a_reason(seed, count):
    chance = random.Random(seed)
    data = bytearray(pcap(map(ethernet, WHOLE)))
    for _ in range(count):
        data[chance.randrange(24, len(data))] = chance.randrange(256)
    assert read(bytes(data))


@given(st.binary(), st.booleans())
def test_requests_found_in_any_bytes_lie_one_after_the_other(data, whole):
    text = data.replace(b"\x00", GET).replace(b"\x01", CHUNKED)
    places = [message.offset for message in find_requests(text, whole=whole)]
    assert places == sorted(set(places))


def test_statuses_stop_where_the_length_is_not_known():
    assert find_statuses(b"HTTP/1.1 304 X\r\n\r\nHTTP/1.1 200 X\r\n\r\nabc", [b"GET"] * 3) == [304, 200]
    assert find_statuses(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n" + ANSWER % 201, [b"HEAD", b"GET"]) == [200, 201]


def test_small_segments_count_with_the_memory_they_take(monkeypatch):
    monkeypatch.setattr(streams, "MAX_STREAM_BYTES", 100 * (OVERHEAD + 1))
    stream = Stream()
    for number in range(1_000):
        stream.add(Segment(source=CLIENT, target=SERVER, number=number * 2, flags=ACK, payload=b"a"), 0)
    assert (stream.size, stream.dropped) == (100 * (OVERHEAD + 1), 900)


def test_a_contradiction_counts_once_however_often_the_stream_is_put_together():
    stream = Stream()
    for payload in (b"abcd", b"abXd"):
        stream.add(Segment(source=CLIENT, target=SERVER, number=1, flags=ACK, payload=payload), 0)
    for _ in range(3):
        stream.runs()
    assert stream.conflicts == 1
