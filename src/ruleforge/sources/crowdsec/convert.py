"""From a rule of CrowdSec to a tree of the rule language, with a list of what could not be said exactly.

CrowdSec runs its rules on Coraza: `URI` is the path decoded once, argument and header names ignore case, patterns are
RE2 in which `.` also matches line feeds.
"""

import re

import msgspec

from ruleforge.errors import RuleError
from ruleforge.rules.patterns import MAX_PATTERN_BYTES, compile_pattern
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Some, Tree, Value
from ruleforge.sources.crowdsec.document import Both, Either, Match, VirtualPatch
from ruleforge.sources.crowdsec.document import Tree as Foreign

_SINGLE = {
    "URI": "path.decoded",
    "URI_FULL": "target.raw",
    "METHOD": "method",
    "PROTOCOL": "version",
    "RAW_BODY": "body",
}
_NAMED = {"ARGS": "query_args", "HEADERS": "headers", "COOKIES": "cookies"}
_NAMES = {"ARGS_NAMES": "query_args", "HEADERS_NAMES": "headers", "COOKIES_NAMES": "cookies"}
_TRANSFORMS = {
    "lowercase": ("lower",),
    "urldecode": ("plus_to_space", "percent_decode"),
    "b64decode": ("base64_decode",),
    "hexdecode": ("hex_decode",),
    "trim": ("trim",),
    "normalizepath": ("normalize_path",),
    "normalize_path": ("normalize_path",),
    "htmlentitydecode": ("html_entity_decode",),
    "htmlentity_decode": ("html_entity_decode",),
}
_TEXT_OPERATORS = {
    "contains": "contains",
    "equals": "equals",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "regex": "regex",
}
_CLASSES = {"libinjectionsql": b"sql_injection", "libinjectionxss": b"xss"}
# (number, shift): `at least 3` is `more than 2`
_NUMBERS = {"gt": ("gt", 0), "gte": ("gt", -1), "ge": ("gt", -1), "lt": ("lt", 0), "lte": ("lt", 1), "le": ("lt", 1)}
_DOLLAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


class Converted(msgspec.Struct, frozen=True):
    """The tree, or None where nothing could be said; and in words what differs from the original."""

    tree: Tree | None
    losses: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether the tree holds for exactly the requests the original holds for."""
        return self.tree is not None and not self.losses


def convert_patch(patch: VirtualPatch) -> Converted:
    """Convert a whole rule file.

    A condition that cannot be said is left out where others of an `and` remain, so that the result is broader; an
    alternative that cannot be said is left out.
    """
    converter = _Converter()
    tree = converter.joined(patch.rules, AnyOf)
    return Converted(tree, tuple(dict.fromkeys(converter.losses)))


class _LossError(Exception):
    """This cannot be said in the rule language."""


class _Question(msgspec.Struct, frozen=True):
    """What is asked of a value, wherever it stands."""

    op: str
    value: Value
    transforms: tuple[str, ...] = ()

    def of(self, field: str, name: Name | None = None) -> Condition:
        """Ask it of a place."""
        return Condition(field, self.op, self.value, name, self.transforms)


class _Converter:
    """Collects what is lost."""

    def __init__(self) -> None:
        self.losses: list[str] = []

    def joined(self, parts: tuple[Foreign, ...], kind: type[AllOf] | type[AnyOf]) -> Tree | None:
        """Convert the parts and join those that can be said."""
        trees = [tree for part in parts if (tree := self._tree(part)) is not None]
        if len(trees) > 1:
            return kind(tuple(dict.fromkeys(trees)))
        return trees[0] if trees else None

    def _tree(self, node: Foreign) -> Tree | None:
        match node:
            case Both(parts):
                return self.joined(parts, AllOf)
            case Either(parts):
                return self.joined(parts, AnyOf)
            case Match():
                return self._match(node)

    def _match(self, match: Match) -> Tree | None:
        found: list[Tree] = []
        for zone in match.zones:
            try:
                question = self._question(match)
                names: list[Name | None] = [_name(variable) for variable in match.variables] or [None]
                found += [tree for name in names for tree in self._places(zone, name, question)]
            except (_LossError, RuleError) as error:
                self.losses.append(f"left out: {error}")
        if not found:
            return None
        tree: Tree = AnyOf(tuple(found)) if len(found) > 1 else found[0]
        if match.negated:
            self.losses.append("`not` asks that no value satisfies the condition, not that some value does not")
            return Not(tree)
        return tree

    def _places(self, zone: str, name: Name | None, question: _Question) -> list[Tree]:
        if zone in _SINGLE:
            return [question.of(_SINGLE[zone])]
        if zone in _NAMED:
            return [question.of(_NAMED[zone], name)]
        if zone in _NAMES:
            return [Some(_NAMES[zone], self._of_name(_NAMES[zone], question))]
        if zone == "BODY_ARGS":
            return self._body_arguments(name, question)
        if zone == "BODY_ARGS_NAMES":
            self.losses.append("names of JSON values are not asked for")
            return [Some(place, self._of_name(place, question)) for place in ("form_args", "multipart")]
        if zone == "FILENAMES":
            return [Some("multipart", question.of("filename"))]
        raise _LossError(f"zone {zone[:40]}")

    def _of_name(self, place: str, question: _Question) -> Condition:
        """Ask a name; those of headers are lower-case here, whatever was sent."""
        if place == "headers" and isinstance(question.value, bytes) and question.op != "regex":
            question = msgspec.structs.replace(question, value=question.value.lower())
        return question.of("name")

    def _body_arguments(self, name: Name | None, question: _Question) -> list[Tree]:
        """What Coraza calls arguments of the body: those of forms, parts without a file, scalars of JSON."""
        if name is not None and name.how == "exact":
            self.losses.append("names in JSON are compared with their case")
            return [question.of("json", name)]
        if question.op in ("count_gt", "present", "absent"):
            self.losses.append("values of forms alone are counted")
            return [question.of("form_args", name)]
        part = question.of("value")
        multipart: Tree = part if name is None else AllOf((_name_is(name), part))
        found: list[Tree] = [question.of("form_args", name), Some("multipart", multipart)]
        return [*found, question.of("json")] if name is None else found

    def _question(self, match: Match) -> _Question:
        kind, counts = match.type.lower(), [each for each in match.transforms if each in ("count", "length")]
        if kind in _CLASSES:
            self.losses.append(f"{match.type} is approximated by a payload class, which owns its decodings")
            return _Question("is_class", _CLASSES[kind])
        transforms = self._transforms(match)
        if counts or kind in _NUMBERS or kind == "eq":
            return _number_question(match, kind, counts, transforms)
        if kind not in _TEXT_OPERATORS:
            raise _LossError(f"match type {match.type[:40]!r}")
        if kind == "regex":
            pattern = _pattern(match.value)
            compile_pattern(pattern)
            return _Question("regex", pattern, transforms)
        if not match.value:
            raise _LossError(f"{match.type} with an empty value")
        return _Question(_TEXT_OPERATORS[kind], match.value.encode("utf-8", "surrogatepass"), transforms)

    def _transforms(self, match: Match) -> tuple[str, ...]:
        found: list[str] = []
        for each in match.transforms:
            if each in ("count", "length"):
                continue
            if each not in _TRANSFORMS:
                raise _LossError(f"transform {each[:40]!r}")
            if each == "b64decode":
                self.losses.append("base64 is decoded strictly: a value that is none has no value then")
            found += _TRANSFORMS[each]
        return tuple(found)


def _number_question(match: Match, kind: str, counts: list[str], transforms: tuple[str, ...]) -> _Question:
    try:
        number = int(match.value)
    except ValueError:
        raise _LossError(f"{match.type} with {match.value[:20]!r}") from None
    sign, shift = _NUMBERS.get(kind, ("eq", 0))
    what = counts[-1] if counts else "int"
    if abs(number) >= 2**31 or (what != "int" and sign == "eq") or (what == "count" and sign == "lt"):
        raise _LossError(f"{what} {match.type} {match.value[:20]}")
    bound = number + shift
    if what == "count" and bound == 0:
        return _Question("present", None, transforms)
    if what != "int" and bound < 0:
        raise _LossError(f"{what} {match.type} {match.value[:20]}")
    return _Question(f"{what}_{sign}", bound, transforms)


def _name(variable: str) -> Name:
    """The name of a variable: `/…/` is a pattern, `json.a.b` a place in JSON, others ignore case."""
    if len(variable) > 2 and variable.startswith("/") and variable.endswith("/"):
        pattern = b"(?i)" + _pattern(variable[1:-1])
        compile_pattern(pattern)
        return Name(pattern, "regex")
    if variable.startswith("json."):
        steps = variable.split(".")[1:]
        pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
        return Name(pointer.encode("utf-8", "surrogatepass"))
    return Name(variable.lower().encode("utf-8", "surrogatepass"), "lower")


def _name_is(name: Name) -> Condition:
    if name.how == "regex":
        return Condition("name", "regex", name.text)
    return Condition("name", "equals", name.text, transforms=("lower",))


def _pattern(text: str) -> bytes:
    r"""The pattern in our dialect: `$` is `\z`, and `.` matches line feeds, as in Coraza."""
    if len(text) > MAX_PATTERN_BYTES:
        raise _LossError(f"a pattern of {len(text)} characters")
    changed = _DOLLAR.sub(lambda found: r"\z" if found[0] == "$" else found[0], text)
    dotall = "(?s)" if "." in text else ""
    return (dotall + changed).encode("utf-8", "surrogatepass")
