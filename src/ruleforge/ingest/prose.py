"""Reads what people write for people: Markdown, plain text, saved requests and shell scripts with curl."""

import re
from pathlib import PurePath

import msgspec

from ruleforge.errors import InputError
from ruleforge.ingest.assemble import assemble
from ruleforge.ingest.fact_requests import requests_from
from ruleforge.ingest.facts import facts_of, normal_of
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory
from ruleforge.records.facts import REFUSAL_OF, VERDICTS, Facts
from ruleforge.sources.found import Findings
from ruleforge.sources.prose import read_prose
from ruleforge.sources.prose.normal import Normal

SKIPPED = "RF218"
MAX_OWN = 3  # a document that names more CVE numbers is a list or refers to others

_CVE = re.compile(r"CVE[-_]\d{4}[-_]\d{4,8}", re.IGNORECASE)


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


def read_page(data: bytes, where: str) -> Advisory:
    """Read a page in HTML or a PDF as the text that a person sees; see `read_text`.

    Raises:
        InputError: as `read_text`; and a PDF that cannot be read (RF243, RF233).
    """
    return _advisory(data, where, markdown=True)


def _advisory(data: bytes, where: str, *, markdown: bool) -> Advisory:
    normal = normal_of(data, where)
    page = normal.format in ("html", "pdf")
    found = read_prose(normal.text.encode() if page else data, markdown=markdown)
    own = _own_cves(found, where)
    if not found.requests and not own:
        hint = "a disclosure shows a request or names its CVE"
        raise InputError("skipped: no request and no CVE of its own", where=where, hint=hint, code=SKIPPED)
    without = () if found.requests else ("no concrete request was found",)
    found = msgspec.structs.replace(found, cves=own, problems=(*found.problems, *without, *normal.problems))
    advisory = assemble(found, data, where)
    attacks = sum(poc.role == "exploit" for poc in assign_roles(advisory).requests)
    return advisory if attacks else with_facts(advisory, normal, facts_of(normal, where))


def with_facts(advisory: Advisory, normal: Normal, facts: Facts) -> Advisory:
    """Add what the facts of a document give to an advisory without an attack: requests made from them, or why none."""
    tags = [_TAGS[fact.means] for fact in facts.of("weakness") if fact.means in _TAGS]
    advisory = msgspec.structs.replace(advisory, tags=tuple(dict.fromkeys((*advisory.tags, *tags))))
    made = requests_from(facts, normal.text)
    if not made and facts.verdict == "request":
        return advisory
    if not made:
        verdict = "no_payload" if facts.verdict == "enough" else facts.verdict
        told = (REFUSAL_OF[verdict], facts.why or VERDICTS[verdict])
        return msgspec.structs.replace(advisory, early=told)
    stem = "".join(c if c.isprintable() else "?" for c in PurePath(advisory.sources[0]).stem[:80])
    named = [
        msgspec.structs.replace(poc, request=msgspec.structs.replace(poc.request, id=f"{stem}:{poc.origin}:{number}"))
        for number, poc in enumerate(made, 1)
    ]
    note = f"its {len(made)} attack requests are synthetic: made from what the document says ({facts.why})"
    problems = tuple(problem for problem in advisory.problems if not problem.startswith("no "))
    return msgspec.structs.replace(advisory, requests=(*advisory.requests, *named), problems=(*problems, note[:400]))


# Payload class or kind of attack → tag of the vocabulary of templates.
_TAGS = {
    "xss": "xss", "sql_injection": "sqli", "traversal": "lfi", "command_injection": "cmdi", "code_injection": "rce",
    "template_injection": "ssti", "redirect": "redirect", "ssrf": "ssrf", "rfi": "rfi", "xxe": "xxe", "jndi": "jndi",
    "serialized_object": "deserialization", "upload_name": "fileupload", "crlf_injection": "crlf",
    "ldap_injection": "ldap", "nosql_injection": "nosqli", "xpath_injection": "xpath",
    "prototype_pollution": "prototype-pollution", "shellshock": "shellshock",
}  # fmt: skip


def _own_cves(found: Findings, where: str) -> tuple[str, ...]:
    """The CVE numbers that a document is about: those of its name or title, or the few that it names at all."""
    for text in (PurePath(where).stem, found.title):
        named = tuple(dict.fromkeys(cve.upper().replace("_", "-") for cve in _CVE.findall(text)))
        if named:
            return named
    if len(found.cves) <= MAX_OWN:
        return found.cves
    return found.cves[:1] if found.requests else ()


def read_facts(data: bytes, where: str) -> tuple[Normal, Facts]:
    """Read a document as its text and the facts that the embedded extractor finds, whatever else it is good for.

    Raises:
        InputError: too large (RF263), or a PDF that cannot be read (RF243, RF233).
    """
    normal = normal_of(data, where)
    page = normal.format in ("html", "pdf")
    found = read_prose(normal.text.encode() if page else data, markdown=page or normal.format == "markdown")
    advisory = assign_roles(assemble(found, data, where))
    shown = sum(poc.role == "exploit" for poc in advisory.requests)
    return normal, facts_of(normal, where, shown)
