"""The program as a process: quick help, quiet pipes, a clean end on Ctrl-C, no traceback."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ruleforge import __version__
from ruleforge.cli import program

Put = Callable[..., Path]
PROGRAM = (sys.executable, "-m", "ruleforge.cli")
HELP_SECONDS = 0.4  # of CPU time


def start(*words: object, **more: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    given = {"stdout": pipe, "stderr": pipe, "text": True} | more
    return subprocess.Popen([*PROGRAM, *map(str, words)], **given)  # type: ignore[call-overload,no-any-return]


def test_the_version_is_printed() -> None:
    process = start("--version")
    assert process.communicate()[0] == f"ruleforge {__version__}\n"
    assert process.returncode == 0


def test_help_is_quick_and_names_every_command() -> None:
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        text, _ = start("--help").communicate()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for command in (
        "forge",
        "scan",
        "test",
        "lint",
        "explain",
        "show",
        "doctor",
        "demo",
        "background",
        "triage",
        "data",
    ):
        assert f"  {command} " in text
    assert min(spent) <= HELP_SECONDS


def test_help_imports_none_of_the_engine() -> None:
    heavy = "{'numpy', 'hyperscan', 'rich', 'yaml', 'sqlalchemy'}"
    code = f"import sys, ruleforge.cli; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize(
    "command",
    [
        "forge",
        "scan",
        "test",
        "lint",
        "explain",
        "show",
        "demo",
        "background build",
        "triage",
        "data update",
        "data status",
    ],
)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    text, _ = start(*command.split(), "--help").communicate()
    assert f"  ruleforge {command} " in text


def test_a_reader_that_leaves_early_is_no_error(put_rule: Put, put_requests: Put, attack: str) -> None:
    file = put_requests(*[attack] * 3000)
    process = start("scan", "--rules", put_rule().parent, file, "--format", "ndjson")
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["request"] == "r1"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


def test_hits_are_printed_while_the_rest_is_still_to_come(put_rule: Put, put_requests: Put, attack: str) -> None:
    row = put_requests(attack).read_text()
    process = start("scan", "--rules", put_rule().parent, "-", "--format", "ndjson", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(row + row.replace('"r1"', '"' + "r" * 200_000 + '"'))  # more than one read buffer
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["request"] == "r1"
    process.communicate()
    assert process.returncode == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_scan_cleanly(put_rule: Put, put_requests: Put, attack: str, number: int, code: int) -> None:
    words = ("scan", "--rules", put_rule().parent, "-", "--format", "ndjson")
    process = start(*words, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    row = put_requests(attack).read_text()
    process.stdin.write(row * 3)
    process.stdin.write(row.replace('"r1"', '"' + "r" * 200_000 + '"'))
    process.stdin.flush()
    process.stdout.readline()  # it is at work
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert ("interrupted" in errors) == (number == signal.SIGINT)


@pytest.mark.parametrize(("number", "code", "group"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)])
def test_a_signal_while_forging_stops_all_processes_and_keeps_what_is_done(
    put_templates: Path, tmp_path: Path, number: int, code: int, group: bool
) -> None:
    good = (put_templates / "CVE-2099-0101.yaml").read_text()
    for each in range(200, 320):
        text = good.replace("2099-0101", f"2099-0{each}").replace("crate", f"crate{each}")
        (put_templates / f"CVE-2099-0{each}.yaml").write_text(text)
    words = ("forge", put_templates, "--out", tmp_path / "out", "--format", "ndjson", "--jobs", 2)
    process = start(*words, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    (os.killpg if group else os.kill)(process.pid, number)  # a terminal tells every process of the group
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    told = "interrupted; what is done is kept, the same command goes on from there\n"
    assert errors == (told if number == signal.SIGINT else "")
    gone = time.monotonic() + 10
    while time.monotonic() < gone:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a worker process is still there")


SWALLOWS = """
import os, signal, time
from ruleforge.cli import program
program.INSIST_SECONDS = 0.1
program._watch_signals()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(9)
except SystemExit:
    pass
time.sleep(9)
"""


def test_sigterm_is_not_lost_where_code_of_others_swallows_it() -> None:
    before = time.monotonic()
    done = subprocess.run([sys.executable, "-c", SWALLOWS], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (143, b"")
    assert time.monotonic() - before < 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_trouble_outside(put_rule: Put, put_requests: Put, attack: str) -> None:
    with Path("/dev/full").open("w") as full:
        process = start("scan", "--rules", put_rule().parent, put_requests(attack), stdout=full)
        _, errors = process.communicate()
    assert process.returncode == 3
    assert errors.startswith("ruleforge: [RF502] No space left")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_help_on_a_full_disk_is_trouble_outside() -> None:
    with Path("/dev/full").open("w") as full:
        process = start("--help", stdout=full)
        _, errors = process.communicate()
    assert (process.returncode, errors.count("\n")) == (3, 1)


def test_an_error_shows_its_traceback_only_when_asked() -> None:
    for flag, shown in ((), False), (("--debug",), True):
        _, errors = start(*flag, "show", "no-such-rule").communicate()
        assert ("Traceback" in errors) is shown
        assert "[RF110]" in errors


def test_a_mistake_of_the_program_ends_with_3_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by \x1b[1m")

    monkeypatch.setattr("ruleforge.app.doctor.doctor", fail)
    monkeypatch.setattr("sys.argv", ["ruleforge", "doctor"])
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    try:
        with pytest.raises(SystemExit) as end:
            program.main()
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    assert end.value.code == 3
    errors = capsys.readouterr().err
    assert errors.startswith("ruleforge: [RF599] ZeroDivisionError: by \\x1b[1m (")
    assert errors.count("\n") == 1
