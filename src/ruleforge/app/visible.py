"""Text of strangers made harmless to look at: nothing in it can move a cursor, hide or reorder what is shown."""

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})  # Unicode categories


def visible(text: str) -> str:
    """Escape what could move the cursor, hide or reorder text."""
    if text.isprintable():
        return text
    return "".join([letter if unicodedata.category(letter) not in _INVISIBLE else _escaped(letter) for letter in text])


def _escaped(letter: str) -> str:
    number = ord(letter)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
