"""The compiled set answers exactly as the reference, for every request and every rule."""

import gzip
import io
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.engine.compiled import Answers, CompiledSet, Hit, Tally
from ruleforge.engine.matching import HyperscanMatcher, PlainMatcher, make_matcher
from ruleforge.engine.rarity import default_rarity
from ruleforge.engine.reference import compile_rule
from ruleforge.errors import RuleError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule

BACKENDS = [pytest.param(HyperscanMatcher, id="hyperscan"), pytest.param(PlainMatcher, id="plain")]


def reference(rules, request):
    view = HttpView(request)
    answers = [compile_rule(rule).ask(view) for rule in rules]
    hits = tuple(index for index, answer in enumerate(answers) if answer)
    return hits, tuple(index for index, answer in enumerate(answers) if answer is None)


@settings(max_examples=120)
@given(data=st.data())
def test_hits_and_unknowns_are_those_of_the_reference(drawn, data):
    requests = data.draw(st.lists(drawn.requests(), min_size=1, max_size=4))
    trees = [tree for request in requests for tree in data.draw(st.lists(drawn.rules_for(request), max_size=4))]
    rules = [drawn.make_rule(tree) for tree in trees]
    compiled = CompiledSet(rules, matcher=PlainMatcher)
    for request in requests:
        assert compiled.answers(request)[:2] == reference(rules, request)


@settings(max_examples=40)
@given(data=st.data())
def test_hyperscan_finds_what_plain_searching_finds(data):
    literals = data.draw(
        st.lists(st.binary(min_size=1, max_size=5) | st.just(b"\x00a\x01" * 60), min_size=1, unique=True)
    )
    text = b"".join(data.draw(st.lists(st.sampled_from(literals) | st.binary(max_size=3), max_size=6)))
    assert sorted(HyperscanMatcher(literals).find(text)) >= sorted(PlainMatcher(literals).find(text))


def rules_of(*trees):
    return [Rule(id=f"RF-X-{number}", when=tree) for number, tree in enumerate(trees)]


PATH_AND_ARGS = AllOf((Condition("path", "path_suffix", b"/run"), Condition("args", "contains", b"wget", Name(b"cmd"))))


@pytest.mark.parametrize("matcher", BACKENDS)
def test_scan_yields_hits_in_order_and_counts_the_rest(matcher):
    compiled = CompiledSet(rules_of(PATH_AND_ARGS, Condition("args", "contains", b"wget")), matcher=matcher)
    requests = [
        Request(method=b"GET", target=b"/a/run?cmd=wget+x"),
        Request(method=b"GET", target=b"/"),
        Request(method=b"GET", target=b"/run", unrecorded=frozenset({"body"})),
        Request(method=b"GET", target=b"/?a=wget", unrecorded=frozenset({"body"})),
    ]
    tally = Tally(2)
    assert list(compiled.scan(requests, tally=tally)) == [Hit(0, 0), Hit(0, 1), Hit(3, 1)]
    assert (tally.requests, tally.hits, tally.unknowns) == (4, [1, 2], [1, 1])
    assert tally.verified == 4  # a rule over one incomplete place is unknown without being evaluated


def test_rules_without_a_literal_are_listed_and_still_asked():
    compiled = CompiledSet(rules_of(PATH_AND_ARGS, Not(PATH_AND_ARGS), Condition("args", "count_gt", 5)))
    assert compiled.slow_rules == (1, 2)
    assert [hit.rule_index for hit in compiled.scan([Request(method=b"GET", target=b"/")])] == [1]
    assert compiled.cost(1) == 1_000
    assert 0 < compiled.cost(0) < 100


def test_a_rule_over_one_incomplete_place_can_still_be_false():
    tree = AllOf((Condition("args", "contains", b"wget"), Condition("args", "absent")))
    request = Request(method=b"GET", target=b"/?a=b", unrecorded=frozenset({"body"}))
    assert CompiledSet(rules_of(tree)).answers(request)[:2] == reference(rules_of(tree), request) == ((), ())


def test_the_rarer_clause_is_searched_for():
    seen = {b"\x00cmd\x01": 0.0, b"wget": 0.5, b"/run": 0.4}
    compiled = CompiledSet(rules_of(PATH_AND_ARGS), rarity=lambda zone, text: seen.get(text, 1.0))
    assert compiled.cost(0) == 0
    assert compiled.answers(Request(method=b"GET", target=b"/run?x=wget")) == Answers((), (), 0)


def test_common_words_are_less_rare_than_others_of_their_length():
    assert default_rarity("headers", b"\x00user-agent\x01") > default_rarity("headers", b"\x00x-zq-agent\x01")
    assert default_rarity("args", b"abcd") > default_rarity("args", b"abcdefgh")
    assert 0 <= default_rarity("body", b"") <= 1


def test_rules_that_count_events_are_refused():
    counting = Count(when=PATH_AND_ARGS, by=("source.address",), within_seconds=60, at_least=3)
    with pytest.raises(RuleError):
        CompiledSet([Rule(id="RF-X-1", when=counting)])


def test_no_rules_and_no_requests_are_fine():
    assert list(CompiledSet([]).scan([Request(method=b"GET", target=b"/")])) == []
    assert list(CompiledSet(rules_of(PATH_AND_ARGS)).scan([])) == []
    assert make_matcher([]).find(b"abc") == []


def test_threads_share_a_set():
    compiled = CompiledSet(rules_of(PATH_AND_ARGS), matcher=HyperscanMatcher)
    requests = [Request(method=b"GET", target=b"/run?cmd=wget%d" % n) for n in range(300)]
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(list(compiled.scan(requests))))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [300] * 4


SOURCES = ("exploits/exploits-dev.jsonl.gz", "traffic/attack-dev.jsonl.gz", "traffic/benign-dev.jsonl.gz")


@pytest.mark.corpus
def test_answers_on_recorded_traffic_are_those_of_the_reference(corpus):
    """Rules are cut out of the very requests, so that thousands of pairs hold; gaps are put into every third one."""
    from ruleforge.events.formats.jsonl import read_jsonl

    random.seed(4)
    requests = [request for source in SOURCES for request in sample(corpus / source, read_jsonl)]
    requests = [with_gap(request, index) for index, request in enumerate(requests)]
    rules = [rule for request in random.sample(requests, 60) for rule in cut_rules(request)]
    compiled, plain = CompiledSet(rules), CompiledSet(rules, matcher=PlainMatcher)
    hits = unknowns = 0
    for request in requests:
        expected = reference(rules, request)
        assert compiled.answers(request)[:2] == expected
        assert plain.answers(request)[:2] == expected
        hits, unknowns = hits + len(expected[0]), unknowns + len(expected[1])
    assert len(requests) >= 300
    assert hits >= 1_000
    assert unknowns >= 1_000


def sample(path, read):
    with gzip.open(path) as file:
        lines = file.read().splitlines(keepends=True)
    rows = b"".join(random.sample(lines, 130))
    return [request for request in read(io.BytesIO(rows), path.name) if isinstance(request, Request)]


def with_gap(request, index):
    if index % 3:
        return request
    return Request(method=request.method, target=request.target, unrecorded=frozenset({"body", "headers"}))


def cut_rules(request):
    """Rules that hold for `request`, from pieces of its values, and some that hold for all others."""
    view = HttpView(request)
    for field in ("path", "args", "target.raw", "headers", "cookies", "json", "body", "path.raw"):
        elements = view.read(field).elements
        if not elements:
            continue
        element = random.choice(elements)
        start = random.randrange(len(element.value) + 1)
        piece = element.value[start : start + random.choice((2, 6, 20))]
        name = Name(element.name) if element.name and field != "headers" else None
        one = Condition(field, "contains", piece.upper() if random.random() < 0.2 else piece, name)
        two = Condition(field, "equals", element.value.lower(), name, ("lower",))
        path = Condition("path", "path_suffix", b"/" + piece.replace(b"/", b"-")) if piece.strip(b"./") else one
        yield from (
            Rule(id="RF-X-1", when=tree) for tree in (one, two, AllOf((one, two)), AnyOf((path, two)), Not(one))
        )


def test_rules_on_the_query_alone_are_not_evaluated_for_logs_without_bodies():
    trees = [Condition("query_args", "equals", b"needle", Name(b"n%d" % number)) for number in range(50)]
    compiled = CompiledSet([Rule(id=f"RF-{number}", when=tree) for number, tree in enumerate(trees)])
    row = Request(method=b"GET", target=b"/?n7=needle&x=1", unrecorded=frozenset({"body"}))
    assert compiled.answers(row) == ((7,), (), 1)


def test_costly_conditions_that_rules_share_are_answered_once():
    shared = Condition("query_args", "regex", b"needle")
    rules = [Rule(id=f"RF-{end}", when=AllOf((shared, Condition("path", "ends_with", end.encode())))) for end in "ab"]
    view = HttpView(Request(method=b"GET", target=b"/ab?q=needle"))
    assert CompiledSet(rules).answers(view).hits == (1,)
    assert list(view.memo.values()) == [True]
