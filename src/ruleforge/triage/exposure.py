"""The user's own products: a list in TOML, CSV or CPE names, and whether a product is one of them."""

import csv
import io
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

from ruleforge.errors import InputError
from ruleforge.records.products import canonical_product, plain_name
from ruleforge.triage.bounded import read_bounded

MAX_BYTES = 8 << 20
MAX_PRODUCTS = 100_000
MAX_NAME = 200  # characters of a vendor or product
PROBLEMS_KEPT = 10
_ANY = ("*", "-")


class Owned(msgspec.Struct, frozen=True):
    """One entry of the list; names are canonical, and empty where any will do."""

    written: str  # as the user wrote it, "cpe:2.3:a:acme:fruit_press:*:…"
    vendor: str
    product: str


class ProductList(msgspec.Struct, frozen=True, kw_only=True):
    """What the user runs. Versions are not compared: a disclosure seldom states its range in a form to compare."""

    entries: dict[tuple[str, str], Owned]  # by (vendor, product)
    origin: str = ""  # the file
    problems: tuple[str, ...] = ()  # entries that could not be read; ten are told, the rest counted

    def find(self, vendor: str, product: str) -> Owned | None:
        """Return the entry that a product falls under, the most precise first; None: the user does not have it."""
        owner, _, name = canonical_product(vendor, product).partition("/")
        keys = ((owner, name), ("", name), ("", plain_name(product)), (owner, ""))
        return next((self.entries[key] for key in keys if key != ("", "") and key in self.entries), None)


def read_products(file: Path) -> ProductList:
    """Read a list of products; its content decides the format, and an entry that cannot be read is told.

    Formats: TOML with a list `products` (texts "vendor/product" or CPE names, or tables with `vendor` and `product`);
    CSV with a header that names `vendor` and `product`, or `cpe`; lines with a CPE 2.3 or 2.2 name, or
    "vendor/product". Lines that begin with `#` are comments.

    Raises:
        InputError: no entry could be read, or too many of them (RF273); too large (RF222); damaged (RF225).
        OutsideError: the file cannot be opened (RF501).
    """
    text = read_bounded(file, MAX_BYTES).decode("utf-8-sig", "replace")
    entries: dict[tuple[str, str], Owned] = {}
    problems: list[str] = []
    for written, owned in _entries(text, str(file)):
        if owned is None:
            problems.append(f"{written[:MAX_NAME]!r} names no product")
        elif len(entries) < MAX_PRODUCTS:
            entries.setdefault((owned.vendor, owned.product), owned)
        else:
            raise InputError(f"more than {MAX_PRODUCTS} products", where=str(file), hint="split it", code="RF273")
    if not entries:
        hint = "a line reads 'vendor/product' or 'cpe:2.3:a:vendor:product:*'"
        raise InputError("no product in this list", where=str(file), hint=hint, code="RF273")
    more = len(problems) - PROBLEMS_KEPT
    told = (*problems[:PROBLEMS_KEPT], *((f"and {more} more",) if more > 0 else ()))
    return ProductList(entries=entries, origin=str(file), problems=told)


def _entries(text: str, where: str) -> Iterator[tuple[str, Owned | None]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    first = lines[0].strip() if lines else ""
    if first.startswith("[") or first.replace(" ", "").startswith("products="):
        return _from_toml(text, where)
    names = [name.strip().strip('"').lower() for name in first.replace(";", ",").split(",")]
    if "product" in names or "cpe" in names:
        return _from_csv(lines, names, ";" if ";" in first else ",")
    return ((line.strip(), _named(line.strip())) for line in lines)


def _from_toml(text: str, where: str) -> Iterator[tuple[str, Owned | None]]:
    try:
        items = tomllib.loads(text).get("products")
    except (ValueError, RecursionError) as error:
        raise InputError(f"not TOML: {error}", where=where, hint="write products = [ … ]", code="RF273") from None
    for item in items if isinstance(items, list) else []:
        if isinstance(item, str):
            yield item, _named(item)
        elif isinstance(item, dict):
            vendor, product = str(item.get("vendor", "")), str(item.get("product", ""))
            cpe = item.get("cpe")
            yield str(item), _named(cpe) if isinstance(cpe, str) else _owned(f"{vendor}/{product}", vendor, product)
        else:
            yield str(item), None


def _from_csv(lines: Iterable[str], names: list[str], mark: str) -> Iterator[tuple[str, Owned | None]]:
    try:
        for row in csv.reader(io.StringIO("\n".join(list(lines)[1:])), delimiter=mark):
            cells = dict(zip(names, row, strict=False))
            vendor, product, cpe = (cells.get(key, "").strip() for key in ("vendor", "product", "cpe"))
            yield mark.join(row), _named(cpe) if cpe else _owned(f"{vendor}/{product}", vendor, product)
    except csv.Error as error:
        yield str(error), None


def _named(text: str) -> Owned | None:
    """Read "vendor/product", a CPE 2.3 name or a CPE 2.2 URI."""
    if text.lower().startswith("cpe:2.3:"):
        parts = split_cpe(text[:2_000])
    elif text.lower().startswith("cpe:/"):
        parts = ["cpe", "2.2", *map(unquote, text[5:2_000].split(":"))]
    else:
        vendor, slash, product = text.partition("/")
        return _owned(text, vendor if slash else "", product if slash else text)
    vendor, product = (*parts[3:5], "*", "*")[:2]
    return _owned(text, vendor, product)


def split_cpe(text: str) -> list[str]:
    """Split a CPE 2.3 name at its colons; a backslash takes the meaning from what follows it, and is removed."""
    parts, escaped = [""], False
    for letter in text:
        if letter == ":" and not escaped:
            parts.append("")
        elif letter == "\\" and not escaped:
            escaped = True
            continue
        else:
            parts[-1] += letter
        escaped = False
    return parts


def _owned(written: str, vendor: str, product: str) -> Owned | None:
    vendor, product = ("" if text.strip() in _ANY else text.strip()[:MAX_NAME] for text in (vendor, product))
    if not plain_name(vendor) and not plain_name(product):
        return None
    if not vendor or not product:
        return Owned(written[:MAX_NAME], plain_name(vendor), plain_name(product))
    owner, _, name = canonical_product(vendor, product).partition("/")
    return Owned(written[:MAX_NAME], owner, name)
