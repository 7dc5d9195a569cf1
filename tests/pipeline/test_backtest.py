"""Since when would a rule have fired, and what is left open."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.backtests import backtest, backtest_forged
from ruleforge.errors import UsageError
from ruleforge.events.request import Request
from ruleforge.pipeline.backtest import BARS, Backtesting, sentence_of, sparkline
from ruleforge.records.backtest import Backtest
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.tree import AllOf, Condition, Rule

PEARS = Rule(id="RF-CVE-2099-1-1", when=Condition("path", "path_suffix", b"/pears.php"))
BODY = Rule(
    id="RF-CVE-2099-2-1",
    when=AllOf((Condition("path", "path_suffix", b"/pears.php"), Condition("body", "contains", b"stone"))),
)
LOG = """\
192.0.2.1 - - [01/Mar/2099:10:00:00 +0000] "GET /pears.php HTTP/1.1" 200 5 "-" "x"
192.0.2.2 - - [01/Mar/2099:23:30:00 -0200] "GET /pears.php HTTP/1.1" 200 5 "-" "x"
192.0.2.2 - - [04/Mar/2099:10:00:00 +0000] "GET /pears.php HTTP/1.1" 200 5 "-" "x"
192.0.2.3 - - [05/Mar/2099:10:00:00 +0000] "GET /apples.php HTTP/1.1" 200 5 "-" "x"
192.0.2.4 - - [some day] "GET /pears.php HTTP/1.1" 200 5 "-" "x"
no line of a log
"""


def put(folder: Path, rule: Rule) -> Path:
    folder.mkdir(parents=True)
    (folder / "rule.json").write_text(render_json(rule))
    told = {"status": "validated", "content_hash": content_hash(rule)}
    (folder / "evidence.json").write_text(json.dumps(told))
    return folder


def put_log(tmp_path: Path) -> Path:
    file = tmp_path / "access.log"
    file.write_text(LOG)
    return file


def test_hits_are_counted_by_day_and_source_and_what_is_unknown_apart(tmp_path: Path) -> None:
    put(tmp_path / "rules" / "one", PEARS)
    put(tmp_path / "rules" / "two", BODY)
    report = backtest(tmp_path / "rules", [put_log(tmp_path)])
    seen, undecided = report.results
    assert (report.requests, report.unreadable, report.untimed) == (5, 1, 1)
    assert seen.days == {"2099-03-01": 1, "2099-03-02": 1, "2099-03-04": 1}
    assert (seen.hits, seen.sources, seen.untimed, seen.undecidable) == (4, 3, 1, 0)
    assert (seen.first_seen, seen.last_seen) == ("2099-03-01T10:00:00Z", "2099-03-04T10:00:00Z")
    assert seen.sentence == (
        "4 of 5 requests from 2099-03-01T10:00:00Z to 2099-03-05T10:00:00Z, first 2099-03-01T10:00:00Z, last "
        "2099-03-04T10:00:00Z, from 3 sources; 1 of the hits at an unknown time"
    )
    assert (undecided.hits, undecided.undecidable) == (0, 4)
    assert undecided.sentence.startswith("never seen in 5 requests from 2099-03-01T10:00:00Z to ")
    assert undecided.sentence.endswith("; not decidable in 4")


def test_a_bound_leaves_out_what_is_beyond_it_and_what_has_no_time(tmp_path: Path) -> None:
    put(tmp_path / "rules" / "one", PEARS)
    report = backtest(tmp_path / "rules", [put_log(tmp_path)], since="2099-03-02", until="2099-03-04T10:00:00Z")
    assert (report.requests, report.left_out, report.results[0].days) == (1, 4, {"2099-03-02": 1})


def test_what_is_found_stands_in_the_evidence_once(tmp_path: Path) -> None:
    folder, log = put(tmp_path / "rules" / "one", PEARS), put_log(tmp_path)
    assert backtest_forged([folder, tmp_path / "rules" / "none"], [log]) == 1
    told = json.loads((folder / "evidence.json").read_text())
    assert told["status"] == "validated"
    assert told["backtest"]["logs"] == ["access.log"]
    assert told["backtest"]["first_seen"] == "2099-03-01T10:00:00Z"
    assert "192.0.2" not in json.dumps(told)
    assert backtest_forged([folder], [log]) == 0


@given(st.lists(st.tuples(st.sampled_from(["/pears.php", "/"]), st.integers(0, 10**9)), max_size=30))
def test_days_and_hits_without_time_make_up_all_hits(rows: list[tuple[str, int]]) -> None:
    counting = Backtesting([PEARS])
    for target, at in rows:
        time = str(at) if at % 3 else "some day"
        counting.add(Request(method=b"GET", target=target.encode(), time=time, source_address=b"192.0.2.1"))
    (found,) = counting.results()
    assert sum(found.days.values()) + found.untimed == found.hits
    assert found.requests == len(rows)
    assert found.first_seen <= found.last_seen
    assert len(sparkline(found.days)) <= 60


def test_a_sparkline_draws_days_without_hits_as_gaps() -> None:
    assert sparkline({}) == ""
    assert sparkline({"2099-03-01": 8, "2099-03-04": 1}) == f"{BARS[-1]}  {BARS[0]}"


def test_one_is_no_plural() -> None:
    def told(requests: int, hits: int, sources: int) -> str:
        found = Backtest(
            rule="x", requests=requests, since="", until="", hits=hits, sources=sources, first_seen="", last_seen="",
            untimed=0, undecidable=0, days={}, sentence="",
        )  # fmt: skip
        return sentence_of(found)

    assert told(1, 1, 1) == "1 of 1 request, from 1 source"
    assert told(1200, 2, 2) == "2 of 1,200 requests, from 2 sources"


@pytest.mark.parametrize("text", ["20990131", "2099", "209901311300", "20990131130000", " 7 "])
def test_a_compact_date_is_no_number_of_seconds(tmp_path: Path, text: str) -> None:
    put(tmp_path / "rules" / "CVE-2099-1", PEARS)
    for bound in ("since", "until"):
        with pytest.raises(UsageError, match="RF127") as found:
            backtest(tmp_path / "rules", [put_log(tmp_path)], **{bound: text})
        assert "2099-01-31" in found.value.hint


def test_seconds_since_1970_are_a_bound(tmp_path: Path) -> None:
    put(tmp_path / "rules" / "CVE-2099-1", PEARS)
    assert backtest(tmp_path / "rules", [put_log(tmp_path)], until="999999999").requests == 0
