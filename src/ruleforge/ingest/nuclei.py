"""Reads Nuclei templates: from the file of a template to an advisory with all its concrete requests."""

import hashlib
import re

from ruleforge.errors import InputError
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.tree import Product
from ruleforge.sources.nuclei.expand import SentRequest, expand_template
from ruleforge.sources.nuclei.template import HttpBlock, Matcher, Template, parse_template

MAX_DESCRIPTION = 4_000  # characters
MAX_WORD = 500  # characters of one matcher's value

_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)
_CPE_PART = re.compile(r"(?<!\\):")
_ABOUT_ALL = ("flow:", "self-contained:")  # problems that concern every request of the template


def read_nuclei(data: bytes, where: str) -> Advisory:
    """Read one template.

    A template without HTTP requests gives an advisory without requests, whose problems say so.

    Args:
        data: the bytes of the file.
        where: the file's name as the user gave it.

    Raises:
        InputError: not YAML within bounds, or not a template (RF210 to RF214).
    """
    template = parse_template(data, where)
    if not template.id:
        raise InputError("the template has an empty id", where=where, hint="give it one", code="RF214")
    expansion = expand_template(template)
    flat = [_flat_matchers(block) for block in template.blocks]
    about_all = tuple(problem for problem in expansion.problems if problem.startswith(_ABOUT_ALL))
    return Advisory(
        id=template.id,
        sources=(where,),
        cves=_cves(template),
        title=template.info.name[:300],
        description=_description(template),
        cwes=template.info.cwes,
        tags=template.info.tags,
        severity=template.info.severity,
        cvss=_cvss(template.info.cvss_score),
        cvss_vector=template.info.cvss_vector,
        products=_products(template),
        references=template.info.references,
        author=template.info.author,
        requests=tuple(
            _poc(sent, template.blocks[sent.block], flat[sent.block], about_all) for sent in expansion.requests
        ),
        problems=(*template.problems, *expansion.problems, *_missing(template, expansion.requests)),
        digest=hashlib.sha256(data).hexdigest(),
    )


def _poc(sent: SentRequest, block: HttpBlock, matchers: tuple[str, ...], about_all: tuple[str, ...]) -> PocRequest:
    return PocRequest(
        request=sent.request,
        origin=sent.origin,
        block=sent.block,
        step=sent.step,
        row=sent.row,
        standins=sent.standins,
        redirects=block.redirects,
        matchers=matchers,
        notes=(*sent.notes, *about_all),
    )


def _missing(template: Template, requests: tuple[SentRequest, ...]) -> tuple[str, ...]:
    others = ", ".join(template.other_protocols)
    if requests:
        return (f"parts other than HTTP are not read: {others}",) if others else ()
    if not template.blocks:
        return (f"no HTTP: the template holds {others or 'no requests'}",)
    return ("no HTTP request could be worked out",)


def _cves(template: Template) -> tuple[str, ...]:
    found = [*template.info.cves, *_CVE.findall(template.id)]
    return tuple(dict.fromkeys(cve.upper() for cve in found if _CVE.fullmatch(cve)))


def _cvss(text: str) -> float | None:
    """A base score; what is no number from 0.1 to 10 (templates write 0 for "not scored") is none."""
    return float(text) if re.fullmatch(r"\d{1,2}(?:\.\d{1,2})?", text) and 0 < float(text) <= 10 else None


def _description(template: Template) -> str:
    info = template.info
    return "\n\n".join(part for part in (info.description, info.impact, info.remediation) if part)[:MAX_DESCRIPTION]


def _products(template: Template) -> tuple[Product, ...]:
    metadata = dict(template.info.metadata)
    vendor, product = metadata.get("vendor", "").strip(), metadata.get("product", "").strip()
    if not product:
        parts = _CPE_PART.split(template.info.cpe)
        if len(parts) > 4 and parts[0] == "cpe":
            vendor, product = (part.replace("\\", "") for part in parts[3:5])
    return (Product(vendor=vendor, product=product),) if product else ()


def _flat_matchers(block: HttpBlock) -> tuple[str, ...]:
    """The checks of a block as words: `status:200`, `not word(body):root`, `extractor-internal:x`."""
    words = [word for matcher in block.matchers for word in _matcher_words(matcher)]
    for extractor in block.extractors:
        kind = "extractor-internal" if extractor.internal else "extractor"
        words.append(f"{kind}:{extractor.name or extractor.type}"[:MAX_WORD])
    return tuple(dict.fromkeys(words))


def _matcher_words(matcher: Matcher) -> list[str]:
    start = "not " if matcher.negative else ""
    place = f"({matcher.part})" if matcher.type in {"word", "regex", "binary", "xpath"} else ""
    return [f"{start}{matcher.type}{place}:{value}"[:MAX_WORD] for value in matcher.values]
