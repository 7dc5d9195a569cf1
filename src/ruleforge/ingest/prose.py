"""Reads what people write for people: Markdown, plain text, saved requests and shell scripts with curl."""

import re
from pathlib import PurePath

import msgspec

from ruleforge.errors import InputError
from ruleforge.ingest.assemble import assemble
from ruleforge.records.advisory import Advisory
from ruleforge.sources.found import Findings

SKIPPED = "RF218"
MAX_OWN = 3  # a document that names more CVE numbers is a list or refers to others

_CVE = re.compile(r"CVE[-_]\d{4}[-_]\d{4,8}", re.IGNORECASE)


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is text of any encoding that writes ASCII as it is."""
    return head.count(b"\0") <= len(head) // 1000 and bool(head.strip())


def read_markdown(data: bytes, where: str) -> Advisory:
    """Read a document in Markdown; see `read_text`."""
    return _advisory(data, where, markdown=True)


def read_text(data: bytes, where: str) -> Advisory:
    """Read a document in plain text.

    A document that names its CVE but shows no request gives an advisory without requests, whose problems say so.

    Raises:
        InputError: it neither shows a request nor names a CVE of its own, so it discloses nothing (RF218).
    """
    return _advisory(data, where, markdown=False)


def _advisory(data: bytes, where: str, *, markdown: bool) -> Advisory:
    from ruleforge.sources.prose import read_prose  # not before a file of this format is read

    found = read_prose(data, markdown=markdown)
    own = _own_cves(found, where)
    if not found.requests:
        if not own:
            hint = "a disclosure shows a request or names its CVE"
            raise InputError("skipped: no request and no CVE of its own", where=where, hint=hint, code=SKIPPED)
        found = msgspec.structs.replace(found, problems=(*found.problems, "no concrete request was found"))
    return assemble(msgspec.structs.replace(found, cves=own), data, where)


def _own_cves(found: Findings, where: str) -> tuple[str, ...]:
    """The CVE numbers that a document is about: those of its name or title, or the few that it names at all."""
    for text in (PurePath(where).stem, found.title):
        named = tuple(dict.fromkeys(cve.upper().replace("_", "-") for cve in _CVE.findall(text)))
        if named:
            return named
    if len(found.cves) <= MAX_OWN:
        return found.cves
    return found.cves[:1] if found.requests else ()
