r"""Our rules in SecLang, for the comparison only: each alternative of a rule is one chain.

A person who writes thousands of rules would normalise the path once, not in each rule; so does the preamble here.
What differs is counted by reason, and the agreement with the reference on the same requests is measured.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from peers.conjunctions import Atom, CannotError, Conjunction, alternatives
from ruleforge.rules.classes import load_class
from ruleforge.rules.tree import Name, Rule

IDS_EACH = 32  # ids from 1,000 + 32 x position: the alternatives of one rule
FIRST_ID = 1_000

PREAMBLE = r"""
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 1048576
SecRequestBodyNoFilesLimit 1048576
SecRequestBodyLimitAction ProcessPartial
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application(?:/soap\+|/)|text/)xml" "id:1,phase:1,pass,nolog,t:lowercase,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/(?:[a-z0-9.-]+\+)?json" "id:2,phase:1,pass,nolog,t:lowercase,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_FILENAME "@rx \A(.*?)/?\z" "id:3,phase:1,pass,nolog,capture,t:normalizePathWin,setvar:tx.path=%{MATCHED_VAR},setvar:tx.endpoint=%{TX.1}"
SecRule REQUEST_URI_RAW "@rx \A(?:[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/?]*)?([^?]*)" "id:4,phase:1,pass,nolog,capture,setvar:tx.raw=%{TX.1}"
"""  # noqa: E501 - directives are one line each

_VARIABLES = {
    "method": ("REQUEST_METHOD",),
    "version": ("REQUEST_PROTOCOL",),
    "target.raw": ("REQUEST_URI_RAW",),
    "path": ("TX:path",),
    "path.raw": ("TX:raw",),
    "path.decoded": ("REQUEST_FILENAME",),
    "query.raw": ("QUERY_STRING",),
    "body": ("REQUEST_BODY",),
    "source.address": ("REMOTE_ADDR",),
}
_COLLECTIONS = {
    "args": ("ARGS",),
    "query_args": ("ARGS_GET",),
    "form_args": ("ARGS_POST",),
    "multipart": ("ARGS_POST", "FILES"),
    "headers": ("REQUEST_HEADERS",),
    "cookies": ("REQUEST_COOKIES",),
}
_NAMES = {"args": "ARGS_NAMES", "query_args": "ARGS_GET_NAMES", "form_args": "ARGS_POST_NAMES"}
_NAMES |= {"headers": "REQUEST_HEADERS_NAMES", "cookies": "REQUEST_COOKIES_NAMES", "multipart": "ARGS_POST_NAMES"}
_TRANSFORMS = {
    "percent_decode": "urlDecode",
    "percent_u_decode": "urlDecodeUni",
    "html_entity_decode": "htmlEntityDecode",
    "unicode_escape_decode": "jsDecode",
    "lower": "lowercase",
    "normalize_path": "normalizePathWin",
    "base64_decode": "base64Decode",
    "hex_decode": "hexDecode",
    "remove_nulls": "removeNulls",
    "compress_whitespace": "compressWhitespace",
    "trim": "trim",
}
_FORMS = {
    "percent": ("urlDecodeUni", "urlDecodeUni", "urlDecodeUni"),
    "percent_u": ("urlDecodeUni",),
    "entities": ("htmlEntityDecode",),
    "unicode_escape": ("jsDecode",),
    "base64": ("base64Decode",),
}
_PLAIN = re.compile(rb"[A-Za-z0-9_.][A-Za-z0-9_.-]*\Z")
_SAFE_TEXT = re.compile(rb"[A-Za-z0-9_./=&?:;,+-][A-Za-z0-9_./=&?:;,+ -]*(?<! )\Z")


class Converted(msgspec.Struct, frozen=True):
    """The text of a rule set, and what became of the rules."""

    text: str
    rules: frozenset[int]  # positions of rules that were converted
    secrules: int
    refused: Counter[str]  # reason → rules left out
    inexact: Counter[str]  # reason → rules that mean nearly the same


def convert(rules: Sequence[Rule]) -> Converted:
    """Convert what SecLang can say."""
    texts, done, refused, inexact = [PREAMBLE], set(), Counter[str](), Counter[str]()
    count = 0
    for position, rule in enumerate(rules):
        try:
            writer = _Writer(dict(rule.classes))
            chains = [
                writer.write(conjunction, FIRST_ID + IDS_EACH * position + at)
                for at, conjunction in enumerate(alternatives(rule.when))
            ]
        except CannotError as reason:
            refused[str(reason)] += 1
            continue
        inexact.update(writer.notes)
        texts += chains
        count += len(chains)
        done.add(position)
    return Converted("\n".join(texts), frozenset(done), count, refused, inexact)


def rule_of(secrule_id: int) -> int | None:
    """Return the position of the rule that a SecRule is an alternative of; None for those of the preamble."""
    return None if secrule_id < FIRST_ID else (secrule_id - FIRST_ID) // IDS_EACH


class _Written(msgspec.Struct, frozen=True):
    """One SecRule, without its id."""

    variables: str
    operator: str
    actions: str
    cost: int


class _Writer:
    """Writes one rule and notes where the meaning differs."""

    def __init__(self, classes: dict[str, int]) -> None:
        self._classes = classes
        self.notes: set[str] = set()

    def write(self, conjunction: Conjunction, secrule_id: int) -> str:
        """Write one chain, its cheapest question first."""
        parts = sorted((self._atom(atom) for atom in conjunction), key=lambda part: part.cost)
        lines = []
        for at, part in enumerate(parts):
            first = f"id:{secrule_id},phase:2,pass,log," if at == 0 else ""
            chained = ",chain" if at < len(parts) - 1 else ""
            lines.append(f'SecRule {part.variables} "{part.operator}" "{first}{part.actions}{chained}"')
        return "\n".join(lines)

    def _atom(self, atom: Atom) -> _Written:
        condition, negation = atom.condition, "!" if atom.negated else ""
        variables = self._variables(atom)
        if condition.op in _COUNTS:
            if condition.transforms:
                raise CannotError("a count after transforms")
            if len(variables) > 1 and condition.op != "present":
                raise CannotError("a count over several collections")
            compare = _COUNTS[condition.op] % (condition.value if condition.op == "count_gt" else 0)
            return _Written("|".join("&" + name for name in variables), compare, "t:none", 4)
        if condition.op == "is_class":
            return self._class(atom, variables, negation)
        actions = "".join(f",t:{self._transform(name)}" for name in condition.transforms)
        if condition.op in ("length_gt", "length_lt"):
            compare = {"length_gt": "@gt", "length_lt": "@lt"}[condition.op]
            return _Written(
                "|".join(variables), f"{negation}{compare} {condition.value}", f"t:none{actions},t:length", 2
            )
        if condition.op == "path_suffix" and atom.field == "path" and not condition.transforms:
            variables = ("TX:endpoint",)
        operator, cost = _operator(condition.op, condition.value, endpoint=variables == ("TX:endpoint",))
        return _Written("|".join(variables), negation + operator, f"t:none{actions}", cost)

    def _class(self, atom: Atom, variables: Sequence[str], negation: str) -> _Written:
        name = str(atom.condition.value, "ascii") if isinstance(atom.condition.value, bytes) else ""
        known = load_class(name, self._classes[name])
        self.notes.add("class: decodings one after the other")
        decoding = [f"t:{step}" for form in known.data.forms for step in _FORMS.get(form, ())]
        if "base64_part" in known.data.forms:
            self.notes.add("class: base64 inside a value is not seen")
        regex = "|".join(f"(?:{_quoted_regex(pattern.regex.encode())})" for pattern in known.data.patterns)
        actions = ",".join(["t:none", *decoding, "multiMatch"])
        return _Written("|".join(variables), f"{negation}@rx (?i-sm){regex}", actions, 9)

    def _transform(self, name: str) -> str:
        if name not in _TRANSFORMS:
            raise CannotError(f"transform {name}")
        return _TRANSFORMS[name]

    def _variables(self, atom: Atom) -> tuple[str, ...]:
        if atom.field in _VARIABLES:
            if atom.field == "path":
                self.notes.add("path: ;parameters are not cut")
            return _VARIABLES[atom.field]
        if atom.field in ("json", "xml"):
            return self._document(atom)
        if atom.field not in _COLLECTIONS:
            raise CannotError(f"field {atom.field}")
        if atom.part == "name":
            if atom.name is not None:
                raise CannotError("several questions about one element")
            return (_NAMES[atom.field],)
        collections = _COLLECTIONS[atom.field]
        if atom.field == "multipart":
            self.notes.add("multipart: contents of files are not seen")
            collections = ("FILES",) if atom.part == "filename" else collections
        if atom.field in ("args", "form_args"):
            self.notes.add("arguments: names without case; parts and JSON values count as arguments")
        if atom.part not in ("value", "filename"):
            raise CannotError(f"{atom.part} of a part")
        names = _names(atom.name)
        return tuple(collection + _selector(name) for collection in collections for name in names)

    def _document(self, atom: Atom) -> tuple[str, ...]:
        if atom.part != "value":
            raise CannotError(f"{atom.part}s of {atom.field}")
        if atom.field == "xml":
            if atom.name is not None:
                raise CannotError("elements of xml by name")
            self.notes.add("xml: all text is one value")
            return ("XML:/*", "XML://@*")
        if atom.name is None:
            return ("ARGS:/^json/",)
        self.notes.add("json: names joined by dots, without case")
        return (_json_selector(atom.name),)


def _json_selector(name: Name) -> str:
    if name.how in ("regex", "in"):
        raise CannotError("json by pattern of the pointer")
    steps = name.text.decode("utf-8", "replace").split("/")[1:]
    if any(step == "*" or step.isdigit() for step in steps):
        raise CannotError("json: elements of lists")
    path = ".".join(["json", *steps]).replace("~1", "/").replace("~0", "~")
    return "ARGS" + _selector(Name(path.encode(), name.how))


def _names(name: Name | None) -> tuple[Name | None, ...]:
    return tuple(map(Name, name.text.split(b"\0"))) if name is not None and name.how == "in" else (name,)


def _selector(name: Name | None) -> str:
    if name is None:
        return ""
    if name.how == "regex":
        quoted = _quoted_regex(name.text)
        if "|" in quoted:
            raise CannotError("names by a pattern with alternatives")
        for char in "/ ,'":  # these end a variable
            quoted = quoted.replace(char, f"\\x{ord(char):02x}")
        return f":/{quoted}/"
    if name.how == "exact" and _PLAIN.match(name.text):
        return ":" + name.text.decode()
    flag = "(?i)" if name.how == "lower" else ""
    quoted = _quoted_text(name.text).replace("/", r"\x2f")
    return f":/{flag}\\A{quoted}\\z/"


_COUNTS = {"present": "@gt %d", "absent": "@eq %d", "count_gt": "@gt %d"}
_LITERAL = {"equals": "@streq", "contains": "@contains", "starts_with": "@beginsWith", "ends_with": "@endsWith"}
_AROUND = {"equals": (r"\A", r"\z"), "contains": ("", ""), "starts_with": (r"\A", ""), "ends_with": ("", r"\z")}


def _operator(op: str, value: object, *, endpoint: bool) -> tuple[str, int]:
    """Return the operator with its argument, and how dear it is."""
    if op == "path_suffix" and isinstance(value, bytes):
        if endpoint and _SAFE_TEXT.match(value):
            return f"@endsWith {value.decode()}", 3
        return f"@rx (?-sm){_quoted_text(value)}/?\\z", 4
    if op == "path_segments" and isinstance(value, bytes):
        return f"@rx (?-sm){_quoted_text(value)}(?:/|\\z)", 4
    if op in _LITERAL and isinstance(value, bytes):
        if _SAFE_TEXT.match(value):
            return f"{_LITERAL[op]} {value.decode()}", 3
        before, after = _AROUND[op]
        return f"@rx (?-sm){before}{_quoted_text(value)}{after}", 4
    if op in ("in", "contains_any") and isinstance(value, tuple):
        before, after = _AROUND["equals" if op == "in" else "contains"]
        return f"@rx (?-sm){before}(?:{'|'.join(map(_quoted_text, value))}){after}", 4
    if op == "regex" and isinstance(value, bytes):
        return f"@rx (?-sm){_quoted_regex(value)}", 5
    raise CannotError(f"operator {op}")


def _quoted_text(text: bytes) -> str:
    return "".join(map(_quoted_byte, text))


_quoted_byte: Callable[[int], str] = lambda byte: (  # noqa: E731 - one expression, mapped over bytes
    chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "_/") else f"\\x{byte:02x}"
)


def _quoted_regex(regex: bytes) -> str:
    r"""Write a pattern so that it means the same between double quotes: `^` is the start, quotes are escaped."""
    if not regex.isascii() or b"\\Q" in regex:
        raise CannotError("a pattern with bytes beyond ASCII")
    text = regex.decode("ascii").replace('\\"', '"').replace('"', r"\x22").replace("%{", r"\x25{")
    return text.replace("\n", r"\n").replace("\r", r"\r")
