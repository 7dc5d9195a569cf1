"""HTML forms that show an attack: a page that a victim opens, and that sends a request to the target."""

import re
from html import unescape
from urllib.parse import quote_from_bytes

from ruleforge.sources.prose.chunks import to_bytes
from ruleforge.sources.prose.drafts import Draft

MAX_FORMS = 50
MAX_FORM = 128 << 10  # characters
MAX_FIELDS = 300
MAX_ATTRIBUTES = 40
BOUNDARY = "rfboundaryzqxk"

_FORM = re.compile(r"<form\b", re.IGNORECASE)
_FIELD = re.compile(r"<(input|textarea|select|button)\b", re.IGNORECASE)
_STOP = re.compile(r"</form|<form\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"[\s/]*([A-Za-z_:][\w:.-]{0,60})(?:[ \t\r\n]{0,20}=[ \t\r\n]{0,20}"
    r"(?:\"([^\"]{0,60000})\"|'([^']{0,60000})'|([^\s\"'>]{0,4000})))?"
)


def read_forms(text: str, first_line: int = 1) -> tuple[list[Draft], set[int]]:
    """Read the forms of a text: the requests they send, and the numbers of the lines they stand in."""
    drafts: list[Draft] = []
    consumed: set[int] = set()
    line = first_line
    position = counted = 0
    while (found := _FORM.search(text, position)) is not None and len(drafts) < MAX_FORMS:
        line += text.count("\n", counted, found.start())
        counted = found.start()
        end = _STOP.search(text, found.end(), found.end() + MAX_FORM)
        stop = end.start() if end else min(len(text), found.end() + MAX_FORM)
        draft = _draft(text[found.start() : stop], line)
        if draft is not None:
            drafts.append(draft)
            consumed.update(range(line, line + text.count("\n", found.start(), stop) + 1))
        position = stop
    return drafts, consumed


def _draft(form: str, line: int) -> Draft | None:
    attributes, position = _attributes(form, len("<form"))
    action = attributes.get("action", "").strip()
    fields = _fields(form, position)
    if not action or "<?" in action or action.startswith(("#", "javascript:")) or not re.search(r"[/.?\w]", action):
        return None
    method = attributes.get("method", "get").strip().upper()
    if method not in ("GET", "POST"):
        method = "POST" if method else "GET"
    if method == "GET":
        query = _urlencoded(fields)
        return Draft(method="GET", url=_joined(action, query), line=line, complete=False) if fields else None
    kind = attributes.get("enctype", "").strip().lower()
    marks: tuple[str, ...] = ()
    if kind == "multipart/form-data":
        body, kind, marks = _multipart(fields), f"multipart/form-data; boundary={BOUNDARY}", (BOUNDARY,)
    elif kind == "text/plain":
        body = "".join(f"{name}={value}\r\n" for name, value, _ in fields)
    else:
        body, kind = _urlencoded(fields), "application/x-www-form-urlencoded"
    return Draft(method="POST", url=action, headers=(("Content-Type", kind),), body=body, line=line, marks=marks)


def _attributes(text: str, position: int) -> tuple[dict[str, str], int]:
    """The attributes of the tag whose name ends at `position`, and where the tag ends; quotes may hold `>`."""
    found: dict[str, str] = {}
    for _ in range(MAX_ATTRIBUTES):
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            break
        value = next((each for each in match.groups()[1:] if each is not None), "")
        found.setdefault(match[1].lower(), unescape(value))
        position = match.end()
    return found, position


def _fields(form: str, position: int) -> list[tuple[str, str, bool]]:
    """(name, value, whether it is a file) of what the form sends."""
    fields: list[tuple[str, str, bool]] = []
    while (found := _FIELD.search(form, position)) is not None and len(fields) < MAX_FIELDS:
        attributes, position = _attributes(form, found.end())
        position = max(position, found.end())
        name, value = attributes.get("name", ""), attributes.get("value", "")
        kind = attributes.get("type", "").lower()
        if found[1].lower() == "textarea":
            opened = form.find(">", position)
            closed = form.find("</textarea", opened) if opened >= 0 else -1
            value = unescape(form[opened + 1 : closed]) if closed > 0 else ""
            position = max(closed, position)
        if name and kind not in ("reset", "button"):
            fields.append((name, value, kind == "file"))
    return fields


def _urlencoded(fields: list[tuple[str, str, bool]]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value, _ in fields)


def _quoted(text: str) -> str:
    return quote_from_bytes(to_bytes(text), safe="[]:,*").replace("%20", "+")


def _multipart(fields: list[tuple[str, str, bool]]) -> str:
    parts = []
    for name, value, is_file in fields:
        file = '; filename="shell.php"\r\nContent-Type: application/octet-stream' if is_file else ""
        content = "<?php system('id'); ?>" if is_file else value
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{content}\r\n')
    return "".join(parts) + f"--{BOUNDARY}--\r\n"


def _joined(action: str, query: str) -> str:
    return action + ("&" if "?" in action else "?") + query
