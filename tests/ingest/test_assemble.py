"""What every reader finds becomes an advisory in one shape: ids of requests say where they come from."""

from ruleforge.events.request import Request
from ruleforge.ingest.assemble import assemble
from ruleforge.sources.found import Findings, FoundRequest


def ids(*given: tuple[str, str]) -> list[str]:
    found = tuple(
        FoundRequest(request=Request(method=b"GET", target=b"/press", id=own), origin=origin) for own, origin in given
    )
    return [poc.request.id for poc in assemble(Findings(requests=found), b"", "notes/crake.sh").requests]


def test_a_request_without_an_id_is_named_after_its_file_and_place() -> None:
    assert ids(("", "line 12"), ("", "line 14")) == ["crake:line 12", "crake:line 14"]


def test_two_requests_of_one_place_have_two_ids() -> None:
    assert ids(("", "line 12"), ("", "line 12"), ("", "line 12")) == [
        "crake:line 12", "crake:line 12.2", "crake:line 12.3",
    ]  # fmt: skip


def test_an_id_of_the_document_stays_and_nothing_in_one_acts_on_a_terminal() -> None:
    assert ids(("r0", "line 12"), ("", "line\x1b[1m 3")) == ["r0", "crake:line?[1m 3"]
