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


@mutator("path_parameters", "Java servers only, plain path: they cut ;… from each segment before they map it")
def path_parameters(case: Case) -> Iterator[Request]:
    if case.server == "java" and case.plain_path:
        segments = case.path[1:].split(b"/")
        yield case.with_path(b"/" + b"/".join([segments[0] + b";x=y", *segments[1:]]))
        yield case.with_path(b"/" + b"/".join(part + b";x=y" if part else part for part in segments))


@mutator("double_slashes", "a plain path to a file of two segments at least: servers that map files merge slashes")
def double_slashes(case: Case) -> Iterator[Request]:
    if case.plain_path and case.is_file and case.path.count(b"/") > 1:
        yield case.with_path(b"/" + case.path[1:].replace(b"/", b"//"))


@mutator("dot_segments", "a plain path: `/./` is removed before the path is looked at (RFC 3986)")
def dot_segments(case: Case) -> Iterator[Request]:
    if case.plain_path:
        yield case.with_path(b"/." + case.path)
        yield case.with_path(case.path.replace(b"/", b"/./"))


@mutator("deployment_prefix", "a plain path to a PHP file, or a Java file below a context: these can be deployed anywhere")
def deployment_prefix(case: Case) -> Iterator[Request]:
    if case.plain_path and case.is_file and case.server in ("php", "java"):
        yield case.with_path(b"/portal" + case.path)
        yield case.with_path(b"/a/b-2" + case.path)


@mutator("percent_path", "a plain path without escapes: encoding a letter changes nothing (RFC 3986)")
def percent_path(case: Case) -> Iterator[Request]:
    if case.plain_path and not _ESCAPE.search(case.path):
        for every in (3, 1):
            yield case.with_path(escaped(case.path, every))


@mutator("percent_hex_case", "a target or form with an escape that has a letter: the digits of escapes have no case")
def percent_hex_case(case: Case) -> Iterator[Request]:
    yield case.with_target(_ESCAPE.sub(lambda found: found[0].swapcase(), case.request.target))
    if case.form_pieces:
        yield case.with_body(_ESCAPE.sub(lambda found: found[0].swapcase(), case.body))
