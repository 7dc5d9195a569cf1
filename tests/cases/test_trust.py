"""Headers that servers trust."""

import re

import pytest

from ruleforge.cases.trust import header_bits, trust_headers


def test_there_are_enough_headers_and_each_says_why() -> None:
    headers = trust_headers()
    assert len(headers) >= 55
    assert all(re.fullmatch(rb"[a-z][a-z0-9_-]{2,60}", name) for name in headers)
    assert all(0 < header.bits <= 20 and len(header.why) > 10 for header in headers.values())


@pytest.mark.parametrize(("name", "most"), [(b"X-Forwarded-For", 3), (b"x-forwarded-host", 6), (b"X-Original-URL", 14)])
def test_what_gateways_add_is_less_surprising_than_recordings_of_clients_say(name: bytes, most: float) -> None:
    assert header_bits(name, 20.0) <= most
    assert header_bits(name, 1.5) == 1.5


def test_a_header_that_no_gateway_adds_stays_as_surprising_as_it_was_measured() -> None:
    assert header_bits(b"x-lantern-desk-secret", 17.25) == 17.25


def test_headers_that_only_bypasses_send_are_more_telling_than_those_of_every_gateway() -> None:
    headers = trust_headers()
    assert headers[b"x-middleware-subrequest"].bits > headers[b"x-original-url"].bits > headers[b"x-real-ip"].bits
