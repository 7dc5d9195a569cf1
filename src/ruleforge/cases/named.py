"""Family JUDGE: the same flaw where else the disclosure says it is: parameter, program, transport.

What a disclosure lists beside the parameter or program of the exploit has the flaw by its own words; nothing else is
tried, for elsewhere the request might be no attack.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from ruleforge.cases.anatomy import Anatomy, Part
from ruleforge.cases.edit import (
    FORM,
    argument_pieces,
    is_form,
    plain_body,
    target_of,
    with_body,
    with_header,
    with_name,
    with_path,
    with_query,
    with_value,
    without_header,
)
from ruleforge.cases.significance import is_selector, path_payload
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

TEXT_MOST = 6_000  # characters of a disclosure that are read
EACH_MOST = 4  # other parameters, and other programs
LIST_MOST = 24  # words of one list
_TOKEN = re.compile(r"\$?[A-Za-z_][\w\[\]-]{0,60}|\(\w\)|[,/&:(]|[^\s\w]")
_PARAMETERS = re.compile(r"(?i)(?:param(?:eter)?|argument|field|variable)s?")
_FILLING = re.compile(r"(?i)http|get|post|request|query|url|string|form|input|json|body")
_JOINS = frozenset((",", "/", "&", "and", "or", "as", "well"))
_MARKS = frozenset("`'\"“”‘’*$")
# Words that stand where the name of a parameter would, in "the following parameters", "via unsanitised parameters".
_NO_NAMES = re.compile(
    r"(?i)the|an?|th(?:is|at|ese|ose)|multiple|several|some|any|certain|various|other|many|following|unsaniti[sz]ed"
    r"|via|in|of|its|one|more|two|three|to|by|with|from|for|is|are|was|which|user|supplied|unspecified|arbitrary"
    r"|vulnerable|affected|crafted|malicious|malformed|long|all|each|both|no|not|on|when|it|into|through|using|passed"
    r"|before|allows?|could|may|can|has|have|parameters?|file|path|http"
)
_PROGRAM = re.compile(
    r"(?<![\w.-])/?((?:[\w-]{1,40}/)?[\w-]{1,60}\.(?:php|aspx?|jspx?|do|action|cgi|pl|cfm))\b", re.IGNORECASE
)
_BOTH_WAYS = re.compile(r"(?i)\bGET\s?(?:and|or|/|,)\s?POST\b|\bPOST\s?(?:and|or|/|,)\s?GET\b|_REQUEST\b")
_PLACES = frozenset(("query_args", "form_args", "json", "multipart"))


class Elsewhere(msgspec.Struct, frozen=True):
    """A request that attacks the same flaw elsewhere."""

    request: Request
    kind: str  # "parameter" | "program" | "transport"
    said: str
    part: Part | None = None


def named_places(anatomy: Anatomy, advisory: Advisory) -> tuple[Elsewhere, ...]:
    """Attack the flaw in the other places that title and description name beside that of the exploit."""
    text = f"{advisory.title}. {advisory.description}"[:TEXT_MOST]
    return (*_parameters(anatomy, text), *_programs(anatomy, text), *_transport(anatomy, text))


def parameter_lists(text: str) -> tuple[tuple[str, ...], ...]:
    """Names of parameters that a text lists together, such as "the id, name and `sort` parameters"."""
    tokens = [token for token in _TOKEN.findall(text) if token not in _MARKS and not re.fullmatch(r"\(\w\)", token)]
    found = []
    for at, token in enumerate(tokens):
        if _PARAMETERS.fullmatch(token):
            before = _names(tokens[max(0, at - LIST_MOST) : at][::-1])
            after = _names(tokens[at + 1 : at + 1 + LIST_MOST])
            found += [tuple(names) for names in (before, after) if names]
    return tuple(dict.fromkeys(found))


def _names(tokens: Sequence[str]) -> list[str]:
    """Read names off the tokens beside the word "parameter", as long as they are joined."""
    names: list[str] = []
    joined = True
    for token in tokens:
        word = token.lower()
        if word in _JOINS:
            joined = True
        elif word in ":(" or (not names and _FILLING.fullmatch(word)):
            continue
        elif not joined or _NO_NAMES.fullmatch(word) or not re.match(r"[$\w]", token):
            break
        else:
            names.append(token.lstrip("$"))
            joined = False
    return list(dict.fromkeys(names))


def _parameters(anatomy: Anatomy, text: str) -> Iterator[Elsewhere]:
    lists = parameter_lists(text)
    for part in anatomy.payloads:
        name = part.name.decode("latin-1")
        if part.place not in _PLACES or not name:
            continue
        step = name.rpartition("/")[2] if part.place == "json" else name
        others = {o: None for names in lists if step in names for o in names if o != step}
        for other in list(others)[:EACH_MOST]:
            request = _moved(anatomy, part, other.encode())
            if request is not None:
                said = f"the payload stands in {other}, which the disclosure names too"
                yield Elsewhere(request, "parameter", said, part)


def _moved(anatomy: Anatomy, part: Part, name: bytes) -> Request | None:
    """Put the payload into another parameter: one that is there takes it, else that of the payload is renamed."""
    request = anatomy.poc.request
    taken = next((p for p in anatomy.parts if p.place == part.place and p.name.rpartition(b"/")[2] == name), None)
    if taken is None:
        return with_name(request, part, name)
    if taken.classes or is_selector(taken):
        return None
    plain = with_value(request, part, b"1")
    return with_value(plain, taken, part.value) if plain is not None else None


def _programs(anatomy: Anatomy, text: str) -> Iterator[Elsewhere]:
    request = anatomy.poc.request
    path = target_of(request).path
    if path_payload(anatomy) or not path.startswith(b"/"):
        return
    named = list(dict.fromkeys(found.lower() for found in _PROGRAM.findall(text)))
    whole = path.decode("latin-1").lower()
    own = next((one for one in named if whole.endswith("/" + one)), None)
    if own is None:
        return
    for other in [one for one in _PROGRAM.findall(text) if one.lower() != own][:EACH_MOST]:
        folder = path[: len(path) - len(own)] if "/" in other or "/" not in own else path.rpartition(b"/")[0] + b"/"
        moved = with_path(request, folder + other.encode())
        if moved != request:
            yield Elsewhere(moved, "program", f"the attack goes to {other}, which the disclosure names too")


def _transport(anatomy: Anatomy, text: str) -> Iterator[Elsewhere]:
    """Form for query and query for form, where the disclosure says that the program reads both."""
    request = anatomy.poc.request
    query = target_of(request).query
    if not _BOTH_WAYS.search(text) or not any(part.place in ("query_args", "form_args") for part in anatomy.payloads):
        return
    if request.method == b"GET" and not request.body and query:
        moved = with_header(with_query(msgspec.structs.replace(request, method=b"POST"), None), b"Content-Type", FORM)
        moved = with_body(with_header(moved, b"Content-Length", b"0"), query)
        yield Elsewhere(moved, "transport", "the arguments are sent as a form")
    elif request.method == b"POST" and plain_body(request) is not None and is_form(request):
        pieces = [*(argument_pieces(request, "query_args") or []), *(argument_pieces(request, "form_args") or [])]
        bare = msgspec.structs.replace(request, method=b"GET", body=None)
        bare = without_header(without_header(bare, b"content-type"), b"content-length")
        yield Elsewhere(with_query(bare, b"&".join(pieces)), "transport", "the arguments are sent in the query")
