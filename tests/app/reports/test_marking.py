"""What matched is marked where it stands in the request line, percent-encoded or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.reports.marking import marked_runs


def span(text: str, part: str = "value") -> dict[str, str]:
    return {"text": text, "part": part}


@pytest.mark.parametrize(
    ("line", "spans", "marked"),
    [
        ("GET /a/press.php?x=1", [span("/press.php", "target")], ["/press.php"]),
        ("GET /?q=%2e%2E%2fetc", [span("../")], ["%2e%2E%2f"]),
        ("GET /?q=a+union+SELECT", [span("union select")], ["union+SELECT"]),
        ("GET /?q=%27%20or", [span("' or")], ["%27%20or"]),
        ("GET /a/../../b", [span("../")], ["../../"]),
        ("GET /aa", [span("a")], []),  # too short to say where
        ("GET /x", [span("x")], ["x"]),
        ("GET /x", [span("x", "headers[1]"), span("GET", "method")], []),
        ("GET /x", [span("")], []),
        ("GET /%zz%2", [span("%2")], ["%2"]),
    ],
)
def test_what_matched_is_marked(line: str, spans: list[dict[str, str]], marked: list[str]) -> None:
    runs = marked_runs(line, spans)
    assert [run.text for run in runs if run.matched] == marked
    assert "".join(run.text for run in runs) == line


@given(
    st.text(alphabet="ab%2e/.+é \u212a\u0130", max_size=40),
    st.lists(st.text(alphabet="ab./é ", max_size=5), max_size=4),
)
def test_no_letter_is_lost_or_added(line: str, texts: list[str]) -> None:
    assert "".join(run.text for run in marked_runs(line, [span(text) for text in texts])) == line
