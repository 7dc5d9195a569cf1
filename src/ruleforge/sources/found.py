"""What every reader of a foreign document gives: the requests it found, in order, and what it could not read."""

import msgspec

from ruleforge.events.request import Request


class FoundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the document would send it, and where in the document it comes from."""

    request: Request
    origin: str  # "line 12", "rules.r0", "entry 3"
    block: int = 0  # requests of one block belong together, in the order of `step`
    step: int = 0
    # Byte strings (2 bytes and more) in `request` that stand for what only a real run knows: hosts of the reader's
    # choice, random values, credentials, placeholders such as `<target>` once they are filled.
    standins: tuple[bytes, ...] = ()
    matchers: tuple[str, ...] = ()  # checks of the response as words, "status:200", "word(body):root"
    notes: tuple[str, ...] = ()  # what could only be approximated


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """All requests of one document, with the facts it states about the vulnerability."""

    requests: tuple[FoundRequest, ...]
    problems: tuple[str, ...] = ()  # what was left out, and why
    id: str = ""  # the document's own id or CVE; empty: the file name decides
    cves: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    cwes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    severity: str = "unknown"
    vendor: str = ""
    product: str = ""
    references: tuple[str, ...] = ()
    author: str = ""
