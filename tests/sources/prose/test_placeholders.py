"""Placeholders become payloads of their kind or stand-ins; what only looks like one stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.rules.classes import classes_of
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.prose.placeholders import PAYLOADS, Filler


def filler(*kinds: str) -> Filler:
    return Filler(kinds, Standins())


@pytest.mark.parametrize(
    ("place", "payload_class"),
    [
        ("[SQL]", "sql_injection"),
        ("[SQLi]", "sql_injection"),
        ("<SQL Injection>", "sql_injection"),
        ("%5BSQL%5D", "sql_injection"),
        ("1[sql inject here]", "sql_injection"),
        ("[XSS]", "xss"),
        ("[LFI]", "traversal"),
        ("[LFI BY SOMEONE]", "traversal"),
        ("[cmd]", "command_injection"),
        ("[shell.txt?]", "url_value"),
        ("[RFI]", "url_value"),
        ("{{SSTI}}", "template_injection"),
    ],
)
def test_a_payload_takes_the_place_that_asks_for_one(place: str, payload_class: str) -> None:
    filled = filler().fill(f"/a.php?b={place}", "url")
    assert filled.payload
    assert payload_class in classes_of(filled.text.partition("=")[2].encode())
    assert filled.notes


def test_a_payload_of_no_kind_is_of_the_kind_that_the_document_is_about() -> None:
    filled = filler("lfi").fill("/a?b=[payload]", "url")
    assert "../" in filled.text


@pytest.mark.parametrize(
    "text",
    ["/a?b=[token]", "/a?b=<session id>", "/a?b={id}", "/a?b={{token}}", "X-Key: your-api-key", "http://ATTACKER_IP/x"],
)
def test_anything_else_is_a_stand_in(text: str) -> None:
    filled = filler().fill(text, "url")
    assert not filled.payload
    assert len(filled.marks) == 1
    assert filled.marks[0] in filled.text


@pytest.mark.parametrize(
    "text",
    [
        "/a?list[]=1",
        "/a?list[0]=1",
        "/a?user[name]=x",
        "/a?b=<script>alert(1)</script>",
        "/a?b=${7*7}",
        "/a?b={{7*7}}",
        "/a?b=%{x}",
        "/a?b=[1,2]",
        "/a?b=<img src=x>",
        "/a/[/b",
    ],
)
def test_what_only_looks_like_a_placeholder_stays(text: str) -> None:
    assert filler().fill(text, "url").text == text


@pytest.mark.parametrize("body", ['{"a": {"b": 1}}', "<a><b>c</b></a>", '["x"]', "<?xml version='1.0'?><r/>"])
def test_bodies_in_json_and_xml_stay(body: str) -> None:
    assert filler("sqli").fill(body, "json" if body[0] in "{[" else "body").text == body


def test_the_same_placeholder_gets_the_same_stand_in() -> None:
    one = filler()
    assert one.fill("/a?b=[token]", "url").marks == one.fill("c=[token]", "body").marks


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/[path]/a.php", "/a.php"),
        ("/[PATH]/a/b", "/a/b"),
        ("//{path}/a", "/a"),
        ("/path/a.php", "/a.php"),
        ("/<app_path>/a", "/a"),
        ("/%5Bpath%5D/a.php", "/a.php"),
        ("/[host]/[path]/a", "/a"),
        ("/paths/a", "/paths/a"),
        ("/a/[path]/b", "/a/[path]/b"),
        ("/[LFI]/a", "/[LFI]/a"),
        ("/path", "/path"),
    ],
)
def test_the_folder_of_the_product_is_left_out(path: str, rest: str) -> None:
    assert filler("lfi").without_root(path) == rest


@pytest.mark.parametrize("kind", PAYLOADS)
def test_payloads_in_a_url_hold_nothing_that_a_client_would_not_send(kind: str) -> None:
    text = filler(kind).fill("/a?b=[payload]", "url").text
    assert not set(text) & set(' "<>#\\')


@given(st.text("[]<>{}%5BDabSQLXpath =&/'\"\\-_.", max_size=80), st.sampled_from(["url", "json", "body", "header"]))
def test_any_text_is_filled_and_marks_are_in_it(text: str, quote: str) -> None:
    filled = filler("sqli").fill(text, quote)
    assert all(mark in filled.text for mark in filled.marks)
