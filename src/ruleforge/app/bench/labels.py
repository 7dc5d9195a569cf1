"""Rows that compare how forging ended with what people said: refusals of templates, rules from documents."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from ruleforge.app.bench.ground import Ground, Template, half_of, read_outcomes, read_text
from ruleforge.app.bench.tally import Tally
from ruleforge.errors import InputError
from ruleforge.records.forging import REFUSALS
from ruleforge.records.quality import Miss, Rate, Row, rate

UNTOUCHED = "holdout"  # in the name of a file: its mistakes are only counted
_Kind = TypeVar("_Kind")


class _Refusal(msgspec.Struct):
    """What a person said of one template."""

    template: str
    rule_possible: bool | str | None
    refusal: str | None = None
    note: str = ""

    @property
    def refuse(self) -> bool | None:
        """Whether the template ought to be refused; None where the labeller could not tell."""
        if isinstance(self.rule_possible, bool):
            return not self.rule_possible
        return True if self.rule_possible == "context" else None


class _Refusals(msgspec.Struct):
    labels: list[_Refusal]


class _Document(msgspec.Struct):
    """What a person said of one document: does it hold a concrete request that shows the attack?"""

    document: str  # the end of its path, "vulhub/some-page.md"
    concrete: bool | None


class _Documents(msgspec.Struct):
    labels: list[_Document]


def refusal_rows(ground: Ground, files: Sequence[Path]) -> list[Row]:
    """Precision and recall of refusals on each file of labels."""
    if not files:
        why = "needs --labels FILE"
        return [_precision("", None, why), _recall("", None)]
    return [row for file in files for row in _labelled(ground, file)]


def _labelled(ground: Ground, file: Path) -> list[Row]:
    hint = 'expected: {"labels": [{"template": …, "rule_possible": true, false or "context"}]}'
    labels = _read(file, _Refusals, hint).labels
    by_id = {template.advisory.id: template for template in ground.templates}
    counts: Counter[tuple[bool, bool]] = Counter()  # (refused, ought to be)
    left_out: Counter[str] = Counter()
    wrong: dict[bool, Tally] = {True: Tally(), False: Tally()}
    same_reason = Tally()
    for label in labels:
        template, ought = by_id.get(label.template), label.refuse
        if template is None or ought is None:
            left_out["without a template" if template is None else "unclear"] += 1
            continue
        reason = refusal_of(ground, template)
        refused = reason is not None
        counts[refused, ought] += 1
        if refused is not ought:
            cause = f"refused ({reason}), a rule is possible" if refused else "a rule, should be refused"
            wrong[refused].causes[cause][half_of(label.template)] += 1
            _note(ground, file, label, cause)
        elif refused and label.refusal in REFUSALS:
            same_reason.add(reason == label.refusal)
    note = (
        f"{len(labels)} labels; {left_out['unclear']} unclear and {left_out['without a template']} without a template"
    )
    note += f" are left out; same reason in {same_reason.hits} of {same_reason.of}"
    both = counts[True, True]
    rates = rate(both, both + counts[True, False]), rate(both, both + counts[False, True])
    rows = [_precision(file.stem, rates[0], note), _recall(file.stem, rates[1])]
    return [
        msgspec.structs.replace(row, causes=wrong[refused].confusion())
        for row, refused in zip(rows, (True, False), strict=True)
    ]


def refusal_of(ground: Ground, template: Template) -> str | None:
    """Return why a source has no rule; None where it has one."""
    outcome = ground.outcomes.get(template.advisory.id)
    if outcome is None:
        return None if ground.rules_for(template.names) else "not known why"
    return None if outcome.outcome == "rule" else outcome.reason


def _note(ground: Ground, file: Path, label: _Refusal, cause: str) -> None:
    if UNTOUCHED not in file.stem and ground.readable(label.template):
        row = f"refusal:{file.stem}"
        ground.misses.append(
            Miss(row=row, cve=label.template, request="", shown="", cause=cause, detail=label.note or "")
        )


def _precision(name: str, found: Rate | None, note: str) -> Row:
    return Row(
        key=f"refusal_precision:{name}".removesuffix(":"),
        title=f"refusals, precision ({name})".removesuffix(" ()"),
        unit="templates",
        rate=found,
        target=0.90,
        stretch=0.95,
        note=note,
    )


def _recall(name: str, found: Rate | None) -> Row:
    return Row(
        key=f"refusal_recall:{name}".removesuffix(":"),
        title=f"refusals, recall ({name})".removesuffix(" ()"),
        unit="templates",
        rate=found,
        target=0.80,
        stretch=0.90,
        note="" if found else "needs --labels FILE",
    )


def document_row(labels: Path | None, outcomes: Path | None) -> Row:
    """Documents that hold a concrete request and gave a rule, by the folder they lie in."""
    key, title = "documents", "documents with a concrete request that gave a rule"
    if labels is None or outcomes is None:
        note = "needs --document-labels FILE and --document-outcomes FILE"
        return Row(key=key, title=title, unit="documents", rate=None, target=0.70, stretch=0.85, note=note)
    ends = {source: outcome for outcome in read_outcomes(outcomes, outcomes) for source in outcome.sources}
    hint = 'expected: {"labels": [{"document": "folder/name.md", "concrete": true}]}'
    tally, unknown = Tally(), 0
    for label in _read(labels, _Documents, hint).labels:
        if not label.concrete:
            continue
        outcome = next((ends[source] for source in ends if _is_end(source, label.document)), None)
        unknown += outcome is None
        tally.add(outcome is not None and outcome.outcome == "rule", [("folder", label.document.partition("/")[0])])
        if outcome is not None and outcome.outcome != "rule":
            tally.causes[f"no rule ({outcome.reason})"]["all"] += 1
    return Row(
        key=key,
        title=title,
        unit="documents",
        rate=tally.rate(),
        target=0.70,
        stretch=0.85,
        parts=tally.parts(),
        causes=tally.confusion(),
        note=f"{unknown} have no outcome and count as missed" if unknown else "",
    )


def _is_end(source: str, document: str) -> bool:
    return source == document or source.endswith("/" + document)


def label_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files of labels that `paths` name; of a folder, those called refusals*.json."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("refusals*.json")) if path.is_dir() else [path]
    return found


def _read(file: Path, kind: type[_Kind], hint: str) -> _Kind:
    try:
        return msgspec.convert(json.loads(read_text(file)), kind)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no labels: {error}", where=str(file), hint=hint, code="RF248") from error
