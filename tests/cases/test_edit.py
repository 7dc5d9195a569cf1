"""Editing: the edited place reads as the new value and every other place as before."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ruleforge.cases.anatomy import Part
from ruleforge.cases.bodies import json_leaves, json_members, json_text
from ruleforge.cases.edit import (
    add_argument,
    encode_argument,
    encode_fully,
    plain_body,
    target_of,
    with_filename,
    with_name,
    with_path,
    with_value,
)
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request

MULTIPART = (
    '--cutHere\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--cutHere\r\n'
    'Content-Disposition: form-data; name="picture"; filename="cat.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n'
    "--cutHere--\r\n"
)
FORM = ["Content-Type", "application/x-www-form-urlencoded"]
SAMPLES: dict[str, dict[str, Any]] = {
    "query_args": {"target": "/jam?a=1&b=%41%2b+c&&d&b=x%"},
    "form_args": {"target": "/jam?a=1", "body": "a=1&b=%41%2b+c&&d&b=x%", "headers": [FORM]},
    "json": {"target": "/jam", "body": '{ "a":"x\\u0041","b" : [1, true, {"c/d": "e"}],"a":null}'},
    "multipart": {
        "target": "/jam",
        "body": MULTIPART,
        "headers": [["Content-Type", "multipart/form-data; boundary=cutHere"]],
    },
    "xml": {"target": "/jam", "body": '<?xml version="1.0"?><a x="one"><b>two &amp; </b><c><![CDATA[three]]></c></a>'},
    "headers": {"target": "/jam?a=1", "headers": [["X-A", "one"], ["x-a", "two"]]},
    "cookies": {"target": "/jam?a=1", "headers": [["Cookie", "a=1;b=two; c"], ["Cookie", "d=4"]]},
    "body": {"target": "/jam", "body": "just text"},
}
PLACES = ("query_args", "form_args", "json", "multipart", "xml", "headers", "cookies")


def places_of(request: Request) -> dict[str, list[tuple[bytes, bytes, bytes | None]]]:
    view = HttpView(request)
    return {
        place: [
            (one.name, one.value, one.filename)
            for one in view.read(place).elements
            if (place, one.name) not in (("headers", b"content-length"), ("headers", b"cookie"))
        ]
        for place in PLACES
    }


def parts_of(request: Request, place: str) -> list[Part]:
    elements = HttpView(request).read(place).elements
    return [Part(place, one.name, one.value, filename=one.filename) for one in elements]


def length_is_right(request: Request) -> bool:
    lengths = [int(value) for name, value in request.headers if name.lower() == b"content-length"]
    return all(length == len(request.body or b"") for length in lengths)


def first_difference(before: list[Any], after: list[Any]) -> list[int]:
    return [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]


@pytest.mark.parametrize("place", ["query_args", "form_args", "json", "multipart"])
@given(value=st.binary(max_size=30), number=st.integers(0, 10))
def test_any_bytes_can_be_put_in_arguments_and_parts(make_request: Any, place: str, value: bytes, number: int) -> None:
    request = make_request(SAMPLES[place])
    parts = parts_of(request, place)
    part = parts[number % len(parts)]
    made = with_value(request, part, value)
    assert made is not None
    before, after = places_of(request), places_of(made)
    changed = first_difference(before[place], after[place])
    assert changed == ([] if value == part.value else [parts.index(part)])
    assert after[place][parts.index(part)] == (part.name, value, part.filename)
    assert {name: found for name, found in before.items() if name != place} == {
        name: found for name, found in after.items() if name != place
    }
    assert length_is_right(made)


@pytest.mark.parametrize("place", ["headers", "cookies", "xml"])
@given(value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20), number=st.integers(0, 10))
def test_text_can_be_put_where_the_place_can_hold_it(make_request: Any, place: str, value: str, number: int) -> None:
    request, text = make_request(SAMPLES[place]), value.encode()
    parts = [part for part in parts_of(request, place) if part.name not in (b"cookie", b"content-length")]
    part = parts[number % len(parts)]
    made = with_value(request, part, text)
    if made is None:
        assert text != text.strip() or (place == "cookies" and b";" in text) or (place == "xml" and b"]]>" in text)
        return
    before, after = places_of(request), places_of(made)
    assert after[place].count((part.name, text, None)) >= 1
    assert len(first_difference(before[place], after[place])) <= 1
    assert all(before[name] == after[name] for name in PLACES if name != place)
    assert length_is_right(made)


def test_all_other_bytes_stay_as_they_were_sent(make_request: Any) -> None:
    request = make_request(SAMPLES["query_args"])
    made = with_value(request, Part("query_args", b"b", b"A+ c"), b"p&q=r+ \xff")
    assert made is not None
    assert made.target == b"/jam?a=1&b=p%26q=r%2B%20%FF&&d&b=x%"
    made = with_value(make_request(SAMPLES["json"]), Part("json", b"/b/2/c~1d", b"e"), b'say "hi"')
    assert made is not None
    assert made.body == b'{ "a":"x\\u0041","b" : [1, true, {"c/d": "say \\"hi\\""}],"a":null}'


def test_numbers_stay_numbers_in_json(make_request: Any) -> None:
    request = make_request(SAMPLES["json"])
    bare, text = (with_value(request, Part("json", b"/b/0", b"1"), value) for value in (b"27", b"27a"))
    assert bare is not None
    assert text is not None
    assert b"[27, true" in (bare.body or b"")
    assert b'["27a", true' in (text.body or b"")


NAMED = [
    ("query_args", b"a", b"1"),
    ("form_args", b"a", b"1"),
    ("cookies", b"b", b"two"),
    ("headers", b"x-a", b"two"),
    ("multipart", b"note", b"hello"),
]


@pytest.mark.parametrize(("place", "name", "value"), NAMED)
def test_a_name_is_replaced_and_its_value_stays(make_request: Any, place: str, name: bytes, value: bytes) -> None:
    request = make_request(SAMPLES[place])
    made = with_name(request, Part(place, name, value), b"plum")
    assert made is not None
    assert (b"plum", value) in [(one.name, one.value) for one in HttpView(made).read(place).elements]
    assert len(HttpView(made).read(place).elements) == len(HttpView(request).read(place).elements)


def test_a_json_key_is_replaced(make_request: Any) -> None:
    made = with_name(make_request(SAMPLES["json"]), Part("json", b"/b/2/c~1d", b"e"), b"f")
    assert made is not None
    assert (b"/b/2/f", b"e") in [(one.name, one.value) for one in HttpView(made).read("json").elements]


def test_a_file_name_is_replaced_with_its_quotes(make_request: Any) -> None:
    request = make_request(SAMPLES["multipart"])
    made = with_filename(request, Part("multipart", b"picture", b"PNG", filename=b"cat.png"), b'a"b\\.txt')
    assert made is not None
    assert [one.filename for one in HttpView(made).read("multipart").elements] == [None, b'a"b\\.txt']
    assert with_filename(request, Part("multipart", b"note", b"hello"), b"x") is None


REFUSED = [
    ("headers", b"x-a", b"one", b"a\r\nb"),
    ("cookies", b"a", b"1", b"x;y"),
    ("multipart", b"note", b"hello", b"--cutHere"),
    ("query_args", b"gone", b"1", b"x"),
    ("json", b"/gone", b"1", b"x"),
    ("xml", b"/a/b", b"gone", b"x"),
]


@pytest.mark.parametrize(("place", "name", "old", "new"), REFUSED)
def test_what_a_place_cannot_hold_is_refused(
    make_request: Any, place: str, name: bytes, old: bytes, new: bytes
) -> None:
    assert with_value(make_request(SAMPLES[place]), Part(place, name, old), new) is None


def test_a_compressed_body_is_not_edited() -> None:
    headers = ((b"Content-Type", FORM[1].encode()), (b"Content-Encoding", b"gzip"))
    request = Request(method=b"POST", target=b"/", headers=headers, body=gzip.compress(b"a=1&b=2", mtime=0))
    assert [one.value for one in HttpView(request).read("form_args").elements] == [b"1", b"2"]
    assert plain_body(request) is None
    assert with_value(request, Part("form_args", b"a", b"1"), b"2") is None


def test_a_large_body_is_not_edited() -> None:
    small, large = (Request(method=b"POST", target=b"/", body=b"a=" + b"x" * length) for length in (100, 200_000))
    assert plain_body(small) is not None
    assert plain_body(large) is None


def test_a_whole_body_is_replaced_with_its_length(make_request: Any) -> None:
    made = with_value(make_request(SAMPLES["body"]), Part("body", b"", b"just text"), b"other")
    assert made is not None
    assert made.body == b"other"
    assert length_is_right(made)


@given(st.binary(max_size=40))
def test_both_encodings_of_an_argument_read_back(value: bytes) -> None:
    for coded in (encode_argument(value), encode_fully(value)):
        request = Request(method=b"GET", target=b"/?a=" + coded)
        assert [one.value for one in HttpView(request).read("query_args").elements] == [value]


@pytest.mark.parametrize("target", [b"/a/b?c=d", b"/a", b"http://h.example/a?b", b"*", b"", b"/?", b"//a"])
def test_a_target_is_cut_and_joined_without_loss(target: bytes) -> None:
    request = Request(method=b"GET", target=target)
    assert target_of(request).join() == target
    assert with_path(request, target_of(request).path) == request


def test_an_argument_is_added_at_either_end(make_request: Any) -> None:
    request = make_request({"target": "/jam?a=1"})
    assert add_argument(request, "query_args", b"z=2").target == b"/jam?a=1&z=2"
    assert add_argument(request, "query_args", b"z=2", first=True).target == b"/jam?z=2&a=1"
    assert add_argument(make_request({"target": "/jam"}), "query_args", b"z=2").target == b"/jam?z=2"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.booleans())
def test_the_leaves_of_json_are_those_that_rules_read(document: Any, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    assume(body[:1] in (b"{", b"["))
    request = Request(method=b"POST", target=b"/", body=body)
    read = [(one.name, one.value) for one in HttpView(request).read("json").elements]
    assert [(leaf.pointer, json_text(body[leaf.start : leaf.end])) for leaf in json_leaves(body)] == read
    assert len(json_members(body)) == (len(document) if isinstance(document, dict) else 0)
