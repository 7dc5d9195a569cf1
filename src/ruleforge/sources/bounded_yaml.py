"""YAML from strangers, read within bounds: size, depth, nodes and aliases; scalars stay the text that was written."""

from typing import TypeAlias

import msgspec
import yaml

from ruleforge.errors import InputError

Node: TypeAlias = "str | list[Node] | dict[str, Node] | None"

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 200_000  # counted as if every alias were copied out, so "billion laughs" does not pass
MAX_ALIASES = 100
MAX_KEY_LENGTH = 1024

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Document(msgspec.Struct, frozen=True):
    """What a YAML file says: strings, lists, mappings and None; and what was odd about it."""

    root: Node
    problems: tuple[str, ...] = ()  # duplicate keys, further documents


def load_yaml(data: bytes, where: str = "") -> Document:
    """Read the first document of a YAML file without executing or guessing anything.

    Every scalar is kept as its text (`off`, `no`, `010` and `1e3` too), except an empty or `null` plain scalar,
    which is None. Of two equal keys the later one wins, and the document says so.

    Raises:
        InputError: too large (RF210), not UTF-8 text (RF211), not YAML (RF212), or beyond a bound (RF213).
    """
    text = _text_of(data, where)
    builder = _Builder(where)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not builder.take(event):
                break
    except yaml.YAMLError as error:
        if "maximum nesting depth" in str(
            error
        ):  # the parser's own bound, which is met before ours for text in one line
            raise InputError(
                f"nested deeper than {MAX_DEPTH} levels", where=where, hint="simplify the document", code="RF213"
            ) from None
        raise InputError(
            f"not valid YAML: {_one_line(error)}", where=where, hint="check quotes and indentation", code="RF212"
        ) from None
    return Document(builder.root, tuple(builder.problems))


def _text_of(data: bytes, where: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(
            f"the file has {len(data)} bytes, more than {MAX_BYTES}", where=where, hint="split the file", code="RF210"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text (byte {error.start})", where=where, hint="save the file as UTF-8", code="RF211"
        ) from None
    if "\0" in text:
        raise InputError("binary data, not text", where=where, hint="only YAML text is read", code="RF211")
    return text


def _one_line(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    mark = getattr(error, "problem_mark", None)
    return f"{problem} at line {mark.line + 1}" if mark is not None else str(problem)


class _Frame:
    """A collection that is still open."""

    __slots__ = ("anchor", "awaits_value", "key", "mapping", "sequence", "weight")

    def __init__(self, *, is_mapping: bool, anchor: str | None) -> None:
        self.mapping: dict[str, Node] | None = {} if is_mapping else None
        self.sequence: list[Node] | None = None if is_mapping else []
        self.anchor = anchor
        self.key = ""
        self.awaits_value = False
        self.weight = 1


class _Builder:
    """Turns parser events into plain data with an explicit stack, so that depth is ours to bound."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.root: Node = None
        self.problems: list[str] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._aliases = 0
        self._documents = 0

    def take(self, event: object) -> bool:
        """Use one event; False when the first document has ended and another one begins."""
        if isinstance(event, yaml.ScalarEvent):
            plain_null = not event.style and event.value in _NULLS
            self._add(None if plain_null else event.value, 1, event.anchor, event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(self._stack) >= MAX_DEPTH:
                raise self._refuse(f"nested deeper than {MAX_DEPTH} levels", event)
            self._stack.append(_Frame(is_mapping=isinstance(event, yaml.MappingStartEvent), anchor=event.anchor))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = self._stack.pop()
            node: Node = frame.mapping if frame.mapping is not None else frame.sequence
            self._add(node, frame.weight, frame.anchor, event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.problems.append("only the first of several YAML documents is read")
                return False
        return True

    def _refuse(self, what: str, event: object) -> InputError:
        line = event.start_mark.line + 1  # type: ignore[attr-defined]
        return InputError(f"{what}, line {line}", where=self.where, hint="simplify the document", code="RF213")

    def _alias(self, event: yaml.AliasEvent) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._refuse(f"more than {MAX_ALIASES} aliases", event)
        if event.anchor not in self._anchors:  # unknown, or the anchor of a collection that is still open
            raise self._refuse(f"alias *{event.anchor} has no finished anchor", event)
        node, weight = self._anchors[event.anchor]
        self._add(node, weight, None, event)

    def _add(self, node: Node, weight: int, anchor: str | None, event: object) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.weight += weight
        if frame.weight > MAX_NODES:
            raise self._refuse(f"more than {MAX_NODES} values", event)
        if frame.sequence is not None:
            frame.sequence.append(node)
        elif frame.mapping is not None:
            self._add_to_mapping(frame, frame.mapping, node, event)

    def _add_to_mapping(self, frame: _Frame, mapping: dict[str, Node], node: Node, event: object) -> None:
        if not frame.awaits_value:
            if isinstance(node, (list, dict)):
                raise self._refuse("a list or mapping used as a key", event)
            frame.key, frame.awaits_value = (node or "")[:MAX_KEY_LENGTH], True
            return
        frame.awaits_value = False
        if frame.key == "<<" and isinstance(node, dict):
            for key, value in node.items():
                mapping.setdefault(key, value)
            return
        if frame.key in mapping:
            line = event.start_mark.line + 1  # type: ignore[attr-defined]
            self.problems.append(f"key {frame.key[:80]!r} is given twice, the later one (line {line}) is used")
        mapping[frame.key] = node
