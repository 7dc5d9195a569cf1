"""Parsers of a body: which one reads it, what it finds, and where it stops."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.bodies import parse_body
from ruleforge.events.bodies.bounds import MAX_DEPTH, MAX_VALUES
from ruleforge.events.bodies.form import parse_arguments
from ruleforge.events.bodies.json_leaves import parse_json
from ruleforge.events.bodies.multipart import parse_multipart
from ruleforge.events.bodies.xml_leaves import parse_xml
from ruleforge.events.reading import Element, Reading

FORM, JSON, XML = b"application/x-www-form-urlencoded", b"application/json", b"text/xml"


def pairs(reading):
    return [(element.name, element.value) for element in reading.elements]


def filled(body):
    return {kind for kind in ("form", "json", "xml", "multipart") if getattr(body, kind).elements}


@pytest.mark.parametrize(
    ("body", "content_type", "kinds"),
    [
        (b"a=1", FORM, {"form"}),
        (b"a=1", b"", {"form"}),
        (b"a=1", b"text/plain", {"form"}),
        (b"a=1", JSON, {"form"}),
        (b'{"a":1}', FORM, {"form", "json"}),
        (b"<a>1</a>", FORM, {"form", "xml"}),
        (b"[1]", FORM, {"form"}),
        (b'\xef\xbb\xbf {"a":1}', b"", {"json"}),
        (b'{"a":1}', b"application/vnd.shop+json; charset=utf-8", {"json"}),
        (b'{"a":1}', XML, {"json"}),
        (b"<a>1</a>", JSON, {"xml"}),
        (b"<a>1</a>", b"application/soap+xml", {"xml"}),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--', b"", {"multipart"}),
        (b'--b\r\nContent-Disposition: x; name="a"\r\n\r\n1\r\n--b--', b"multipart/x; boundary=x", {"multipart"}),
        (b"{broken", JSON, set()),
        (b"", FORM, set()),
    ],
)  # fmt: skip
def test_the_declared_type_and_then_the_first_byte_choose_the_parser(body, content_type, kinds):
    assert filled(parse_body(body, content_type)) == kinds


def test_a_body_that_was_cut_off_leaves_every_place_incomplete():
    body = parse_body(b"a=1&b=2", FORM, complete=False)
    assert pairs(body.form) == [(b"a", b"1"), (b"b", b"2")]
    assert not any(reading.complete for reading in (body.form, body.form_raw, body.json, body.xml, body.multipart))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"x&x=", [(b"x", b""), (b"x", b"")]),
        (b"a&&b=1=2&", [(b"a", b""), (b"b", b"1=2")]),
        (b"=v&a;b=1", [(b"", b"v"), (b"a;b", b"1")]),
        (b"a+b=%2B%26+%zz", [(b"a b", b"+& %zz")]),
        (b"", []),
    ],
)
def test_arguments_are_split_before_they_are_decoded(text, expected):
    assert pairs(parse_arguments(text)) == expected


def test_json_scalars_keep_their_source_text_and_duplicates():
    body = b'{"a":1.50,"a":-0,"b":[true,null,1e400],"c/~":"\\u00e9\\n","d":{},"e":[],"big":' + b"9" * 5000 + b"}"
    assert pairs(parse_json(body)) == [
        (b"/a", b"1.50"), (b"/a", b"-0"), (b"/b/0", b"true"), (b"/b/1", b"null"), (b"/b/2", b"1e400"),
        (b"/c~1~0", b"\xc3\xa9\n"), (b"/big", b"9" * 5000),
    ]  # fmt: skip


def test_json_keeps_bytes_that_are_no_utf8_and_lone_surrogates():
    assert pairs(parse_json(b'["\xff\xe9", "\\ud800x"]')) == [(b"/0", b"\xff\xe9"), (b"/1", b"\xed\xa0\x80x")]


@pytest.mark.parametrize("body", [b"[NaN]", b"[Infinity]", b"[-Infinity]", b"{'a':1}", b"[1,]", b"[1] x", b"\x00"])
def test_what_is_no_json_fails(body):
    assert parse_json(body) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_every_json_leaf_is_found_where_its_pointer_says(document):
    for name, value in pairs(parse_json(json.dumps(document).encode())):
        node = document
        for step in name.decode("utf-8", "surrogatepass").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            node = node[int(step)] if isinstance(node, list) else node[step]
        words = {None: b"null", True: b"true", False: b"false"}
        expected = node.encode("utf-8", "surrogatepass") if isinstance(node, str) else words[node]
        assert value == expected


def test_json_beyond_the_depth_is_left_out_and_the_rest_is_read():
    deep = b"[" * MAX_DEPTH + b'"]["' + b"]" * MAX_DEPTH
    reading = parse_json(b'{"a":1,"x":' + deep + b',"z":2}')
    assert pairs(reading) == [(b"/a", b"1"), (b"/z", b"2")]
    assert reading.complete is False
    assert parse_json(b"[" * MAX_DEPTH + b"7" + b"]" * MAX_DEPTH).complete is True


XML_BODY = b"""<?xml version="1.0" encoding="utf-8"?>
<s:a x="1">
  <b>t&lt;&#x41;</b><b y='2'/>
</s:a>"""


def test_xml_gives_attributes_and_trimmed_texts_by_path():
    assert pairs(parse_xml(XML_BODY)) == [
        (b"/s:a/@x", b"1"), (b"/s:a/b", b"t<A"), (b"/s:a/b/@y", b"2"), (b"/s:a/b", b""),
    ]  # fmt: skip


def test_xml_entities_are_neither_expanded_nor_fetched_and_other_values_are_read():
    body = b"""<!-- first --><!DOCTYPE a [<!ENTITY e "BOOM"><!ENTITY f SYSTEM "file:///etc/hostname"> <!-- ]> --> ]>
    <a k="v&e;w"><b>x&e;y</b><c>&f;</c><d>z</d></a>"""
    assert pairs(parse_xml(body)) == [(b"/a/@k", b"vw"), (b"/a/b", b"x&e;y"), (b"/a/c", b"&f;"), (b"/a/d", b"z")]


def test_xml_entity_bombs_cost_nothing():
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 40))
    body = f'<!DOCTYPE a [<!ENTITY e0 "BOOM">{lines}]><a k="&e39;">&e39;</a>'.encode()
    start = time.process_time()
    assert b"BOOM" not in b"".join(value for _, value in pairs(parse_xml(body)))
    assert time.process_time() - start < 2


def test_an_entity_declaration_that_survives_the_cut_is_refused():
    body = b"<!DOCTYPE a [<!ELEMENT a ANY><!ENTITY e 'x'> %p; ' ]><a>&e;</a>"
    reading = parse_xml(body)
    assert reading is None or not reading.complete


def test_xml_keeps_bytes_that_are_no_utf8():
    assert pairs(parse_xml(b"<a>\xff\xe9</a>")) == [(b"/a", b"\xff\xe9")]


@pytest.mark.parametrize("body", [b"<a>", b"<a></b>", b"text", b"<a/><b/>", b"<a>\0</a>"])
def test_what_is_not_well_formed_fails(body):
    assert parse_xml(body) is None


def test_parts_are_read_with_lf_line_ends_and_without_a_last_boundary():
    body = (
        b"preamble\n--B\nContent-Disposition: form-data; name=plain\n\none\n"
        b'--B \nContent-Type: image/png\nContent-Disposition: x;\n name="f"; filename="a \\"b\\".php"\n\n<?\n\n?>'
    )
    assert parse_multipart(body, b"B").elements == (
        Element(b"one", b"plain"),
        Element(b"<?\n\n?>", b"f", b'a "b".php', b"image/png"),
    )


def test_a_part_with_two_file_names_is_given_once_for_each():
    names = b"filename=a.txt; filename*=UTF-8''b%2ephp"
    body = b"--B\r\nContent-Disposition: form-data; name=f; " + names + b"\r\n\r\nv\r\n--B--\r\nx"
    assert [(e.filename, e.value) for e in parse_multipart(body, b"B").elements] == [(b"a.txt", b"v"), (b"b.php", b"v")]


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"--B--", []),
        (b"--B\r\n\r\nv\r\n--B--", [b"v"]),
        (b"--B\r\n--B\r\n\r\nv", [b"", b"v"]),
        (b"--B\r\nno blank", [b""]),
    ],
)
def test_odd_parts_are_read_too(body, values):
    assert [element.value for element in parse_multipart(body, b"B").elements] == values


def test_a_boundary_that_does_not_occur_fails():
    assert parse_multipart(b"a--B\r\n--Bx\r\n", b"B") is None
    assert parse_multipart(b"--\r\n", b"") is None


PART = b"--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
MANY = {
    "form": (b"a=1&" * 100_000, FORM),
    "json": (b"[" + b"1," * 100_000 + b"1]", JSON),
    "xml": (b"<a>" + b"<b/>" * 100_000 + b"</a>", XML),
    "multipart": (PART * 20_000, b"multipart/form-data; boundary=B"),
}


@pytest.mark.parametrize("kind", MANY)
def test_a_hundred_thousand_values_stop_at_the_bound(kind):
    reading = getattr(parse_body(*MANY[kind]), kind)
    assert len(reading.elements) == MAX_VALUES
    assert reading.complete is False


HOSTILE = {
    "brackets": (b"[" * (1 << 20), JSON),
    "objects": (b'{"a":' * 200_000, JSON),
    "escaped quotes": (b"[" * 70 + b'\\"' * 500_000, JSON),
    "long keys": (b'{"' + b"k" * 4000 + b'":[' + b"[]," * 300_000 + b"[]]}", JSON),
    "elements": (b"<a>" * 300_000, XML),
    "long tag": (b"<" + b"a" * 500_000 + b">" + b"<b/>" * 100_000, XML),
    "attributes": (b"<a " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>", XML),
    "doctype": (b"<!DOCTYPE a [" + b"<!--" * 200_000, XML),
    "comments": (b"<!--" + b"-" * 1_000_000, XML),
    "references": (b"<!DOCTYPE a [<!ENTITY e '" + b"x" * 100_000 + b"'>]><a k='" + b"&e;" * 200_000 + b"'/>", XML),
    "boundaries": (b"--B" * 300_000, b"multipart/form-data; boundary=B"),
    "parameters": (b"--B\nContent-Disposition: x" + b"; " * 400_000, b"multipart/form-data; boundary=B"),
    "open quote": (b"--B\nContent-Disposition: x" + b';a="' * 200_000, b"multipart/form-data; boundary=B"),
    "ampersands": (b"&" * (1 << 20), FORM),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_mebibyte_of_hostile_text_is_parsed_in_linear_time(kind):
    start = time.process_time()
    parse_body(*HOSTILE[kind])
    assert time.process_time() - start < 5  # quadratic would be minutes


SYNTAX = st.text(alphabet='{}[]<>/&;=-"\\,:aB!?\r\n').map(str.encode)
DECLARED = st.sampled_from([b"", FORM, JSON, XML, b"multipart/x; boundary=B"])


@given(st.binary() | SYNTAX, DECLARED)
def test_no_body_makes_a_parser_fail(body, content_type):
    parsed = parse_body(body, content_type)
    assert all(isinstance(getattr(parsed, kind), Reading) for kind in parsed.__struct_fields__)


def test_a_cut_multipart_body_ends_before_what_may_be_a_delimiter():
    head = b"--B\r\nContent-Disposition: form-data; name=f\r\n\r\n"
    for tail in (b"", b"\r", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--B", b"\r\n--B-"):
        (element,) = parse_multipart(head + b"value" + tail, b"B", cut=True).elements
        assert (element.value, element.cut) == (b"value", True)
    (element,) = parse_multipart(head + b"value\r\n--x", b"B", cut=True).elements
    assert element.value == b"value\r\n--x"
    (element,) = parse_multipart(head + b"value\r\n--B--\r\n", b"B", cut=True).elements
    assert element.cut is False
