"""What a recording says of its sender alone is in no paper of the rule made from it."""

import base64
import ipaddress
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.secrets import MAX_STANDINS, Masks
from ruleforge.pipeline.run import RunOptions, run
from ruleforge.records.advisory import Advisory

CLIENT = "203.0.113.77"
SECRETS = {
    "Cookie": "PEARSESSID=S3cretCookieValue; logged_in_as=S3cretLoginValue; csrftoken=S3cretCsrf",
    "Authorization": "Basic UzNjcmV0VXNlcjpTM2NyZXRQYXNz",
    "X-Api-Key": "S3cretApiKeyValue",
    "ApiKey": "S3cretOtherKey",
    "X-Auth-Token": "S3cretAuthToken",
    "Access-Token": "S3cretAccessToken",
    "X-Pear-Secret": "S3cretOfPears",
}
TARGET = "/pearcart/fetch_pear.php?pear_file=../../../../etc/passwd&api_key=S3cretNamedKey99"
TIME = "2099-03-04T05:06:07"
TRACES = (b"S3cret", b"UzNjcmV0", CLIENT.encode(), TIME.encode(), b'"status": 418', b"status: 418")


def head() -> bytes:
    lines = [f"{name}: {value}" for name, value in SECRETS.items()]
    return "\r\n".join([f"GET {TARGET} HTTP/1.1", "Host: pear.example", *lines, "", ""]).encode()


def har() -> bytes:
    headers = [{"name": name, "value": value} for name, value in {"Host": "pear.example", **SECRETS}.items()]
    request = {"method": "GET", "url": f"http://pear.example{TARGET}", "httpVersion": "HTTP/1.1", "headers": headers}
    entry = {"startedDateTime": TIME + "Z", "request": request, "response": {"status": 418}}
    return json.dumps({"log": {"entries": [entry]}}).encode()


def burp() -> bytes:
    item = f'<request base64="true">{base64.b64encode(head()).decode()}</request><status>418</status>'
    return f'<items burpVersion="9"><item><time>{TIME}</time>{item}</item></items>'.encode()


def pcap() -> bytes:
    ends = ipaddress.ip_address(CLIENT).packed + ipaddress.ip_address("192.0.2.2").packed
    frames = []
    for number, payload, flags in ((999, b"", 2), (1000, head(), 0x18)):
        segment = struct.pack(">HHIIBBHHH", 40000, 80, number, 1, 5 << 4, flags, 1000, 0, 0) + payload
        frames.append(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + ends + segment)
    packets = [struct.pack("<IIII", 4_076_370_367, 0, len(frame), len(frame)) + frame for frame in frames]
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + b"".join(packets)


@pytest.mark.parametrize(("name", "data"), [("a.har", har()), ("a.xml", burp()), ("a.pcap", pcap())])
def test_no_paper_of_a_forged_recording_holds_a_secret_or_who_sent_it(name: str, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / f"CVE-2099-3100-{name}"
    file.write_bytes(data)
    out = tmp_path / "out"
    (outcome,) = run([file], RunOptions(out=out, jobs=1))
    assert outcome.outcome == "rule", outcome
    papers = {each: each.read_bytes() for each in out.rglob("*") if each.is_file()}
    assert any(each.name == "tests.yaml" for each in papers)
    for each, text in papers.items():
        for trace in TRACES:
            assert trace not in text, (each.name, trace)


@pytest.mark.parametrize(("name", "data"), [("a.har", har()), ("a.xml", burp()), ("a.pcap", pcap())])
def test_letters_as_long_as_the_secrets_stand_for_them_and_are_marked(name: str, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / f"CVE-2099-3100-{name}"
    file.write_bytes(data)
    advisory = read_advisory(file)
    assert isinstance(advisory, Advisory)
    (poc,) = advisory.requests
    assert (poc.request.source_address, poc.request.time, poc.request.status) == (b"", "", None)
    sent = {key.decode(): value.decode() for key, value in poc.request.headers}
    for key, value in SECRETS.items():
        assert len(sent[key]) == len(value)
        assert "S3cret" not in sent[key]
    assert sent["Authorization"].startswith("Basic ")
    for value in (sent["X-Api-Key"], sent["Authorization"][6:], sent["Cookie"][11:28]):
        assert value.encode() in poc.standins


def test_the_same_secret_has_the_same_letters_in_every_request_and_place() -> None:
    masks = Masks()
    first, _ = masks.mask(Request(method=b"GET", target=b"/", headers=((b"Cookie", b"sid=0123456789abc"),)))
    second, marks = masks.mask(
        Request(method=b"POST", target=b"/?x=0123456789abc", headers=((b"X-CSRF-Token", b"0123456789abc"),), body=b"x")
    )
    (letters,) = marks
    assert first.headers[0][1] == b"sid=" + letters
    assert (second.target, second.headers[0][1]) == (b"/?x=" + letters, letters)


def test_an_address_in_a_header_is_replaced_and_that_of_the_machine_itself_kept() -> None:
    sent = Request(
        method=b"GET",
        target=b"/",
        headers=((b"X-Forwarded-For", b"127.0.0.1, 203.0.113.9"),),
        source_address=b"203.0.113.9",
    )
    masked, (letters,) = Masks().mask(sent)
    assert masked.headers[0][1] == b"127.0.0.1, " + letters


def test_more_secrets_than_can_be_marked_are_left_out_and_never_shown() -> None:
    cookies = b"; ".join(b"sid%d=secretvalue%d" % (number, number) for number in range(MAX_STANDINS * 4))
    cookies = cookies.replace(b"sid", b"token")
    masked, marks = Masks().mask(Request(method=b"GET", target=b"/", headers=((b"Cookie", cookies),)))
    assert len(marks) == MAX_STANDINS
    assert b"secretvalue" not in masked.headers[0][1]


@given(secret=st.binary(min_size=1, max_size=300), name=st.sampled_from([b"Authorization", b"api-key", b"X-Token"]))
def test_any_secret_is_replaced_by_as_many_bytes(secret: bytes, name: bytes) -> None:
    masked, _ = Masks().mask(Request(method=b"GET", target=b"/", headers=((name, secret),)))
    assert len(masked.headers[0][1]) == len(secret)
