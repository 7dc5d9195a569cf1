"""Reads scripts that show a vulnerability: from the file to an advisory with the requests it would send."""

import re

from ruleforge.ingest.assemble import assemble
from ruleforge.records.advisory import Advisory

# file ending → language, for the endings that a script's reader takes
ENDINGS = {".py": "python", ".rb": "ruby"}

_SPEAKS_HTTP = re.compile(rb"https?\b|HTTP/1|socket|send_request|curl|urllib|requests\.|LWP|fetch\(", re.IGNORECASE)


def speaks_http(head: bytes) -> bool:
    """Whether the beginning of a script mentions HTTP or one of its clients at all."""
    return bool(_SPEAKS_HTTP.search(head))


def read_poc_code(data: bytes, where: str) -> Advisory:
    """Read one script, in the language of its file ending or, where that says nothing, of its text.

    A script without requests gives an advisory without requests, whose problems say so. Nothing is executed.
    """
    from ruleforge.sources.poc_code import requests_in_code  # not before a file of this format is read

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    ending = where[where.rfind(".") :].lower() if "." in where else ""
    return assemble(requests_in_code(text.removeprefix("\ufeff"), ENDINGS.get(ending)), data, where)
