"""What labels are counted on: exploits of others, what the ORACLE makes, strangers' exploits, held-out traffic.

None of it is ever shown to a judge: see README.md.
"""

import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle.attack import Attack
from oracle.case import Case, mutate
from oracle.mutators import load
from oracle.near import near_misses, neutralise
from oracle.ordinary import Ordinary, learn
from oracle.retold import retell
from ruleforge.engine.workers import spread
from ruleforge.events.decoding import percent_decode
from ruleforge.events.formats import read_requests
from ruleforge.events.formats.bounded import Line, open_file, read_lines
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of

EXPLOITS_MOST = 12  # exploit requests of one template that are varied
VARIANTS_MOST = 400  # of one template, evenly taken
CHUNK = 16

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
# Flaws of a library, and forms of attack that many products share: their exploits are no strangers to each other.
SHARED_FLAWS = frozenset(
    [
        "log4j",
        "jndi",
        "shellshock",
        "spring4shell",
        "springshell",
        "struts",
        "struts2",
        "text4shell",
        "fastjson",
        "ognl",
        "phpunit",
        "elfinder",
        "timthumb",
        "jolokia",
        "springboot",
        "spring",
        "actuator",
        "swagger",
        "tinymce",
        "ckeditor",
        "fckeditor",
        "kcfinder",
        "plupload",
        "swfupload",
        "jquery",
        "ofbiz",
        "shiro",
        "velocity",
        "freemarker",
        "weblogic",
        "xwork",
        "goahead",
        "boa",
        "jmx",
        "crlf",
        "host-header-injection",
        "django",
        "rails",
        "php-cgi",
        "apache",
        "iis",
        "tomcat",
        "nginx",
        "grafana-plugin",
        "rconfig",
        "joomla-component",
    ]
)


class Named(msgspec.Struct, frozen=True):
    """A request with what it is: the maker, the file it came from."""

    request: Request
    kind: str


class Own(msgspec.Struct, frozen=True):
    """What one advisory's rules are asked: its exploits by others, and what the ORACLE makes of its own."""

    independent: tuple[Named, ...] = ()
    variants: tuple[Named, ...] = ()
    payloads: tuple[Named, ...] = ()
    near: tuple[Named, ...] = ()
    neutral: tuple[Named, ...] = ()


class Stranger(msgspec.Struct, frozen=True):
    """An exploit of some advisory, that a rule of an unrelated one must not fire on."""

    request: Request
    advisory: str
    product: str
    call: tuple[object, ...]  # method, path and names of arguments


class Kin(msgspec.Struct, frozen=True):
    """What tells whether two advisories are about one flaw, or one product under two names."""

    product: str
    vendor: str
    names: frozenset[str]  # CVEs it is about, or speaks of
    shared: frozenset[str]  # flaws of libraries
    calls: frozenset[tuple[object, ...]]
    files: frozenset[bytes]  # long names of files, and
    paths: frozenset[bytes]  # paths, that few products have: one device or library sold under several names


class Ground(msgspec.Struct):
    """Everything a set of rules is labelled on."""

    advisories: dict[str, Advisory]
    own: dict[str, Own]
    kin: dict[str, Kin]
    strangers: tuple[Stranger, ...]  # those of odd products only
    benign: tuple[Request, ...]
    _tried: dict[str, int] = {}

    def tried(self, kin: Kin) -> int:
        """Count the strangers that are tried: those of other vendors; what else relates is looked at for hits."""
        if kin.vendor not in self._tried:
            self._tried[kin.vendor] = sum(s.product.partition("/")[0] != kin.vendor for s in self.strangers)
        return self._tried[kin.vendor]


def is_for_labels(product: str) -> bool:
    """Whether a product's exploits serve labels (odd); those of the others are what a judge may see."""
    return bool(int(hashlib.sha256(product.encode()).hexdigest()[-1], 16) % 2)


def gather(advisories: Sequence[Advisory], exploits: Path, benign_hold: Path, jobs: int) -> Ground:
    """Read and make everything. Cost: about 20 ms of CPU an advisory."""
    load()
    benign = tuple(request for request in read_requests(benign_hold) if isinstance(request, Request))
    others = read_exploits(exploits)
    work = _Work(Ordinary(learn(benign)), others)
    _SHARED["work"] = work
    _SHARED["advisories"] = advisories
    made = spread(_own_of, range(len(advisories)), jobs, chunk=CHUNK)
    own = {advisory.id: found for advisory, found in zip(advisories, made, strict=True) if found is not None}
    return Ground(
        {a.id: a for a in advisories}, own, all_kin(advisories), tuple(_strangers(advisories, others)), benign
    )


class _Work(msgspec.Struct):
    ordinary: Ordinary
    others: dict[str, list[Named]]


_SHARED: dict[str, object] = {}


def read_exploits(file: Path) -> dict[str, list[Named]]:
    """Read what other people wrote, by CVE: kind exploit only, each request once."""
    with open_file(file) as stream:
        rows = [json.loads(line.text) for line in read_lines(stream, file.name) if isinstance(line, Line)]
    found: dict[str, list[Named]] = defaultdict(list)
    seen: set[tuple[object, ...]] = set()
    for row, request in zip(rows, read_requests(file), strict=True):
        if row["kind"] != "exploit" or not isinstance(request, Request):
            continue
        key = (row["cve"], request.method, request.target, request.headers, request.body)
        if key not in seen:
            seen.add(key)
            found[row["cve"]].append(Named(request, row["source"] + (" (near copy)" if row.get("derived") else "")))
    return found


def exploits_of(advisory: Advisory) -> list[Request]:
    """Return the requests of a template that carry the attack."""
    return [poc.request for poc in advisory.requests if poc.role == "exploit"]


def _own_of(number: int) -> Own:
    advisory: Advisory = _SHARED["advisories"][number]  # type: ignore[index]
    work: _Work = _SHARED["work"]  # type: ignore[assignment]
    variants: list[Named] = []
    payloads: list[Named] = []
    near: list[Named] = []
    neutral: list[Named] = []
    exploits = exploits_of(advisory)[:EXPLOITS_MOST]
    known = {identity(request) for request in exploits_of(advisory)}
    for request in exploits:
        case = Case(request, advisory)
        variants += [Named(made, name) for name, made in mutate(case)]
        payloads += [Named(made, name) for name, made in retell(case)]
        near += [Named(made, name) for name, made in near_misses(case, work.ordinary) if identity(made) not in known]
        neutral += [
            Named(made, "neutralised") for made in neutralise(case, work.ordinary) if identity(made) not in known
        ]
    independent = tuple(
        one for cve in advisory.cves for one in work.others.get(cve, ()) if is_told(one.request, advisory)
    )
    return Own(
        independent, *(tuple(rows) for rows in (_evenly(variants), _evenly(payloads), _once(near), _once(neutral)))
    )


_GARBLED = re.compile(rb"\\[?=&]|#|<[a-z_ -]{3,40}>|\{\{|\[[A-Z_]{3,20}\]")


def is_told(request: Request, advisory: Advisory) -> bool:
    """Whether what others wrote is an exploit as it would be sent.

    Not counted are targets with marks of a shell or gaps to be filled in, and a bare look at a page where the
    template's own exploits send something.
    """
    if _GARBLED.search(request.target) and not any(_GARBLED.search(own.target) for own in exploits_of(advisory)):
        return False
    return not _is_bare(request) or any(_is_bare(own) for own in exploits_of(advisory))


def _is_bare(request: Request) -> bool:
    plain = re.fullmatch(rb"/[\w./-]*", request.target) and b".." not in request.target
    return bool(request.method in (b"GET", b"HEAD") and plain and not request.body)


def _evenly(items: list[Named]) -> list[Named]:
    step = -(-len(items) // VARIANTS_MOST)
    return items[::step] if step > 1 else items


def _once(items: Iterable[Named]) -> list[Named]:
    found: dict[tuple[object, ...], Named] = {}
    for item in items:
        r = item.request
        found.setdefault((r.method, r.target, r.headers, r.body), item)
    return list(found.values())


def identity(request: Request) -> tuple[bytes, bytes, bytes]:
    """What makes two requests the same for a rule that does not look at headers."""
    return request.method, request.target, request.body or b""


_PAYLOADS = (("file", b".."), ("html", b"<"), ("code", b"{"), ("shell", b"`"))


def call_of(request: Request, advisory: Advisory) -> tuple[object, ...]:
    """Return method, path and names of arguments: the call, whatever its values.

    Where the attack stands in the path, the words before it and what kind it is: nothing tells apart two servers that
    both serve files outside of their root.
    """
    case = Case(request, advisory)
    names = sorted({piece.name for piece in (*case.query_pieces, *case.form_pieces)})
    at = Attack(case).path_at
    if at is None:
        return request.method, case.path.rstrip(b"/").lower(), tuple(names)
    words = case.path[1:].lower().split(b"/")
    rest = percent_decode(percent_decode(b"/".join(words[at:])))
    kind = next((name for name, sign in _PAYLOADS if sign in rest), "other")
    return request.method, tuple(words[:at]), kind, tuple(names)


def kin_of(advisory: Advisory) -> Kin:
    """Collect what an advisory may share with others."""
    product = product_of(advisory)
    text = " ".join((advisory.title, advisory.description, *advisory.references, *advisory.tags)).upper()
    requests = exploits_of(advisory)
    return Kin(
        product=product,
        vendor=product.partition("/")[0],
        names=frozenset((*advisory.cves, advisory.id, *_CVE.findall(text))),
        shared=frozenset(tag.lower() for tag in advisory.tags) & SHARED_FLAWS,
        calls=frozenset(call_of(request, advisory) for request in requests),
        files=frozenset(file for request in requests if (file := _long_file(request))),
        paths=frozenset(path for request in requests if (path := _deep_path(request))),
    )


def all_kin(advisories: Iterable[Advisory]) -> dict[str, Kin]:
    """Collect the kin of all; of paths and files those are kept that at most PRODUCTS_OF_PATH products have."""
    found = {advisory.id: kin_of(advisory) for advisory in advisories}
    products: dict[bytes, set[str]] = defaultdict(set)
    for kin in found.values():
        for name in kin.paths | kin.files:
            products[name].add(kin.product)
    rare = frozenset(name for name, its in products.items() if len(its) <= PRODUCTS_OF_PATH)
    return {
        name: msgspec.structs.replace(kin, paths=kin.paths & rare, files=kin.files & rare)
        for name, kin in found.items()
    }


PRODUCTS_OF_PATH = 3


def _deep_path(request: Request) -> bytes:
    path = request.target.partition(b"?")[0].rstrip(b"/").lower()
    return path if path.count(b"/") > 1 and re.fullmatch(rb"[\w./-]+", path) and b".." not in path else b""


_FILE_LEAST = 12  # bytes: a name that long is one product's, or that of a library which several products hold


def _long_file(request: Request) -> bytes:
    last = request.target.partition(b"?")[0].rstrip(b"/").rpartition(b"/")[2].lower()
    return last if len(last) >= _FILE_LEAST and re.fullmatch(rb"[\w.-]+", last) else b""


def are_unrelated(one: Kin, other: Kin) -> bool:
    """Whether two advisories are about different products and flaws, as far as their texts and calls tell.

    A product without a name may be any: nothing is unrelated to it. Two that share a vendor, a CVE they speak of, a
    flaw of a library, the very call or a telling file name may be one thing under two names.
    """
    if not one.product or not other.product or one.product == other.product or one.vendor == other.vendor:
        return False
    if one.names & other.names or one.shared & other.shared:
        return False
    return not (one.calls & other.calls or one.files & other.files or one.paths & other.paths)


def _strangers(advisories: Sequence[Advisory], others: dict[str, list[Named]]) -> Iterable[Stranger]:
    for advisory in advisories:
        product = product_of(advisory)
        if not product or not is_for_labels(product):
            continue
        requests = [*exploits_of(advisory), *(o.request for cve in advisory.cves for o in others.get(cve, ()))]
        seen: set[tuple[object, ...]] = set()
        for request in requests:
            if identity(request) not in seen:
                seen.add(identity(request))
                yield Stranger(request, advisory.id, product, call_of(request, advisory))
