"""Shell command lines as a shell would split them, as far as a document shows: nothing is run or looked up."""

import re

import msgspec

MAX_COMMAND = 64 << 10  # characters
MAX_WORDS = 2_000

_PLAIN = re.compile(r"[^\s'\"\\$`|;&<>()\u201c\u201d\u2018\u2019]+")
_VARIABLE = re.compile(r"\$(?:\{(\w{1,64})[^}\n]{0,100}\}|([A-Za-z_]\w{0,64})|(\d))")
_ANSI = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
_ANSI_CODE = re.compile(r"x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|([0-7]{1,3})")
_PAIRED = {"\u201c": "\u201d", "\u2018": "\u2019"}  # quotes that a word processor made of plain ones


class Command(msgspec.Struct, frozen=True):
    """One simple command."""

    words: tuple[str, ...]
    end: int  # position in the text after it
    unknown: tuple[str, ...] = ()  # names of variables and substitutions, as they stand in the words: `\\0name\\0`
    closed: bool = True  # False: a quote was never closed


def split_command(text: str, start: int = 0, closing: str = "") -> Command:
    """Split the command that begins at `start` into words; it ends at an unquoted line end, pipe, `;` or `&&`.

    Args:
        text: may go on after the command.
        start: where in it the command begins.
        closing: a character that ends it as well, for a command within backticks or brackets.
    """
    return _Splitter(text[: start + MAX_COMMAND], start, closing).run()


class _Splitter:
    def __init__(self, text: str, start: int, closing: str) -> None:
        self.text, self.at, self.closing = text, start, closing
        self.words: list[str] = []
        self.word: list[str] = []
        self.open = False  # a word has begun, maybe an empty one
        self.unknown: list[str] = []
        self.closed = True
        self.skip = False  # the next word is where output goes

    def run(self) -> Command:
        while self.at < len(self.text) and len(self.words) < MAX_WORDS:
            character = self.text[self.at]
            if character == self.closing or not self._step(character):
                break
        self._finish()
        return Command(tuple(self.words), self.at, tuple(dict.fromkeys(self.unknown)), self.closed)

    def _step(self, character: str) -> bool:
        """Read one piece; False at the end of the command."""
        if character in " \t\r":
            self._finish()
            self.at += 1
        elif character in "\n|;&<>()":
            return self._operator(character)
        elif character == "\\":
            self._escape()
        elif character == "'":
            self._quoted("'")
        elif character == '"':
            self._double('"')
        elif character in _PAIRED:
            self._quoted(_PAIRED[character])
        elif character == "$":
            self._dollar()
        elif character == "`" and not self.closing:
            self._substitution("`")
        else:
            found = _PLAIN.match(self.text, self.at)
            self._add(found[0] if found else character)
            self.at += len(found[0]) if found else 1
        return True

    def _operator(self, character: str) -> bool:
        after = self.text[self.at + 1 : self.at + 2]
        if character == "\n":
            return False
        # People forget to quote URLs: an operator within a word is meant as part of it.
        inside = self.open and after not in ("", " ", "\t", "\r", "\n", "&", "|")
        if character in "&;|()" and inside:
            self._add(character)
            self.at += 1
            return True
        if character in "<>":
            if inside and character == "<":
                self._add(character)
                self.at += 1
                return True
            if self.open and "".join(self.word).isdigit():
                self.word, self.open = [], False
            self._finish()
            self.skip = True
            self.at += 2 if after in (">", "&") else 1
            return True
        return False

    def _escape(self) -> None:
        after = self.text[self.at + 1 : self.at + 3]
        if after.startswith("\n") or after == "\r\n":
            self.at += 2 if after.startswith("\n") else 3
            return
        rest = self.text[self.at + 1 : self.at + 200]
        blank = len(rest) - len(rest.lstrip(" \t"))
        if blank and rest[blank : blank + 1] == "\n":  # a blank slipped in after the backslash
            self.at += blank + 2
            return
        self._add(after[:1])
        self.at += 2

    def _quoted(self, closing: str) -> None:
        end = self.text.find(closing, self.at + 1)
        if end < 0:
            self._unclosed()
            return
        self._add(self.text[self.at + 1 : end])
        self.at = end + 1

    def _unclosed(self) -> None:
        """A quote that is never closed: the rest of the line is all that can be meant."""
        self.closed = False
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        self._add(self.text[self.at + 1 : end])
        self.at = end

    def _double(self, closing: str) -> None:
        if self.text.find(closing, self.at + 1) < 0:
            self._unclosed()
            return
        self.at += 1
        self._add("")
        while self.at < len(self.text) and self.text[self.at] != closing:
            character = self.text[self.at]
            if character == "\\":
                after = self.text[self.at + 1 : self.at + 2]
                self._add("" if after == "\n" else after if after and after in '"\\$`' else "\\" + after)
                self.at += 2
            elif character == "$":
                self._dollar(quoted=True)
            elif character == "`":
                self._substitution("`")
            else:
                found = re.compile(r"[^\"\\$`]+").match(self.text, self.at)
                self._add(found[0] if found else character)
                self.at += len(found[0]) if found else 1
        self.closed &= self.at < len(self.text)
        self.at += 1

    def _dollar(self, *, quoted: bool = False) -> None:
        after = self.text[self.at + 1 : self.at + 2]
        if after == "'" and not quoted:
            self._ansi()
            return
        if after == '"' and not quoted:
            self.at += 1
            return
        if after == "(":
            self._substitution(")")
            return
        found = _VARIABLE.match(self.text, self.at)
        if found is None or re.match(r"\$\{(?:jndi|lower|upper|env|sys|java)\b", found[0], re.IGNORECASE):
            self._add("$")
            self.at += 1
            return
        self._unknown(found[1] or found[2] or "argument" + (found[3] or ""))
        self.at = found.end()

    def _ansi(self) -> None:
        self.at += 2
        self._add("")
        while self.at < len(self.text) and self.text[self.at] != "'":
            if self.text[self.at] != "\\":
                end = min((e for e in (self.text.find(c, self.at) for c in "\\'") if e >= 0), default=len(self.text))
                self._add(self.text[self.at : end])
                self.at = end
                continue
            code = _ANSI_CODE.match(self.text, self.at + 1)
            letter = self.text[self.at + 1 : self.at + 2]
            if code and code[2]:
                self._add(chr(int(code[2], 16)))
            elif code:
                self._add(_byte(int(code[1], 16) if code[1] else int(code[3], 8)))
            else:
                self._add(_ANSI.get(letter, letter))
            self.at += 1 + (len(code[0]) if code else 1)
        self.closed &= self.at < len(self.text)
        self.at += 1

    def _substitution(self, closing: str) -> None:
        end = self.text.find(closing, self.at + 2)
        if end < 0:
            self._add(self.text[self.at])
            self.at += 1
            return
        self._unknown("command")
        self.at = end + 1

    def _unknown(self, name: str) -> None:
        self.unknown.append(name)
        self._add(f"\0{name}\0")

    def _add(self, piece: str) -> None:
        self.word.append(piece)
        self.open = True

    def _finish(self) -> None:
        if self.open and not self.skip:
            self.words.append("".join(self.word))
        if self.open:
            self.skip = False
        self.word, self.open = [], False


def _byte(value: int) -> str:
    """A byte as `to_text` would have decoded it."""
    return chr(value & 0xFF) if value & 0xFF < 0x80 else chr(0xDC00 + (value & 0xFF))
