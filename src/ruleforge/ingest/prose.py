"""Reads what people write for people: Markdown, plain text, saved requests and shell scripts with curl."""

import re
from pathlib import PurePath

import msgspec

from ruleforge.errors import InputError
from ruleforge.ingest.assemble import assemble
from ruleforge.records.advisory import Advisory
from ruleforge.sources.prose import read_prose

SKIPPED = "RF218"

_CVE = re.compile(r"CVE[-_]\d{4}[-_]\d{4,8}", re.IGNORECASE)


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is text of any encoding that writes ASCII as it is."""
    return head.count(b"\0") <= len(head) // 1000 and bool(head.strip())


def read_markdown(data: bytes, where: str) -> Advisory:
    """Read a document in Markdown; see `read_text`."""
    return _advisory(data, where, markdown=True)


def read_text(data: bytes, where: str) -> Advisory:
    """Read a document in plain text.

    A document that names a CVE but shows no request gives an advisory without requests, whose problems say so.

    Raises:
        InputError: it neither shows a request nor names a CVE, so it discloses nothing (RF218).
    """
    return _advisory(data, where, markdown=False)


def _advisory(data: bytes, where: str, *, markdown: bool) -> Advisory:
    found = read_prose(data, markdown=markdown)
    if not found.requests:
        if not found.cves and not _CVE.search(PurePath(where).stem):
            hint = "a disclosure names a CVE or shows a request"
            raise InputError("skipped: neither a request nor a CVE in it", where=where, hint=hint, code=SKIPPED)
        found = msgspec.structs.replace(found, problems=(*found.problems, "no concrete request was found"))
    return assemble(found, data, where)
