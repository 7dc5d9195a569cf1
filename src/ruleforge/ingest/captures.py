"""Reads recorded requests as a proof of concept: HAR of a browser, Burp's export, packets."""

import io
from functools import partial
from pathlib import PurePath

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.request import Request
from ruleforge.ingest.assemble import assemble
from ruleforge.ingest.secrets import Masks, hosts
from ruleforge.records.advisory import Advisory
from ruleforge.sources.found import Findings, FoundRequest

MAX_CAPTURE_BYTES = 64 << 20
MAX_REQUESTS = 2_000  # of one capture
MAX_PROBLEMS = 50


def is_har_file(head: bytes) -> bool:
    """Whether a file that begins so is a HAR document."""
    from ruleforge.events.formats.har import is_har  # not before a file is read

    return is_har(head.lstrip(b"\xef\xbb\xbf \t\r\n"))


def is_burp_file(head: bytes) -> bool:
    """Whether a file that begins so is an export of Burp Suite."""
    from ruleforge.events.formats.burp import is_burp

    return is_burp(head)


def is_capture_file(head: bytes) -> bool:
    """Whether a file that begins so holds packets."""
    from ruleforge.events.formats.capture import is_capture

    return is_capture(head)


def _read(name: str, data: bytes, where: str) -> Advisory:
    """Read the requests that were recorded; the CVE is that of the file's name.

    Args:
        name: a key of FORMATS.
        data: the bytes of the file.
        where: the file's name as the user gave it.

    Raises:
        InputError: nothing could be read.
    """
    from ruleforge.events.formats import FORMATS

    problems: list[str] = []
    found: list[FoundRequest] = []
    first: InputError | None = None
    masks = Masks()
    for number, item in enumerate(FORMATS[name].read(io.BytesIO(data), PurePath(where).name, MAX_CAPTURE_BYTES), 1):
        if isinstance(item, InputError):
            first = first or item
            problems += [item.what] * (len(problems) < MAX_PROBLEMS)
        elif len(found) < MAX_REQUESTS:
            found.append(_found(item, number, name, masks))
        else:
            problems.append(f"only the first {MAX_REQUESTS} requests are used")
            break
    if first is not None and not found:
        raise InputError(first.what, where=where, hint=first.hint, code=first.code)
    return assemble(Findings(requests=tuple(found), problems=tuple(problems)), data, where)


def _found(request: Request, number: int, name: str, masks: Masks) -> FoundRequest:
    """The request as it may be shown: who sent it and when, and what its session alone has, are no part of a flaw."""
    masked, standins = masks.mask(request)
    return FoundRequest(
        request=msgspec.structs.replace(masked, id="", source=name, source_address=b"", status=None, time=""),
        origin=f"entry {number}",
        step=number - 1,
        standins=(*hosts(request), *standins),
    )


read_har_file = partial(_read, "har")
read_burp_file = partial(_read, "burp")
read_capture_file = partial(_read, "pcap")
