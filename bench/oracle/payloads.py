"""The same payload, its blanks and keywords written differently."""

import re
from collections.abc import Callable, Iterator

from oracle.case import Case, Piece, mutator
from ruleforge.events.request import Request

_BLANK = rb"(?:\+|%20| )"
_BLANKS = re.compile(_BLANK)
_COMMENT = re.compile(rb"--|#|%23|%2d%2d", re.IGNORECASE)
_TAG = re.compile(rb"(?:<|%3c)[a-z](?:(?!%3e)[^<>]){0,400}", re.IGNORECASE)
_QUOTE = re.compile(rb"[\"'`]|%2[27]|%60")
_KEYWORDS = (
    rb"select|union|from|where|and|or|order|group|by|having|insert|update|delete|drop|into|sleep|benchmark|waitfor|"
    rb"delay|concat|char|case|when|then|else|end|all|null|extractvalue|updatexml|exec|declare|limit|like|between|exists"
)
_SQL = re.compile(rb"(?:(?<=%[0-9a-f]{2})|(?<![a-z0-9_@%.]))(?:" + _KEYWORDS + rb")(?![a-z0-9_.])", re.IGNORECASE)
_HTML = re.compile(
    rb"(?:<|%3c)(?:/|%2f)?(?:script|img|svg|iframe|body|details|input|video|audio|object|embed|marquee|a|math|style)"
    rb"(?![a-z0-9])|(?:(?<=%[0-9a-f]{2})|(?<=[\s\"'/+]))on[a-z]{3,20}(?==|%3d)",
    re.IGNORECASE,
)
_SQL_VALID = "an argument that is SQL injection, as the advisory says, with a blank before any comment"


def _separated(case: Case, name: str, change: Callable[[bytes], bytes]) -> Iterator[Request]:
    yield from case.rewritten(
        lambda piece: [Piece(piece.name, change(piece.value)) if case.payload(piece, name) else piece]
    )


def _in_sql(separator: bytes) -> Callable[[bytes], bytes]:
    """Replace blanks up to the first comment: what comes after it has rules of its own."""

    def change(value: bytes) -> bytes:
        comment = _COMMENT.search(value)
        end = comment.start() if comment else len(value)
        head = value[:end]
        kept = len(head) - len(re.sub(_BLANK + rb"{0,8}\Z", b"", head))  # a blank before `--` may be needed
        return _BLANKS.sub(separator, head[: len(head) - kept]) + head[len(head) - kept :] + value[end:]

    return change


@mutator("sql_tab", _SQL_VALID)
def sql_tab(case: Case) -> Iterator[Request]:
    yield from _separated(case, "sql_injection", _in_sql(b"%09"))


@mutator("sql_newline", _SQL_VALID)
def sql_newline(case: Case) -> Iterator[Request]:
    yield from _separated(case, "sql_injection", _in_sql(b"%0a"))
    yield from _separated(case, "sql_injection", _in_sql(b"%0D%0A"))


@mutator("sql_vertical_tab", _SQL_VALID + "; MySQL and MSSQL take %0b, so not where another database is named")
def sql_vertical_tab(case: Case) -> Iterator[Request]:
    if not _text(case) & {b"postgres", b"oracle", b"pg_sleep", b"dbms_"}:
        yield from _separated(case, "sql_injection", _in_sql(b"%0b"))


def _text(case: Case) -> set[bytes]:
    """Which databases a request speaks of."""
    text = (case.request.target + case.body).lower()
    return {word for word in (b"postgres", b"oracle", b"pg_sleep", b"dbms_") if word in text}


@mutator("sql_comment_blank", _SQL_VALID)
def sql_comment_blank(case: Case) -> Iterator[Request]:
    yield from _separated(case, "sql_injection", _in_sql(b"/**/"))


@mutator("sql_keyword_case", "an argument that is SQL injection, as the advisory says: keywords have no case")
def sql_keyword_case(case: Case) -> Iterator[Request]:
    yield from _separated(case, "sql_injection", lambda value: _SQL.sub(_mixed, value))


@mutator("html_tab", "an argument that is XSS, as the advisory says, with a blank inside a tag and outside of quotes")
def html_tab(case: Case) -> Iterator[Request]:
    yield from _separated(case, "xss", _in_tags(b"%09"))


@mutator("html_newline", "as html_tab")
def html_newline(case: Case) -> Iterator[Request]:
    yield from _separated(case, "xss", _in_tags(b"%0a"))
    yield from _separated(case, "xss", _in_tags(b"%0c"))


@mutator("html_keyword_case", "an argument that is XSS, as the advisory says: tags and handlers have no case")
def html_keyword_case(case: Case) -> Iterator[Request]:
    yield from _separated(case, "xss", lambda value: _HTML.sub(_mixed, value))


def _in_tags(separator: bytes) -> Callable[[bytes], bytes]:
    def change(found: re.Match[bytes]) -> bytes:
        quote = _QUOTE.search(found[0])
        end = quote.start() if quote else len(found[0])
        return _BLANKS.sub(separator, found[0][:end]) + found[0][end:]

    return lambda value: _TAG.sub(change, value)


@mutator("shell_tab", "an argument that is command injection, as the advisory says, with a blank outside of quotes")
def shell_tab(case: Case) -> Iterator[Request]:
    def change(value: bytes) -> bytes:
        quote = _QUOTE.search(value)
        end = quote.start() if quote else len(value)
        return _BLANKS.sub(b"%09", value[:end]) + value[end:]

    yield from _separated(case, "command_injection", change)


def _mixed(found: re.Match[bytes]) -> bytes:
    """Change the case of every other letter; escapes stay."""
    text, out = found[0], b""
    start = 3 if text[:1] == b"%" else 0
    for at, byte in enumerate(text):
        letter = bytes([byte])
        out += letter if at < start or at % 2 else letter.swapcase()
    return out
