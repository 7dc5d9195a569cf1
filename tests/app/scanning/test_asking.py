"""Which engine a scan gets."""

from pathlib import Path

import pytest

from ruleforge.app.scanning.asking import Asker
from ruleforge.app.scanning.times import Window
from ruleforge.engine.adaptive import BYTES_PER_ROW, AdaptiveMatcher
from ruleforge.engine.batches import RowByRow
from ruleforge.rules.parse import parse_rule

RULES = [
    parse_rule(
        {"schema": 1, "id": "RF-CVE-2099-0001-1", "title": "t", "event": "http.request",
         "when": {"field": "path", "op": "path_suffix", "value": "/attic/door"}}
    ).require()
]  # fmt: skip


@pytest.mark.parametrize(("name", "times"), [("a.log", 1), ("a.log.gz", 10), ("a.jsonl.zst", 10)])
def test_the_engine_is_told_how_much_will_come(name, times):
    asker = Asker(RULES, Window())
    asker.expect([(Path(name), 1_000 * BYTES_PER_ROW), (Path("b.log"), BYTES_PER_ROW)])
    assert isinstance(asker._matcher, AdaptiveMatcher)
    assert asker._matcher._expected == 1_000 * times + 1


def test_the_engine_can_be_chosen():
    asker = Asker(RULES, Window(), engine="portable")
    asker.expect([(Path("a.log"), 1)])
    assert isinstance(asker._matcher, RowByRow)
