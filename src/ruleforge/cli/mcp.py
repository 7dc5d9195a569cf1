"""`ruleforge mcp`: the queue of tasks over the Model Context Protocol, and what agents need to use it."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.tasks import Role, Rules
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    from ruleforge.store.tasks import Agent

mcp = typer.Typer(no_args_is_help=True, help="The queue of tasks for coding agents, over MCP.", rich_markup_mode=None)

Name = Annotated[str, typer.Option(help="Who the agent is: lower case, digits, '.', '_', '-'; at most 40.")]
Model = Annotated[str, typer.Option(help="Which model it is; judges should be of another family.", show_default=False)]

Lease = Annotated[int, typer.Option(min=1, max=1440, help="Minutes that a task is an agent's own.")]


@mcp.callback()
def _mcp() -> None:
    """Hand tasks out to any coding agent over the Model Context Protocol; no key of a provider is needed.

    \b
    ruleforge tasks add rules templates/ --role generate --role judge     make tasks
    ruleforge mcp skill generate                                          what an agent should read first
    ruleforge mcp stdio rules --role generate --name alice                what its configuration starts
    ruleforge tasks list rules                                            what came of it
    """


@mcp.command("stdio", short_help="Serve one agent over standard input and output.")
def stdio(
    rules: Rules,
    role: Annotated[Role, typer.Option(help="What the agent works as.")],
    name: Name,
    model: Model = "",
    lease: Lease = 30,
) -> None:
    """Serve one agent over standard input and output: the command that the configuration of an MCP client names.

    The same name never writes rules for a CVE and judges them. Needs the extra `mcp`.
    """
    agent = _agent(name, role, model)
    _needs_extra()
    from ruleforge.mcp.serving import serve_stdio

    serve_stdio(rules, agent, lease_seconds=60.0 * lease)


@mcp.command("http", short_help="Serve several agents over HTTP, on this machine.")
def http(
    rules: Rules,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0: any free one.")] = 8765,
    lease: Lease = 30,
) -> None:
    """Serve several agents over HTTP at 127.0.0.1; each needs a token, which says its name and role.

    Requests from elsewhere, of web pages, without a token or too large are refused. Needs the extra `mcp`.
    """
    _needs_extra()
    from ruleforge.mcp.serving import serve_http

    def listening(address: str) -> None:
        term.note(f"listening at {address}; stop with Ctrl-C")

    serve_http(rules, port, listening, lease_seconds=60.0 * lease)


@mcp.command("token", short_help="Make a token for an agent, or take its tokens away.")
def token(
    rules: Rules,
    name: Name,
    role: Annotated[Role | None, typer.Option(help="The one role of the token.", show_default=False)] = None,
    model: Model = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Take all tokens of this name away.")] = False,
) -> None:
    """Make a token for an agent in one role and print it; only its hash is kept, so it is shown this once.

    \b
    ruleforge mcp token rules --name alice --role generate
    ruleforge mcp token rules --name alice --revoke
    """
    from ruleforge.app.tasks.showing import make_token, revoke_tokens

    if revoke:
        count = revoke_tokens(rules, name)
        term.note(f"{term.plural(count, 'token')} of {name} taken away")
        raise typer.Exit(0 if count else 1)
    if role is None:
        raise UsageError("a token is for one role", hint="name it with --role", code="RF154")
    term.out(make_token(rules, _agent(name, role, model)))


@mcp.command("skill", short_help="What an agent should read before it works.")
def skill(role: Annotated[Role, typer.Argument(metavar="ROLE", help="generate, judge or review_help.")]) -> None:
    """Print the skill file of a role: Markdown, for the folder of skills of an agent or for its instructions.

    \b
    ruleforge mcp skill judge > SKILL.md
    """
    from ruleforge.mcp.skills import skill_text

    term.out(skill_text(role.value).rstrip("\n"))


def _agent(name: str, role: Role, model: str) -> "Agent":
    from ruleforge.app.tasks.showing import checked_agent

    return checked_agent(name, role.value, model)


def _needs_extra() -> None:
    if find_spec("mcp") is None:
        hint = "install the extra: pip install 'ruleforge[mcp]'"
        raise UsageError("serving agents needs the library mcp", hint=hint, code="RF155")
