"""Lists of bad addresses in the shapes in which they are handed around."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_LINE_BYTES
from ruleforge.sources import reputation as module
from ruleforge.sources.reputation import load_reputation

LISTS = {
    "plain": "192.0.2.7\n198.51.100.0/24\n2001:db8:1:2:3::4\n",
    "commented": "# pears\n; more\n\n192.0.2.7 # seen often\n198.51.100.0/24 ; SBL1\n2001:db8:1:2::/64\n",
    "table": "when,ip,reason\n2099-01-01,192.0.2.7,scan\n2099-01-01,198.51.100.0/24,x\n2099-01-02,2001:db8:1:2::1,y\n",
    "quoted": '"value","scope"\n"192.0.2.7","Ip"\n"198.51.100.0/24","Range"\n"2001:db8:1:2::","Ip"\n',
    "tabs": "7\t192.0.2.7\n9\t198.51.100.0/24\n3\t2001:db8:1:2::\n",
    "bom": "\ufeff192.0.2.7\r\n198.51.100.0/24\r\n2001:db8:1:2::\r\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_read_in_whatever_shape_it_comes(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(LISTS[name], encoding="utf-8")
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    for each in (file, packed):
        found = load_reputation([each])
        assert found is not None
        assert found.entries == 3
        for bad in ("192.0.2.7", "198.51.100.200", "2001:db8:1:2::/64"):
            assert found.lists(bad), bad
        for other in ("192.0.2.8", "198.51.101.1", "2001:db8:1:3::/64", "", "pears"):
            assert not found.lists(other), other


def test_the_same_networks_are_the_same_list_however_they_are_written(tmp_path: Path) -> None:
    digests = set()
    for name in ("plain", "table", "bom"):
        (tmp_path / name).write_text(LISTS[name], encoding="utf-8")
        found = load_reputation([tmp_path / name])
        assert found is not None
        digests.add(found.digest)
    assert len(digests) == 1


def test_a_network_that_is_half_the_world_is_refused_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "wide"
    file.write_text("0.0.0.0/0\n::/0\n128.0.0.0/1\n192.0.2.7\nnonsense\n")
    found = load_reputation([file])
    assert found is not None
    assert (found.entries, found.refused) == (1, 4)
    assert not found.lists("203.0.113.9")


def test_no_list_is_no_reputation() -> None:
    assert load_reputation([]) is None


def test_a_list_without_any_address_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("pears\napples\n")
    with pytest.raises(InputError, match="RF226"):
        load_reputation([file])


def test_a_list_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    file = tmp_path / "list"
    file.write_text("".join(f"192.0.2.{n}\n" for n in range(5)))
    with pytest.raises(InputError, match="RF227"):
        load_reputation([file])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_an_error_with_a_code(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("lists") / "list"
    file.write_bytes(data)
    found, code = None, ""
    try:
        found = load_reputation([file])
    except InputError as problem:
        code = problem.code
    assert code in ("RF225", "RF226") if found is None else found.entries >= 1  # some begin as a damaged zstd file


def test_a_damaged_list_is_not_used_in_part(tmp_path: Path) -> None:
    file = tmp_path / "list.gz"
    file.write_bytes(gzip.compress(b"".join(b"192.0.2.%d\n" % (n % 256) for n in range(9_000)))[:-12])
    with pytest.raises(InputError, match="RF225") as found:
        load_reputation([file])
    assert found.value.where == str(file)


def test_a_list_that_is_too_large_is_not_used_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LIST_BYTES", 30)
    file = tmp_path / "list"
    file.write_text("192.0.2.7\n" * 10)
    with pytest.raises(InputError, match="RF222"):
        load_reputation([file])


def test_a_line_without_end_is_refused_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(b"192.0.2.7\n" + b"1" * (MAX_LINE_BYTES + 1) + b"\n192.0.2.8\n")
    found = load_reputation([file])
    assert found is not None
    assert (found.entries, found.refused) == (2, 1)
