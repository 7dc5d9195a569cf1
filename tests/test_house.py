"""The rules of the house: what a reader of the repository may rely on everywhere."""

import ast
import re
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "ruleforge"
SKIPPED = {".venv", ".git", "node_modules", "dist", "build", "demo-out", "out", "__pycache__"}


def tracked_files() -> list[Path]:
    """Files of the project: what git tracks or would track; every file of an unpacked source archive."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    if listed.returncode == 0 and listed.stdout:
        names = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        names = [file for file in ROOT.rglob("*") if not SKIPPED & set(file.relative_to(ROOT).parts)]
    return [file for file in names if file.is_file()]


FILES = tracked_files()
MODULES = sorted(SOURCE.rglob("*.py"))
PAGES = sorted(file for file in FILES if file.suffix == ".md")


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_files_were_found() -> None:
    assert len(FILES) >= 60
    assert len(MODULES) >= 16
    assert len(PAGES) >= 10


def test_no_file_is_larger_than_one_mebibyte() -> None:
    assert [shown(file) for file in FILES if file.stat().st_size > 1 << 20] == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    marks = {str(ROOT).encode(), str(Path.home()).encode()}
    marks = {mark for mark in marks if mark.count(b"/") > 1}
    found = [shown(file) for file in FILES for mark in marks if mark + b"/" in file.read_bytes()]
    assert found == []


def test_no_template_of_ours_carries_a_signature() -> None:
    templates = sorted((ROOT / "examples" / "templates").rglob("*.yaml"))
    assert len(templates) >= 24
    assert [shown(file) for file in templates if b"# digest:" in file.read_bytes()] == []


def test_every_module_says_what_it_is() -> None:
    silent = [shown(file) for file in MODULES if not ast.get_docstring(ast.parse(file.read_bytes()))]
    assert silent == []


def test_no_source_file_is_longer_than_600_lines() -> None:
    assert [shown(file) for file in MODULES if len(file.read_text("utf-8").splitlines()) > 600] == []


def test_no_work_is_left_for_later_in_comments() -> None:
    later = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    assert [shown(file) for file in MODULES if later.search(file.read_text("utf-8"))] == []


def test_folders_of_tests_mirror_the_packages() -> None:
    folders = {file.relative_to(ROOT / "tests").parts[0] for file in (ROOT / "tests").rglob("test_*.py")}
    folders = {name for name in folders if not name.endswith(".py")}
    packages = {folder.name for folder in SOURCE.iterdir() if folder.is_dir()}
    # semantics: cases of the rule language, one table for all who evaluate
    # injections: orders of strangers, one table for every role that a model has
    packages |= {"scripts", "bench", "semantics", "injections"}
    assert folders
    assert folders <= packages


def test_every_package_with_code_has_tests() -> None:
    tests = {file.relative_to(ROOT / "tests").parts[0] for file in (ROOT / "tests").rglob("test_*.py")}
    for package in sorted(folder for folder in SOURCE.iterdir() if (folder / "__init__.py").exists()):
        code = [file for file in package.rglob("*.py") if file.name != "__init__.py"]
        named = any(name == package.name or name.startswith(f"test_{package.name}") for name in tests)
        assert named or not code, f"no test under tests/{package.name}"


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def commands(page: Path) -> list[str]:
    """`make` targets that a page tells its reader to run, in code blocks and inline code."""
    text = page.read_text("utf-8")
    code = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL) + re.findall(r"`(make [^`\n]+)`", text)
    return re.findall(r"^\s*\$?\s*make ([a-z-]+)", "\n".join(code), re.MULTILINE)


def test_every_make_command_in_the_documentation_exists() -> None:
    asked = {(shown(page), target) for page in PAGES for target in commands(page)}
    assert {target for page, target in asked if page == "README.md"} >= {"demo"}
    assert {(page, target) for page, target in asked if target not in makefile_targets()} == set()


def test_every_relative_link_in_the_documentation_leads_somewhere() -> None:
    links = [(page, target) for page in PAGES for target in links_of(page)]
    assert len(links) >= 10
    assert [(shown(page), target) for page, target in links if not (page.parent / target).exists()] == []


def links_of(page: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    prose = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", prose)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


def test_the_changelog_keeps_its_format() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith("# Changelog\n")
    releases = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert [r for r in releases[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", r)] == []
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_are_numbered_once_in_their_name_and_title() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert len(pages) >= 2
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers)
    assert [shown(page) for page in pages if not page.read_text("utf-8").startswith(f"# {page.name[:4]}. ")] == []


def test_a_test_cannot_reach_the_network() -> None:
    with socket.socket() as out, pytest.raises(RuntimeError, match="without a network"):
        out.connect(("192.0.2.1", 80))
    with pytest.raises(RuntimeError, match="without a network"):
        socket.getaddrinfo("ruleforge.example", 80)


def test_a_test_can_reach_this_machine() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
