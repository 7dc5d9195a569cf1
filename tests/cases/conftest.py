"""Requests of our own for the tests of cases."""

from collections.abc import Callable
from typing import Any

import pytest

from ruleforge.cases.anatomy import Anatomy, dissect
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.tree import Product


def request_of(data: dict[str, Any]) -> Request:
    """A request from plain data; Content-Length is added to a body."""
    body = data.get("body")
    raw = None if body is None else body.encode()
    headers = [("Host", data.get("host", "shop.example.org")), *[tuple(pair) for pair in data.get("headers", ())]]
    if raw is not None:
        headers.append(("Content-Length", str(len(raw))))
    return Request(
        method=data.get("method", "GET" if body is None else "POST").encode(),
        target=data.get("target", "/").encode(),
        headers=tuple((name.encode(), value.encode()) for name, value in headers),
        body=raw,
        id="t",
    )


def anatomy_of(data: dict[str, Any]) -> Anatomy:
    """The anatomy of a request given as plain data."""
    standins = tuple(mark.encode() for mark in data.get("standins", ()))
    return dissect(PocRequest(request=request_of(data), role="exploit", standins=standins))


def advisory_of(data: dict[str, Any]) -> Advisory:
    """An advisory that speaks of the given weaknesses."""
    products = tuple(Product("acme", name) for name in data.get("products", ()))
    return Advisory(id="T-1", sources=("t",), cwes=tuple(data.get("cwes", ())), tags=(), products=products)


@pytest.fixture(scope="session")
def make_request() -> Callable[[dict[str, Any]], Request]:
    """Make a request from plain data."""
    return request_of


@pytest.fixture(scope="session")
def make_anatomy() -> Callable[[dict[str, Any]], Anatomy]:
    """Make the anatomy of a request from plain data."""
    return anatomy_of


@pytest.fixture(scope="session")
def make_advisory() -> Callable[[dict[str, Any]], Advisory]:
    """Make an advisory from plain data."""
    return advisory_of
