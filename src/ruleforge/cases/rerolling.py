"""Other text in place of what is random, callback-like or secret, wherever it occurs in a request."""

import re
from itertools import islice

import msgspec

from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.edit import with_body
from ruleforge.cases.significance import dice
from ruleforge.events.decoding import base64_decode
from ruleforge.events.request import Request

_COUNTED = re.compile(rb'[sOaC]:\d+:["{]|\xac\xed\x00|rO0AB|AAEAAAD|\x80[\x02-\x05]')  # formats that state lengths
_HOST = re.compile(rb"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_PRINTABLE = re.compile(rb"[\t\r\n\x20-\x7e]+")
_READ = 1 << 16  # bytes of each text in which base64 is looked for
_ALPHABETS = (b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX = re.compile(rb"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,}")


def no_reroll(anatomy: Anatomy, _advisory: object = None) -> str:
    """Why nothing can be drawn anew; empty where something can."""
    return "" if _marks(anatomy) else "nothing in the request is random"


def _marks(anatomy: Anatomy) -> list[bytes]:
    """Stand-ins that are text, the longest first, so that none is cut by a shorter one."""
    request = anatomy.poc.request
    texts = (request.target, request.body or b"", *[value for _, value in request.headers])
    marks = [mark for mark in anatomy.poc.standins if len(mark) > 3 and any(mark in text for text in texts)]
    marks = [mark for mark in marks if not any(_inside_base64(mark, text) for text in texts)]
    return sorted(set(marks), key=lambda mark: (-len(mark), mark))[:40]


def _inside_base64(mark: bytes, text: bytes) -> bool:
    """Whether `mark` is a part of base64 of printable text: other letters there would decode to something else."""
    if mark.islower() or mark.isdigit() or not mark.rstrip(b"=").isalnum():
        return False
    for run in islice(_BASE64.finditer(text[:_READ]), 200):
        if mark in run[0]:
            plain = base64_decode(run[0][: len(run[0]) // 4 * 4].rstrip(b"="))
            return plain is not None and _PRINTABLE.fullmatch(plain) is not None
    return False


def reroll(anatomy: Anatomy, number: int) -> Request | None:
    """Draw every stand-in anew; the same one becomes the same text everywhere.

    Args:
        anatomy: of the request.
        number: which drawing; each is another one.
    """
    request, seed = anatomy.poc.request, dice(anatomy)
    counted = bool(_COUNTED.search(request.target) or _COUNTED.search(request.body or b""))
    counted = counted or any(_COUNTED.search(value) for _, value in request.headers)
    table = {
        mark: _draw(mark, seed[(index * 7 + number * 13) % 32] + index * 31 + number * 101, counted)
        for index, mark in enumerate(_marks(anatomy))
    }
    if not table:
        return None
    pattern = re.compile(b"|".join(re.escape(mark) for mark in table))

    def replace(text: bytes) -> bytes:
        return pattern.sub(lambda found: table[found[0]], text)

    headers = tuple((name, value if name.lower() == b"host" else replace(value)) for name, value in request.headers)
    changed = msgspec.structs.replace(request, target=replace(request.target), headers=headers)
    return with_body(changed, replace(request.body)) if request.body is not None else changed


def _draw(mark: bytes, seed: int, counted: bool) -> bytes:
    if not counted and mark.islower() and _HOST.fullmatch(mark):
        return _letters(seed, 7 + seed % 9) + (b".probe.test.example", b".listener.example.net")[seed % 2]
    if not counted and mark.islower() and mark.isalpha():
        return _letters(seed, len(mark) + 2 + seed % 5)
    if not counted and mark.isdigit():
        return b"%d" % (31 + seed % 60) + _digits(seed, len(mark) - 1)
    if _HEX.fullmatch(mark):
        return bytes(b"0123456789abcdef"[_step(seed, index) % 16] for index in range(len(mark)))
    if re.search(rb"[^\x20-\x7e]", mark):
        return mark
    return bytes(_other(byte, _step(seed, index)) for index, byte in enumerate(mark))


def _step(seed: int, index: int) -> int:
    return ((seed + 17) * (index + 29) * 2_654_435_761 >> 16) & 0xFFFF


def _letters(seed: int, length: int) -> bytes:
    return bytes(97 + _step(seed, index) % 26 for index in range(length))


def _digits(seed: int, length: int) -> bytes:
    return bytes(48 + _step(seed, index) % 10 for index in range(max(length, 1)))


def _other(byte: int, step: int) -> int:
    for alphabet in _ALPHABETS:
        if byte in alphabet:
            return alphabet[1 + step % (len(alphabet) - 1)]
    return byte
