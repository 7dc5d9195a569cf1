"""What a document says about the vulnerability besides its requests: title, product, weakness, references."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec

from ruleforge.sources.prose.chunks import shown
from ruleforge.sources.prose.hosts import is_target_like

HEAD = 16_000  # characters that are searched for facts
MAX_TITLE = 300
MAX_FOUND = 20

_CVE = re.compile(r"(?<![A-Za-z0-9])CVE[-_ :]{1,3}(\d{4})[-_](\d{4,8})(?!\d)", re.IGNORECASE)
_CWE = re.compile(r"(?<![A-Za-z0-9])CWE[-: ]{1,2}(\d{1,5})(?!\d)", re.IGNORECASE)
_FIELD = re.compile(
    r"[ \t#*|>;/\[\]+~=o!.:-]{0,24}([A-Za-z][\w /().-]{1,40}?)[ \t]*(?:[:=]|\.{2,}:?)[ \t]*(\S.{0,400})$"
)
_HEADING = re.compile(r"[ \t]{0,3}#{1,3}[ \t]+(\S.{0,400})$")
# Headings and lines that head a part of the document or hold a field, and do not name what it is about.
_NO_TITLE = re.compile(
    r"(?:date|vendor|software|version|tested on|cve|category|author|dork|google|platform|type)\b[^:]{0,20}:|"
    r"(?:vulnerabilit(?:y|ies)[ ]?(?:summary|details?|type|class|description)?|summary|overview|description|details|"
    r"introduction|credits?|vendor response|remote|product|"
    r"vulnerable environment|environment|background)[ ]*(?::|$)|https?:|"
    r"\[?cve[-_][\d-]{6,14}\]?(?:\(|$)",
    re.IGNORECASE,
)
_BADGE = re.compile(r"img\.shields\.io/\S{0,40}?label=(\w+)&message=([^&)\s]{1,500})")
_LINKED = re.compile(r"\[([^\]]{0,300})\]\([^)]{0,500}\)")
_REFERENCE = re.compile(r"https?://[^\s<>\"')\]`]{4,500}", re.IGNORECASE)
_SEVERITY = re.compile(r"\bseverity[^\w\n]{1,5}\**[ ]*(critical|high|medium|low|info)", re.IGNORECASE)
_SPLIT_TITLE = re.compile(r"[ ]+[-–—|:]+[ ]+|[ ]*[,(]|[ ]+versions?\b|[ ]+<=?|[ ]+>=?|[ ]+v?\d+(?:\.\d+|\.x)")
_PRODUCT_FIELDS = (
    "product",
    "software",
    "application",
    "script",
    "product name",
    "affected product",
    "affected software",
)
_TITLE_FIELDS = ("exploit title", "title", "advisory", "vulnerability title", "exploit")
# words → (tag of the vocabulary of templates, kind of payload for placeholders), in the order of how telling they are
_FLAWS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (tag, kind, re.compile(words, re.IGNORECASE))
    for tag, kind, words in (
        ("sqli", "sqli", r"sql[ _-]?injection|\bsqli\b|\bsql\b"),
        ("ssti", "ssti", r"template[ -]injection|\bssti\b"),
        ("xxe", "", r"\bxxe\b|xml external|external entit"),
        ("ssrf", "ssrf", r"\bssrf\b|server[- ]side request"),
        ("shellshock", "rce", r"shellshock"),
        ("jndi", "", r"\bjndi\b|log4shell|log4j"),
        ("ognl", "ssti", r"\bognl\b|expression language|\bspel\b"),
        ("deserialization", "", r"deseriali[sz]|object injection"),
        ("rfi", "rfi", r"remote[ -]file[ -]inclu|\brfi\b"),
        (
            "lfi",
            "lfi",
            r"local[ -]file|\blfi\b|file[ -](?:disclosure|reading|read|download|inclusion)",
        ),
        ("traversal", "lfi", r"traversal"),
        (
            "fileupload",
            "code",
            r"file upload|upload of (?:arbitrary|malicious)|(?:arbitrary|unrestricted) upload|upload.{0,40}\bshell",
        ),
        ("cmdi", "rce", r"command[ -](?:injection|execution)|execut\w+ (?:arbitrary )?(?:os |system |shell )?commands"),
        ("rce", "rce", r"\brce\b|remote[ -]code|code[ -](?:execution|injection)|remote command"),
        ("redirect", "redirect", r"open[ -]redirect|ur[li][ -]redirect"),
        ("crlf", "", r"\bcrlf\b|response splitting"),
        ("xss", "xss", r"\bxss\b|cross[ -]site[ -]script|script injection|html injection"),
        ("auth-bypass", "", r"auth\w*[ -]bypass|bypass\w* (?:of )?auth"),
        ("csrf", "", r"\bcsrf\b|request forgery"),
    )
)


class Facts(msgspec.Struct, frozen=True):
    """What the text says, all of it bounded."""

    cves: tuple[str, ...] = ()
    cwes: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # kinds of payload, for placeholders
    severity: str = "unknown"
    product: str = ""
    references: tuple[str, ...] = ()
    author: str = ""


def facts_of(lines: Sequence[str]) -> Facts:
    """Read the facts of a document from its lines; the first of equal ones counts."""
    text = shown("\n".join(line[:2_000] for line in lines[:2_000]))
    head = text[:HEAD]
    fields = _fields(head)
    badges = {name.lower(): unquote(value).strip() for name, value in _BADGE.findall(head)}
    title = _title(head, fields)
    tags, kinds = _flaws(title, badges.get("vulnerability", ""), head)
    severity = _SEVERITY.search(head)
    return Facts(
        cves=tuple(dict.fromkeys(f"CVE-{year}-{number}" for year, number in _CVE.findall(text)))[:MAX_FOUND],
        cwes=tuple(dict.fromkeys(f"CWE-{number}" for number in _CWE.findall(unquote(head))))[:MAX_FOUND],
        title=title,
        description=_description(head),
        tags=tags,
        kinds=kinds,
        severity=severity[1].lower() if severity else "unknown",
        product=_product(fields, badges),
        references=_references(head),
        author=next((fields[name] for name in ("exploit author", "author", "by") if name in fields), "")[:200],
    )


def _fields(head: str) -> dict[str, str]:
    """`# Exploit Title: …`, `Version ...: …`: the first value of each name."""
    found: dict[str, str] = {}
    for line in head.split("\n")[:120]:
        match = _FIELD.match(line[:500])
        if match is not None:
            found.setdefault(" ".join(match[1].lower().split()), match[2].strip(" \t*]|#"))
    return found


def _title(head: str, fields: dict[str, str]) -> str:
    for name in _TITLE_FIELDS:
        if len(fields.get(name, "")) > 8:
            return fields[name][:MAX_TITLE]
    lines = head.split("\n")
    for line in lines[:200]:
        found = _HEADING.match(line[:600])
        if found is not None and len(found[1].strip("# ")) > 4 and not _NO_TITLE.match(found[1].strip("# *")):
            return _LINKED.sub(r"\1", found[1]).strip("# ")[:MAX_TITLE]
    for line in lines[:40]:
        words = re.sub(r"^(?:\W{0,20}\[.\])?[^A-Za-z0-9]{0,40}", "", line[:400]).strip(" \t-=*#|")
        if (
            len(words) > 12
            and " " in words
            and "://" not in words
            and not _NO_TITLE.match(words)
            and any(pattern.search(words) for _, _, pattern in _FLAWS)
        ):
            return words[:MAX_TITLE]
    return ""


def _flaws(title: str, badge: str, head: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags and payload kinds: the words of the title say it, else those of the first paragraphs."""
    for text in (f"{title} {badge}", head[:2_500], head[:8_000]):
        found = [(tag, kind) for tag, kind, pattern in _FLAWS if pattern.search(text)]
        if found:
            kinds = dict.fromkeys(kind for _, kind in found if kind)
            return tuple(dict.fromkeys(tag for tag, _ in found)), tuple(kinds)
    return (), ()


def _description(head: str) -> str:
    """The first paragraphs that read like prose."""
    kept: list[str] = []
    for paragraph in re.split(r"\n[ \t]*\n", head)[:60]:
        words = " ".join(paragraph.split())
        letters = sum(c.isalpha() or c == " " for c in words[:400])
        if len(words) > 60 and letters > 0.75 * min(len(words), 400) and "://" not in words[:80]:
            kept.append(words)
        if sum(map(len, kept)) > 1_500:
            break
    return "\n\n".join(kept)[:4_000]


def _product(fields: dict[str, str], badges: dict[str, str]) -> str:
    """The product's name without its version, where a field names it: a title is no reliable source."""
    badge = badges.get("product", "")
    if badge and badge.lower() != "n/a":
        return badge[:120]
    for name in _PRODUCT_FIELDS:
        value = re.sub(r"https?://\S{1,300}", "", fields.get(name, "")).strip()
        if value:
            return _SPLIT_TITLE.split(value)[0].strip()[:120]
    return ""


def _references(head: str) -> tuple[str, ...]:
    found = []
    for match in _REFERENCE.finditer(head):
        url = match[0].rstrip(".,;")
        authority = re.match(r"https?://([^/?#]{0,300})", url, re.IGNORECASE)
        if authority and not is_target_like(authority[1]) and "shields.io" not in url:
            found.append(url)
    return tuple(dict.fromkeys(found))[:MAX_FOUND]
