"""Fetched data: the edition in use, the one before, and a record that survives what goes wrong."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ruleforge.errors import InputError
from ruleforge.store.editions import MANIFEST, Edition, Editions


def edition(name: str, count: int = 1) -> Edition:
    return Edition(
        file=name, date="2099-01-02", count=count, sha256="0" * 64, bytes=1, source="x", fetched="2099-01-03T00:00:00Z"
    )


def put(editions: Editions, name: str, text: str = "x") -> None:
    with editions.staging("kev") as folder:
        (folder / "staged").write_text(text)
        editions.put("kev", folder / "staged", edition(name))


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    manifest = Editions(tmp_path / "none").manifest()
    assert (manifest.current, manifest.previous) == ({}, {})


def test_the_edition_before_is_kept_and_older_ones_are_removed(tmp_path: Path) -> None:
    editions = Editions(tmp_path)
    for name in ("one", "two", "three"):
        put(editions, name, name)
    manifest = editions.manifest()
    assert (manifest.current["kev"].file, manifest.previous["kev"].file) == ("three", "two")
    assert sorted(file.name for file in (tmp_path / "kev").iterdir()) == ["three", "two"]
    assert editions.path("kev", manifest.current["kev"]).read_text() == "three"


def test_the_same_edition_again_leaves_the_one_before(tmp_path: Path) -> None:
    editions = Editions(tmp_path)
    for name in ("one", "two", "two"):
        put(editions, name)
    assert editions.manifest().previous["kev"].file == "one"


def test_a_folder_can_be_an_edition(tmp_path: Path) -> None:
    editions = Editions(tmp_path)
    for name in ("one", "two", "three"):
        with editions.staging("templates") as folder:
            (folder / "staged" / "deep").mkdir(parents=True)
            editions.put("templates", folder / "staged", edition(name))
    assert sorted(file.name for file in (tmp_path / "templates").iterdir()) == ["three", "two"]


def test_what_breaks_off_leaves_nothing_and_the_edition_in_use(tmp_path: Path) -> None:
    editions = Editions(tmp_path)
    put(editions, "one")
    with suppress(ZeroDivisionError), editions.staging("kev") as folder:
        (folder / "staged").write_text("half")
        raise ZeroDivisionError
    assert [file.name for file in (tmp_path / "kev").iterdir()] == ["one"]
    assert editions.manifest().current["kev"].file == "one"


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    for name in (gone.stdout.strip(), str(os.getppid())):
        (tmp_path / "kev" / f".part-{name}").mkdir(parents=True)
    with Editions(tmp_path).staging("kev") as folder:
        left = {file.name for file in folder.parent.iterdir()}
    assert left == {f".part-{os.getppid()}", f".part-{os.getpid()}"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 5_000, '{"schema": 9}', '{"current": {"kev": 1}}', "\x00",
     '{"current":{"kev":{"file":"../x","date":"","count":1,"sha256":"","bytes":1,"source":"","fetched":""}}}',
     '{"current":{"kev":{"file":"..","date":"","count":1,"sha256":"","bytes":1,"source":"","fetched":""}}}',
     '{"current":{"kev":{"file":"x","date":"soon","count":1,"sha256":"","bytes":1,"source":"","fetched":""}}}'],
)  # fmt: skip
def test_a_damaged_record_is_told_and_leads_nowhere(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError) as found:
        Editions(tmp_path).manifest()
    assert found.value.code == "RF276"
    assert found.value.hint
