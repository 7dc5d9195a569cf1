"""Lint says what a careful reviewer would, with a stable code, the place and the next step."""

import pytest

from ruleforge.rules.lint import CODES, lint
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Sequence, Some


def C(field, op, value=None, name=None, *transforms):  # noqa: N802
    return Condition(field, op, value, Name(name) if name is not None else None, transforms)


PATH = C("path", "path_suffix", b"/cgi-bin/netcfg")
LOGIN = C("path", "path_suffix", b"/login")

CASES = [
    ("RF601", "when.all[1]", AllOf((PATH, C("path", "contains", b"//")))),
    ("RF630", "when", LOGIN),
    ("RF630", "when.all[1]", AllOf((C("method", "equals", b"POST"), LOGIN))),
    ("RF630", "when.any[1]", AnyOf((PATH, C("path", "ends_with", b"/index.php")))),
    ("RF630", "when.all[0]", AllOf((LOGIN, C("args", "present")))),
    ("RF631", "when", C("method", "equals", b"POST")),
    ("RF631", "when", Not(PATH)),
    ("RF632", "when.all[1]", AllOf((PATH, C("path", "is_class", b"traversal")))),
    ("RF633", "when", C("args", "contains", b"../etc", b"f", "percent_decode")),
    ("RF633", "when.where", Some("args", C("value", "contains", b"../etc", None, "percent_decode_stable"))),
    ("RF634", "when", C("path", "int_gt", 4)),
    ("RF635", "when", C("args", "cidr", (b"192.0.2.0/24",), b"host")),
    ("RF636", "when", C("body", "contains", b"id")),
    ("RF636", "when", C("headers", "contains_any", (b"evil-agent", b"${"))),
    ("RF637", "when", C("args", "regex", rb"\d+[a-z]{9}")),
    ("RF637", "when", Not(PATH)),
    ("RF637", "when", C("args", "contains", b"wget", None, "base64_decode")),
    ("RF638", "when", C("path", "contains", b"/run?cmd=")),
    ("RF638", "when", C("path", "contains", b"/%2e%2e")),
    ("RF639", "when", C("headers", "contains", b"a\r\nb", b"x")),
    ("RF640", "when.all[0]", AllOf((C("method", "equals", b"post"), PATH))),
    ("RF641", "when.all[1]", AllOf((PATH, C("args", "contains", b"")))),
    ("RF642", "when.count.at_least", Count(LOGIN, ("source.address",), 60, 1)),
    ("RF642", "when.count.distinct", Count(LOGIN, ("source.address",), 60, 5, "source.address")),
]


@pytest.mark.parametrize(("code", "path", "tree"), CASES)
def test_lint_says(code, path, tree):
    found = [finding for finding in lint(Rule(id="RF-X-1", when=tree)) if finding.code == code]
    assert [finding.path for finding in found] == [path]
    assert all(finding.message and finding.hint for finding in found)


@pytest.mark.parametrize(
    "tree",
    [
        AllOf((PATH, C("args", "contains", b"wget", b"cmd"))),
        AllOf((LOGIN, C("args", "is_class", b"sql_injection", b"user"))),
        AllOf((C("method", "equals", b"POST"), PATH, Not(C("headers", "present", None, b"referer")))),
        C("path.raw", "is_class", b"traversal"),
        C("headers", "cidr", (b"127.0.0.0/8",), b"X-Forwarded-For"),
        C("body", "contains", b"<!ENTITY"),
        C("headers", "contains", b"${", b"User-Agent"),
        Some("args", AllOf((C("name", "equals", b"page"), C("value", "contains", b"..")))),
    ],
    ids=repr,
)
def test_lint_is_silent_about_sound_rules(tree):
    assert lint(Rule(id="RF-X-1", when=tree)) == ()


def test_traversal_on_the_normalised_path_is_refused_and_doubts_are_warnings():
    tree = AllOf((C("path", "is_class", b"traversal"), LOGIN))
    severities = {finding.code: finding.severity for finding in lint(Rule(id="RF-X-1", when=tree))}
    assert severities["RF632"] == "error"


def test_every_doubt_has_a_case():
    assert {code for code in CODES if code >= "RF630"} <= {code for code, _, _ in CASES}
    assert len(CASES) >= 20


EVENT_CASES = [
    ("auth_log", "RF634", "when", C("source.address", "int_gt", 4)),
    ("dns", "RF635", "when", C("question.name", "cidr", (b"192.0.2.0/24",))),
    ("process", "RF641", "when.count.when", Count(C("process.args", "contains", b""), ("user",), 60, 5)),
    ("process", "RF602", "when.all[0]", AllOf((C("user", "equals", b"root"), C("user", "equals", b"www")))),
]


@pytest.mark.parametrize(("event", "code", "path", "tree"), EVENT_CASES)
def test_lint_knows_the_fields_of_other_events(event, code, path, tree):
    assert (code, path) in [(finding.code, finding.path) for finding in lint(Rule(id="R", event=event, when=tree))]


@pytest.mark.parametrize(
    ("event", "tree"),
    [
        ("auth_log", Count(C("outcome", "equals", b"failure"), ("source.address",), 60, 5, "user")),
        ("dns", C("question.type", "equals", b"TXT")),
        ("network_flow", C("destination.port", "int_eq", 23)),
        ("network_flow", C("source.address", "cidr", (b"192.0.2.0/24",))),
        # Several arguments of a command can be two different texts.
        ("process", AllOf((C("process.args", "equals", b"-c"), C("process.args", "equals", b"-i")))),
        ("http.request", Sequence((LOGIN, LOGIN), ("source.address",), 60)),
        ("http.request", Count(C("path", "present"), ("source.address",), 60, 300, "path")),
    ],
    ids=repr,
)
def test_lint_is_silent_about_ordinary_parts_of_other_events(event, tree):
    assert lint(Rule(id="R", event=event, when=tree)) == ()
