"""Placeholders of people: `[SQL]`, `<target>`, `{path}`, `TARGET_IP`, and what stands in their place in a request."""

import re
from collections.abc import Sequence

import msgspec

from ruleforge.sources.nuclei.standins import Standins

# What a payload placeholder becomes: one that is typical for its kind and that any such attack resembles.
PAYLOADS: dict[str, str] = {
    "sqli": "-1' UNION SELECT 1,2,3,4,5-- -",
    "xss": "<script>alert(1)</script>",
    "lfi": "../../../../../../../../etc/passwd",
    "rce": ";cat /etc/passwd",
    "ssti": "{{7*7}}",
    "code": "<?php system('id'); ?>",
}
URL_KINDS = ("rfi", "ssrf", "redirect")

_KINDS = (
    ("sqli", re.compile(r"\bsqli?\b|inject|\bunion\b|\bblind\b|sql", re.IGNORECASE)),
    ("xss", re.compile(r"xss|\bscripting\b|\bhtml\b|java ?script|\balert\b", re.IGNORECASE)),
    ("lfi", re.compile(r"\blfi\b|lfi|traversal|local[ _-]?file|\.\./", re.IGNORECASE)),
    ("rfi", re.compile(r"\brfi\b|remote[ _-]?file|shell|evil|r57|c99|inclu[ds]", re.IGNORECASE)),
    ("rce", re.compile(r"\bcmd\b|command|\brce\b|\bexec", re.IGNORECASE)),
    ("ssti", re.compile(r"\bssti\b|template", re.IGNORECASE)),
    ("code", re.compile(r"\bphp[ _-]?code\b|\bcode\b", re.IGNORECASE)),
)
_ANY_PAYLOAD = re.compile(r"payload|exploit|attack|\bpoc\b|malicious|\bvuln", re.IGNORECASE)
_FILE = re.compile(r"\bfile(?:name)?\b", re.IGNORECASE)
_HOSTLY = re.compile(
    r"host|\bip\b|[ _-]ip$|_ip|-ip|domain|url|server|addr|site|^target$|^victim$|vps|oob|callback", re.IGNORECASE
)

_BRACKETED = re.compile(
    r"(?:\[|%5[Bb])(?P<square>[A-Za-z.][\w .,/?!:'’+-]{0,48})(?:\]|%5[Dd])(?![\[=]|%5[Bb]|%3[Dd])"
    r"|(?P<tag><|%3[Cc])(?P<angle>[A-Za-z][\w .:-]{0,40})(?:>|%3[Ee])"
    r"|(?<![$%#*@~{\\])\{{1,2}(?P<curly>[A-Za-z][\w-]{0,40})\}{1,2}(?!\})"
)
_WORD = re.compile(
    r"(?<![A-Za-z0-9])(?P<upper>(?:YOUR|TARGET|VICTIM|ATTACKER|RHOST|LHOST|REPLACE)(?:[_-]?[A-Z]{2,}){0,4})(?![A-Za-z0-9_])"
    r"|(?<![\w-])(?P<lower>(?:your|attacker|evil|vps|target|victim)[_-](?:vps[_-])?(?:ip|host|domain|server|url|address)"
    r"|your-\w{2,20}(?:[-_]\w{1,20}){0,3})(?![\w-])"
)
_TAGS = frozenset(
    [
        "script",
        "img",
        "svg",
        "body",
        "iframe",
        "a",
        "b",
        "i",
        "u",
        "p",
        "h1",
        "h2",
        "h3",
        "div",
        "span",
        "input",
        "html",
        "head",
        "br",
        "form",
        "style",
        "marquee",
        "object",
        "embed",
        "video",
        "audio",
        "details",
        "math",
        "xml",
        "link",
        "meta",
        "base",
        "table",
        "td",
        "tr",
        "textarea",
        "select",
        "option",
        "button",
        "title",
        "font",
        "center",
        "image",
        "isindex",
        "keygen",
        "template",
        "title",
        "id",
        "string",
        "name",
        "value",
    ]
)
_ROOTS = re.compile(
    r"/*(?:(?:\[|<|\{|%5[Bb]|%3[Cc])[^\]>}/\s%]{1,40}(?:\]|>|\}|%5[Dd]|%3[Ee])/+"
    r"|/*(?:path(?:[_-]to[_-]?\w{0,20})?|PATH|\w{1,20}[_-](?:path|PATH|dir|folder))/+(?=[\w.\[]))+"
)


class Filled(msgspec.Struct, frozen=True):
    """A text without placeholders."""

    text: str
    marks: tuple[str, ...] = ()  # what was put in and is not significant
    payload: bool = False  # a payload was put in: it is representative, not the author's
    notes: tuple[str, ...] = ()


class Filler:
    """Fills the placeholders of one document: the same one gets the same text each time.

    Args:
        kinds: what the document is about, keys of PAYLOADS or URL_KINDS, the likeliest first.
        standins: hands out what is not significant.
    """

    def __init__(self, kinds: Sequence[str], standins: Standins) -> None:
        self._kinds, self._standins = tuple(kinds), standins

    def without_root(self, path: str) -> str:
        """Leave out a placeholder for the folder in which the product is installed: `/[path]/x` becomes `/x`."""
        found = _ROOTS.match(path[:400])
        if found is None or not found.end() or self.kind_of(found[0].strip("/[]<>{}")) in ("lfi", "sqli"):
            return path
        return "/" + path[found.end() :]

    def kind_of(self, words: str) -> str:
        """The kind of payload that a placeholder's words ask for; empty: something else."""
        for kind, pattern in _KINDS:
            if pattern.search(words):
                return kind
        if _ANY_PAYLOAD.search(words):
            return self._kinds[0] if self._kinds else "xss"
        if _FILE.search(words) and "lfi" in self._kinds[:1]:
            return "lfi"
        return ""

    def fill(self, text: str, quote: str = "") -> Filled:
        """Fill `text`.

        Args:
            text: a target, the value of a header, or a body.
            quote: "url" percent-encodes payloads, "json" escapes them; in a URL curly braces are placeholders, too.
        """
        if not text or not re.search(r"[\[<{]|%5[Bb]|%3[Cc]|[A-Z]{4}|your|attacker|victim|target|vps|evil", text):
            return Filled(text)
        marks: list[str] = []
        notes: list[str] = []
        payloads: list[str] = []

        def put(found: re.Match[str]) -> str:
            return self._put(found, text, quote, marks, notes, payloads)

        filled = _WORD.sub(put, _BRACKETED.sub(put, text))
        return Filled(filled, tuple(dict.fromkeys(marks)), bool(payloads), tuple(dict.fromkeys(notes)))

    def _put(
        self, found: re.Match[str], text: str, quote: str, marks: list[str], notes: list[str], payloads: list[str]
    ) -> str:
        groups = found.groupdict()
        words = next(value for name, value in groups.items() if value and name != "tag")
        if _is_no_placeholder(found, text, quote):
            return found[0]
        kind = self.kind_of(words) if not (groups.get("upper") or groups.get("lower")) else ""
        if kind:
            payloads.append(kind)
            notes.append(f"the placeholder {found[0][:60]} was filled with a payload of its kind ({kind})")
            return self._payload(kind, quote, marks)
        word = self._standins.named("callback:" + words) if _HOSTLY.search(words) else self._standins.named(words)
        mark = word.data.decode("ascii")
        marks.append(mark)
        notes.append(f"the placeholder {found[0][:60]} was filled with a stand-in")
        return mark

    def _payload(self, kind: str, quote: str, marks: list[str]) -> str:
        if kind in URL_KINDS:
            host = self._standins.named("callback:payload").data.decode("ascii")
            marks.append(host)
            return f"http://{host}/"
        payload = PAYLOADS[kind]
        if quote == "url":
            return "".join(c if c.isalnum() or c in "-_./,;'()" else f"%{ord(c):02X}" for c in payload)
        return payload.replace("\\", "\\\\").replace('"', '\\"') if quote == "json" else payload


def _is_no_placeholder(found: re.Match[str], text: str, quote: str) -> bool:
    before = text[max(found.start() - 1, 0) : found.start()]
    groups = found.groupdict()
    if words := groups.get("square"):
        # `name[key]` is an array; `[0]` and JSON lists are none of ours.
        telling = any(pattern.search(words) for _, pattern in _KINDS)
        return (before.isalnum() or before in ("_", "]", '"')) and not telling and not _after_escape(found, text)
    if words := groups.get("angle"):
        close = f"</{words.split()[0]}"
        in_markup = quote in ("body", "json") and text.lstrip()[:1] == "<"
        return words.split()[0].lower() in _TAGS or close in text or in_markup
    if groups.get("curly"):
        return quote != "url" and not found[0].startswith("{{")
    return False


def _after_escape(found: re.Match[str], text: str) -> bool:
    """Whether a percent-encoded character stands before it: then that is no name of an array."""
    return bool(re.search(r"%[0-9A-Fa-f]{2}$", text[max(found.start() - 3, 0) : found.start()]))
