"""Burp's XML export: what is kept, and hostile documents."""

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events.formats import detect_format
from ruleforge.events.formats.burp import MAX_FIELD, read_burp
from ruleforge.events.request import Request

DOCTYPE = '<!DOCTYPE items [\n<!ELEMENT items (item*)>\n<!ATTLIST items burpVersion CDATA "">\n]>\n'
POST = b"POST /a%20b HTTP/1.1\r\nHost: app.example\r\nContent-Length: 3\r\n\r\n\x00\x01\xff"


def item(request=POST, status="302"):
    text = base64.b64encode(request).decode()
    return (
        f'<item><time>Fri Jan 02 2099</time><url><![CDATA[http://app.example/]]></url><request base64="true"><![CDATA['
        f'{text}]]></request><status>{status}</status><response base64="true">AAAA</response></item>'
    )


def export(*items, doctype=DOCTYPE):
    return (
        f'<?xml version="1.0"?>\n{doctype}<items burpVersion="2099.1" exportTime="x">{"".join(items)}</items>'.encode()
    )


def read(data, **bounds):
    return list(read_burp(io.BytesIO(data), "x.xml", **bounds))


def test_an_item_becomes_a_request_byte_for_byte():
    (request,) = read(export(item()))
    assert (request.method, request.target) == (b"POST", b"/a%20b")
    assert request.headers == ((b"Host", b"app.example"), (b"Content-Length", b"3"))
    assert (request.body, request.status, request.time) == (b"\x00\x01\xff", 302, "Fri Jan 02 2099")
    assert request.id == "x.xml:1"


def test_a_request_that_is_no_base64_is_text():
    plain = '<item><request base64="false"><![CDATA[GET /ä HTTP/1.1\n\n]]></request><status></status></item>'
    (request,) = read(export(plain))
    assert (request.target, request.status) == ("/ä".encode(), None)


@pytest.mark.parametrize("bad", ["<item></item>", '<item><request base64="true">%%%</request></item>', item(b" ")])
def test_a_broken_item_costs_only_itself(bad):
    first, second, third = read(export(item(), bad, item(b"GET /two HTTP/1.1\r\n\r\n")))
    assert isinstance(second, InputError)
    assert second.where == "x.xml:2"
    assert (first.method, third.target) == (b"POST", b"/two")


ENTITY = '<!DOCTYPE items [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE items [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("doctype", [ENTITY, FILE])
def test_a_document_that_declares_entities_is_refused(doctype):
    (problem,) = read(export(item(), doctype=doctype))
    assert "entity" in str(problem)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<items",
        export(item())[:-30],
        b"<items burpVersion='1'>" + b"<a>" * 1_000,
        b'<?xml version="1.0" encoding="gbk"?><a/>',
    ],
)
def test_a_broken_document_ends_with_a_reason_after_what_was_read(data):
    items = read(data)
    assert isinstance(items[-1], InputError)
    assert all(isinstance(each, Request) for each in items[:-1])


def test_bounds_hold():
    assert read(export(item()), most=100)[-1].code == "RF222"
    huge = f'<item><request base64="false">{"a" * (MAX_FIELD + 1)}</request></item>'
    assert [item.code for item in read(export(huge))] == ["RF222"]
    assert read(export())[0].code == "RF224"


def test_an_export_is_recognised(tmp_path):
    assert detect_format(tmp_path / "x", export(item())) == "burp"


@given(st.binary() | st.binary().map(lambda data: export(item())[:-20] + data))
def test_any_bytes_give_requests_or_a_reason(data):
    items = read(data)
    assert items
    assert all(isinstance(each, (Request, InputError)) for each in items)
