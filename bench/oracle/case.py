"""One exploit request with what is known of the server it is meant for, and the registry of mutators."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import msgspec

from ruleforge.cases.anatomy import expected_classes
from ruleforge.events.decoding import percent_decode
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import classes_of

_ENDINGS = {
    "php": {"php", "php3", "php4", "php5", "php7", "phtml"},
    "java": {"jsp", "jspx", "do", "action", "jsf", "faces", "jspa"},
    "aspnet": {"aspx", "ashx", "asmx", "axd", "svc"},
    "asp": {"asp"},
    "cgi": {"cgi", "pl"},
}
_WORDS = {
    "php": {
        "wordpress",
        "wp-plugin",
        "wp-theme",
        "wp",
        "joomla",
        "drupal",
        "php",
        "thinkphp",
        "laravel",
        "magento",
        "phpmyadmin",
        "prestashop",
        "typo3",
        "codeigniter",
        "moodle",
        "opencart",
        "vbulletin",
    },
    "java": {
        "java",
        "tomcat",
        "spring",
        "springboot",
        "struts",
        "weblogic",
        "jboss",
        "wildfly",
        "websphere",
        "jenkins",
        "liferay",
        "solr",
        "ofbiz",
        "confluence",
        "jira",
        "atlassian",
        "coldfusion",
        "geoserver",
        "activemq",
        "nexus",
        "xwiki",
    },
    "aspnet": {
        "iis",
        "asp",
        "aspx",
        "dotnet",
        "sharepoint",
        "exchange",
        "telerik",
        "umbraco",
        "sitecore",
        "dotnetnuke",
    },
}
_FORM = b"application/x-www-form-urlencoded"
_TRICK = re.compile(rb"\.\.|%2e|%25|%5c|%2f|%[01u]|\\|;", re.IGNORECASE)
_WORD = re.compile(rb"[A-Za-z0-9_.~@-]{1,200}\Z")
FILE_ENDINGS = frozenset(ending for endings in _ENDINGS.values() for ending in endings) | {"html", "htm"}


class Piece(msgspec.Struct, frozen=True):
    """One `name=value` of a query or form, as sent."""

    name: bytes
    value: bytes
    equals: bool = True

    @property
    def text(self) -> bytes:
        """Value, decoded once."""
        return percent_decode(self.value.replace(b"+", b" "))

    def written(self) -> bytes:
        """As it stands between two `&`."""
        return self.name + b"=" + self.value if self.equals else self.name


class Case:
    """An exploit request; everything mutators ask about is computed once."""

    def __init__(self, request: Request, advisory: Advisory) -> None:
        self.request, self.advisory = request, advisory
        self.expected = frozenset(expected_classes(advisory))
        path, mark, query = request.target.partition(b"?")
        self.path, self.has_query, self.query = path, bool(mark), query

    @cached_property
    def server(self) -> str:
        """Kind of server, a key of _ENDINGS, by the file that is called, else by the product; "" for unknown."""
        for segment in reversed(self.path.split(b"/")):
            ending = segment.partition(b";")[0].rpartition(b".")[2].decode("latin-1").lower()
            for name, endings in _ENDINGS.items():
                if ending in endings and b"." in segment:
                    return name
        words = {word.lower() for word in self.advisory.tags}
        words |= {part.lower() for each in self.advisory.products for part in (each.vendor, each.product)}
        found = [name for name, known in _WORDS.items() if words & known]
        return found[0] if len(found) == 1 else ""

    @cached_property
    def is_file(self) -> bool:
        """Whether the last segment is a file that a web server maps itself."""
        last = self.path.rpartition(b"/")[2]
        return b"." in last and last.rpartition(b".")[2].decode("latin-1").lower() in FILE_ENDINGS

    @property
    def plain_path(self) -> bool:
        """Whether the path is an ordinary one: rooted, without tricks that a change could undo."""
        return self.path[:1] == b"/" and len(self.path) > 1 and not _TRICK.search(self.path) and b"//" not in self.path

    @cached_property
    def head(self) -> tuple[bytes, ...]:
        """The leading segments of a plain path that are words; what follows may be a payload and stays as it is."""
        found: list[bytes] = []
        for segment in self.path[1:].split(b"/") if self.plain_path else ():
            if not _WORD.match(segment):
                break
            found.append(segment)
        return tuple(found)

    def with_head(self, change: Callable[[list[bytes]], list[bytes]]) -> Request:
        """The same request with other leading segments."""
        rest = self.path[1:].split(b"/")[len(self.head) :]
        return self.with_path(b"/" + b"/".join([*change(list(self.head)), *rest]))

    @property
    def media_type(self) -> bytes:
        """Declared type of the body, lower case, without parameters."""
        return self.header(b"content-type").partition(b";")[0].strip().lower()

    @property
    def body(self) -> bytes:
        """The body; empty where there is none, or it is already coded."""
        return (
            b"" if self.header(b"transfer-encoding") or self.header(b"content-encoding") else self.request.body or b""
        )

    @property
    def is_modern(self) -> bool:
        """Whether the request is of HTTP/1.1."""
        return self.request.version.strip().upper() == b"HTTP/1.1"

    def header(self, name: bytes) -> bytes:
        """The first value of a header, by its lower-case name; empty where there is none."""
        return next((value for sent, value in self.request.headers if sent.lower() == name), b"")

    @cached_property
    def query_pieces(self) -> tuple[Piece, ...]:
        """The query as arguments; none where it is not made of arguments."""
        return _pieces(self.query)

    @cached_property
    def form_pieces(self) -> tuple[Piece, ...]:
        """The body as arguments; none where it is not declared a form, or is JSON or XML all the same."""
        return (
            _pieces(self.body) if self.media_type == _FORM and self.body.lstrip()[:1] not in (b"{", b"[", b"<") else ()
        )

    def payload(self, piece: Piece, *classes: str) -> bool:
        """Whether an argument carries a payload of one of the classes, which the advisory speaks of."""
        return any(name in classes and name in self.expected for name in classes_of(piece.text))

    def with_target(self, target: bytes) -> Request:
        """The same request for another target."""
        return msgspec.structs.replace(self.request, target=target)

    def with_path(self, path: bytes) -> Request:
        """The same request for another path."""
        return self.with_target(path + (b"?" + self.query if self.has_query else b""))

    def with_body(self, body: bytes, *changed: tuple[bytes, bytes], drop: Iterable[bytes] = ()) -> Request:
        """The same request with another body; its length, where declared, is corrected.

        Args:
            body: the new one.
            changed: headers to set, by name.
            drop: headers to leave out, lower-case names.
        """
        names = {name.lower() for name, _ in changed} | set(drop)
        headers = [
            (name, b"%d" % len(body) if name.lower() == b"content-length" else value)
            for name, value in self.request.headers
            if name.lower() not in names
        ]
        return msgspec.structs.replace(self.request, body=body, headers=(*headers, *changed))

    def rewritten(self, change: Callable[[Piece], Iterable[Piece]]) -> Iterator[Request]:
        """Change the arguments of the query, and those of the form; one request for each of the two."""
        for pieces, write in ((self.query_pieces, self._with_query), (self.form_pieces, self.with_body)):
            if pieces:
                yield write(join(each for piece in pieces for each in change(piece)))

    def _with_query(self, query: bytes) -> Request:
        return self.with_target(self.path + b"?" + query)


def join(pieces: Iterable[Piece]) -> bytes:
    """Write arguments as a query or form."""
    return b"&".join(piece.written() for piece in pieces)


def _pieces(text: bytes) -> tuple[Piece, ...]:
    """Split arguments; a text in which a piece has no `=` is not one of arguments (a server may read it raw)."""
    if not text or b"\n" in text.strip():
        return ()
    pieces = []
    for part in text.split(b"&"):
        name, equals, value = part.partition(b"=")
        if not name or not equals:
            return ()
        pieces.append(Piece(name, value))
    return tuple(pieces)


Make = Callable[[Case], Iterable[Request]]


class Mutator(msgspec.Struct, frozen=True):
    """One way to write a request differently. `make` gives nothing where a server would not be exploited."""

    name: str
    valid: str  # the validity predicate, for people: where the change leaves the attack as it is
    make: Make


MUTATORS: dict[str, Mutator] = {}


def mutator(name: str, valid: str) -> Callable[[Make], Make]:
    """Register a mutator under a name that is not taken."""

    def put(make: Make) -> Make:
        assert name not in MUTATORS
        MUTATORS[name] = Mutator(name, valid, make)
        return make

    return put


def mutate(case: Case) -> Iterator[tuple[str, Request]]:
    """Yield (mutator, request) for every valid change; each differs from the original and from its siblings."""
    for name, entry in MUTATORS.items():
        seen = {_identity(case.request)}
        for made in entry.make(case):
            if (identity := _identity(made)) not in seen:
                seen.add(identity)
                yield name, made


def _identity(request: Request) -> tuple[object, ...]:
    return request.method, request.target, request.version, request.headers, request.body
