"""From a frame to the TCP segment in it, through the link and network layers that captures are made of."""

import ipaddress
import struct

import msgspec

ETHERNET, NULL, LOOP, LINUX_COOKED, LINUX_COOKED_2 = 1, 0, 108, 113, 276
RAW = frozenset({12, 14, 101, 228, 229})
LINKS = RAW | {ETHERNET, NULL, LOOP, LINUX_COOKED, LINUX_COOKED_2}

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN = frozenset({0x8100, 0x88A8, 0x9100})
_MAX_TAGS = 4
_TCP = 6
_EXTENSIONS = frozenset({0, 43, 60})  # hop-by-hop options, routing, destination options
_FRAGMENT = 44
_MAX_EXTENSIONS = 8


class Fragment(msgspec.Struct, frozen=True):
    """A piece of an IP packet, which is not put together."""


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One TCP segment; its payload may have been cut by the capture."""

    source: tuple[bytes, int]  # packed address, port
    target: tuple[bytes, int]
    number: int  # sequence number of its first byte (of the SYN itself, where it has one)
    flags: int
    payload: bytes

    @property
    def syn(self) -> bool:
        """Whether it opens its direction."""
        return bool(self.flags & 2)

    @property
    def fin(self) -> bool:
        """Whether it closes its direction in order."""
        return bool(self.flags & 1)


def segment_of(link: int, frame: bytes) -> Segment | Fragment | None:
    """The TCP segment in a frame; None where there is none, or its headers are broken."""
    packet = _network(link, frame)
    if not packet:
        return None
    version = packet[0] >> 4
    if version == 4:
        return _ipv4(packet)
    return _ipv6(packet) if version == 6 else None


def address_text(packed: bytes) -> bytes:
    """An address as people write it, b"192.0.2.7"."""
    return str(ipaddress.ip_address(packed)).encode()


def _network(link: int, frame: bytes) -> bytes:
    """The network packet of a frame; empty where there is none."""
    if link == ETHERNET:
        return _tagged(frame, 12)
    if link in RAW:
        return frame
    if link in (NULL, LOOP):
        return frame[4:]
    if link == LINUX_COOKED:
        return _tagged(frame, 14)
    return frame[20:] if link == LINUX_COOKED_2 else b""


def _tagged(frame: bytes, position: int) -> bytes:
    """What follows the EtherType at `position`, once VLAN tags are passed over."""
    for _ in range(_MAX_TAGS + 1):
        if position + 2 > len(frame):
            return b""
        kind = int.from_bytes(frame[position : position + 2], "big")
        position += 2
        if kind in (_IPV4, _IPV6):
            return frame[position:]
        if kind not in _VLAN:
            return b""
        position += 2
    return b""


def _ipv4(packet: bytes) -> Segment | Fragment | None:
    if len(packet) < 20:
        return None
    head, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    if packet[9] != _TCP or head < 20:
        return None
    if int.from_bytes(packet[6:8], "big") & 0x3FFF:  # more fragments, or not the first
        return Fragment()
    end = total or len(packet)  # 0: the network card cuts it later
    return _tcp(packet[head:end], packet[12:16], packet[16:20])


def _ipv6(packet: bytes) -> Segment | Fragment | None:
    if len(packet) < 40:
        return None
    size, following, position = int.from_bytes(packet[4:6], "big"), packet[6], 40
    end = 40 + size if size else len(packet)
    for _ in range(_MAX_EXTENSIONS):
        if following not in _EXTENSIONS or position + 8 > len(packet):
            break
        following, position = packet[position], position + (packet[position + 1] + 1) * 8
    if following == _FRAGMENT:
        return Fragment()
    return _tcp(packet[position:end], packet[8:24], packet[24:40]) if following == _TCP else None


def _tcp(data: bytes, source: bytes, target: bytes) -> Segment | None:
    if len(data) < 20:
        return None
    from_port, to_port, number, _, offset, flags = struct.unpack_from(">HHIIBB", data)
    head = (offset >> 4) * 4
    if head < 20:
        return None
    return Segment((source, from_port), (target, to_port), number, flags, data[head:])
