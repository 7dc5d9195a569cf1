"""Reads recorded requests as a proof of concept: HAR of a browser, Burp's export, packets."""

import io
import re
from functools import partial
from pathlib import PurePath

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats import FORMATS
from ruleforge.events.formats.burp import is_burp
from ruleforge.events.formats.capture import is_capture
from ruleforge.events.formats.har import is_har
from ruleforge.events.request import Request
from ruleforge.ingest.assemble import assemble
from ruleforge.records.advisory import Advisory
from ruleforge.sources.found import Findings, FoundRequest

MAX_CAPTURE_BYTES = 64 << 20
MAX_REQUESTS = 2_000  # of one capture
MAX_PROBLEMS = 50
MAX_STANDINS = 50  # of one request

# Cookies and headers whose values one session alone has.
_SESSION = re.compile(rb"sess|sid\b|token|csrf|xsrf|nonce|auth|jwt", re.IGNORECASE)
_OF_SESSION = frozenset({b"authorization", b"proxy-authorization", b"x-csrf-token", b"x-xsrf-token"})
_LEAST = 6  # bytes of a value that is taken for a secret


def is_har_file(head: bytes) -> bool:
    """Whether a file that begins so is a HAR document."""
    return is_har(head.lstrip(b"\xef\xbb\xbf \t\r\n"))


def _read(name: str, data: bytes, where: str) -> Advisory:
    """Read the requests that were recorded; the CVE is that of the file's name.

    Args:
        name: a key of FORMATS.
        data: the bytes of the file.
        where: the file's name as the user gave it.

    Raises:
        InputError: nothing could be read.
    """
    problems: list[str] = []
    found: list[FoundRequest] = []
    first: InputError | None = None
    for number, item in enumerate(FORMATS[name].read(io.BytesIO(data), PurePath(where).name, MAX_CAPTURE_BYTES), 1):
        if isinstance(item, InputError):
            first = first or item
            problems += [item.what] * (len(problems) < MAX_PROBLEMS)
        elif len(found) < MAX_REQUESTS:
            found.append(_found(item, number, name))
        else:
            problems.append(f"only the first {MAX_REQUESTS} requests are used")
            break
    if first is not None and not found:
        raise InputError(first.what, where=where, hint=first.hint, code=first.code)
    return assemble(Findings(requests=tuple(found), problems=tuple(problems)), data, where)


def _found(request: Request, number: int, name: str) -> FoundRequest:
    return FoundRequest(
        request=msgspec.structs.replace(request, id="", source=name),
        origin=f"entry {number}",
        step=number - 1,
        standins=_standins(request),
    )


def _standins(request: Request) -> tuple[bytes, ...]:
    """The host of the test, and what only its session has."""
    found: list[bytes] = []
    for name, value in request.headers:
        low = name.lower()
        if low == b"host":
            found += [value, value.partition(b":")[0]]
        elif low in _OF_SESSION:
            found.append(value.rpartition(b" ")[2])
        elif low == b"cookie":
            pairs = [pair.partition(b"=") for pair in value.split(b";")[:100]]
            found += [secret.strip() for key, _, secret in pairs if _SESSION.search(key) and len(secret) >= _LEAST]
    return tuple(each for each in dict.fromkeys(found) if len(each) > 1)[:MAX_STANDINS]


read_har_file = partial(_read, "har")
read_burp_file = partial(_read, "burp")
read_capture_file = partial(_read, "pcap")
is_burp_file, is_capture_file = is_burp, is_capture
