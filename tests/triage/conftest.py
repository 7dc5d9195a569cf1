"""Advisories and intelligence about products that do not exist."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.tree import Product
from ruleforge.triage.epss import Epss, EpssScore
from ruleforge.triage.exposure import Owned, ProductList
from ruleforge.triage.kev import Kev, KevEntry
from ruleforge.triage.signals import Intelligence

Make = Callable[..., Advisory]
Known = Callable[..., Intelligence]


@pytest.fixture
def advisory() -> Make:
    """An advisory of a number: `advisory(7)` is CVE-2099-0007, with one request of each role given."""

    def make(
        number: int = 1, *roles: str, vendor: str = "orchard", product: str = "fruit_press", **more: Any
    ) -> Advisory:
        request = Request(method=b"GET", target=b"/press?crate=../../x")
        name = f"CVE-2099-{number:04}"
        given = {
            "id": name,
            "sources": (f"{name}.yaml",),
            "cves": (name,),
            "title": "Fruit Press - Something",
            "products": (Product(vendor, product),) if product else (),
            "requests": tuple(PocRequest(request=request, role=role) for role in roles or ("exploit",)),
        }
        return Advisory(**(given | more))

    return make


@pytest.fixture
def known() -> Known:
    """Intelligence with what is given: KEV numbers, EPSS probabilities by number, "vendor/product" of the user."""

    def make(
        *,
        now: date = date(2099, 9, 1),
        kev: dict[int, bool] | None = None,
        epss: dict[int, float] | None = None,
        products: tuple[str, ...] | None = None,
        day: str = "2099-08-20",
    ) -> Intelligence:
        entries = {f"CVE-2099-{n:04}": KevEntry("2099-02-03", ransomware) for n, ransomware in (kev or {}).items()}
        scores = {f"CVE-2099-{n:04}": EpssScore(chance, chance) for n, chance in (epss or {}).items()}
        pairs = [tuple(name.split("/")) for name in products or ()]
        owned = {(vendor, product): Owned(f"{vendor}/{product}", vendor, product) for vendor, product in pairs}
        return Intelligence(
            now=now,
            kev=None if kev is None else Kev(entries=entries, date=day, origin="kev.json"),
            epss=None if epss is None else Epss(scores=scores, date=day, origin="epss.csv"),
            products=None if products is None else ProductList(entries=owned),
        )

    return make


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    """Write a file."""

    def write(name: str, data: bytes | str) -> Path:
        file = tmp_path / name
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        return file

    return write
