"""What a judge said of each pair: what can be read from its answers, and a file of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from ruleforge.app.judging.pairs import LINE_MOST, PROBLEMS_KEPT, Label, lines_of
from ruleforge.errors import InputError

Probability: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One judge's answer about one pair, each probability None where it could not tell.

    `apart_…` is the same judge, fitted without the features of the label's own kind.
    """

    pair: str
    p_miss: Probability | None = None
    p_off: Probability | None = None
    p_any: Probability | None = None  # of either defect, where the judge has an answer of its own for that
    apart_miss: Probability | None = None
    apart_off: Probability | None = None
    apart_any: Probability | None = None
    mode: str = ""  # strictest mode whose gate the rule passes: "block" | "count" | "review"; empty: not told
    thin: str = ""  # why the judge abstains; empty: it does not
    problem: str = ""  # why the pair could not be judged; empty: it was


class Judged(msgspec.Struct, frozen=True):
    """All answers by pair, who gave them, the CPU time it took, and lines that could not be read."""

    judge: str
    scores: Mapping[str, Score]
    seconds: float | None = None  # over all processes; None: not known
    unreadable: int = 0
    problems: tuple[str, ...] = ()


def probability(score: Score, label: Label, *, apart: bool = False) -> float | None:
    """Return the probability that a label is true; "any": the judge's own answer, else both joined."""
    if label == "miss":
        return score.apart_miss if apart else score.p_miss
    if label == "off":
        return score.apart_off if apart else score.p_off
    own = score.apart_any if apart else score.p_any
    return joined(score, apart=apart) if own is None else own


def joined(score: Score, *, apart: bool = False) -> float | None:
    """Return 1 - (1 - p_miss)(1 - p_off), as if both were independent, where both were told; else the one there is."""
    miss, off = (score.apart_miss, score.apart_off) if apart else (score.p_miss, score.p_off)
    if miss is None or off is None:
        return off if miss is None else miss
    return 1 - (1 - miss) * (1 - off)


def abstains(score: Score | None) -> bool:
    """Whether the judge gives no answer to go by, or says that it rests on thin evidence."""
    if score is None or score.thin or score.problem:
        return True
    return score.p_miss is None and score.p_off is None and score.p_any is None


def passes(score: Score | None, mode: str) -> bool:
    """Whether the gate of a mode ("block", "count") lets a rule through; a rule that was not judged does not pass."""
    modes = ("block",) if mode == "block" else ("block", "count")
    return score is not None and not score.problem and score.mode in modes


def write_scores(judged: Judged, file: Path) -> None:
    """Write a line about the judge, then one line a pair."""
    rows: Iterable[object] = (
        {"judge": judged.judge, "seconds": judged.seconds},
        *map(msgspec.to_builtins, judged.scores.values()),
    )
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


class _Head(msgspec.Struct, frozen=True):
    judge: str
    seconds: float | None = None


def read_scores(file: Path) -> Judged:
    """Read what `write_scores` wrote, or another judge in its place; a line that is none is counted.

    Raises:
        InputError: no line of it is an answer (RF293), or it is too large (RF222).
        OutsideError: it cannot be opened (RF501).
    """
    head, scores = _Head(file.name), dict[str, Score]()
    problems: list[str] = []
    unreadable = 0
    for number, line in _numbered(file):
        try:
            found = _parse(line, number)
        except (ValueError, RecursionError) as problem:
            unreadable += 1
            if len(problems) < PROBLEMS_KEPT:
                problems.append(f"{file}:{number}: no answer of a judge: {str(problem)[:300]}")
            continue
        if isinstance(found, _Head):
            head = found
        else:
            scores[found.pair] = found
    if not scores:
        hint = problems[0] if problems else "'ruleforge bench judge --save-scores FILE' writes one"
        raise InputError("no answer of a judge there", where=str(file), hint=hint, code="RF293")
    return Judged(head.judge[:200], scores, head.seconds, unreadable, tuple(problems))


def _numbered(file: Path) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines_of(file), 1) if line.strip())


def _parse(line: bytes, number: int) -> _Head | Score:
    if len(line) > LINE_MOST:
        raise ValueError(f"the line is longer than {LINE_MOST} bytes")
    data = json.loads(line)
    if number == 1 and isinstance(data, dict) and "judge" in data:
        return msgspec.convert(data, _Head)
    return msgspec.convert(data, Score)
