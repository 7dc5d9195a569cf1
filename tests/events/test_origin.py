"""Addresses and times as logs write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.origin import anonymised, seconds_of, source_of, written

SOURCES = [
    (b"192.0.2.7", "192.0.2.7"),
    (b" 192.0.2.7 ", "192.0.2.7"),
    (b"192.0.2.7:8080", "192.0.2.7"),
    (b"::ffff:192.0.2.7", "192.0.2.7"),
    (b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    (b"2001:db8:1:2::", "2001:db8:1:2::/64"),
    (b"[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
    (b"fe80::1%eth0", "fe80::/64"),
    (b"", ""),
    (b"-", ""),
    (b"pear.example", ""),
    (b"192.0.2.300", ""),
    (b"\xff\xfe", ""),
    (b"1" * 5000, ""),
]

TIMES = [
    ("2099-01-31T13:00:00Z", "2099-01-31T13:00:00Z"),
    ("2099-01-31T13:00:00.25+02:00", "2099-01-31T11:00:00Z"),
    ("2099-01-31 13:00:00", "2099-01-31T13:00:00Z"),
    ("2099-01-31", "2099-01-31T00:00:00Z"),
    ("31/Jan/2099:13:00:00 +0000", "2099-01-31T13:00:00Z"),
    ("31/Jan/2099:13:00:00 -0130", "2099-01-31T14:30:00Z"),
    ("4073547600", "2099-01-31T13:00:00Z"),
    ("4073547600.5", "2099-01-31T13:00:00Z"),
    ("4073547600000", "2099-01-31T13:00:00Z"),
    ("4073547600000000", "2099-01-31T13:00:00Z"),
    ("4073547600000000000", "2099-01-31T13:00:00Z"),
    ("", ""),
    ("yesterday", ""),
    ("31/Fig/2099:13:00:00 +0000", ""),
    ("32/Jan/2099:13:00:00 +0000", ""),
    ("2099-13-01T00:00:00Z", ""),
    ("1901-01-01T00:00:00Z", ""),
    ("9" * 400, ""),
]


def test_cases_were_found() -> None:
    assert len(SOURCES) >= 14
    assert len(TIMES) >= 18


@pytest.mark.parametrize(("address", "source"), SOURCES)
def test_an_address_names_its_source(address: bytes, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize(("time", "said"), TIMES)
def test_a_time_is_read_as_it_is_recorded(time: str, said: str) -> None:
    assert written(seconds_of(time)) == said


@given(st.binary(max_size=80), st.text(max_size=80))
def test_any_bytes_are_a_source_or_none_and_any_text_a_time_or_none(address: bytes, time: str) -> None:
    source = source_of(address)
    assert not source or source_of(source.partition("/")[0].encode()) == source
    seconds = seconds_of(time)
    assert seconds is None or seconds_of(written(seconds)) == int(seconds)


@given(st.ip_addresses())
def test_an_anonymised_source_names_many(address: object) -> None:
    shown = anonymised(source_of(str(address).encode()))
    assert shown.endswith(("/24", "/48"))
    assert shown == anonymised(shown.partition("/")[0])
