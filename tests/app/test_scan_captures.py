"""A scan reads what proxies, browsers and packet captures write, as well as logs."""

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.scan import ScanReport, scan

Put = Callable[..., Path]


def har(request: bytes, target: str) -> bytes:
    sent = {"method": "GET", "url": f"http://app.example{target}", "httpVersion": "HTTP/1.1", "headers": []}
    return json.dumps({"log": {"entries": [{"request": sent, "response": {"status": 200}}]}}).encode()


def burp(request: bytes, target: str) -> bytes:
    text = base64.b64encode(request)
    item = b'<item><request base64="true">' + text + b"</request><status>200</status></item>"
    return b'<?xml version="1.0"?><items burpVersion="9">' + item + b"</items>"


def pcap(request: bytes, target: str) -> bytes:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    client, server = (bytes([192, 0, 2, 7]), 40000), (bytes([192, 0, 2, 9]), 80)
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for source, to, payload in ((client, server, request), (server, client, answer)):
        tcp = struct.pack(">HHIIBBHHH", source[1], to[1], 1, 1, 80, 16, 0, 0, 0) + payload
        packet = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source[0] + to[0] + tcp
        data += struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet
    return data


@pytest.mark.parametrize(
    ("write", "name", "address"), [(har, "day.har", ""), (burp, "day.xml", ""), (pcap, "day.pcapng", "192.0.2.7")]
)
def test_an_attack_is_found_in(write: Any, name: str, address: str, put_rule: Put, tmp_path: Path, attack: str) -> None:
    file = tmp_path / name
    file.write_bytes(write(f"GET {attack} HTTP/1.1\r\nHost: app.example\r\n\r\n".encode(), attack))
    report = ScanReport()
    (hit,) = scan(put_rule().parent, (file,), report)
    assert (hit.request, hit.status, hit.source_address) == (f"{name}:1", 200, address)
    assert (report.requests, report.unreadable) == (1, 0)
