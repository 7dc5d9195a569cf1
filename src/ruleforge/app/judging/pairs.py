"""Read labelled pairs of rule and advisory. A line that is none is reported and counted, and the others go on."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeAlias, cast

import msgspec

from ruleforge.errors import InputError, OutsideError

Group = Literal["natural", "constructed"]
Part = Literal["train", "test"]
Label = Literal["miss", "off", "any", "sure"]
LABELS: tuple[Label, ...] = ("miss", "off", "any", "sure")
NATURAL = ("shipped", "passed", "rejected", "crowdsec")
CONSTRUCTED = ("first_request", "exact_literal", "path_only", "dropped", "widened")
LINE_MOST = 1 << 20  # bytes of one line
BYTES_MOST = 2 << 30  # of the whole file, unpacked
PAIRS_MOST = 500_000
DEPTH_MOST = 100  # of a rule document; the rule language allows less
PROBLEMS_KEPT = 100
_GZIP = b"\x1f\x8b"

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=300)]
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Said(msgspec.Struct, frozen=True):
    """One label: true is a defect, None is "could not tell"; and how often it was tried, as (wrong, tried)."""

    label: bool | None
    near: tuple[int, int] = (0, 0)  # harmless twins of the exploit
    neutral: tuple[int, int] = (0, 0)  # the exploit with its payload taken out


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One rule with the advisory it is for, and what was found out about it. Keys beyond these are left alone."""

    pair: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
    advisory: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]  # the cluster
    source: Name
    cves: tuple[Name, ...] = ()
    product: Name = ""
    year: int = 0
    group: Group
    origin: Name
    strategy: Name = ""
    round: int = 0
    rank: int | None = None  # place in the generator's own order, without a judge; 0 is its first choice
    rule: dict[str, Any]
    tests_passed: bool | None
    gates: dict[str, bool | None] = {}
    confidence: Share | None = None  # the generator's own
    miss: Said
    off: Said
    part: Part
    split: Literal["product", "date", "train"]

    def label(self, name: Label) -> bool | None:
        """Return a label.

        "any" is true when one of the two is, and None only when neither is known. "sure" is the same, and None unless
        both could have come out either way: a rule that no harmless twin was made for can be found off target (by a
        stranger's request), but not be cleared of it, and counting such rows by how they came out would lean one way.
        """
        if name == "miss":
            return self.miss.label
        if name == "off":
            return self.off.label
        known = [label for label in (self.miss.label, self.off.label) if label is not None]
        if name == "sure" and not (len(known) == 2 and self.has_twins):
            return None
        return any(known) if known else None

    @property
    def has_twins(self) -> bool:
        """Whether the label "off" rests on more than the requests of strangers and ordinary traffic."""
        return self.off.near[1] + self.off.neutral[1] > 0


class Pairs(msgspec.Struct, frozen=True):
    """What a file holds: pairs in its order, how many lines are none, and the first of these with the reason."""

    pairs: tuple[Pair, ...]
    unreadable: int = 0
    problems: tuple[str, ...] = ()


def read_pairs(file: Path) -> Pairs:
    """Read a file of pairs, as JSON lines, packed with gzip or not.

    Raises:
        OutsideError: it cannot be opened or unpacked (RF501).
        InputError: it is larger than the bounds (RF222), or no line of it is a pair (RF296).
    """
    pairs: dict[str, Pair] = {}
    problems: list[str] = []
    unreadable = 0
    for number, line in enumerate(lines_of(file), 1):
        if not line.strip():
            continue
        try:
            pair = _pair(line, pairs)
        except (ValueError, RecursionError) as problem:  # msgspec's and json's errors are ValueErrors
            unreadable += 1
            if len(problems) < PROBLEMS_KEPT:
                problems.append(f"{file}:{number}: no pair: {str(problem)[:300]}")
            continue
        pairs[pair.pair] = pair
        if len(pairs) > PAIRS_MOST:
            raise InputError(f"more than {PAIRS_MOST} pairs", where=str(file), code="RF222")
    if not pairs:
        hint = problems[0] if problems else "make one with bench/judge/make_pairs.py"
        raise InputError("no labelled pair there", where=str(file), hint=hint, code="RF296")
    return Pairs(tuple(pairs.values()), unreadable, tuple(problems))


def _pair(line: bytes, before: dict[str, Pair]) -> Pair:
    if len(line) > LINE_MOST:
        raise ValueError(f"the line is longer than {LINE_MOST} bytes")
    pair = msgspec.convert(json.loads(line), Pair)
    if pair.origin not in (NATURAL if pair.group == "natural" else CONSTRUCTED):
        raise ValueError(f"a {pair.group} pair has no origin {pair.origin!r}")
    if (pair.part == "train") != (pair.split == "train"):
        raise ValueError(f"the part {pair.part} does not fit the split {pair.split}")
    if _is_deeper(pair.rule, DEPTH_MOST):
        raise ValueError(f"the rule is nested deeper than {DEPTH_MOST}")
    if pair.pair in before:
        raise ValueError(f"the pair {pair.pair} was there before")
    return pair


def _is_deeper(document: object, most: int) -> bool:
    """Whether plain data is nested deeper than `most`; whoever writes it again would run out of stack."""
    level = [document]
    for _ in range(most + 1):
        level = [
            each for part in level if isinstance(part, dict | list)
            for each in (part.values() if isinstance(part, dict) else part)
        ]  # fmt: skip
    return bool(level)


def lines_of(file: Path) -> Iterator[bytes]:
    """Yield lines; one that is too long comes cut, one byte longer than the bound."""
    read = 0
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            stream: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
            begins = True
            while line := stream.readline(LINE_MOST + 1):
                if begins:
                    yield line
                begins = line.endswith(b"\n")  # else it goes on: the rest of a line that is too long
                read += len(line)
                if read > BYTES_MOST:
                    raise InputError(f"more than {BYTES_MOST} bytes", where=str(file), code="RF222")
    except (OSError, EOFError, zlib.error) as problem:
        told = getattr(problem, "strerror", None) or str(problem)
        raise OutsideError(f"cannot read the file: {told}", where=str(file), code="RF501") from problem
