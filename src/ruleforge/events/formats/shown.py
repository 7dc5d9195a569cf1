"""Requests as text for people: nothing in them can move the cursor, hide or reorder what is shown."""

import unicodedata

from ruleforge.events.request import Request

MAX_SHOWN_BYTES = 16_384
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})  # Unicode categories


def request_to_text(request: Request, most: int = MAX_SHOWN_BYTES) -> str:
    r"""Show a request as HTTP text, with control, bidirectional and undecodable characters as `\x0a`, `\u202e`.

    Args:
        request: as recorded; gaps are stated in brackets.
        most: bytes of each part to show; the rest is counted.
    """
    lost = request.unrecorded
    parts = (
        "[method not recorded]" if "method" in lost else _visible(request.method, most),
        "[target not recorded]" if "target" in lost else _visible(request.target, most),
        "" if "version" in lost else _visible(request.version, most),
    )
    lines = [" ".join(part for part in parts if part)]
    if "headers" in lost:
        lines.append("[headers not recorded]")
    lines += [f"{_visible(name, most)}: {_visible(value, most)}" for name, value in request.headers]
    if "body" in lost:
        lines += ["", "[body not recorded]"]
    elif request.body is not None:
        lines += ["", *_body_lines(request.body, most)]
    return "\n".join(lines) + "\n"


def _body_lines(body: bytes, most: int) -> list[str]:
    lines = [_visible(line.removesuffix(b"\r"), most) for line in body[:most].split(b"\n")]
    return lines + [f"[{len(body) - most} more bytes]"] * (len(body) > most)


def _visible(value: bytes, most: int) -> str:
    text = value[:most].decode("utf-8", "surrogateescape")
    shown = text if text.isprintable() else "".join([_shown(letter) for letter in text])
    return shown + (f"[{len(value) - most} more bytes]" if len(value) > most else "")


def _shown(letter: str) -> str:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"  # a byte that is no UTF-8
    if unicodedata.category(letter) not in _INVISIBLE:
        return letter
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
