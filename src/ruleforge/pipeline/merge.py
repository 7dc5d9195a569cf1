"""Several documents about one vulnerability become one advisory; a document that spoils the rule can be left out again.

Which documents belong together, and why so few: docs/decisions/0007-merging-sources.md.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import PurePath

import msgspec

from ruleforge.cases.anatomy import Anatomy, dissect
from ruleforge.cases.significance import WEAK_CLASSES
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.fact_requests import SYNTHETIC
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory, PocRequest

FEW_CVES = 3  # a document that names more is a round-up, unless its file is named after one of them
DOCUMENTS_MOST = 12  # documents of one vulnerability that a rule is made from; all are listed
NAMES_MOST = 100  # arguments of a call that are compared
EXHAUSTIVE_MOST = 4  # up to this many documents every subset is tried, the largest first; above, one at a time
FIRST_FORMATS = ("nuclei",)  # the formats whose facts are taken before those of all others

_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_SENT_BY_EVERY_CLIENT = frozenset((b"host", b"content-length", b"connection"))


def primary_cve(document: Advisory) -> str:
    """Return the one vulnerability `document` is about, or "" where it is about several or names none.

    That is its only CVE; else its id, where that is a CVE and the document names few others or its file is named
    after it (the id of a round-up is merely the CVE that stands first in its text).
    """
    cves = tuple(dict.fromkeys(cve.upper() for cve in document.cves))
    own = document.id.upper()
    if len(cves) == 1:
        return cves[0] if _CVE.fullmatch(cves[0]) else ""
    if not _CVE.fullmatch(own):
        return ""
    named = any(own in PurePath(source).stem.upper().replace("_", "-") for source in document.sources)
    return own if named or len(cves) <= FEW_CVES else ""


def precedence(document: Advisory) -> tuple[object, ...]:
    """Sort key: the document whose facts are taken first comes first; the same for any order of the files."""
    first = FIRST_FORMATS.index(document.format) if document.format in FIRST_FORMATS else len(FIRST_FORMATS)
    facts = (document.products, document.cwes, document.tags, document.title, document.description)
    told = sum(map(bool, facts)) + (document.severity != "unknown")
    return first, -told, document.digest, document.sources


def group(documents: Sequence[Advisory]) -> list[tuple[Advisory, ...]]:
    """Put documents with the same primary CVE together, each group in order of precedence.

    Groups stand in the order of their first document; a document without a primary CVE stays alone.
    """
    groups: dict[object, list[Advisory]] = {}
    for ordinal, document in enumerate(documents):
        groups.setdefault(primary_cve(document) or ordinal, []).append(document)
    return [tuple(sorted(members, key=precedence)) for members in groups.values()]


def merge(documents: Sequence[Advisory]) -> Advisory:
    """Return one advisory of documents about the same vulnerability; a single document comes back as it is.

    Facts are taken from the first document that has them, lists are joined. Requests follow one another in order of
    precedence; each has a role within its own document (what a second author sends is no "look at the result" of the
    first), an ordinal of it, and blocks of its own. A request that several documents hold stands once and names them.
    """
    documents = sorted(documents, key=precedence)
    if len(documents) == 1:
        return documents[0]
    documents = _with_what_is_shown(documents)
    first = documents[0]
    cve = primary_cve(first)
    cwes, tags = _joined(d.cwes for d in documents), _joined(d.tags for d in documents)
    requests, problems = _requests(documents, cwes, tags)
    return msgspec.structs.replace(
        first,
        id=cve or first.id,
        sources=tuple(source for d in documents for source in d.sources),
        cves=tuple(dict.fromkeys((*((cve,) if cve else ()), *first.cves))),
        title=next((d.title for d in documents if d.title), ""),
        description=next((d.description for d in documents if d.description), ""),
        cwes=cwes,
        tags=tags,
        severity=next((d.severity for d in documents if d.severity != "unknown"), "unknown"),
        products=next((d.products for d in documents if d.products), ()),
        references=_joined(d.references for d in documents),
        author=next((d.author for d in documents if d.author), ""),
        created=next((d.created for d in documents if d.created), ""),
        requests=requests,
        problems=(*(f"{name_of(d)}: {problem}" for d in documents for problem in d.problems), *problems),
        digest=hashlib.sha256("\n".join(sorted(d.digest for d in documents)).encode()).hexdigest(),
    )


def _with_what_is_shown(documents: Sequence[Advisory]) -> list[Advisory]:
    """Leave out requests made from words, where some document shows an attack: words would only widen its rule."""
    made = [tuple(poc for poc in document.requests if SYNTHETIC in poc.notes) for document in documents]
    if not any(
        poc.role == "exploit" and SYNTHETIC not in poc.notes for document in documents for poc in document.requests
    ):
        return list(documents)
    note = "its synthetic requests were left out: another document shows the attack"
    return [
        msgspec.structs.replace(
            document,
            requests=tuple(poc for poc in document.requests if SYNTHETIC not in poc.notes),
            problems=(*document.problems, note),
        )
        if synthetic
        else document
        for document, synthetic in zip(documents, made, strict=True)
    ]


def name_of(document: Advisory) -> str:
    """Return the name of its file, without the folder: the same on every machine."""
    return PurePath(document.sources[0]).name if document.sources else document.id


def _joined(lists: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for each in lists for item in each))


def _requests(
    documents: Sequence[Advisory], cwes: tuple[str, ...], tags: tuple[str, ...]
) -> tuple[tuple[PocRequest, ...], tuple[str, ...]]:
    """Requests of all documents, one after the other, and what was left out."""
    kept: dict[tuple[object, ...], PocRequest] = {}
    read: set[str] = set()
    problems: list[str] = []
    ordinal = block = 0
    for document in documents:
        copy = bool(document.digest) and document.digest in read
        if not copy and len(read) >= DOCUMENTS_MOST:
            problems.append(f"{name_of(document)}: not used: a rule is made from {DOCUMENTS_MOST} documents at most")
        elif not copy:
            read.add(document.digest or str(ordinal))
            known = msgspec.structs.replace(document, cwes=cwes, tags=tags)  # what one says of the flaw, holds for all
            for number, poc in enumerate(assign_roles(known).requests):
                _keep(kept, poc, ordinal, block, number)
            block += max((poc.block for poc in document.requests), default=-1) + 1
        ordinal += len(document.sources)
    return _same_calls(tuple(kept.values())), tuple(problems)


def _same_calls(requests: tuple[PocRequest, ...]) -> tuple[PocRequest, ...]:
    """Take a preparing step for the attack where another document shows the same call as the attack."""
    attacks: dict[tuple[object, ...], set[int]] = {}
    for poc in requests:
        if poc.role == "exploit":
            attacks.setdefault(_call(poc.request), set()).add(poc.source)
    return tuple(
        msgspec.structs.replace(poc, role="exploit", reason="another document shows this call as the attack")
        if poc.role == "setup" and attacks.get(_call(poc.request), set()) - {poc.source}
        else poc
        for poc in requests
    )


def _call(request: Request) -> tuple[object, ...]:
    """What makes two requests the same call: method, folder, ending and the names of the arguments."""
    view = HttpView(request)
    path = view.read("path").elements
    folder, _, name = (path[0].value if path else b"").rpartition(b"/")
    ending = name.rpartition(b".")[2] if b"." in name else name
    places = ("query_args", "json", "multipart", *(("form_args",) if b"=" in (request.body or b"") else ()))
    names = frozenset(element.name for place in places for element in view.read(place).elements)
    return request.method, folder, ending, names if len(names) < NAMES_MOST else None


def _keep(kept: dict[tuple[object, ...], PocRequest], poc: PocRequest, ordinal: int, block: int, number: int) -> None:
    """Add one request, or note on the one already there that another document holds it as well."""
    key = request_key(poc.request)
    old = kept.get(key)
    if old is None:
        kept[key] = msgspec.structs.replace(poc, source=ordinal + poc.source, block=block + poc.block)
    elif old.source == ordinal + poc.source:  # a document that sends the same twice means two steps
        kept[key, ordinal, number] = msgspec.structs.replace(poc, source=old.source, block=block + poc.block)
    else:
        kept[key] = msgspec.structs.replace(old, agreed=tuple(sorted({*old.agreed, ordinal + poc.source})))


def request_key(request: Request) -> tuple[object, ...]:
    """What makes a request of two documents the same: everything but the host and what clients add."""
    headers = frozenset((n.lower(), v) for n, v in request.headers if n.lower() not in _SENT_BY_EVERY_CLIENT)
    return request.method, request.target, headers, request.body or b""


def members_of(merged: Advisory) -> tuple[int, ...]:
    """Return the ordinals of the documents that hold an exploit request no earlier document holds."""
    return tuple(sorted({poc.source for poc in merged.requests if poc.role == "exploit"}))


def doubtful(merged: Advisory) -> tuple[int, ...]:
    """Return the documents whose attack carries no payload although that of the first document does.

    Such a document may show a look, a part of the attack or something else; a rule for it would rest on ordinary words.
    """
    sources: set[int] = set()
    armed: set[int] = set()
    for poc in merged.requests:
        if poc.role == "exploit":
            sources.update((poc.source, *poc.agreed))
            if _armed(dissect(poc)):
                armed.update((poc.source, *poc.agreed))
    return tuple(sorted(sources - armed)) if min(sources, default=-1) in armed else ()


def _armed(anatomy: Anatomy) -> bool:
    classes = {name for part in anatomy.payloads for name in (*part.classes, *part.filename_classes)}
    return bool(anatomy.path_classes or classes - WEAK_CLASSES)


def selections(merged: Advisory) -> Iterator[tuple[int, ...]]:
    """Yield selections of two and more documents, the largest first; those with earlier documents before others.

    All members are one of them where other documents hold steps that are no exploit: these may stand in the way.
    """
    members = members_of(merged)
    others = any(poc.source not in members for poc in merged.requests)
    if len(members) <= EXHAUSTIVE_MOST:
        for size in range(len(members) - (not others), 1, -1):
            yield from combinations(members, size)


def restrict(merged: Advisory, chosen: Sequence[int]) -> Advisory:
    """Return `merged` with the requests of the chosen documents only."""
    wanted = set(chosen)
    kept = tuple(poc for poc in merged.requests if poc.source in wanted or wanted.intersection(poc.agreed))
    return msgspec.structs.replace(merged, requests=kept)


def alone(merged: Advisory, document: Advisory, ordinal: int) -> Advisory:
    """Return `merged` with the requests, roles and weaknesses that this one document has, and no others.

    A rule made of it is the one that the document alone would have given.
    """
    requests = tuple(msgspec.structs.replace(poc, source=ordinal) for poc in document.requests)
    return msgspec.structs.replace(
        merged, cwes=document.cwes, tags=document.tags, products=document.products or merged.products,
        title=document.title or merged.title, requests=requests,
    )  # fmt: skip
