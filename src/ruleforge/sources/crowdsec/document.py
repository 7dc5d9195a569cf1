"""A CrowdSec appsec rule as data: what it says of the flaw, and its conditions as a tree, nothing converted."""

from typing import TypeAlias

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.bounded_yaml import Node, load_yaml

MAX_CONDITIONS = 500  # counted for each zone and variable
MAX_DEPTH = 12


class Match(msgspec.Struct, frozen=True):
    """One condition: some value of some of the zones, transformed, satisfies `type` with `value`."""

    zones: tuple[str, ...]  # "URI", "ARGS", …
    type: str  # "contains", "regex", …
    value: str
    variables: tuple[str, ...] = ()  # names within the zones; `/…/` is a pattern; none: all
    transforms: tuple[str, ...] = ()  # left to right
    negated: bool = False


class Both(msgspec.Struct, frozen=True):
    """Every part holds."""

    parts: tuple["Tree", ...]


class Either(msgspec.Struct, frozen=True):
    """Some part holds."""

    parts: tuple["Tree", ...]


Tree: TypeAlias = Match | Both | Either


class VirtualPatch(msgspec.Struct, frozen=True, kw_only=True):
    """One rule file."""

    name: str  # "crowdsecurity/vpatch-CVE-2099-1"
    description: str = ""
    rules: tuple[Tree, ...] = ()  # the file fires when any of them does
    label: str = ""
    references: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    cwes: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()  # ATT&CK technique ids
    problems: tuple[str, ...] = ()

    def variables(self) -> tuple[str, ...]:
        """The names that conditions read, as they are written; patterns too."""
        return tuple(dict.fromkeys(name for tree in self.rules for name in _variables(tree)))


def _variables(tree: Tree) -> list[str]:
    if isinstance(tree, Match):
        return list(tree.variables)
    return [name for part in tree.parts for name in _variables(part)]


def parse_patch(data: bytes, where: str = "") -> VirtualPatch:
    """Read a rule from the bytes of its file.

    Raises:
        InputError: no bounded YAML (RF210 to RF213), or not a rule (RF214).
    """
    document = load_yaml(data, where)
    root = document.root
    if not isinstance(root, dict) or not isinstance(root.get("rules"), list):
        raise InputError(
            "not a rule of CrowdSec: it has no list of `rules`", where=where, hint="check it", code="RF214"
        )
    return _Reader(root, list(document.problems), where).patch()


def _text(node: Node) -> str:
    return node if isinstance(node, str) else ""


def _texts(node: Node) -> tuple[str, ...]:
    items = node if isinstance(node, list) else [node]
    return tuple(item for item in items if isinstance(item, str))


class _Reader:
    """Reads one document, and collects what could not be kept."""

    def __init__(self, root: "dict[str, Node]", problems: list[str], where: str) -> None:
        self.root, self.problems, self.where = root, problems, where
        self._conditions = 0

    def patch(self) -> VirtualPatch:
        """The whole document."""
        node = self.root.get("labels")
        labels = node if isinstance(node, dict) else {}
        kinds: dict[str, list[str]] = {}
        for each in _texts(labels.get("classification")):
            kind, _, value = each.strip().partition(".")
            kinds.setdefault(kind.lower(), []).append(value.upper())
        rules = self.root["rules"]
        return VirtualPatch(
            name=_text(self.root.get("name")).strip()[:200],
            description=_text(self.root.get("description")).strip(),
            rules=self._parts(rules if isinstance(rules, list) else [], 0),
            label=_text(labels.get("label")).strip(),
            references=(*_texts(labels.get("references")), *_texts(self.root.get("references"))),
            cves=tuple(kinds.get("cve", ())),
            cwes=tuple(kinds.get("cwe", ())),
            attack=tuple(kinds.get("attack", ())),
            problems=tuple(self.problems),
        )

    def _parts(self, node: Node, depth: int) -> tuple[Tree, ...]:
        if depth > MAX_DEPTH:
            hint = "simplify the rule"
            raise InputError(f"nested deeper than {MAX_DEPTH} levels", where=self.where, hint=hint, code="RF213")
        items = node if isinstance(node, list) else []
        return tuple(tree for item in items if (tree := self._tree(item, depth)) is not None)

    def _tree(self, node: Node, depth: int) -> Tree | None:
        if not isinstance(node, dict):
            self.problems.append("a part of the rule is no mapping and is left out")
            return None
        for key, kind in (("and", Both), ("or", Either)):
            if key in node:
                parts = self._parts(node[key], depth + 1)
                return kind(parts) if parts else None
        return self._match(node)

    def _match(self, node: "dict[str, Node]") -> Match | None:
        match = node.get("match")
        zones, variables = _texts(node.get("zones")), _texts(node.get("variables"))
        self._conditions += max(1, len(zones)) * max(1, len(variables))
        if self._conditions > MAX_CONDITIONS:
            hint = "split the rule"
            raise InputError(f"more than {MAX_CONDITIONS} conditions", where=self.where, hint=hint, code="RF213")
        if not isinstance(match, dict) or not zones:
            self.problems.append("a condition without `zones` or `match` is left out")
            return None
        return Match(
            zones=tuple(zone.strip().upper() for zone in zones),
            type=_text(match.get("type")).strip(),
            value=_text(match.get("value")),
            variables=variables,
            transforms=tuple(each.strip().lower() for each in _texts(node.get("transform"))),
            negated=_text(match.get("not")).strip().lower() == "true",
        )
