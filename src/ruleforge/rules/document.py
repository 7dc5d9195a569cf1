"""What a rule document says besides `when`: its keys and what each may hold. Parser and schema read this table."""

import re
from typing import Any

import msgspec

SCHEMA_VERSION = 1
MAX_BYTES = 256 * 1024  # of a document
MAX_DEPTH = 32  # of the tree
MAX_NODES = 500  # of the tree
MAX_TEXT = 20_000  # characters of one text
MAX_ITEMS = 500  # of one list of texts
MAX_REVISION = 1_000_000

SOME_PLACES = ("args", "query_args", "form_args", "json", "multipart", "headers", "cookies")
ELEMENT_FIELDS = ("name", "value", "filename", "content_type")
PART_FIELDS = ("filename", "content_type")  # only parts of multipart have these

DURATION = r"^[1-9][0-9]{0,6}[smhd]$(?!\n)"
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
MAX_AT_LEAST = 1_000_000
MAX_STEPS = 10
MAX_BY = 10


class Text(msgspec.Struct, frozen=True):
    r"""A text of the document; `pattern` is found from its start, `$(?!\n)` is the end in every dialect."""

    pattern: str = ""
    like: str = ""  # an example, for messages
    choices: tuple[str, ...] = ()
    least: int = 0  # characters

    def refusal(self, text: str) -> str:
        """Say what is wrong with `text`; empty when nothing is."""
        if self.choices and text not in self.choices:
            return "expected one of " + ", ".join(self.choices)
        if not self.least <= len(text) <= MAX_TEXT:
            return f"the text has {len(text)} characters, allowed are {self.least} to {MAX_TEXT}"
        if self.pattern and not re.search(self.pattern, text):
            return f"{text[:80]!r} does not look like {self.like!r}"
        return ""

    def schema(self) -> dict[str, Any]:
        """Describe the text as JSON Schema."""
        if self.choices:
            return {"enum": list(self.choices)}
        schema: dict[str, Any] = {"type": "string", "maxLength": MAX_TEXT}
        if self.least:
            schema["minLength"] = self.least
        return schema | ({"pattern": self.pattern} if self.pattern else {})


_TIME = r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
_DATE = rf"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_TIME})?)?$(?!\n)"

TEXTS: dict[str, Text] = {
    "id": Text(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$(?!\n)", "RF-CVE-2021-41773-1"),
    "title": Text(),
    "description": Text(),
    "severity": Text(choices=("info", "low", "medium", "high", "critical", "unknown")),
    "author": Text(),
    "created": Text(_DATE, "2026-01-31"),
    "expires": Text(_DATE, "2026-01-31"),
}
LISTS: dict[str, Text] = {
    "cves": Text(r"^CVE-[0-9]{4}-[0-9]{4,19}$(?!\n)", "CVE-2021-41773"),
    "cwes": Text(r"^CWE-[0-9]{1,6}$(?!\n)", "CWE-22"),
    "attack": Text(r"^T[0-9]{4}([.][0-9]{3})?$(?!\n)", "T1190"),
    "references": Text(),
    "false_positives": Text(),
}
PRODUCT: dict[str, Text] = {"vendor": Text(), "product": Text(), "versions": Text()}
PRODUCT_REQUIRED = ("vendor", "product")

# Every key, in the order a document is written.
KEYS = (
    "schema",
    "id",
    "revision",
    "title",
    "description",
    "cves",
    "cwes",
    "attack",
    "products",
    "severity",
    "references",
    "false_positives",
    "author",
    "created",
    "expires",
    "event",
    "when",
    "classes",
)
REQUIRED = ("schema", "id", "when")
