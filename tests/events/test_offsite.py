"""Which arguments lead to another site, for any bytes."""

from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.offsite import host_of_url, is_offsite, plain_host

HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,8}){1,3}", fullmatch=True).map(str.encode)


@given(st.binary(max_size=300), st.lists(st.binary(max_size=20), max_size=3))
def test_any_bytes_give_a_host_or_none(value: bytes, own: list[bytes]) -> None:
    host = host_of_url(value)
    assert host == host.lower()
    assert not is_offsite(value, [host]) or not host
    assert not host or is_offsite(value, []), own


@given(
    HOSTS,
    st.sampled_from([b"http://", b"HTTPS://", b"//", b"\\\\", b"/\\", b"https:///", b" https://u:p@"]),
    st.integers(0, 65535),
)
def test_the_host_is_found_however_the_url_begins(host: bytes, start: bytes, port: int) -> None:
    assert host_of_url(start + host + b":%d/a?b#c" % port) == host
    assert plain_host(host.upper() + b".:%d" % port) == host


@given(HOSTS)
def test_a_site_and_its_subdomains_are_one_site_and_a_longer_name_is_not(host: bytes) -> None:
    assert not is_offsite(b"https://www." + host, [host])
    assert not is_offsite(b"https://" + host, [b"www." + host])
    assert is_offsite(b"https://not" + host, [host])
    assert is_offsite(b"https://" + host + b".elsewhere.example", [host])


def test_a_long_value_is_read_to_its_bound() -> None:
    assert host_of_url(b"https://a.example/" + b"x" * 1_000_000) == b"a.example"
