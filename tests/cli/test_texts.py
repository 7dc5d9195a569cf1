"""What people read: reports as expected to the letter where they are stable, and nothing that acts on a terminal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ruleforge.cli import terminal as term

Put = Callable[..., Path]
Run = Callable[..., Result]
GOLDEN = Path(__file__).parent / "golden"


def test_the_report_of_a_scan_reads_as_recorded(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    rules = put_rule("CVE-2099-0001").parent
    body = {"field": "body", "op": "contains", "value": "needle"}
    put_rule("CVE-2099-0002", when=body, severity="critical")
    rows = [
        {"target": attack, "src_ip": f"192.0.2.{n % 6}", "status": 200 + n % 2, "ts": f"2099-01-01T0{n}:00:00Z"}
        for n in range(9)
    ]
    put_requests(*rows, {"target": "/", "body": None}, {"target": "/q", "method": "POST", "body": "a needle"})
    result = run("scan", "--rules", "rules", "day.jsonl")
    assert rules.name == "rules"
    assert result.stdout == (GOLDEN / "scan.txt").read_text()
    result = run("scan", "--rules", "rules", "day.jsonl", "--format", "md")
    assert result.stdout == (GOLDEN / "scan.md").read_text()


def test_a_rule_is_shown_as_recorded(run: Run, put_rule: Put) -> None:
    put_rule()
    assert run("show", "rules/CVE-2099-0001").stdout == (GOLDEN / "show.txt").read_text()


def test_an_explanation_reads_as_recorded(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    put_rule()
    put_requests(attack, "/shop/fruit/press.php")
    assert run("explain", "rules/CVE-2099-0001", "day.jsonl").stdout == (GOLDEN / "explain.txt").read_text()


HOSTILE = "/fruit/press.php?crate=../\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\x9b31m\r\n\x00"


@pytest.mark.parametrize("kind", ["text", "json", "ndjson", "ecs", "ocsf", "sarif", "md"])
def test_hostile_bytes_of_a_request_never_reach_the_terminal(
    run: Run, put_rule: Put, put_requests: Put, kind: str
) -> None:
    row = {"id": "\x1b[31mred", "target": HOSTILE, "src_ip": "\x1b[5m", "ts": "\x1b]2;x"}
    result = run("scan", "--rules", put_rule(title="\x1b[1mtitle\u202e").parent, put_requests(row), "--format", kind)
    assert result.exit_code == 1
    text = result.stdout + result.stderr
    assert "press.php" in text
    assert [letter for letter in text if letter != "\n" and not letter.isprintable()] == []


@pytest.mark.parametrize("command", ["explain", "show", "lint", "test"])
def test_hostile_text_of_a_rule_never_reaches_the_terminal(
    run: Run, put_rule: Put, put_requests: Put, command: str
) -> None:
    folder = put_rule(title="\x1b[1mtitle\u202e", when={"field": "path", "op": "contains", "value": "\x1b[2J\u202e"})
    (folder / "evidence.json").write_text(json.dumps({"checks": [{"check": "\x1b[1m", "detail": "\u202e"}]}))
    (folder / "tests.yaml").write_text(
        'tests:\n- {name: "\\e[1m", verdict: match, request: {target: "/", method: GET}}\n'
    )
    more = [put_requests({"target": HOSTILE, "id": "\x1b[1m"})] if command == "explain" else []
    text = (result := run(command, folder, *more)).stdout + result.stderr
    assert text
    assert [letter for letter in text if letter != "\n" and not letter.isprintable()] == []


def test_names_of_files_in_errors_are_escaped(run: Run, tmp_path: Path) -> None:
    assert "\\x1b[2J" in run("show", tmp_path / "\x1b[2J").stderr


def test_markdown_cells_cannot_be_broken_out_of() -> None:
    from ruleforge.cli.forge import cell

    assert cell("a|b\n<b>`x`") == "a\\|b\\\\x0a&#60;b&#62;\\`x\\`"


def test_columns_are_aligned_and_numbers_at_their_right_edge() -> None:
    rows = [("rule", "7", "x"), ("refused", "1,234", "")]
    assert term.columns(rows, right=(1,)) == ["  rule         7  x", "  refused  1,234"]
    assert term.columns([]) == []


def test_counts_have_the_right_noun() -> None:
    assert [term.plural(n, "advisory") for n in (0, 1, 2000)] == ["0 advisories", "1 advisory", "2,000 advisories"]
    assert term.percent(0, 0) == "–"


def test_the_program_is_named_as_it_can_be_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "my venv" / "bin" / "ruleforge"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(script)])
    assert term.program() == "'my venv/bin/ruleforge'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert term.program() == "ruleforge"
    monkeypatch.setattr("sys.argv", ["/somewhere/cli/__main__.py"])
    assert term.program().endswith(" -m ruleforge.cli")


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert term.paint("x", "red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert term.paint("x", "red") == "x"


def test_progress_in_a_log_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    lines = term._Lines()
    lines.show("forge", 1, 10)
    assert capsys.readouterr().err == ""
    lines.last -= term.LINE_EVERY_SECONDS
    lines.show("forge", 2, 10)
    lines.show("forge", 3, 10)
    assert capsys.readouterr().err == "forge: 2 of 10 after 0 s\n"
