r"""Our rules as Suricata signatures, for the comparison only: each alternative of a rule is one or more signatures.

Suricata sees a decoded URI, headers and a raw body, no arguments: a class asked about an argument becomes a pattern
after `name=`. What differs is counted by reason, and the agreement with the reference is measured.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

import msgspec

from peers.conjunctions import Atom, CannotError, alternatives
from ruleforge.rules.classes import load_class
from ruleforge.rules.tree import Rule

SIDS_EACH = 256
MAX_SIGNATURES = 96  # of one rule
PATTERN_BYTES = 5_500  # a signature has at most 8 kB
_BUFFERS = {"path": "http.uri", "path.decoded": "http.uri", "path.raw": "http.uri.raw", "query.raw": "http.uri.raw"}
_BUFFERS |= {"target.raw": "http.uri.raw", "body": "http.request_body", "method": "http.method"}
# A byte of a pattern: escaped, a class, an anchor.
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\^", re.DOTALL)


class Signatures(msgspec.Struct, frozen=True):
    """The text of a rule file, and what became of the rules."""

    text: str
    rules: frozenset[int]
    count: int
    refused: Counter[str]
    inexact: Counter[str]


def convert(rules: Sequence[Rule]) -> Signatures:
    """Convert what Suricata can say."""
    lines, done, refused, inexact = [], set(), Counter[str](), Counter[str]()
    for position, rule in enumerate(rules):
        try:
            writer = _Writer(dict(rule.classes))
            bodies = writer.rule_bodies(rule)
        except CannotError as reason:
            refused[str(reason)] += 1
            continue
        inexact.update(writer.notes)
        done.add(position)
        for at, body in enumerate(bodies):
            sid = 1 + SIDS_EACH * position + at
            lines.append(
                f'alert http any any -> any any (msg:"r"; flow:established,to_server; {body} sid:{sid}; rev:1;)'
            )
    return Signatures("\n".join(lines) + "\n", frozenset(done), len(lines), refused, inexact)


def rule_of(sid: int) -> int:
    """Return the position of the rule that a signature is an alternative of."""
    return (sid - 1) // SIDS_EACH


class _Writer:
    def __init__(self, classes: dict[str, int]) -> None:
        self._classes = classes
        self.notes: set[str] = set()

    def rule_bodies(self, rule: Rule) -> list[str]:
        """Return the options of every signature that the rule needs."""
        found = [body for conjunction in alternatives(rule.when) for body in self.bodies(conjunction)]
        if len(found) > MAX_SIGNATURES:
            raise CannotError("too many alternatives")
        return found

    def bodies(self, conjunction: Sequence[Atom]) -> Iterator[str]:
        """Yield the options of every signature that the conjunction needs."""
        choices = [self._atom(atom) for atom in conjunction]
        size = 1
        for choice in choices:
            size *= len(choice)
        if size > MAX_SIGNATURES:
            raise CannotError("too many alternatives")
        return (" ".join(choice) for choice in product(*choices))

    def _atom(self, atom: Atom) -> list[str]:
        """Return alternatives, each the options of one question."""
        if atom.negated:
            raise CannotError("a negated question")
        if atom.condition.transforms not in ((), ("lower",)):
            raise CannotError("transforms")
        if atom.part != "value":
            raise CannotError(f"{atom.part}s of {atom.field}")
        if atom.field in _BUFFERS:
            return self._single(atom, _BUFFERS[atom.field])
        if atom.field in ("args", "query_args", "form_args"):
            return self._arguments(atom)
        if atom.field == "headers":
            return self._headers(atom)
        if atom.field == "cookies":
            self.notes.add("cookies: not decoded")
            return [f"http.cookie; {one}" for one in self._named(atom, r"(?:^|;\s*)", r"(?=;|\z)", ";")]
        raise CannotError(f"field {atom.field}")

    def _single(self, atom: Atom, buffer: str) -> list[str]:
        op, value = atom.condition.op, atom.condition.value
        if op == "is_class":
            self.notes.add("class: fewer decodings")
            return [f"{buffer}; {_pcre(group)}" for group in self._class(atom, "^", r"\z")]
        if not isinstance(value, bytes):
            raise CannotError(f"operator {op} of {atom.field}")
        flag = "i" if atom.condition.transforms else ""
        inside = r"^[^?]*" if buffer.startswith("http.uri") and atom.field.startswith("path") else ""
        end = r"(?:\?|\z)" if inside else r"\z"
        text = _text(value)
        pattern = {
            "equals": f"^{text}{end}",
            "contains": "",
            "starts_with": f"^{text}",
            "ends_with": f"{inside}{text}{end}",
            "path_suffix": f"{inside}{text}\\/?{end}",
            "path_segments": f"{inside}{text}(?:\\/|{end})",
        }.get(op)
        if pattern is None:
            raise CannotError(f"operator {op} of {atom.field}")
        content = f"content:{_content(value)};" + (" nocase;" if flag else "")
        return [f"{buffer}; {content} {_pcre(pattern, flag) if pattern else ''}".rstrip()]

    def _arguments(self, atom: Atom) -> list[str]:
        self.notes.add("arguments: those of bodies are not decoded")
        found = []
        if atom.field != "form_args":
            found += [f"http.uri; {one}" for one in self._named(atom, "[?&]", r"(?=&|\z)", "&")]
        if atom.field != "query_args":
            found += [f"http.request_body; {one}" for one in self._named(atom, "(?:^|&)", r"(?=&|\z)", "&")]
        return found

    def _headers(self, atom: Atom) -> list[str]:
        if atom.name is None or atom.name.how == "regex":
            raise CannotError("headers without a name")
        name = atom.name.text
        if atom.condition.op in ("present", "absent"):
            mark = "!" if atom.condition.op == "absent" else ""
            return [f'http.header_names; content:{mark}"|0d 0a|{_content(name)[1:-1]}|0d 0a|"; nocase;']
        if name.lower() == b"cookie":
            raise CannotError("the header cookie as text")
        start = f"(?:^|\\r\\n)(?i:{_text(name)}):[ \\t]*"
        return [f"http.header; {one}" for one in self._values(atom, start, r"(?=\r\n|\z)", r"\r\n", "")]

    def _named(self, atom: Atom, before: str, end: str, stop: str) -> list[str]:
        if atom.name is None:
            return self._values(atom, f"{before}[^={stop}]*=", end, stop, "")
        if atom.name.how not in ("exact", "lower"):
            raise CannotError("names by pattern")
        flag = "(?i)" if atom.name.how == "lower" else ""
        content = f"content:{_content(atom.name.text)};{' nocase;' if flag else ''} "
        if atom.condition.op == "present":
            return [content + _pcre(f"{flag}{before}{_text(atom.name.text)}(?:=|{end})")]
        return self._values(atom, f"{flag}{before}{_text(atom.name.text)}=", end, stop, content)

    def _values(self, atom: Atom, start: str, end: str, stop: str, content: str) -> list[str]:
        op, value = atom.condition.op, atom.condition.value
        if op == "is_class":
            self.notes.add("class: fewer decodings")
            groups = self._class(atom, "(?<==)" if start.endswith("=") else r"(?<=: )", end)
            return [content + _pcre(f"{start}[^{stop}]*?(?:{group})", "i") for group in groups]
        values = value if isinstance(value, tuple) else (value,)
        texts = [_text(text) for text in values if isinstance(text, bytes)]
        either = f"(?:{'|'.join(texts)})"
        inside = f"[^{stop}]*?"
        pattern = {
            "equals": f"{start}{either}{end}",
            "in": f"{start}{either}{end}",
            "contains": f"{start}{inside}{either}",
            "starts_with": f"{start}{either}",
            "ends_with": f"{start}{inside}{either}{end}",
            "path_suffix": f"{start}{inside}{either}\\/?{end}",
        }.get(op)
        if pattern is None or not texts:
            raise CannotError(f"operator {op} of {atom.field}")
        return [content + _pcre(pattern, "i" if atom.condition.transforms else "")]

    def _class(self, atom: Atom, start: str, end: str) -> list[str]:
        """Return the patterns of a class in groups that fit a signature, its anchors made those of a value."""
        value = atom.condition.value
        name = value.decode("ascii") if isinstance(value, bytes) else ""
        patterns = [
            _reanchored(pattern.regex, start, end) for pattern in load_class(name, self._classes[name]).data.patterns
        ]
        groups, group = [], ""
        for pattern in patterns:
            if len(pattern) > PATTERN_BYTES:
                raise CannotError("a pattern longer than a signature may be")
            if group and len(group) + len(pattern) > PATTERN_BYTES:
                groups.append(group)
                group = ""
            group = f"{group}|{pattern}" if group else pattern
        return [*groups, group]


def _reanchored(regex: str, start: str, end: str) -> str:
    if not regex.isascii() or "\\Q" in regex:
        raise CannotError("a pattern with bytes beyond ASCII")

    def replace(found: re.Match[str]) -> str:
        return {"^": start, r"\z": end}.get(found[0], found[0])

    text = _PART.sub(replace, regex)
    # An escaped slash, quote or semicolon and a bare one mean the same.
    for char in '/";':
        text = text.replace(f"\\{char}", char).replace(char, f"\\x{ord(char):02x}")
    return text


def _pcre(pattern: str, flags: str = "") -> str:
    safe = pattern.replace("\\/", "\\x2f").replace('"', r"\x22").replace(";", r"\x3b").replace("/", r"\x2f")
    return f'pcre:"/{safe}/{flags}";'


def _text(text: bytes) -> str:
    return "".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in text)


def _content(text: bytes) -> str:
    shown = (chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"|{byte:02x}|" for byte in text)
    return f'"{"".join(shown)}"'
