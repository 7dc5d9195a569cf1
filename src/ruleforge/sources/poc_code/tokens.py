"""Tokens of scripts, by one scanner that is told what quotes, comments and variables look like in a language."""

import re
from collections.abc import Callable

import msgspec

from ruleforge.sources.poc_code.texts import backslash_decoded
from ruleforge.sources.poc_code.values import Limit

MAX_TOKENS = 120_000
MAX_INTERPOLATIONS = 2_000  # of one text

_SPACE = re.compile(r"[ \t\r\f\v]+|\\\r?\n")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|\d[\d_]{0,18}(?:\.\d{1,18})?")
_WORD = re.compile(r"[^\W\d]\w*")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_BRACKETS = re.compile(r"[\[\](){}\\\"']")


class Token(msgspec.Struct, frozen=True):
    """One token; `parts` of a text are literal strings, and sources of expressions as one-element tuples."""

    kind: str  # "name" | "variable" | "text" | "number" | "sign" | "line" | "end"
    value: str
    line: int
    spaced: bool = False  # a blank stands before it
    parts: tuple[str | tuple[str], ...] = ()


class Syntax(msgspec.Struct, frozen=True):
    """What the scanner must know about a language."""

    line_comments: tuple[str, ...]
    signs: tuple[str, ...]  # longest first
    variable: re.Pattern[str] | None = None  # variables with a sigil
    names: re.Pattern[str] = _WORD
    block_comments: tuple[tuple[str, str], ...] = ()
    interpolating: str = ""  # quotes whose texts hold expressions and escapes
    escaping: str = ""  # quotes whose texts hold escapes alone
    plain: str = ""  # quotes whose texts escape nothing but the quote
    raw: str = ""  # quotes without any escape
    interpolation: re.Pattern[str] | None = None  # matches up to the opening bracket, or a whole variable
    lines_matter: bool = False
    percent_quotes: bool = False  # Ruby's %q(…), Perl's q{…}
    letter_quotes: bool = False
    heredoc: re.Pattern[str] | None = None  # groups: "-" or "~", quote, label
    regex_literals: bool = False


class Scanner:
    """Cuts one source into tokens; use `tokens`."""

    def __init__(self, source: str, syntax: Syntax, line: int = 1) -> None:
        self._source, self._syntax, self._line = source, syntax, line
        self._at = 0
        self._done: list[Token] = []
        self._heredocs: list[tuple[int, re.Match[str]]] = []
        self._began = 0
        self._brackets_left = MAX_INTERPOLATIONS

    def tokens(self) -> tuple[Token, ...]:
        """All tokens; what cannot be read is skipped, and an open quote ends with the source.

        Raises:
            Limit: there are too many.
        """
        length = len(self._source)
        while self._at < length:
            if len(self._done) > MAX_TOKENS:
                raise Limit(f"more than {MAX_TOKENS} tokens")
            start = self._at
            self._one()
            if self._at <= start:
                self._at = start + 1
        self._put("end", "")
        return tuple(self._done)

    def _put(self, kind: str, value: str, *parts: str | tuple[str]) -> None:
        spaced = self._began > 0 and self._source[self._began - 1 : self._began].isspace()
        self._done.append(Token(kind, value, self._line, spaced, parts))

    def _one(self) -> None:
        source, syntax, self._began = self._source, self._syntax, self._at
        space = _SPACE.match(source, self._at)
        if space is not None:
            self._advance(space.end())
            return
        if source[self._at] == "\n":
            self._newline()
            return
        if self._comment() or self._heredoc() or self._quote():
            return
        for kind, pattern in (("variable", syntax.variable), ("number", _NUMBER), ("name", syntax.names)):
            found = pattern.match(source, self._at) if pattern is not None else None
            if found is not None and found.end() > self._at:
                self._put(kind, found[0])
                self._at = found.end()
                return
        for sign in syntax.signs:
            if source.startswith(sign, self._at):
                self._put("sign", sign)
                self._at += len(sign)
                return

    def _advance(self, end: int) -> None:
        self._line += self._source.count("\n", self._at, end)
        self._at = end

    def _newline(self) -> None:
        if self._syntax.lines_matter and self._done and self._done[-1].kind != "line":
            self._put("line", "\n")
        self._advance(self._at + 1)
        for position, found in self._heredocs:
            self._read_heredoc(position, found)
        self._heredocs = []

    def _comment(self) -> bool:
        source = self._source
        for start, end in self._syntax.block_comments:
            if source.startswith(start, self._at):
                at = source.find(end, self._at + len(start))
                self._advance(len(source) if at < 0 else at + len(end))
                return True
        if source.startswith(self._syntax.line_comments, self._at):
            end_of_line = source.find("\n", self._at)
            self._at = len(source) if end_of_line < 0 else end_of_line
            return True
        return False

    # Texts

    def _quote(self) -> bool:
        mark, syntax = self._source[self._at], self._syntax
        if mark in syntax.interpolating + syntax.escaping + syntax.plain + syntax.raw:
            style = "raw" if mark in syntax.raw else "plain" if mark in syntax.plain else "escaping"
            style = "interpolating" if mark in syntax.interpolating else style
            self._text(self._at + 1, mark, "", style)
            return True
        if syntax.percent_quotes and mark == "%" and self._value_may_begin():
            found = re.compile(r"%([qQwWi]?)([(\[{<|!/])").match(self._source, self._at)
            if found is not None:
                style = "plain" if found[1] in ("q", "w", "i") else "interpolating"
                self._words_or_text(found, style, words=found[1] in ("w", "W", "i"))
                return True
        if syntax.letter_quotes and mark == "q" and self._value_may_begin():
            found = re.compile(r"(q[qw]?)[ ]?([(\[{<|!/~])").match(self._source, self._at)
            if found is not None:
                self._words_or_text(found, "interpolating" if found[1] == "qq" else "plain", words=found[1] == "qw")
                return True
        if syntax.regex_literals and mark == "/" and self._value_may_begin():
            found = re.compile(r"/(?:[^/\\\n]|\\.){1,500}/[a-z]{0,6}").match(self._source, self._at)
            if found is not None:
                self._put("text", "", found[0])
                self._at = found.end()
                return True
        return False

    def _value_may_begin(self) -> bool:
        if not self._done:
            return True
        last = self._done[-1]
        if last.kind in ("line", "end") or (last.kind == "sign" and last.value not in (")", "]", "}")):
            return True
        after = self._source[self._at + 1 : self._at + 2]
        spaced = self._at > 0 and self._source[self._at - 1].isspace()
        return last.kind == "name" and spaced and not after.isspace()

    def _words_or_text(self, found: re.Match[str], style: str, *, words: bool) -> None:
        mark = found[2]
        before = len(self._done)
        self._text(found.end(), _CLOSING.get(mark, mark), mark if mark in _CLOSING else "", style)
        if words and len(self._done) > before:
            text = self._done.pop()
            literal = "".join(part for part in text.parts if isinstance(part, str))
            self._done.append(Token("sign", "[", text.line, text.spaced))
            for word in literal.split()[:500]:
                self._done += [Token("text", "", text.line, True, (word,)), Token("sign", ",", text.line)]
            self._done.append(Token("sign", "]", text.line))

    def _text(self, start: int, close: str, opening: str, style: str) -> None:
        """Read up to `close`; `opening` brackets inside are counted."""
        source, depth, at = self._source, 0, start
        stops = re.compile(f"[{re.escape(close + opening)}\\\\]|{self._interpolation_start(style)}")
        while True:
            found = stops.search(source, at)
            if found is None:
                end = at = len(source)
                break
            mark = found[0]
            if mark == "\\" and style != "raw":
                at = found.end() + 1
            elif mark == close and not depth:
                end, at = found.start(), found.end()
                break
            elif mark in (close, opening):
                depth += 1 if mark == opening else -1
                at = found.end()
            elif len(mark) > 1 and mark[-1] == "{":
                at = self._end_of_bracket(found.end())
            else:
                at = found.end()
        self._put("text", "", *self._parts(source[start:end], style, close))
        self._advance(at)

    def _interpolation_start(self, style: str) -> str:
        pattern = self._syntax.interpolation
        return "#\\{|\\$\\{|\\{\\$" if pattern is not None and style == "interpolating" else "(?!)"

    def _end_of_bracket(self, start: int) -> int:
        """Where the `{` that was opened before `start` closes."""
        depth = 1
        self._brackets_left -= 1
        if self._brackets_left < 0:
            raise Limit(f"more than {MAX_INTERPOLATIONS} expressions in texts")
        for found in _BRACKETS.finditer(self._source, start, start + 4_000):
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            if depth == 0:
                return found.end()
        return start

    def _parts(self, body: str, style: str, close: str) -> tuple[str | tuple[str], ...]:
        if style == "raw":
            return (body,)
        if style == "plain":
            return (re.sub(r"\\([\\" + re.escape(close) + "])", r"\1", body),)
        if style == "escaping" or self._syntax.interpolation is None:
            return (backslash_decoded(body),)
        return interpolated(body, self._syntax.interpolation)

    # Here-documents

    def _heredoc(self) -> bool:
        pattern = self._syntax.heredoc
        found = pattern.match(self._source, self._at) if pattern is not None else None
        if found is None:
            return False
        self._heredocs.append((len(self._done), found))
        self._put("text", "")
        self._at = found.end()
        return True

    def _read_heredoc(self, position: int, found: re.Match[str]) -> None:
        lines: list[str] = []
        at = self._at
        while at < len(self._source):
            end = self._source.find("\n", at)
            end = len(self._source) if end < 0 else end
            line = self._source[at:end]
            at = end + 1
            if line.strip().rstrip(";,).") == found[3]:
                # PHP goes on after the label: the rest of the line counts
                at -= len(line) - line.find(found[3]) - len(found[3]) + 1 if line.strip() != found[3] else 0
                break
            lines.append(line)
        if found[1] == "~":
            indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
            lines = [line[indent:] for line in lines]
        body = "".join(line + "\n" for line in lines)
        style = "plain" if found[2] == "'" else "interpolating"
        old = self._done[position]
        self._done[position] = Token("text", "", old.line, old.spaced, self._parts(body, style, "\0"))
        self._advance(min(at, len(self._source)))


def interpolated(body: str, pattern: re.Pattern[str]) -> tuple[str | tuple[str], ...]:
    """Cut a text into literals and expressions; `pattern` finds one, its last group is the expression."""
    parts: list[str | tuple[str]] = []
    position = 0
    escapes: Callable[[str], str] = backslash_decoded
    while len(parts) < MAX_INTERPOLATIONS:
        found = pattern.search(body, position)
        if found is None:
            break
        end = found.end()
        expression = next((group for group in found.groups() if group), "")
        if found[0].endswith("{") and not expression:
            end = _close(body, end)
            expression = body[found.end() : end - 1]
        parts += [escapes(body[position : found.start()]), (expression,)]
        position = end
    return (*parts, escapes(body[position:]))


def _close(body: str, start: int) -> int:
    depth = 1
    for at in range(start, min(len(body), start + 4_000)):
        depth += {"{": 1, "}": -1}.get(body[at], 0)
        if depth == 0:
            return at + 1
    return min(len(body), start + 4_000)
