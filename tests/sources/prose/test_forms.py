"""Forms of a page are read in one pass, whatever the page is."""

import re

import pytest

from ruleforge.sources.prose import forms
from ruleforge.sources.prose.forms import MAX_FORM, read_forms


class Counting:
    """A pattern that counts the characters it was let loose on."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern, self.read = pattern, 0

    def search(self, text: str, start: int, end: int | None = None) -> re.Match[str] | None:
        last = len(text) if end is None else min(end, len(text))
        found = self.pattern.search(text, start, last)
        self.read += (found.end() if found else last) - start
        return found


@pytest.mark.parametrize("text", ["<form " * 20_000, "<form a=b>" * 5_000 + "x" * MAX_FORM, "</form><form>" * 5_000])
def test_a_page_of_opened_forms_is_read_a_few_times_at_most(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = [Counting(getattr(forms, name)) for name in ("_FORM", "_STOP")]
    monkeypatch.setattr(forms, "_FORM", patterns[0])
    monkeypatch.setattr(forms, "_STOP", patterns[1])
    read_forms(text)
    assert 0 < sum(each.read for each in patterns) <= 4 * len(text)


@pytest.mark.parametrize("between", ["</form>", "</FORM >", ""])
def test_a_form_ends_where_it_is_closed_or_the_next_one_opens(between: str) -> None:
    one, two = (f'<form action="/pear{n}" method="post"><input name="a{n}" value="{n}">' for n in (1, 2))
    drafts, lines = read_forms(f"{one}\n{between}{two}</form>")
    assert [(draft.url, draft.body) for draft in drafts] == [("/pear1", "a1=1"), ("/pear2", "a2=2")]
    assert lines == {1, 2}
