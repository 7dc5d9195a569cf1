"""What a document says of a vulnerability, each thing with the words that say it."""

from typing import Literal

import msgspec

Kind = Literal[
    "endpoint", "method", "parameter", "header", "cookie", "action", "argument", "payload", "weakness", "product",
    "versions", "detectability",
]  # fmt: skip
Source = Literal["embedded", "model", "both"]
Confidence = Literal["certain", "likely", "possible"]
Verdict = Literal[
    "request", "enough", "not_http", "needs_state", "needs_response", "no_place", "no_payload", "nothing"
]  # fmt: skip

KINDS: dict[str, str] = {
    "endpoint": "path, page or script that is asked",
    "method": "method of the request",
    "parameter": "parameter, field or property that carries the attack",
    "header": "header that carries the attack",
    "cookie": "cookie that carries the attack",
    "action": "name of a call that a front controller hands on",
    "argument": "argument with a fixed value, as the document writes it",
    "payload": "payload that the document shows",
    "weakness": "kind of attack",
    "product": "what is vulnerable",
    "versions": "which releases are vulnerable",
    "detectability": "words that say whether one HTTP request can show the attack",
}
VERDICTS: dict[str, str] = {
    "request": "The document shows a request.",
    "enough": "The document says where the attack is sent and what it looks like.",
    "not_http": "The attack does not travel in an HTTP request to the product.",
    "needs_state": "One request becomes an attack only through what happened before.",
    "needs_response": "Only the response shows whether a request was an attack.",
    "no_place": "The document does not say where the attack is sent: no path, parameter, header or action.",
    "no_payload": "The document says where, but neither shows nor names a kind of payload that can be recognised.",
    "nothing": "The document says neither where the attack is sent nor what it looks like.",
}
# How an early answer is called among the refusals of `forge`.
REFUSAL_OF: dict[str, str] = {
    "not_http": "no_http", "needs_state": "needs_state", "needs_response": "needs_response",
    "no_place": "too_little", "no_payload": "too_little", "nothing": "too_little",
}  # fmt: skip


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a document says; `quote` is `text[start:end]` of the text it was read as, and holds `value`."""

    kind: Kind
    value: str  # as the document writes it
    quote: str
    start: int  # characters from the beginning of the text
    end: int
    line: int  # of the text, counted from 1
    source: Source = "embedded"
    confidence: Confidence = "likely"
    means: str = ""  # in our words: payload class of a weakness, place of a parameter, verdict of a detectability
    about: str = ""  # of a parameter, header, cookie, method, argument: the endpoint it belongs to; "" where not told


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one document, and whether they suffice for a rule."""

    document: str
    characters: int  # of the text that offsets count in
    facts: tuple[Fact, ...] = ()
    requests: int = 0  # that the document shows
    verdict: Verdict = "nothing"
    why: str = ""  # one sentence about this document
    missing: tuple[str, ...] = ()  # what a rule would need besides
    conflicts: tuple[str, ...] = ()  # where two readers disagree
    dropped: tuple[str, ...] = ()  # what a reader claimed and the text does not say
    problems: tuple[str, ...] = ()  # what could not be read

    def of(self, *kinds: Kind) -> tuple[Fact, ...]:
        """Return the facts of these kinds, in the order of the text."""
        return tuple(fact for fact in self.facts if fact.kind in kinds)
