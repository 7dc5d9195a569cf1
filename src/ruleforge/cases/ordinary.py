"""What normal users send in place of a payload: by the name of the parameter, else by the look of its value."""

import re
from functools import lru_cache
from pathlib import Path

import msgspec

from ruleforge.cases.anatomy import Part

FILLINGS = 3
_FILE = Path(__file__).parent / "ordinary.json"
_PROSE_KINDS = frozenset(("text", "default", "person"))


class _Kind(msgspec.Struct, frozen=True):
    kind: str
    names: str
    feedback: tuple[str, ...]
    judge: tuple[str, ...]


class _Lists(msgspec.Struct, frozen=True):
    feedback: tuple[str, ...]
    judge: tuple[str, ...]

    def of(self, family: str) -> tuple[str, ...]:
        """The fillings of a family."""
        return self.judge if family == "judge" else self.feedback


class _Data(msgspec.Struct, frozen=True):
    kinds: tuple[_Kind, ...]
    default: _Lists
    prose: tuple[str, ...]
    headers: dict[str, _Lists]
    shapes: dict[str, _Lists]  # a shape of background.shapes → what is sent in it


@lru_cache(maxsize=1)
def _data() -> _Data:
    return msgspec.json.decode(_FILE.read_bytes(), type=_Data)


@lru_cache(maxsize=1)
def _kinds() -> tuple[tuple[re.Pattern[str], str, _Lists], ...]:
    return tuple(
        (re.compile(one.names, re.IGNORECASE), one.kind, _Lists(one.feedback, one.judge)) for one in _data().kinds
    )


# By the look of the value, where its name says nothing.
_LOOKS = (
    (re.compile(r"-?\d{1,12}"), "number"),
    (re.compile(r"[\w.+-]+@[\w.-]+"), "mail"),
    (re.compile(r"\d{4}-\d\d-\d\d.*"), "date"),
    (re.compile(r"(?i)(?:https?:)?//.*"), "link"),
    (re.compile(r"[\w .-]{1,80}\.[a-z]{3,4}"), "file"),
)


@lru_cache(maxsize=20_000)
def kind_of(name: bytes, value: bytes) -> str:
    """The kind of parameter: "mail", "number", "file", …; "default" where nothing tells."""
    key = last_step(name)[:80]
    for pattern, kind, _ in _kinds():
        if pattern.fullmatch(key):
            return kind
    text = value[:200].decode("latin-1")
    return next((kind for pattern, kind in _LOOKS if pattern.fullmatch(text)), "default")


def last_step(name: bytes) -> str:
    """The telling end of a name: the last key of a pointer or of `a[b][c]`."""
    steps = re.findall(r"[A-Za-z_][\w-]*", name.decode("latin-1")[-200:])
    return steps[-1] if steps else ""


def ordinary_value(part: Part, filling: int, family: str) -> bytes:
    """An ordinary value for `part`; `filling` 0 to 2 choose among three."""
    if part.place == "headers":
        lists = _data().headers.get(part.name.decode("latin-1"))
        if lists is not None:
            return lists.of(family)[filling].encode()
    kind = kind_of(part.name, part.value)
    for _, name, fillings in _kinds():
        if name == kind:
            return fillings.of(family)[filling].encode()
    return _data().default.of(family)[filling].encode()


def shaped_value(shape: str, family: str) -> bytes:
    """An ordinary value of one of the shapes that `background.shapes` knows."""
    return _data().shapes[shape].of(family)[0].encode()


def prose(part: Part, filling: int) -> bytes:
    """Harmless text with apostrophes, signs and SQL words; an ordinary value where the parameter takes no text."""
    if part.place in ("headers", "cookies") or kind_of(part.name, part.value) not in _PROSE_KINDS:
        return ordinary_value(part, filling, "judge")
    return _data().prose[filling].encode()


def ordinary_file(filling: int, family: str) -> bytes:
    """The name of a file people upload."""
    names = {"feedback": (b"report.pdf", b"holiday-photo.jpg", b"minutes-2024.docx")}
    return names.get(family, (b"invoice-march.pdf", b"team.png", b"floor plan.odt"))[filling]
