"""Rules of CrowdSec mean the same once they are converted, and what cannot be said is listed."""

import json
from pathlib import Path

import pytest
import yaml

from ruleforge.engine.reference import compile_rule
from ruleforge.errors import InputError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import latest_version
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Rule, conditions_of
from ruleforge.sources.crowdsec.convert import convert_patch
from ruleforge.sources.crowdsec.document import MAX_CONDITIONS, parse_patch

CASES = json.loads((Path(__file__).parent / "conversions.json").read_text())


def patch(*rules, **keys):
    return yaml.safe_dump({"name": "x/vpatch-CVE-2099-4001", "rules": list(rules)} | keys).encode()


def condition(zone="ARGS", kind="contains", value="x", **keys):
    return {"zones": [zone], "match": {"type": kind, "value": value}} | keys


def convert(*rules):
    return convert_patch(parse_patch(patch(*rules)))


def request(text):
    """`METHOD target`, then nothing, a header, or `form`, `json`, `part`, `file` and a body."""
    method, target, *rest = text.split(" ", 2)
    kind, _, body = (rest[0] if rest else "").partition(" ")
    headers, content = [], None
    if kind.endswith(":"):
        headers = [(kind[:-1].encode(), body.encode())]
    elif kind in ("form", "json"):
        kinds = {"form": b"application/x-www-form-urlencoded", "json": b"application/json"}
        headers, content = [(b"Content-Type", kinds[kind])], body.encode()
    elif kind:
        name, _, value = body.partition("=")
        marks = f'name="{name}"' if kind == "part" else f'name="f"; filename="{body}"'
        content = f"--q\r\nContent-Disposition: form-data; {marks}\r\n\r\n{value}\r\n--q--\r\n".encode()
        headers = [(b"Content-Type", b"multipart/form-data; boundary=q")]
    return Request(method=method.encode(), target=target.encode(), headers=tuple(headers), body=content)


def fires(tree, sent):
    used = {each.value.decode() for each in conditions_of(tree) if each.op == "is_class"}
    rule = Rule(id="x", when=tree, classes=tuple((name, latest_version(name)) for name in sorted(used)))
    return compile_rule(rule).ask(HttpView(sent))


def test_cases_were_found():
    assert len(CASES) >= 26


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_a_condition_means_the_same(case):
    keys = {key: case[key] for key in ("variables", "transform") if key in case}
    tree = convert({"zones": case["zones"], "match": {"type": case["type"], "value": case["value"]}} | keys).tree
    assert {text: fires(tree, request(text)) for text in case["fires"]} == dict.fromkeys(case["fires"], True)
    assert {text: fires(tree, request(text)) for text in case["silent"]} == dict.fromkeys(case["silent"], False)


def test_conditions_are_joined_as_they_stand():
    converted = convert({"and": [condition("URI"), {"or": [condition(value="a"), condition(value="b")]}]})
    assert converted.is_exact
    assert converted.tree == AllOf(
        (
            Condition("path.decoded", "contains", b"x"),
            AnyOf((Condition("query_args", "contains", b"a"), Condition("query_args", "contains", b"b"))),
        )
    )


def test_rules_of_a_file_are_alternatives_and_so_are_zones_and_variables():
    tree = convert(condition("METHOD"), condition("HEADERS", variables=["a", "b"])).tree
    assert isinstance(tree, AnyOf)
    assert len(tree.parts) == 2
    assert len(tree.parts[1].parts) == 2


@pytest.mark.parametrize(
    ("rule", "loss"),
    [
        (condition("FILES_TOTAL_SIZE"), "zone FILES_TOTAL_SIZE"),
        (condition(kind="pmFromFile"), "match type 'pmFromFile'"),
        (condition(transform=["cmdline"]), "transform 'cmdline'"),
        (condition(kind="regex", value="(?=x)"), "RF321"),
        (condition(value=""), "empty value"),
        (condition(kind="gt", value="many"), "'many'"),
        (condition(kind="eq", value="3", transform=["count"]), "count eq 3"),
        (condition(kind="lt", value="0", transform=["length"]), ""),
    ],
)
def test_what_cannot_be_said_is_listed_and_left_out(rule, loss):
    converted = convert({"and": [rule, condition("METHOD", "equals", "PUT")]})
    if loss:
        assert converted.tree == Condition("method", "equals", b"PUT")
        assert loss in converted.losses[0]
        assert convert(rule).tree is None
    assert not convert(rule).is_exact or converted.is_exact


def test_a_negated_match_is_said_to_be_approximate():
    converted = convert(condition() | {"match": {"type": "contains", "value": "x", "not": True}})
    assert isinstance(converted.tree, Not)
    assert not converted.is_exact


def test_the_facts_of_a_rule_are_kept():
    labels = {"label": "Plum - RCE", "classification": ["cve.CVE-2099-4001", "attack.T1190", "cwe.CWE-78"]}
    found = parse_patch(patch(condition(), labels=labels | {"references": ["https://plum.example"]}))
    assert (found.cves, found.cwes, found.attack) == (("CVE-2099-4001",), ("CWE-78",), ("T1190",))
    assert (found.label, found.references) == ("Plum - RCE", ("https://plum.example",))


def test_hostile_rules_are_refused():
    nested = condition()
    for _ in range(30):
        nested = {"and": [nested]}
    for data in (patch(nested), patch(*[condition()] * (MAX_CONDITIONS + 1)), b"rules: {}", b"- 1", b"\xff"):
        with pytest.raises(InputError, match="RF21"):
            parse_patch(data)
    many = condition(variables=["a"] * 200) | {"zones": ["ARGS"] * 200}
    with pytest.raises(InputError, match="RF213"):
        parse_patch(patch(many))
    assert "300000 characters" in convert(condition(kind="regex", value="[" * 300_000)).losses[0]
    assert parse_patch(patch("x", {"zones": ["ARGS"]}, {"and": []})).rules == ()
