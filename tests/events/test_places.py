"""Places of a request: what each gives, what is unknown, and that no request makes one fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import UsageError
from ruleforge.events.places import FIELDS, HttpView
from ruleforge.events.reading import NOT_RECORDED, NOTHING, Reading
from ruleforge.events.request import Request


def view(target=b"/", **parts):
    return HttpView(Request(method=parts.pop("method", b"GET"), target=target, **parts))


def values(request_view, field, name=None):
    return [element.value for element in request_view.read(field, name).elements]


FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
TARGETS = [
    (b"/a%2fb;x/../c?q=1?2", b"/a%2fb;x/../c", b"/a/c", b"q=1?2"),
    (b"/a/..%2f..%5cetc//x/", b"/a/..%2f..%5cetc//x/", b"/etc/x/", None),
    (b"http://shop.example:80/a?b", b"/a", b"/a", b"b"),
    (b"http://shop.example?b", b"", b"/", b"b"),
    (b"//shop.example/a", b"//shop.example/a", b"/shop.example/a", None),
    (b"/go?u=http://x/", b"/go", b"/go", b"u=http://x/"),
    (b"/a#b?c#d", b"/a#b", b"/a#b", b"c#d"),
    (b"*", b"*", b"/*", None),
    (b"/?", b"/", b"/", b""),
    (b"", b"", b"/", None),
]


@pytest.mark.parametrize(("target", "raw", "path", "query"), TARGETS)
def test_a_target_is_split_as_a_server_does(target, raw, path, query):
    seen = view(target)
    assert values(seen, "path.raw") == [raw]
    assert values(seen, "path") == [path]
    assert values(seen, "query.raw") == ([] if query is None else [query])


def test_arguments_of_the_query_come_before_those_of_the_form_even_in_a_get():
    seen = view(b"/?a=%2531&b", headers=FORM, body=b"a=2+3&c=%26")
    assert values(seen, "args") == [b"%31", b"", b"2 3", b"&"]
    assert values(seen, "args", b"a") == [b"%31", b"2 3"]
    assert values(seen, "args.raw") == [b"%2531", b"", b"2+3", b"%26"]
    assert values(seen, "form_args", b"A") == []


def test_header_names_ignore_case_and_cookies_of_every_header_count():
    seen = view(headers=((b"X-A", b"1"), (b"x-a", b"2"), (b"Cookie", b"a=%31; b; ;c=x=y"), (b"COOKIE", b"a=2")))
    assert values(seen, "headers", b"X-a") == [b"1", b"2"]
    assert [element.name for element in seen.read("headers").elements] == [b"x-a", b"x-a", b"cookie", b"cookie"]
    assert [(c.name, c.value) for c in seen.read("cookies").elements] == [
        (b"a", b"%31"), (b"b", b""), (b"c", b"x=y"), (b"a", b"2"),
    ]  # fmt: skip


def test_a_missing_an_empty_and_an_unrecorded_body_differ():
    assert view().read("body") == NOTHING
    assert values(view(body=b""), "body") == [b""]
    assert view(unrecorded=frozenset({"body"})).read("body") == NOT_RECORDED


def test_an_unrecorded_body_leaves_its_places_unknown_and_the_query_known():
    seen = view(b"/?a=1", unrecorded=frozenset({"body"}))
    for field in ("body", "body.raw", "form_args", "json", "xml", "multipart"):
        assert seen.read(field) == NOT_RECORDED
    assert values(seen, "args") == [b"1"]
    assert seen.read("args").complete is False
    assert seen.read("args", b"zz") == NOT_RECORDED
    assert seen.read("query_args").complete is True


def test_unrecorded_headers_leave_cookies_unknown_and_the_first_byte_chooses_the_parser():
    seen = view(body=b'{"a":1}', unrecorded=frozenset({"headers"}))
    assert seen.read("headers") == seen.read("cookies") == seen.read("headers", b"host") == NOT_RECORDED
    assert values(seen, "json", b"/a") == [b"1"]


def test_of_recorded_headers_the_listed_are_decided_and_others_unknown():
    seen = view(headers=((b"Referer", b"r"),), recorded_headers=frozenset({b"referer", b"user-agent"}))
    assert seen.read("headers").complete is False
    assert seen.read("headers", b"Referer").complete is True
    assert seen.read("headers", b"user-agent") == NOTHING
    assert seen.read("headers", b"host") == seen.read("cookies") == NOT_RECORDED


def test_a_body_of_more_than_a_mebibyte_is_incomplete_in_every_view():
    seen = view(headers=FORM, body=b"a=1&b=" + b"x" * (1 << 20))
    for field in ("body", "body.raw", "form_args", "json", "args"):
        assert seen.read(field).complete is False
    assert values(seen, "args", b"a") == [b"1"]


def test_what_the_log_lacks_of_response_and_source_is_unknown():
    assert view().read("response.status") == view().read("source.address") == NOT_RECORDED
    assert values(view(status=404), "response.status") == [b"404"]
    assert values(view(source_address=b"198.51.100.7"), "source.address") == [b"198.51.100.7"]


def test_every_place_of_the_language_is_a_field_and_an_unknown_one_gets_a_hint():
    assert len(FIELDS) == 23
    assert {name for name, field in FIELDS.items() if field.kind == "named"} == {
        "query_args", "query_args.raw", "form_args", "form_args.raw", "args", "args.raw", "args.offsite", "json", "xml",
        "multipart", "headers", "cookies",
    }  # fmt: skip
    with pytest.raises(UsageError, match="did you mean 'path'"):
        view().read("paht")


def test_a_place_is_computed_once():
    seen = view(b"/?a=1")
    assert seen.read("args") is seen.read("args")
    assert seen.read("args", b"a") is seen.read("args", b"a")


SYNTAX = st.text(alphabet="%{}[]<>/&;=-\"'\\,:?#aB1+ \r\n").map(str.encode)
BYTES = st.binary(max_size=200) | SYNTAX
CONTENT_TYPES = st.sampled_from(
    [
        b"application/json",
        b"text/xml; charset=utf-16",
        b"multipart/form-data; boundary=a",
        FORM[0][1],
        b"a/b;charset=utf-7",
    ]
)
HEADERS = st.lists(
    st.tuples(BYTES, BYTES)
    | st.tuples(st.just(b"Content-Type"), CONTENT_TYPES | BYTES)
    | st.tuples(st.just(b"Content-Encoding"), st.sampled_from([b"gzip", b"deflate", b"br", b"gzip, deflate"]) | BYTES)
    | st.tuples(st.just(b"Transfer-Encoding"), st.just(b"chunked"))
    | st.tuples(st.just(b"Cookie"), BYTES),
    max_size=6,
).map(tuple)
GAPS = st.frozensets(st.sampled_from(["method", "target", "version", "headers", "body"]))


@given(BYTES, BYTES, HEADERS, st.none() | BYTES, GAPS, st.none() | st.frozensets(BYTES), BYTES)
def test_no_request_makes_a_place_fail_and_names_select_what_the_whole_holds(
    method, target, headers, body, gaps, recorded, name
):
    seen = HttpView(
        Request(method=method, target=target, headers=headers, body=body, unrecorded=gaps, recorded_headers=recorded)
    )
    for field in FIELDS:
        whole = seen.read(field)
        assert isinstance(whole, Reading)
        wanted = name.lower() if field == "headers" else name
        assert seen.read(field, name).elements == tuple(e for e in whole.elements if e.name == wanted)
        for element in whole.elements[:3]:
            assert element in seen.read(field, element.name).elements
