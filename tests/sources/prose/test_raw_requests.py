"""A written request ends where its body ends, not where the document does."""

import time

import pytest

from ruleforge.sources.prose.chunks import Chunk, cut_in_chunks
from ruleforge.sources.prose.drafts import Draft
from ruleforge.sources.prose.raw_requests import MAX_REQUESTS, read_fragments, read_raw

HEAD = "POST /a HTTP/1.1\nHost: x\n"


def read(text: str, *, fenced: bool = False) -> list[Draft]:
    return list(read_raw(Chunk(tuple(text.split("\n")), 1, fenced=fenced)).drafts)


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        ("Content-Length: 3\n\na=1\n\nmore", "a=1"),
        ("Content-Length: 999\n\na=1\n\nmore", "a=1"),
        ('Content-Type: application/json\n\n{\n\n "a": "}"\n}\nmore', '{\n\n "a": "}"\n}'),
        ("\n<a>\n\n<b/>\n</a>\n\nmore", "<a>\n\n<b/>\n</a>"),
        ("\na=1\n--------\nmore", "a=1"),
        ("\na=1\nHTTP/1.1 200 OK\nServer: y", "a=1"),
        ("a=1&b=2\n\nmore", "a=1&b=2"),
        ("Content-Length: 0\n\nmore", None),
        ("Content-Type: application/x-www-form-urlencoded\n\naaaa=1&\nb=2\n\nmore", "aaaa=1&b=2"),
    ],
)
def test_a_body_in_running_text_ends(rest: str, body: str | None) -> None:
    (draft,) = read(HEAD + rest)
    assert draft.body == body


def test_a_body_in_a_fence_is_all_that_follows() -> None:
    (draft,) = read(HEAD + "\nfirst\n\nsecond\n", fenced=True)
    assert draft.body == "first\n\nsecond"


def test_several_requests_follow_one_another() -> None:
    drafts = read(HEAD + "\na=1\n" + HEAD + "\nb=2\n\nGET /c HTTP/1.0\n", fenced=True)
    assert [(draft.url, draft.body, draft.version) for draft in drafts] == [
        ("/a", "a=1", "HTTP/1.1"),
        ("/a", "b=2", "HTTP/1.1"),
        ("/c", None, "HTTP/1.0"),
    ]


@pytest.mark.parametrize("lead", ["    ", "\t", "# ", "> ", "* ", "// "])
def test_what_stands_before_each_line_is_left_out(lead: str) -> None:
    text = HEAD + "X-B: 1\n\na=1\n"
    (draft,) = read("\n".join(lead + line for line in text.split("\n")))
    assert draft.headers == (("Host", "x"), ("X-B", "1"))
    assert draft.body == "a=1"


@pytest.mark.parametrize(
    "text",
    [
        "GET everything you can",
        "POST is not needed here",
        "HTTP/1.1 200 OK\nServer: y",
        "GET it at https://x.invalid/a b",
        "GET /a and see",
        "OPTIONS are described below",
        "PUT the file in place",
    ],
)
def test_sentences_and_responses_are_no_requests(text: str) -> None:
    assert not read(text)


@pytest.mark.parametrize("text", ["GET /a\nHost: x", "GET /a?b=c d\nUser-Agent: y\n"])
def test_a_request_line_without_version_needs_a_header_below(text: str) -> None:
    assert len(read(text)) == 1


def test_blanks_in_a_target_stay_with_it() -> None:
    (draft,) = read("GET /a?b=1 union select 2 HTTP/1.1\nHost: x\n")
    assert draft.url == "/a?b=1 union select 2"


def test_folded_and_broken_headers_are_joined() -> None:
    (draft,) = read("GET /a HTTP/1.1\nHost: x\nCookie: a=1;\nb=2\nX-Long: one\n two\nReferer:\nhttp://x/y\nAccept: *\n")
    assert dict(draft.headers) == {
        "Host": "x",
        "Cookie": "a=1; b=2",
        "X-Long": "one two",
        "Referer": "http://x/y",
        "Accept": "*",
    }


def test_the_number_of_requests_is_bounded() -> None:
    found = read_raw(Chunk(("GET /a HTTP/1.1", "") * (MAX_REQUESTS + 10), 1))
    assert len(found.drafts) == MAX_REQUESTS
    assert found.problems


def test_request_lines_within_sentences_are_found() -> None:
    drafts = read_fragments([(4, "send `POST /a?b=1 HTTP/1.1` and then GET /c/../d.")])
    assert [(draft.method, draft.url, draft.line) for draft in drafts] == [("POST", "/a?b=1", 4), ("GET", "/c/../d", 4)]


def test_fences_cut_a_document_and_keep_its_lines() -> None:
    chunks = cut_in_chunks("a\n```HTTP\nb\n```\nc\n~~~\nd\n", markdown=True)
    assert [(chunk.text, chunk.first, chunk.fenced, chunk.language) for chunk in chunks] == [
        ("a", 1, False, ""),
        ("b", 3, True, "http"),
        ("c", 5, False, ""),
        ("d\n", 7, True, ""),
    ]


def test_tildes_only_decorate_plain_text() -> None:
    assert len(cut_in_chunks("~~~~~~\na\n~~~~~~\n", markdown=False)) == 1


def test_a_head_with_an_empty_line_after_each_line_is_read() -> None:
    (draft,) = read("POST /a HTTP/1.1\n\nHost: x\n\nContent-Length: 3\n\na=1\n\nmore")
    assert draft.headers == (("Host", "x"), ("Content-Length", "3"))
    assert draft.body == "a=1"


@pytest.mark.parametrize("marks", [">+", "-->", "#", "* ", "1. "])
def test_a_line_of_nothing_but_marks_costs_no_more_than_it_is_long(marks: str) -> None:
    started = time.process_time()
    assert read(marks * (20_000 // len(marks))) == []
    assert time.process_time() - started < 2.0  # taken apart in every way, it would take hours


def test_marks_of_several_kinds_may_stand_before_a_request() -> None:
    (draft,) = read(">>> ## GET /a HTTP/1.1\n>>> ## Host: x")
    assert draft.url == "/a"


def test_lines_that_only_begin_like_a_ruler_cost_no_more_than_they_are_long() -> None:
    started = time.process_time()
    (draft,) = read(HEAD + "\n" + ("-" * 199 + "!\n") * 1_000)
    assert draft.body is not None
    assert time.process_time() - started < 1.0  # 2 s where each run is taken apart


@pytest.mark.parametrize("ruler", ["----", "====", "-- -- --", "=== 8< ===", "--- snip ---", "==a==", "---x------"])
def test_a_ruler_ends_a_body(ruler: str) -> None:
    (draft,) = read(HEAD + f"\na=1\n{ruler}\nmore")
    assert draft.body == ("a=1" if ruler != "-- -- --" else f"a=1\n{ruler}\nmore")
