"""Requests made from facts, where a document shows none: marked as synthetic, with payloads of our own table.

Several payloads stand in the same place, so that what they have in common, their class, is what a rule can ask for.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from urllib.parse import quote

import msgspec

from ruleforge.events.request import Request
from ruleforge.ingest.fact_payloads import payloads_of, upload_names, xml_with_entity
from ruleforge.records.advisory import PocRequest
from ruleforge.records.facts import Fact, Facts
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins
from ruleforge.sources.prose.assess import attack_classes, telling_parameter, usable_endpoints

SYNTHETIC = "synthetic: made from what the document says, with payloads of RuleForge's table"
REQUESTS_MOST = 24
ENDPOINTS_MOST, NAMES_MOST = 4, 4
_AJAX = "/wp-admin/admin-ajax.php"  # where WordPress calls what plugins register as AJAX actions
_HOLE = re.compile(r"\{[\w.-]{0,40}\}|<[\w.-]{1,40}>|\*|:[a-z]\w{1,20}(?=/|$)|\[[\w.-]{1,40}\]")
_HIDDEN = b"boundary-of-rfq"


class _Place(msgspec.Struct, frozen=True):
    """Where an attack is sent: the path with its own query, arguments that belong to the call, and the one attacked."""

    path: str
    fixed: tuple[tuple[str, str], ...]
    name: str  # "": not told
    where: str  # "query" | "form" | "header" | "cookie" | "any" | ""
    method: str  # "": not told
    line: int


def requests_from(facts: Facts, words: str) -> tuple[PocRequest, ...]:
    """Make requests that attack as the facts say, at most REQUESTS_MOST; () where the facts do not suffice.

    Args:
        facts: with the verdict "enough".
        words: the text of the document, for its language and server.
    """
    if facts.verdict != "enough":
        return ()
    standins = Standins()
    made: dict[tuple[bytes, bytes, bytes | None, object], PocRequest] = {}
    for poc in islice(_all(facts, words[:20_000], standins), REQUESTS_MOST):
        request = poc.request
        made.setdefault((request.method, request.target, request.body, request.headers), poc)
    return tuple(msgspec.structs.replace(poc, row=row) for row, poc in enumerate(made.values()))


def _all(facts: Facts, words: str, standins: Standins) -> Iterator[PocRequest]:
    classes = attack_classes(facts.facts)
    places = list(_places(facts))
    for place in places[: ENDPOINTS_MOST * NAMES_MOST]:
        made = list(_attacks(place, classes, words, standins)) if classes else [_bare(place, standins)]
        yield from islice(made, max(3, REQUESTS_MOST // max(1, len(places))))


def _places(facts: Facts) -> Iterator[_Place]:
    endpoints = usable_endpoints(facts.facts)[:ENDPOINTS_MOST]
    actions = [fact for fact in facts.of("action") if fact.means == "ajax"]
    names = _attacked(facts)
    for action in actions[:ENDPOINTS_MOST]:
        yield from _named(_AJAX, (("action", action.value),), "", names, facts, action.line)
    if actions:
        return
    component = next((fact.value for fact in facts.of("action") if fact.means == "component"), "")
    fixed = (("option", component),) if component else ()
    if component and not endpoints:
        yield from _named("/index.php", fixed, "", names, facts, facts.facts[0].line)
    for endpoint in endpoints:
        own = [fact for fact in names if fact.about == endpoint.value]
        rest = own or [fact for fact in names if not fact.about]
        path = _without_install(endpoint.value, [fact.value for fact in facts.of("product")])
        yield from _named(
            path, fixed if _last(endpoint.value) == "index.php" else (), endpoint.value, rest, facts, endpoint.line
        )
    if not endpoints and not component:
        for fact in [fact for fact in names if fact.kind != "parameter" or telling_parameter(fact)][:NAMES_MOST]:
            yield from _named("/", (), "", [fact], facts, fact.line)


def _attacked(facts: Facts) -> list[Fact]:
    """What carries the attack; a name that the document only gives a fixed value is part of the call."""
    argued = {fact.value.partition("=")[0] for fact in facts.of("argument")}
    names = [
        *facts.of("parameter"),
        *facts.of("header"),
        *(fact for fact in facts.of("cookie") if "=" not in fact.value),
    ]
    free = [fact for fact in names if fact.value not in argued]
    return free or names


def _named(
    path: str, fixed: tuple[tuple[str, str], ...], about: str, names: Sequence[Fact], facts: Facts, line: int
) -> Iterator[_Place]:
    methods = [fact for fact in facts.of("method") if fact.about in ("", about)]
    method = methods[0].value if len({fact.value for fact in methods}) == 1 else ""
    chosen = list({(fact.kind, fact.value): fact for fact in names}.values())[:NAMES_MOST]
    fixed = (*fixed, *_arguments(facts, about, {fact.value for fact in chosen}, path))
    for fact in chosen:
        where = fact.kind if fact.kind in ("header", "cookie") else fact.means or "any"
        yield _Place(path, fixed, fact.value, where, method, fact.line)
    if not chosen:
        yield _Place(path, fixed, "", "form" if method == "POST" else "any", method, line)


def _arguments(facts: Facts, about: str, attacked: set[str], path: str) -> tuple[tuple[str, str], ...]:
    own = {pair.partition("=")[0] for pair in path.partition("?")[2].split("&")}
    pairs = [fact.value.partition("=") for fact in facts.of("argument") if fact.about in ("", about)]
    cookies = {fact.value for fact in facts.of("cookie")}
    found = {
        name: value
        for name, _, value in pairs
        if name not in attacked and name not in own and f"{name}={value}" not in cookies
    }
    return tuple(found.items())[:4]


def _is_script(path: str) -> bool:
    return re.search(r"\.[a-z]\w{1,4}$", path.partition("?")[0], re.IGNORECASE) is not None


def _without_install(path: str, products: Sequence[str]) -> str:
    """Leave out the folders up to one that is called like the product: where the author put it."""
    names = {re.sub(r"[^a-z0-9]+", "", name.lower()) for name in products}
    rest = path.lstrip("/")
    for _ in range(3):
        folder, slash, after = rest.partition("/")
        if not slash or not after or "?" in folder:
            break
        rest = after
        plain = re.sub(r"[^a-z0-9]+", "", folder.lower())
        if len(plain) > 3 and plain in names:
            return "/" + after
    return path


def _last(path: str) -> str:
    return path.partition("?")[0].rpartition("/")[2]


def _attacks(place: _Place, classes: Sequence[str], words: str, standins: Standins) -> Iterator[PocRequest]:
    for name in classes[:2]:
        if name == "xxe":
            for body in xml_with_entity():
                yield _poc(place, standins, method="POST", body=body, kind=b"application/xml")
        elif name == "upload_name":
            for filename in upload_names(words):
                yield _upload(place, filename, standins)
        elif name == "prototype_pollution":
            yield _poc(place, standins, query=[("__proto__[rfqname]", b"rfqvalue")])
            yield _poc(
                place, standins, method="POST", body=b'{"__proto__":{"rfqname":"rfqvalue"}}', kind=b"application/json"
            )
        else:
            values = payloads_of(name, about=words)
            for value in values:
                yield from _with_value(place, value, standins)
        if name not in ("command_injection", "code_injection") and tuple(classes[:2]) != ("url_value", "traversal"):
            return


def _with_value(place: _Place, value: bytes, standins: Standins) -> Iterator[PocRequest]:
    if place.where == "header":
        yield _poc(place, standins, headers=[(place.name, value)])
        return
    if place.where == "cookie":
        yield _poc(place, standins, headers=[("Cookie", place.name.encode() + b"=" + quote(value, safe="").encode())])
        return
    if place.where == "filename":
        yield _upload(msgspec.structs.replace(place, name=""), value.replace(b'"', b"'"), standins)
        return
    name = place.name or str(standins.letters(8).data, "latin-1")
    if place.method in ("", "GET", "HEAD") and place.where in ("query", "any", "path"):
        yield _poc(place, standins, query=[(name, value)], marks=() if place.name else (name,))
    if place.where in ("form", "any") and place.method != "GET":
        yield _poc(
            place, standins, method=place.method or "POST", form=[(name, value)], marks=() if place.name else (name,)
        )
    if place.where in ("form", "any") and place.method != "GET" and not _is_script(place.path):
        body = json.dumps({**dict(place.fixed), name: value.decode("latin-1")}).encode()
        yield _poc(
            place,
            standins,
            method=place.method or "POST",
            body=body,
            kind=b"application/json",
            marks=() if place.name else (name,),
        )
    if not place.name and place.method in ("", "GET") and re.match(rb'(?:">)?<[a-z]', value) and _is_script(place.path):
        yield _poc(place, standins, more="/" + quote(value, safe=""))
    if place.method not in ("", "GET", "HEAD") and place.where == "query":
        yield _poc(place, standins, method=place.method, query=[(name, value)], marks=() if place.name else (name,))


def _bare(place: _Place, standins: Standins) -> PocRequest:
    return _poc(place, standins, method=place.method or "GET")


def _upload(place: _Place, filename: bytes, standins: Standins) -> PocRequest:
    field = place.name or str(standins.letters(8).data, "latin-1")
    lines = [
        b"--" + _HIDDEN,
        b'Content-Disposition: form-data; name="' + field.encode() + b'"; filename="' + filename + b'"',
        b"Content-Type: application/octet-stream", b"", b"rfqcontent", b"--" + _HIDDEN + b"--", b"",
    ]  # fmt: skip
    kind = b"multipart/form-data; boundary=" + _HIDDEN
    marks = ("rfqupload", "rfqcontent", _HIDDEN.decode(), *(() if place.name else (field,)))
    return _poc(place, standins, method="POST", body=b"\r\n".join(lines), kind=kind, marks=marks)


def _poc(
    place: _Place,
    standins: Standins,
    *,
    method: str = "GET",
    query: Sequence[tuple[str, bytes]] = (),
    form: Sequence[tuple[str, bytes]] = (),
    headers: Sequence[tuple[str, bytes]] = (),
    body: bytes | None = None,
    kind: bytes = b"",
    marks: Sequence[str] = (),
    more: str = "",
) -> PocRequest:
    holes: list[str] = list(marks)

    def fill(text: str) -> str:
        def put(_: re.Match[str]) -> str:
            holes.append(str(standins.letters(8).data, "latin-1"))
            return holes[-1]

        return _HOLE.sub(put, text)

    path, _, given = place.path.partition("?")
    path = quote(fill(path if path.startswith("/") else "/" + path), safe="/%:@!$&'()*+,;=~-._") + more
    pairs = [
        pair
        for pair in fill(given).split("&")
        if pair and pair.partition("=")[0] not in {name for name, _ in (*query, *form)}
    ]
    fixed = [(name, fill(value).encode()) for name, value in place.fixed]
    inside = [*fixed, *query] if not form and body is None else [*query]
    pairs += [_pair(name, value) for name, value in inside]
    if form:
        body, kind = (
            "&".join(_pair(name, value) for name, value in [*fixed, *form]).encode(),
            b"application/x-www-form-urlencoded",
        )
    sent = [(b"Host", TARGET_HOST), *((name.encode("latin-1", "replace"), value) for name, value in headers)]
    if body is not None:
        sent += [(b"Content-Type", kind), (b"Content-Length", b"%d" % len(body))]
    target = path + ("?" + "&".join(pairs) if pairs else "")
    request = Request(
        method=(method if method != "GET" or not place.method or body is None else place.method).encode(),
        target=target.encode("utf-8", "replace"),
        version=b"HTTP/1.1",
        headers=tuple(sent),
        body=body,
        source="prose",
    )
    kept = tuple(mark.encode() for mark in dict.fromkeys(holes))
    return PocRequest(request=request, origin=f"line {place.line}", standins=kept, notes=(SYNTHETIC,))


def _pair(name: str, value: bytes) -> str:
    return f"{quote(name, safe='[]$.:-_')}={quote(value, safe='')}" if value else quote(name, safe="[]$.:-_") + "="
