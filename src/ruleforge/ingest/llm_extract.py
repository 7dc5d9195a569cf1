"""A model as reader of prose: it names facts with quotes, and what its quotes do not bear out is dropped.

The reader has no tools and decides nothing. What it claims counts only as far as the document says it, word for word;
a document can make it lie, but not make it say what the document does not hold.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from ruleforge.ingest.facts import judged
from ruleforge.llm.door import Door, Pending, Question
from ruleforge.llm.prompt import UNTRUSTED_MOST, Prompt, fixed, particular, untrusted
from ruleforge.llm.provider import Tuning
from ruleforge.records.facts import Fact, Facts, Kind
from ruleforge.sources.prose.normal import Normal

VERSION = "llm extract 1"
PARTS_MOST = 2  # pieces of a document that are shown
PART_MOST = UNTRUSTED_MOST - 200  # characters of each
FACTS_MOST = 40
DROPPED_MOST = 40
QUOTE_MOST = 2_000  # characters of the document that one quote may span, blanks and all

Means = Literal[
    "", "xss", "sql_injection", "traversal", "command_injection", "code_injection", "template_injection", "redirect",
    "ssrf", "rfi", "xxe", "serialized_object", "upload_name", "crlf_injection", "ldap_injection", "nosql_injection",
    "xpath_injection", "prototype_pollution", "jndi", "shellshock", "access",
    "query", "form", "path", "filename",
    "ajax", "component",
    "not_http", "needs_state", "needs_response",
]  # fmt: skip
_MEANS_OF: dict[str, frozenset[str]] = {
    "parameter": frozenset(("", "query", "form", "path", "filename")),
    "action": frozenset(("ajax", "component")),
    "detectability": frozenset(("not_http", "needs_state", "needs_response")),
}
_NO_WEAKNESS = frozenset(
    ("", "query", "form", "path", "filename", "ajax", "component", "not_http", "needs_state", "needs_response")
)
# What a value of each kind looks like; a sentence is none.
_SHAPES: dict[str, re.Pattern[str]] = {
    "endpoint": re.compile(r"[^\s<>\"']{0,200}(?:/|\.[a-z]\w{1,5})[^\s<>\"']{0,200}", re.IGNORECASE),
    "method": re.compile(r"GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS|PROPFIND|MOVE|COPY", re.IGNORECASE),
    "parameter": re.compile(r"[^\s<>\"'=&?/]{1,80}"),
    "header": re.compile(r"[A-Za-z][\w-]{1,60}"),
    "cookie": re.compile(r"[^\s;,\"'=]{1,60}(?:=[^\s;,\"']{0,80})?"),
    "action": re.compile(r"[\w-]{3,80}"),
    "argument": re.compile(r"[^\s<>\"'=&?/]{1,60}=[^\s\"&]{1,120}"),
}

TASK = """You read a document about a vulnerability and list the facts that a writer of detection rules for HTTP
requests needs. You copy, you do not know better: whatever you remember about the vulnerability counts for nothing, only
what this document says. For each fact give the value exactly as the document writes it, and a quote: the words of the
document, copied exactly from one place, up to 300 characters, in which the value occurs."""

KINDS_SAID = """The kinds of facts:
- endpoint: path, page or script of the product that the attack is sent to. Not a file on the disk, not a source file
  that cannot be called, not a link to another site.
- method: GET, POST, … where the document says it.
- parameter: name of the parameter, form field or property that carries the attack; means: query, form, path or
  filename (the attack stands in the name of an uploaded file) where the document says it, else empty.
- header, cookie: name of the header or cookie that carries the attack.
- action: name of a call that a front controller hands on: an AJAX action of WordPress (means ajax), a component of
  Joomla such as com_x (means component).
- argument: name=value with a fixed value that belongs to the call and is not the attack.
- payload: the attack itself, where the document shows one; means: its class.
- weakness: the words that name the kind of attack; means: its class, or access where the call itself is the attack.
- product, versions: what is vulnerable, and which releases.
- detectability: words that say that the attack does not travel in an HTTP request to the product (means not_http), that
  a request becomes an attack only through what happened before (needs_state), or that only the response shows it
  (needs_response). Only where the document says so; give none otherwise.
`about`: for parameter, header, cookie, method and argument the endpoint they belong to, exactly as you gave it, else
empty."""

ANSWER = """Answer with one JSON document that satisfies the schema. Give at most 40 facts, each once, and none that the
document does not state. An empty list is a right answer. Facts whose quote is not found in the document, or whose value
is not found in the quote, are thrown away."""


class ClaimedFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fact as a model claims it."""

    kind: Kind
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=300, description="exactly as in the document")]
    quote: Annotated[
        str, msgspec.Meta(min_length=1, max_length=600, description="words of the document with the value")
    ]
    means: Means
    about: Annotated[str, msgspec.Meta(max_length=300, description="the endpoint it belongs to, or empty")]


class ExtractAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model answers."""

    facts: Annotated[tuple[ClaimedFact, ...], msgspec.Meta(max_length=FACTS_MOST)]


class Checked(msgspec.Struct, frozen=True):
    """Claims that the text bears out, and what was dropped."""

    facts: tuple[Fact, ...]
    dropped: tuple[str, ...]


def ask_llm_extract(normal: Normal, document: str, subject: str, door: Door, requests: int = 0) -> Facts | Pending:
    """Ask a model for the facts of a document.

    Args:
        normal: its text; the first PARTS_MOST pieces are shown.
        document: its name, for people; it is not shown.
        subject: whose budget it is, "CVE-2099-0001".
        door: to the provider that reads.
        requests: how many requests the document shows.

    Returns:
        The facts that the text bears out, with what was dropped; or the news that nobody has answered yet.

    Raises:
        RuleForgeError: as `Door.ask`.
    """
    shown = [normal.text[at : at + PART_MOST] for at in range(0, len(normal.text), PART_MOST)][:PARTS_MOST] or [""]
    parts = [fixed(TASK), fixed(KINDS_SAID), fixed(ANSWER)]
    parts += [particular("The document, in pieces:" if len(shown) > 1 else "The document:")]
    parts += [untrusted(f"document piece {number}", text) for number, text in enumerate(shown, 1)]
    question = Question(
        role="extract",
        subject=subject[:80],
        prompt=Prompt(tuple(parts)),
        output=ExtractAnswer,
        tuning=Tuning(output_most=4_000),
    )
    answer = door.ask(question)
    if isinstance(answer, Pending):
        return answer
    left = len(normal.text) - PARTS_MOST * PART_MOST
    problems = (*normal.problems, *((f"{left:,} characters were not shown to the model",) if left > 0 else ()))
    checked = check_claims(answer.value.facts, normal.text)
    facts = Facts(
        document=document, characters=len(normal.text), facts=checked.facts, dropped=checked.dropped, problems=problems
    )
    return judged(facts, requests)


def check_claims(claims: Sequence[ClaimedFact], text: str) -> Checked:
    """Keep the claims that the text bears out: the quote occurs in it, the value in the quote, each has its shape."""
    finder = _Finder(text)
    facts: dict[tuple[str, str, str], Fact] = {}
    dropped: list[str] = []
    endpoints = {claim.value for claim in claims if claim.kind == "endpoint"}
    for claim in claims[:FACTS_MOST]:
        fact = _checked(claim, finder, endpoints)
        if isinstance(fact, str):
            dropped.append(f"{claim.kind} {claim.value[:80]!r}: {fact}")
        else:
            facts.setdefault((fact.kind, fact.value, fact.about), fact)
    kept = tuple(sorted(facts.values(), key=lambda fact: (fact.start, fact.end, fact.kind)))
    standing = {fact.value for fact in kept if fact.kind == "endpoint"}
    kept = tuple(f if f.about in standing else msgspec.structs.replace(f, about="") for f in kept)
    return Checked(kept, tuple(dropped[:DROPPED_MOST]))


def _checked(claim: ClaimedFact, finder: "_Finder", endpoints: set[str]) -> Fact | str:
    shape = _SHAPES.get(claim.kind)
    if shape is not None and not shape.fullmatch(claim.value):
        return f"is no {claim.kind}"
    if claim.kind in ("weakness", "payload"):
        if claim.means in _NO_WEAKNESS:
            return "names no kind of attack"
    elif claim.means not in _MEANS_OF.get(claim.kind, frozenset(("",))):
        return f"{claim.means!r} is nothing that a {claim.kind} can mean"
    found = finder.find(claim.quote)
    if found is None:
        return "its quote is not in the document"
    start, end = found
    if end - start > QUOTE_MOST:
        return "its quote spans too many blanks of the document"
    quote = finder.text[start:end]
    inner = finder.inside(quote, claim.value)
    if inner is None:
        return "its value is not in its quote"
    return Fact(
        kind=claim.kind,
        value=inner,
        quote=quote,
        start=start,
        end=end,
        line=finder.text.count("\n", 0, start + quote.find(inner)) + 1,
        source="model",
        confidence="likely",
        means=claim.means,
        about=claim.about if claim.about in endpoints else "",
    )


class _Finder:
    """Finds quotes in a text whatever blanks and line ends they are written with."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places = [at for at, c in enumerate(text) if not c.isspace() or (at and not text[at - 1].isspace())]
        self.flat = "".join([" " if text[at].isspace() else text[at] for at in self.places])

    def find(self, quote: str) -> tuple[int, int] | None:
        wanted = " ".join(re.sub(r"\n\|[ ]?", "\n", quote).split())
        at = self.flat.find(wanted) if wanted else -1
        if at < 0:
            return None
        return self.places[at], self.places[at + len(wanted) - 1] + 1

    @staticmethod
    def inside(quote: str, value: str) -> str | None:
        """The value as the quote writes it; None where it does not."""
        if value in quote:
            return value
        words = value.split()
        found = re.search(r"\s+".join(map(re.escape, words)), quote) if words else None
        return found[0] if found else None
