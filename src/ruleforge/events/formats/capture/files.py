"""The frames of a capture file, libpcap or pcapng; every length is checked before it is used."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ruleforge.errors import InputError

MAX_FRAME = 1 << 20  # bytes of one frame or block
MAX_INTERFACES = 1_000
_NANO = 1_000_000_000

# first four bytes → (byte order, nanoseconds per unit of the fraction)
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_ORDER_MAGIC = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_RESOLUTION_OPTION = 9


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame as captured; it may have been cut to the capture's snapshot length."""

    link: int  # LINKTYPE_ number, 1: Ethernet
    time_ns: int  # since 1970; 0: not recorded
    data: bytes


class _Interface(msgspec.Struct, frozen=True):
    link: int
    units: int = 1_000_000  # per second


class _Bytes:
    """A stream that is counted and never read beyond `most`."""

    def __init__(self, stream: BinaryIO, name: str, most: int) -> None:
        self._stream, self._name, self._left = stream, name, most

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, or none at the end of the file.

        Raises:
            InputError: the file ends inside of them (RF225), or is too large (RF222).
        """
        self._left -= size
        if self._left < 0:
            raise InputError("more bytes than allowed", where=self._name, hint="split the capture", code="RF222")
        data = self._stream.read(size)
        if data and len(data) < size:
            raise InputError("the capture ends inside a record", where=self._name, code="RF225")
        return data

    def damaged(self, what: str) -> InputError:
        """The error for a file that says something impossible."""
        return InputError(f"the capture is damaged: {what}", where=self._name, code="RF225")


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is a capture."""
    return head[:4] in _PCAP or (head[:4] == _PCAPNG and head[8:12] in _ORDER_MAGIC)


def read_frames(stream: BinaryIO, name: str, most: int) -> Iterator[Frame]:
    """Yield the frames of a capture in the order of the file.

    Args:
        stream: decompressed bytes.
        name: of the file, for messages.
        most: bytes to read at most.

    Raises:
        InputError: not a capture (RF223), damaged (RF225) or too large (RF222); frames before that have been given.
    """
    source = _Bytes(stream, name, most)
    magic = source.take(4)
    if magic in _PCAP:
        yield from _pcap(source, *_PCAP[magic])
    elif magic == _PCAPNG:
        yield from _pcapng(source)
    else:
        raise InputError("not a capture of packets", where=name, hint="save it as pcap or pcapng", code="RF223")


def _pcap(source: _Bytes, order: str, unit_ns: int) -> Iterator[Frame]:
    head = source.take(20)
    if not head:
        raise source.damaged("it has no header")
    link = struct.unpack(order + "HHiIII", head)[5] & 0xFFFF
    record = struct.Struct(order + "IIII")
    while head := source.take(16):
        seconds, fraction, size, _ = record.unpack(head)
        if size > MAX_FRAME:
            raise source.damaged(f"a frame of {size} bytes")
        yield Frame(link, seconds * _NANO + fraction * unit_ns, source.take(size))


def _pcapng(source: _Bytes) -> Iterator[Frame]:
    kind, order = _PCAPNG, ""
    interfaces: list[_Interface] = []
    while kind:
        if kind == _PCAPNG:  # a new section, perhaps of the other byte order
            size_bytes, magic = source.take(4), source.take(4)
            if magic not in _ORDER_MAGIC:
                raise source.damaged("a section of unknown byte order")
            order, interfaces = _ORDER_MAGIC[magic], []
            _block(source, struct.unpack(order + "I", size_bytes)[0], 12)
        else:
            block = _block(source, struct.unpack(order + "I", source.take(4) or b"\0" * 4)[0], 8)
            number = struct.unpack(order + "I", kind)[0]
            if number == _INTERFACE and len(interfaces) < MAX_INTERFACES:
                interfaces.append(_interface(block, order))
            elif (frame := _packet(number, block, order, interfaces)) is not None:
                yield frame
        kind = source.take(4)


def _block(source: _Bytes, size: int, done: int) -> bytes:
    """What follows the `done` bytes of a block, without its last length."""
    if size % 4 or not done + 4 <= size <= MAX_FRAME:
        raise source.damaged(f"a block of {size} bytes")
    data = source.take(size - done)
    if not data:
        raise source.damaged("a block without an end")
    return data[:-4]


def _interface(block: bytes, order: str) -> _Interface:
    if len(block) < 8:
        return _Interface(-1)
    link = struct.unpack_from(order + "H", block)[0]
    position = 8
    while position + 4 <= len(block):
        code, size = struct.unpack_from(order + "HH", block, position)
        if code == 0:
            break
        if code == _RESOLUTION_OPTION and size == 1 and position + 4 < len(block):
            exponent = block[position + 4]
            return _Interface(link, 2 ** (exponent & 0x3F) if exponent & 0x80 else 10 ** min(exponent, 18))
        position += 4 + size + -size % 4
    return _Interface(link)


def _packet(number: int, block: bytes, order: str, interfaces: list[_Interface]) -> Frame | None:
    """The frame of a block of packets; None for any other block, or one whose interface was never described."""
    if number == _SIMPLE_PACKET and len(block) >= 4 and interfaces:
        return Frame(interfaces[0].link, 0, block[4 : 4 + struct.unpack_from(order + "I", block)[0]])
    if number not in (_ENHANCED_PACKET, _OLD_PACKET) or len(block) < 20:
        return None
    layout = "IIIII" if number == _ENHANCED_PACKET else "HxxIIII"
    which, high, low, size, _ = struct.unpack_from(order + layout, block)
    if which >= len(interfaces):
        return None
    interface = interfaces[which]
    return Frame(interface.link, ((high << 32) | low) * _NANO // interface.units, block[20 : 20 + size])
