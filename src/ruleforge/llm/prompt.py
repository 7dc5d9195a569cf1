"""What a model is asked: parts from the most constant to the most particular, and text of strangers kept apart."""

import re
from typing import Literal

import msgspec

from ruleforge.errors import InputError

PARTS_MOST = 200
UNTRUSTED_MOST = 12_000  # characters of one part that a stranger wrote; the rest is cut, visibly
PROMPT_MOST = 200_000  # characters of all parts
NAME = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of a prompt.

    `fixed`: ours, the same for every question of a kind. `particular`: ours, about this question.
    `untrusted`: text of a stranger (advisories, requests, answers of models), framed when it is written out.
    """

    kind: Literal["fixed", "particular", "untrusted"]
    text: str
    name: str = ""  # of an untrusted part: what it is, "request r1"; ours


def fixed(text: str) -> Part:
    """A piece that is the same for every question of its kind."""
    return Part("fixed", text.strip())


def particular(text: str) -> Part:
    """A piece of ours about this question."""
    return Part("particular", text.strip())


def untrusted(name: str, text: str) -> Part:
    """A piece that a stranger wrote, cut where it is long. `name` is ours: lower case, digits, blanks, `._-`."""
    if not NAME.fullmatch(name):
        raise InputError(f"no name for a piece of a prompt: {name[:60]!r}", code="RF265")
    text = text.encode("utf-8", "backslashreplace").decode()
    left = len(text) - UNTRUSTED_MOST
    return Part("untrusted", text if left <= 0 else f"{text[:UNTRUSTED_MOST]}\n[{left} characters are left out]", name)


class Prompt(msgspec.Struct, frozen=True):
    """The parts of a question: fixed ones first, so that providers can keep their work on them for the next one."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        kinds = [part.kind for part in self.parts]
        first = next((at for at, kind in enumerate(kinds) if kind != "fixed"), len(kinds))
        if "fixed" in kinds[first:]:
            raise InputError("a fixed piece of a prompt comes after a particular one", code="RF265")
        size = sum(len(part.text) for part in self.parts)
        if len(kinds) > PARTS_MOST or size > PROMPT_MOST:
            what = f"the prompt has {len(kinds)} pieces and {size:,} characters"
            raise InputError(what, hint=f"at most {PARTS_MOST} and {PROMPT_MOST:,} are asked", code="RF265")

    def with_parts(self, *parts: Part) -> "Prompt":
        """Return this prompt with more parts at its end."""
        return Prompt((*self.parts, *parts))
