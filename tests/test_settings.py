"""Settings: which source wins, what is refused, and where a value came from."""

import os
from pathlib import Path

import pytest

from ruleforge.errors import UsageError
from ruleforge.settings import load_settings, project_file

NOTHING = Path("no-such-file.toml")


def test_defaults_hold_where_nothing_is_set(tmp_path: Path) -> None:
    settings = load_settings(folder=tmp_path, environ={}, user_file=NOTHING)
    assert (settings.benign, settings.background, settings.jobs, settings.out) == ((), None, 0, None)
    assert set(settings.sources.values()) == {"default"}


def test_flags_win_over_environment_project_and_user(tmp_path: Path) -> None:
    user = tmp_path / "user.toml"
    user.write_text('jobs = 1\nout = "u"\nbackground = "u"\nbenign = "u"\n')
    project = tmp_path / "project"
    project.mkdir()
    (project / "ruleforge.toml").write_text('jobs = 2\nout = "p"\nbackground = "p"\n')
    environ = {"RULEFORGE_JOBS": "3", "RULEFORGE_OUT": "e", "RULEFORGE_OTHER": "x"}
    settings = load_settings({"jobs": 4, "out": None, "benign": ()}, folder=project, environ=environ, user_file=user)
    assert (settings.jobs, settings.out) == (4, Path("e"))
    assert settings.background == project / "p"
    assert settings.benign == (tmp_path / "u",)
    assert {name: source for name, source in settings.sources.items() if source != "default"} == {
        "jobs": "flag",
        "out": "RULEFORGE_OUT",
        "background": str(project / "ruleforge.toml"),
        "benign": str(user),
    }


def test_paths_for_triage_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "ruleforge.toml").write_text('products = "mine.csv"\nweights = "/w.toml"\n')
    settings = load_settings(folder=tmp_path, environ={"RULEFORGE_DATA_DIR": "d"}, user_file=NOTHING)
    assert (settings.products, settings.weights) == (tmp_path / "mine.csv", Path("/w.toml"))
    assert (settings.data_dir, settings.sources["data_dir"]) == (Path("d"), "RULEFORGE_DATA_DIR")


def test_several_benign_files_come_from_list_or_path_variable(tmp_path: Path) -> None:
    (tmp_path / "ruleforge.toml").write_text('benign = ["a", "/b"]\n')
    assert load_settings(folder=tmp_path, environ={}, user_file=NOTHING).benign == (tmp_path / "a", Path("/b"))
    environ = {"RULEFORGE_BENIGN": os.pathsep.join(("c", "d"))}
    assert load_settings(folder=tmp_path, environ=environ, user_file=NOTHING).benign == (Path("c"), Path("d"))


def test_the_project_file_is_found_in_folders_above(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.ruleforge]\njobs = 5\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert project_file(below) == tmp_path / "pyproject.toml"
    assert load_settings(folder=below, environ={}, user_file=NOTHING).jobs == 5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("job = 1", "RF120"),
        ('jobs = "many"', "RF121"),
        ("jobs = true", "RF121"),
        ("jobs = -1", "RF121"),
        ("benign = 1", "RF121"),
        ('out = ""', "RF121"),
        ("jobs = ", "RF122"),
        ("x" * (1 << 20) + "x", "RF122"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "ruleforge.toml").write_text(text)
    with pytest.raises(UsageError) as problem:
        load_settings(folder=tmp_path, environ={}, user_file=NOTHING)
    assert problem.value.code == code
    assert problem.value.where == str(tmp_path / "ruleforge.toml")
