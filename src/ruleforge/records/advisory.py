"""What a disclosure says, in one shape: the vulnerability, and the requests that show it."""

from pathlib import PurePath

import msgspec

from ruleforge.events.request import Request
from ruleforge.rules.tree import Product


class PocRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One concrete request of a proof of concept, with the role it plays there.

    `standins` are the byte strings (2 bytes and more) in `request` that stand for something random, callback-like,
    credential-like or computed at run time: they are *not significant* and must never become a rule literal, nor may
    a literal overlap one.
    """

    request: Request
    role: str = ""  # "exploit" | "setup" | "probe"; empty before roles are assigned
    reason: str = ""  # why it has this role, one sentence
    origin: str = ""  # place in the source, "http[0].raw[1]", "line 12" or "entry 3"
    source: int = 0  # ordinal of its document among the advisory's sources
    agreed: tuple[int, ...] = ()  # ordinals of the other documents that hold exactly this request
    block: int = 0  # ordinal of the http block
    step: int = 0  # ordinal of the request within the block, before payload expansion
    row: int = 0  # ordinal of the payload row that filled it
    standins: tuple[bytes, ...] = ()
    redirects: bool = False
    # What the source checks in the response to this request's block, already flattened to words (for roles, sensors).
    matchers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what the reader could only approximate


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """One vulnerability as disclosed, whatever document it came from."""

    id: str  # "CVE-2021-41773" or the document's own id
    sources: tuple[str, ...]  # files, as given by the user
    format: str = ""  # a key of READERS: what the document is written in
    cves: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    cwes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    severity: str = "unknown"
    cvss: float | None = None  # base score 0 to 10, as the source states it
    cvss_vector: str = ""  # "CVSS:3.1/AV:N/AC:L/…", as the source states it
    products: tuple[Product, ...] = ()
    references: tuple[str, ...] = ()
    author: str = ""
    created: str = ""
    requests: tuple[PocRequest, ...] = ()
    problems: tuple[str, ...] = ()  # what was left out or approximated, for the report
    # Where no request shows an attack: why the words of the source give none, (a key of REFUSALS, a sentence).
    early: tuple[str, str] = ("", "")
    digest: str = ""  # sha256 of the source documents, for incremental runs


def shown_title(advisory: Advisory) -> str:
    """Return the title for people: the document's own, else its product, else the name of its file."""
    if advisory.title.strip():
        return advisory.title
    for product in advisory.products:
        named = " ".join(filter(None, (product.vendor, product.product))).replace("_", " ").strip()
        if named:
            return named
    name = PurePath(advisory.sources[0]).name if advisory.sources else advisory.id
    return f"Unnamed disclosure ({''.join(c if c.isprintable() else '?' for c in name[:100])})"
