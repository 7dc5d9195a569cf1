"""Requests as a capture of HTTP/1 streams, one connection each, for engines that read packets."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from ruleforge.events.request import Request

SEGMENT_BYTES = 1_400
_SERVER, _SERVER_PORT = b"\x0a\x00\x00\x01", 80
_FLOWS_EACH = 50_000  # connections of one client address
_SYN, _ACK, _PUSH, _FIN = 0x02, 0x10, 0x18, 0x11
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def write_capture(requests: Sequence[Request], file: Path) -> int:
    """Write a pcap file; return the number of packets. The flow of row n is that of `flow_of(n)`."""
    count = 0
    with file.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101))  # 101: bare IP packets
        for row, request in enumerate(requests):
            for packet in _flow(row, sent_bytes(request)):
                out.write(struct.pack("<IIII", 4_000_000_000 + row // 1_000, row % 1_000 * 1_000, *[len(packet)] * 2))
                out.write(packet)
                count += 1
    return count


def flow_of(row: int) -> tuple[str, int]:
    """Return client address and port of the request at `row`."""
    high, low = divmod(row, _FLOWS_EACH)
    return f"10.1.0.{high + 1}", 10_000 + low


def sent_bytes(request: Request) -> bytes:
    """Return a request as it went over the wire; the framing of a recorded body is made to fit it."""
    line = b" ".join((request.method or b"GET", request.target or b"/", request.version or b"HTTP/1.1"))
    body = request.body or b""
    kept = [(name, value) for name, value in request.headers if name.lower() not in _FRAMING]
    if body:
        kept.append((b"Content-Length", b"%d" % len(body)))
    return line + b"\r\n" + b"".join(b"%b: %b\r\n" % header for header in kept) + b"\r\n" + body


def _flow(row: int, sent: bytes) -> Iterator[bytes]:
    address, port = flow_of(row)
    client = bytes(map(int, address.split(".")))
    up = (client, _SERVER, port, _SERVER_PORT)
    down = (_SERVER, client, _SERVER_PORT, port)
    yield _packet(up, 1, 0, _SYN)
    yield _packet(down, 1, 2, _SYN | _ACK)
    yield _packet(up, 2, 2, _ACK)
    at = 2
    for start in range(0, len(sent), SEGMENT_BYTES):
        part = sent[start : start + SEGMENT_BYTES]
        yield _packet(up, at, 2, _PUSH, part)
        at += len(part)
    yield _packet(down, 2, at, _PUSH, _RESPONSE)
    yield _packet(up, at, 2 + len(_RESPONSE), _FIN)
    yield _packet(down, 2 + len(_RESPONSE), at + 1, _FIN)
    yield _packet(up, at + 1, 3 + len(_RESPONSE), _ACK)


def _packet(
    ends: tuple[bytes, bytes, int, int], sequence: int, acknowledged: int, flags: int, data: bytes = b""
) -> bytes:
    """One IPv4 packet with TCP; checksums are left zero, readers are told not to check them."""
    source, target, source_port, target_port = ends
    head = struct.pack(">HHIIBBHHH", source_port, target_port, sequence, acknowledged, 5 << 4, flags, 65_535, 0, 0)
    length = 20 + len(head) + len(data)
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 6, 0, source, target) + head + data
