"""The facts of one document: read by patterns, read by a model, or both, and never more than its text says."""

from pathlib import PurePath

import msgspec

from ruleforge.errors import InputError
from ruleforge.ingest.pdf import text_of_pdf
from ruleforge.ingest.recognise import is_pdf
from ruleforge.records.facts import Fact, Facts
from ruleforge.sources.prose.assess import assess
from ruleforge.sources.prose.extract import extract
from ruleforge.sources.prose.normal import Format, Normal, is_html, normalise

ENDINGS: dict[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
}
PLAIN = frozenset((".txt", ".md", ".markdown", ".patch", ".diff", ".http", ".req", ".sh"))
MAX_BYTES = 4 * 1024 * 1024  # of a document
PROBLEMS_MOST = 20


def normal_of(data: bytes, where: str) -> Normal:
    """Read a document as the text that a person sees; its kind comes from its beginning, else from its name.

    Raises:
        InputError: larger than MAX_BYTES (RF263), or a PDF that cannot be read (RF243, RF233).
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"the document has {len(data):,} bytes", where=where, hint="split the document", code="RF263")
    if is_pdf(data):
        return text_of_pdf(data, where)
    ending = PurePath(where).suffix.lower()
    form = ENDINGS.get(ending, "plain")
    # An exploit in plain text may hold a page; what is called .txt is read as it is.
    page = form == "html" or (ending not in PLAIN and is_html(data))
    return normalise(data, "html" if page else "plain" if form == "pdf" else form)


def facts_of(normal: Normal, document: str, requests: int = 0) -> Facts:
    """Read the facts of a document with the embedded extractor, and judge what they suffice for.

    Args:
        normal: its text.
        document: its name, for people.
        requests: how many requests it shows, as far as a reader found them.
    """
    return judged(
        Facts(document=document, characters=len(normal.text), facts=extract(normal), problems=normal.problems), requests
    )


def judged(facts: Facts, requests: int) -> Facts:
    """Return `facts` with the verdict that they give."""
    verdict, why, missing = assess(facts.facts, requests)
    return msgspec.structs.replace(facts, requests=requests, verdict=verdict, why=why, missing=missing)


def grounded(fact: Fact, text: str) -> bool:
    """Whether a fact is what it must be: its quote stands in the text where it says, and holds its value."""
    return (
        0 <= fact.start < fact.end <= len(text)
        and text[fact.start : fact.end] == fact.quote
        and fact.value in fact.quote
    )
