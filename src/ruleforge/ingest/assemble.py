"""From what a reader found in a document to an advisory: ids, CVE numbers and facts in one shape."""

import hashlib
import re
from collections import Counter
from pathlib import PurePath

import msgspec

from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.tree import Product
from ruleforge.sources.found import Findings, FoundRequest

MAX_TEXT = 4_000  # characters of a description
MAX_TITLE = 300  # characters
MAX_CVES = 20

_CVE = re.compile(r"CVE[-_]\d{4}[-_]\d{4,8}", re.IGNORECASE)


def assemble(found: Findings, data: bytes, where: str) -> Advisory:
    """Make an advisory of `found`; its id is the first of: the document's, a CVE of its name, of its text, its name.

    Args:
        found: what the reader read.
        data: the bytes of the document, for its digest.
        where: the file's name as the user gave it.
    """
    name = PurePath(where).stem
    named = _cves_of(name)
    cves = tuple(dict.fromkeys((*_cves_of(" ".join(found.cves)), *named)))[:MAX_CVES]
    return Advisory(
        id=(found.id or next(iter(named or cves), name))[:200],
        sources=(where,),
        cves=cves,
        title=found.title[:MAX_TITLE],
        description=found.description[:MAX_TEXT],
        cwes=found.cwes,
        tags=found.tags,
        severity=found.severity,
        products=(Product(vendor=found.vendor, product=found.product),) if found.product else (),
        references=found.references,
        author=found.author,
        requests=tuple(
            PocRequest(
                request=request,
                origin=each.origin,
                block=each.block,
                step=each.step,
                standins=each.standins,
                matchers=each.matchers,
                notes=each.notes,
            )
            for request, each in zip(_named(found.requests, name), found.requests, strict=True)
        ),
        problems=(*found.problems, *(() if found.requests else ("no HTTP request was found",))),
        digest=hashlib.sha256(data).hexdigest(),
    )


def _named(found: tuple[FoundRequest, ...], stem: str) -> list[Request]:
    """Give each request without an id one that says where it comes from: "<file>:<origin>", each once."""
    seen: Counter[str] = Counter()
    named = []
    for each in found:
        name = each.request.id or "".join(c if c.isprintable() else "?" for c in f"{stem[:80]}:{each.origin[:80]}")
        seen[name] += 1
        named.append(msgspec.structs.replace(each.request, id=name if seen[name] == 1 else f"{name}.{seen[name]}"))
    return named


def _cves_of(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cve.upper().replace("_", "-") for cve in _CVE.findall(text)))
