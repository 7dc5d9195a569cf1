"""Links count by what they show; links to other places do not."""

import pytest

from ruleforge.sources.prose import links as links_module
from ruleforge.sources.prose.links import HINT, LIKELY, MAX_LINKS, SHOWN, Link, read_links


def links(text: str, *about: str) -> list[Link]:
    return read_links(list(enumerate(text.split("\n"), 1)), frozenset(about))


def urls(text: str, *about: str) -> list[str]:
    return [link.draft.url for link in links(text, *about)]


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("http://localhost/a?b=../../etc/passwd", SHOWN),
        ("http://shop.invalid/a?b=1' union select 1,2--", SHOWN),
        ("/a.php?b=[SQL]", SHOWN),
        ("[target]/a.php?b=<script>alert(1)</script>", SHOWN),
        ("PoC:\nhttp://localhost/a?b=1", LIKELY),
        ("exploit it: a.php?b=1", LIKELY),
        ("visit http://your-ip/a/b/c", HINT),
        ("http://localhost/a?b=1", HINT),
    ],
)
def test_links_are_graded(text: str, strength: int) -> None:
    (link,) = links(text)
    assert link.strength == strength


@pytest.mark.parametrize(
    "text",
    [
        "Vendor: http://demo.shop.invalid/a?b=1",
        "http://shop.invalid/a?b=1",
        "https://github.com/a/b?c=../../etc/passwd",
        'Dork: inurl:"a.php?b="',
        "open http://your-ip:8080/ in a browser",
        "visit http://your-ip/login",
        "the file /etc/passwd and ../../x",
        "send it to http://localhost/logo.png",
        "python poc.py http://localhost/a/b",
        "exploit: a sentence that goes on " + "and on " * 20 + "about /a.php?b= and its parameters",
        "References:\n\n- https://one.invalid/a\n- https://two.invalid/?x=../../etc/passwd",
    ],
)
def test_other_links_are_none(text: str) -> None:
    assert not links(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('"http://localhost/a?b=c d"', "http://localhost/a?b=c d"),
        ("(http://localhost/a?b=alert(1))", "http://localhost/a?b=alert(1)"),
        ("<http://localhost/a?b=1>", "http://localhost/a?b=1"),
        ("[x](http://localhost/a?b=1)", "http://localhost/a?b=1"),
        ("see http://localhost/a?b=1.", "http://localhost/a?b=1"),
        ("http://localhost/a?b=1'", "http://localhost/a?b=1'"),
        ("http://localhost/a?b=[SQL Injection]&c=1", "http://localhost/a?b=[SQL Injection]&c=1"),
        ("http://localhost/a?b=1 --> more words", "http://localhost/a?b=1"),
        ("http://localhost/" + "a" * 40 + "?b\n=1 AND SLEEP(5)", "http://localhost/" + "a" * 40 + "?b=1 AND SLEEP(5)"),
    ],
)
def test_a_link_ends_where_it_ends(text: str, url: str) -> None:
    assert urls("PoC:\n" + text)[0] == url


def test_a_url_in_a_parameter_counts_only_in_a_document_about_that() -> None:
    text = "http://localhost/go?to=http://evil.invalid/"
    assert [link.strength for link in links(text)] == [HINT]
    assert [link.strength for link in links(text, "url_value")] == [SHOWN]


def test_the_number_of_links_is_bounded() -> None:
    assert len(links("http://localhost/a?b=../../etc/passwd\n" * (MAX_LINKS + 50))) <= MAX_LINKS + 1


@pytest.mark.parametrize("closer", [")", "]", ">", "”", '"'])
def test_a_row_of_brackets_after_a_link_is_looked_at_a_bounded_number_of_times(
    closer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    real = links_module._balanced

    def counted(url: str) -> bool:
        nonlocal looks
        looks += 1
        return real(url)

    monkeypatch.setattr(links_module, "_balanced", counted)
    row = "/pears/a.php" + closer * 3_000
    links_module._end(row, 0, len(row))
    assert 0 < looks <= links_module.MAX_CLOSERS
    read_links([(1, "http://localhost/a/" + "(" + closer * 3_000)], frozenset())


def test_brackets_around_a_link_are_no_part_of_it() -> None:
    assert urls("see (it: http://localhost/a?b=../../etc/passwd)))") == ["http://localhost/a?b=../../etc/passwd"]
