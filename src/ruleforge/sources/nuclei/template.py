"""A Nuclei template as data: everything it says about the flaw and about its HTTP requests, nothing evaluated."""

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.bounded_yaml import Node, load_yaml

OTHER_PROTOCOLS = (
    "dns", "tcp", "network", "code", "headless", "javascript", "ssl", "file", "websocket", "whois", "workflows",
)  # fmt: skip
ATTACKS = frozenset({"batteringram", "pitchfork", "clusterbomb"})
MAX_BLOCKS = 64
MAX_STEPS = 128  # paths and raw requests of one block
_TRUE = frozenset({"true", "yes", "on", "y", "1"})


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """The `info` part: what the flaw is."""

    name: str = ""
    author: str = ""
    severity: str = "unknown"
    description: str = ""
    impact: str = ""
    remediation: str = ""
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    cwes: tuple[str, ...] = ()
    cpe: str = ""
    cvss_score: str = ""  # as written, "9.8"
    cvss_vector: str = ""  # as written, "CVSS:3.1/AV:N/…"
    metadata: tuple[tuple[str, str], ...] = ()


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the response; `values` are words, regexes, status codes, expressions, as `type` says."""

    type: str
    values: tuple[str, ...] = ()
    part: str = "body"
    condition: str = "or"
    name: str = ""
    negative: bool = False
    internal: bool = False
    case_insensitive: bool = False
    encoding: str = ""


class Extractor(msgspec.Struct, frozen=True, kw_only=True):
    """One value read from the response; with a name it is a variable of later requests."""

    type: str
    values: tuple[str, ...] = ()
    part: str = "body"
    name: str = ""
    group: str = ""
    attribute: str = ""
    internal: bool = False


class HttpBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One element of `http`: requests, what fills them, and what is checked afterwards."""

    id: str = ""
    method: str = "GET"
    paths: tuple[str, ...] = ()
    raws: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    payloads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    payload_files: tuple[tuple[str, str], ...] = ()  # lists that live in a file, which is never opened
    attack: str = "batteringram"
    matchers: tuple[Matcher, ...] = ()
    matchers_condition: str = "or"
    extractors: tuple[Extractor, ...] = ()
    stop_at_first_match: bool = False
    redirects: bool = False
    unsafe: bool = False
    req_condition: bool = False
    cookie_reuse: bool = True
    skip_variables_check: bool = False
    iterate_all: bool = False
    fuzzing: bool = False
    self_contained: bool = False
    digest_auth: bool = False


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One template file."""

    id: str
    info: Info
    variables: tuple[tuple[str, str], ...] = ()
    blocks: tuple[HttpBlock, ...] = ()
    flow: str = ""
    self_contained: bool = False
    other_protocols: tuple[str, ...] = ()  # "dns", "code", …: present but not read
    problems: tuple[str, ...] = ()


def looks_like_template(root: Node) -> bool:
    """Whether a YAML document has the two keys every template has."""
    return isinstance(root, dict) and isinstance(root.get("id"), str) and isinstance(root.get("info"), dict)


def parse_template(data: bytes, where: str = "") -> Template:
    """Read a template from the bytes of its file.

    Raises:
        InputError: no bounded YAML (RF210 to RF213), or not a template (RF214).
    """
    document = load_yaml(data, where)
    root = document.root
    if not isinstance(root, dict) or not looks_like_template(root):
        raise InputError(
            "not a known format: a Nuclei template has `id` and `info`",
            where=where,
            hint="check the file",
            code="RF214",
        )
    reader = _Reader(list(document.problems))
    return reader.template(root)


def _text(node: Node) -> str:
    return node if isinstance(node, str) else ""


def _flag(node: Node, default: bool = False) -> bool:
    return node.lower() in _TRUE if isinstance(node, str) else default


def _texts(node: Node) -> tuple[str, ...]:
    """A list of scalars, or one scalar, as texts; anything nested is left out."""
    if isinstance(node, list):
        return tuple(item if isinstance(item, str) else "" for item in node if not isinstance(item, (list, dict)))
    return (node,) if isinstance(node, str) else ()


def _split(node: Node) -> tuple[str, ...]:
    """A list, or a text with commas, as stripped and non-empty texts."""
    items = _texts(node)
    return tuple(part.strip() for item in items for part in item.split(",") if part.strip())


def _pairs(node: Node) -> tuple[tuple[str, str], ...]:
    return tuple((key, _text(value)) for key, value in node.items()) if isinstance(node, dict) else ()


def _dicts(node: Node) -> "list[dict[str, Node]]":
    items = node if isinstance(node, list) else [node]
    return [item for item in items if isinstance(item, dict)]


class _Reader:
    """Collects what could not be kept while it reads."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems

    def template(self, root: "dict[str, Node]") -> Template:
        """The whole document."""
        http = root.get("http", root.get("requests"))
        blocks = _dicts(http)
        if len(blocks) > MAX_BLOCKS:
            self.problems.append(f"only {MAX_BLOCKS} of {len(blocks)} http blocks are read")
        self_contained = _flag(root.get("self-contained"))
        return Template(
            id=_text(root["id"]).strip()[:200],
            info=self._info(root["info"]),
            variables=self._variables(root.get("variables")),
            blocks=tuple(self._block(block, number) for number, block in enumerate(blocks[:MAX_BLOCKS])),
            flow=_text(root.get("flow")),
            self_contained=self_contained,
            other_protocols=tuple(name for name in OTHER_PROTOCOLS if name in root),
            problems=tuple(self.problems),
        )

    def _info(self, node: Node) -> Info:
        info = node if isinstance(node, dict) else {}
        classification = info.get("classification")
        classes = classification if isinstance(classification, dict) else {}
        return Info(
            name=_text(info.get("name")).strip(),
            author=", ".join(_split(info.get("author"))),
            severity=_text(info.get("severity")).strip().lower() or "unknown",
            description=_text(info.get("description")).strip(),
            impact=_text(info.get("impact")).strip(),
            remediation=_text(info.get("remediation")).strip(),
            references=tuple(item.strip() for item in _texts(info.get("reference")) if item.strip()),
            tags=_split(info.get("tags")),
            cves=tuple(item.upper() for item in _split(classes.get("cve-id"))),
            cwes=tuple(item.upper() for item in _split(classes.get("cwe-id"))),
            cpe=_text(classes.get("cpe")).strip(),
            cvss_score=_text(classes.get("cvss-score")).strip(),
            cvss_vector=_text(classes.get("cvss-metrics")).strip()[:200],
            metadata=_pairs(info.get("metadata")),
        )

    def _variables(self, node: Node) -> tuple[tuple[str, str], ...]:
        if not isinstance(node, dict):
            return ()
        nested = [key for key, value in node.items() if isinstance(value, (list, dict))]
        self.problems.extend(f"variable {name!r} is a list or mapping and is treated as unknown" for name in nested)
        return tuple((key, _text(value)) for key, value in node.items() if key not in nested)

    def _block(self, block: "dict[str, Node]", number: int) -> HttpBlock:
        payloads, files = self._payloads(block.get("payloads"), number)
        attack = _text(block.get("attack")).strip().lower() or "batteringram"
        if attack not in ATTACKS:
            self.problems.append(f"http[{number}]: unknown attack mode {attack[:40]!r}, read as batteringram")
            attack = "batteringram"
        body = block.get("body")
        return HttpBlock(
            id=_text(block.get("id")),
            method=_text(block.get("method")).strip() or "GET",
            paths=self._steps(block.get("path"), f"http[{number}].path"),
            raws=self._steps(block.get("raw"), f"http[{number}].raw"),
            headers=_pairs(block.get("headers")),
            body=body if isinstance(body, str) else None,
            payloads=payloads,
            payload_files=files,
            attack=attack,
            matchers=tuple(_matcher(item) for item in _dicts(block.get("matchers"))),
            matchers_condition=_text(block.get("matchers-condition")).strip().lower() or "or",
            extractors=tuple(_extractor(item) for item in _dicts(block.get("extractors"))),
            stop_at_first_match=_flag(block.get("stop-at-first-match")),
            redirects=_flag(block.get("redirects")) or _flag(block.get("host-redirects")),
            unsafe=_flag(block.get("unsafe")),
            req_condition=_flag(block.get("req-condition")),
            cookie_reuse=_flag(block.get("cookie-reuse"), default=not _flag(block.get("disable-cookie"))),
            skip_variables_check=_flag(block.get("skip-variables-check")),
            iterate_all=_flag(block.get("iterate-all")),
            fuzzing="fuzzing" in block or "fuzz" in block,
            self_contained=_flag(block.get("self-contained")),
            digest_auth="digest-username" in block,
        )

    def _steps(self, node: Node, place: str) -> tuple[str, ...]:
        steps = _texts(node)
        if len(steps) > MAX_STEPS:
            self.problems.append(f"{place}: only {MAX_STEPS} of {len(steps)} requests are read")
        return steps[:MAX_STEPS]

    def _payloads(
        self, node: Node, number: int
    ) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[tuple[str, str], ...]]:
        lists: list[tuple[str, tuple[str, ...]]] = []
        files: list[tuple[str, str]] = []
        for name, value in node.items() if isinstance(node, dict) else ():
            if isinstance(value, list):
                lists.append((name, _texts(value)))
            elif isinstance(value, str) and "\n" in value:
                lists.append((name, tuple(value.rstrip("\n").split("\n"))))
            else:
                files.append((name, _text(value)))
                self.problems.append(f"http[{number}]: payload {name!r} is a file, which is not opened")
        return tuple(lists), tuple(files)


def _matcher(item: "dict[str, Node]") -> Matcher:
    kind = _text(item.get("type")).strip().lower() or "word"
    key = {"word": "words"}.get(kind, kind)
    return Matcher(
        type=kind,
        values=_texts(item.get(key)),
        part=_text(item.get("part")).strip() or "body",
        condition=_text(item.get("condition")).strip().lower() or "or",
        name=_text(item.get("name")),
        negative=_flag(item.get("negative")),
        internal=_flag(item.get("internal")),
        case_insensitive=_flag(item.get("case-insensitive")),
        encoding=_text(item.get("encoding")),
    )


def _extractor(item: "dict[str, Node]") -> Extractor:
    kind = _text(item.get("type")).strip().lower() or "regex"
    return Extractor(
        type=kind,
        values=_texts(item.get(kind)),
        part=_text(item.get("part")).strip() or "body",
        name=_text(item.get("name")).strip(),
        group=_text(item.get("group")),
        attribute=_text(item.get("attribute")),
        internal=_flag(item.get("internal")),
    )
