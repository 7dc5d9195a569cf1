"""A small orchard of evidence: one exploit, its variants and twins, other products, ordinary traffic."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ruleforge.cases.evidence import Evidence, case
from ruleforge.engine import corpus as module
from ruleforge.engine.corpus import Corpus, Row, build_corpus
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import AllOf, Condition, Name, Rule, Tree

CLASSES_NOW = {name: latest_version(name) for name in CLASSES}
UP = "../../etc/shadow"
TIGHT = AllOf(
    (Condition("path", "path_suffix", b"/press/show.php"), Condition("args", "is_class", b"traversal", Name(b"file")))
)
LOOSE = Condition("path", "path_suffix", b"/press/show.php")


def get(target: str, name: str = "") -> Request:
    return Request(method=b"GET", target=target.encode(), id=name or target)


def rule_of(tree: Tree) -> Rule:
    return Rule(id="RF-CVE-2099-4000-1", when=tree, classes=(("traversal", latest_version("traversal")),))


@pytest.fixture(autouse=True, scope="module")
def small_index() -> Iterator[None]:
    """Few buckets: an index of five rows need not be large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUCKET_BITS", 8, raising=False)
        yield


@pytest.fixture
def corpus_of(tmp_path: Path) -> Callable[..., Corpus]:
    """Index rows given as (target, kind, owner, product)."""

    def make(*rows: tuple[str, str, str, str]) -> Corpus:
        made = [Row(request=get(t), kind=kind, owner=owner, product=product) for t, kind, owner, product in rows]
        return build_corpus(made, tmp_path / f"corpus{len(list(tmp_path.iterdir()))}", name="orchard")

    return make


@pytest.fixture
def evidence_of() -> Callable[..., Evidence]:
    """Evidence about one exploit; what is given replaces the parts of that name."""

    def make(**parts: Any) -> Evidence:
        whole: dict[str, Any] = {
            "advisory": "CVE-2099-4000",
            "product": "acme/press",
            "cves": frozenset({"CVE-2099-4000"}),
            "exploits": (case(get(f"/press/show.php?file={UP}", "exploit"), "exploit", 0),),
            "classes": CLASSES_NOW,
        }
        return Evidence(**(whole | parts))

    return make


@pytest.fixture
def orchard() -> SimpleNamespace:
    """The shared pieces: `tight` and `loose` rules, `get(target)`, `case`, `rule_of(tree)`, `up`."""
    return SimpleNamespace(tight=rule_of(TIGHT), loose=rule_of(LOOSE), get=get, case=case, rule_of=rule_of, up=UP)
