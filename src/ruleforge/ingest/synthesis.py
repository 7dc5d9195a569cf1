"""A request made to satisfy a rule, for sources that hold a rule and no request."""

import base64
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from itertools import islice, product
from types import MappingProxyType

import msgspec

from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Some, Tree

MAX_TRIES = 64  # choices among alternatives
MAX_SAMPLE = 2_000  # bytes of a text made for a pattern
MAX_DEPTH = 20

_SAMPLES = {
    b"sql_injection": b"1' UNION SELECT 1,2,3-- -",
    b"xss": b"<script>alert(1)</script>",
    b"traversal": b"../../../../etc/passwd",
    b"command_injection": b"1;cat /etc/passwd",
}
_HEAD, _TAIL, _NAME = b"rfqhead", b"rfqtail", b"rfqname"
STANDINS = (_HEAD, _TAIL, _NAME)
_PADDED = frozenset({"query_args", "form_args", "json", "headers", "cookies", "body", "multipart"})
_CANDIDATES = b"a1/.<'\"; $|&=-_:,A{[(`%\n"
_ESCAPES = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "r": "\r", "t": "\t"}
_NOTHING = frozenset("bBAz")


def synthesise(tree: Tree, spelling: Mapping[bytes, bytes] = MappingProxyType({})) -> Iterator[Request]:
    """Make requests that should satisfy `tree`, the likeliest first; the caller asks an evaluator which do.

    Negations are left to chance. Where the tree leaves open what stands around a text, or how a name is called, one of
    STANDINS stands there, if the tree lets it.

    Args:
        tree: what must hold.
        spelling: lower-case name → how its author wrote it.
    """
    for wanted in islice(_ways(tree, 0), MAX_TRIES):
        yield _Parts(wanted, spelling, padded=True).request()
        yield _Parts(wanted, spelling, padded=False).request()


# One condition, with the place of the `some` around it ("" outside) and a number that is its own for each `some`.
_Wanted = tuple[Condition, str, int]


def _ways(tree: Tree, depth: int, place: str = "", group: int = 0) -> Iterator[list[_Wanted]]:
    """Lists of conditions each of which is enough."""
    if depth > MAX_DEPTH:
        return
    match tree:
        case Condition():
            yield [(tree, place, group)]
        case AnyOf(parts):
            for part in parts:
                yield from _ways(part, depth + 1, place, group)
        case AllOf(parts):
            ways = [list(islice(_ways(part, depth + 1, place, group), 8)) for part in parts]
            for chosen in product(*ways):
                yield [each for way in chosen for each in way]
        case Some(inner_place, where):
            yield from _ways(where, depth + 1, inner_place, id(tree))
        case Not():
            yield []


class _Element(msgspec.Struct):
    """What one value of a place must be."""

    conditions: list[Condition]
    name: bytes | None = None
    filename: list[Condition] = msgspec.field(default_factory=list)
    names: list[Condition] = msgspec.field(default_factory=list)


class _Parts:
    """The parts of a request, gathered from conditions."""

    def __init__(self, wanted: list[_Wanted], spelling: Mapping[bytes, bytes], *, padded: bool) -> None:
        self.spelling, self.padded = spelling, padded
        self.places: dict[str, dict[object, _Element]] = {}
        for condition, place, group in wanted:
            if place:
                self._inside(condition, place, group)
            else:
                name = None if condition.name is None else self._spelt(condition.name)
                self._element(condition.field, name, name).conditions.append(condition)

    def _element(self, place: str, key: object, name: bytes | None) -> _Element:
        return self.places.setdefault(place, {}).setdefault(key, _Element([], name))

    def _inside(self, condition: Condition, place: str, group: int) -> None:
        element = self._element(place, group, None)
        chosen = {"filename": element.filename, "name": element.names}.get(condition.field, element.conditions)
        chosen.append(condition)

    def request(self) -> Request:
        """Put the parts together."""
        method, body = self._value("method"), self._body()
        target = self._value("target.raw") or _quoted(self._value("path.decoded") or b"/")
        query = urllib.parse.urlencode(self._pairs("query_args")).encode()
        if query:
            target += (b"&" if b"?" in target else b"?") + query
        headers = [(b"Host", b"target.example"), *((name, value) for name, value in self._pairs("headers"))]
        if cookies := self._pairs("cookies"):
            headers.append((b"Cookie", b"; ".join(name + b"=" + value for name, value in cookies)))
        if body is not None:
            kind, content = body
            given = {name.lower() for name, _ in headers}
            headers += [(b"Content-Type", kind)] * (b"content-type" not in given)
            headers.append((b"Content-Length", b"%d" % len(content)))
        return Request(
            method=method or (b"POST" if body is not None else b"GET"),
            target=target if target.startswith(b"/") else b"/" + target,
            headers=tuple(headers),
            body=None if body is None else body[1],
        )

    def _body(self) -> tuple[bytes, bytes] | None:
        if "body" in self.places:
            content = self._value("body")
            return (b"application/json" if content[:1] in (b"{", b"[", b'"') else b"text/plain"), content
        if "json" in self.places:
            return b"application/json", _json(self._pairs("json"))
        if "multipart" in self.places:
            fields = [*self.places["multipart"].values()]
            extra = [_part(name, value, b"") for name, value in self._pairs("form_args")]
            parts = [_part(self._named(each), self._text(each.conditions, "multipart"), _file(each)) for each in fields]
            return b"multipart/form-data; boundary=rfboundary", b"".join([*parts, *extra]) + b"--rfboundary--\r\n"
        if "form_args" in self.places:
            pairs = self._pairs("form_args")
            return b"application/x-www-form-urlencoded", urllib.parse.urlencode(pairs).encode()
        return None

    def _value(self, place: str) -> bytes:
        conditions = [each for element in self.places.get(place, {}).values() for each in element.conditions]
        return self._text(conditions, place) if conditions else b""

    def _pairs(self, place: str) -> list[tuple[bytes, bytes]]:
        return [(self._named(each), self._text(each.conditions, place)) for each in self.places.get(place, {}).values()]

    def _named(self, element: _Element) -> bytes:
        if element.names:
            name = _text_for(element.names)
            return self.spelling.get(name, name)
        return element.name if element.name is not None else _NAME

    def _spelt(self, name: Name) -> bytes:
        return _name_text(name) if name.how == "regex" else self.spelling.get(name.text, name.text)

    def _text(self, conditions: list[Condition], place: str) -> bytes:
        """A text for all conditions, with stand-ins where they let something stand around it."""
        if not conditions:
            return _TAIL
        text, asked = _text_for(conditions), {each.op for each in conditions}
        if asked <= {"present", "absent"}:
            return _TAIL
        if not self.padded or asked & {"equals", "in", "ends_with"}:
            return text
        if place in _PADDED and asked == {"contains"} and all(_keeps_text(each) for each in conditions):
            return _HEAD + text + _TAIL
        return text + _TAIL if text.endswith(b"/") else text


def _keeps_text(condition: Condition) -> bool:
    return not {"base64_decode", "hex_decode"} & set(condition.transforms)


def _file(element: _Element) -> bytes:
    return _text_for(element.filename) if element.filename else b""


def _part(name: bytes, value: bytes, filename: bytes) -> bytes:
    file = b'; filename="' + filename + b'"' if filename else b""
    head = b'--rfboundary\r\nContent-Disposition: form-data; name="' + name + b'"' + file
    return head + b"\r\n\r\n" + value + b"\r\n"


def _json(pairs: list[tuple[bytes, bytes]]) -> bytes:
    root: dict[str, object] = {}
    for name, value in pairs:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in name.decode("latin-1").lstrip("/").split("/")]
        node = root
        for step in steps[:-1]:
            inner = node.setdefault(step, {})
            node = inner if isinstance(inner, dict) else node
        node[steps[-1]] = value.decode("latin-1")
    return json.dumps(root).encode()


def _quoted(path: bytes) -> bytes:
    return urllib.parse.quote(path, safe="/:@!$&'()*+,=~-._").encode()


def _name_text(name: Name) -> bytes:
    return sample_pattern(name.text.decode("latin-1")) if name.how == "regex" else name.text


def _text_for(conditions: list[Condition]) -> bytes:
    """One text for all conditions: what it begins with, contains, ends with; or what it equals."""
    begins, inside, ends = b"", [], b""
    for condition in conditions:
        text = _wanted_text(condition)
        if condition.op in ("equals", "in"):
            return _encoded(text, condition)
        if condition.op == "starts_with":
            begins = text
        elif condition.op == "ends_with":
            ends = text
        else:
            inside.append(_encoded(text, condition))
    whole = begins
    for text in [*inside, ends]:
        whole = whole if text in whole else whole + text
    if ends and not whole.endswith(ends):
        whole += ends
    return _encoded(whole, conditions[0]) if begins or ends else whole


def _encoded(text: bytes, condition: Condition) -> bytes:
    """Undo the decoding that the condition does first."""
    if "base64_decode" in condition.transforms:
        return base64.b64encode(text)
    if "hex_decode" in condition.transforms:
        return text.hex().encode()
    if "percent_decode" in condition.transforms:
        return text.replace(b"%", b"%25").replace(b"+", b"%2B")
    return text


def _wanted_text(condition: Condition) -> bytes:
    value = condition.value
    if condition.op == "regex" and isinstance(value, bytes):
        return sample_pattern(value.decode("latin-1"))
    if condition.op == "is_class" and isinstance(value, bytes):
        return _SAMPLES.get(value, b"a")
    if isinstance(value, tuple):
        return value[0]
    if isinstance(value, int):
        return b"%d" % (value - 1 if condition.op == "int_lt" else value + 1)
    return value if value is not None else b"a"


def sample_pattern(pattern: str) -> bytes:
    """A text that a plain pattern should match: first alternatives, fewest repeats. It may fail, so ask afterwards."""
    try:
        return _Sampler(pattern).alternatives(0)[:MAX_SAMPLE].encode("latin-1", "replace")
    except IndexError:
        return b"a"


class _Sampler:
    """Walks a pattern once, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.position = pattern[:MAX_SAMPLE], 0

    def _more(self) -> bool:
        return self.position < len(self.pattern)

    def _take(self) -> str:
        self.position += 1
        return self.pattern[self.position - 1]

    def alternatives(self, depth: int) -> str:
        """The first of `a|b|c`, up to a closing bracket or the end; the rest is passed over."""
        first = self._sequence(depth)
        while self._more() and self.pattern[self.position] == "|":
            self.position += 1
            other = self._sequence(depth)
            first = first or other
        return first

    def _sequence(self, depth: int) -> str:
        made: list[str] = []
        size = 0
        while self._more() and self.pattern[self.position] not in "|)":
            atom = self._atom(depth)
            made.append(atom * self._repeats(atom))
            size += len(made[-1])
            if size > MAX_SAMPLE:
                raise IndexError
        return "".join(made)

    def _repeats(self, atom: str) -> int:
        if not self._more():
            return 1
        sign = self.pattern[self.position]
        count = 1
        if sign in "*?+":
            self.position += 1
            count = 1 if sign == "+" else 0
        elif found := _REPEAT.match(self.pattern, self.position):
            self.position = found.end()
            count = min(int(found[1] or 0), MAX_SAMPLE // max(len(atom), 1))
        if self._more() and self.pattern[self.position] == "?" and (sign in "*+?{"):
            self.position += 1
        return count

    def _atom(self, depth: int) -> str:
        sign = self._take()
        if sign == "(":
            return self._group(depth)
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign in "^$":
            return ""
        return "a" if sign == "." else sign

    def _group(self, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise IndexError
        if found := _GROUP.match(self.pattern, self.position):
            self.position = found.end()
            if found[0].endswith(")"):  # flags alone
                return ""
        text = self.alternatives(depth + 1)
        self.position += 1
        return text

    def _escape(self) -> str:
        sign = self._take()
        if sign == "x" and (found := _HEX.match(self.pattern, self.position)):
            self.position = found.end()
            return chr(int(found[1] or found[2], 16) & 0xFF)
        if sign in _NOTHING:
            return ""
        return _ESCAPES.get(sign, sign)

    def _class(self) -> str:
        negated = self.pattern[self.position] == "^"
        self.position += negated
        start, members = self.position, []
        while self.pattern[self.position] != "]" or self.position == start:
            sign = self._take()
            low = self._escape() if sign == "\\" else sign
            if not negated:
                members.append(low)
            elif self.pattern[self.position] == "-" and self.pattern[self.position + 1] != "]":
                self.position += 1
                members += [chr(code) for code in range(ord(low[:1] or "a"), ord(self._take()) + 1)]
            else:
                members += _MEMBERS.get(low, low) if sign == "\\" else low
        self.position += 1
        if not negated:
            return members[0] if members else ""
        return next((chr(code) for code in _CANDIDATES if chr(code) not in members), "a")


_REPEAT = re.compile(r"\{(\d{0,5})(?:,\d{0,5})?\}")
_GROUP = re.compile(r"\?(?:[imsU-]{0,8}[:)]|P?<\w{1,40}>)")
_HEX = re.compile(r"([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,2})\}")
_MEMBERS = {"1": "0123456789", "a": "abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ", " ": " \t\r\n"}
