"""Requests and disclosures as text for whoever reads them: bounded, and cut visibly where they are long."""

from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

LINE_MOST, BODY_MOST, HEADERS_MOST = 1_500, 1_500, 20  # characters; headers
DESCRIPTION_MOST = 6_000  # characters
PRODUCTS_MOST = 20


def request_text(request: Request) -> str:
    """Give a request as text, cut where it is long; bytes that are no UTF-8 come out escaped."""
    head = b" ".join(filter(None, (request.method, request.target, request.version)))
    lines = [_text(head, LINE_MOST)]
    lines += [_text(name + b": " + value, LINE_MOST) for name, value in request.headers[:HEADERS_MOST]]
    if len(request.headers) > HEADERS_MOST:
        lines.append(f"[{len(request.headers) - HEADERS_MOST} more headers]")
    if request.body:
        lines += ["", _text(request.body, BODY_MOST)]
    return "\n".join(lines)


def _text(data: bytes, most: int) -> str:
    text = data[: most * 4].decode("utf-8", "backslashreplace")
    if len(text) <= most and len(data) <= most * 4:
        return text
    return f"{text[:most]} [cut; {len(data)} bytes in all]"


def disclosure_text(advisory: Advisory) -> str:
    """Give what was disclosed, without its requests and without who wrote it."""
    named = (" ".join(filter(None, (p.vendor, p.product, p.versions))) for p in advisory.products[:PRODUCTS_MOST])
    rows = (
        ("Title", advisory.title),
        ("CVEs", ", ".join(advisory.cves[:20])),
        ("Products", ", ".join(named)),
        ("Weaknesses", ", ".join(advisory.cwes[:20])),
        ("Severity", advisory.severity),
        ("Tags", ", ".join(advisory.tags[:20])),
    )
    head = "\n".join(f"{name}: {value[:500]}" for name, value in rows if value)
    return f"{head}\n\n{advisory.description[:DESCRIPTION_MOST]}".strip()
