"""Reads PoC files of afrog and xray."""

import re

from ruleforge.ingest.assemble import assemble
from ruleforge.records.advisory import Advisory

_RULES = re.compile(rb"^(?:rules|groups)[ \t]*:", re.MULTILINE)
_MARK = re.compile(rb"^[ \t-]*(?:expression|follow_redirects)[ \t]*:", re.MULTILINE)


def is_poc(head: bytes) -> bool:
    """Whether a YAML file that begins so is a PoC: rules, and expressions about responses."""
    return _RULES.search(head) is not None and _MARK.search(head) is not None


def read_poc(data: bytes, where: str) -> Advisory:
    """Read one PoC.

    Args:
        data: the bytes of the file.
        where: the file's name as the user gave it.

    Raises:
        InputError: not YAML within bounds, or not a PoC (RF210 to RF214).
    """
    from ruleforge.sources.afrog.document import parse_poc  # not before a file of this format is read
    from ruleforge.sources.afrog.expand import expand_poc

    return assemble(expand_poc(parse_poc(data, where)), data, where)
