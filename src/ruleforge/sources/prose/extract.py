"""From the text of a document to facts with citations, by patterns alone."""

import bisect
import re
from collections.abc import Callable, Sequence

import msgspec

from ruleforge.records.facts import Confidence, Fact, Kind
from ruleforge.rules.classes import classes_of
from ruleforge.sources.prose import talk
from ruleforge.sources.prose.chunks import to_bytes
from ruleforge.sources.prose.code_talk import code_mentions
from ruleforge.sources.prose.hosts import is_target_like
from ruleforge.sources.prose.normal import Normal
from ruleforge.sources.prose.products import product_mentions
from ruleforge.sources.prose.talk import Mention
from ruleforge.sources.prose.weakness_words import NEEDS_RESPONSE, NEEDS_STATE, NOT_HTTP, WEAKNESSES, WEB

MAX_FACTS = 200
MAX_EACH = 24  # facts of one kind
QUOTE_MOST = 240  # characters
MAX_READ = 100_000  # characters in which facts are looked for
_REFERENCES = re.compile(
    r"^[ \t#*]{0,8}(?:references?|github|links|credits?|see also|external links|disclaimer)[ \t:*#]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)
_JOINS_BACK = re.compile(
    r"^[`\"'”’)]{0,2}(?:\(s\))?(?: \w{1,12}){0,3}? (?:parameters?|params?|arguments?|fields?|"
    r"variables?|headers?|cookies?|inputs?|AJAX action|action|header field)s?,?"
    r"(?: \([^)]{0,60}\))?(?: value| name)?(?: (?:to|in|of|at|on|for|from|within|inside|"
    r"when calling|sent to|passed to|located in|related to))"
    r"(?: (?:the|a|an|its|file|script|page|component|endpoint|url|path|function|request|"
    r"sync action,?)){0,4} ?[`\"'“‘(]?$",
    re.IGNORECASE,
)
_LIST_JOIN = re.compile(r"^[`\"'”’)]{0,2},? ?(?:and |or |and/or |, )?(?:the )?[`\"'“‘(]?$")
_LINK = re.compile(r"https?://(?P<host>[^/?#\s<>\"'`)\]]{0,200})[^\s<>\"'`]{0,2000}", re.IGNORECASE)
_CODE = re.compile(r"`([^`\n]{3,400})`|[\"“]([^\"”\n]{3,300})[\"”]")
_BLOCK = re.compile(r"^[ \t>]{0,8}(?:`{3,}|~{3,})", re.MULTILINE)
_WEAK = frozenset(
    (
        "upload_name",
        "url_value",
        "serialized_object",
        "internal_address",
        "url_trick",
        "mass_assignment",
        "graphql_introspection",
    )
)
_FORM_TALK = re.compile(r"\bPOST\b|request body|form field|multipart|\bbody\b", re.IGNORECASE)


def extract(normal: Normal) -> tuple[Fact, ...]:
    """Read the facts of a document; the same text gives the same facts.

    Cost: linear in the text; the first MAX_READ characters and MAX_FACTS facts.
    """
    reader = _Reader(normal)
    for start, end in talk.sentences(reader.text):
        reader.sentence(start, end)
    for start, end in reader.code:
        reader.fence(start, end)
    return reader.facts()


class _Reader:
    def __init__(self, normal: Normal) -> None:
        whole = normal.text[:MAX_READ]
        self.code = _fenced(whole)
        self.text = _without_links(_without_references(_blanked(whole, self.code)))
        self._whole = whole
        self._flat = self.text.replace("\n", " ")  # lines of prose go on in the next
        self._lines = [found.start() for found in re.finditer("\n", self.text)]
        self._facts: dict[tuple[str, str, str], Fact] = {}
        self._counts: dict[str, int] = {}
        self._head = True

    def facts(self) -> tuple[Fact, ...]:
        for mention in product_mentions(self.text):
            self._put(
                mention.kind,
                mention.start,
                mention.end,
                mention.confidence,
                mention.note,
                "",
                (mention.start, mention.end),
            )
        return tuple(sorted(self._facts.values(), key=lambda fact: (fact.start, fact.end, fact.kind)))

    def sentence(self, start: int, end: int) -> None:
        words = self._flat[start:end]
        if len(words) < 4:
            return
        span = (start, end)
        self._weaknesses(words, span)
        self._detectability(words, span)
        paths = talk.places(words, start)
        named = [*talk.parameters(words, start), *talk.headers(words, start), *talk.cookies(words, start)]
        code = code_mentions(self.text[start:end], start)
        named += [each for each in code if each.kind != "endpoint"]
        paths += [each for each in code if each.kind == "endpoint"]
        paths = _apart(paths, named)
        for path in paths:
            self._put("endpoint", path.start, path.end, path.confidence, "", "", span)
        for mention in named:
            for about in self._about(mention, paths) or [""]:
                note = mention.note or ("form" if mention.kind == "parameter" and _FORM_TALK.search(words) else "")
                self._put(mention.kind, mention.start, mention.end, mention.confidence, note, about, span)
        for mention in (*talk.actions(words, start), *talk.arguments(words, start), *talk.methods(words, start)):
            inside = any(path.start <= mention.start < path.end for path in paths)
            if not (inside and mention.kind == "method"):
                about = paths[0].value if len(paths) == 1 else ""
                self._put(mention.kind, mention.start, mention.end, mention.confidence, mention.note, about, span)
        self._payloads(words, span)

    def fence(self, start: int, end: int) -> None:
        """Read what code in a fence says of names; requests in it are read by another reader."""
        for line in re.finditer(r"[^\n]{1,2000}", self._whole[start:end]):
            at = start + line.start()
            for mention in code_mentions(line[0], at):
                span = (at, at + len(line[0]))
                self._put(mention.kind, mention.start, mention.end, mention.confidence, mention.note, "", span)

    def _about(self, mention: Mention, paths: Sequence[Mention]) -> list[str]:
        """The endpoints that a parameter belongs to: right after it, right before it, or alone in the sentence."""
        following = [path for path in paths if path.start >= mention.end]
        if following and _JOINS_BACK.match(self._flat[mention.end : following[0].start][:160]):
            joined = [following[0]]
            for path in following[1:]:
                if not _LIST_JOIN.match(self._flat[joined[-1].end : path.start][:20]):
                    break
                joined.append(path)
            return [path.value for path in joined]
        before = [path for path in paths if path.end <= mention.start]
        if before and mention.start - before[-1].end <= 4:
            return [before[-1].value]
        inside = [path for path in paths if path.start <= mention.start < path.end]
        if inside:
            return [inside[0].value]
        return [path.value for path in paths[:4]]

    def _weaknesses(self, words: str, span: tuple[int, int]) -> None:
        found: list[tuple[str, re.Match[str]]] = []
        for name, pattern in WEAKNESSES:
            match = pattern.search(words)
            if match is not None and (name or not found):
                found.append((name, match))
        for name, match in found[:3]:
            self._put("weakness", span[0] + match.start(), span[0] + match.end(), "likely", name or "access", "", span)

    def _detectability(self, words: str, span: tuple[int, int]) -> None:
        tests = [("not_http", pattern) for _, pattern in NOT_HTTP]
        for verdict, pattern in (*tests, ("needs_state", NEEDS_STATE), ("needs_response", NEEDS_RESPONSE)):
            match = pattern.search(words)
            if match is not None:
                web = verdict == "not_http" and WEB.search(words)
                self._put(
                    "detectability",
                    span[0] + match.start(),
                    span[0] + match.end(),
                    "possible" if web else "likely",
                    verdict,
                    "",
                    span,
                )

    def _payloads(self, words: str, span: tuple[int, int]) -> None:
        for match in _CODE.finditer(words):
            group = 1 if match[1] else 2
            value = match[group]
            classes = [name for name in classes_of(to_bytes(value)[:2_048]) if name not in _WEAK]
            if classes and not re.fullmatch(r"[\w ]{1,60}", value):
                self._put(
                    "payload", span[0] + match.start(group), span[0] + match.end(group), "likely", classes[0], "", span
                )

    def _put(
        self, kind: str, start: int, end: int, confidence: str, means: str, about: str, span: tuple[int, int]
    ) -> None:
        value = self._whole[start:end]
        key = (kind, value.lower() if kind in ("weakness", "detectability") else value, about)
        if kind in ("weakness", "detectability"):
            key = (kind, means, "")
        old = self._facts.get(key)
        if old is not None or self._counts.get(kind, 0) >= MAX_EACH or len(self._facts) >= MAX_FACTS:
            if old is not None and _STRENGTH[confidence] > _STRENGTH[old.confidence]:
                self._facts[key] = msgspec.structs.replace(old, confidence=_confidence(confidence))
            return
        self._counts[kind] = self._counts.get(kind, 0) + 1
        quote = quote_around(self._whole, start, end, span)
        self._facts[key] = Fact(
            kind=_kind(kind),
            value=value,
            quote=self._whole[quote[0] : quote[1]],
            start=quote[0],
            end=quote[1],
            line=bisect.bisect_left(self._lines, start) + 1,
            confidence=_confidence(confidence),
            means=means,
            about=about,
        )


_STRENGTH = {"possible": 0, "likely": 1, "certain": 2}
_kind: Callable[[str], Kind] = lambda kind: msgspec.convert(kind, Kind)  # noqa: E731
_confidence: Callable[[str], Confidence] = lambda word: msgspec.convert(word, Confidence)  # noqa: E731


def quote_around(text: str, start: int, end: int, span: tuple[int, int]) -> tuple[int, int]:
    """Choose the words around `text[start:end]` that are quoted: its sentence, cut at blanks where that is long."""
    first, last = min(span[0], start), max(span[1], end)
    room = max(0, QUOTE_MOST - (end - start))
    if last - first > QUOTE_MOST:
        left, right = max(first, start - room // 2), min(last, end + room // 2)
        blank = text.find(" ", left, start)
        first = left if left == first or blank < 0 else blank + 1
        blank = text.rfind(" ", end, right)
        last = right if right == last or blank < 0 else blank
    while first < start and text[first].isspace():
        first += 1
    while last > end and text[last - 1].isspace():
        last -= 1
    return first, last


def _apart(paths: list[Mention], named: Sequence[Mention]) -> list[Mention]:
    """Leave out paths that are names of parameters, and what overlaps an earlier one."""
    spans = {(mention.start, mention.end) for mention in named}
    kept: list[Mention] = []
    for path in sorted(paths, key=lambda mention: (mention.start, -mention.end)):
        overlaps = kept and path.start < kept[-1].end
        if (path.start, path.end) not in spans and not overlaps:
            kept.append(path)
    return kept


def _fenced(text: str) -> list[tuple[int, int]]:
    """The spans of code between fences, without the lines of the fences."""
    marks = list(_BLOCK.finditer(text))[:2_000]
    spans = []
    for opening, closing in zip(marks[::2], [*marks[1::2], None], strict=False):
        start = text.find("\n", opening.end())
        if start >= 0:
            spans.append((start + 1, len(text) if closing is None else max(start + 1, closing.start())))
    return spans


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with blanks in place of `spans`; offsets and lines stay."""
    parts, position = [], 0
    for start, end in spans:
        parts += [text[position:start], re.sub(r"[^\n]", " ", text[start:end])]
        position = end
    return "".join([*parts, text[position:]])


def _without_links(text: str) -> str:
    """Blank out links to other sites: their paths and arguments are those of the other site."""

    def put(found: re.Match[str]) -> str:
        return found[0] if is_target_like(found["host"]) else " " * len(found[0])

    return _LINK.sub(put, text)


def _without_references(text: str) -> str:
    """Blank out lists of references: what they name is no part of the attack. Offsets stay."""
    found = _REFERENCES.search(text)
    if found is None:
        return text
    rest = text[found.end() :]
    # Under the heading, lines of links only; what follows in words is the document again.
    lines = rest.split("\n")
    blanked = [
        " " * len(line) if re.match(r"[ \t]*(?:[-*+]|\d{1,3}[.)])?[ \t]*[\[(<]?https?://", line[:80]) else line
        for line in lines
    ]
    return text[: found.end()] + "\n".join(blanked)
