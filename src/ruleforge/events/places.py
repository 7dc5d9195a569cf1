"""The places of an HTTP request that rules can ask about, each computed once and only when asked for."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from ruleforge._registry import Registry
from ruleforge.events.bodies import DecodedBody, ParsedBody, decode_body, parse_body
from ruleforge.events.bodies.bounds import MAX_BODY_BYTES, MAX_VALUES
from ruleforge.events.bodies.form import parse_arguments, parse_raw_arguments
from ruleforge.events.decoding import normalize_path, percent_decode
from ruleforge.events.offsite import host_of_url, is_offsite, plain_host
from ruleforge.events.reading import NOT_RECORDED, NOTHING, Element, Reading
from ruleforge.events.request import Request

_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/?]*+")
_NOT_DECODABLE = DecodedBody(None, complete=False)


class HttpView:
    """One request, seen through its places. Cheap to make; keep it for as long as rules ask about the request."""

    __slots__ = ("_body", "_header_values", "_parsed", "_readings", "_split", "_tables", "memo", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.memo: dict[object, bool | None] | None = None  # answers to costly questions, for who shares them
        self._readings: dict[str, Reading] = {}
        self._tables: dict[str, dict[bytes, Reading]] = {}
        self._split: tuple[bytes, bytes | None] | None = None
        self._header_values: dict[bytes, list[bytes]] | None = None
        self._body: DecodedBody | None = None
        self._parsed: ParsedBody | None = None

    def read(self, field: str, name: bytes | None = None) -> Reading:
        """Read a place, or only its elements called `name`.

        Args:
            field: a key of FIELDS.
            name: exact name; for `headers` case does not count.

        Returns:
            The values in the order sent. `complete` is False where the source did not record the place (for headers:
            that very header) or a bound cut it off.

        Raises:
            UsageError: no such field (RF102).
        """
        if name is not None:
            return self._read_named(field, name)
        reading = self._readings.get(field)
        if reading is None:
            reading = self._readings[field] = FIELDS[field].read(self)
        return reading

    def _read_named(self, field: str, name: bytes) -> Reading:
        if field == "headers":
            return self._read_header(name.lower())
        table = self._tables.get(field)
        if table is None:
            table = self._tables[field] = self._tabulate(field)
        found = table.get(name)
        if found is not None:
            return found
        return NOTHING if self.read(field).complete else NOT_RECORDED

    def knows(self, field: str) -> bool:
        """Whether all values of a place are known, as `read(field).complete` says."""
        if field == "headers":
            return "headers" not in self.request.unrecorded and self.request.recorded_headers is None
        return self.read(field).complete

    def _tabulate(self, field: str) -> dict[bytes, Reading]:
        reading = self.read(field)
        groups: dict[bytes, list[Element]] = {}
        for element in reading.elements:
            groups.setdefault(element.name, []).append(element)
        return {name: Reading(tuple(group), reading.complete) for name, group in groups.items()}

    def _read_header(self, name: bytes) -> Reading:
        table = self._tables.setdefault("headers", {})
        found = table.get(name)
        if found is None:
            elements = tuple([Element(value, name) for value in self.header_values(name)])
            found = table[name] = Reading(elements, knows_header(self.request, name))
        return found

    def header_values(self, name: bytes) -> Sequence[bytes]:
        """The values of every header of this lower-case name; none where headers are not recorded."""
        values = self._header_values
        if values is None:
            values = self._header_values = {}
            if "headers" not in self.request.unrecorded:
                for sent, value in self.request.headers:
                    values.setdefault(sent.lower(), []).append(value)
        return values.get(name, ())

    def has_no_body(self) -> bool:
        """Whether it is known that no body was sent, not even an empty one: no body place has a value then."""
        return self.request.body is None and "body" not in self.request.unrecorded

    def split_target(self) -> tuple[bytes, bytes | None]:
        """Path and query as sent; no query without a `?`. `#` is an ordinary byte, as it is to a server."""
        if self._split is None:
            target = self.request.target
            if target[:1] != b"/" and (authority := _AUTHORITY.match(target)):
                target = target[authority.end() :]
            path, mark, query = target.partition(b"?")
            self._split = (path, query if mark else None)
        return self._split

    def decoded_body(self) -> DecodedBody:
        """The body after chunking, compression and wide character sets; only for a body that was sent."""
        if self._body is None:
            self._body = decode_body(
                self.request.body or b"",
                transfer=self.header_values(b"transfer-encoding"),
                content=self.header_values(b"content-encoding"),
                media_type=b"".join(self.header_values(b"content-type")[:1]),
            )
        return self._body

    def parsed_body(self) -> ParsedBody:
        """What the parser that fits the body found; all incomplete where the body is not known."""
        if self._parsed is None:
            if "body" in self.request.unrecorded:
                body = _NOT_DECODABLE
            else:
                body = DecodedBody(b"") if self.request.body is None else self.decoded_body()
            declared = b"".join(self.header_values(b"content-type")[:1])
            self._parsed = parse_body(body.content or b"", declared, complete=body.complete)
        return self._parsed


class Field(msgspec.Struct, frozen=True):
    """One place as the rule language knows it."""

    name: str
    kind: Literal["single", "named"]  # whether its elements have names
    meaning: str
    read: Callable[[HttpView], Reading]
    ecs: str = ""  # nearest field of the Elastic Common Schema; empty where there is none
    type: Literal["text", "int", "address"] = "text"
    ocsf: str = ""  # nearest attribute of the Open Cybersecurity Schema Framework


FIELDS = Registry[Field]("field")


def knows_header(request: Request, name: bytes) -> bool:
    """Whether the source would have recorded a header of this lower-case name."""
    if "headers" in request.unrecorded:
        return False
    return request.recorded_headers is None or name in request.recorded_headers


def _single(value: bytes) -> Reading:
    return Reading((Element(value),))


def _method(view: HttpView) -> Reading:
    if "method" in view.request.unrecorded:
        return NOT_RECORDED
    return _single(view.request.method)


def _version(view: HttpView) -> Reading:
    if "version" in view.request.unrecorded:
        return NOT_RECORDED
    return _single(view.request.version)


def _target(view: HttpView) -> Reading:
    return NOT_RECORDED if "target" in view.request.unrecorded else _single(view.request.target)


def _path_raw(view: HttpView) -> Reading:
    return NOT_RECORDED if "target" in view.request.unrecorded else _single(view.split_target()[0])


def _path_decoded(view: HttpView) -> Reading:
    if "target" in view.request.unrecorded:
        return NOT_RECORDED
    return _single(percent_decode(view.split_target()[0]))


def _path(view: HttpView) -> Reading:
    if "target" in view.request.unrecorded:
        return NOT_RECORDED
    path = normalize_path(percent_decode(view.split_target()[0]))
    return _single(path if path[:1] == b"/" else b"/" + path)  # so that every segment begins at a boundary


def _query(view: HttpView) -> Reading:
    if "target" in view.request.unrecorded:
        return NOT_RECORDED
    query = view.split_target()[1]
    return NOTHING if query is None else _single(query)


def _query_args(view: HttpView) -> Reading:
    if "target" in view.request.unrecorded:
        return NOT_RECORDED
    query = view.split_target()[1]
    return parse_arguments(query) if query else NOTHING


def _query_args_raw(view: HttpView) -> Reading:
    if "target" in view.request.unrecorded:
        return NOT_RECORDED
    query = view.split_target()[1]
    return parse_raw_arguments(query) if query else NOTHING


def _form_args(view: HttpView) -> Reading:
    # Most requests have no body: say so without a parser.
    return NOTHING if _has_no_body(view.request) else view.parsed_body().form


def _form_args_raw(view: HttpView) -> Reading:
    return NOTHING if _has_no_body(view.request) else view.parsed_body().form_raw


def _has_no_body(request: Request) -> bool:
    return not request.body and "body" not in request.unrecorded


def _args(view: HttpView) -> Reading:
    return _joined(view.read("query_args"), view.read("form_args"))


def _args_raw(view: HttpView) -> Reading:
    return _joined(view.read("query_args.raw"), view.read("form_args.raw"))


def _args_offsite(view: HttpView) -> Reading:
    """Whatever leads elsewhere; which site was asked, the Host header says (or an absolute target)."""
    args = view.read("args")
    links = [element for element in args.elements if host_of_url(element.value)]
    if not links:
        return NOTHING if args.complete else NOT_RECORDED
    authority = _AUTHORITY.match(view.request.target)
    if not authority and not knows_header(view.request, b"host"):
        return NOT_RECORDED
    named = [authority[0].partition(b"://")[2].rpartition(b"@")[2]] if authority else view.header_values(b"host")
    own = [host for host in map(plain_host, named) if host]
    return Reading(tuple(link for link in links if is_offsite(link.value, own)), args.complete)


def _joined(first: Reading, second: Reading) -> Reading:
    if second.complete and not second.elements:
        return first
    if first.complete and not first.elements:
        return second
    return Reading(first.elements + second.elements, first.complete and second.complete)


def _headers(view: HttpView) -> Reading:
    request = view.request
    if "headers" in request.unrecorded:
        return NOT_RECORDED
    elements = tuple([Element(value, name.lower()) for name, value in request.headers])
    return Reading(elements, complete=request.recorded_headers is None)


def _cookies(view: HttpView) -> Reading:
    complete = knows_header(view.request, b"cookie")
    sent = view.header_values(b"cookie")
    if not sent:
        return NOTHING if complete else NOT_RECORDED
    elements: list[Element] = []
    for header in sent:
        for piece in header.split(b";"):
            piece = piece.strip()
            if not piece:
                continue
            if len(elements) == MAX_VALUES:
                return Reading(tuple(elements), complete=False)
            name, _, value = piece.partition(b"=")
            elements.append(Element(value, name))
    return Reading(tuple(elements), complete)


def _body(view: HttpView) -> Reading:
    request = view.request
    if "body" in request.unrecorded:
        return NOT_RECORDED
    if request.body is None:
        return NOTHING
    body = view.decoded_body()
    return NOT_RECORDED if body.content is None else _text(body.content, body.complete)


def _body_raw(view: HttpView) -> Reading:
    request = view.request
    if "body" in request.unrecorded:
        return NOT_RECORDED
    if request.body is None:
        return NOTHING
    return _text(request.body[:MAX_BODY_BYTES], len(request.body) <= MAX_BODY_BYTES)


def _text(value: bytes, complete: bool) -> Reading:
    return Reading((Element(value, cut=not complete),), complete)


def _status(view: HttpView) -> Reading:
    status = view.request.status
    return NOT_RECORDED if status is None else _single(b"%d" % status)


def _source_address(view: HttpView) -> Reading:
    return _single(view.request.source_address) if view.request.source_address else NOT_RECORDED


def _from_body(kind: Literal["json", "xml", "multipart"]) -> Callable[[HttpView], Reading]:
    def read(view: HttpView) -> Reading:
        if _has_no_body(view.request):
            return NOTHING
        reading: Reading = getattr(view.parsed_body(), kind)
        return reading

    return read


_FIELDS = (
    Field(
        "method",
        "single",
        "method as sent; empty where the request line is broken",
        _method,
        ecs="http.request.method",
        ocsf="http_request.http_method",
    ),
    Field(
        "version",
        "single",
        "protocol version as sent, such as HTTP/1.1",
        _version,
        ecs="http.version",
        ocsf="http_request.version",
    ),
    Field(
        "target.raw",
        "single",
        "request target as sent",
        _target,
        ecs="url.original",
        ocsf="http_request.url.url_string",
    ),
    Field("path.raw", "single", "target up to the first ?, less scheme and authority, as sent", _path_raw),
    Field("path.decoded", "single", "path.raw, percent-decoded once and nothing else", _path_decoded),
    Field(
        "path",
        "single",
        "path.decoded as a server resolves it, from the root: \\ is /, ;… cut, // merged, dots resolved",
        _path,
        ecs="url.path",
        ocsf="http_request.url.path",
    ),
    Field(
        "query.raw",
        "single",
        "target after the first ?, as sent; no value without a ?",
        _query,
        ecs="url.query",
        ocsf="http_request.url.query_string",
    ),
    Field("query_args", "named", "arguments of the query, decoded once", _query_args),
    Field("query_args.raw", "named", "arguments of the query as sent", _query_args_raw),
    Field("form_args", "named", "arguments of a form in the body, decoded once", _form_args),
    Field("form_args.raw", "named", "arguments of a form in the body as sent", _form_args_raw),
    Field("args", "named", "query_args, then form_args", _args),
    Field("args.raw", "named", "query_args.raw, then form_args.raw", _args_raw),
    Field(
        "args.offsite",
        "named",
        "those of args that lead to another site: a URL or //host whose host is neither that of Host nor akin to it",
        _args_offsite,
    ),
    Field("json", "named", "scalars of a JSON body, named by RFC 6901 pointer", _from_body("json")),
    Field(
        "xml",
        "named",
        "texts and attributes of an XML body, named /root/child and /root/child/@attribute",
        _from_body("xml"),
    ),
    Field("multipart", "named", "parts of a multipart body, with file name and content type", _from_body("multipart")),
    Field("headers", "named", "headers, named without case, every duplicate", _headers),
    Field("cookies", "named", "cookies of every Cookie header, not decoded", _cookies),
    Field(
        "body",
        "single",
        "body after chunking and compression, UTF-16 and UTF-7 made UTF-8",
        _body,
        ecs="http.request.body.content",
    ),
    Field("body.raw", "single", "body as sent", _body_raw),
    Field(
        "response.status",
        "single",
        "status of the response where the log has it",
        _status,
        ecs="http.response.status_code",
        ocsf="http_response.code",
        type="int",
    ),
    Field(
        "source.address",
        "single",
        "address of the client, from a trusted hop",
        _source_address,
        ecs="source.ip",
        ocsf="src_endpoint.ip",
        type="address",
    ),
)
for _field in _FIELDS:
    FIELDS.put(_field.name, _field)
