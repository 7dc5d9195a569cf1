"""PoC files of afrog and xray: which requests they send, and what they check."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.sources.afrog.checks import called_rules
from ruleforge.sources.afrog.document import parse_poc
from ruleforge.sources.afrog.expand import expand_poc
from ruleforge.sources.afrog.values import Variables

POC = """
id: CVE-2099-3001
info:
  name: Pear Press file reading
  author: a, b
  severity: high
  reference: [https://pear.example/advisory]
  tags: pear,lfi
set:
  word: randomLowercase(8)
  number: randomInt(100000, 999999)
  product: string(number * 3)
  packed: base64("id=" + word)
  plain: pear-press-7
  host: request.url.host
  back: newReverse()
  link: back.url
rules:
  login:
    request:
      method: post
      path: /press/login
      headers: {X-Host: "{{host}}"}
      body: "user={{word}}&p={{plain}}"
    expression: response.status == 302 && !response.body.bcontains(b"fail")
    output:
      search: '"sid=(?P<sid>\\w+)".bsubmatch(response.raw_header)'
      sid: search["sid"]
  read:
    request:
      method: GET
      path: "/press/page?sid={{sid}}&to={{link}}&x={{packed}}&t={{7*7}}#end"
    expression: |
      response.status == 200 && "root:[x*]:0".bmatches(response.body) && "Pear" in response.headers
      && response.content_type.icontains("text") && response.body.bcontains(bytes(product))
  other:
    request: {method: GET, path: /press/other}
    expression: response.status != 404
expression: other() || (login() && read())
"""


def expand(text):
    return expand_poc(parse_poc(text.encode()))


def test_requests_come_in_the_order_of_the_expression_and_alternatives_are_blocks():
    found = expand(POC)
    assert [(each.origin, each.block, each.step) for each in found.requests] == [
        ("rules.other", 0, 0),
        ("rules.login", 1, 0),
        ("rules.read", 1, 1),
    ]
    assert (found.id, found.title, found.severity, found.author) == (
        "CVE-2099-3001",
        "Pear Press file reading",
        "high",
        "a, b",
    )
    assert (found.tags, found.references) == (("pear", "lfi"), ("https://pear.example/advisory",))


def test_variables_are_evaluated_and_what_is_random_is_a_standin():
    _, login, read = expand(POC).requests
    user, _, rest = login.request.body.removeprefix(b"user=").partition(b"&")
    assert user in login.standins
    assert rest == b"p=pear-press-7"
    assert (b"X-Host", b"target.example") in login.request.headers
    target = read.request.target
    assert target.startswith(b"/press/page?sid=")
    assert b"&to=http://" in target
    assert target.endswith(b"&t={{7*7}}")
    packed = target.partition(b"&x=")[2].partition(b"&")[0]
    assert packed.startswith(b"aWQ9")  # "id=", before the stand-in
    assert base64.b64decode(packed).startswith(b"id=rfq")
    assert all(
        standin in b"".join([target, *(value for _, value in read.request.headers)]) for standin in read.standins
    )


def test_checks_of_the_response_become_words():
    other, login, read = (each.matchers for each in expand(POC).requests)
    assert other == ("not status:404",)
    assert login == ("status:302", "not word(body):fail", "extractor-internal:search", "extractor-internal:sid")
    assert read[:4] == ("status:200", "regex(body):root:[x*]:0", "word(header):Pear", "word(header):text")
    assert read[4].startswith("word(body):")


XRAY = """
name: poc-yaml-pear-cve-2099-3002
set: {r: randomInt(1, 9)}
rules:
  - method: POST
    path: /one?q={{r}}
    follow_redirects: false
    search: 'token=(?P<token>\\w+)'
    expression: "true"
  - method: GET
    path: /two?t={{token}}
    expression: response.status == 200
detail:
  author: someone
  links: [https://pear.example]
"""


def test_the_older_list_of_xray_is_one_chain():
    found = expand(XRAY)
    one, two = found.requests
    assert [(each.block, each.step) for each in (one, two)] == [(0, 0), (0, 1)]
    assert two.request.target.removeprefix(b"/two?t=") in two.standins
    assert (found.author, found.references) == ("someone", ("https://pear.example",))
    assert any("cve-2099-3002" in each for each in found.cves)


def test_groups_and_sets_of_payloads_multiply():
    groups = "groups:\n  win: [{path: /w}]\n  nix: [{path: '/n?{{p}}'}]\n"
    groups += "payloads: {payloads: {a: {p: '\"x\"'}, b: {p: '\"y\"'}}}"
    targets = [each.request.target for each in expand(groups).requests]
    assert targets == [b"/w", b"/n?x", b"/n?y"]


def test_lists_of_guesses_and_raw_requests_are_sent():
    text = (
        "rules:\n  r0:\n    brute: {mode: pitchfork, u: [root, admin], p: [toor, admin]}\n    request:\n      raw: |\n"
        "        POST /in HTTP/1.1\n        Host: {{Hostname}}\n\n        {{u}}:{{p}}\nexpression: r0()"
    )
    assert [each.request.body for each in expand(text).requests] == [b"root:toor", b"admin:admin"]


def test_what_is_left_out_is_said():
    text = "rules:\n  a: {request: {type: tcp, data: x}}\n  b: {request: {method: GET}}\n  c: {request: {path: /}}\n"
    text += "expression: a() && b()"
    found = expand(text)
    assert found.requests == ()
    assert len(found.problems) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a() && b()", [["a", "b"]]),
        ("b() || (a() && c())", [["b"], ["a", "c"]]),
        ("a() && (b() || c()) && a()", [["a", "b", "c"]]),
        ("", [["a", "b", "c"]]),
        ("a() &&", [["a", "b", "c"]]),
        ("versionCompare(string(b()), '<', '7')", [["b"]]),
    ],
)
def test_the_expression_tells_the_order(text, expected):
    assert called_rules(text, ("a", "b", "c")) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a: b", "rules: x", "- 1", "rules: {a: *x}", "rules:\n  a: &a {b: *a}", "\x00"],
)
def test_what_is_no_poc_is_refused(text):
    with pytest.raises(InputError, match="RF21"):
        expand(text)


@pytest.mark.parametrize(
    "value",
    [
        "(" * 5_000,
        "!" * 5_000,
        "a." * 5_000,
        '"' + "\\" * 5_000,
        "'" + "\\'" * 20_000,
        "1+" * 5_000 + "1",
        "[" * 50 + "]" * 50,
        "x(" * 60,
    ],
)
def test_expressions_are_bounded(value):
    rules = "rules: {a: {request: {path: '/{{v}}'}, expression: 'true'}}"
    text = f"set:\n  v: |-\n    {value}\n{rules}\nexpression: |-\n  {value}"
    assert len(expand(text).requests) == 1


def test_values_that_grow_are_bounded():
    doubled = "\n".join(f"  v{n + 1}: v{n} + v{n}" for n in range(60))
    text = f"set:\n  v0: string('aaaaaaaa')\n{doubled}\nrules: {{a: {{request: {{path: '/{{{{v60}}}}'}}}}}}"
    (request,) = expand(text).requests
    assert len(request.request.target) < 10_000


PARTS = "a b string( md5( ) 'x' b\"y\" + * && || ! . [ ] response.body bcontains( 1 ? : ,"
WORDS = st.sampled_from(PARTS.split())


@given(st.lists(WORDS).map(" ".join) | st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"])))
def test_any_expression_gives_requests_or_a_reason(text):
    quoted = text.replace("'", "''")
    document = f"set: {{v: '{quoted}'}}\nrules: {{a: {{request: {{path: '/{{{{v}}}}'}}, expression: '{quoted}'}}}}"
    try:
        found = expand(document)
    except InputError:
        return
    assert found.requests or found.problems
    for each in found.requests:
        assert b" " not in each.request.target


@given(st.binary() | st.binary().map(lambda data: POC.encode()[:600] + data))
def test_any_bytes_give_findings_or_a_reason(data):
    try:
        found = expand_poc(parse_poc(data))
    except InputError:
        return
    assert all(each.request.target and each.origin for each in found.requests)


@pytest.mark.parametrize("expression", ["number" + " + 1" * 1_200, "number" + " + 1" * 600])
def test_an_expression_that_leans_too_deep_costs_only_its_variable(expression: str) -> None:
    text = POC.replace("  plain: pear-press-7\n", f"  plain: pear-press-7\n  deep: {expression}\n")
    given = expand_poc(parse_poc(text.encode(), "x"))
    whole = expand_poc(parse_poc(POC.encode(), "x"))
    assert len(given.requests) == len(whole.requests) > 0


def test_a_variable_that_leans_too_deep_is_a_stand_in_with_a_note() -> None:
    variables = Variables()
    variables.set("number", "1")
    variables.set("deep", "number" + " + 1" * 1_200)
    assert variables.notes == ["variable 'deep': its expression is nested too deep"]
    deep = variables.fill("{{deep}}")
    assert deep.data
    assert deep.spans == ((0, len(deep.data)),)
