"""Reading of labelled pairs: what is none is reported and counted, and the others go on."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.judging import pairs as reading
from ruleforge.app.judging.pairs import read_pairs
from ruleforge.errors import InputError, OutsideError

from .conftest import pair_row

Put = Callable[..., Path]
GOOD = pair_row(1, "shipped", key=0)


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_pairs_are_read_packed_and_plain(put_lines: Put, name: str) -> None:
    rows = [pair_row(number, "shipped", key=0, rank=0) for number in range(3)]
    found = read_pairs(put_lines([*rows, ""], name))
    assert [pair.advisory for pair in found.pairs] == ["CVE-2099-0000", "CVE-2099-0001", "CVE-2099-0002"]
    assert (found.pairs[0].rank, found.unreadable, found.problems) == (0, 0, ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no pair"),
        ("[" * 100_000, "no pair"),
        ("[]", "Expected `object`"),
        (GOOD | {"pair": "../../x"}, "regex"),
        (GOOD | {"pair": GOOD["pair"] + "\n"}, "regex"),
        (GOOD | {"advisory": ""}, "length"),
        (GOOD | {"advisory": "x" * 301}, "length"),
        (GOOD | {"group": "wild"}, "Invalid enum value 'wild'"),
        (GOOD | {"origin": "path_only"}, "a natural pair has no origin 'path_only'"),
        (GOOD | {"part": "test"}, "the part test does not fit the split train"),
        (GOOD | {"confidence": 1.5}, "<= 1.0"),
        (GOOD | {"confidence": float("nan")}, "no pair"),
        (GOOD | {"miss": True}, "$.miss"),
        (GOOD | {"miss": {"label": "yes"}}, "$.miss.label"),
        (GOOD | {"rule": []}, "$.rule"),
        (
            json.dumps(GOOD).replace('"rule": {', '"rule": {"x": ' + "[" * 400 + "]" * 400 + ", "),
            "nested deeper than 100",
        ),
        ({key: value for key, value in GOOD.items() if key != "off"}, "missing required field `off`"),
        (GOOD, "was there before"),
    ],
)
def test_a_line_that_is_no_pair_is_reported_and_the_others_go_on(put_lines: Put, line: Any, said: str) -> None:
    after = pair_row(2, "rejected", key=0)
    file = put_lines([GOOD, line, after])
    found = read_pairs(file)
    assert [pair.origin for pair in found.pairs] == ["shipped", "rejected"]
    assert found.unreadable == 1
    assert found.problems[0].startswith(f"{file}:2: no pair: ")
    assert said in found.problems[0]
    assert len(found.problems[0]) < len(str(file)) + 400


def test_lines_beyond_the_bound_are_reported_and_skipped(put_lines: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LINE_MOST", 2_000)
    found = read_pairs(put_lines([GOOD | {"note": "x" * 9_000}, pair_row(2, "shipped", key=0)]))
    assert ([pair.advisory for pair in found.pairs], found.unreadable) == (["CVE-2099-0002"], 1)
    assert "longer than 2000 bytes" in found.problems[0]


def test_files_beyond_the_bounds_are_refused(put_lines: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [pair_row(number, "shipped", key=0) for number in range(9)]
    with monkeypatch.context() as patch:
        patch.setattr(reading, "BYTES_MOST", 3_000)
        with pytest.raises(InputError, match="RF222"):
            read_pairs(put_lines(rows))
        patch.setattr(reading, "LINE_MOST", 100)
        with pytest.raises(InputError, match="RF222"):
            read_pairs(put_lines([GOOD | {"note": "x" * 9_000}], "long.jsonl.gz"))
    monkeypatch.setattr(reading, "PAIRS_MOST", 8)
    with pytest.raises(InputError, match="RF222"):
        read_pairs(put_lines(rows))


def test_problems_are_kept_up_to_a_number_and_all_are_counted(put_lines: Put) -> None:
    found = read_pairs(put_lines([GOOD, *["x"] * 250]))
    assert (found.unreadable, len(found.problems)) == (250, 100)


def test_a_file_without_a_pair_is_refused(put_lines: Put) -> None:
    with pytest.raises(InputError, match="RF296"):
        read_pairs(put_lines(["{}"]))
    with pytest.raises(InputError, match="RF296"):
        read_pairs(put_lines([]))


def test_a_file_that_cannot_be_read_is_an_outside_error(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="RF501"):
        read_pairs(tmp_path / "none.jsonl")
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(gzip.compress(json.dumps(GOOD).encode())[:-9])
    with pytest.raises(OutsideError, match="RF501"):
        read_pairs(damaged)
    damaged.write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(OutsideError, match="RF501"):
        read_pairs(damaged)


@pytest.mark.parametrize(
    ("miss", "off", "both"),
    [
        (True, True, True), (True, False, True), (True, None, True), (False, True, True), (None, True, True),
        (False, False, False), (False, None, False), (None, False, False), (None, None, None),
    ],
)  # fmt: skip
def test_either_defect_is_known_where_one_label_is(
    put_lines: Put, miss: bool | None, off: bool | None, both: bool | None
) -> None:
    (pair,) = read_pairs(put_lines([GOOD | {"miss": {"label": miss}, "off": {"label": off}}])).pairs
    assert (pair.label("miss"), pair.label("off"), pair.label("any")) == (miss, off, both)
    assert pair.label("sure") is None  # nothing says that a twin was tried
    tried = GOOD | {"miss": {"label": miss}, "off": {"label": off, "near": [0, 0], "neutral": [1, 1]}}
    (twin,) = read_pairs(put_lines([tried])).pairs
    assert twin.label("sure") == (None if miss is None or off is None else both)
