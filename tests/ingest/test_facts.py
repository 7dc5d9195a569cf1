"""From facts to requests that attack as the document says, or to a reasoned early answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.ingest.fact_payloads import payloads_of
from ruleforge.ingest.fact_requests import REQUESTS_MOST, requests_from
from ruleforge.ingest.facts import MAX_BYTES, facts_of, grounded, normal_of
from ruleforge.ingest.prose import read_facts, read_markdown, read_page, read_text
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.facts import REFUSAL_OF, VERDICTS, Facts
from ruleforge.records.forging import REFUSALS
from ruleforge.rules.classes import classes_of
from ruleforge.sources.prose.normal import Normal

HEAD = "# CVE-2099-4101\n\n"


def facts(text: str) -> Facts:
    return facts_of(Normal(text, "plain"), "a.md")


def made(text: str) -> tuple[PocRequest, ...]:
    return requests_from(facts(text), text)


def advisory(text: str) -> Advisory:
    return read_markdown((HEAD + text).encode(), "a.md")


def targets(pocs: tuple[PocRequest, ...]) -> set[bytes]:
    return {poc.request.method + b" " + poc.request.target.partition(b"?")[0] for poc in pocs}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("SQL injection via the id parameter to /shop/item.php.", "enough"),
        ("XSS in the /shop/item.php page.", "enough"),
        ("SQL injection via the crateNumber parameter.", "enough"),
        ("The file /backup/pears.conf is exposed to everybody.", "enough"),
        ("Command injection via the X-Pear-Debug header.", "enough"),
        ("The plugin for WordPress has an SQL injection.", "no_place"),
        ("SQL injection via the id parameter.", "no_place"),
        ("The page /shop/item.php behaves strangely.", "no_payload"),
        ("Pear Shop has a flaw.", "nothing"),
        ("A local user can overwrite files of the daemon through a race in its installer.", "not_http"),
        ("A use-after-free in the font code is reached when a crafted font file is opened.", "not_http"),
        ("The FTP service crashes.", "not_http"),
        ("The appliance has a hard-coded password for its root account.", "needs_state"),
        ("A page /forgot allows user enumeration, as the answers differ.", "needs_response"),
    ],
)
def test_the_early_answer_says_what_the_words_are_enough_for(text: str, verdict: str) -> None:
    found = facts(text)
    assert found.verdict == verdict
    assert found.why
    assert bool(found.missing) == (verdict in ("no_place", "no_payload", "nothing"))


def test_every_verdict_has_a_sentence_and_every_early_answer_is_a_known_refusal() -> None:
    assert set(REFUSAL_OF) == set(VERDICTS) - {"request", "enough"}
    assert set(REFUSAL_OF.values()) <= set(REFUSALS)


def test_a_protocol_named_in_passing_does_not_rule_out_a_page_with_its_parameter() -> None:
    text = (
        "The DNS form of the router lets attackers run commands: command injection "
        "in the host_name parameter of /dns.cgi."
    )
    assert facts(text).verdict == "enough"


def test_requests_carry_several_payloads_of_the_class_in_the_named_parameter() -> None:
    pocs = made("SQL injection via the id parameter to /shop/item.php.")
    assert targets(pocs) == {b"GET /shop/item.php", b"POST /shop/item.php"}
    values = {poc.request.target.partition(b"?id=")[2] for poc in pocs if poc.request.method == b"GET"}
    assert len(values) == 3
    assert all("sql_injection" in classes_of(poc.request.target + (poc.request.body or b"")) for poc in pocs)
    assert all("synthetic" in poc.notes[0] for poc in pocs)


def test_a_method_that_is_told_is_the_only_one() -> None:
    pocs = made("A POST request to /shop/save with the crate_no field leads to SQL injection.")
    assert targets(pocs) == {b"POST /shop/save"}
    assert {dict(poc.request.headers)[b"Content-Type"] for poc in pocs} >= {
        b"application/x-www-form-urlencoded",
        b"application/json",
    }


def test_where_no_parameter_is_named_its_name_is_a_stand_in() -> None:
    pocs = made("Command injection in /cgi-bin/press.cgi.")
    for poc in pocs:
        name = (poc.request.target.partition(b"?")[2] or poc.request.body or b"").partition(b"=")[0]
        assert name in poc.standins


def test_parts_of_a_route_that_are_named_in_braces_are_stand_ins() -> None:
    (first, *_) = made("Path traversal via the leaf parameter of the route /trees/{treeId}/leaves.")
    segment = first.request.target.split(b"/")[2]
    assert segment in first.standins
    assert b"{" not in first.request.target


def test_an_ajax_action_is_called_where_wordpress_does_it() -> None:
    pocs = made("SQL injection in the pearRow parameter of the pear_list AJAX action.")
    assert targets(pocs) == {b"GET /wp-admin/admin-ajax.php", b"POST /wp-admin/admin-ajax.php"}
    assert all(b"action=pear_list" in poc.request.target + (poc.request.body or b"") for poc in pocs)


def test_a_component_of_joomla_is_selected() -> None:
    pocs = made("Path traversal in the com_pears component for Joomla! via the kernel parameter to index.php.")
    assert all(b"option=com_pears" in poc.request.target + (poc.request.body or b"") for poc in pocs)


def test_a_folder_called_like_the_product_is_where_the_author_put_it() -> None:
    pocs = made("Product: Pear Shop\nSQL injection via the id parameter to /pear-shop/admin/item.php.")
    assert targets(pocs) == {b"GET /admin/item.php", b"POST /admin/item.php"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("XXE in the import endpoint /xml/import.", b"<!ENTITY"),
        ("Unrestricted file upload in /gallery/up.php.", b'filename="'),
        ("Command injection in a filename of the upload to /gallery/up.php.", b'filename="'),
        ("Prototype pollution in /settings/merge.", b"__proto__"),
    ],
)
def test_attacks_in_bodies_have_their_shape(text: str, part: bytes) -> None:
    pocs = made(text)
    assert pocs
    assert any(part in (poc.request.body or b"") for poc in pocs)


@pytest.mark.parametrize("place", [("header", "X-Pear"), ("cookie", "basket")])
def test_attacks_in_headers_and_cookies_stand_there(place: tuple[str, str]) -> None:
    kind, name = place
    (first, *_) = made(f"Command injection via the `{name}` {kind} in /a/b.php.")
    headers = dict(first.request.headers)
    assert (name.encode() in headers) if kind == "header" else headers[b"Cookie"].startswith(b"basket=")


CLASSES = (
    "xss",
    "sql_injection",
    "traversal",
    "command_injection",
    "code_injection",
    "template_injection",
    "jndi",
    "shellshock",
    "crlf_injection",
    "ldap_injection",
    "nosql_injection",
    "xpath_injection",
    "url_value",
    "internal_address",
    "serialized_object",
)


@pytest.mark.parametrize("name", CLASSES)
def test_payloads_are_of_their_class_and_more_than_one(name: str) -> None:
    found = payloads_of(name)
    assert len(found) > 1
    assert all(name in classes_of(payload) for payload in found)


def test_a_document_without_a_request_becomes_an_advisory_with_exploits() -> None:
    found = assign_roles(advisory("SQL injection in Pear Shop via the id parameter to /shop/item.php."))
    assert {poc.role for poc in found.requests} == {"exploit"}
    assert "sqli" in found.tags
    assert any("synthetic" in problem for problem in found.problems)
    assert found.early == ("", "")


def test_a_document_that_does_not_say_enough_says_why_not() -> None:
    found = advisory("The FTP service of the pear server crashes.")
    assert not found.requests
    assert found.early[0] == "no_http"
    assert "FTP" in found.early[1]


def test_a_request_that_is_shown_is_not_replaced() -> None:
    found = advisory(
        "SQL injection in the id parameter of /other.php:\n\n```\nGET "
        "/shop.php?id=1'+union+select+1,2--+- HTTP/1.1\nHost: a\n```\n"
    )
    assert [poc.request.target for poc in found.requests] == [b"/shop.php?id=1'+union+select+1,2--+-"]


def test_a_page_in_html_is_read_as_its_words() -> None:
    page = (
        b"<!doctype html><html><head><title>CVE-2099-4102</title></head><body><p>XSS "
        b"in the <code>q</code> parameter of /find.php</p></body></html>"
    )
    found = read_page(page, "a.html")
    assert found.cves == ("CVE-2099-4102",)
    assert targets(found.requests) == {b"GET /find.php", b"POST /find.php"}


def test_a_page_inside_an_exploit_in_plain_text_is_left_as_it_is() -> None:
    text = b"CVE-2099-4105\n\n<html><body><form action='http://localhost/a.php' method='POST'>"
    text += b"<input name='q' value='<script>alert(1)</script>'></form></body></html>\n"
    assert normal_of(text, "a.txt").text == text.decode()
    (poc,) = read_text(text, "a.txt").requests
    assert (poc.request.method, poc.request.target) == (b"POST", b"/a.php")


def test_a_patch_gives_requests() -> None:
    patch = (
        b"From 1 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] CVE-2099-4103: prevent SQL injection\n\n---\n"
        b"diff --git a/press/save.php b/press/save.php\n--- a/press/save.php\n+++ b/press/save.php\n"
        b"+$no = intval($_POST['crate_no']);\n"
    )
    found = read_text(patch, "a.patch")
    assert targets(found.requests) == {b"POST /press/save.php"}


def test_what_a_document_shows_counts_among_its_facts() -> None:
    _, found = read_facts(b"# CVE-2099-4104\n\ncurl 'http://localhost/a?b=../../../etc/passwd'\n", "a.md")
    assert (found.verdict, found.requests) == ("request", 1)


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError, match="RF263"):
        normal_of(b"a" * (MAX_BYTES + 1), "a.txt")


WORDS = [
    "SQL",
    "injection",
    "XSS",
    "in",
    "via",
    "the",
    "id",
    "sort_by",
    "parameter",
    "of",
    "to",
    "/a/b.php",
    "/c/{d}",
    "x.jsp",
    "POST",
    "GET",
    "header",
    "`q`",
    "cookie",
    "a=b,",
    "and",
    ".",
    "com_x",
    "AJAX",
    "action",
    "upload",
    "XXE",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "../", "\x00", "é", "\n\n", "?k=v&", "%0d%0a", '"']), max_size=40))
def test_whatever_is_said_requests_are_well_formed_and_few(words: list[str]) -> None:
    text = " ".join(words)
    found = facts(text)
    assert all(grounded(fact, text) for fact in found.facts)
    pocs = requests_from(found, text)
    assert len(pocs) <= REQUESTS_MOST
    for poc in pocs:
        assert poc.request.target.startswith(b"/")
        assert not any(byte in b" \r\n\x00" for byte in poc.request.target)
        assert all(b"\n" not in name and b":" not in name for name, _ in poc.request.headers)
        assert all(len(mark) > 1 for mark in poc.standins)
