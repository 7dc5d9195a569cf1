"""`ruleforge dev`: what helps to develop and to try settings."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from typing import Annotated

import typer

from ruleforge.cli import terminal as term

dev = typer.Typer(no_args_is_help=True, help="What helps to develop and to try settings.", rich_markup_mode=None)


@dev.callback()
def _dev() -> None:
    """What helps to develop and to try settings."""


@dev.command("fake-llm", short_help="A server that speaks as providers of models do.")
def fake_llm(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: a free one.")] = 0,
    faults: Annotated[
        str,
        typer.Option(
            help="What goes wrong, once each and in order: 429, 500, slow, cut, garbled, empty, prose, wrong, 401.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Answer calls of OpenAI, Anthropic and Bedrock on this machine, with the least that is valid; Ctrl-C ends it.

    \b
    ruleforge dev fake-llm --port 8080 --faults 429,cut
    ruleforge judge rules/CVE-2099-0001 --advisory x.yaml --llm 'openai+http://127.0.0.1:8080/v1?model=fake'
    """
    import threading

    from ruleforge.app.fake_llm import parse_faults, serve_fake_llm

    serve_fake_llm(port, parse_faults(faults), term.out, threading.Event().wait)
