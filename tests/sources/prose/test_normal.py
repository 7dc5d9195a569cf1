"""Documents become the text that a person sees, in linear time and whatever is thrown at it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.sources.prose.normal import MAX_CHARACTERS, is_html, normalise

SECONDS_MOST = 8.0  # on a busy machine


def page(text: str) -> str:
    return normalise(text.encode(), "html").text


def test_plain_text_stays_as_it_is_but_for_its_line_ends() -> None:
    assert normalise(b"a\r\nb\rc **d** [e](f)\n", "plain").text == "a\nb\nc **d** [e](f)\n"


def test_bytes_of_an_old_encoding_are_read() -> None:
    assert normalise(b"caf\xe9", "plain").text == "café"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("a **b** c", "a b c"),
        ("see [the page](https://pears.invalid/x)", "see the page (https://pears.invalid/x)"),
        ("run [poc.py](poc.py)", "run poc.py"),
        ("![a picture](x.png) b", "a picture b"),
        (
            "![](https://badges.invalid/v1?label=Product&message=Pear%20Shop%20(new)&color=blue)",
            "Product: Pear Shop (new)",
        ),
        ("a &lt;b&gt; \\_c\\_", "a <b> _c_"),
        ("```\n**not** [this](x)\n```\n**but** this", "```\n**not** [this](x)\n```\nbut this"),
        ("the `id` parameter", "the `id` parameter"),
    ],
)
def test_markdown_becomes_its_words(written: str, seen: str) -> None:
    assert normalise(written.encode(), "markdown").text == seen


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("<p>a <b>b</b></p><p>c</p>", "a b\n\nc"),
        ("<script>var a = '<p>no</p>';</script>yes", "yes"),
        ("<STYLE>p {}</STYLE>yes", "yes"),
        ("<!-- no -->yes", "yes"),
        ("<title>t</title><body>b", "t\nb"),
        ("a &amp; b &#60;script&#62;", "a & b <script>"),
        ("<pre>GET /a\nHost: b</pre>", "```\nGET /a\nHost: b\n```"),
        ("<a href='x>y' title=\"a>b\">c</a>", "c"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<td>a</td><td>b</td>", "a b"),
        ("<p title='it's>a</p>", "a"),
        ("a<script>never closed", "a"),
        ("a<!-- never closed", "a"),
    ],
)
def test_a_page_becomes_the_words_between_its_tags(written: str, seen: str) -> None:
    assert page(written) == seen


def test_a_page_is_known_by_its_beginning() -> None:
    assert is_html(b"\n<!DOCTYPE html><p>a")
    assert is_html(b"<html lang='en'>")
    assert not is_html(b"GET / HTTP/1.1\nthe <b> tag")


@pytest.mark.parametrize(
    "piece", ["<", "<a", "<a ", "<a '", '<a "', "<!--", "<!", "<?", "</", "<p>", "<div><", "&#", "&lt", "<script>",
              "<pre>", "<a '\"", "<a b='c'>", "<script", "</script"]
)  # fmt: skip
def test_much_of_one_piece_is_read_in_bounded_time(piece: str) -> None:
    data = (piece * (300_000 // len(piece))).encode()
    started = time.process_time()
    for form in ("html", "markdown"):
        assert len(normalise(data, form).text) <= MAX_CHARACTERS  # type: ignore[arg-type]
    assert time.process_time() - started < SECONDS_MOST


@pytest.mark.parametrize("piece", ["[a", "![", "[a](", "**a", "\\", "![a](b?label=", "&amp", "](", "```\n", "~~~\n"])
def test_much_hostile_markdown_is_read_in_bounded_time(piece: str) -> None:
    data = (piece * (300_000 // len(piece))).encode()
    started = time.process_time()
    normalise(data, "markdown")
    assert time.process_time() - started < SECONDS_MOST


def test_deeply_nested_tags_are_no_problem_and_what_is_too_long_is_said() -> None:
    assert page("<div>" * 100_000 + "a") == "a"
    long = normalise(b"a" * (MAX_CHARACTERS + 5), "plain")
    assert len(long.text) == MAX_CHARACTERS
    assert "1,000,005" in long.problems[0]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<", ">", "<p", "a", "'", '"', "/", "<!--", "-->", "<script>", "</script>", "&lt;", "\n", "<pre>", " "]
        ),
        max_size=80,
    )
)
def test_no_page_breaks_it_and_no_unseen_words_come_out(parts: list[str]) -> None:
    text = page("".join(parts))
    assert len(text) <= 8 * len(parts) * 9 + 20


@given(st.binary(max_size=300), st.sampled_from(["plain", "markdown", "html"]))
def test_any_bytes_are_text(data: bytes, form: str) -> None:
    text = normalise(data, form).text  # type: ignore[arg-type]
    assert text.encode().decode() == text
    assert "\r" not in text
