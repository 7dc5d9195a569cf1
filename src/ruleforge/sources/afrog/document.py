"""A PoC of afrog or xray as data: what it says of the flaw, its variables and its requests, nothing evaluated."""

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.bounded_yaml import Node, load_yaml

MAX_RULES = 128
MAX_VARIABLES = 500
_TRUE = frozenset({"true", "yes", "on", "1"})
_LEVELS = {"严重": "critical", "高危": "high", "中危": "medium", "低危": "low", "信息": "info"}

Pairs = tuple[tuple[str, str], ...]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and what its response must show."""

    name: str  # "r0"
    method: str = "GET"
    paths: tuple[str, ...] = ()
    headers: Pairs = ()
    body: str | None = None
    raw: str = ""
    redirects: bool = False
    expression: str = ""
    output: tuple[str, ...] = ()  # variables read from the response
    payloads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    payload_mode: str = "batteringram"
    protocol: str = "http"


class Poc(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    id: str
    title: str = ""
    author: str = ""
    severity: str = "unknown"
    description: str = ""
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    cwes: tuple[str, ...] = ()
    variables: Pairs = ()
    rows: tuple[Pairs, ...] = ()  # sets of variables, one of which is used at a time
    rules: tuple[Rule, ...] = ()
    expression: str = ""
    problems: tuple[str, ...] = ()


def parse_poc(data: bytes, where: str = "") -> Poc:
    """Read a PoC from the bytes of its file.

    Raises:
        InputError: no bounded YAML (RF210 to RF213), or not a PoC (RF214).
    """
    document = load_yaml(data, where)
    root = document.root
    if not isinstance(root, dict) or not isinstance(root.get("rules", root.get("groups")), (dict, list)):
        raise InputError("not a PoC of afrog or xray: it has no `rules`", where=where, hint="check it", code="RF214")
    return _Reader(root, list(document.problems)).poc()


def _text(node: Node) -> str:
    return node if isinstance(node, str) else ""


def _texts(node: Node) -> tuple[str, ...]:
    items = node if isinstance(node, list) else [node]
    return tuple(item.strip() for item in items if isinstance(item, str) and item.strip())


def _split(node: Node) -> tuple[str, ...]:
    return tuple(part.strip() for item in _texts(node) for part in item.split(",") if part.strip())


def _dict(node: Node) -> "dict[str, Node]":
    return node if isinstance(node, dict) else {}


def _pairs(node: Node) -> Pairs:
    return tuple((key, _text(value)) for key, value in _dict(node).items() if not isinstance(value, (list, dict)))


class _Reader:
    """Reads one document, and collects what could not be kept."""

    def __init__(self, root: "dict[str, Node]", problems: list[str]) -> None:
        self.root, self.problems = root, problems

    def poc(self) -> Poc:
        """The whole document."""
        info, detail = _dict(self.root.get("info")), _dict(self.root.get("detail"))
        flaw, classes = _dict(detail.get("vulnerability")), _dict(info.get("classification"))
        severity = _text(info.get("severity") or flaw.get("level") or detail.get("severity")).strip().lower()
        rules, expression = self._rules()
        title = _text(info.get("name")) or _text(self.root.get("name")) or _text(detail.get("name"))
        return Poc(
            id=(_text(self.root.get("id")) or _text(self.root.get("name"))).strip()[:200],
            title=title.strip(),
            author=", ".join(_split(info.get("author") or detail.get("author"))),
            severity=_LEVELS.get(severity, severity) or "unknown",
            description=(_text(info.get("description")) or _text(detail.get("description"))).strip(),
            references=(*_texts(info.get("reference")), *_texts(info.get("references")), *_texts(detail.get("links"))),
            tags=(*_split(info.get("tags")), *_split(detail.get("tags"))),
            cves=(*_split(classes.get("cve-id")), *_split(info.get("cve")), *_split(flaw.get("id"))),
            cwes=tuple(each.upper() for each in _split(classes.get("cwe-id"))),
            variables=self._variables(self.root.get("set")),
            rows=self._rows(self.root.get("payloads")),
            rules=rules,
            expression=expression,
            problems=tuple(self.problems),
        )

    def _rules(self) -> tuple[tuple[Rule, ...], str]:
        """All rules, and the expression that says in which order they run; lists and groups run in order."""
        node = self.root.get("rules")
        expression = _text(self.root.get("expression"))
        if isinstance(node, dict):
            named = list(node.items())
        else:
            groups = _dict(self.root.get("groups")) if not isinstance(node, list) else {"": node}
            named, alternatives = [], []
            for group, items in groups.items():
                names = [f"{group or 'r'}{number}" for number in range(len(items) if isinstance(items, list) else 0)]
                named += zip(names, items if isinstance(items, list) else [], strict=True)
                alternatives.append(" && ".join(f"{name}()" for name in names))
            expression = expression or " || ".join(each for each in alternatives if each)
        if len(named) > MAX_RULES:
            self.problems.append(f"only {MAX_RULES} of {len(named)} rules are read")
        return tuple(self._rule(name, _dict(item)) for name, item in named[:MAX_RULES]), expression

    def _rule(self, name: str, item: "dict[str, Node]") -> Rule:
        request = _dict(item.get("request")) or item
        brute = _dict(item.get("brute"))
        output = [*_dict(item.get("output")), *self._extracted(item.get("extractors"))]
        if search := _text(item.get("search")):
            output += _groups(search)
        body = request.get("body")
        return Rule(
            name=name,
            method=_text(request.get("method")).strip().upper() or "GET",
            paths=_texts(request.get("path", request.get("uri"))),
            headers=_pairs(request.get("headers")),
            body=body if isinstance(body, str) else None,
            raw=_text(request.get("raw")),
            redirects=_text(request.get("follow_redirects")).strip().lower() in _TRUE,
            expression=_text(item.get("expression")),
            output=tuple(output),
            payloads=tuple((key, _texts(value)) for key, value in brute.items() if isinstance(value, list)),
            payload_mode=_text(brute.get("mode")).strip().lower() or "batteringram",
            protocol=_text(request.get("type")).strip().lower() or "http",
        )

    @staticmethod
    def _extracted(node: Node) -> list[str]:
        names: list[str] = []
        for item in node if isinstance(node, list) else ():
            one = _dict(item)
            names += [*_dict(one.get("extractor")), *([_text(one.get("name"))] if one.get("name") else [])]
        return names

    def _variables(self, node: Node) -> Pairs:
        pairs = _pairs(node)
        if len(pairs) > MAX_VARIABLES or len(pairs) < len(_dict(node)):
            self.problems.append("variables that are lists, or too many, are left out")
        return pairs[:MAX_VARIABLES]

    @staticmethod
    def _rows(node: Node) -> tuple[Pairs, ...]:
        sets = _dict(_dict(node).get("payloads")) or _dict(node)
        return tuple(_pairs(each) for each in sets.values() if isinstance(each, dict))


def _groups(pattern: str) -> list[str]:
    """Names of the groups of a search pattern, `(?P<name>…)`."""
    pieces = pattern.split("(?P<")[1:21]
    return [name for piece in pieces if (name := piece.partition(">")[0]).isidentifier()]
