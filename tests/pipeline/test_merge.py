"""Documents about one vulnerability become one advisory, whatever their order; others are left alone."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.events.request import Request
from ruleforge.ingest.fact_requests import SYNTHETIC
from ruleforge.pipeline.merge import (
    DOCUMENTS_MOST,
    EXHAUSTIVE_MOST,
    group,
    members_of,
    merge,
    primary_cve,
    restrict,
    selections,
)
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.tree import Product

CVE = "CVE-2099-5000"
SQLI = b"/fernwood/list.php?id=1'%20UNION%20SELECT%201,2--"
PAGE = b"/fernwood/"


def sent(target: bytes, **more: object) -> PocRequest:
    request = Request(method=b"GET", target=target, headers=((b"Host", b"fern.example"),))
    return PocRequest(request=request, **more)  # type: ignore[arg-type]


def document(name: str, *requests: PocRequest, **more: object) -> Advisory:
    given = {"id": CVE, "cves": (CVE,), "digest": hashlib.sha256(name.encode()).hexdigest()} | more
    return Advisory(sources=(name,), requests=requests, **given)  # type: ignore[arg-type]


# --- what belongs together --------------------------------------------------------------------------------------------

MANY = tuple(f"CVE-2099-{number}" for number in range(6000, 6010))
PRIMARY = [
    (document("a.txt"), CVE),
    (document("a.txt", id="fern-list-sqli"), CVE),
    (document("a.txt", id="cve-2099-5000", cves=()), CVE),
    (document("a.txt", cves=(CVE, MANY[0])), CVE),
    (document("a.txt", id="EDB-77001", cves=(CVE, MANY[0])), ""),
    (document("a.txt", id="a", cves=()), ""),
    (document("round-up.md", id=MANY[0], cves=MANY), ""),
    (document("pages/CVE_2099_6003.md", id="CVE-2099-6003", cves=MANY), "CVE-2099-6003"),
    (document("a.txt", id="CVE-2099-5000-bypass", cves=()), ""),
]


@pytest.mark.parametrize(("given", "cve"), PRIMARY)
def test_a_document_has_a_primary_cve_where_it_is_about_one(given: Advisory, cve: str) -> None:
    assert primary_cve(given) == cve


def test_a_round_up_does_not_glue_what_it_names_together() -> None:
    alone = [document(f"{cve}.yaml", sent(SQLI), id=cve, cves=(cve,)) for cve in MANY]
    round_up = document("round-up.md", sent(SQLI), id=MANY[0], cves=MANY)
    groups = group([*alone, round_up])
    assert [len(members) for members in groups] == [1] * (len(MANY) + 1)


def test_documents_without_a_cve_are_never_merged_by_their_name() -> None:
    one = document("a/exploit.txt", id="exploit", cves=())
    other = document("b/exploit.txt", id="exploit", cves=())
    assert [len(members) for members in group([one, other])] == [1, 1]


# --- one advisory -----------------------------------------------------------------------------------------------------


def test_facts_come_from_the_first_that_has_them_templates_before_texts() -> None:
    text = document("zz.txt", title="Some text", description="Long", cwes=("CWE-79",), tags=("xss",),
                    references=("https://two.example",), severity="low", author="someone")  # fmt: skip
    template = document("aa.yaml", format="nuclei", title="Fernwood list", cwes=("CWE-89",), severity="high",
                        products=(Product(vendor="fern", product="wood"),),
                        references=("https://one.example",))  # fmt: skip
    merged = merge([text, template])
    assert merged.sources == ("aa.yaml", "zz.txt")
    assert (merged.title, merged.description, merged.severity) == ("Fernwood list", "Long", "high")
    assert (merged.cwes, merged.tags) == (("CWE-89", "CWE-79"), ("xss",))
    assert merged.references == ("https://one.example", "https://two.example")
    assert merged.products[0].product == "wood"
    assert merged.author == "someone"
    assert (merged.id, merged.cves) == (CVE, (CVE,))


def test_a_single_document_comes_back_as_it_is() -> None:
    alone = document("a.txt", sent(SQLI, role="probe"), id="cve-2099-5000")
    assert merge([alone]) is alone


def test_roles_are_given_within_each_document() -> None:
    first = document("a.yaml", sent(SQLI), format="nuclei", tags=("sqli",))
    second = document(
        "b.txt", sent(PAGE), sent(b"/fernwood/list.php?id=2'%20OR%20SLEEP(3)--", step=1), sent(PAGE, step=2)
    )
    merged = merge([first, second])
    assert [(poc.source, poc.role) for poc in merged.requests] == [
        (0, "exploit"), (1, "probe"), (1, "exploit"), (1, "probe"),
    ]  # fmt: skip
    assert [poc.reason for poc in merged.requests][1::2] == ["looks at a page before the attack", "looks at the result"]


def test_what_one_document_says_of_the_flaw_holds_for_the_requests_of_all() -> None:
    first = document("a.yaml", sent(b"/fernwood/go?to=//peer.example"), format="nuclei", cwes=("CWE-601",))
    second = document("b.txt", sent(b"/fernwood/go?back=https://peer.example"), sent(b"/fernwood/list?id=5", step=1))
    assert [poc.role for poc in merge([first, second]).requests] == ["exploit", "exploit", "probe"]


def test_a_request_that_two_documents_hold_stands_once_and_names_both() -> None:
    first = document("a.yaml", sent(SQLI), format="nuclei")
    other = PocRequest(request=Request(method=b"GET", target=SQLI, headers=((b"Host", b"192.0.2.9"),)))
    second = document("b.txt", other, sent(b"/fernwood/list.php?id=1'%20OR%20'1'='1", step=1))
    merged = merge([first, second])
    assert [(poc.source, poc.agreed) for poc in merged.requests] == [(0, (1,)), (1, ())]
    assert [poc.request.target for poc in restrict(merged, (1,)).requests] == [
        poc.request.target for poc in merged.requests
    ]
    assert members_of(merged) == (0, 1)


def test_a_step_that_one_document_sends_twice_stays_two_steps() -> None:
    merged = merge([document("a.yaml", sent(SQLI), sent(SQLI, step=1)), document("b.txt", sent(SQLI))])
    assert [(poc.source, poc.step, poc.agreed) for poc in merged.requests] == [(0, 0, (1,)), (0, 1, ())]


def test_a_header_makes_another_request() -> None:
    with_header = PocRequest(request=Request(method=b"GET", target=SQLI, headers=((b"X-Fern-Peer", b"1"),)))
    assert len(merge([document("a", sent(SQLI)), document("b", with_header)]).requests) == 2


def test_a_preparing_step_is_the_attack_where_another_document_shows_it_as_one() -> None:
    put = Request(method=b"PUT", target=b"/stash/aa1.txt", body=b"x")
    move = Request(method=b"MOVE", target=b"/stash/aa2.txt", headers=((b"Destination", b"/../../etc/cron.d/x"),))
    first = document("a.yaml", PocRequest(request=put), format="nuclei")
    second = document(
        "b.txt", PocRequest(request=Request(method=b"PUT", target=b"/stash/zz9.txt", body=b"y")),
        PocRequest(request=move, step=1),
    )  # fmt: skip
    assert [poc.role for poc in merge([first, second]).requests] == ["exploit"] * 3


def test_blocks_are_kept_apart_and_problems_name_their_file() -> None:
    first = document("x/a.yaml", sent(SQLI), sent(PAGE, block=1), problems=("one is odd",), format="nuclei")
    second = document("y/b.txt", sent(b"/other", block=0), problems=("two is odd",))
    merged = merge([first, second])
    assert [poc.block for poc in merged.requests] == [0, 1, 2]
    assert merged.problems == ("a.yaml: one is odd", "b.txt: two is odd")


def test_the_digest_covers_every_document() -> None:
    one, two, three = (document(name, sent(SQLI)) for name in "abc")
    digests = {merge(given).digest for given in ([one], [one, two], [one, three], [one, two, three], [one, one])}
    assert len(digests) == 5


def test_more_documents_than_a_rule_is_made_from_are_listed_all_the_same() -> None:
    documents = [document(f"{number}.txt", sent(SQLI + b"%d" % number)) for number in range(DOCUMENTS_MOST + 3)]
    merged = merge(documents)
    assert len(merged.sources) == DOCUMENTS_MOST + 3
    assert len(merged.requests) == DOCUMENTS_MOST
    assert sum("not used" in problem for problem in merged.problems) == 3


# --- any documents ----------------------------------------------------------------------------------------------------

TARGETS = st.sampled_from([SQLI, PAGE, b"/a?x=../../etc/passwd", b"/b", b"/c?y=<script>alert(1)</script>"])
DOCUMENTS = st.lists(
    st.builds(
        lambda name, targets, cves, form, cwes: document(
            name, *(sent(t, step=n) for n, t in enumerate(targets)), id=cves[0] if cves else name, cves=tuple(cves),
            format=form, cwes=cwes, digest=hashlib.sha256(repr((targets, cves, form, cwes)).encode()).hexdigest(),
        ),
        name=st.text("abcdef", min_size=1, max_size=3),
        targets=st.lists(TARGETS, max_size=4),
        cves=st.lists(st.sampled_from([CVE, *MANY]), max_size=5, unique=True),
        form=st.sampled_from(["", "nuclei", "text"]),
        cwes=st.sampled_from([(), ("CWE-89",), ("CWE-22",)]),
    ),
    min_size=1, max_size=6, unique_by=lambda made: made.sources,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_every_document_is_in_one_group_and_the_order_of_the_files_changes_no_group(documents, random) -> None:  # type: ignore[no-untyped-def]
    groups = group(documents)
    assert sorted(d.sources for members in groups for d in members) == sorted(d.sources for d in documents)
    shuffled = list(documents)
    random.shuffle(shuffled)
    assert {tuple(d.sources for d in members) for members in group(shuffled)} == {
        tuple(d.sources for d in members) for members in groups
    }


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_merging_depends_on_no_order_and_merging_again_changes_nothing(documents, random) -> None:  # type: ignore[no-untyped-def]
    merged = merge(documents)
    shuffled = list(documents)
    random.shuffle(shuffled)
    assert merge(shuffled) == merged
    assert merge([merged]) == merged
    assert sorted(merged.sources) == sorted(source for d in documents for source in d.sources)
    for poc in merged.requests if len(documents) > 1 else ():
        assert poc.role
        assert poc.source not in poc.agreed
        assert 0 <= poc.source < len(merged.sources)


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS)
def test_selections_grow_smaller_and_never_repeat(documents) -> None:  # type: ignore[no-untyped-def]
    merged = merge(documents)
    found = list(selections(merged))
    members = members_of(merged)
    assert [len(each) for each in found] == sorted((len(each) for each in found), reverse=True)
    assert len(set(found)) == len(found) <= 2**EXHAUSTIVE_MOST
    assert all(set(each) <= set(members) and len(each) >= 2 for each in found)


def made_up(target: bytes) -> PocRequest:
    return sent(target, role="exploit", notes=(SYNTHETIC,))


def test_requests_made_from_words_are_left_out_where_another_document_shows_the_attack() -> None:
    words = document("words.md", made_up(b"/fernwood/list.php?page=1'%20OR%201=1--"), title="Words")
    shown = document("shown.txt", sent(SQLI, role="exploit"))
    merged = merge((words, shown))
    assert [poc.request.target for poc in merged.requests] == [SQLI]
    assert any("synthetic requests were left out" in problem for problem in merged.problems)
    assert merged.title == "Words"


def test_requests_made_from_words_stay_where_no_document_shows_more() -> None:
    words = document("words.md", made_up(SQLI))
    look = document("look.txt", sent(PAGE, role="probe"))
    assert SQLI in {poc.request.target for poc in merge((words, look)).requests}
