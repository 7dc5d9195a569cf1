"""Rules on form arguments hold for both kinds of body where the server reads both, and only there."""

from typing import Any

import pytest

from ruleforge.cases.anatomy import dissect
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.facet import Facet
from ruleforge.generate.forms import ask_both, both_ways, one_way, reads_both
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Some, Tree

LATEST = {name: latest_version(name) for name in CLASSES}
HEADERS = ((b"Host", b"larder.example"), (b"Content-Type", b"application/x-www-form-urlencoded"))
FORM = Request(
    method=b"POST", target=b"/larder/add.php?page=2", headers=HEADERS, body=b"jar=plum&label=%3Cscript%3Ea()"
)
PARTS = Request(
    method=b"POST",
    target=b"/larder/add.php?page=2",
    headers=((b"Host", b"larder.example"), (b"Content-Type", b"multipart/form-data; boundary=cut")),
    body=b'--cut\r\nContent-Disposition: form-data; name="jar"\r\n\r\nplum\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="label"\r\n\r\n<script>a()\r\n--cut--\r\n',
)
ANATOMY = dissect(PocRequest(request=FORM))
NAMED = AllOf((Condition("name", "equals", b"label"), Condition("value", "is_class", b"xss")))
TREES: list[Tree] = [
    Condition("args", "equals", b"plum", Name(b"jar")),
    Condition("args", "present", None, Name(b"label")),
    Condition("args", "is_class", b"xss"),
    Some("args", NAMED),
]


def holds(tree: Tree, request: Request) -> bool:
    return compile_tree(tree, LATEST)(HttpView(request)) is True


@pytest.mark.parametrize("tree", TREES)
def test_what_holds_for_the_form_holds_for_the_same_fields_as_parts(tree: Tree) -> None:
    asked = ask_both(Facet("payload", tree, 10.0, "x"), ANATOMY).tree
    assert holds(tree, FORM)
    assert not holds(tree, PARTS)
    assert holds(asked, FORM)
    assert holds(asked, PARTS)


@pytest.mark.parametrize("tree", TREES)
def test_one_way_is_the_inverse_of_both_ways(tree: Tree) -> None:
    assert one_way(both_ways(tree)) == tree
    assert one_way(tree) == tree


@pytest.mark.parametrize(
    "tree",
    [
        Condition("args", "equals", b"2", Name(b"page")),
        Condition("path", "path_suffix", b"/add.php"),
        Condition("headers", "present", None, Name(b"host")),
        Some("cookies", NAMED),
    ],
)
def test_what_does_not_read_a_form_argument_stays_as_it_is(tree: Tree) -> None:
    assert ask_both(Facet("literal", tree, 10.0, "x"), ANATOMY).tree == tree


def test_alternatives_are_asked_each_in_both_ways_without_nesting() -> None:
    asked = ask_both(Facet("payload", AnyOf((TREES[0], TREES[2])), 10.0, "x"), ANATOMY).tree
    assert isinstance(asked, AnyOf)
    assert len(asked.parts) == 4
    assert not any(isinstance(part, AnyOf) for part in asked.parts)


@pytest.mark.parametrize(
    ("target", "tags", "both"),
    [
        (b"/larder/add.php", (), True),
        (b"/larder/add.aspx", (), True),
        (b"/wp-admin/admin-ajax.php", (), True),
        (b"/larder/add", ("WordPress",), True),
        (b"/larder/add.jsp", (), False),
        (b"/larder/add", (), False),
    ],
)
def test_only_servers_known_to_read_both_are_asked_in_both(target: bytes, tags: tuple[str, ...], both: bool) -> None:
    anatomy: Any = dissect(PocRequest(request=Request(method=b"POST", target=target)))
    assert reads_both(anatomy, Advisory(id="T", sources=("t",), tags=tags)) is both
