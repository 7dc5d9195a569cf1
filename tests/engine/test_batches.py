from ruleforge.engine.batches import RowByRow
from ruleforge.engine.compiled import CompiledSet
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule


def _rule(number: int, when: dict) -> object:
    return parse_rule(
        {"schema": 1, "id": f"RF-CVE-2099-{number:04}-1", "title": "t", "event": "http.request", "when": when}
    ).rule


def test_a_batch_answers_as_its_rows_do():
    rules = [
        _rule(1, {"field": "path", "op": "path_suffix", "value": "/door"}),
        _rule(2, {"field": "headers", "name": "x-door", "op": "present"}),
    ]
    requests = [
        Request(method=b"GET", target=b"/house/door", headers=((b"X-Door", b"1"),)),
        Request(method=b"GET", target=b"/house"),
        Request(method=b"GET", target=b"/door", unrecorded=frozenset({"headers", "body"})),
    ]
    matches = RowByRow(CompiledSet(rules)).match(to_batch(requests))
    assert list(zip(matches.rows.tolist(), matches.rules.tolist(), strict=True)) == [(0, 0), (0, 1), (2, 0)]
    assert matches.unknowns.tolist() == [0, 1]
