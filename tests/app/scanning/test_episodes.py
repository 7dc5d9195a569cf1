"""Episodes: hits of one source without a pause of half an hour, in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.scanning import episodes
from ruleforge.app.scanning.episodes import GAP_SECONDS, EpisodeBook


def test_a_pause_of_more_than_half_an_hour_begins_another_episode() -> None:
    book = EpisodeBook()
    for at in (0, GAP_SECONDS, 2 * GAP_SECONDS, 3 * GAP_SECONDS + 1):
        book.add("192.0.2.1", at, hits=2, outcome="may_have_succeeded")
    assert book.count == 2
    assert [(each.first, each.last, each.requests, each.hits) for each in book.largest(9)] == [
        (0, 2 * GAP_SECONDS, 3, 6),
        (3 * GAP_SECONDS + 1, 3 * GAP_SECONDS + 1, 1, 2),
    ]
    assert [each.may_have_succeeded for each in book.largest(9)] == [3, 1]


def test_a_request_that_comes_late_still_belongs_to_its_episode() -> None:
    book = EpisodeBook()
    for at in (5_000, 4_000, 6_000):
        book.add("192.0.2.1", at, hits=1, outcome="probed")
    (episode,) = book.largest(9)
    assert (book.count, episode.first, episode.last) == (1, 4_000, 6_000)


def test_requests_without_time_or_source_are_counted_apart() -> None:
    book = EpisodeBook()
    assert book.add("", 5, hits=1, outcome="probed") is None
    assert book.add("192.0.2.1", None, hits=1, outcome="probed") is None
    assert (book.count, book.undated) == (0, 2)


def test_memory_is_bounded_and_what_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "MAX_OPEN", 10)
    monkeypatch.setattr(episodes, "MAX_KEPT", 5)
    book = EpisodeBook()
    for at in range(100):
        book.add(f"source {at}", at, hits=1, outcome="probed")
    assert (book.count, len(book.open), book.closed_early) == (100, 10, 90)
    assert len(book.closed) < 10
    assert len(book.open) + len(book.closed) + book.forgotten == 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20_000)), max_size=60))
def test_every_request_is_in_exactly_one_episode(hits: list[tuple[str, int]]) -> None:
    book = EpisodeBook()
    for source, at in hits:
        book.add(source, at, hits=1, outcome="probed")
    found = book.largest(1_000)
    assert sum(each.requests for each in found) == len(hits)
    assert len(found) == book.count
