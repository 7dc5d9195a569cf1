"""The program `ruleforge`: its commands, its exit codes, and what happens when something goes wrong."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ruleforge import __version__
from ruleforge.cli.agent import agent
from ruleforge.cli.bench import bench
from ruleforge.cli.care import background, demo, doctor
from ruleforge.cli.compile import compile_
from ruleforge.cli.data import data
from ruleforge.cli.dev import dev
from ruleforge.cli.events import events
from ruleforge.cli.exclude import exclude
from ruleforge.cli.extract import extract
from ruleforge.cli.forge import forge
from ruleforge.cli.judge import judge
from ruleforge.cli.mailbox import mailbox
from ruleforge.cli.mcp import mcp
from ruleforge.cli.rules import explain, lint, show, test
from ruleforge.cli.scan import scan
from ruleforge.cli.sensing import backtest, sensor_check
from ruleforge.cli.tasks import tasks
from ruleforge.cli.terminal import note
from ruleforge.cli.triage import triage
from ruleforge.cli.watching import diff
from ruleforge.errors import OutsideError, RuleForgeError

INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143  # 128 and the number of the signal, as shells do
INSIST_SECONDS = 2.0  # time to end in order, before a signal that was taken is raised once more
_DEBUG = {"on": bool(os.environ.get("RULEFORGE_DEBUG"))}


class Guarded(TyperGroup):
    """Commands whose failures end with a code, a place and a hint instead of a traceback."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - the class of contexts differs between versions of typer
        """Run the command and translate what it raises into an exit code."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                # Also where a command ends by `Exit`: at the end of the interpreter it would be too late to complain.
                sys.stdout.flush()
        except BrokenPipeError:
            _mute()
            raise typer.Exit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            note("\ninterrupted; what is done is kept, the same command goes on from there".strip())
            raise typer.Exit(INTERRUPTED) from None
        except RuleForgeError as problem:
            _complain(problem)
            raise typer.Exit(3 if isinstance(problem, OutsideError) else 2) from None
        except OSError as problem:
            _mute()
            _complain(_outside(problem))
            raise typer.Exit(3) from None


def _outside(problem: OSError) -> OutsideError:
    place = os.fsdecode(problem.filename) if isinstance(problem.filename, str | bytes) else ""
    hint = "check space and rights"
    return OutsideError(problem.strerror or type(problem).__name__, where=place, hint=hint, code="RF502")


def _complain(problem: Exception) -> None:
    if _DEBUG["on"]:
        traceback.print_exc()
    note(f"ruleforge: {problem}")


def _mute() -> None:
    """Nothing that is left for standard output can be written, which must not matter at the interpreter's end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        pass
    else:
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - it lives as long as we do


cli = typer.Typer(
    name="ruleforge",
    cls=Guarded,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 something was found, 2 wrong call or bad input, 3 something outside failed.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ruleforge {__version__}")
        raise typer.Exit


@cli.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """From the disclosure of a web vulnerability to a validated detection rule, with evidence.

    \b
    ruleforge demo --out demo-out                     see all of it on our own examples
    ruleforge forge templates/ --out rules            make rules
    ruleforge scan --rules rules access.log           run them over recorded requests
    ruleforge show rules/CVE-2021-41773               read one
    """
    _DEBUG["on"] = debug or _DEBUG["on"]


_COMMANDS: dict[Callable[..., None], str] = {
    triage: "What to forge first, and why.",
    forge: "Templates in, validated rules out.",
    extract: "What documents say of vulnerabilities, with citations.",
    agent: "Examples of events in, validated rules out.",
    scan: "Recorded requests against rules.",
    events: "Deprecated: scan asks logs of logins, processes, DNS, cloud calls and flows, too.",
    test: "Run the tests that lie beside rules.",
    lint: "What is wrong with rules, without any traffic.",
    explain: "Why a rule holds for a request, or does not.",
    judge: "How probably a rule misses attacks or looks at the wrong thing.",
    show: "One rule with its evidence and tests.",
    diff: "How a rule differs from an earlier revision.",
    backtest: "Since when would rules have fired.",
    doctor: "What is installed, what is missing, what is set.",
    demo: "All of it on our own examples.",
}
for command, short in _COMMANDS.items():
    cli.command(short_help=short)(command)
cli.command("compile", short_help="A folder of rules as one file that scans open at once.")(compile_)
cli.command("sensor-check", short_help="Who triggers rules, in logs with attackers.")(sensor_check)
cli.add_typer(background, name="background", short_help="Count your own ordinary traffic.")
cli.add_typer(data, name="data", short_help="Fetch KEV, EPSS and templates; say of when they are.")
cli.add_typer(exclude, name="exclude", short_help="Hits that this site knows to be harmless.")
cli.add_typer(mailbox, name="mailbox", short_help="Questions to a model as files, and answers.")
cli.add_typer(tasks, name="tasks", short_help="Work for agents, and what they made of it.")
cli.add_typer(mcp, name="mcp", short_help="Hand that work out to coding agents, over MCP.")
cli.add_typer(bench, name="bench", short_help="Measure rules on recorded corpora.")
cli.add_typer(dev, name="dev", short_help="What helps to develop and to try settings.")


def main() -> None:
    """Run the program; never returns, never shows a traceback unless asked."""
    _watch_signals()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # a narrow locale must not stop a report
    try:
        cli()
    except OSError as problem:  # outside of the commands: the help cannot be written
        _mute()
        _complain(_outside(problem))
        sys.exit(3)
    except Exception as problem:  # noqa: BLE001 - the boundary of the process: nothing above could handle it
        _complain(_unexpected(problem))
        sys.exit(3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _unexpected(problem: Exception) -> OutsideError:
    hint = "this is a mistake of the program; run again with --debug and report it"
    return OutsideError(f"{type(problem).__name__}: {problem}"[:500], hint=hint, code="RF599")


def _watch_signals() -> None:
    """Let Ctrl-C and SIGTERM stop this process in order; its worker processes, which inherit this, stay silent."""
    parent = os.getpid()
    asked: list[type[KeyboardInterrupt] | SystemExit] = []

    def insist(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() == parent and asked:
            raise asked[0]

    def stop(how: type[KeyboardInterrupt] | SystemExit) -> None:
        # Code of others may swallow what a handler raises (an import that tries something): say it until we end.
        asked[:] = [how]
        signal.setitimer(signal.ITIMER_REAL, INSIST_SECONDS, INSIST_SECONDS)
        raise how

    def interrupted(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == parent:
            stop(KeyboardInterrupt)

    def terminated(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == parent:
            stop(SystemExit(TERMINATED))
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGALRM, insist)
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, terminated)
