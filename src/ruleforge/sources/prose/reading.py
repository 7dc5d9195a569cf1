"""From the bytes of a document for people to its requests and facts."""

import re
from collections.abc import Sequence

import msgspec

from ruleforge.sources.found import Findings, FoundRequest
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.poc_code import LANGUAGES, language_of, requests_in_code
from ruleforge.sources.prose.chunks import Chunk, cut_in_chunks, spans_of, to_text
from ruleforge.sources.prose.curl import read_curl
from ruleforge.sources.prose.drafts import Draft, Made, authority_of, make_request, payload_classes
from ruleforge.sources.prose.facts import Facts, facts_of
from ruleforge.sources.prose.forms import read_forms
from ruleforge.sources.prose.hosts import is_about, is_target_like
from ruleforge.sources.prose.links import HINT, LIKELY, SHOWN, Link, read_links
from ruleforge.sources.prose.placeholders import Filler
from ruleforge.sources.prose.raw_requests import read_fragments, read_raw
from ruleforge.sources.prose.sqlmap import place_injection, read_commands, read_injections

MAX_REQUESTS = 200  # of one document
MAX_HINTS = 12  # links that only might be requests
MAX_PROBLEMS = 50
MAX_SCRIPTS = 40  # scripts of one document that are parsed

_LANGUAGES = {"py": "python", "python3": "python", "python2": "python", "rb": "ruby", "js": "javascript"}
_SCRIPT_STARTS = re.compile(
    r"[ \t]*(?:#!|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import|require[ \t]+['\"]|use[ \t]+\w|<\?php|##$)"
)
_CLASS_OF_TAG = {
    "rfi": "url_value", "ssrf": "url_value", "redirect": "url_value", "fileupload": "upload_name",
    "deserialization": "serialized_object",
}  # fmt: skip


class _Collected:
    """What the chunks of a document gave so far."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.written: list[Draft] = []  # requests, commands, forms
        self.coded: list[FoundRequest] = []
        self.links: list[Link] = []
        self.problems: list[str] = []
        self.standins = Standins()
        self.filler = Filler(facts.kinds, self.standins)
        self.about = frozenset(_CLASS_OF_TAG[tag] for tag in facts.tags if tag in _CLASS_OF_TAG)
        self.scripts = 0


def read_prose(data: bytes, *, markdown: bool = False) -> Findings:
    """Read a document: raw requests, commands of curl, scripts, forms, links and reports of sqlmap.

    Cost: linear in the size of the document; all counts are bounded, and a bound that is reached is a problem of the
    result.

    Args:
        data: at most some MiB.
        markdown: fences of tildes, as Markdown has them.
    """
    chunks = cut_in_chunks(to_text(data), markdown=markdown)
    facts = facts_of([line for chunk in chunks for line in chunk.lines][:2_000])
    collected = _Collected(facts)
    for chunk in chunks:
        _read_chunk(chunk, collected)
    requests = _requests(collected)
    return Findings(
        requests=tuple(requests),
        problems=tuple(dict.fromkeys(collected.problems))[:MAX_PROBLEMS],
        cves=facts.cves,
        title=facts.title,
        description=facts.description,
        cwes=facts.cwes,
        tags=facts.tags,
        severity=facts.severity,
        product=facts.product,
        references=facts.references,
        author=facts.author,
    )


def _read_chunk(chunk: Chunk, collected: _Collected) -> None:
    consumed = _read_script(chunk, collected)
    rest = _without(chunk, consumed)
    curl = read_curl(rest.text, collected.standins, rest.first)
    collected.written += curl.drafts
    collected.problems += curl.problems
    rest = _blanked(rest, curl.spans)
    raw = read_raw(rest)
    collected.written += raw.drafts
    collected.problems += raw.problems
    collected.written += read_commands(rest.text, rest.first)
    forms, form_lines = read_forms(rest.text, rest.first)
    collected.written += forms
    lines = list(spans_of(rest.lines, set(raw.consumed) | form_lines, rest.first))
    for draft in read_fragments(lines):
        collected.links.append(Link(draft, LIKELY if "?" in draft.url or draft.method != "GET" else HINT))
    collected.links += read_links(lines, collected.about)
    known = [*collected.written, *(link.draft for link in collected.links)]
    for injection in read_injections(lines):
        placed = place_injection(injection, known)
        if isinstance(placed, str):
            collected.problems.append(placed)
        else:
            collected.written.append(placed)


def _read_script(chunk: Chunk, collected: _Collected) -> set[int]:
    """Hand a script to the reader of its language; the numbers of the lines that gave requests."""
    language = _LANGUAGES.get(chunk.language, chunk.language)
    start = 0
    if language not in LANGUAGES:
        if chunk.language or len(chunk.lines) < 4:
            return set()
        start = next((i for i, line in enumerate(chunk.lines[:3_000]) if _SCRIPT_STARTS.match(line[:200])), -1)
        if start < 0:
            return set()
        language = language_of("\n".join(chunk.lines[start:])) or ""
    if language not in LANGUAGES or collected.scripts >= MAX_SCRIPTS:
        return set()
    collected.scripts += 1
    lines = chunk.lines[start:]
    found = requests_in_code("\n".join(lines), language)
    shift = chunk.first + start - 1
    collected.problems += [_moved(problem, shift) for problem in found.problems]
    collected.coded += [msgspec.structs.replace(each, origin=_moved(each.origin, shift)) for each in found.requests]
    return set(range(chunk.first + start, chunk.first + len(chunk.lines))) if found.requests else set()


def _moved(text: str, lines: int) -> str:
    """Count "line 3" from the beginning of the document."""
    found = re.match(r"line (\d{1,7})", text)
    return text if found is None else f"line {int(found[1]) + lines}{text[found.end() :]}"


def _without(chunk: Chunk, consumed: set[int]) -> Chunk:
    if not consumed:
        return chunk
    lines = tuple("" if chunk.first + i in consumed else line for i, line in enumerate(chunk.lines))
    return msgspec.structs.replace(chunk, lines=lines)


def _blanked(chunk: Chunk, spans: Sequence[tuple[int, int]]) -> Chunk:
    """The chunk without the commands that were read, its lines still counted as before."""
    if not spans:
        return chunk
    text, parts, position = chunk.text, [], 0
    for start, end in spans:
        parts += [text[position:start], "\n" * text.count("\n", start, end)]
        position = end
    return msgspec.structs.replace(chunk, lines=tuple("".join([*parts, text[position:]]).split("\n")))


def _requests(collected: _Collected) -> list[FoundRequest]:
    """All requests once, in the order of their lines; links only as far as nothing better is there."""
    made = [each for draft in collected.written if (each := _make(draft, collected)) is not None]
    ordered = [*(Made(each) for each in collected.coded), *made]
    linked = _chosen_links(collected, has_better=bool(ordered))
    ordered += [each for link in linked if (each := _make(link.draft, collected)) is not None]
    kept = _once(_without_templates(sorted(ordered, key=_line)))
    if len(kept) > MAX_REQUESTS:
        collected.problems.append(f"more than {MAX_REQUESTS} requests: the others were left out")
    return [msgspec.structs.replace(each, step=step) for step, each in enumerate(kept[:MAX_REQUESTS])]


def _make(draft: Draft, collected: _Collected) -> Made | None:
    made = make_request(draft, collected.filler, collected.standins)
    if isinstance(made, str):
        collected.problems.append(made)
        return None
    authority = authority_of(draft) or next((v for n, v in draft.headers if n.lower() == "host"), None)
    if authority is not None and not is_target_like(authority):
        hostile = made.payload_put or payload_classes(made.found.request) - {"url_value"}
        # Whole requests are shown for a reason; links and commands also fetch software.
        if is_about(authority) or not (hostile or draft.body or (draft.complete and not draft.host_first)):
            collected.problems.append(f"line {draft.line}: a request to another host was left out: {authority[:80]}")
            return None
    return made


def _chosen_links(collected: _Collected, *, has_better: bool) -> list[Link]:
    """The links that count: those that show an attack; without any, those that are called one; then the rest."""
    best = max((link.strength for link in collected.links), default=0)
    strengths = {SHOWN} if has_better else {best}
    chosen = [link for link in collected.links if link.strength in strengths]
    return chosen if best == SHOWN else chosen[:MAX_HINTS]


def _line(made: Made) -> int:
    found = re.match(r"line (\d{1,7})", made.found.origin)
    return int(found[1]) if found else 0


def _without_templates(made: list[Made]) -> list[Made]:
    """Leave out `…?id=[SQL]` where the document also shows the same call with a payload of its own."""
    shown = {_shape(each) for each in made if not each.payload_put}
    return [each for each in made if not each.payload_put or _shape(each) not in shown]


def _shape(made: Made) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    request = made.found.request
    path, _, query = request.target.partition(b"?")
    names = tuple(sorted(pair.partition(b"=")[0] for pair in query[:8192].split(b"&")[:100]))
    return request.method, path, names


def _once(made: list[Made]) -> list[FoundRequest]:
    kept: dict[tuple[bytes, bytes, bytes | None, tuple[tuple[bytes, bytes], ...]], FoundRequest] = {}
    bare: set[tuple[bytes, bytes]] = set()
    for each in sorted(made, key=lambda m: not m.found.request.headers[1:]):  # richer ones first
        request = each.found.request
        simple = (request.method, request.target)
        if len(request.headers) <= 1 and request.body is None and simple in bare:
            continue
        bare.add(simple)
        kept.setdefault((*simple, request.body, request.headers), each.found)
    chosen = {id(found) for found in kept.values()}
    return [each.found for each in made if id(each.found) in chosen]
