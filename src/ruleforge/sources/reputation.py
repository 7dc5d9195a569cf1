"""Lists of addresses with a bad name: plain lists, CSV tables and blocklists with comments, plain or gzip."""

import csv
import hashlib
import ipaddress
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import Line, open_file, read_lines
from ruleforge.events.origin import IPV6_SOURCE_BITS, parse_address

MAX_LIST_BYTES = 256 << 20  # of one list, after decompression
MAX_ENTRIES = 2_000_000  # of all lists
WIDEST_IPV4, WIDEST_IPV6 = 8, 19  # bits; a wider network is a mistake: it would give half the world a bad name
COLUMNS = ("ip", "address", "ip_address", "ipaddress", "src_ip", "source_ip", "value", "cidr", "network", "range")
TOO_LONG = "RF221"  # the code of a line that was skipped
_COMMENT = re.compile(r"\s*(?:#|;|//)")


class Reputation(msgspec.Struct, frozen=True):
    """Networks with a bad name, by their number of bits."""

    ipv4: dict[int, frozenset[int]]
    ipv6: dict[int, frozenset[int]]
    entries: int = 0
    refused: int = 0  # entries that are no address, or far too wide
    digest: str = ""  # of the networks, whatever the files looked like

    def lists(self, source: str) -> bool:
        """Whether a source, as `source_of` names it, has a bad name."""
        text = source.partition("/")[0]
        try:
            number, size = int(ipaddress.ip_address(text)), 128 if ":" in text else 32
        except ValueError:
            return False
        known = self.ipv6 if size == 128 else self.ipv4
        return any(number >> (size - bits) in found for bits, found in known.items())


def load_reputation(files: Sequence[Path]) -> Reputation | None:
    """Read lists of known bad addresses and networks; None when there is no list.

    A line is an address or a network, what follows it is ignored; `#`, `;` and `//` begin comments. In a table with
    commas, semicolons or tabs the column is found by its name in the first line, else by the first that holds an
    address.

    Raises:
        InputError: a list in which no address can be found (RF226), too many entries (RF227), or a list that is
            damaged (RF225) or too large (RF222).
        OutsideError: a file cannot be opened (RF501).
    """
    if not files:
        return None
    known: dict[int, dict[int, set[int]]] = {32: {}, 128: {}}
    entries = refused = 0
    for file in files:
        before = entries
        for text in _entries(file):
            network = _network(text)
            if network is None:
                refused += 1
                continue
            size, bits = network.max_prefixlen, network.prefixlen
            known[size].setdefault(bits, set()).add(int(network.network_address) >> (size - bits))
            entries += 1
            if entries > MAX_ENTRIES:
                hint = "give networks instead of addresses"
                raise InputError(f"more than {MAX_ENTRIES} entries", where=str(file), hint=hint, code="RF227")
        if entries == before:
            hint = "one address or network a line, or a table with a column 'ip'"
            raise InputError("no address in the list", where=str(file), hint=hint, code="RF226")
    ipv4, ipv6 = ({bits: frozenset(found) for bits, found in sorted(known[size].items())} for size in (32, 128))
    return Reputation(ipv4, ipv6, entries, refused, _digest(ipv4, ipv6))


def _digest(*known: dict[int, frozenset[int]]) -> str:
    digest = hashlib.sha256()
    for found in known:
        for bits, numbers in found.items():
            digest.update(f"/{bits}:{sorted(numbers)}".encode())
    return "known bad " + digest.hexdigest()[:16]


def _entries(file: Path) -> Iterator[str]:
    """Yield the text of each line that should be an address; empty for a line too long to be one.

    Raises:
        InputError: the file is damaged (RF225) or too large (RF222).
    """
    column: int | None = None
    with open_file(file) as stream:
        for line in read_lines(stream, file.name, MAX_LIST_BYTES):
            if not isinstance(line, Line):
                if line.code != TOO_LONG:  # the rest cannot be read, and half a list is none
                    raise InputError(line.what, where=str(file), hint=line.hint, code=line.code)
                yield ""  # no address: refused, and counted
                continue
            text = line.text.decode("utf-8", "replace").lstrip("\ufeff").strip()
            if not text or _COMMENT.match(text):
                continue
            cells = _cells(text)
            if len(cells) > 1 and column is None:
                column = _column(cells)
                if column is not None and _network(cells[column]) is None:
                    continue  # the names of the columns
            yield cells[column] if column is not None and column < len(cells) else cells[0]


def _cells(text: str) -> list[str]:
    mark = next((mark for mark in (",", "\t", ";") if mark in text), None)
    if mark is None:
        return text.split()[:1]
    try:
        cells = next(csv.reader([text], delimiter=mark), [""])
    except csv.Error:
        cells = text.split(mark)
    return [cell.strip() for cell in cells] if mark != ";" or _network(cells[0]) is None else [cells[0].strip()]


def _column(cells: list[str]) -> int | None:
    names = [cell.lower().strip("\"'") for cell in cells]
    named = [names.index(name) for name in COLUMNS if name in names]
    if named:
        return named[0]
    return next((at for at, cell in enumerate(cells) if _network(cell) is not None), None)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read an address or a network; of IPv6 at most 64 bits count, for that is one source."""
    text = text.strip().strip("\"'").removeprefix("Ip:").removeprefix("Range:")
    if "/" not in text:
        address = parse_address(text)
        if address is None:
            return None
        text = str(address)
    if len(text) > 64:
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network):
        if network.prefixlen > IPV6_SOURCE_BITS:
            network = network.supernet(new_prefix=IPV6_SOURCE_BITS)
        return network if network.prefixlen >= WIDEST_IPV6 else None
    return network if network.prefixlen >= WIDEST_IPV4 else None
