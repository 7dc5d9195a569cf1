"""`ruleforge bench llm`: what a model is worth beside the embedded default."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.llm_bench import LlmBench, Spending

PROBLEMS_SHOWN = 10
_HEAD = (
    "way", "advisories", "rules", "refused", "failed", "by the model", "declined", "held out hit", "asked", "answered",
    "pending", "calls", "tokens", "dollars", "seconds",
)  # fmt: skip
_JUDGE_HEAD = (
    "rules", "both told", "mean distance", "model sees more", "held back", "Brier evidence", "Brier model", "labelled",
    "asked", "answered", "pending", "calls", "tokens", "seconds",
)  # fmt: skip
_PROSE_HEAD = (
    "way", "documents", "enough for a rule", "facts", "claims dropped", "failed", "asked", "answered", "pending",
    "calls", "seconds",
)  # fmt: skip


class Format(StrEnum):
    """What `bench llm` prints."""

    text = "text"
    json = "json"
    md = "md"


def llm(
    sample: Annotated[list[Path], typer.Argument(metavar="SAMPLE", help="Disclosures, or folders of them.")],
    provider: Annotated[str, typer.Option(help="Who writes rules, such as mailbox:FOLDER.", show_default=False)],
    judge: Annotated[str, typer.Option(help="Who judges; judging is not measured without.", show_default=False)] = "",
    documents: Annotated[
        list[Path] | None, typer.Option(help="Prose to extract facts from; may be repeated.", show_default=False)
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, max=20, help="Rules asked for of one disclosure.")] = 5,
    samples: Annotated[int, typer.Option(min=1, max=20, help="How often the judge is asked each question.")] = 1,
    oracle: Annotated[
        Path | None,
        typer.Option(help="Held-out exploits, as JSON lines with 'cve' beside each request.", show_default=False),
    ] = None,
    benign: Annotated[
        list[Path] | None, typer.Option(help="Ordinary traffic a rule must be silent on; may be repeated.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Keep what is asked and answered there, for replay:FOLDER.", show_default=False)
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for answers that are to come.")] = 0,
    work: Annotated[
        Path | None, typer.Option(help="Folder for the rules; a temporary one, if not given.", show_default=False)
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the comparison as JSON.", show_default=False)] = None,
    md: Annotated[Path | None, typer.Option(help="Write the comparison as Markdown.", show_default=False)] = None,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Measure a language model against the embedded default: what either makes of the same disclosures, and its price.

    Rules are forged three times: embedded, by the model alone, and by both in competition. Answers that are still to
    come leave the figures partial, and the same command goes on from there.

    \b
    ruleforge bench llm sample/ --provider mailbox:letters --json now.json --md now.md
    ruleforge bench llm sample/ --provider anthropic:MODEL --judge openai:MODEL --oracle held-out.jsonl
    """
    import msgspec

    from ruleforge.app.llm_bench import LlmBenchOptions, bench_llm
    from ruleforge.app.models import warnings_of

    for warning in warnings_of(provider, judge):
        term.note(term.visible(f"ruleforge: {warning}"))
    options = LlmBenchOptions(
        sample=tuple(sample),
        provider=provider,
        judge=judge,
        documents=tuple(documents or ()),
        candidates=candidates,
        samples=samples,
        oracle=oracle,
        benign=tuple(benign or ()),
        record=record,
        wait_seconds=wait,
        work=work,
    )
    with term.progress() as progress:
        found = bench_llm(options, progress)
    data: dict[str, Any] = msgspec.to_builtins(found) | {"pending": found.pending}
    if json:
        _write(json, data)
    if md:
        md.write_text("\n".join(markdown(found)) + "\n", encoding="utf-8")
    if format is Format.json:
        term.out_json(data, indent=2)
    else:
        term.out("\n".join(markdown(found) if format is Format.md else lines(found)))
    for problem in found.problems[:PROBLEMS_SHOWN]:
        term.note(term.visible(f"ruleforge: {term.shorten(problem, 300)}"))


def _write(file: Path, data: dict[str, Any]) -> None:
    import json

    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _rows(found: "LlmBench") -> list[tuple[str, ...]]:
    rows = []
    for way in found.generation:
        held = f"{way.recalled:,} of {way.held_out:,}" if way.held_out else "none given"
        counts = (way.n, way.rules, way.refused, way.failed, way.by_model, way.declined)
        asked = (way.spent.asked, way.spent.answered, way.spent.pending, way.spent.calls)
        rows.append(
            (way.way, *map(_count, counts), held, *map(_count, asked), *_price(way.spent), f"{way.seconds:,.1f}")
        )
    return rows


def _judge_row(found: "LlmBench") -> tuple[str, ...]:
    judging = found.judging
    assert judging is not None
    told = (judging.apart, judging.brier_evidence, judging.brier_model)
    apart, evidence, model = ("unknown" if value is None else f"{value:.3f}" for value in told)
    spent = judging.spent
    counts = (judging.labelled, spent.asked, spent.answered, spent.pending, spent.calls)
    first = (_count(judging.n), _count(judging.both), apart, _count(judging.higher), _count(judging.held_back))
    return (*first, evidence, model, *map(_count, counts), _price(spent)[0], f"{judging.seconds:,.1f}")


def _count(number: int) -> str:
    return f"{number:,}"


def _price(spent: "Spending") -> tuple[str, str]:
    tokens = "not counted" if spent.tokens is None else f"{spent.tokens:,}"
    return tokens, "not counted" if spent.cost is None else f"{spent.cost / 1_000_000:,.4f}"


def _who(found: "LlmBench") -> str:
    who = ", ".join(found.models) or "nobody answered"
    return f"{term.plural(found.sample, 'disclosure')}, {found.provider}: {who}"


def lines(found: "LlmBench") -> list[str]:
    """The comparison for a terminal."""
    text = [term.paint(term.visible(_who(found)), "bold"), "", "Generation"]
    text += term.columns([_HEAD, *_rows(found)], right=tuple(range(1, len(_HEAD))))
    if found.judging:
        text += ["", "Judging, of the embedded rules"]
        text += term.columns([_JUDGE_HEAD, _judge_row(found)], right=tuple(range(len(_JUDGE_HEAD))))
    if found.extraction:
        text += ["", "Extraction from prose"]
        text += term.columns([_PROSE_HEAD, *_prose_rows(found)], right=tuple(range(1, len(_PROSE_HEAD))))
    return text + _partial(found)


def markdown(found: "LlmBench") -> list[str]:
    """The comparison for a page."""
    text = ["# A model beside the embedded default", "", term.visible(f"{_who(found)}.")]
    text += ["", "## Generation", "", *_table(_HEAD, _rows(found))]
    if found.judging:
        text += ["", "## Judging, of the embedded rules", "", *_table(_JUDGE_HEAD, [_judge_row(found)])]
    if found.extraction:
        text += ["", "## Extraction from prose", "", *_table(_PROSE_HEAD, _prose_rows(found))]
    return text + _partial(found)


def _prose_rows(found: "LlmBench") -> list[tuple[str, ...]]:
    rows = []
    for way in found.extraction:
        counts = (way.n, way.enough, way.facts, way.dropped, way.failed)
        asked = (way.spent.asked, way.spent.answered, way.spent.pending, way.spent.calls)
        rows.append((way.way, *map(_count, (*counts, *asked)), f"{way.seconds:,.1f}"))
    return rows


def _partial(found: "LlmBench") -> list[str]:
    if not found.pending:
        return []
    return ["", f"Partial: {found.pending:,} answers are pending. Run the same command again to include them."]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    ruled = ["---", *["--:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, tuple(ruled), *rows)]
