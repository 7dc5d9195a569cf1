"""What other engines are asked in the benchmarks: the same questions, or a counted refusal."""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from ruleforge.engine.reference import evaluate
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

ROOT = Path(__file__).resolve().parents[2]
HOST = (b"Host", b"shop.example")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


class Peers:
    """The modules of bench/peers, which nothing installed can import."""

    def __getattr__(self, name: str) -> ModuleType:
        return import_module(f"peers.{name}")


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        yield Peers()
    finally:
        sys.path.remove(str(ROOT / "bench"))


def rule(when: dict[str, Any], **classes: int) -> Rule:
    return parse_rule({"schema": 1, "id": "RF-CVE-2099-0001-1", "when": when, "classes": classes}).require()


def ask(field: str, op: str, value: object = None, **more: object) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **more}


PRESS = ask("path", "path_suffix", "/orchard/press.php")
RULES = (
    rule(PRESS),
    rule({"all": [PRESS, ask("args", "is_class", "sql_injection")]}, sql_injection=1),
    rule({"all": [PRESS, ask("headers", "absent", name="cookie"), ask("headers", "absent", name="authorization")]}),
    rule({"any": [ask("args", "equals", "plums", name="crate"), ask("path.raw", "contains", "/%2e%2e/cellar")]}),
    rule({"some": "args", "where": {"all": [ask("name", "in", ["a[0]", "b b"]), ask("value", "contains", "pear")]}}),
    rule({"all": [ask("method", "equals", "POST"), ask("body", "contains", 'say "plums"')]}),
    rule({"not": ask("path", "starts_with", "/orchard")}),
    rule(ask("json", "equals", "ripe", name="/fruit/state")),
    rule(ask("query.raw", "regex", r"(?i)crate=(?:fig|date)s?\z")),
)
REQUESTS = (
    Request(
        method=b"GET", target=b"/shop/orchard//x/../press.php?id=1%27%20UNION%20SELECT%201,2--%20-", headers=(HOST,)
    ),
    Request(method=b"GET", target=b"/orchard/press.php/?crate=plums", headers=(HOST, (b"Cookie", b"a=1"))),
    Request(method=b"GET", target=b"/a/%2e%2e/cellar?crate=Figs", headers=(HOST,)),
    Request(method=b"GET", target=b"/fruit?a%5B0%5D=a+pear&b+b=plum", headers=(HOST,)),
    Request(method=b"GET", target=b"/orchard/press.phpx", headers=(HOST,)),
    Request(
        method=b"POST",
        target=b"/stall",
        headers=(HOST, FORM, (b"Content-Length", b"24")),
        body=b'note=say "plums"&crate=x',
    ),
    Request(
        method=b"POST",
        target=b"/orchard/stall",
        headers=(HOST, (b"Content-Type", b"application/json"), (b"Content-Length", b"27")),
        body=b'{"fruit": {"state":"ripe"}}',
    ),
)


def reference() -> set[tuple[int, int]]:
    pairs = ((row, at) for row in range(len(REQUESTS)) for at in range(len(RULES)))
    return {(row, at) for row, at in pairs if evaluate(RULES[at], REQUESTS[row]) is True}


def missing(engine: str) -> NoReturn:
    """Skip where an engine of others is not there; fail where whoever runs the tests says that it is."""
    if engine in os.environ.get("RULEFORGE_TEST_ENGINES", "").split():
        pytest.fail(f"{engine} was to be installed and is not")
    pytest.skip(f"needs {engine}, a program of others that is never installed silently: bench/README.md says how")


def test_libmodsecurity_answers_as_the_reference_does(peers: Peers) -> None:
    try:
        ctypes.CDLL(peers.modsecurity.LIBRARY)
    except OSError:
        missing("libmodsecurity")
    converted = peers.seclang.convert(RULES)
    assert len(converted.rules) == len(RULES)
    measured = peers.modsecurity.measure(peers.modsecurity.ModSecurity(converted.text), REQUESTS)
    assert measured.pairs == reference()
    assert len(measured.pairs) >= len(RULES)


def test_suricata_answers_as_the_reference_does_where_it_can(peers: Peers, tmp_path: Path) -> None:
    program = shutil.which("suricata")
    if program is None:
        missing("suricata")
    converted = peers.suricata_rules.convert(RULES)
    assert sum(converted.refused.values()) + len(converted.rules) == len(RULES)
    peers.capture.write_capture(REQUESTS, tmp_path / "a.pcap")
    run = peers.suricata.measure(program, converted.text, tmp_path / "a.pcap", len(REQUESTS))
    assert run.complaints == 0
    assert run.pairs == {(row, at) for row, at in reference() if at in converted.rules}
    assert len(run.pairs) >= len(converted.rules)


def test_what_secrules_cannot_say_is_counted_by_reason(peers: Peers) -> None:
    rules = (
        rule({"not": ask("args", "equals", "plums", name="crate")}),
        rule(ask("xml", "equals", "plums", name="/crate/fruit")),
        rule(ask("json", "equals", "ripe", name="/fruit/0/state")),
        rule(ask("args", "int_gt", 5, name="crate")),
        rule(PRESS),
    )
    converted = peers.seclang.convert(rules)
    assert converted.rules == {4}
    assert converted.refused == {
        "not, of a place with many values": 1,
        "elements of xml by name": 1,
        "json: elements of lists": 1,
        "operator int_gt": 1,
    }


def test_an_alternative_holds_exactly_where_the_rule_does(peers: Peers) -> None:
    tree = RULES[3].when
    assert len(peers.conjunctions.alternatives(tree)) == 2
    either = {"any": [ask("method", "equals", name) for name in ("GET", "POST", "PUT")]}
    assert len(peers.conjunctions.alternatives(rule({"all": [either, either]}).when)) == 9
    with pytest.raises(peers.conjunctions.CannotError, match="too many"):
        peers.conjunctions.alternatives(rule({"all": [either, either, either]}).when)


def test_a_capture_holds_the_requests(peers: Peers, tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    long = Request(
        method=b"POST", target=b"/stall", headers=(HOST, (b"Content-Length", b"5000")), body=b"plum " * 1_000
    )
    requests = (*REQUESTS, long)
    packets = peers.capture.write_capture(requests, file)
    assert packets > 7 * len(requests)
    read = [item for item in read_requests(file) if isinstance(item, Request)]
    assert [(item.method, item.target, item.body) for item in read] == [
        (request.method, request.target, request.body) for request in requests
    ]
