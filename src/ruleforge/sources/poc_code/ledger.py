"""What comes out of reading a script: requests, problems, and the texts sent over its open sockets."""

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

from ruleforge.sources.found import FoundRequest
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code.texts import joined
from ruleforge.sources.poc_code.values import MAX_ITEMS, Budget, Limit, Map, Thing, Value, as_text
from ruleforge.sources.poc_code.wire import Draft, draft_of_raw, found_request

MAX_REQUESTS = 60
MAX_PROBLEMS = 20
SEARCHED = 64  # bytes of a request that one step searches for hosts and scanner names

T = TypeVar("T")


class Ledger:
    """The findings of one script, within its budget."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.standins = Standins()
        self.requests: list[FoundRequest] = []
        self.problems: list[str] = []
        self.objects: dict[str, Thing] = {}  # what a library keeps for the whole script: options, metadata
        self.budget = budget or Budget()
        self._seen: set[tuple[object, ...]] = set()
        self._open_sockets: list[Thing] = []

    def finish(self) -> None:
        """What still waits in sockets goes out."""
        for socket in self._open_sockets:
            self.done_writing(socket)

    def object(self, kind: str) -> Thing:
        """The one object of its kind that a library keeps for the script."""
        return self.objects.setdefault(kind, Thing(kind))

    def text(self, value: Value) -> Text:
        """How `value` reads inside a text."""
        done = as_text(value, self.standins)
        self.budget.charge(len(done.data) >> 10)
        return done

    def problem(self, what: str) -> None:
        """Remember, once, what was left out."""
        if what not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(what)

    def put(self, entries: Map, key: Value, value: Value) -> None:
        """Set a key of a dict; a dict that is full is reported."""
        if not entries.put(key, value):
            self.cut_short(MAX_ITEMS)

    def first(self, elements: Sequence[T], count: int, limit: int = 0) -> Sequence[T]:
        """The first `count` of `elements`; that there are more is reported, as beyond `limit` where that is given."""
        if len(elements) <= count:
            return elements
        self.cut_short(limit or count)
        return elements[:count]

    def cut_short(self, limit: int) -> None:
        """Report, once per script and limit, that elements were left out."""
        self.problem(f"what is beyond {limit} elements of a collection or a call was left out")

    def send(self, draft: Draft) -> None:
        """Write down a request, which costs by its size; the same one twice counts once."""
        self.budget.charge(_size(draft) // SEARCHED)
        found = found_request(draft, self.standins, len(self.requests))
        if isinstance(found, str):
            return self.problem(found)
        request = found.request
        identity = (request.method, request.target, request.headers, request.body)
        if identity in self._seen:
            return None
        if len(self.requests) >= MAX_REQUESTS:
            raise Limit(f"more than {MAX_REQUESTS} requests")
        self._seen.add(identity)
        self.requests.append(found)
        return None

    def write(self, socket: Thing, data: Text, line: int) -> None:
        """Bytes written to a socket: a request line begins a new request."""
        written = socket.fields.setdefault("written", Text())
        if not isinstance(written, Text):
            return
        self.budget.charge(len(written.data) >> 10)  # it is copied
        draft = draft_of_raw(data, line)
        if draft is not None or not written.data:
            self.done_writing(socket)
            socket.fields["line"] = line
            written = Text()
        if socket not in self._open_sockets:
            self._open_sockets.append(socket)
        socket.fields["written"] = joined([written, data])

    def done_writing(self, socket: Thing) -> None:
        """The answer is read or the socket closed: what was written is the request."""
        written, line = socket.fields.get("written"), socket.fields.get("line")
        socket.fields["written"] = Text()
        if isinstance(written, Text) and isinstance(line, int):
            draft = draft_of_raw(written, line)
            if draft is not None:
                try:
                    self.send(draft)
                except Limit as limit:
                    self.problem(str(limit))


def _size(draft: Draft) -> int:
    pairs = (*draft.params, *draft.headers, *draft.cookies)
    alone = (each for each in (draft.url, draft.query, draft.body) if each is not None)
    return sum(len(each.data) for each in (*alone, *chain.from_iterable(pairs)))
