"""What the writer of an exploit chose is no condition: payloads in names, numbers at the end of a route."""

import pytest

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.facet import Facet
from ruleforge.generate.payloads import payload_facets
from ruleforge.generate.values import present_facets, selector_facets
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import Condition, Name, Some

LATEST = {name: latest_version(name) for name in CLASSES}
LARDER = Advisory(id="larder", sources=())
HOST = (b"Host", b"larder.example")


def get(target: bytes) -> Request:
    return Request(method=b"GET", target=target, headers=(HOST,))


def post(kind: bytes, body: bytes) -> Request:
    return Request(method=b"POST", target=b"/larder/add", headers=(HOST, (b"Content-Type", kind)), body=body)


def asked(facets: list[Facet]) -> set[bytes]:
    trees = [facet.tree for facet in facets]
    return {tree.name.text for tree in trees if isinstance(tree, Condition) and tree.name is not None}


def part(name: bytes) -> bytes:
    head = b'--cut\r\nContent-Disposition: form-data; name="'
    return head + b'shelf"\r\n\r\n2\r\n' + head + name + b'"\r\n\r\n3\r\n--cut--\r\n'


PARTS = b"multipart/form-data; boundary=cut"
PRESENT = [
    (get(b"/larder/add?jars%5B%3Csvg%20onload%3Dstir(1)%3E%5D=3&shelf=2"), {b"shelf"}),
    (get(b"/larder/add?jars%5B0%5D=3&shelf=2"), {rb"\Ajars\[[^\]]*\]\z", b"shelf"}),
    (post(PARTS, part(b"jars[<svg onload=stir(1)>]")), {b"shelf"}),
    (post(PARTS, part(b"jars[lid]")), {b"jars[lid]", b"shelf"}),
    (post(b"application/json", b'{"<svg onload=stir(1)>": 3, "rim": 2}'), {b"/rim"}),
    (post(b"application/json", b'{"jar": {"$func": "stir"}, "rim": 2}'), {rb"(?:\A|/)\$func\z", b"/rim"}),
]


@pytest.mark.parametrize(("request_", "names"), PRESENT)
def test_a_name_is_asked_for_unless_it_is_the_payload_itself(request_: Request, names: set[bytes]) -> None:
    anatomy = dissect(PocRequest(request=request_))
    assert asked(list(present_facets(anatomy, default_background()))) == names


NAMED = [
    (get(b"/larder/add?jars%5B%3Csvg%20onload%3Dstir(1)%3E%5D=3"), "args"),
    (post(PARTS, part(b"jars[<svg onload=stir(1)>]")), "multipart"),
    (post(b"application/json", b'{"<svg onload=stir(1)>": 3}'), "json"),
]


@pytest.mark.parametrize(("request_", "place"), NAMED)
def test_a_payload_in_a_name_is_asked_for_by_its_class_wherever_names_stand(request_: Request, place: str) -> None:
    found = list(payload_facets(dissect(PocRequest(request=request_)), LARDER, default_background()))
    by_name = [facet for facet in found if facet.label.startswith("name or value")]
    assert [facet.tree.place for facet in by_name if isinstance(facet.tree, Some)] == [place]
    other = {
        "args": get(b"/larder/add?%3Cimg%20src%3Dx%20onerror%3Dboil(2)%3E=1"),
        "multipart": post(PARTS, part(b"<img src=x onerror=boil(2)>")),
        "json": post(b"application/json", b'{"<img src=x onerror=boil(2)>": 1}'),
    }[place]
    assert compile_tree(by_name[0].tree, LATEST)(HttpView(other)) is True
    assert compile_tree(by_name[0].tree, LATEST)(HttpView(get(b"/larder/add?jars=3"))) is False


def test_keys_of_json_that_look_like_a_path_are_no_payload_in_a_name() -> None:
    asked_for = post(b"application/json", b'{"..": {"..": {"etc": {"passwd": 1}}}}')
    found = payload_facets(dissect(PocRequest(request=asked_for)), LARDER, default_background())
    assert not [facet for facet in found if facet.label.startswith("name or value")]


ROUTES = [
    (b"/larder/v1/jars/7", "starts_with", b"/larder/v1/jars/"),
    (b"/larder/v1/jars", "equals", b"/larder/v1/jars"),
    (b"/larder/v1", "equals", b"/larder/v1"),
    (b"shelf/7", "equals", b"shelf/7"),
]


@pytest.mark.parametrize(("route", "op", "value"), ROUTES)
def test_the_number_of_an_object_at_the_end_of_a_route_is_left_to_the_caller(
    route: bytes, op: str, value: bytes
) -> None:
    anatomy = dissect(PocRequest(request=get(b"/index.php?rest_route=" + route)))
    trees = [facet.tree for facet in selector_facets(anatomy, default_background())]
    assert trees == [Condition("args", op, value, Name(b"rest_route"))]
