r"""How logs write bytes that they do not print: `\x22`, `\"`, `\u0022`, and back to the bytes."""

import codecs
import re
from collections.abc import Callable

# A run of bytes in hexadecimal is one find: binary bodies and worms are written as thousands of them.
_TEXT = re.compile(rb"\\(?:(x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*)|([\"\\bnrtvf]))")
_JSON = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|([\"\\/bnrtf]))")
_SHORT = 1_024  # bytes
_BACKSLASH, _X = b"\\x"
_LETTERS = {
    b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f"
}  # fmt: skip


def unescape_text(text: bytes) -> bytes:
    r"""Take back `\xHH`, `\"`, `\\` and C's letters, as Apache, nginx and Zeek write them."""
    if b"\\" not in text:
        return text
    if len(text) > _SHORT and _has_only_hexadecimal(text):
        try:
            return codecs.escape_decode(text)[0]  # as Python's own literals, in C
        except ValueError:  # digits that are none
            pass
    return _TEXT.sub(_text_letter, text)


def _has_only_hexadecimal(text: bytes) -> bool:
    r"""Whether `x` follows every backslash."""
    import numpy as np  # only for texts that are worth it

    data = np.frombuffer(text, np.uint8)
    return not ((data[:-1] == _BACKSLASH) & (data[1:] != _X)).any() and data[-1] != _BACKSLASH


def unescape_json(text: bytes) -> bytes:
    r"""Take back what JSON escapes; `\u00e9` becomes UTF-8."""
    return _JSON.sub(_json_letter, text) if b"\\" in text else text


def _text_letter(found: re.Match[bytes]) -> bytes:
    run = found[1]
    return bytes.fromhex(run.replace(b"\\x", b"")[1:].decode()) if run else _LETTERS[found[2]]


def _json_letter(found: re.Match[bytes]) -> bytes:
    return chr(int(found[1], 16)).encode("utf-8", "surrogatepass") if found[1] else _LETTERS[found[2]]


UNESCAPE: dict[str, Callable[[bytes], bytes]] = {
    "default": unescape_text,  # nginx
    "apache": unescape_text,
    "json": unescape_json,
    "none": bytes,
}
