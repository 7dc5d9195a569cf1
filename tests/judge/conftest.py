"""Rules, requests and evidence of an invented press program, for all tests of the judge."""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import pytest

from ruleforge.background.table import default_background
from ruleforge.cases.evidence import Case, case
from ruleforge.events.request import Request
from ruleforge.ingest.roles import assign_roles
from ruleforge.judge.evidence import JudgeEvidence
from ruleforge.pipeline.forge import Ground
from ruleforge.pipeline.judging import judging_of
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Condition, Name, Product, Rule, Tree

HIT, MISS = "/press/show.php?file=../../etc/shadow", "/press/print.php?file=../../etc/shadow"
ORDINARY = "/press/show.php?file=pears.txt"
PAGE = Condition("path", "path_suffix", b"/press/show.php")
TRAVERSAL = Condition("args", "is_class", b"traversal", Name(b"file"))


def rule_of(tree: Tree) -> Rule:
    return Rule(id="RF-X-1", when=tree, classes=(("traversal", latest_version("traversal")),))


def rule_from(when: dict[str, Any]) -> Rule:
    """A rule as its document has it."""
    document = {"schema": 1, "id": "RF-X-1", "when": when}
    document["classes"] = {"traversal": latest_version("traversal")} if "is_class" in str(when) else {}
    return parse_rule(document).require()


def sent(target: str, kind: str = "exploit", method: bytes = b"GET", body: bytes | None = None) -> Case:
    return case(Request(method=method, target=target.encode(), body=body), kind, 0)


def evidence(**parts: Any) -> JudgeEvidence:
    """What the judge is shown: one exploit, and whatever else is given."""
    whole: dict[str, Any] = {
        "advisory": "X",
        "product": "",
        "exploits": (sent(HIT),),
        "classes": {name: latest_version(name) for name in CLASSES},
        "background": default_background(),
        "class_bits": {"traversal": 15.0},
    }
    return JudgeEvidence(**(whole | parts))


@lru_cache(maxsize=32)
def disclosed(*targets: str, standins: tuple[bytes, ...] = ()) -> JudgeEvidence:
    """What the judge is shown of an advisory with these exploit requests, gathered as forging gathers it."""
    requests = tuple(
        PocRequest(request=Request(method=b"GET", target=target.encode(), headers=((b"Host", b"press.example"),)),
                   step=number, standins=standins)
        for number, target in enumerate(targets)
    )  # fmt: skip
    advisory = Advisory(
        id="CVE-2099-0007", sources=("press.yaml",), cves=("CVE-2099-0007",), cwes=("CWE-22",),
        title="Fruit Press reads files", products=(Product("example", "fruit press"),), requests=requests,
    )  # fmt: skip
    return judging_of(assign_roles(advisory), Ground(default_background()))


@pytest.fixture(scope="session")
def press() -> SimpleNamespace:
    """The rules, requests and evidence of this page."""
    return SimpleNamespace(
        hit=HIT, miss=MISS, ordinary=ORDINARY, page=PAGE, traversal=TRAVERSAL, rule_of=rule_of, rule_from=rule_from,
        sent=sent, evidence=evidence, disclosed=disclosed,
    )  # fmt: skip
