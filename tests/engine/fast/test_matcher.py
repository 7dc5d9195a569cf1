"""The fast matcher answers exactly as the reference, for every request and every rule: no miss, no extra, no guess."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from ruleforge.engine.batches import RowByRow, make_batch_matcher
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.fast import matcher as fast
from ruleforge.engine.fast.fields import CODINGS
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.engine.reference import compile_rule
from ruleforge.errors import RuleError
from ruleforge.events.bodies import coding
from ruleforge.events.columns import to_batch, to_batches
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import AllOf, Condition, Count, Name, Not, Rule, Some

TRAPS = json.loads((Path(__file__).parent / "traps.json").read_text())


def reference(rules, requests):
    """Hits as (row, rule), and per rule how many requests are unknown, by the evaluator alone."""
    views = [HttpView(request) for request in requests]
    answers = [[compile_rule(rule).ask(view) for view in views] for rule in rules]
    hits = [(row, rule) for row in range(len(views)) for rule in range(len(rules)) if answers[rule][row]]
    return hits, [sum(answer is None for answer in row) for row in answers]


def told(matcher, requests):
    """The same by a matcher of batches."""
    hits, unknowns, before = [], np.zeros(0, np.int64), 0
    for batch in to_batches(requests, rows=7):
        matches = matcher.match(batch)
        hits += [(before + row, rule) for row, rule in zip(matches.rows.tolist(), matches.rules.tolist(), strict=True)]
        unknowns = matches.unknowns + (unknowns if before else 0)
        before += batch.num_rows
    return hits, unknowns.tolist()


@settings(max_examples=150)
@given(data=st.data())
def test_hits_and_unknowns_are_those_of_the_reference(drawn, data):
    requests = data.draw(st.lists(drawn.requests(), min_size=1, max_size=4))
    trees = [tree for request in requests for tree in data.draw(st.lists(drawn.rules_for(request), max_size=4))]
    rules = [drawn.make_rule(tree) for tree in trees]
    if rules:
        assert told(FastMatcher(rules), requests) == reference(rules, requests)


def test_traps_were_found():
    assert len(TRAPS) >= 120


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap["trap"])
def test_a_trap_is_answered_as_the_reference_does(trap):
    when = {"schema": 1, "id": "RF-CVE-2099-0001-1", "title": "t", "event": "http.request", "when": trap["when"]}
    parsed = parse_rule(when | {"classes": trap.get("classes", {})})
    assert parsed.rule is not None, parsed.problems
    body = trap.get("body")
    request = Request(
        method=trap.get("method", "GET").encode(),
        target=trap["target"].encode("latin-1"),
        headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in trap.get("headers", ())),
        body=None if body is None else body.encode("latin-1") * trap.get("times", 1),
        unrecorded=frozenset(trap.get("unrecorded", ())),
    )
    hits, unknowns = reference([parsed.rule], [request])
    assert {"true": (1, 0), "false": (0, 0), "unknown": (0, 1)}[trap["expect"]] == (len(hits), unknowns[0])
    assert told(FastMatcher([parsed.rule]), [request]) == (hits, unknowns)


def rules_of(*trees):
    return [Rule(id=f"RF-X-{number}", when=tree) for number, tree in enumerate(trees)]


DOOR = AllOf((Condition("path", "path_suffix", b"/door"), Condition("args", "contains", b"key", Name(b"q"))))


def test_parts_of_a_batch_are_read_where_they_lie():
    batch = to_batch([Request(method=b"GET", target=b"/x%d" % row, headers=((b"X", b"y"),)) for row in range(5)]
                     + [Request(method=b"GET", target=b"/a/door?q=key", body=b"b")])  # fmt: skip
    matcher = FastMatcher(rules_of(DOOR, Condition("headers", "absent", None, Name(b"x"))))
    matches = matcher.match(batch.slice(4, 2))
    assert list(zip(matches.rows.tolist(), matches.rules.tolist(), strict=True)) == [(1, 0), (1, 1)]
    assert matcher.match(batch.slice(0, 0)).rows.tolist() == []


def test_more_candidates_than_there_is_room_for_are_verified_in_turns(monkeypatch):
    monkeypatch.setattr(fast, "_PAIRS", 3)
    rules = rules_of(*(Condition("path", "regex", b"/a{%d}" % size) for size in range(1, 5)))
    requests = [Request(method=b"GET", target=b"/aaaa") for _ in range(20)]
    assert told(FastMatcher(rules), requests) == reference(rules, requests)


def test_rows_that_a_bound_cut_off_are_told_of_exactly(monkeypatch):
    rules = rules_of(DOOR, Not(DOOR), Condition("body", "contains", b"end"), Condition("json", "absent"),
                     Some("args", Condition("name", "equals", b"zz")))  # fmt: skip
    many = b"&".join([b"a=1"] * 1_100)
    requests = [
        Request(method=b"POST", target=b"/door?" + many, body=b"x"),
        Request(method=b"POST", target=b"/door?q=key&" + many, body=b"x" * (1 << 20) + b"end"),
        Request(method=b"POST", target=b"/door?q=key", body=b'{"a":' + b"[" * 70 + b"]" * 70 + b"}"),
        Request(method=b"POST", target=b"/door", headers=((b"Cookie", b"a=b;" * 1_200),)),
    ]
    expected = reference(rules, requests)
    assert told(FastMatcher(rules), requests) == expected
    monkeypatch.setattr(fast, "_FEW_ROWS", 0)  # now with tables made for them
    assert told(FastMatcher(rules), requests) == expected
    assert sum(expected[1]) >= 4


def test_only_rows_that_need_it_are_left_to_the_parsers():
    plain = [Request(method=b"POST", target=b"/a?b=%41", body=b'{"a": ["x\\u0041", {"b": 1e5}]}')]
    odd = [Request(method=b"POST", target=b"/a", body=b"\x1fx", headers=((b"Content-Encoding", b"gzip"),))]
    matcher = FastMatcher(rules_of(Condition("json", "contains", b"xa", Name(b"/a/0"))))
    matcher.match(to_batch(plain + odd))
    assert (matcher.work.rows, matcher.work.doubtful) == (2, 1)


def test_what_the_texts_decide_is_not_verified():
    rules = rules_of(
        AllOf((Condition("path", "path_suffix", b"/door"), Condition("headers", "absent", None, Name(b"x"))))
    )
    matches = FastMatcher(rules).match(to_batch([Request(method=b"GET", target=b"/door")]))
    assert (matches.rows.tolist(), matches.verified) == ([0], 0)


def test_answers_about_a_header_are_kept_for_the_same_values_only(monkeypatch):
    monkeypatch.setattr(fast, "_KEPT_ANSWERS", 2)
    rules = rules_of(
        Condition("headers", "regex", rb"o[0-9]", Name(b"User-Agent")),
        Condition("headers", "absent", None, Name(b"x-a"), ("lower",)),
        Some("headers", AllOf((Condition("name", "equals", b"x-a"), Condition("value", "regex", rb"\Ao[0-9]")))),
    )
    sent = [(), ((b"User-Agent", b"o1"),), ((b"user-agent", b"oo"), (b"USER-AGENT", b"o2")), ((b"X-A", b"o3"),),
            ((b"x-a", b"no3"),), ((b"User-Agent", b"oo"),), ((b"x-b", b"o1"), (b"X-a", b"o"))]  # fmt: skip
    requests = [Request(method=b"GET", target=b"/", headers=headers) for headers in 2 * sent]
    requests += [Request(method=b"GET", target=b"/", unrecorded=frozenset({"headers"}))]
    assert told(FastMatcher(rules), requests) == reference(rules, requests)


def test_header_fields_are_told_apart_and_forgotten_when_there_are_too_many():
    """More fields than are kept: what is learnt anew has the same answers, also about a cookie or within one name."""
    rules = rules_of(
        Condition("headers", "regex", rb"\A9[0-9]*1\z", Name(b"x-a")),
        Condition("headers", "contains", b"attic", Name(b"x-b")),
        AllOf(
            (Condition("cookies", "equals", b"attic", Name(b"s")), Condition("headers", "present", None, Name(b"x-b")))
        ),
        Not(Condition("headers", "contains", b"cellar")),
    )
    more = ((b"X-B", b"an attic"), (b"x-b", b"cellar"), (b"Cookie", b"s=attic; t=1"), (b"cookie", b"s=cellar"))
    requests = [
        Request(
            method=b"GET",
            target=b"/",
            headers=(*((b"x-a", b"%d" % (1_000 * row + number)) for number in range(1_000)), more[row % 4]),
        )
        for row in range(20)
    ]
    batch = to_batch([one for request in requests for one in (request, request)])
    matches = FastMatcher(rules).match(batch)
    hits, unknowns = reference(rules, [one for request in requests for one in (request, request)])
    assert list(zip(matches.rows.tolist(), matches.rules.tolist(), strict=True)) == hits
    assert (matches.unknowns.tolist(), len(hits) >= 30) == (unknowns, True)


PIECES = ("who", "ami", " ", "\n", "<b/>", "<b>", "</b>", "<c d='who'>", "</c>", "<!-- x -->", "<?p who?>",
          "&#119;", "<![CDATA[ami]]>", "%77ho", "/>")  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=7), min_size=1, max_size=8))
def test_markup_is_answered_as_the_reference_does(bodies):
    rules = rules_of(
        Condition("xml", "contains", b"whoami"),
        Condition("xml", "contains", b"whoami", Name(b"/a/b")),
        Condition("xml", "contains", b"who", Name(b"/b\\z", "regex")),
        Condition("xml", "equals", b"who", Name(b"/a/c/@d")),
        Condition("xml", "contains", b"whoami", None, ("percent_decode",)),
    )
    requests = [Request(method=b"POST", target=b"/", body=f"<a>{''.join(body)}</a>".encode()) for body in bodies]
    assert told(FastMatcher(rules), requests) == reference(rules, requests)


def test_codings_that_kernels_look_for_are_all_that_change_a_body():
    known = {name.decode() for name in (*coding._DECODERS, *coding._OPAQUE)}
    assert all(any(part.decode() in name for part in CODINGS) for name in known)


def test_rules_that_count_events_are_refused():
    counting = Count(when=DOOR, by=("source.address",), within_seconds=60, at_least=3)
    with pytest.raises(RuleError):
        make_batch_matcher([Rule(id="RF-X-1", when=counting)])


def test_the_fast_matcher_is_the_one_that_others_get():
    assert isinstance(make_batch_matcher(rules_of(DOOR), engine="fast"), FastMatcher)
    assert make_batch_matcher([]).match(to_batch([Request(method=b"GET", target=b"/")])).rows.tolist() == []


SOURCES = ("exploits/exploits-dev.jsonl.gz", "traffic/attack-dev.jsonl.gz", "traffic/benign-dev.jsonl.gz",
           "traffic/honeypot-dev.jsonl.gz")  # fmt: skip
GAPS = ((), ("body",), ("body", "headers"), ("headers",), ("target",))


@pytest.mark.corpus
def test_answers_on_recorded_traffic_are_those_of_the_compiled_set(corpus):
    """Rules are cut out of the very requests, so that thousands of pairs hold; gaps are put into every other one."""
    from itertools import islice

    import msgspec

    from ruleforge.events.formats import read_requests

    requests = []
    for source in SOURCES:
        found = [one for one in islice(read_requests(corpus / source), 0, 9_000, 45) if isinstance(one, Request)]
        for index, one in enumerate(found):
            mutated = one.target.replace(b"/", b"%2f", index % 3).replace(b"a", b"%41", index % 2)
            gaps = frozenset(GAPS[index % len(GAPS)]) if index % 2 else one.unrecorded
            requests.append(msgspec.structs.replace(one, target=mutated, unrecorded=gaps))
    rules = [rule for one in requests[:: len(requests) // 80] for rule in cut_rules(one)]
    plain = RowByRow(CompiledSet(rules))
    matcher = FastMatcher(rules)
    hits = unknowns = 0
    for batch in to_batches(requests):
        found, expected = matcher.match(batch), plain.match(batch)
        assert found.rows.tolist() == expected.rows.tolist()
        assert found.rules.tolist() == expected.rules.tolist()
        assert found.unknowns.tolist() == expected.unknowns.tolist()
        hits, unknowns = hits + len(found.rows), unknowns + int(found.unknowns.sum())
    assert len(requests) >= 600
    assert hits >= 1_000
    assert unknowns >= 1_000


def cut_rules(request):
    """Rules that hold for a request: parts of its values, some with their names, some beside a payload class."""
    view = HttpView(request)
    for field in ("path", "path.raw", "args", "json", "headers", "cookies", "body", "multipart", "xml"):
        for number, element in enumerate(view.read(field).elements[:3]):
            part = element.value[len(element.value) // 3 :][:12]
            name = Name(element.name) if field not in ("path", "path.raw", "body") and number % 2 == 0 else None
            tree = Condition(field, "contains", part, name)
            if number == 1:
                tree = AllOf((tree, Not(Condition(field, "is_class", b"sql_injection"))))
            yield Rule(id=f"RF-X-{field}-{number}", when=tree, classes=(("sql_injection", 1),))
