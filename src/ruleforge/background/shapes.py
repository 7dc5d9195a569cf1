"""The shape of a value: a number, a URL, a piece of markup, … what of it a table of normal traffic may keep."""

import re

MAX_READ = 2_000  # bytes of a value that decide its shape

# The first that fits names the shape; constant patterns of ours on bounded text.
_SHAPES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("empty", re.compile(rb"")),
    ("flag", re.compile(rb"(?i)true|false|on|off|yes|no|[01]")),
    ("number", re.compile(rb"[+-]?\d{1,20}(?:\.\d{1,10})?")),
    ("date", re.compile(rb"\d{4}-\d\d-\d\d.{0,20}|\d{1,2}[./]\d{1,2}[./]\d{2,4}")),
    ("uuid", re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")),
    ("mail", re.compile(rb"[\w.+-]{1,64}@[\w.-]{1,255}")),
    ("url", re.compile(rb"(?i)https?://\S+")),
    ("path", re.compile(rb"/[\w./~%-]*")),
    ("json", re.compile(rb"\s*[\[{].*[\]}]\s*", re.DOTALL)),
    ("markup", re.compile(rb"\s*<[A-Za-z!?/].*>\s*", re.DOTALL)),
    ("list", re.compile(rb"[\w.-]{1,40}(?:[,;|][\w.-]{1,40}){1,50}")),
    ("token", re.compile(rb"[0-9A-Fa-f]{16,}|[\w+/=-]{32,}")),
    ("file", re.compile(rb"[\w .-]{1,80}\.[A-Za-z]{2,4}")),
    ("word", re.compile(rb"[\w.:-]{1,40}")),
)
SHAPES = (*(name for name, _ in _SHAPES), "text")


def shape_of(value: bytes) -> str:
    """Name the shape of `value` by its first 2,000 bytes; "text" where nothing simpler fits."""
    start = value[:MAX_READ]
    return next((name for name, pattern in _SHAPES if pattern.fullmatch(start)), "text")
