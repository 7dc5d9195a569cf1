"""Family FEEDBACK: the ways of writing that generation and validation try."""

import re
from collections.abc import Callable
from itertools import pairwise

import msgspec

from ruleforge.cases.anatomy import Anatomy, Part
from ruleforge.cases.bodies import json_leaves, json_members, json_text, json_tokens, multipart_spans
from ruleforge.cases.edit import (
    add_argument,
    argument_pieces,
    boundary,
    encode_argument,
    encode_fully,
    header_value,
    is_form,
    plain_body,
    target_of,
    with_argument_pieces,
    with_body,
    with_header,
    with_headers,
    with_path,
    with_raw_argument,
    with_value,
)
from ruleforge.cases.mutator import VARIANTS, Mutator, always, put
from ruleforge.cases.payloads import no_other_payload, other_payloads
from ruleforge.cases.rerolling import no_reroll, reroll
from ruleforge.cases.significance import dice, is_plain_id, needs_root, plain_path, steps_up
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

_LETTER_ESCAPE = re.compile(rb"%(?=[0-9]?[A-Fa-f])[0-9A-Fa-f]{2}")
_AGENT = b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_BROWSER = (
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-GB,en;q=0.7"),
    (b"Accept-Encoding", b"gzip, deflate, br"),
    (b"Upgrade-Insecure-Requests", b"1"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"DNT", b"1"),
)


def _prefix(text: bytes, anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    return with_path(request, text + target_of(request).path)


put("prefix_app", "feedback", "deployed under /app", needs_root, lambda a, d: _prefix(b"/app", a, d))
put("prefix_portal", "feedback", "deployed under /portal/v2", needs_root, lambda a, d: _prefix(b"/portal/v2", a, d))


def _no_plain_path(anatomy: Anatomy, _advisory: Advisory) -> str:
    return plain_path(anatomy)


put("double_slash", "feedback", "a doubled leading slash", _no_plain_path, lambda a, d: _prefix(b"/", a, d))


# --- arguments ------------------------------------------------------------------------------------------------------


def no_arguments(anatomy: Anatomy, _advisory: Advisory) -> str:
    """Invalid where the query is not made of arguments."""
    cut = target_of(anatomy.poc.request)
    if not cut.query:
        return "there is no query"
    if b"=" not in cut.query:
        return "the query is not made of arguments"
    return "" if cut.path.startswith(b"/") else "the target is not a path"


def no_form(anatomy: Anatomy, _advisory: Advisory) -> str:
    """Invalid where the body is no form that can be changed."""
    request = anatomy.poc.request
    if plain_body(request) is None or not is_form(request):
        return "the body is no form"
    return "" if any(part.place == "form_args" for part in anatomy.parts) else "the form has no arguments"


def _extra(place: str, piece: bytes, anatomy: Anatomy, first: bool = False) -> Request:
    return add_argument(anatomy.poc.request, place, piece, first=first)


put("first_argument", "feedback", "a harmless argument before the others", no_arguments,
    lambda a, _: _extra("query_args", b"lang=en", a, first=True))  # fmt: skip
put("last_argument", "feedback", "a harmless argument after the others", no_arguments,
    lambda a, _: _extra("query_args", b"_rnd=%d" % (dice(a)[1] + 1000), a))  # fmt: skip
put("form_argument", "feedback", "a harmless form argument", no_form,
    lambda a, _: _extra("form_args", b"form_token=" + dice(a)[:6].hex().encode(), a))  # fmt: skip


def _no_order(anatomy: Anatomy, advisory: Advisory) -> str:
    places = [place for place in ("query_args", "form_args") if _reversible(anatomy, advisory, place)]
    return "" if places else "there are no two arguments of different names"


def _reversible(anatomy: Anatomy, advisory: Advisory, place: str) -> bool:
    if (no_form if place == "form_args" else no_arguments)(anatomy, advisory):
        return False
    pieces = argument_pieces(anatomy.poc.request, place) or []
    names = [piece.partition(b"=")[0] for piece in pieces]
    tied = len(set(names)) < len(names) or any(b"=" not in piece or not piece for piece in pieces)
    return len(pieces) > 1 and not tied and not any(b"[" in name for name in names)


def _reversed(anatomy: Anatomy, advisory: Advisory) -> Request:
    request = anatomy.poc.request
    for place in ("query_args", "form_args"):
        if _reversible(anatomy, advisory, place):
            request = with_argument_pieces(request, place, (argument_pieces(request, place) or [])[::-1])
    return request


put("reverse_arguments", "feedback", "arguments in reverse order", _no_order, _reversed)


def _no_empty(anatomy: Anatomy, advisory: Advisory) -> str:
    if no_arguments(anatomy, advisory):
        return "there is no query of arguments"
    pieces = argument_pieces(anatomy.poc.request, "query_args") or []
    return (
        ""
        if any(piece.endswith(b"=") and piece.count(b"=") == 1 and piece != b"=" for piece in pieces)
        else "no argument is empty"
    )


def _bare(anatomy: Anatomy, _advisory: Advisory) -> Request:
    pieces = argument_pieces(anatomy.poc.request, "query_args") or []
    bare = [piece[:-1] if piece.endswith(b"=") and piece.count(b"=") == 1 else piece for piece in pieces]
    return with_argument_pieces(anatomy.poc.request, "query_args", bare)


put("bare_argument", "feedback", "an empty argument without its =", _no_empty, _bare)


# --- what is not significant ----------------------------------------------------------------------------------------

put("reroll_standins", "feedback", "other random names, hosts and credentials", no_reroll,
    lambda a, _: reroll(a, 0), lambda a, _: reroll(a, 1))  # fmt: skip


def _ids(anatomy: Anatomy) -> list[Part]:
    return [part for part in anatomy.parts if is_plain_id(part) and not part.standin]


def _no_ids(anatomy: Anatomy, _advisory: Advisory) -> str:
    if not anatomy.has_payload:
        return "no payload says that the numbers do not matter"
    return "" if _ids(anatomy) else "no value is a number that only names an object"


def _other_ids(anatomy: Anatomy, _advisory: Advisory) -> Request | None:
    request: Request | None = anatomy.poc.request
    for offset, part in enumerate(_ids(anatomy)[:8]):
        number = b"%d" % (int(part.value) + 2 + dice(anatomy)[offset] % 60)
        request = with_value(request, part, number) if request is not None else None
    return request


put("other_ids", "feedback", "other numbers of objects", _no_ids, _other_ids)


# --- encoding -------------------------------------------------------------------------------------------------------


def _argument_payloads(anatomy: Anatomy) -> list[Part]:
    form = is_form(anatomy.poc.request) and plain_body(anatomy.poc.request) is not None
    places = ("query_args", "form_args") if form else ("query_args",)
    return [part for part in anatomy.payloads if part.place in places and part.classes]


def _no_argument_payload(anatomy: Anatomy, _advisory: Advisory) -> str:
    return "" if _argument_payloads(anatomy) else "no argument carries a payload"


def _recode(anatomy: Anatomy, fully: bool) -> Request | None:
    request: Request | None = anatomy.poc.request
    for part in _argument_payloads(anatomy)[:8]:
        raw = encode_fully(part.value) if fully else encode_argument(part.value)
        request = with_raw_argument(request, part, raw) if request is not None else None
    return request


put("encode_fully", "feedback", "every byte of the payload percent-encoded", _no_argument_payload,
    lambda a, _: _recode(a, fully=True))  # fmt: skip
put("encode_little", "feedback", "only what must be percent-encoded is", _no_argument_payload,
    lambda a, _: _recode(a, fully=False))  # fmt: skip


def swap_escapes(request: Request, pattern: re.Pattern[bytes], change: Callable[[bytes], bytes]) -> Request:
    """Rewrite the percent escapes of target and form."""
    target = pattern.sub(lambda found: change(found[0]), request.target)
    changed = msgspec.structs.replace(request, target=target)
    if is_form(request) and plain_body(request) is not None:
        changed = with_body(changed, pattern.sub(lambda found: change(found[0]), request.body or b""))
    return changed


def no_letter_escapes(anatomy: Anatomy, _advisory: Advisory) -> str:
    """Invalid where no percent escape has a hex letter."""
    request = anatomy.poc.request
    text = request.target + (request.body or b"" if is_form(request) else b"")
    return "" if _LETTER_ESCAPE.search(text) else "no percent escape has a letter"


def _hex_case(anatomy: Anatomy, _advisory: Advisory) -> Request:
    return swap_escapes(anatomy.poc.request, _LETTER_ESCAPE, lambda text: text.swapcase())


put("hex_case", "feedback", "percent escapes in the other case", no_letter_escapes, _hex_case)


def _spaced(request: Request) -> list[str]:
    form = is_form(request) and plain_body(request) is not None
    texts = {"query_args": target_of(request).query or b"", "form_args": request.body or b"" if form else b""}
    return [place for place, text in texts.items() if b"+" in text or b"%20" in text]


def _no_spaces(anatomy: Anatomy, _advisory: Advisory) -> str:
    return "" if _spaced(anatomy.poc.request) else "no argument has a space"


def _swap_spaces(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    for place in _spaced(request):
        pieces = argument_pieces(request, place) or []
        swapped = [re.sub(rb"\+|%20", lambda f: b"%20" if f[0] == b"+" else b"+", piece) for piece in pieces]
        request = with_argument_pieces(request, place, swapped)
    return request


put("space_coding", "feedback", "+ for %20 and %20 for +", _no_spaces, _swap_spaces)


# --- headers --------------------------------------------------------------------------------------------------------


def _header_case(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    return with_headers(request, [(name.upper(), value) for name, value in request.headers])


def _no_headers(anatomy: Anatomy, _advisory: Advisory) -> str:
    return "" if anatomy.poc.request.headers else "there are no headers"


def _agent_matters(anatomy: Anatomy, _advisory: Advisory) -> str:
    parts = [part for part in anatomy.parts if part.place == "headers" and part.name == b"user-agent"]
    agent = header_value(anatomy.poc.request, b"user-agent") or b"Mozilla/"
    return "the User-Agent carries the payload" if parts or not re.match(rb"Mozilla/|curl/", agent) else ""


def _browser_like(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    present = {name.lower() for name, _ in request.headers}
    return with_headers(request, [*request.headers, *[pair for pair in _BROWSER if pair[0].lower() not in present]])


put("header_case", "feedback", "header names in capitals", _no_headers, _header_case)
put("other_agent", "feedback", "another User-Agent", _agent_matters,
    lambda a, _: with_header(a.poc.request, b"User-Agent", _AGENT))  # fmt: skip
put("browser_headers", "feedback", "the headers a browser adds", always, _browser_like)


def _no_cookies(anatomy: Anatomy, _advisory: Advisory) -> str:
    return "" if header_value(anatomy.poc.request, b"cookie") else "there are no cookies"


def _cookie_order(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    old = header_value(request, b"cookie") or b""
    pieces = [piece.strip() for piece in old.split(b";") if piece.strip()]
    return with_header(request, b"Cookie", b"; ".join([b"consent=yes", *pieces[::-1], b"tz=UTC"]))


put("cookie_order", "feedback", "cookies in another order, with two more", _no_cookies, _cookie_order)


# --- JSON -----------------------------------------------------------------------------------------------------------


def no_json(anatomy: Anatomy, _advisory: Advisory) -> str:
    """Invalid where the body is no JSON object that can be changed."""
    body = plain_body(anatomy.poc.request)
    if body is None or not HttpView(anatomy.poc.request).read("json").elements or not body.lstrip().startswith(b"{"):
        return "the body is no JSON object"
    return ""


def _no_members(anatomy: Anatomy, advisory: Advisory) -> str:
    body = anatomy.poc.request.body or b""
    if reason := no_json(anatomy, advisory):
        return reason
    if re.search(rb'"(?:@type|__type|\$type|@class)"', body):
        return "the type comes first in the object"
    members = [body[one.start : one.end] for one in json_members(body)]
    keys = [member.partition(b":")[0].strip() for member in members]
    return "" if len(members) > 1 and len(set(keys)) == len(keys) else "the object has no two members"


def _json_reversed(anatomy: Anatomy, _advisory: Advisory) -> Request:
    body = anatomy.poc.request.body or b""
    members = json_members(body)
    texts = [body[one.start : one.end] for one in members]
    gaps = [body[one.end : after.start] for one, after in pairwise(members)]
    middle = b"".join(text + gap for text, gap in zip(texts[::-1], [*gaps, b""], strict=True))
    return with_body(anatomy.poc.request, body[: members[0].start] + middle + body[members[-1].end :])


def _json_blanks(anatomy: Anatomy, _advisory: Advisory) -> Request:
    wide = {b":": b" : ", b",": b" ,\n  ", b"{": b"{\n  ", b"}": b"\n}", b"[": b"[ ", b"]": b" ]"}
    body = b"".join([wide.get(token, token) for token in json_tokens(anatomy.poc.request.body or b"")])
    return with_body(anatomy.poc.request, body)


def _json_payloads(anatomy: Anatomy) -> list[Part]:
    return [part for part in anatomy.payloads if part.place == "json"]


def _no_json_payload(anatomy: Anatomy, advisory: Advisory) -> str:
    return no_json(anatomy, advisory) or ("" if _json_payloads(anatomy) else "no JSON value carries a payload")


def _json_escaped(anatomy: Anatomy, _advisory: Advisory) -> Request:
    body, wanted = anatomy.poc.request.body or b"", {(part.name, part.value) for part in _json_payloads(anatomy)}
    for leaf in reversed(json_leaves(body)):
        token = body[leaf.start : leaf.end]
        if token[:1] == b'"' and b"\\" not in token and (leaf.pointer, json_text(token)) in wanted:
            written = re.sub(rb"[A-Za-z]", lambda found: b"\\u%04x" % found[0][0], token)
            body = body[: leaf.start] + written + body[leaf.end :]
    return with_body(anatomy.poc.request, body)


put("json_order", "feedback", "JSON members in reverse order", _no_members, _json_reversed)
put("json_blanks", "feedback", "blanks between the JSON tokens", no_json, _json_blanks)
put("json_escapes", "feedback", r"letters of the payload written as \u escapes", _no_json_payload, _json_escaped)


# --- multipart ------------------------------------------------------------------------------------------------------


def _no_multipart(anatomy: Anatomy, _advisory: Advisory) -> str:
    request = anatomy.poc.request
    declared = header_value(request, b"content-type") or b""
    if plain_body(request) is None or b"multipart/" not in declared.lower():
        return "the body is not multipart"
    mark = boundary(request)
    return (
        "" if mark and mark in declared and HttpView(request).read("multipart").elements else "no boundary is declared"
    )


def _no_parts(anatomy: Anatomy, advisory: Advisory) -> str:
    if reason := _no_multipart(anatomy, advisory):
        return reason
    spans = multipart_spans(anatomy.poc.request.body or b"", boundary(anatomy.poc.request))
    return "" if len(spans) > 1 else "there is one part only"


def _other_boundary(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request, old = anatomy.poc.request, boundary(anatomy.poc.request)
    new = b"----geckoformboundary" + dice(anatomy)[:12].hex().encode()
    declared = (header_value(request, b"content-type") or b"").replace(old, new)
    body = re.sub(rb"(?m)^--" + re.escape(old), b"--" + new, request.body or b"")
    return with_body(with_header(request, b"Content-Type", declared), body)


def _parts_reversed(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    body, spans = request.body or b"", multipart_spans(request.body or b"", boundary(request))
    texts = [body[one.start : one.end] for one in spans]
    gaps = [body[one.end : after.start] for one, after in pairwise(spans)]
    middle = b"".join(text + gap for text, gap in zip(texts[::-1], [*gaps, b""], strict=True))
    return with_body(request, body[: spans[0].start] + middle + body[spans[-1].end :])


def _unquoted(anatomy: Anatomy, _advisory: Advisory) -> Request:
    request = anatomy.poc.request
    body = request.body or b""
    for span in reversed(multipart_spans(body, boundary(request))):
        head = re.sub(rb'(;\s*name=)"([\w.-]{1,80})"', rb"\1\2", body[span.start : span.head_end])
        body = body[: span.start] + head + body[span.head_end :]
    return with_body(request, body)


put("multipart_boundary", "feedback", "another boundary", _no_multipart, _other_boundary)
put("multipart_order", "feedback", "parts in reverse order", _no_parts, _parts_reversed)
put("multipart_quotes", "feedback", "part names without quotes", _no_multipart, _unquoted)


# --- payloads -------------------------------------------------------------------------------------------------------

VARIANTS.put(
    "other_payload",
    Mutator("other_payload", "feedback", "another payload of the same class", no_other_payload,
            lambda a, d: other_payloads(a, d, "feedback")),
)  # fmt: skip

_STEP = re.compile(rb"((?:\.|%2[eE]|%252[eE]|%%32%65|%c0%ae|%C0%AE){2}(?:/|%2[fF]|%252[fF]|\\|%5[cC]|%c0%af|%C0%AF))\1")


def _no_climb(anatomy: Anatomy, _advisory: Advisory) -> str:
    path = target_of(anatomy.poc.request).path
    if not steps_up(path) or not _STEP.search(path):
        return "the path does not climb"
    ends = re.search(rb"(?i)(?:etc|proc|windows|winnt|boot)(?:/|%2f|%252f|\\|%5c|\.ini)", path)
    return "" if ends else "the number of steps matters"


def _climb(anatomy: Anatomy, _advisory: Advisory) -> Request:
    path = target_of(anatomy.poc.request).path
    return with_path(anatomy.poc.request, _STEP.sub(lambda found: found[1] * 4, path, count=1))


put("climb_further", "feedback", "more steps up in the path", _no_climb, _climb)
