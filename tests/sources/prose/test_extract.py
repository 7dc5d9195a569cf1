"""What sentences say of places, attacks and versions; and that nothing is ever said that they do not say."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.records.facts import KINDS, Fact
from ruleforge.sources.prose import talk
from ruleforge.sources.prose.extract import MAX_FACTS, QUOTE_MOST, extract
from ruleforge.sources.prose.normal import Normal, normalise

CASES = json.loads((Path(__file__).parent / "facts.json").read_text())["cases"]
LEAST = 60
SECONDS_MOST = 8.0  # for a megabyte, on a busy machine


def facts_of(text: str) -> tuple[Fact, ...]:
    return extract(Normal(text, "plain"))


def test_the_table_has_enough_sentences() -> None:
    assert len(CASES) >= LEAST
    assert {kind for case in CASES for kind, *_ in case["facts"]} == set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:60])
def test_a_sentence_says_what_the_table_says(case: dict[str, Any]) -> None:
    found = facts_of(case["text"])
    for kind, value, *more in case["facts"]:
        means, about = (*more, "", "")[:2]
        assert any(
            fact.kind == kind
            and value in (None, fact.value)
            and means in ("", fact.means)
            and about in ("", fact.about)
            for fact in found
        ), (kind, value, more, [(f.kind, f.value, f.means, f.about) for f in found])
    unwanted = [(fact.kind, fact.value) for fact in found if fact.kind in case.get("none", ())]
    assert not unwanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:60])
def test_every_fact_quotes_the_text_it_was_read_from(case: dict[str, Any]) -> None:
    text = f"First words.\n\n{case['text']}\n\nLast words."
    assert all(fact.quote == text[fact.start : fact.end] and fact.value in fact.quote for fact in facts_of(text))


WORDS = st.sampled_from(
    [word for case in CASES for word in case["text"].split()]
    + ["\n", "\n\n", "```", "`", '"', "?a=b&c=d", "<b>", "é", "\u202e", "\x00"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=120))
def test_whatever_the_words_are_quotes_stand_where_they_are_said_to(words: list[str]) -> None:
    text = " ".join(words)
    found = facts_of(text)
    assert len(found) <= MAX_FACTS
    for fact in found:
        assert text[fact.start : fact.end] == fact.quote
        assert fact.value in fact.quote
        assert len(fact.quote) <= max(QUOTE_MOST + 2, len(fact.value))
        assert 1 <= fact.line <= text.count("\n") + 1


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_any_text_gives_facts_or_none_and_never_an_error(text: str) -> None:
    assert all(fact.quote == text[fact.start : fact.end] for fact in facts_of(text))


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "/a",
        "a/",
        "/a.php?b=c&",
        "the id parameter ",
        "a, ",
        "a_b, c_d and ",
        "`",
        '"',
        "```\n",
        "X-A-",
        "<",
        "$_GET['a'",
        "1.2.",
        "(com_",
        "arbitrary ",
        "the manipulation of the argument a/",
        "Product: ",
        "The A ",
        "http://",
        "\n",
        " ",
        "crafted .a ",
        "wp_ajax_",
        "com_a-",
        "A=B ",
    ],
)
def test_a_megabyte_of_one_piece_is_read_in_bounded_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    facts = facts_of(text)
    assert time.process_time() - started < SECONDS_MOST
    assert len(facts) <= MAX_FACTS


def test_twice_the_text_takes_no_more_than_about_twice_the_time() -> None:
    piece = "In /a/b.php, the `id`, x_y and z parameters (kind=1) allow SQL injection via ../../etc/passwd. "

    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        best = 1e9
        for _ in range(2):
            started = time.process_time()
            facts_of(text)
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(10_000), seconds(40_000)
    assert large < 10 * small + 0.2


def test_links_to_other_sites_and_lists_of_references_name_no_place() -> None:
    text = "XSS in the q parameter of /find.php.\n\n### References\n- https://news.quince.invalid/x/y.php?z=1\n/also/this.php\n"
    assert [fact.value for fact in facts_of(text) if fact.kind == "endpoint"] == ["/find.php", "/also/this.php"]


def test_a_link_to_the_target_names_a_place() -> None:
    found = facts_of("Open http://target/press/run.php to see the SQL injection.")
    assert any("/press/run.php" in fact.value for fact in found if fact.kind == "endpoint")


def test_what_stands_in_a_fence_is_read_as_code_and_not_as_talk() -> None:
    text = "Words.\n```php\n$x = $_GET['crate']; // the basket parameter of /a/b.php\n```\n"
    assert [(fact.kind, fact.value) for fact in facts_of(text)] == [("parameter", "crate")]


def test_a_patch_names_the_file_it_changes_and_the_parameter_it_checks() -> None:
    text = (
        "Subject: [PATCH] Escape the crate number to prevent SQL injection\n\n"
        "diff --git a/press/save.php b/press/save.php\n--- a/press/save.php\n+++ b/press/save.php\n@@ -1,2 +1,2 @@\n"
        "-$no = $_POST['crate_no'];\n+$no = intval($_POST['crate_no']);\n"
    )
    found = {(fact.kind, fact.value, fact.means) for fact in facts_of(text)}
    assert ("endpoint", "press/save.php", "") in found
    assert ("parameter", "crate_no", "form") in found
    assert any(kind == "weakness" and means == "sql_injection" for kind, _, means in found)


def test_offsets_count_in_the_text_that_a_person_sees() -> None:
    page = b"<html><body><p>The <b>id</b> parameter of /a/b.php: SQL&nbsp;injection &amp; more</p></body></html>"
    normal = normalise(page, "html")
    (parameter,) = [fact for fact in extract(normal) if fact.kind == "parameter"]
    assert normal.text[parameter.start : parameter.end] == parameter.quote
    assert parameter.value == "id"
    assert "<b>" not in normal.text


def test_a_path_of_nothing_but_digits_costs_no_more_than_it_is_long() -> None:
    started = time.process_time()
    assert talk._NO_PLACE.match("1" * 4_000 + "!") is None  # given back digit by digit, it would take minutes
    assert time.process_time() - started < 1.0
    assert talk._NO_PLACE.match("24/7")
    assert talk._NO_PLACE.match("12.5/3")
    assert not talk._NO_PLACE.match("12/show.php")
