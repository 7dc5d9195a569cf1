"""From a document to a rule: every problem is reported at once, with its place and the next step."""

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from ruleforge.errors import RuleError
from ruleforge.events.kinds import EVENTS, HTTP, fields_of
from ruleforge.rules import document as doc
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.transforms import MAX_TRANSFORMS, TRANSFORMS
from ruleforge.rules.tree import (
    AllOf,
    AnyOf,
    Condition,
    Count,
    Name,
    Not,
    Product,
    Root,
    Rule,
    Sequence,
    Some,
    Tree,
    Value,
)
from ruleforge.rules.values import VALUE_TYPES, kind_of, read_int, read_literal

MAX_PROBLEMS = 100
_ROOTS = ("count", "sequence")
_NODES = ("all", "any", "not", "some", "field")
_CONDITION_KEYS = ("field", "name", "transforms", "op", "value")
_COUNT_KEYS = ("when", "by", "within", "at_least", "distinct")
_DURATION = re.compile(doc.DURATION)


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with a document. `path` is like `when.all[1].value`; empty: the document as a whole."""

    code: str
    path: str
    message: str
    hint: str = ""
    severity: str = "error"  # "error": the rule is refused; "warning": it loads, but look here

    def __str__(self) -> str:
        parts = (f"[{self.code}]", self.path, self.message, self.hint and f"({self.hint})")
        return " ".join(part for part in parts if part)


class Parsed(msgspec.Struct, frozen=True):
    """What became of a document: a rule unless there is an error among `problems`."""

    rule: Rule | None
    problems: tuple[Problem, ...] = ()
    source: str = ""

    def require(self) -> Rule:
        """Return the rule.

        Raises:
            RuleError: it was refused; the first error, and how many more there are.
        """
        if self.rule is not None:
            return self.rule
        errors = [problem for problem in self.problems if problem.severity == "error"]
        first, more = errors[0], len(errors) - 1
        what = first.message + (f", and {more} more problem{'s' if more > 1 else ''}" if more else "")
        where = " ".join(part for part in (self.source, first.path) if part)
        raise RuleError(what, where=where, hint=first.hint, code=first.code)


def load_rule(document: bytes | Path, *, source: str = "") -> Parsed:
    """Read a rule from JSON text or from a file of it. Nothing raises: what cannot be read is a problem (RF301).

    Args:
        document: at most 256 KiB; an object with a key twice is refused.
        source: what to call it in messages; a file's name by default.
    """
    if isinstance(document, Path):
        source = source or document.name
        try:
            with document.open("rb") as file:
                document = file.read(doc.MAX_BYTES + 1)
        except OSError as error:
            return _unreadable(f"cannot read the file: {error.strerror}", source)
    if len(document) > doc.MAX_BYTES:
        return _unreadable(f"the document is larger than {doc.MAX_BYTES} bytes", source)
    try:
        data = json.loads(document.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return _unreadable(f"not a JSON document: {what}", source)
    return parse_rule(data, source=source)


def parse_rule(document: object, *, source: str = "") -> Parsed:
    """Read a rule from plain data (as `json.loads` gives it), collecting up to 100 problems."""
    reader = _Reader()
    rule = reader.rule(document)
    refused = any(problem.severity == "error" for problem in reader.problems)
    return Parsed(None if refused else rule, tuple(reader.problems), source)


def parse_tree(document: object, *, event: str = "http.request") -> tuple[Root | None, tuple[Problem, ...]]:
    """Read a tree by itself, as `when` holds it. Payload classes may be of any known version."""
    reader = _Reader()
    reader.event = event
    root = reader.root(document, "when")
    refused = any(problem.severity == "error" for problem in reader.problems)
    return None if refused else root, tuple(reader.problems)


def _unreadable(what: str, source: str) -> Parsed:
    return Parsed(None, (Problem("RF301", "", what),), source)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} occurs twice")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _near(word: object, known: Iterable[str]) -> str:
    known = tuple(known)
    near = difflib.get_close_matches(str(word)[:80], known, n=1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(known)


class _Reader:
    """Reads one document. Each method takes plain data and its place, and returns None where it does not fit."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.event = HTTP
        self.used: dict[str, str] = {}  # payload class → the first place that uses it
        self.nodes = 0

    def problem(self, code: str, path: str, message: str, hint: str = "", severity: str = "error") -> None:
        # Warnings never fill the list: an error that is not recorded would let the rule pass.
        if len(self.problems) < (MAX_PROBLEMS if severity == "error" else MAX_PROBLEMS // 2):
            self.problems.append(Problem(code, path, message, hint, severity))

    def refused(self, path: str, error: RuleError) -> None:
        self.problem(error.code, path, error.what, error.hint)

    # --- the document ---------------------------------------------------------------------------------------

    def rule(self, data: object) -> Rule | None:
        if not isinstance(data, dict):
            self.problem("RF305", "", f"expected an object, found {kind_of(data)}")
            return None
        self.known_keys(data, doc.KEYS, "")
        for key in doc.REQUIRED:
            if key not in data:
                self.problem("RF303", key, f"the key {key!r} is missing")
        self.schema_version(data)
        self.read_event(data)
        when = self.root(data["when"], "when") if "when" in data else None
        classes = self.classes(data.get("classes", {}))
        texts: dict[str, Any] = {key: self.text(data[key], kind, key) for key, kind in doc.TEXTS.items() if key in data}
        lists: dict[str, Any] = {
            key: self.texts(data[key], kind, key) for key, kind in doc.LISTS.items() if key in data
        }
        products = self.products(data.get("products", []))
        revision = self.integer(data.get("revision", 1), "revision", 1, doc.MAX_REVISION)
        if when is None or any(problem.severity == "error" for problem in self.problems):
            return None
        return Rule(
            when=when, event=self.event, revision=revision or 1, products=products, classes=classes, **texts, **lists
        )

    def schema_version(self, data: dict[str, object]) -> None:
        if "schema" not in data:
            return
        version = data["schema"]
        if isinstance(version, bool) or version != doc.SCHEMA_VERSION:
            hint = f"this program reads schema {doc.SCHEMA_VERSION}; a newer one may read it"
            self.problem("RF302", "schema", f"unknown schema {str(version)[:40]!r}", hint)

    def read_event(self, data: dict[str, object]) -> None:
        event = data.get("event", self.event)
        if not isinstance(event, str):
            self.problem("RF305", "event", f"expected a text, found {kind_of(event)}")
        elif event not in EVENTS:
            self.problem("RF307", "event", f"unknown event {event[:80]!r}", _near(event, EVENTS))
        else:
            self.event = event

    def known_keys(self, data: dict[str, object], known: tuple[str, ...], path: str) -> None:
        for key in data:
            if key not in known:
                self.problem("RF304", _join(path, str(key)[:80]), f"unknown key {str(key)[:80]!r}", _near(key, known))

    def text(self, data: object, kind: doc.Text, path: str) -> str:
        if not isinstance(data, str):
            self.problem("RF305", path, f"expected a text, found {kind_of(data)}")
            return ""
        refusal = kind.refusal(data)
        if refusal:
            self.problem("RF306", path, refusal)
        elif not data.isprintable() and any("\ud800" <= char <= "\udfff" for char in data):
            self.problem("RF325", path, "the text is not valid Unicode")
        return data

    def texts(self, data: object, kind: doc.Text, path: str) -> tuple[str, ...]:
        items = self.items(data, path)
        return tuple(self.text(item, kind, f"{path}[{at}]") for at, item in enumerate(items))

    def items(self, data: object, path: str) -> list[object]:
        if not isinstance(data, list):
            self.problem("RF305", path, f"expected a list, found {kind_of(data)}")
            return []
        if len(data) > doc.MAX_ITEMS:
            self.problem("RF306", path, f"the list has {len(data)} items, at most {doc.MAX_ITEMS} are allowed")
            return []
        return data

    def products(self, data: object) -> tuple[Product, ...]:
        return tuple(self.product(item, f"products[{at}]") for at, item in enumerate(self.items(data, "products")))

    def product(self, data: object, path: str) -> Product:
        if not isinstance(data, dict):
            self.problem("RF305", path, f"expected an object, found {kind_of(data)}")
            return Product("", "")
        self.known_keys(data, tuple(doc.PRODUCT), path)
        for key in doc.PRODUCT_REQUIRED:
            if key not in data:
                self.problem("RF303", f"{path}.{key}", f"the key {key!r} is missing")
        given = {key: self.text(data[key], kind, f"{path}.{key}") for key, kind in doc.PRODUCT.items() if key in data}
        return Product(**{"vendor": "", "product": "", **given})

    def integer(self, data: object, path: str, least: int, most: int) -> int | None:
        try:
            return read_int(data, least, most)
        except RuleError as error:
            self.refused(path, error)
            return None

    def classes(self, data: object) -> tuple[tuple[str, int], ...]:
        """Read the versions of the payload classes; they must be exactly the classes the tree uses."""
        if not isinstance(data, dict):
            self.problem("RF305", "classes", f"expected an object, found {kind_of(data)}")
            return ()
        for name, path in self.used.items():
            if name not in data:
                hint = f'add "{name}": {CLASSES[name][-1]} to classes'
                self.problem("RF311", "classes", f"{path} uses the payload class {name!r} of no stated version", hint)
        return tuple(sorted((name, self.class_version(name, version)) for name, version in data.items()))

    def class_version(self, name: str, version: object) -> int:
        path = _join("classes", name[:80])
        known = CLASSES.get(name)
        if known is None:
            self.problem("RF310", path, f"unknown payload class {name[:80]!r}", _near(name, CLASSES))
        elif isinstance(version, bool) or version not in known:
            hint = "known: " + ", ".join(map(str, known))
            self.problem("RF310", path, f"unknown version {str(version)[:40]} of {name!r}", hint)
        elif name not in self.used:
            self.problem("RF311", path, f"the payload class {name!r} is not used", "remove it from classes")
        return int(version) if isinstance(version, int | float) else 0

    # --- the tree -------------------------------------------------------------------------------------------

    def root(self, data: object, path: str) -> Root | None:
        if isinstance(data, dict) and "count" in data:
            self.known_keys(data, ("count",), path)
            return self.count(data["count"], f"{path}.count")
        if isinstance(data, dict) and "sequence" in data:
            return self.sequence(data, path)
        return self.tree(data, path, 1)

    def count(self, data: object, path: str) -> Count | None:
        if not isinstance(data, dict):
            self.problem("RF305", path, f"expected an object, found {kind_of(data)}")
            return None
        self.known_keys(data, _COUNT_KEYS, path)
        self.required(data, ("when", "by", "within", "at_least"), path)
        when = self.tree(data["when"], f"{path}.when", 2) if "when" in data else None
        by = self.by(data["by"], f"{path}.by") if "by" in data else None
        within = self.within(data["within"], f"{path}.within") if "within" in data else None
        least = self.integer(data["at_least"], f"{path}.at_least", 1, doc.MAX_AT_LEAST) if "at_least" in data else None
        distinct = self.place(data["distinct"], f"{path}.distinct") if "distinct" in data else None
        if when is None or by is None or within is None or least is None:
            return None
        return Count(when, by, within, least, distinct)

    def sequence(self, data: dict[str, object], path: str) -> Sequence | None:
        self.known_keys(data, ("sequence", "by", "within"), path)
        self.required(data, ("by", "within"), path)
        steps = self.parts(data["sequence"], f"{path}.sequence", 2, inside=None, least=2, most=doc.MAX_STEPS)
        by = self.by(data["by"], f"{path}.by") if "by" in data else None
        within = self.within(data["within"], f"{path}.within") if "within" in data else None
        return None if steps is None or by is None or within is None else Sequence(steps, by, within)

    def required(self, data: dict[str, object], keys: tuple[str, ...], path: str) -> None:
        for key in keys:
            if key not in data:
                self.problem("RF303", f"{path}.{key}", f"the key {key!r} is missing")

    def by(self, data: object, path: str) -> tuple[str, ...] | None:
        if not isinstance(data, list):
            self.problem("RF305", path, f"expected a list of fields, found {kind_of(data)}")
            return None
        if not 1 <= len(data) <= doc.MAX_BY:
            self.problem("RF306", path, f"the list has {len(data)} fields", f"between 1 and {doc.MAX_BY}")
            return None
        fields = [self.place(item, f"{path}[{at}]") for at, item in enumerate(data)]
        return tuple(field for field in fields if field is not None) if None not in fields else None

    def within(self, data: object, path: str) -> int | None:
        if isinstance(data, str) and _DURATION.search(data):
            return int(data[:-1]) * doc.SECONDS[data[-1]]
        self.problem("RF305", path, "expected a duration", 'write "30s", "5m", "1h" or "1d"')
        return None

    def place(self, data: object, path: str) -> str | None:
        """Read the name of a field of this rule's event."""
        if not isinstance(data, str):
            self.problem("RF305", path, f"expected the name of a field, found {kind_of(data)}")
            return None
        known = fields_of(self.event)
        if data in known:
            return data
        hint = "this field exists only inside some" if data in doc.ELEMENT_FIELDS else _near(data, known)
        self.problem("RF307", path, f"unknown field {data[:80]!r}", hint)
        return None

    def tree(self, data: object, path: str, depth: int, inside: str | None = None) -> Tree | None:
        """Read one node; `inside` is the place of the `some` around it."""
        self.nodes += 1
        if depth > doc.MAX_DEPTH or self.nodes > doc.MAX_NODES:
            self.too_large(path, depth)
            return None
        if not isinstance(data, dict):
            self.problem("RF305", path, f"expected an object, found {kind_of(data)}")
            return None
        key = next((key for key in _NODES if key in data), "")
        if key in ("all", "any"):
            self.known_keys(data, (key,), path)
            parts = self.parts(data[key], f"{path}.{key}", depth + 1, inside)
            return None if parts is None else (AllOf(parts) if key == "all" else AnyOf(parts))
        if key == "not":
            self.known_keys(data, ("not",), path)
            part = self.tree(data["not"], f"{path}.not", depth + 1, inside)
            return None if part is None else Not(part)
        if key == "some":
            return self.some(data, path, depth, inside)
        if key == "field":
            return self.condition(data, path, inside)
        self.no_node(data, path)
        return None

    def too_large(self, path: str, depth: int) -> None:
        if depth > doc.MAX_DEPTH:
            self.problem("RF314", path, f"the tree is deeper than {doc.MAX_DEPTH} levels")
        elif self.nodes == doc.MAX_NODES + 1:  # once
            self.problem("RF314", path, f"the tree has more than {doc.MAX_NODES} nodes")

    def no_node(self, data: dict[str, object], path: str) -> None:
        rooted = [key for key in _ROOTS if key in data]
        if rooted:
            self.problem("RF315", path, f"{rooted[0]!r} is allowed only at the root")
        elif any(key in data for key in _CONDITION_KEYS):
            self.problem("RF303", f"{path}.field", "the key 'field' is missing")
        else:
            hint = _near(next(iter(data), ""), _NODES)
            self.problem("RF315", path, "neither a condition nor all, any, not or some", hint)

    def parts(
        self, data: object, path: str, depth: int, inside: str | None, least: int = 1, most: int = doc.MAX_NODES
    ) -> tuple[Tree, ...] | None:
        if not isinstance(data, list):
            self.problem("RF305", path, f"expected a list, found {kind_of(data)}")
            return None
        if not data:
            self.problem("RF313", path, "the list of parts is empty")
            return None
        if not least <= len(data) <= most:
            self.problem("RF306", path, f"the list has {len(data)} parts", f"between {least} and {most}")
            return None
        parts = [self.tree(item, f"{path}[{at}]", depth, inside) for at, item in enumerate(data)]
        return tuple(part for part in parts if part is not None) if None not in parts else None

    def some(self, data: dict[str, object], path: str, depth: int, inside: str | None) -> Some | None:
        self.known_keys(data, ("some", "where"), path)
        place = data["some"]
        if inside is not None:
            self.problem("RF316", path, "some inside some", "inside, conditions read one element only")
            return None
        if not isinstance(place, str):
            self.problem("RF305", f"{path}.some", f"expected a place, found {kind_of(place)}")
        elif place not in doc.SOME_PLACES or self.event != HTTP:
            hint = _near(place, doc.SOME_PLACES)
            self.problem("RF316", f"{path}.some", f"{place[:80]!r} has no elements to choose from", hint)
        if "where" not in data:
            self.problem("RF303", f"{path}.where", "the key 'where' is missing")
            return None
        where = self.tree(data["where"], f"{path}.where", depth + 1, inside=str(place))
        return Some(str(place), where) if where is not None else None

    # --- conditions -----------------------------------------------------------------------------------------

    def condition(self, data: dict[str, object], path: str, inside: str | None) -> Condition | None:
        self.known_keys(data, _CONDITION_KEYS, path)
        before = len(self.problems)
        field = self.field(data["field"], f"{path}.field", inside)
        name = self.name(data["name"], f"{path}.name", field, inside) if "name" in data else None
        transforms = self.transforms(data.get("transforms", []), f"{path}.transforms")
        op = self.operator(data, path)
        value = self.value(data, path, op) if op is not None else None
        if op == "is_class" and transforms:
            hint = "a payload class knows its own encodings; remove the transforms"
            self.problem("RF312", f"{path}.transforms", "transforms together with a payload class", hint)
        if field is None or op is None or any(problem.severity == "error" for problem in self.problems[before:]):
            return None
        return Condition(field, op, value, name, transforms)

    def field(self, data: object, path: str, inside: str | None) -> str | None:
        if inside is None:
            return self.place(data, path)
        if not isinstance(data, str) or data not in doc.ELEMENT_FIELDS:
            hint = _near(data, doc.ELEMENT_FIELDS)
            self.problem("RF307", path, f"unknown field {str(data)[:80]!r} inside some", hint)
            return None
        if data in doc.PART_FIELDS and inside != "multipart":
            self.problem("RF316", path, f"elements of {inside[:80]} have no {data}", "always absent", "warning")
        return data

    def name(self, data: object, path: str, field: str | None, inside: str | None) -> Name | None:
        if inside is not None or (field is not None and fields_of(self.event)[field].kind != "named"):
            self.problem("RF317", path, f"{field or 'this field'} has no names", "remove name")
        how = next((key for key in ("lower", "regex") if isinstance(data, dict) and key in data), "exact")
        if isinstance(data, dict) and how != "exact":
            self.known_keys(data, (how,), path)
        text = self.literal(data[how] if isinstance(data, dict) and how != "exact" else data, path)
        if text is None:
            return None
        if how == "regex":
            try:
                compile_pattern(text)
            except RuleError as error:
                self.refused(f"{path}.regex", error)
        return Name(text, how)

    def literal(self, data: object, path: str) -> bytes | None:
        try:
            return read_literal(data)
        except RuleError as error:
            self.refused(path, error)
            return None

    def transforms(self, data: object, path: str) -> tuple[str, ...]:
        if not isinstance(data, list):
            self.problem("RF305", path, f"expected a list, found {kind_of(data)}")
            return ()
        if len(data) > MAX_TRANSFORMS:
            self.problem("RF306", path, f"{len(data)} transforms, at most {MAX_TRANSFORMS} are allowed")
            return ()
        for at, name in enumerate(data):
            if not isinstance(name, str):
                self.problem("RF305", f"{path}[{at}]", f"expected a text, found {kind_of(name)}")
            elif name not in TRANSFORMS:
                self.problem("RF309", f"{path}[{at}]", f"unknown transform {name[:80]!r}", _near(name, TRANSFORMS))
        return tuple(str(name) for name in data)

    def operator(self, data: dict[str, object], path: str) -> str | None:
        if "op" not in data:
            self.problem("RF303", f"{path}.op", "the key 'op' is missing")
            return None
        op = data["op"]
        if not isinstance(op, str):
            self.problem("RF305", f"{path}.op", f"expected a text, found {kind_of(op)}")
            return None
        if op not in OPERATORS:
            self.problem("RF308", f"{path}.op", f"unknown operator {op[:80]!r}", _near(op, OPERATORS))
            return None
        return op

    def value(self, data: dict[str, object], path: str, op: str) -> Value:
        path = f"{path}.value"
        kind = VALUE_TYPES[OPERATORS[op].takes]
        if "value" not in data:
            if kind.schema is not None:
                self.problem("RF303", path, f"the key 'value' is missing: {op} takes {kind.meaning}")
            return None
        try:
            value = kind.read(data["value"])
        except RuleError as error:
            self.refused(path, error)
            return None
        if op == "is_class":
            self.use_class(str(data["value"]), path)
        return value

    def use_class(self, name: str, path: str) -> None:
        if name in CLASSES:
            self.used.setdefault(name, path)
        else:
            self.problem("RF310", path, f"unknown payload class {name[:80]!r}", _near(name, CLASSES))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
