"""What users put in a parameter: words of our own by the kind of its name, and values recorded in ordinary traffic."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from oracle.slots import Slot
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import classes_of

VALUES: dict[str, tuple[bytes, ...]] = {
    "number": (b"17", b"204", b"3", b"1986"),
    "email": (b"vera.lind@mail.example", b"office@bakery.example", b"t.moor@post.example", b"info@harbour.example"),
    "host": (b"printer-3.office.example", b"198.51.100.24", b"mail.bakery.example", b"192.0.2.77"),
    "link": (b"welcome", b"help/contact", b"orders", b"gallery/summer"),
    "file": (b"minutes.pdf", b"summer-2024.jpg", b"price list.txt", b"logo.png"),
    "date": (b"2024-05-17", b"2023-11-02", b"2025-01-30", b"2022-08-09"),
    "order": (b"name", b"created", b"price", b"title"),
    "user": (b"vera", b"t.moor", b"anna_k", b"lindqvist"),
    "password": (b"Harbour-lamp-27", b"tulip.Garden9", b"Quiet2Rivers", b"7steps-Down"),
    "token": (b"8f14e45fceea167a", b"c9f0f895fb98ab91", b"45c48cce2e2d7fbd", b"6512bd43d9caa6e0"),
    "language": (b"en", b"de", b"fr", b"sv"),
    "colour": (b"navy", b"ivory", b"teal", b"coral"),
    "phone": (b"555 0142", b"555 0107", b"555 0199", b"555 0123"),
    "word": (b"harbour", b"tulips", b"basket", b"winter"),
    "text": (
        b"green garden chairs",
        b"opening hours on sunday",
        b"thank you for the quick reply",
        b"two tickets for friday evening",
    ),
}
# Ordinary sentences with what payloads are made of.
PROSE = (
    b"Tom's cafe (2 seats, $5) & more",
    b"Where is O'Neill's order no. 12? It's late: 3 days; please call",
    b"50% off - buy one, get one free! Isn't that great?",
    b"R&D notes: select a chair from the list, then drop it; 1/2 of it is union made",
)
TEXTS = re.compile(
    r"q|query|s|search\w*|keywords?|term|text|comments?|message|msg|body|content|description|desc|subject|title|note|bio|about|feedback|review"
)
_KINDS = (
    ("email", r"e?-?mail\w*|from_address|to_address"),
    ("password", r"pass\w*|pwd|psw|secret"),
    ("user", r"user\w*|login|log|uname|author|account|nick\w*|first_?name|last_?name|owner|member"),
    ("host", r"host\w*|ip|ip_?addr\w*|addr\w*|server\w*|domain|ping\w*|target|dns\w*|gateway|ntp\w*|proxy"),
    (
        "link",
        (r"ur[li]\w*|link|redirect\w*|return\w*|next|dest\w*|callback|goto|site|ref\w*|continue|back\w*|src|feed|"
        r"endpoint"),
    ),
    (
        "file",
        (r"\w*files?|\w*filename|\w*path|dir\w*|folder|doc\w*|image|img|template|include|download|attachment|"
        r"log_?file|pdf|css|js"),
    ),
    ("date", r"\w*date\w*|time\w*|from|to|start|end|since|until|day|month"),
    ("order", r"sort\w*|order\w*|orderby|column|field|dir|group_?by"),
    ("language", r"lang\w*|locale|country|region"),
    ("colour", r"colou?r"),
    ("phone", r"phone|tel|mobile|fax"),
    ("token", r"\w*token|\w*key|hash|nonce|session\w*|sid|guid|uuid|signature|csrf\w*"),
    (
        "number",
        (r"\w*id|ids|num\w*|no|page|p|count|limit|offset|start|size|width|height|year|qty|quantity|amount|price|"
        r"port|index|level|version|lat|lng|lon\w*|pid|cid|uid|cat|category"),
    ),
)  # fmt: skip
_BY_NAME = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)
_NUMBER_FIRST = re.compile(rb"-?\d{1,12}(?:\.\d{1,6})?(?![\w.])")
_HOST_FIRST = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3}|localhost")
_PLAIN_VALUE = re.compile(rb"[\w .,:@+-]{1,48}\Z")
HEADERS: dict[str, tuple[bytes, ...]] = {
    "host": (b"www.bakery.example", b"shop.example"),
    "user-agent": (
        (
            b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
            b"Safari/537.36"
        ),
        b"Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0",
    ),
    "referer": (b"https://www.bakery.example/", b"https://search.example/?q=bread"),
    "origin": (b"https://www.bakery.example", b"https://shop.example"),
    "accept": (b"*/*", b"text/html"),
    "accept-language": (b"en-GB,en;q=0.8", b"sv"),
    "accept-encoding": (b"gzip, deflate", b"gzip"),
    "accept-charset": (b"utf-8", b"utf-8"),
    "content-type": (b"application/x-www-form-urlencoded", b"application/json"),
    "x-forwarded-for": (b"203.0.113.9", b"198.51.100.40"),
    "x-forwarded-host": (b"www.bakery.example", b"shop.example"),
    "authorization": (b"Bearer 8f14e45fceea167a5a36dedd4bea2543", b"Bearer c9f0f895fb98ab9159f51fd0297e236d"),
    "x-requested-with": (b"XMLHttpRequest", b"XMLHttpRequest"),
    "x-api-version": (b"1.2", b"3"),
}
RECORDED_MOST = 60  # values kept of one name


class Ordinary:
    """A source of ordinary values; `recorded` is what parameters of a name held in ordinary traffic."""

    def __init__(self, recorded: Mapping[str, tuple[bytes, ...]] | None = None) -> None:
        self.recorded = recorded or {}

    def value(self, slot: Slot, number: int, kinds: frozenset[str] = frozenset()) -> bytes:
        """Return the n-th ordinary value for a slot, of the kind its name and the beginning of its value suggest."""
        if slot.place == "header":
            known = HEADERS.get(slot.name, VALUES[kind_of(slot, kinds)])
            return known[number % len(known)]
        if slot.place == "filename":
            return (b"holiday.jpg", b"invoice-204.pdf", b"notes.txt", b"plan.png")[number % 4]
        if slot.place == "file":
            return b"Minutes of the meeting, monday morning, all were there.\n"
        if slot.place == "raw_query":
            return b"page=%d" % (number + 2)
        return VALUES[kind_of(slot, kinds)][number % 4]

    def recorded_values(self, slot: Slot) -> tuple[bytes, ...]:
        """Return what parameters of this name held in ordinary traffic; () where none is known.

        Where the value begins with a number the product wants one, whatever others call by that name.
        """
        known = self.recorded.get(slot.name, ()) if slot.name else ()
        return tuple(v for v in known if v.isdigit()) if kind_of(slot) == "number" else known


def kind_of(slot: Slot, kinds: frozenset[str] = frozenset()) -> str:
    """Name the kind of value a slot takes in ordinary use, a key of VALUES."""
    for kind, pattern in _BY_NAME:
        if pattern.fullmatch(slot.name):
            return "link" if kind == "host" and "address" in kinds else kind
    if TEXTS.fullmatch(slot.name):
        return "text"
    if _NUMBER_FIRST.match(slot.value):
        return "number"
    if _HOST_FIRST.match(slot.value):
        return "host"
    if "file" in kinds:
        return "file"
    return "link" if "address" in kinds else "word"


def learn(requests: Iterable[Request]) -> dict[str, tuple[bytes, ...]]:
    """Collect what arguments of each name hold in ordinary requests: plain values only, each once, in a fixed order."""
    found: dict[str, set[bytes]] = defaultdict(set)
    for request in requests:
        view = HttpView(request)
        for place in ("query_args", "form_args"):
            for each in view.read(place).elements:
                name, value = each.name[:60].decode("latin-1").lower(), each.value
                if name and len(found[name]) < RECORDED_MOST and _PLAIN_VALUE.match(value) and not classes_of(value):
                    found[name].add(value)
    return {name: tuple(sorted(values)) for name, values in found.items() if values}
