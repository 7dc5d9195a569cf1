"""Files and folders are read in a fixed order; every file gives one result, whatever it holds."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.ingest.readers import MAX_FILE_BYTES, READERS, SKIPPED, list_files, read_advisories, read_advisory
from ruleforge.records.advisory import Advisory

TEMPLATE = """id: {id}
info: {{name: Fruit press, severity: high}}
http:
  - method: GET
    path: ['{{{{BaseURL}}}}/press/show?file=../../etc/shadow']
"""


def put(file: Path, name: str = "CVE-2099-3000") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(TEMPLATE.format(id=name))
    return file


def names(found: list[Path], root: Path) -> list[str]:
    return [str(file.relative_to(root)) for file in found]


def test_files_come_in_the_order_of_their_names_whenever_they_were_made(tmp_path: Path) -> None:
    for name in ("c/z.yaml", "b.yaml", "a/2.yaml", "a/10.yaml", "a/deep/1.yaml", "B.yaml"):
        put(tmp_path / name)
    expected = ["B.yaml", "b.yaml", "a/10.yaml", "a/2.yaml", "a/deep/1.yaml", "c/z.yaml"]
    assert names(list(list_files([tmp_path])), tmp_path) == expected


def test_paths_are_read_in_the_order_given_and_each_file_once(tmp_path: Path) -> None:
    one, two = put(tmp_path / "in" / "one.yaml"), put(tmp_path / "in" / "two.yaml")
    assert list(list_files([two, tmp_path / "in", one])) == [two, one]
    spelled = tmp_path / "in" / ".." / "in" / "one.yaml"
    assert list(list_files([one, spelled])) == [one]


def test_a_link_to_a_file_already_read_is_not_read_again(tmp_path: Path) -> None:
    put(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    assert names(list(list_files([tmp_path])), tmp_path) == ["a.yaml"]


def test_pipes_and_broken_links_in_a_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nothing.yaml")
    put(tmp_path / "ok.yaml")
    assert names(list(list_files([tmp_path])), tmp_path) == ["ok.yaml"]


def test_nothing_is_read_from_nothing(tmp_path: Path) -> None:
    assert list(list_files([])) == []
    assert list(read_advisories([tmp_path])) == []


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.YAML", "a.Yml"])
def test_yaml_is_known_by_its_ending_in_any_case(tmp_path: Path, name: str) -> None:
    found = read_advisory(put(tmp_path / name))
    assert isinstance(found, Advisory)
    assert found.sources == (str(tmp_path / name),)


@pytest.mark.parametrize("name", ["README.rst", "a.yaml.bak", "a.json", "yaml", ".yaml"])
def test_other_files_are_skipped_with_a_code_of_their_own(tmp_path: Path, name: str) -> None:
    found = read_advisory(put(tmp_path / name))
    assert isinstance(found, InputError)
    assert (found.code, found.where) == (SKIPPED, str(tmp_path / name))


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"#" * (MAX_FILE_BYTES + 1), "RF210"), (b"id: [", "RF212"), (b"[" * 50_000, "RF213"), (b"\x7fELF", "RF212"),
     (b"kind: Deployment", "RF214"), (b"", "RF214"), (b"id: ''\ninfo: {name: x}\nhttp: []", "RF214")],
)  # fmt: skip
def test_what_is_wrong_with_a_file_comes_back_as_the_result(tmp_path: Path, data: bytes, code: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(data)
    found = read_advisory(file)
    assert isinstance(found, InputError)
    assert (found.code, found.where) == (code, str(file))
    assert found.hint


def test_a_folder_in_place_of_a_file_is_reported(tmp_path: Path) -> None:
    found = read_advisory(tmp_path)
    assert isinstance(found, InputError)
    assert found.code == "RF217"


def test_a_broken_file_between_two_good_ones_costs_only_itself(tmp_path: Path) -> None:
    put(tmp_path / "a.yaml", "CVE-2099-3001")
    (tmp_path / "b.yaml").write_text("id: [")
    put(tmp_path / "c.yaml", "CVE-2099-3002")
    found = list(read_advisories([tmp_path]))
    assert [one.id if isinstance(one, Advisory) else "broken" for one in found] == [
        "CVE-2099-3001",
        "broken",
        "CVE-2099-3002",
    ]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_an_advisory_or_a_reason(data: bytes) -> None:
    file = Path("x.yaml")
    with contextlib.suppress(InputError):
        assert READERS["nuclei"].read(data, str(file)).sources == (str(file),)


def test_every_format_stands_in_the_reference_that_a_skipped_file_is_sent_to(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print('pears')\n")
    found = read_advisory(tmp_path / "a.py")
    assert isinstance(found, InputError)
    page = Path(__file__).resolve().parents[2] / found.hint.removeprefix("see ")
    assert all(f"`{name}`" in page.read_text() for name in READERS.names())


def test_the_output_of_a_run_is_skipped_whole_and_told_once(tmp_path: Path) -> None:
    put(tmp_path / "a.yaml")
    put(tmp_path / "old" / "CVE-2099-0001" / "tests.yaml")
    put(tmp_path / "z" / "b.yaml")
    (tmp_path / "old" / ".ruleforge").mkdir()
    assert names(list(list_files([tmp_path])), tmp_path) == ["a.yaml", "old", "z/b.yaml"]
    assert list(list_files([tmp_path / "old"])) == [tmp_path / "old"]
    found = [item for item in read_advisories([tmp_path]) if isinstance(item, InputError)]
    assert [(each.code, each.where) for each in found] == [(SKIPPED, str(tmp_path / "old"))]
    assert "output of a run" in found[0].what
