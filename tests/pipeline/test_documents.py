"""A document that allows no rule is left out by name, and never costs the rule that another gives alone."""

import itertools
import json
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect
from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Ground as DoorGround
from ruleforge.llm.scripted import Scripted
from ruleforge.pipeline.documents import DOUBTED, forge_documents
from ruleforge.pipeline.forge import Forged, Ground, forge_advisory
from ruleforge.pipeline.judging import EXPLOITS_MOST, varied_exploits
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.merge import EXHAUSTIVE_MOST, merge, precedence
from ruleforge.pipeline.papers import evidence_of
from ruleforge.records.advisory import Advisory, PocRequest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "templates"
FILES = sorted([*EXAMPLES.glob("invented/*.yaml"), *EXAMPLES.glob("refused/*.yaml")])
CVE = "CVE-2099-5100"
GROUND = Ground(default_background())


def sent(method: str, target: str, body: str = "") -> Request:
    form = ((b"Content-Type", b"application/x-www-form-urlencoded"),) if body else ()
    headers = ((b"Host", b"marsh.example"), *form)
    return Request(method=method.encode(), target=target.encode(), headers=headers, body=body.encode())


def document(name: str, *requests: Request, tags: tuple[str, ...] = (), form: str = "text") -> Advisory:
    pocs = tuple(PocRequest(request=request, step=number) for number, request in enumerate(requests))
    return assign_roles(
        Advisory(id=CVE, sources=(f"folder/{name}",), cves=(CVE,), format=form, tags=tags, requests=pocs, digest=name)
    )


def forge(*documents: Advisory) -> Forged:
    given = sorted(documents, key=precedence)
    return forge_documents(merge(given), given, GROUND)


CHART = "/marshreeve/level_chart.php?gauge="
SOUND = document("a.yaml", sent("GET", CHART + "1'%20UNION%20SELECT%201,2,3--%20-"), tags=("sqli",), form="nuclei")
SAME = document("b.txt", sent("GET", f"/app{CHART}-4'%20OR%20SLEEP(3)--%20-"))
PLAIN = document("c.txt", sent("GET", CHART + "5"))  # what the first takes for ordinary use
ELSEWHERE = document("g.txt", sent("GET", "/search?q=flood"))  # gives a rule alone, and a useless one
VAGUE = (document("A-u.txt", sent("GET", "/index.php?id=5")), document("A-v.txt", sent("GET", "/index.php?id=6")))
OTHER = document("d.txt", sent("POST", "/marshreeve/import_levels.php", "sheet=9'%20AND%20SLEEP(7)--%20-"))


def fires(forged: Forged, request: Request) -> bool:
    assert forged.best is not None
    return compile_rule(forged.best.candidate.rule).ask(HttpView(request)) is True


def test_a_rule_covers_every_document_where_it_can() -> None:
    forged = forge(SOUND, SAME, OTHER)
    assert forged.left_out == ()
    assert forged.outcome.detail == ""
    assert all(fires(forged, poc.request) for each in (SOUND, SAME, OTHER) for poc in each.requests)


def test_a_document_that_allows_no_rule_is_left_out_and_named() -> None:
    forged = forge(SOUND, SAME, PLAIN)
    assert forged.outcome.outcome == "rule"
    assert [forged.advisory.sources[each.source] for each in forged.left_out] == ["folder/c.txt"]
    assert forged.outcome.detail == f"not covered: c.txt: {DOUBTED}"
    assert set(forged.outcome.sources) == {"folder/a.yaml", "folder/b.txt", "folder/c.txt"}
    assert fires(forged, SAME.requests[0].request)
    assert not fires(forged, PLAIN.requests[0].request)


def test_a_document_without_payload_is_not_asked_for_a_rule_where_the_first_has_one() -> None:
    forged = forge(SOUND, SAME, ELSEWHERE)
    assert [(forged.advisory.sources[each.source], each.why) for each in forged.left_out] == [("folder/g.txt", DOUBTED)]
    assert not fires(forged, ELSEWHERE.requests[0].request)


def test_the_largest_selection_that_has_a_rule_is_taken() -> None:
    forged = forge(PLAIN, SOUND, OTHER, SAME)
    assert len(forged.left_out) == 1
    assert fires(forged, OTHER.requests[0].request)


def test_many_documents_are_added_one_by_one() -> None:
    more = [
        document(f"m{number}.txt", sent("GET", f"/site{number}{CHART}{number}'%20OR%20'a'='a"))
        for number in range(EXHAUSTIVE_MOST)
    ]
    forged = forge(SOUND, PLAIN, *more)
    assert [forged.advisory.sources[each.source] for each in forged.left_out] == ["folder/c.txt"]
    assert all(fires(forged, each.requests[0].request) for each in more)


def test_a_document_that_no_rule_can_cover_is_left_out_with_what_stood_in_the_way() -> None:
    forged = forge(*VAGUE, SAME)  # none is more trusted; the texts come in the order of their digests
    assert forged.outcome.outcome == "rule"
    assert fires(forged, SAME.requests[0].request)
    assert {forged.advisory.sources[each.source] for each in forged.left_out} == {"folder/A-u.txt", "folder/A-v.txt"}
    assert all(each.why.startswith("no rule covers all documents (") for each in forged.left_out)


def test_a_mere_look_of_another_document_cannot_prevent_a_rule() -> None:
    # Its author takes for harmless what the first one shows as the attack.
    look = msgspec.structs.replace(SAME, requests=(*SAME.requests, *PLAIN.requests))
    forged = forge(SOUND, look)
    assert forged.outcome.outcome == "rule"
    assert fires(forged, SOUND.requests[0].request)


def test_documents_without_any_rule_are_refused_once_with_all_their_names() -> None:
    forged = forge(*VAGUE)
    assert forged.outcome.outcome == "refused"
    assert forged.outcome.reason
    assert set(forged.outcome.sources) == {"folder/A-u.txt", "folder/A-v.txt"}


def test_evidence_names_what_is_covered_and_what_documents_agree_on() -> None:
    copy = document("f.txt", SOUND.requests[0].request, sent("GET", CHART + "8'%20OR%20'1'='1"))
    forged = forge(SOUND, copy, PLAIN)
    told = {each["name"]: each for each in evidence_of(forged, GROUND)["advisory"]["documents"]}
    assert {name: each["covered"] for name, each in told.items()} == {"a.yaml": True, "f.txt": True, "c.txt": False}
    assert told["f.txt"]["requests_of_earlier_documents"] == 1
    assert {name: each["exploits"] for name, each in told.items()} == {"a.yaml": 1, "f.txt": 1, "c.txt": 1}
    assert told["c.txt"]["why"]
    assert "folder" not in json.dumps(told)


@lru_cache(maxsize=64)
def example(file: Path) -> Advisory | None:
    found = read_advisory(file)
    if not isinstance(found, Advisory):
        return None
    return assign_roles(msgspec.structs.replace(found, id=CVE, cves=(CVE,)))


@lru_cache(maxsize=64)
def has_rule_alone(file: Path) -> bool:
    advisory = example(file)
    return advisory is not None and forge_advisory(advisory, GROUND).best is not None


# Each example beside the next and the one after: unrelated flaws under one number are the worst that can be merged.
PAIRS = [pair for step in (1, 2) for pair in zip(FILES, [*FILES[step:], *FILES[:step]], strict=True)]


def test_pairs_were_found() -> None:
    assert len(PAIRS) >= 50


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(file.stem[:12] for file in pair))
def test_no_document_costs_the_rule_that_another_gives_alone(pair: tuple[Path, Path]) -> None:
    documents = [advisory for file in pair if (advisory := example(file)) is not None]
    forged = forge(*documents)
    assert (forged.best is not None) >= any(has_rule_alone(file) for file in pair)
    if forged.best is not None:
        left = {each.source for each in forged.left_out}
        ordered = sorted(documents, key=precedence)
        exploits = [
            p for n, d in enumerate(ordered) if n not in left for p in merge([d]).requests if p.role == "exploit"
        ]
        assert [poc.request.target for poc in exploits if not fires(forged, poc.request)] == []


def test_no_document_crowds_the_others_out_of_the_variants() -> None:
    rows = [sent("GET", f"/a/b.php?x={n}'%20OR%20'1'='1") for n in range(EXPLOITS_MOST * 2)]
    many, few = document("m", *rows), document("n", sent("GET", "/c/d.php?x=1'%20OR%20'1'='1"))
    merged = merge([many, few])
    chosen = varied_exploits([dissect(poc) for poc in merged.requests])
    assert len(chosen) == EXPLOITS_MOST
    assert chosen == sorted(chosen)
    assert {merged.requests[index].source for index in chosen} == {0, 1}


def test_every_condition_of_a_rule_says_why_it_is_needed() -> None:
    for file in itertools.islice((f for f in FILES if has_rule_alone(f)), 12):
        advisory = example(file)
        assert advisory is not None
        forged = forge_advisory(advisory, GROUND)
        assert forged.conditions, file.name
        assert all(each.condition and each.needed_because for each in forged.conditions)
        assert not [each for each in forged.conditions if each.needed_because == "a check failed without it"], file.name


def test_each_of_two_alternatives_is_needed_for_an_exploit() -> None:
    forged = forge(SOUND, document("w.txt", sent("POST", "/tidebook/posting_rules.php", "sheet=9'%20AND%20SLEEP(7)--")))
    told = {each.condition: each.needed_because for each in forged.conditions}
    either = [why for condition, why in told.items() if condition.startswith(("or ", "alternative"))]
    assert len(either) == 2
    assert all("misses exploit request" in why for why in either)


def test_a_model_is_asked_about_one_selection_of_documents_only() -> None:
    """Each further selection would cost as many questions again."""
    provider = Scripted(
        lambda _call: json.dumps({"mechanism": "unknown to me", "when": None, "why_none": "all of it is too vague"})
    )
    door = Door(provider, ground=DoorGround(bytes(32)))
    ground = Ground(GROUND.background, writer=ModelWriter(door, GROUND.background, candidates=2))
    given = sorted((SOUND, PLAIN, *VAGUE), key=precedence)
    found = forge_documents(merge(given), given, ground)
    assert found.left_out
    assert len(provider.asked) == 2
    assert found.outcome.model is not None
    assert found.outcome.model.declined == ("all of it is too vague",)
