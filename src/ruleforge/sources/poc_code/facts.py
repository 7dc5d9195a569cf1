"""What the head of a script says about the vulnerability: CVE numbers, title, kind of weakness."""

import re

from ruleforge.sources.found import Findings

HEAD = 16_000  # characters that are searched
MAX_FOUND = 20

_CVE = re.compile(r"CVE[-_ :]{0,4}(?:CVE[-_ ]{1,2})?(\d{4})[-_](\d{4,8})", re.IGNORECASE)
_CWE = re.compile(r"CWE[-_ ]?(\d{1,4})\b", re.IGNORECASE)
_TITLE = re.compile(
    r"^[\s#/*;\"'-]{0,12}(?:Exploit[ \t]+)?Title[ \t]{0,4}:[ \t]*(\S[^\n]{3,250})$", re.MULTILINE | re.IGNORECASE
)
_AUTHOR = re.compile(
    r"^[\s#/*;\"'-]{0,12}(?:Exploit[ \t]+)?Author[ \t]{0,4}:[ \t]*(\S[^\n]{1,120})$", re.MULTILINE | re.IGNORECASE
)
_URL = re.compile(r"https?://[\w.-]{3,100}/[^\s'\"<>)\\]{0,200}")
_COMMENT = re.compile(r"^[ \t]*(?:#|//|\*|\"\"\"|''')[ \t!]*([^\n]{8,200})$", re.MULTILINE)
_TAGS: tuple[tuple[str, str], ...] = (
    ("sqli", r"sql[ -]?i(?:njection)?\b|sqli\b"), ("xss", r"\bxss\b|cross[ -]site[ -]scripting"),
    ("traversal", r"travers|\.\./"),
    ("lfi", r"\blfi\b|(?:local|arbitrary) file (?:inclu|disclo|read|down)|file disclosure"),
    ("rfi", r"\brfi\b|remote file inclu"), ("rce", r"\brce\b|remote command execution|code execution"),
    ("cmdi", r"command injection|os command|command execution"), ("ssrf", r"\bssrf\b|server[ -]side request forgery"),
    ("xxe", r"\bxxe\b|xml external"), ("deserialization", r"deseriali|object injection|unseriali"),
    ("fileupload", r"file upload|arbitrary upload|upload (?:vuln|shell)|webshell upload"),
    ("ssti", r"\bssti\b|template injection"), ("redirect", r"open redirect"), ("crlf", r"\bcrlf\b|response splitting"),
    ("jndi", r"\bjndi\b|log4j|log4shell"), ("ognl", r"\bognl\b"), ("shellshock", r"shellshock"),
)  # fmt: skip
_TAG_PATTERNS = tuple((tag, re.compile(pattern, re.IGNORECASE)) for tag, pattern in _TAGS)


def facts_of(source: str, title: str = "", description: str = "") -> Findings:
    """The facts of `source`, without requests; `title` and `description` are those its metadata gives, if any."""
    head = source[:HEAD]
    title = title or _title(head)
    telling = f"{title}\n{description}" if title or description else "\n".join(_comments(head))
    return Findings(
        requests=(),
        cves=tuple(dict.fromkeys(f"CVE-{year}-{number}" for year, number in _CVE.findall(head)))[:MAX_FOUND],
        title=title,
        description=description,
        cwes=tuple(dict.fromkeys(f"CWE-{number}" for number in _CWE.findall(head)))[:MAX_FOUND],
        tags=tags_of(telling),
        references=tuple(dict.fromkeys(url for url in _URL.findall("\n".join(_comments(head)))))[:MAX_FOUND],
        author=next((found.strip() for found in _AUTHOR.findall(head)), ""),
    )


def tags_of(words: str) -> tuple[str, ...]:
    """The tags of `cases.anatomy.TAG_CLASSES` that `words` speak of."""
    return tuple(tag for tag, pattern in _TAG_PATTERNS if pattern.search(words[:8_000]))


def _title(head: str) -> str:
    found = _TITLE.search(head)
    if found is not None:
        return found[1].strip()
    return next((line for line in _comments(head) if tags_of(line) or _CVE.search(line)), "")


def _comments(head: str) -> list[str]:
    return [found.strip() for found in _COMMENT.findall(head)][:60]
