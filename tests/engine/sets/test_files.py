"""A compiled set as a file: rules of every kind, the same answers, and no way to do harm with it."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

from ruleforge.engine.batches import RowByRow
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.stored import StoredRules, put_set, read_set
from ruleforge.engine.sets.files import CompiledRules, open_rules, write_rules
from ruleforge.errors import InputError
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule


def rule(number: int, when: dict[str, Any], event: str = "http.request") -> Rule:
    document = {"schema": 1, "id": f"RF-TEST-{number}", "title": "t", "event": event, "when": when}
    return parse_rule(document).require()


PRESS = rule(1, {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"})
MANY = rule(2, {"count": {"when": {"field": "path", "op": "path_suffix", "value": "/login.php"},
                          "by": ["source.address"], "within": "5m", "at_least": 3}})  # fmt: skip
NAME = rule(3, {"field": "question.name", "op": "ends_with", "value": ".fruit.example"}, "dns")
LONG = rule(4, {"field": "target.raw", "op": "length_gt", "value": 90})
RULES = [NAME, LONG, PRESS, MANY]
BATCH = to_batch([Request(method=b"GET", target=target) for target in (b"/fruit/press.php", b"/login.php", b"/" * 99)])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "day.rfset"
    write_rules(RULES, path, gaps=[Gaps()])
    return path


def opened(path: Path) -> CompiledRules:
    return open_rules(path, path.parent / "cache")


def test_a_set_holds_rules_of_every_kind_and_answers_as_they_do(made: Path) -> None:
    found = opened(made)
    assert found.rules == (PRESS, MANY, NAME, LONG)
    assert list(found.requests) == [PRESS, LONG]
    assert found.others == (MANY, NAME)
    assert len(found) == 4
    part = rule(9, {"field": "path", "op": "path_suffix", "value": "/login.php"})
    wanted = RowByRow(CompiledSet([PRESS, LONG, part])).match(BATCH)
    for engine in ("portable", "fast", "auto"):
        matches = found.matcher(engine).match(BATCH)  # type: ignore[arg-type]
        assert (matches.rows.tolist(), matches.rules.tolist()) == (wanted.rows.tolist(), wanted.rules.tolist())


def test_the_same_rules_make_the_same_file_in_whatever_order(made: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.rfset"
    digest = write_rules(list(reversed(RULES)), again, gaps=[Gaps()])
    assert again.read_bytes() == made.read_bytes()
    assert opened(made).digest == digest == opened(again).digest
    assert write_rules([PRESS], again, gaps=[Gaps()]) != digest


def test_processes_share_a_copy_that_nobody_else_writes_to(made: Path) -> None:
    found = opened(made)
    assert [file.name for file in (made.parent / "cache").iterdir()] == [f"shared-{found.digest}.rfset"]
    made.write_bytes(b"")  # a mapped file that shrinks would end the process
    matches = found.matcher("fast").match(BATCH)
    assert matches.rules.tolist() == [0, 2, 1]


def test_a_cache_that_cannot_be_written_or_is_damaged_costs_nothing_but_sharing(made: Path) -> None:
    (made.parent / "file").write_text("in the way")
    assert open_rules(made, made.parent / "file" / "cache").rules == opened(made).rules
    copy = next((made.parent / "cache").iterdir())
    copy.write_bytes(copy.read_bytes()[:-9])
    assert opened(made).rules[0] == PRESS


def test_rules_are_parsed_when_they_are_needed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[object] = []
    from ruleforge.engine.fast import stored

    read = stored.parse_rule
    monkeypatch.setattr(stored, "parse_rule", lambda document: parsed.append(document) or read(document))
    found = opened(made)
    assert len(parsed) == 2  # that of another kind, and the one that counts
    assert found.requests[0] == PRESS
    assert found.requests[0] == PRESS
    assert len(parsed) == 3


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "cut": lambda data: data[: len(data) // 3],
    "cut in the head": lambda data: data[:40],
    "one bit": lambda data: data[:-70] + bytes([data[-70] ^ 4]) + data[-69:],
    "no set": lambda data: b"PK\x03\x04" + data,
    "an offset beyond all": lambda data: data.replace(b'"begin":0,', b'"begin":9999999999999999999999,', 1),
    "a length beyond all": lambda data: data.replace(b'"length":', b'"length":99999999999999', 1),
    "a length below 0": lambda data: data.replace(b'"length":', b'"length":-', 1),
    "objects": lambda data: data.replace(b'"<i4"', b'"|O"', 1),
    "a type that is none": lambda data: data.replace(b'"<i4"', b'"(,"', 1),
    "no arrays": lambda data: data.replace(b'"arrays":[', b'"arrays":[],"others":[', 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_refused_with_its_name(made: Path, damage: Callable[[bytes], bytes]) -> None:
    whole = made.read_bytes()
    made.write_bytes(resized(damage(whole), whole))
    with pytest.raises(InputError) as caught:
        opened(made)
    assert caught.value.code in {"RF290", "RF292"}
    assert caught.value.where == str(made)


def body_of(data: bytes) -> int:
    """Where the arrays begin."""
    stop = data.index(b"}", data.index(b'"sum":')) + 1
    return stop + -stop % 64


def resized(data: bytes, whole: bytes) -> bytes:
    """Put the length of the header and the place of the arrays right where the header was changed."""
    start, end = data.find(b"{"), data.find(b'"sum":')
    if (
        not data.startswith(b"ruleforge compiled set\n")
        or start < 0
        or end < 0
        or len(data) == len(whole)
        or len(data) < len(whole) // 2
    ):
        return data
    stop = data.index(b"}", end) + 1
    arrays = whole[body_of(whole) :]
    head = data[: start - 8] + (stop - start).to_bytes(8, "little") + data[start:stop]
    return head + bytes(-len(head) % 64) + arrays


def test_a_set_of_another_version_says_what_to_do(made: Path) -> None:
    whole = made.read_bytes()
    made.write_bytes(resized(whole.replace(b'"engine":', b'"engine":9', 1), whole))
    with pytest.raises(InputError) as caught:
        opened(made)
    assert caught.value.code == "RF290"
    assert "another version" in caught.value.what
    assert caught.value.hint == "compile the rules again"


def test_tables_that_are_whole_but_wrong_never_reach_a_kernel(made: Path) -> None:
    """Written with a right sum, as someone would who means harm."""
    tables, stored = read_set(made)
    for name, value in (("owners", 1 << 20), ("clause_literals", -1), ("programs", 1 << 20)):
        bad = {}
        for gaps, table in tables.items():
            array = getattr(table, name).copy()
            array[0] = value
            bad[gaps] = table._replace(**{name: array})
        put_set(made, list(stored), bad)
        with pytest.raises(InputError) as caught:
            opened(made)
        assert caught.value.code == "RF292"


@pytest.mark.parametrize(
    "at", [[0, 900, 0, 900, 0], [-900, 0, 9, 10, 900], [0, 1, 2, 3, 1 << 62], [0.0, 1.0, 2.0, 3.0, 4.0], []]
)
def test_rules_that_lie_over_each_other_are_refused(made: Path, at: list[float]) -> None:
    """A few numbers must not make a text of a megabyte into a million of them."""
    stored = StoredRules(np.array(at), np.zeros(900, np.uint8))
    with pytest.raises(ValueError, match="behind"):
        stored.texts()


def test_tables_of_other_rules_are_refused(made: Path) -> None:
    tables, _ = read_set(made)
    for rules in ([PRESS], [PRESS, LONG, MANY, NAME, rule(5, {"field": "path", "op": "present"})], [NAME, PRESS]):
        put_set(made, rules, tables)
        with pytest.raises(InputError) as caught:
            opened(made)
        assert caught.value.code == "RF292"


def test_a_rule_that_is_no_rule_is_refused_when_it_is_needed(made: Path) -> None:
    data = made.read_bytes()
    assert data.count(b'"path_suffix"') >= 1
    changed = data.replace(b'"op":"path_suffix"', b'"op":"path_suffiy"')
    begin, at = body_of(data), data.index(b'"sum":') + 6
    total = b"%d" % zlib.crc32(changed[begin:])
    old = data[at : data.index(b"}", at)]
    made.write_bytes(resized(changed[:at] + total + b" " + changed[at + len(old) :], changed))
    with pytest.raises(InputError) as caught:
        opened(made).rules  # noqa: B018 - parsing is what is tried
    assert caught.value.code == "RF290"


@given(data=st.data())
def test_a_byte_that_was_changed_is_an_error_or_changes_nothing(data: st.DataObject, tmp_path_factory: Any) -> None:
    path = KEPT.get("path")
    if path is None:
        path = KEPT["path"] = tmp_path_factory.mktemp("sets") / "a.rfset"
        write_rules(RULES, path, gaps=[Gaps()])
        KEPT["bytes"] = path.read_bytes()
    whole: bytes = KEPT["bytes"]
    head = whole.index(b"}", whole.find(b'"sum":'))
    at = data.draw(st.integers(0, head))
    path.write_bytes(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    try:
        found = open_rules(path, path.parent / "cache")
    except InputError:
        return
    assert found.rules == (PRESS, MANY, NAME, LONG)


KEPT: dict[str, Any] = {}
