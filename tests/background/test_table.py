"""What normal traffic looks like, as counts of hashed tokens: no text, few tokens, honest bounds."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.table import (
    KINDS,
    Background,
    TableFile,
    build_background,
    default_background,
    load_background,
    save_background,
    token_hash,
    tokens,
)
from ruleforge.errors import InputError
from ruleforge.events.request import Request


def request(target: str, host: str = "pear.example") -> Request:
    return Request(method=b"GET", target=target.encode(), headers=((b"Host", host.encode()),))


def table(requests: Iterable[Request], *, least: int = 1, groups_least: int = 1) -> Background:
    return build_background(
        requests, made="2031-05-04", source="an invented orchard", least=least, groups_least=groups_least
    )


ORCHARD = [
    request(f"/orchard/rows/{row}?variety=conference&crate={row}", f"site{row % 4}.example") for row in range(40)
]


def test_a_table_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    made = table(ORCHARD, least=3, groups_least=2)
    save_background(made, tmp_path / "table.msgpack")
    read = load_background(tmp_path / "table.msgpack")
    assert read.file == made.file
    assert read.name == made.name
    assert read.bits("segment", b"orchard") == made.bits("segment", b"orchard")


def test_the_same_traffic_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    save_background(table(ORCHARD), tmp_path / "one")
    save_background(table(ORCHARD[::-1]), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_name_tells_date_and_size() -> None:
    assert "2031-05-04" in table(ORCHARD).name
    assert "40" in table(ORCHARD).name


def test_no_text_of_the_traffic_is_in_the_file(tmp_path: Path) -> None:
    secret = request("/orchard/seckelpear/quince?medlarname=damsonvalue")
    save_background(table([secret] * 5), tmp_path / "table")
    data = (tmp_path / "table").read_bytes()
    for word in (b"seckelpear", b"quince", b"medlarname", b"damsonvalue", b"pear.example"):
        assert word not in data.lower()
    kinds = msgspec.msgpack.decode(data)["counts"]
    assert set(kinds) == set(KINDS)
    assert all(type(key) is type(count) is int for counts in kinds.values() for key, count in counts.items())


def test_every_kind_of_token_is_counted() -> None:
    body = b'{"plum":{"stone":"hard one"}}'
    sent = Request(
        method=b"POST", target=b"/orchard/rows?variety=conference", body=body,
        headers=((b"X-Grafted", b"1"), (b"Content-Type", b"application/json")),
    )  # fmt: skip
    found = set(tokens(sent))
    assert {
        ("segment", b"orchard"), ("tail", b"orchard/rows"), ("name", b"variety"), ("name", b"stone"),
        ("value", b"conference"), ("value", b"hard one"), ("header", b"x-grafted"),
    } <= found  # fmt: skip
    made = table([sent])
    for kind, token in found:
        assert made.count(kind, token) == 1, (kind, token)


def test_case_does_not_matter() -> None:
    assert token_hash("segment", b"Orchard") == token_hash("segment", b"oRCHARD")
    assert token_hash("segment", b"orchard") != token_hash("name", b"orchard")


def test_a_request_counts_once_however_often_it_repeats_a_token() -> None:
    sent = request("/a/a/a?" + "&".join(["crate=pears"] * 150))
    assert table([sent]).count("name", b"crate") == 1


def test_a_hostile_request_gives_a_bounded_number_of_tokens() -> None:
    huge = request("/" + "/".join(map(str, range(5_000))) + "?" + "&".join(f"n{i}=value{i}" for i in range(5_000)))
    assert 0 < len(list(tokens(huge))) < 2_000


def test_rare_tokens_are_left_out() -> None:
    made = table([*ORCHARD, *[request("/rare/thing", f"site{n}.example") for n in range(2)]], least=3)
    assert made.count("segment", b"rare") == 0
    assert made.count("segment", b"orchard") > 0
    assert made.file.rows == 42


def test_tokens_of_one_site_alone_are_left_out() -> None:
    own = [request("/ownname/page", "one.example") for _ in range(20)]
    shared = [request("/sharedname/page", host) for host in ("one.example", "two.example") for _ in range(3)]
    made = table([*own, *shared], groups_least=2)
    assert made.count("segment", b"ownname") == 0
    assert made.count("segment", b"sharedname") >= 6
    assert table(own, groups_least=1).count("segment", b"ownname") >= 20


def test_sources_stand_for_sites_where_no_host_is_recorded() -> None:
    bare = [Request(method=b"GET", target=b"/logged/page", source=name) for name in ("day1", "day2") for _ in range(3)]
    assert table(bare, groups_least=2).count("segment", b"logged") >= 6
    assert table(bare[:3], groups_least=2).count("segment", b"logged") == 0


@given(st.lists(st.integers(1, 300), min_size=2, max_size=6))
def test_what_is_more_frequent_is_less_surprising(often: list[int]) -> None:
    names = [f"crate{number}" for number in range(len(often))]
    rows = [request("/?" + name + "=1") for name, times in zip(names, often, strict=True) for _ in range(times)]
    made = table(rows)
    bits = sorted((times, -made.bits("name", name.encode())) for times, name in zip(often, names, strict=True))
    assert [b for _, b in bits] == sorted(b for _, b in bits)
    assert all(0 <= -b <= made.bits("name", b"a name that never occurs") for _, b in bits)


@given(st.binary(max_size=60), st.sampled_from(KINDS))
def test_bits_are_never_negative_and_bounded(token: bytes, kind: str) -> None:
    for background in (table(ORCHARD), table([]), default_background()):
        assert 0 <= background.bits(kind, token) < 64


def test_a_longer_token_that_was_never_seen_is_no_less_surprising() -> None:
    made = table(ORCHARD)
    bits = [made.bits("name", b"z" * length) for length in range(1, 40)]
    assert bits == sorted(bits)


def test_an_unknown_kind_was_never_seen() -> None:
    assert table(ORCHARD).count("no such kind", b"orchard") == 0


BROKEN = (
    None,
    b"",
    b"\x00",
    b"\xff" * 40,
    b"not a table",
    msgspec.msgpack.encode({"version": 1}),
    msgspec.msgpack.encode([1, 2]),
    msgspec.json.encode({"version": 1}),
)


@pytest.mark.parametrize("data", BROKEN)
def test_a_broken_file_says_what_to_do(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "table"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_background(file)
    assert caught.value.code == "RF240"
    assert caught.value.where == str(file)
    assert "background build" in caught.value.hint


def test_a_table_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(
        msgspec.msgpack.encode({"version": 1, "made": "", "source": "", "rows": 1, "counts": {"name": {"pear": 2}}})
    )
    with pytest.raises(InputError):
        load_background(tmp_path / "t")


def test_the_table_that_ships_is_dated_and_knows_ordinary_traffic() -> None:
    shipped = default_background()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", shipped.file.made)
    assert shipped.file.made in shipped.name
    assert isinstance(shipped.file, TableFile)
    assert shipped.file.source
    assert shipped.file.rows > 1_000
    assert shipped.bits("header", b"user-agent") < 4 < shipped.bits("header", b"x-a-header-nobody-sends")
    assert shipped.bits("name", b"id") < shipped.bits("name", b"lk_role_that_nobody_has")
