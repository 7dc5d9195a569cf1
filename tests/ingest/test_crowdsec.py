"""A rule of CrowdSec becomes an advisory with a request that satisfies it."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.reference import evaluate
from ruleforge.errors import InputError
from ruleforge.ingest.crowdsec import read_patch, rule_of_tree
from ruleforge.ingest.readers import read_advisories, read_advisory
from ruleforge.ingest.synthesis import sample_pattern
from ruleforge.records.advisory import Advisory
from ruleforge.rules.patterns import compile_pattern
from ruleforge.sources.crowdsec.convert import convert_patch
from ruleforge.sources.crowdsec.document import parse_patch

PATCH = """name: crowdsecurity/vpatch-CVE-2099-4002
description: Plum Box command injection
rules:
  - and:
      - {zones: [METHOD], match: {type: equals, value: POST}}
      - {zones: [URI], transform: [lowercase], match: {type: endsWith, value: /plum/run.cgi}}
      - {zones: [BODY_ARGS], variables: [cmd], match: {type: regex, value: '[;|`]'}}
labels: {label: Plum Box, classification: [cve.CVE-2099-4002, cwe.CWE-78]}
"""
TEST = """id: vpatch-plum
info: {name: test, author: a, severity: info}
http:
  - raw: ["GET /plum?x=1 HTTP/1.1\\nHost: {{Hostname}}\\n\\n"]
"""


def test_a_rule_is_read_with_a_request_that_satisfies_it(tmp_path):
    file = tmp_path / "vpatch.yaml"
    file.write_text(PATCH)
    advisory = read_advisory(file)
    assert isinstance(advisory, Advisory)
    (poc,) = advisory.requests
    assert (advisory.id, advisory.cves, advisory.cwes) == ("CVE-2099-4002", ("CVE-2099-4002",), ("CWE-78",))
    assert (poc.request.method, poc.request.target) == (b"POST", b"/plum/run.cgi")
    assert poc.notes[0].startswith("synthesised")
    assert evaluate(rule_of_tree(convert_patch(parse_patch(PATCH.encode())).tree), poc.request) is True


def test_a_rule_that_contradicts_itself_has_no_request():
    text = PATCH.replace("value: POST}}", "value: POST}}\n      - {zones: [METHOD], match: {type: equals, value: GET}}")
    advisory = read_patch(text.encode(), "x.yaml")
    assert advisory.requests == ()
    assert "no request could be made that satisfies the rule" in advisory.problems


def test_a_test_is_read_as_a_template_with_the_cve_of_its_name(tmp_path):
    template, settings = tmp_path / "appsec__CVE-2099-4003.yaml", tmp_path / "config.yaml"
    template.write_text(TEST)
    settings.write_text("appsec-rules:\n  - ./x.yaml\nnuclei_template: CVE-2099-4003.yaml\n")
    advisory, skipped = read_advisory(template), read_advisory(settings)
    assert isinstance(advisory, Advisory)
    assert advisory.cves == ("CVE-2099-4003",)
    assert isinstance(skipped, InputError)
    assert skipped.code == "RF218"


def test_what_the_rule_leaves_open_is_a_standin_and_names_keep_their_spelling():
    rule = {"and": [part("URI", "/plum/api/"), part("ARGS", "tree"), part("ARGS", "x;y", variables=["seedName"])]}
    (poc,) = read_patch(yaml.safe_dump({"name": "x", "rules": [rule]}).encode(), "x.yaml").requests
    target = poc.request.target
    for standin in (b"rfqhead", b"rfqtail", b"rfqname"):
        assert standin in target
        assert standin in poc.standins
    assert target.startswith(b"/plum/api/rfqtail?")
    assert b"seedName=rfqheadx%3Byrfqtail" in target


def part(zone, value, **keys):
    return {"zones": [zone], "match": {"type": "contains", "value": value}} | keys


ZONES = st.sampled_from(
    ["URI", "ARGS", "BODY_ARGS", "HEADERS", "COOKIES", "METHOD", "RAW_BODY", "FILENAMES", "ARGS_NAMES", "HEADERS_NAMES"]
)
VALUES = st.text("abcxyz019./", min_size=1, max_size=8)


@st.composite
def conditions(draw):
    zone, kind = draw(ZONES), draw(st.sampled_from(["contains", "equals", "startsWith", "endsWith", "regex"]))
    value = draw(VALUES)
    value = "/" + value if zone == "URI" else value
    found = {"zones": [zone], "match": {"type": kind, "value": re.escape(value) if kind == "regex" else value}}
    if zone in ("ARGS", "BODY_ARGS", "HEADERS", "COOKIES") and (zone in ("HEADERS", "COOKIES") or draw(st.booleans())):
        found["variables"] = [draw(st.sampled_from(["qone", "qtwo"]))]
    return found


@given(
    st.lists(conditions(), min_size=1, max_size=4, unique_by=lambda each: each["zones"][0]),
    st.sampled_from(["and", "or"]),
)
def test_the_request_made_satisfies_the_rule(parts, word):
    bodies = [each for each in parts if each["zones"][0] in ("BODY_ARGS", "RAW_BODY", "FILENAMES")]
    chosen = [each for each in parts if each not in bodies[1:]]  # two kinds of body contradict each other
    data = yaml.safe_dump({"name": "x", "rules": [{word: chosen}]}).encode()
    (poc,) = read_patch(data, "x.yaml").requests
    assert evaluate(rule_of_tree(convert_patch(parse_patch(data)).tree), poc.request) is True


@pytest.mark.parametrize(
    "pattern",
    [
        "^/a(b|c)+d{2,}$", r"[^a-z0-9]", r"(?i)x-(one|two)\b", r"\x22id\x22\s*:\s*\d+", r"(?:a|b)?c", r"[\w.]+@x",
        r"a{3}[.][^.]*", r"\.\.[/\\]", r"[^\d\s]x", "[]a]", r"(?P<n>ab)+?c", "",
    ],
)  # fmt: skip
def test_a_sample_matches_its_pattern(pattern):
    assert compile_pattern(pattern.replace("$", r"\z").encode()).test(sample_pattern(pattern))


@given(st.text("ab([{}])|*+?\\^$-,0919.:x", max_size=40))
def test_any_pattern_gives_a_bounded_sample(pattern):
    assert len(sample_pattern(pattern)) <= 2_000


@given(st.binary() | st.binary().map(lambda data: PATCH.encode()[:300] + data))
def test_any_bytes_give_an_advisory_or_a_reason(data):
    try:
        advisory = read_patch(data, "x.yaml")
    except InputError as error:
        assert error.code.startswith("RF21")  # noqa: PT017 - any other is a crash
    else:
        assert advisory.requests or advisory.problems


@pytest.mark.corpus
def test_every_file_of_the_development_data_is_read_or_skipped(corpus):
    results = list(read_advisories([corpus / "documents" / "crowdsec"]))
    failed = [each for each in results if isinstance(each, InputError) and each.code != "RF218"]
    read = [each for each in results if isinstance(each, Advisory)]
    assert failed == []
    assert len(read) >= 190
    assert all(each.cves for each in read)
    assert sum(bool(each.requests) for each in read) >= 0.98 * len(read)
