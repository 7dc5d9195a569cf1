"""What is done is remembered over runs, on SQLite and, where one is at hand, on PostgreSQL."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.store.state import State

RULE = {"outcome": "rule", "rules": ["RF-X-1"], "seconds": 0.25, "detail": "ü\x00💐"}
REFUSED = {"outcome": "refused", "reason": "no_http", "sources": ["a.yaml"]}


def postgres() -> str:
    """The URL of a database for tests, or a reason to skip."""
    url = os.environ.get("RULEFORGE_TEST_POSTGRES", "")
    if not url:
        pytest.skip("needs PostgreSQL: set RULEFORGE_TEST_POSTGRES to a database URL")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    address = f"sqlite:///{tmp_path / 'state.db'}" if request.param == "sqlite" else postgres()
    yield address
    if request.param == "postgresql":
        engine = sa.create_engine(address)
        with engine.begin() as connection:
            for table in ("done", "asked", "files"):
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
        engine.dispose()


@pytest.fixture
def state(url: str) -> Iterator[State]:
    opened = State(url)
    yield opened
    opened.close()


def test_nothing_is_known_at_first(state: State) -> None:
    assert state.known() == {}


def test_what_was_put_is_known(state: State) -> None:
    state.put([("one", "k1", REFUSED), ("two", "k2", {"outcome": "rule"})])
    assert state.known() == {"one": ("k1", REFUSED), "two": ("k2", {"outcome": "rule"})}


def test_putting_a_folder_again_replaces_what_was_known_of_it_alone(state: State) -> None:
    state.put([("one", "k1", REFUSED), ("two", "k2", REFUSED)])
    state.put([("one", "k3", {"outcome": "rule"})])
    assert state.known() == {"one": ("k3", {"outcome": "rule"}), "two": ("k2", REFUSED)}


def test_what_was_forgotten_is_not_known(state: State) -> None:
    state.put([("one", "k", REFUSED), ("two", "k", REFUSED)])
    state.forget(["one", "never heard of"])
    assert set(state.known()) == {"two"}
    state.forget([])
    assert set(state.known()) == {"two"}


def test_putting_nothing_changes_nothing(state: State) -> None:
    state.put([("one", "k", REFUSED)])
    state.put([])
    assert set(state.known()) == {"one"}


def test_it_survives_closing_and_opening(url: str) -> None:
    first = State(url)
    first.put([("one", "k", REFUSED)])
    first.close()
    second = State(url)
    assert second.known() == {"one": ("k", REFUSED)}
    second.close()


def test_two_that_are_open_see_each_other(url: str) -> None:
    one, two = State(url), State(url)
    one.put([("a", "k", REFUSED)])
    two.put([("b", "k", REFUSED)])
    assert set(one.known()) == set(two.known()) == {"a", "b"}
    one.close()
    two.close()


def test_folders_are_told_apart_by_every_letter(state: State) -> None:
    names = ["CVE-1", "cve-1", "CVE-1 ", "it's; DROP TABLE done --", "ü", "%", "_"]
    state.put([(name, f"key of {name}", REFUSED) for name in names])
    assert {name: key for name, (key, _) in state.known().items()} == {name: f"key of {name}" for name in names}
    state.forget(["%", "_"])
    assert len(state.known()) == len(names) - 2


def test_outcomes_come_back_whole(tmp_path: Path) -> None:
    opened = State(f"sqlite:///{tmp_path / 's.db'}")
    opened.put([("one", "k", RULE)])
    assert opened.known()["one"] == ("k", RULE)
    opened.close()


def test_it_lies_beside_the_rules_and_can_be_deleted(tmp_path: Path) -> None:
    out = tmp_path / "not" / "yet" / "there"
    opened = State.beside(out)
    opened.put([("one", "k", REFUSED)])
    opened.close()
    files = [file for file in (out / ".ruleforge").iterdir() if file.is_file()]
    assert any(file.read_bytes().startswith(b"SQLite format 3") for file in files)
    for file in files:
        file.unlink()
    again = State.beside(out)
    assert again.known() == {}
    again.close()


def test_a_batch_that_fails_leaves_what_was_known(tmp_path: Path) -> None:
    opened = State(f"sqlite:///{tmp_path / 's.db'}")
    opened.put([("one", "k", REFUSED)])
    with pytest.raises(sa.exc.StatementError):
        opened.put([("one", "new", REFUSED), ("two", "k", {"outcome": b"bytes are no JSON"})])
    assert opened.known() == {"one": ("k", REFUSED)}
    opened.close()


def test_thousands_of_folders_are_no_trouble(tmp_path: Path) -> None:
    opened = State(f"sqlite:///{tmp_path / 's.db'}")
    most = sqlite3.connect(":memory:").getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    opened.put([(f"f{number}", "k", REFUSED) for number in range(5_000)])
    assert len(opened.known()) == 5_000 < most
    opened.close()


steps = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from("abcd"), unique=True, max_size=3), st.integers(0, 9)), max_size=8
)


@given(steps)
def test_it_behaves_as_a_dictionary(given_steps: list[tuple[bool, list[str], int]]) -> None:
    opened, model = State("sqlite://"), {}
    for putting, folders, number in given_steps:
        if putting:
            opened.put([(folder, str(number), {"n": number}) for folder in folders])
            model |= {folder: (str(number), {"n": number}) for folder in folders}
        else:
            opened.forget(folders)
            model = {folder: value for folder, value in model.items() if folder not in folders}
        assert opened.known() == model
    opened.close()


def test_what_was_asked_goes_with_its_outcome(state: State) -> None:
    state.put([("one", "k1", REFUSED), ("two", "k1", RULE)], {"one": b"\x00pears"})
    assert state.asked() == {"one": b"\x00pears"}
    state.put([("one", "k2", REFUSED)])
    assert state.asked() == {}, "an outcome made anew without asking leaves nothing behind"
    state.put([("one", "k2", REFUSED)], {"one": b""})
    state.forget(["one"])
    assert state.asked() == {}


def test_a_new_key_leaves_the_outcome_as_it_is(state: State) -> None:
    state.put([("one", "k1", REFUSED), ("two", "k1", RULE)], {"one": b"x"})
    state.rekey({"one": "k2", "never heard of": "k2"})
    state.rekey({})
    assert state.known() == {"one": ("k2", REFUSED), "two": ("k1", RULE)}
    assert state.asked() == {"one": b"x"}


def test_files_are_those_put_last(state: State) -> None:
    assert state.files() == {}
    state.put_files({"a.yaml": ("d1", "one"), "b.yaml": ("d2", "")})
    state.put_files({"a.yaml": ("d3", "one")})
    assert state.files() == {"a.yaml": ("d3", "one")}
    state.put_files({})
    assert state.files() == {}
