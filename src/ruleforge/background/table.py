"""What normal traffic looks like: how often path segments, parameter names and header names occur.

A table holds hashed tokens with rounded counts only: no text can be read back from it. The default table that ships
is permissive (small, general); `ruleforge background build` makes one from the user's own traffic.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec

from ruleforge.background.shapes import SHAPES, shape_of
from ruleforge.errors import InputError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request

# tail: the last two path segments together; shape: the name of a parameter and the shape of its value
KINDS = ("segment", "tail", "name", "header", "value", "shape")
USUAL_SHARE = 0.1
MAX_TOKENS_PER_REQUEST = 200


class TableFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file format: per kind a map from 32-bit token hash to ceil(log2(count))."""

    version: int
    made: str  # date, given by whoever builds it
    source: str  # one line: what traffic, how many sources
    rows: int
    counts: dict[str, dict[int, Annotated[int, msgspec.Meta(ge=0, le=63)]]]


class Background(msgspec.Struct, frozen=True):
    """A loaded table. Rates are per request; a token never seen gets an upper bound that shrinks with its length."""

    file: TableFile

    @property
    def name(self) -> str:
        """Name for evidence: version, date and size."""
        return f"background v{self.file.version} {self.file.made} n={self.file.rows}"

    def count(self, kind: str, token: bytes) -> int:
        """Return about how many requests held `token` (0: fewer than the table keeps)."""
        power = self.file.counts.get(kind, {}).get(token_hash(kind, token))
        return 0 if power is None else 1 << power

    def shapes(self, name: bytes) -> tuple[str, ...]:
        """Return the shapes that values of parameters called `name` have in normal traffic, most frequent first."""
        counted = [(self.count("shape", shape_token(name, shape)), shape) for shape in SHAPES]
        return tuple(shape for count, shape in sorted(counted, key=lambda one: -one[0]) if count)

    def usual_shapes(self, name: bytes) -> tuple[str, ...]:
        """Return the shapes that at least a tenth of the values of parameters called `name` have."""
        counted = {shape: self.count("shape", shape_token(name, shape)) for shape in self.shapes(name)}
        return tuple(shape for shape, count in counted.items() if count >= USUAL_SHARE * sum(counted.values()))

    def bits(self, kind: str, token: bytes) -> float:
        """Return how surprising `token` is in normal traffic, in bits (0: always there; 17 to 23: never seen)."""
        seen = self.count(kind, token)
        rows = max(self.file.rows, 1)
        if seen:
            return max(0.0, math.log2(rows / seen))
        # A short token that was not seen is still likely to occur elsewhere: about 3 bits a character. What was never
        # seen together has at most 1/rows; one particular long token has a small part of that.
        return min(math.log2(rows * 2) + min(6.0, max(0.0, (len(token) - 8) / 2)), 3.0 * len(token))


def token_hash(kind: str, token: bytes) -> int:
    """Return the 32-bit hash under which a table keeps `token` (lower-cased)."""
    digest = hashlib.blake2b(token.lower(), digest_size=4, person=kind.encode()[:16])
    return int.from_bytes(digest.digest(), "big")


def shape_token(name: bytes, shape: str) -> bytes:
    """Return the token that stands for values of one shape in parameters of one name."""
    return name[:200] + b"=" + shape.encode()


def tokens(request: Request) -> Iterator[tuple[str, bytes]]:
    """Yield (kind, token) of one request, bounded."""
    view = HttpView(request)
    path = b"".join(element.value for element in view.read("path").elements)
    segments = [segment for segment in path.split(b"/") if segment][:40]
    for segment in segments:
        yield "segment", segment[:200]
    for left, right in pairwise(segments):
        yield "tail", left[:200] + b"/" + right[:200]
    for place in ("args", "json", "multipart"):
        for element in view.read(place).elements[:MAX_TOKENS_PER_REQUEST]:
            name = element.name.rsplit(b"/", 1)[-1] if place == "json" else element.name
            yield "name", name[:200]
            yield "shape", shape_token(name, shape_of(element.value))
            if 3 <= len(element.value) <= 40:
                yield "value", element.value
    for element in view.read("headers").elements[:100]:
        yield "header", element.name[:100]


def build_background(
    requests: Iterable[Request], *, made: str, source: str, version: int = 1, least: int = 3, groups_least: int = 2
) -> Background:
    """Count tokens over `requests`; keep those in at least `least` requests and `groups_least` sources.

    A token that one site alone uses would make the table a list of that site's names: the second bound keeps them out.
    """
    counts: dict[str, Counter[int]] = {kind: Counter() for kind in KINDS}
    groups: dict[tuple[str, int], set[str]] = {}
    rows = 0
    for request in requests:
        rows += 1
        group = next((value.decode("latin-1") for name, value in request.headers if name.lower() == b"host"), "")
        for kind, token in set(tokens(request)):
            key = token_hash(kind, token)
            counts[kind][key] += 1
            seen = groups.setdefault((kind, key), set())
            if len(seen) < groups_least:
                seen.add(group or request.source)
    kept = {
        kind: {
            key: math.ceil(math.log2(count))
            for key, count in sorted(counter.items())
            if count >= least and len(groups[(kind, key)]) >= groups_least
        }
        for kind, counter in counts.items()
    }
    return Background(TableFile(version=version, made=made, source=source, rows=rows, counts=kept))


def save_background(background: Background, path: Path) -> None:
    """Write the table as MessagePack."""
    path.write_bytes(msgspec.msgpack.encode(background.file))


def load_background(path: Path) -> Background:
    """Read a table.

    Raises:
        InputError: not a table of this format (RF240).
    """
    try:
        return Background(msgspec.msgpack.decode(path.read_bytes(), type=TableFile))
    except (OSError, msgspec.MsgspecError) as problem:
        raise InputError(
            "cannot read the background table", where=str(path), hint="make one with 'ruleforge background build'",
            code="RF240",
        ) from problem  # fmt: skip


@lru_cache(maxsize=1)
def default_background() -> Background:
    """Return the table that ships with the package."""
    data = resources.files("ruleforge.background").joinpath("default.msgpack").read_bytes()
    return Background(msgspec.msgpack.decode(data, type=TableFile))
