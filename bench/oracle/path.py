"""The same endpoint, its path written differently."""

import re
from collections.abc import Iterator

from oracle.case import Case, mutator
from ruleforge.events.request import Request

_ESCAPE = re.compile(rb"%[0-9a-fA-F]{2}")
_LETTER = re.compile(rb"%[0-9a-fA-F]{2}|[A-Za-z0-9]")


def escaped(text: bytes, every: int = 1) -> bytes:
    """Percent-encode every n-th letter or digit that is no part of an escape."""
    count = 0

    def change(found: re.Match[bytes]) -> bytes:
        nonlocal count
        if len(found[0]) > 1:
            return found[0]
        count += 1
        return b"%%%02X" % found[0][0] if count % every == 0 else found[0]

    return _LETTER.sub(change, text)


@mutator("path_parameters", "Java servers only, leading words of a plain path: ;… is cut before a path is mapped")
def path_parameters(case: Case) -> Iterator[Request]:
    if case.server == "java" and case.head:
        yield case.with_head(lambda words: [words[0] + b";x=y", *words[1:]])
        yield case.with_head(lambda words: [word + b";x=y" for word in words])


@mutator("double_slashes", "a plain path to a file of two segments at least: servers that map files merge slashes")
def double_slashes(case: Case) -> Iterator[Request]:
    if case.is_file and len(case.head) > 1:
        yield case.with_head(lambda words: [word for each in words for word in (each, b"")][:-1])


@mutator("dot_segments", "leading words of a plain path: `/./` is removed before a path is looked at (RFC 3986)")
def dot_segments(case: Case) -> Iterator[Request]:
    if case.head:
        yield case.with_head(lambda words: [b".", *words])
        yield case.with_head(lambda words: [word for each in words for word in (b".", each)])


@mutator(
    "deployment_prefix", "a plain path to a file of PHP, or of Java: such products can be deployed below any folder"
)
def deployment_prefix(case: Case) -> Iterator[Request]:
    if case.head and case.is_file and case.server in ("php", "java"):
        yield case.with_path(b"/portal" + case.path)
        yield case.with_path(b"/a/b-2" + case.path)


@mutator("percent_path", "leading words of a plain path: encoding a letter changes nothing (RFC 3986)")
def percent_path(case: Case) -> Iterator[Request]:
    if case.head:
        yield case.with_head(lambda words: escaped(b"/".join(words), 3).split(b"/"))
        yield case.with_head(lambda words: escaped(b"/".join(words)).split(b"/"))


@mutator("percent_hex_case", "a target or form with an escape that has a letter: the digits of escapes have no case")
def percent_hex_case(case: Case) -> Iterator[Request]:
    yield case.with_target(_ESCAPE.sub(lambda found: found[0].swapcase(), case.request.target))
    if case.form_pieces:
        yield case.with_body(_ESCAPE.sub(lambda found: found[0].swapcase(), case.body))
