"""`ruleforge judge`: how probably one rule is wrong, in which way, and the requests that show it."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.judge_model import model_data, model_lines
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    from ruleforge.app.judge import Verdict
    from ruleforge.app.second_opinion import SecondJudge
    from ruleforge.records.forging import Reason

SHOWN_AGAINST = 12  # reasons in text; JSON gives all


class Format(StrEnum):
    """What `judge` prints."""

    text = "text"
    json = "json"


class Mode(StrEnum):
    """What the rule is to do where it fires."""

    counting = "count"
    blocking = "block"


def judge(
    rule: Annotated[Path, typer.Argument(metavar="RULE", help="A rule.json, or the folder around it.")],
    advisory: Annotated[
        Path | None,
        typer.Option(
            help="What was disclosed, in any format that forge reads; without it: the opinion beside the rule.",
            show_default=False,
        ),
    ] = None,
    benign: Annotated[
        list[Path] | None, typer.Option(help="Normal traffic, any file that scan reads.", show_default=False)
    ] = None,
    mode: Annotated[Mode, typer.Option(help="What the rule is to do; its gate decides the exit code.")] = Mode.counting,
    llm: Annotated[str, typer.Option(help="A model as second judge, such as mailbox:FOLDER.", show_default=False)] = "",
    samples: Annotated[int, typer.Option(min=1, max=20, help="How often the model is asked each question.")] = 3,
    llm_weights: Annotated[
        Path | None, typer.Option(help="How much it counts, fitted on labelled rules.", show_default=False)
    ] = None,
    llm_record: Annotated[
        Path | None, typer.Option(help="Keep what is asked and answered there, for replay:FOLDER.", show_default=False)
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for answers that are to come.")] = 0,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Say how probably a rule misses attacks (p_miss) or looks at something that only correlates (p_off_target).

    Both come from trying: the exploit written in other ways, harmless requests that look like it, the payload taken
    out, each condition left out. No model is asked and nothing is sent, but for what --llm names. Exit code 1: the rule
    fails the gate of --mode.

    \b
    ruleforge judge rules/CVE-2021-41773 --advisory CVE-2021-41773.yaml
    ruleforge judge my-rule.json --advisory write-up.md --benign access.log --mode block
    ruleforge judge rules/CVE-2021-41773 --advisory CVE-2021-41773.yaml --llm mailbox:letters
    """
    from ruleforge.app.judge import judge_one

    second = _second(rule, llm, samples, llm_weights, llm_record, wait) if llm else None
    if second is not None and advisory is None:
        raise UsageError("a model judges by what was disclosed", hint="name it with --advisory", code="RF188")
    found = judge_one(rule, advisory, benign=benign or [], mode=mode.value, second=second)
    if format is Format.json:
        term.out_json(_data(found) | (model_data(second) if second else {}), indent=2)
    else:
        term.out("\n".join([*_lines(found, asked=second is not None), *(model_lines(second) if second else [])]))
    raise typer.Exit(0 if found.passed else 1)


def _second(
    rule: Path, llm: str, samples: int, weights: Path | None, record: Path | None, wait: float
) -> "SecondJudge":
    from ruleforge.app.models import open_door
    from ruleforge.app.second_opinion import SecondJudge, author_of

    door = open_door(llm, record=record, wait_seconds=wait)
    return SecondJudge(door, samples=samples, weights=weights, generator=author_of(rule))


def _data(found: "Verdict") -> dict[str, object]:
    import msgspec

    from ruleforge.rules.canonical import content_hash
    from ruleforge.rules.render import render_sentence

    return {
        "rule": found.rule.id,
        "content_hash": content_hash(found.rule),
        "sentence": render_sentence(found.rule),
        "mode": found.mode,
        "passed": found.passed,
        "judged": "failed" if not found.passed else "could not tell" if _doubted(found) else "passed",
        "failed": list(found.failed),
        "from_evidence": found.kept,
        "opinion": msgspec.to_builtins(found.opinion),
    }


def _lines(found: "Verdict", *, asked: bool = False) -> list[str]:
    from ruleforge.rules.render import render_sentence

    opinion = found.opinion
    lines = [term.paint(term.visible(f"{found.rule.id}  {found.rule.title}".rstrip()), "bold")]
    lines += [f"  {term.visible(render_sentence(found.rule))}", ""]
    rows = [
        ("p_miss", _number(opinion.p_miss), "that it misses requests that exploit this vulnerability"),
        ("p_off_target", _number(opinion.p_off_target), "that it looks at something that only correlates"),
    ]
    lines += term.columns(rows)
    lines += ["", _gate(found)]
    if opinion.thin:
        lines.append(term.visible(f"  The evidence is thin: {opinion.thin}."))
    if opinion.unread:
        lines.append(term.visible(f"  What it looks at: {opinion.unread}."))
    lines += _section("Against it", [r for r in opinion.chain if r.code not in _OTHER][:SHOWN_AGAINST])
    lines += _section("For it", [r for r in opinion.chain if r.code == "speaks_for_it"])
    lines += _section("Not measured", [r for r in opinion.chain if r.code == "not_measured"])
    source = "evidence.json" if found.kept else "what was disclosed"
    return [*lines, "", term.visible(f"{opinion.judge}, from {source}{'' if asked else '; no model was asked'}")]


_OTHER = ("speaks_for_it", "not_measured")


def _doubted(found: "Verdict") -> bool:
    return bool(found.opinion.thin or found.opinion.unread)


def _number(p: float | None) -> str:
    return "unknown" if p is None else f"{p:.2f}"


def _gate(found: "Verdict") -> str:
    if found.passed:
        best = found.opinion.mode
        if _doubted(found):
            said = (
                f"Nothing tried fails it for mode {found.mode}, but the judge cannot say that it passes: look yourself."
            )
            return term.paint(said, "yellow")
        more = f"; it would pass the gate of mode {best}, too" if best == "block" and found.mode != "block" else ""
        return term.paint(f"It passes the gate of mode {found.mode}{more}.", "green")
    return term.paint(f"It fails the gate of mode {found.mode}: {'; '.join(found.failed)}.", "red")


def _section(head: str, reasons: "list[Reason]") -> list[str]:
    if not reasons:
        return []
    lines = ["", term.paint(head, "bold")]
    for reason in reasons:
        about = {"miss": "miss", "off_target": "off target"}[reason.question]
        place = f" ({reason.condition})" if reason.condition else ""
        lines.append(term.visible(f"  {about}: {reason.text}{place}"))
        if reason.request:
            lines.append(term.visible(f"    shown by {reason.request}"))
    return lines
