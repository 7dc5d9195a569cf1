"""A command of curl gives the request that curl would send."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.sources.found import FoundRequest
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.prose.chunks import to_bytes
from ruleforge.sources.prose.curl import MAX_COMMANDS, MAX_EXPANDED, MAX_PART, read_curl
from ruleforge.sources.prose.drafts import Made, make_request
from ruleforge.sources.prose.placeholders import Filler

CASES = json.loads((Path(__file__).parent / "curl.json").read_text())


def requests(command: str) -> list[FoundRequest]:
    standins = Standins()
    filler = Filler((), standins)
    made = [make_request(draft, filler, standins) for draft in read_curl(command, standins).drafts]
    return [each.found for each in made if isinstance(each, Made)]


def test_cases_were_found() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_command_gives_its_request(case: dict[str, Any]) -> None:
    found = requests(case["command"])
    assert len(found) == 1
    request, body = found[0].request, (found[0].request.body or b"").decode()
    assert request.method.decode() == case["method"]
    assert request.target.decode() == case.get("target", request.target.decode())
    assert case.get("target_has", "") in request.target.decode()
    assert body == case.get("body", body)
    assert all(part in body for part in case.get("body_has", []))
    assert len(found[0].standins) == case.get("standins", len(found[0].standins))
    if "header" in case:
        assert tuple(part.encode() for part in case["header"]) in request.headers
    assert case.get("no_header", "-").encode() not in [name for name, _ in request.headers]


def test_next_begins_another_request_and_one_command_may_have_several_urls() -> None:
    found = requests("curl -d a=1 http://localhost/a http://localhost/b --next -H 'X: 1' http://localhost/c")
    assert [(each.request.method, each.request.target) for each in found] == [
        (b"POST", b"/a"),
        (b"POST", b"/b"),
        (b"GET", b"/c"),
    ]


def test_commands_know_their_lines() -> None:
    found = read_curl(
        "first\ncurl http://localhost/a \\\n -d b\n\ncurl http://localhost/c\n", Standins(), first_line=10
    )
    assert [draft.line for draft in found.drafts] == [11, 14]


def test_a_quote_that_is_never_closed_is_reported() -> None:
    found = read_curl("curl http://localhost/a -d 'x=1\nnext line\n", Standins())
    assert [draft.body for draft in found.drafts] == ["x=1"]
    assert "never closed" in found.problems[0]


def test_the_number_of_commands_is_bounded() -> None:
    found = read_curl("curl http://localhost/a\n" * (MAX_COMMANDS + 5), Standins())
    assert len(found.drafts) == MAX_COMMANDS
    assert found.problems


@pytest.mark.parametrize("text", ["curl is a tool", "use curl, please", "libcurl http://localhost/a", "curl"])
def test_prose_about_curl_is_no_command(text: str) -> None:
    assert not [draft for draft in read_curl(text, Standins()).drafts if "/" in draft.url]


PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#[]<>{}%"), max_size=20).map(
    lambda text: "".join(c for c in text if not c.isupper())
)
NAME = st.from_regex(r"X-[a-z]{1,10}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="[]<>{}"), max_size=30).map(
    lambda text: "".join(c for c in text if not c.isupper()).strip()
)
BODY = st.text(st.characters(exclude_categories=["Cs", "Lu"], exclude_characters="\0[]<>{}\r"), min_size=1, max_size=60)


def ansi(text: str) -> str:
    """The text as one word in the dollar quotes of a shell."""
    return "$'" + "".join(c if c.isalnum() and c.isascii() else f"\\x{b:02x}" for c in text for b in _bytes(c)) + "'"


def _bytes(character: str) -> bytes:
    return b"0" if character.isalnum() and character.isascii() else character.encode()


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    PLAIN,
    st.lists(st.tuples(NAME, VALUE.filter(bool)), max_size=4),
    st.none() | BODY,
    st.booleans(),
)
def test_a_request_written_as_a_command_comes_back(
    method: str, path: str, headers: list[tuple[str, str]], body: str | None, in_dollar_quotes: bool
) -> None:
    quote = ansi if in_dollar_quotes else shlex.quote
    words = ["curl", "-sk", "--path-as-is", "-X", method]
    for name, value in headers:
        words += ["-H", quote(f"{name}: {value}")]
    if body is not None:
        words += ["--data-raw", quote(body)]
    command = " ".join([*words, quote(f"http://localhost/p{path}")])
    (draft,) = read_curl(command, Standins()).drafts
    assert (draft.method, draft.url) == (method, f"http://localhost/p{path}")
    assert [header for header in draft.headers if header[0] != "Content-Type"] == headers
    assert draft.body is None if body is None else to_bytes(draft.body or "") == body.encode()


def sizes(text: str) -> list[int]:
    return [len(draft.url) + len(draft.body or "") for draft in read_curl(text, Standins()).drafts]


def test_variables_that_hold_variables_never_grow_a_word_beyond_the_bound() -> None:
    lines = ["A=" + "a" * 8_000, "B=" + "$A" * 3_000, "curl http://h.example/" + "$A" * 3_000 + "?b=$B"]
    found = sizes("\n".join(lines))
    assert len(found) == 1
    assert found[0] <= MAX_PART


def test_many_words_with_variables_grow_no_document_beyond_the_bound() -> None:
    lines = ["A=" + "a" * 8_000, *["curl " + " ".join(["-d '$A' -d \"$A\""] * 20) + " http://h.example/$A"] * 100]
    assert sum(sizes("\n".join(lines))) <= 2 * MAX_EXPANDED


def test_a_variable_that_fits_is_filled_in() -> None:
    (draft,) = read_curl("P=/pear\ncurl http://h.example$P/a", Standins()).drafts
    assert draft.url == "http://h.example/pear/a"
