"""Which payload classes an advisory speaks of."""

import re
from collections import Counter
from pathlib import Path

import pytest

from ruleforge.cases.anatomy import SPECIFICITY
from ruleforge.cases.weaknesses import CWE_CLASSES, TAG_CLASSES, WORD_CLASSES, classes_in_words, expected_classes
from ruleforge.ingest.roles import STRONG
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import CLASSES


def spoken(**facts: object) -> tuple[str, ...]:
    return expected_classes(Advisory(id="CVE-2099-1000", sources=("a.yaml",), **facts))  # type: ignore[arg-type]


def test_every_table_names_classes_that_exist() -> None:
    named = {name for table in (CWE_CLASSES, TAG_CLASSES) for classes in table.values() for name in classes}
    named |= {name for _, classes in WORD_CLASSES for name in classes} | STRONG
    assert named <= set(CLASSES)


def test_every_class_has_its_place_in_the_order_of_how_telling_it_is() -> None:
    assert sorted(SPECIFICITY) == sorted(CLASSES)


@pytest.mark.parametrize(
    ("cwe", "first"),
    [
        ("CWE-22", "traversal"),
        ("CWE-29", "traversal"),
        ("cwe-89", "sql_injection"),
        ("CWE-87", "xss"),
        ("CWE-90", "ldap_injection"),
        ("CWE-943", "nosql_injection"),
        ("CWE-643", "xpath_injection"),
        ("CWE-1321", "prototype_pollution"),
        ("CWE-347", "jwt_none"),
        ("CWE-288", "path_bypass"),
        ("CWE-444", "crlf_injection"),
        ("CWE-74", "sql_injection"),
    ],
)
def test_a_weakness_says_which_payload_to_expect(cwe: str, first: str) -> None:
    assert spoken(cwes=(cwe,))[0] == first


def test_a_consequence_says_nothing_of_a_payload() -> None:
    assert spoken(cwes=("CWE-200", "CWE-287", "CWE-862")) == ()


def test_words_are_asked_only_where_neither_weakness_nor_tag_says_anything() -> None:
    assert spoken(title="Lantern Desk before 3.1: SQL injection in the search") == ("sql_injection",)
    assert spoken(title="Lantern Desk: SQL injection", cwes=("CWE-79",)) == ("xss",)
    assert spoken(title="Lantern Desk: SQL injection", tags=("xxe",)) == ("xxe",)
    assert spoken(title="Lantern Desk", cwes=("CWE-200",), description="An open redirect.") == ("url_value",)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Reflected cross-site scripting", "xss"),
        ("unauthenticated path traversal", "traversal"),
        ("Arbitrary file read in the viewer", "traversal"),
        ("blind SSRF", "url_value"),
        ("insecure deserialization of cookies", "serialized_object"),
        ("remote code execution", "command_injection"),
        ("XML external entity injection", "xxe"),
        ("CRLF in a header", "crlf_injection"),
        ("unrestricted file upload", "upload_name"),
    ],
)
def test_a_text_that_names_an_attack_names_its_class(text: str, first: str) -> None:
    assert classes_in_words(text)[0] == first


@pytest.mark.parametrize("text", ["", "improper access control", "a model with excellent coverage", "information leak"])
def test_a_text_that_names_no_attack_names_no_class(text: str) -> None:
    assert classes_in_words(text) == ()


@pytest.mark.corpus
def test_the_weaknesses_of_the_templates_are_known_or_left_out_on_purpose(corpus: Path) -> None:
    found: Counter[str] = Counter()
    for file in (corpus / "nuclei-templates/http/cves").rglob("*.yaml"):
        found.update(set(re.findall(r"cwe-id:.*?(CWE-\d+)", file.read_text("utf-8", "replace"))))
    payloads = {"79", "22", "89", "78", "601", "918", "94", "434", "502", "77", "611", "74", "552", "917", "23", "29"}
    assert {f"CWE-{number}" for number in payloads} <= set(found) & set(CWE_CLASSES)
    known = sum(count for cwe, count in found.items() if cwe in CWE_CLASSES)
    assert known / found.total() > 0.8
