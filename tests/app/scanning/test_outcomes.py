"""What a status says of success, as the documentation promises."""

import pytest

from ruleforge.app.scanning.outcomes import OUTCOMES, WORDS, outcome_of


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ("may_have_succeeded", [200, 201, 204, 206, 299, 302, 303, 304, 101]),
        ("unclear", [100, 300, 301, 307, 308, 500, 502, 599]),
        ("probed", [400, 401, 403, 404, 405, 429, 499]),
        ("unknown", [None, 0, 99, 600, 999]),
    ],
)
def test_statuses_are_sorted_into_four_kinds(outcome: str, statuses: list[int | None]) -> None:
    assert [outcome_of(status) for status in statuses] == [outcome] * len(statuses)


def test_every_kind_has_words() -> None:
    assert set(WORDS) == set(OUTCOMES)
