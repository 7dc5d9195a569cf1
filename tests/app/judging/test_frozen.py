"""The frozen test part: its fingerprint, and the record of who opened it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ruleforge.app.judging.frozen import Opening, check_frozen, fingerprint, record_opening
from ruleforge.app.judging.pairs import Pair, read_pairs
from ruleforge.errors import InputError, OutsideError, PolicyError

from .conftest import invented

Put = Callable[..., Path]
OPENED = Opening(at="2099-01-02T03:04:05Z", sha256="0" * 64, frozen=True, judge="invented judge 1")


@pytest.fixture
def pairs(put_lines: Put) -> tuple[Pair, ...]:
    return read_pairs(put_lines(invented(12)[0])).pairs


def test_the_fingerprint_is_over_pairs_and_labels_of_the_test_part_only(pairs: tuple[Pair, ...]) -> None:
    found = fingerprint(pairs)
    assert fingerprint(reversed(pairs)) == found
    assert fingerprint(pair for pair in pairs if pair.part == "test") == found
    at = next(number for number, pair in enumerate(pairs) if pair.part == "test")
    other = msgspec.structs.replace(pairs[at], off=msgspec.structs.replace(pairs[at].off, label=None))
    assert fingerprint((*pairs[:at], other, *pairs[at + 1 :])) != found
    assert fingerprint((*pairs[:at], *pairs[at + 1 :])) != found


def test_the_frozen_part_is_known_again_and_another_is_marked_loudly(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    file = tmp_path / "frozen.json"
    # The record as bench/judge/make_pairs.py writes it, worked out here by its own words.
    test = [pair for pair in pairs if pair.part == "test"]
    lines = sorted(json.dumps([pair.pair, pair.miss.label, pair.off.label]) for pair in test)
    seal = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    file.write_text(json.dumps({"sha256": seal, "pairs": len(test), "advisories": 8, "counts": {"natural": 24}}))
    assert check_frozen(pairs, file).same is True
    other = check_frozen(pairs[:-1], file)
    assert other.same is False
    assert "THE TEST PART IS NOT THE FROZEN ONE" in other.words
    assert check_frozen(pairs, None).same is None


def test_what_is_no_record_is_refused(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    file = tmp_path / "frozen.json"
    for text in ("{", "[]", '{"sha256": 1}', "[" * 100_000):
        file.write_text(text)
        with pytest.raises(InputError, match="RF294"):
            check_frozen(pairs, file)
    with pytest.raises(OutsideError, match="RF501"):
        check_frozen(pairs, tmp_path / "none.json")


def test_openings_are_written_before_anything_is_measured_and_none_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert record_opening(file, OPENED) == (OPENED,)
    assert json.loads(file.read_text())["openings"] == [msgspec.to_builtins(OPENED)]
    file.write_text(json.dumps({"judge": "kept", "openings": [msgspec.to_builtins(OPENED)]}))
    later = msgspec.structs.replace(OPENED, at="2099-02-03T00:00:00Z", frozen=None)
    assert record_opening(file, later) == (OPENED, later)
    data = json.loads(file.read_text())
    assert (data["judge"], len(data["openings"])) == ("kept", 2)
    assert list(tmp_path.iterdir()) == [file]


def test_without_a_place_for_the_record_the_part_stays_closed(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="RF420"):
        record_opening(None, OPENED)
    file = tmp_path / "report.json"
    for text in ("{", "[]", '{"openings": 3}', '{"openings": [{"at": 1}]}'):
        file.write_text(text)
        with pytest.raises(InputError, match="RF295"):
            record_opening(file, OPENED)
        assert file.read_text() == text
    with pytest.raises(OutsideError, match="RF502"):
        record_opening(tmp_path / "none" / "report.json", OPENED)
