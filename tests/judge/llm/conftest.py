"""A rule about a press, what was disclosed, requests that speak for and against it, and doors to models."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ruleforge.cases.evidence import Case, Evidence, case
from ruleforge.events.request import Request
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Call, Ground
from ruleforge.llm.scripted import Scripted
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import AllOf, Condition, Name, Product, Rule

EXPLOIT = "/press/show.php?file=../../etc/shadow"


def sent(target: str, kind: str, note: str = "") -> Case:
    return case(Request(method=b"GET", target=target.encode(), headers=((b"Host", b"shop.example"),)), kind, 0, note)


@pytest.fixture
def rule() -> Rule:
    when = AllOf(
        (
            Condition("path", "path_suffix", b"/press/show.php"),
            Condition("args", "is_class", b"traversal", Name(b"file")),
        )
    )
    return Rule(
        id="RF-CVE-2099-0001-1",
        when=when,
        title="The perfect rule",
        description="it was tested on everything",
        author="a very good author",
        classes=(("traversal", latest_version("traversal")),),
    )


@pytest.fixture
def advisory() -> Advisory:
    return Advisory(
        id="CVE-2099-0001",
        sources=("press.yaml",),
        cves=("CVE-2099-0001",),
        title="Fruit Press reads files",
        description="The page show.php of Fruit Press reads any file.",
        cwes=("CWE-22",),
        products=(Product("orchard", "fruit_press"),),
        author="somebody",
    )


@pytest.fixture
def evidence() -> Evidence:
    return Evidence(
        advisory="CVE-2099-0001",
        product="fruit_press",
        exploits=(sent(EXPLOIT, "exploit"),),
        variants=(
            sent("/app" + EXPLOIT, "prefix", "below a prefix"),
            sent("/press/print.php?file=../../etc/shadow", "page", "another page"),
            sent("/press/show.php?file=..%2f..%2fetc%2fshadow", "encoded"),
        ),
        near_misses=(sent("/press/show.php?file=pears.txt", "ordinary"),),
        siblings=(sent("/press/show.php?file=pears.txt", "neutralised"),),
        classes={name: latest_version(name) for name in CLASSES},
    )


def answer_text(probability: float | None, claim: str = "another page is not asked for", request: str = "r1") -> str:
    reasons = [{"claim": claim, "condition": "c1", "request": request}]
    return json.dumps({"reasons": reasons, "probability": probability})


@pytest.fixture
def says() -> Callable[..., str]:
    """The text of an answer."""
    return answer_text


@pytest.fixture
def door_of() -> Callable[..., Door]:
    """A door to a scripted model; what it was asked is `door.provider.asked`."""

    def make(answers: Any, *, model: str = "fake") -> Door:
        return Door(Scripted(answers, model=model), ground=Ground(bytes(32)), sleep=lambda _seconds: None)

    return make


@pytest.fixture
def side_of() -> Callable[[Call], str]:
    """Which question a call puts."""
    return lambda call: "miss" if "fails to fire" in call.written(bytes(32)).system else "off_target"
