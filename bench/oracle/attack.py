"""What makes an exploit an attack, by the ORACLE's own signs, and whether ordinary values would make it none.

Conservative: only where the disclosure speaks of an injection (its weaknesses and tags), and a value of the request
shows the sign of that very kind. Where the vulnerability is the call itself (no authentication, access, logic, an
interpreter by design, deserialisation) ordinary values would leave an attack, and nothing is made.
"""

import re
from functools import cached_property

from oracle.case import Case
from oracle.slots import Slot, names, slots
from ruleforge.events.decoding import percent_decode
from ruleforge.rules.classes import classes_of

_CWES = {
    "sql": {"89", "564", "943"},
    "html": {"79", "80", "87", "116"},
    "file": {"22", "23", "24", "25", "26", "27", "29", "35", "36", "37", "73", "98"},
    "shell": {"77", "78", "88"},
    "code": {"94", "95", "96", "917", "1336"},
    "address": {"918", "601"},
    "xml": {"611", "776", "827"},
    "upload": {"434"},
    "line": {"93", "113"},
}
_TAGS = {
    "sql": {"sqli", "sql-injection", "time-based-sqli"},
    "html": {"xss"},
    "file": {"lfi", "traversal", "path-traversal", "lfr", "rfi"},
    "shell": {"cmdi", "command-injection", "oscommand", "shellshock"},
    "code": {"ssti", "ognl", "log4j", "jndi", "el-injection", "text4shell"},
    "address": {"ssrf", "redirect", "open-redirect"},
    "xml": {"xxe"},
    "upload": {"fileupload", "file-upload"},
    "line": {"crlf"},
}
# The call itself is the vulnerability, whatever its values.
_CALL_CWES = frozenset(
    [
        "284",
        "285",
        "287",
        "288",
        "289",
        "290",
        "294",
        "302",
        "304",
        "305",
        "306",
        "307",
        "321",
        "259",
        "798",
        "425",
        "502",
        "552",
        "639",
        "862",
        "863",
        "269",
        "266",
        "276",
        "640",
        "384",
        "345",
        "347",
        "862",
        "1188",
        "912",
        "506",
        "915",
        "1321",
        "470",
    ]
)
_CALL_TAGS = frozenset(
    [
        "auth-bypass",
        "authbypass",
        "default-login",
        "exposure",
        "misconfig",
        "backdoor",
        "idor",
        "takeover",
        "account-takeover",
        "deserialization",
        "disclosure",
        "unauth-access",
        "priv-esc",
        "privesc",
        "broken-access",
        "default-credentials",
        "hardcoded",
    ]
)
# An interpreter by design: whatever is sent there is run.
_INTERPRETERS = frozenset(
    [
        "cmd",
        "command",
        "commands",
        "exec",
        "execute",
        "eval",
        "code",
        "script",
        "expression",
        "expr",
        "sql",
        "shell",
        "payload",
        "run",
        "program",
        "ping_cmd",
        "syscmd",
        "template_code",
        "groovy",
        "ognl",
        "statement",
    ]
)
_COMMAND = re.compile(
    rb"(?i)\s*(?:/(?:usr/)?s?bin/)?(?:id|whoami|uname|ls|dir|cat|type|ping|curl|wget|nslookup|echo|sleep|expr|"
    rb"ipconfig|ifconfig|hostname|sh|bash|cmd|powershell|touch|nc|php|python3?|perl|ruby|printf|certutil)(?:\s|\Z)"
)
_STATEMENT = re.compile(rb"(?i)\s*(?:select|insert|update|delete|drop|exec|declare|with|call)\s")

_SIGNS = {
    "sql": re.compile(
        rb"(?i)['\"`]|--|/\*|\b(?:union|select|sleep|benchmark|waitfor|extractvalue|updatexml|pg_sleep|dbms_)\b|"
        rb"\b(?:and|or)\b.{0,40}[=<>(]"
    ),
    "html": re.compile(rb"(?i)[<>\"']|javascript:|\bon[a-z]{3,20}\s*="),
    "file": re.compile(
        rb"(?i)\.\.|^/|^[a-z]:[\\/]|\\|^[a-z]{2,8}:/?/?|/etc/|win\.ini|web-inf|\.php\b|\x00|::\$|/proc/|passwd"
    ),
    "shell": re.compile(rb"[;|&`$<>\n\r\\\"']|\(\)\s*\{"),
    "code": re.compile(rb"[{}$<>%#@(\[\"'`;\\]"),
    "address": re.compile(rb"(?i)^\s*(?:[a-z][a-z0-9+.-]{1,20}:|[/\\]{2})|^[/\\]|@|\b[a-z0-9-]{1,60}\.[a-z]{2,10}\b"),
    "xml": re.compile(rb"(?i)<!(?:doctype|entity)|xinclude|^\s*<\?xml"),
    "upload": re.compile(
        rb"(?i)<\?(?:php|=)|<%|<script|<\?xml|\.(?:php\d?|phtml|phar|jspx?|aspx?|ashx|asmx|cgi|pl|html?|svg|xml|zip|htaccess)\b|"
        rb"\.\.|runtime|eval\("
    ),
    "line": re.compile(rb"[\r\n]"),
}
# What no user types; in headers that browsers fill, less is odd.
_ODD = re.compile(rb"[<>\"'`${}|;\\^\x00-\x08\n\r]|\.\.|://|\\\\|%[0-9a-fA-F]{2}|--|/\*|\w\(|==|\|\||&&")
_ODD_HEADER = re.compile(rb"[<>`|\\\x00-\x08\n\r']|\$\{|\$\(|\(\)\s*\{|\.\./|%[0-9a-fA-F]{2}|/\*!|sleep\(")
_ODD_NAME = re.compile(rb"[<>\"'`${}|;\\^\x00-\x08\n\r()]|\.\.|://|__proto__|constructor")
_HOST = re.compile(rb"[\w.-]{0,253}(?::\d{1,5})?\Z|\[[0-9a-fA-F:.]{2,45}\](?::\d{1,5})?\Z")
_RUNS = re.compile(
    rb"(?i)\.(?:php\d?|phtml|phar|jspx?|aspx?|ashx|asmx|cgi|pl|py|sh|exe|dll|war|jar|html?|svg|htaccess|cer|asa)\W*\Z|\.\.|[/\\%\x00]"
)
_CLIENT = frozenset(
    [
        "user-agent",
        "accept",
        "accept-encoding",
        "accept-language",
        "accept-charset",
        "referer",
        "origin",
        "cache-control",
        "pragma",
        "upgrade-insecure-requests",
        "x-requested-with",
        "dnt",
        "te",
        "content-type",
        "range",
        "if-none-match",
        "if-modified-since",
    ]
)
_DOUBTFUL_CLASSES = frozenset(("url_value", "upload_name", "mass_assignment", "internal_address", "url_trick"))
SELECTORS = frozenset(
    [
        "action",
        "rest_route",
        "route",
        "controller",
        "module",
        "option",
        "task",
        "view",
        "method",
        "op",
        "do",
        "act",
        "func",
        "function",
        "cmd_type",
        "mod",
        "c",
        "m",
        "a",
        "r",
        "plugin",
        "type",
        "tab",
        "ajax",
        "fn",
        "service",
        "servicename",
        "_method",
        "format",
        "page_id",
        "form_id",
    ]
)
LONG = 64  # bytes: a value that is longer may hide what no sign shows
_PATH_TRICK = re.compile(
    rb"(?i)\.\.|%2e|%2f|%5c|%25|%00|%0d|%0a|%3c|%3e|%22|%27|%7b|%24|[<>\"'`${}|;\\()\s]|://|\A//|%[89a-f]|%u00"
)
_MARKUP = re.compile(
    rb"(?i)<\?(?:php|=)|<%|<script|ProcessBuilder|java\.lang|<void|<object|serialVersion|ysoserial|rO0AB"
)
DOCTYPE = re.compile(rb"(?i)<!DOCTYPE[^\[>]{0,500}(?:\[[^\]]{0,20000}\]\s{0,20})?>")
ENTITY = re.compile(rb"[&%](?!(?:amp|lt|gt|quot|apos|#\d{1,6}|#x[0-9a-fA-F]{1,5});)[A-Za-z_]\w{0,40};")


def kinds_of(case: Case) -> frozenset[str]:
    """Return the kinds of injection the disclosure speaks of; none where the call itself is the vulnerability."""
    cwes = {cwe.upper().removeprefix("CWE-") for cwe in case.advisory.cwes}
    tags = {tag.lower().strip() for tag in case.advisory.tags}
    if cwes & _CALL_CWES or tags & _CALL_TAGS:
        return frozenset()
    found = {kind for kind, known in _CWES.items() if cwes & known}
    # Tags say less than weaknesses: "rce" may be anything, and "sqli" stands beside "xss" where both were found.
    return frozenset(found or {kind for kind, known in _TAGS.items() if tags & known})


class Attack:
    """One exploit, with the slots that carry its attack; where `why_not` is filled ordinary values prove nothing."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.kinds = kinds_of(case)
        self.slots = slots(case)

    @cached_property
    def carriers(self) -> tuple[Slot, ...]:
        """The slots to be replaced: those with a sign of an attack, and those in which one could hide."""
        return tuple(slot for slot in self.slots if self.carries(slot))

    def carries(self, slot: Slot) -> bool:
        """Whether a slot has to be replaced."""
        value = slot.value[:8192]
        if slot.place == "header" and slot.name in _CLIENT:
            return bool(_ODD_HEADER.search(value))
        if slot.place == "header" and slot.name == "host":
            return not _HOST.match(value)
        if slot.place == "raw_body":
            return bool(value.strip())
        if slot.place == "filename" and _RUNS.search(value):
            return True
        if slot.place == "file":
            return bool(_MARKUP.search(value)) or "upload" in self.kinds
        if slot.name in SELECTORS and slot.place in ("query", "form", "json"):
            return bool(re.search(rb"[<>\"'`${}|\\\x00-\x1f]|\.\.|://|\w\(", value))
        odd = bool(_ODD.search(value)) or len(value) > LONG or bool(set(classes_of(value)) - _DOUBTFUL_CLASSES)
        return odd or self.signs(slot)

    def signs(self, slot: Slot) -> bool:
        """Whether a slot shows the sign of a kind that the disclosure speaks of."""
        value = slot.value[:8192]
        if slot.place == "header" and slot.name in _CLIENT:
            return bool(_ODD_HEADER.search(value)) and any(_SIGNS[kind].search(value) for kind in self.kinds)
        own = self.kinds & {"upload", "html", "code"} if slot.place in ("filename", "file") else self.kinds - {"upload"}
        if "file" in self.kinds and slot.place == "filename":
            own |= {"file"}
        if slot.name in SELECTORS and not _ODD.search(value):
            return False
        return any(_SIGNS[kind].search(value) for kind in own)

    @cached_property
    def path_at(self) -> int | None:
        """Where in the path the attack begins: the index of a segment; None: the path is a plain one."""
        for index, segment in enumerate(self.case.path[1:].split(b"/")):
            if _PATH_TRICK.search(segment) or (not segment and index == 0 and len(self.case.path) > 1):
                return index
        return None

    @cached_property
    def path_signs(self) -> bool:
        """Whether the path shows the sign of a kind that the disclosure speaks of."""
        if self.path_at is None:
            return False
        rest = percent_decode(b"/".join(self.case.path[1:].split(b"/")[self.path_at :]))
        return any(_SIGNS[kind].search(rest) for kind in self.kinds)

    @cached_property
    def why_not(self) -> str:
        """Say why no ordinary twin is made; empty where there is one."""
        if not self.kinds:
            return "the disclosure speaks of no injection: the call itself is the attack, or its kind is not known"
        if self.case.request.method.upper() not in (b"GET", b"POST", b"HEAD", b"PUT", b"PATCH"):
            return "the method is no ordinary one"
        if self.case.request.method.upper() == b"PUT" and "upload" in self.kinds:
            return "the call itself writes a file"
        if self.case.header(b"content-encoding") or self.case.header(b"transfer-encoding"):
            return "the body is coded"
        if any(slot.place == "raw_body" and slot.value.strip() for slot in self.slots):
            return "the body is of no kind that can be filled with ordinary values"
        if by_design := self._interpreter():
            return f"{by_design} is run as it stands, whatever it says"
        if "xml" in self.kinds and DOCTYPE.search(self.case.body):
            return ""
        if _MARKUP.search(self.case.body) and not any(_MARKUP.search(s.value) for s in self.carriers):
            return "the structure of the body is the attack"
        if not self.path_signs and not any(self.signs(slot) for slot in self.carriers):
            return "no value shows what the disclosure speaks of"
        return ""

    def _interpreter(self) -> str:
        """Name a slot whose whole value is a command or statement."""
        for slot in self.slots:
            runs = _COMMAND.match(slot.value[:200]) and slot.place not in ("header", "filename", "file")
            if slot.name in _INTERPRETERS and slot.place in ("query", "form", "json", "part", "xml"):
                return f"what stands in {slot.name}"
            if (runs and "shell" in self.kinds | {"shell"} and b" " in slot.value.strip()) or _STATEMENT.match(
                slot.value[:200]
            ):
                return f"what stands in {slot.name or 'a value'}"
        return ""


def is_harmless(case: Case) -> bool:
    """Whether nothing is left in a request that could be the attack of its disclosure: the predicate of every twin."""
    attack = Attack(case)
    if attack.path_at is not None or ENTITY.search(case.body) or DOCTYPE.search(case.body):
        return False
    if any(_ODD_NAME.search(name[:8192]) for name in names(case)) or _ODD_HEADER.search(case.header(b"cookie")):
        return False
    return not any(_still(slot) for slot in attack.slots)


def _still(slot: Slot) -> bool:
    value = slot.value[:8192]
    if slot.place == "header" and slot.name in _CLIENT:
        return bool(_ODD_HEADER.search(value))
    if set(classes_of(value)) - _DOUBTFUL_CLASSES or _MARKUP.search(value):
        return True
    if slot.place == "file":
        return False
    if slot.place == "filename" and _RUNS.search(value):
        return True
    if slot.place == "header" and slot.name == "host":
        return not _HOST.match(value)
    if slot.place in ("header", "cookie"):
        return bool(_ODD_HEADER.search(value))
    return bool(re.search(rb"[<>`${}|\\\x00-\x08\"]|\.\.|://|\w\(|/\*|\A[/\\]{2}|\A/etc", value))
