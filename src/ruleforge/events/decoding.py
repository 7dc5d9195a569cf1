"""Decodings a server might do: from bytes to bytes, in linear time, and quick where nothing is encoded."""

import binascii
import re

MAX_ROUNDS = 5  # of repeated percent-decoding; a server that decodes more often has not been seen

_HEX_DIGITS = b"0123456789abcdefABCDEF"
_BYTE_OF = {bytes((a, b)): bytes((int(bytes((a, b)), 16),)) for a in _HEX_DIGITS for b in _HEX_DIGITS}
_PERCENT_U = re.compile(rb"%[uU][0-9a-fA-F]{4}(?:%[uU][0-9a-fA-F]{4})*")
_BLANKS = re.compile(rb"[ \t\n\r\f\v]+")
# Repeated `u` is Java's, `\u{…}` JavaScript's, zero-padded hex CSS's, octal C's, JavaScript's and OGNL's.
# One backslash before all of them: that is what the search leaps to, twenty times faster than trying each everywhere.
_ESCAPE = re.compile(
    rb"\\(?:(?P<units>u++[0-9a-fA-F]{4}(?:\\u++[0-9a-fA-F]{4})*)|u\{(?P<point>[0-9a-fA-F]{1,6})\}"
    rb"|x(?P<byte>[0-9a-fA-F]{2})|(?P<css>0[0-9a-fA-F]{3,5})[ \t\n\r\f]?|(?P<octal>[0-3]?[0-7]{1,2}))"
)
# Every entity that stands for an ASCII character, and the space that does not break.
ENTITIES = {
    b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'", b"nbsp": "\xa0".encode(),
    b"LT": b"<", b"GT": b">", b"AMP": b"&", b"QUOT": b'"', b"Tab": b"\t", b"NewLine": b"\n", b"excl": b"!",
    b"num": b"#", b"dollar": b"$", b"percnt": b"%", b"lpar": b"(", b"rpar": b")", b"ast": b"*", b"midast": b"*",
    b"plus": b"+", b"comma": b",", b"period": b".", b"sol": b"/", b"colon": b":", b"semi": b";", b"equals": b"=",
    b"quest": b"?", b"commat": b"@", b"lsqb": b"[", b"lbrack": b"[", b"bsol": b"\\", b"rsqb": b"]", b"rbrack": b"]",
    b"Hat": b"^", b"lowbar": b"_", b"UnderBar": b"_", b"grave": b"`", b"DiacriticalGrave": b"`", b"lcub": b"{",
    b"lbrace": b"{", b"verbar": b"|", b"vert": b"|", b"VerticalLine": b"|", b"rcub": b"}", b"rbrace": b"}",
}  # fmt: skip
BARE_ENTITIES = frozenset({b"lt", b"gt", b"amp", b"quot", b"nbsp", b"LT", b"GT", b"AMP", b"QUOT"})  # `;` optional
_ENTITY = re.compile(rb"&(?:#[xX](?P<hex>[0-9a-fA-F]++)|#(?P<decimal>[0-9]++)|(?P<name>[A-Za-z]{2,16}+))(?P<end>;?)")
_LONGEST_POINT = 7  # decimal digits of U+10FFFF


def percent_decode(value: bytes) -> bytes:
    """Undo `%41` once; `%` without two hex digits stays as it is."""
    if b"%" not in value:
        return value
    first, *pieces = value.split(b"%")
    parts = [first]
    for piece in pieces:
        byte = _BYTE_OF.get(piece[:2])
        parts += (b"%", piece) if byte is None else (byte, piece[2:])
    return b"".join(parts)


def percent_decode_stable(value: bytes, rounds: int = MAX_ROUNDS) -> bytes:
    """Undo `%41`, `%2541`, … until nothing changes, at most `rounds` times."""
    for _ in range(rounds):
        decoded = percent_decode(value)
        if decoded == value:
            break
        value = decoded
    return value


def percent_u_decode(value: bytes) -> bytes:
    """Undo `%u0041` of IIS and JavaScript's `escape` to UTF-8; plain `%41` is left alone."""
    if b"%u" not in value and b"%U" not in value:
        return value
    return _PERCENT_U.sub(lambda run: _utf16([unit[1:] for unit in run[0].split(b"%")[1:]]), value)


def plus_to_space(value: bytes) -> bytes:
    """Undo the form encoding of a space."""
    return value.replace(b"+", b" ")


def html_entity_decode(value: bytes) -> bytes:
    """Undo `&#60;`, `&#x3c;` and the names of ASCII characters (`&lt;`, `&colon;`, `&Tab;`) once, to UTF-8."""
    return _ENTITY.sub(_entity, value) if b"&" in value else value


def unicode_escape_decode(value: bytes) -> bytes:
    r"""Undo `\u0041`, `\u{41}`, `\x41`, octal `\101` and zero-padded CSS `\000041` once.

    All give UTF-8. CSS escapes without leading zeros are left alone: `DOMAIN\admin`
    would read as one.
    """
    return _ESCAPE.sub(_escape, value) if b"\\" in value else value


def lower(value: bytes) -> bytes:
    """Fold ASCII letters to lower case; all other bytes stay."""
    return value.lower()


def normalize_path(value: bytes) -> bytes:
    r"""Name the file a server would look for: `\` is `/`, `;…` cut per segment, `//` merged, dots resolved.

    `..` never climbs above the root. A trailing slash stays, also the one that a final `.` or `..` implies.
    Nothing is decoded here.
    """
    if b"\\" in value:
        value = value.replace(b"\\", b"/")
    elif b";" not in value and b"//" not in value and b"/." not in value and value[:1] != b".":
        return value
    kept: list[bytes] = []
    last = b""
    for segment in value.split(b"/"):
        last = segment.partition(b";")[0]
        if last == b"..":
            if kept:
                kept.pop()
        elif last not in (b"", b"."):
            kept.append(last)
    root = b"/" if value[:1] == b"/" else b""
    end = b"/" if kept and last in (b"", b".", b"..") else b""
    return root + b"/".join(kept) + end


def base64_decode(value: bytes) -> bytes | None:
    """Undo base64 of the usual or the URL-safe alphabet; None where it is not exactly that. Padding may be missing."""
    digits = value.rstrip(b"=")
    padding = len(value) - len(digits)
    if len(digits) % 4 == 1 or padding > 2 or (padding and len(value) % 4):
        return None
    try:
        padded = digits.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(digits) % 4)
        return binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error:
        return None


def hex_decode(value: bytes) -> bytes | None:
    """Undo pairs of hex digits; None where there is anything else."""
    try:
        return binascii.unhexlify(value)
    except binascii.Error:
        return None


def remove_nulls(value: bytes) -> bytes:
    """Drop every NUL byte."""
    return value.replace(b"\0", b"")


def compress_whitespace(value: bytes) -> bytes:
    """Make every run of ASCII blanks one space."""
    return _BLANKS.sub(b" ", value)


def trim(value: bytes) -> bytes:
    """Drop ASCII blanks at both ends."""
    return value.strip()


def _utf16(units: list[bytes]) -> bytes:
    """UTF-8 of UTF-16 code units written as four hex digits; pairs of surrogates join, a lone one stays what it is."""
    return bytes.fromhex(b"".join(units).decode()).decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


def _entity(found: re.Match[bytes]) -> bytes:
    name, digits, base = found["name"], found["decimal"] or found["hex"], 10 if found["decimal"] else 16
    if name is not None:
        known = found["end"] or name in BARE_ENTITIES
        return ENTITIES.get(name, found[0]) if known else found[0]
    digits = digits.lstrip(b"0")
    if not digits or len(digits) > _LONGEST_POINT:
        return found[0]
    return _point(int(digits, base)) or found[0]


def _escape(found: re.Match[bytes]) -> bytes:
    if found["units"]:
        return _utf16([unit[-4:] for unit in found[0].split(b"\\u")[1:]])
    if byte := found["byte"]:
        return _point(int(byte, 16))
    if octal := found["octal"]:
        return _point(int(octal, 8))
    return _point(int(found["point"] or found["css"], 16)) or found[0]


def _point(number: int) -> bytes:
    """UTF-8 of a code point; empty where there is no such character."""
    return chr(number).encode("utf-8", "surrogatepass") if number <= 0x10FFFF else b""
