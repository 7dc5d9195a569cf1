"""Rules that count or order, over pieces: the alerts of one process that saw everything, however the work was cut."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.correlation import Alert, Correlator, Observation, Plan, RuleHit, Tally
from ruleforge.engine.correlation.batches import observe_batch
from ruleforge.engine.runners import COUNTERS, RUNNERS
from ruleforge.engine.runners.counting import SEEN, Reached, count_shard, gathered, heard, seen_rows, told
from ruleforge.engine.runners.pieces import cut, pin
from ruleforge.engine.runners.rulesets import RuleSet, ready
from ruleforge.engine.runners.work import Work
from ruleforge.events.formats import read_batches
from ruleforge.rules.parse import parse_rule

CELLAR = {"field": "path", "op": "path_suffix", "value": "/cellar"}
ATTIC = {"field": "path", "op": "path_suffix", "value": "/attic/door.cgi"}
ROOTS: list[dict[str, Any]] = [
    {"count": {"when": CELLAR, "by": ["source.address"], "within": "20s", "at_least": 4}},
    {"count": {"when": {"field": "path", "op": "present"}, "by": ["source.address"], "within": "30s", "at_least": 5,
               "distinct": "path"}},
    {"sequence": [CELLAR, ATTIC], "by": ["source.address"], "within": "10s"},
    {"count": {"when": CELLAR, "by": ["source.address", "method"], "within": "1m", "at_least": 9}},
]  # fmt: skip
RULES = [
    parse_rule({"schema": 1, "id": f"RF-COUNT-{n}", "title": "t", "event": "http.request", "when": root}).require()
    for n, root in enumerate(ROOTS)
]


def key(alert: Alert) -> tuple[object, ...]:
    return alert.end_us, alert.rule, alert.key


def by_one_process(ruleset: RuleSet, logs: list[Path]) -> Reached:
    """What a process that reads everything comes to."""
    compiled, correlator = ready(ruleset), Correlator(RULES, lateness_seconds=None)
    parts = [*[-1] * len(ruleset.rules), *range(len(compiled.plan.parts))]
    alerts: list[Alert] = []
    for log in logs:
        for batch in read_batches(log, rows=100):
            if isinstance(batch, pa.RecordBatch):
                matches = compiled.matcher.match(batch)
                alerts += correlator.feed(observe_batch(Plan(RULES), batch, matches, parts))
    return Reached(sorted([*alerts, *correlator.close()], key=key), correlator.tally)


def test_pieces_on_processes_make_the_alerts_of_one_process(ruleset: RuleSet, write_log: Any, tmp_path: Path) -> None:
    both = RuleSet.of(ruleset.rules, RULES)
    logs = [write_log(f"{name}.jsonl", 150, seed) for seed, name in enumerate("ab")]
    pieces = list(cut([pin(log) for log in logs], 4_000))
    assert len(pieces) >= 6
    work = Work(both, str(tmp_path / "run" / "hits"), "key")
    Path(work.folder).mkdir(parents=True)
    outcomes = list(RUNNERS["local"](work, iter(pieces), 2))
    assert all(outcome.tally for outcome in outcomes)
    found = COUNTERS["local"]([work.seen(piece) for piece in pieces], RULES)
    wanted = by_one_process(both, logs)
    assert found.alerts == wanted.alerts
    assert {alert.rule for alert in found.alerts} == {rule.id for rule in RULES}
    assert found.tally.absorbed == wanted.tally.absorbed > 0
    assert not [file for file in (tmp_path / "run" / "seen").iterdir() if file.name.startswith(".")]


def test_rules_that_count_do_not_change_what_others_find(ruleset: RuleSet, write_log: Any, tmp_path: Path) -> None:
    log = write_log("a.jsonl", 80)
    piece = next(cut([pin(log)], 1 << 20))
    tallies = []
    for name, rules in (("with", RuleSet.of(ruleset.rules, RULES)), ("without", ruleset)):
        (tmp_path / name).mkdir()
        outcome = next(RUNNERS["local"](Work(rules, str(tmp_path / name), "key"), iter([piece]), 1))
        assert outcome.tally is not None
        tallies.append(outcome.tally)
    assert tallies[0].by_rule == tallies[1].by_rule
    assert tallies[0].hits == tallies[1].hits > 0


@given(st.randoms(use_true_random=False))
def test_shards_in_any_order_make_the_alerts_of_all_rows(random_: random.Random) -> None:
    seen = [
        Observation(
            random_.randrange(60) * 1_000_000,
            f"day.log:{number}",
            1,
            (RuleHit(0, 1, (b"%d" % random_.randrange(3),)), RuleHit(2, random_.choice((1, 2)), (b"x",))),
        )
        for number in range(40)
    ]
    rows = pa.Table.from_batches([seen_rows(seen)])
    whole = Correlator(RULES, lateness_seconds=None)
    wanted = sorted([*whole.feed(seen), *whole.close()], key=key)
    shards = sorted(set(rows["shard"].to_pylist()), key=lambda _: random_.random())
    parts = [count_shard(rows.filter(pa.compute.equal(rows["shard"], shard)), RULES) for shard in shards]
    assert gathered(parts).alerts == wanted
    sent = [pair for part in parts for pair in zip(*told(part).to_pydict().values(), strict=True)]
    assert heard(sent) == gathered(parts)


def test_what_has_no_time_or_no_key_makes_no_row() -> None:
    none = Observation(None, "a", 1, (RuleHit(0, 1, (b"k",)),))
    unkeyed = Observation(5, "b", 1, (), (0,))
    assert seen_rows([none, unkeyed]).num_rows == 0
    assert seen_rows([]).schema == SEEN
    assert COUNTERS["local"]([], RULES) == Reached([], Tally())
