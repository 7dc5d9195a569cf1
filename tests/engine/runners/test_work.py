"""A piece of work in a process: rules made ready once, and the engine told how much is to come."""

from ruleforge.engine.adaptive import BYTES_PER_ROW, AdaptiveMatcher
from ruleforge.engine.runners.pieces import Piece
from ruleforge.engine.runners.rulesets import ready
from ruleforge.engine.runners.work import Work, do_piece


def test_rules_are_made_ready_once(ruleset):
    assert ready(ruleset).matcher is ready(ruleset).matcher


def test_each_piece_of_a_log_says_how_much_is_to_come(ruleset, write_log, tmp_path):
    log = write_log("a.jsonl", 50)
    work = Work(ruleset, str(tmp_path), "key")
    matcher = ready(ruleset).matcher
    assert isinstance(matcher, AdaptiveMatcher)
    for number in range(2):
        seen = matcher._rows
        tally = do_piece(work, Piece(number, str(log), "lines", 0, log.stat().st_size, 0, "jsonl"))
        assert tally.requests > 30
        assert matcher._rows == seen + tally.requests
        assert matcher._expected == seen + log.stat().st_size // BYTES_PER_ROW
