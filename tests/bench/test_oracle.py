"""The ORACLE mutators: what they write means what the original meant, and the program knows nothing of them."""

import ast
import configparser
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import classes_of
from ruleforge.rules.tree import Product

ROOT = Path(__file__).resolve().parents[2]
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
HOST = (b"Host", b"shop.example")
SIZE = (b"Content-Length", b"7")


@contextmanager
def family() -> Iterator[ModuleType]:
    """The package beside the benchmarks, which nothing installed can import."""
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import oracle.case
        import oracle.mutators

        oracle.mutators.load()
        yield oracle
    finally:
        sys.path.remove(str(ROOT / "bench"))


@pytest.fixture(scope="module")
def oracle() -> Iterator[ModuleType]:
    with family() as package:
        yield package


def advisory(*tags: str, cwes: tuple[str, ...] = ()) -> Advisory:
    product = Product("orchard", "fruit_press")
    return Advisory(id="CVE-2099-0001", sources=("x.yaml",), tags=tags, cwes=cwes, products=(product,))


def post(target: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request(method=b"POST", target=target, headers=(HOST, SIZE, *headers), body=body)


def get(target: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request(method=b"GET", target=target, headers=(HOST, *headers))


BOUNDARY = b"pearboundary"
PARTS = b'--%b\r\nContent-Disposition: form-data; name="crate"; filename="a.php"\r\n\r\nplums\r\n--%b--\r\n'
SOURCES: dict[str, tuple[Request, Advisory]] = {
    "php form": (
        post(b"/fruit/press.php?mode=raw&n=1", b"crate=..%2f..%2f..%2fcellar+a&size=2", FORM),
        advisory("lfi"),
    ),
    "java get": (get(b"/fruit/stall/list.action?crate=..%2f..%2fcellar&q=a%20b"), advisory("lfi")),
    "asp": (get(b"/fruit/list.aspx?id=1%27+or+1%3d1--+-", (b"Cookie", b"Basket=1; b=2")), advisory("sqli")),
    "sql": (get(b"/p.php?id=1%27%20UNION%20SELECT%201,2,3--%20-&b=2"), advisory("sqli", cwes=("CWE-89",))),
    "html": (get(b"/p.php?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"), advisory("xss", cwes=("CWE-79",))),
    "shell": (get(b"/p.cgi?host=a%3Bcat%20/cellar/keys"), advisory("rce", cwes=("CWE-78",))),
    "json": (
        post(
            b"/api/crates",
            b'{"crate": {"name": "a/b", "n": [1, 2.50]}, "z": "x\\n"}',
            (b"content-type", b"application/json"),
        ),
        advisory("nodejs"),
    ),
    "upload": (
        post(
            b"/fruit/up.php",
            PARTS % (BOUNDARY, BOUNDARY),
            (b"Content-Type", b"multipart/form-data; boundary=" + BOUNDARY),
        ),
        advisory("fileupload"),
    ),
}


def made_of(oracle: ModuleType, name: str) -> list[tuple[str, Request]]:
    return list(oracle.case.mutate(oracle.case.Case(*SOURCES[name])))


def values(request: Request, *places: str) -> list[Any]:
    view = HttpView(request)
    return [[(each.name, each.value) for each in view.read(place).elements] for place in places]


def arguments(request: Request) -> list[tuple[bytes, bytes]]:
    return [pair for place in values(request, *ARGS) for pair in place]


# Mutator → places that read the same before and after.
ARGS, BODY = ("query_args", "form_args"), ("body", "form_args", "json", "multipart")
SAME: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["chunked", "chunk_extensions", "gzip_chunked", "gzip_body", "deflate_body", "br_body"], BODY),
    **dict.fromkeys(["content_type_charset", "content_type_case", "content_type_parameter"], BODY),
    **dict.fromkeys(["percent_names", "percent_values", "plus_for_space", "percent_hex_case"], ARGS),
    **dict.fromkeys(["path_parameters", "double_slashes", "dot_segments", "percent_path"], ("path", *ARGS)),
    **dict.fromkeys(["absolute_form"], ("path.raw", "path", "query.raw", *ARGS)),
    **dict.fromkeys(["http_1_0", "header_order", "header_name_case"], ("path", "cookies", *ARGS)),
    **dict.fromkeys(["json_escaped_values", "json_escaped_keys"], ("json",)),
    **dict.fromkeys(["multipart_header_case", "multipart_boundary"], ("multipart",)),
    "deployment_prefix": ARGS,
    "cookie_name_case": ("path",),
}
# The same up to order, or read otherwise, with the test that says how.
APART = {
    "parameter_order", "extra_parameters", "duplicate_decoy_first", "duplicate_decoy_last", "multipart_form",
    "json_layout", "json_key_order", "percent_u", "sql_tab", "sql_newline", "sql_vertical_tab", "sql_comment_blank",
    "sql_keyword_case", "html_tab", "html_newline", "html_keyword_case", "shell_tab",
}  # fmt: skip


def test_every_mutator_is_tried_and_documented(oracle: ModuleType) -> None:
    names = set(oracle.case.MUTATORS)
    assert len(names) >= 44
    assert names == set(SAME) | APART
    assert {name for source in SOURCES for name, _ in made_of(oracle, source)} == names
    page = (ROOT / "bench" / "oracle" / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == {name: entry.valid for name, entry in oracle.case.MUTATORS.items()}


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_mutator_writes_differs_and_means_the_same(oracle: ModuleType, source: str) -> None:
    original = SOURCES[source][0]
    for name, request in made_of(oracle, source):
        assert request != original, name
        places = SAME.get(name, ())
        assert values(request, *places) == values(original, *places), name


def test_lengths_are_those_of_the_new_body(oracle: ModuleType) -> None:
    for source in SOURCES:
        for name, request in made_of(oracle, source):
            sent = [value for header, value in request.headers if header.lower() == b"content-length"]
            coded = any(header.lower() == b"transfer-encoding" for header, _ in request.headers)
            if request.body != SOURCES[source][0].body:
                assert sent == ([] if coded else [b"%d" % len(request.body or b"")]), name


def test_order_and_company_keep_every_argument(oracle: ModuleType) -> None:
    original = sorted(arguments(SOURCES["php form"][0]))
    for name, request in made_of(oracle, "php form"):
        if name == "parameter_order":
            assert sorted(arguments(request)) == original
        elif name == "extra_parameters":
            assert set(original) < set(arguments(request))


def test_the_decoy_stands_where_the_server_does_not_look(oracle: ModuleType) -> None:
    def crates(source: str, mutator: str) -> list[list[bytes]]:
        made = [arguments(request) for name, request in made_of(oracle, source) if name == mutator]
        sent = [[value for name, value in pairs if name == b"crate"] for pairs in made]
        return [found for found in sent if len(found) > 1]

    assert crates("php form", "duplicate_decoy_first") == [[b"1", b"../../../cellar a"]]
    assert crates("java get", "duplicate_decoy_last") == [[b"../../cellar", b"1"]]
    assert not [name for name, _ in made_of(oracle, "java get") if name == "duplicate_decoy_first"]
    assert not [name for name, _ in made_of(oracle, "asp") if name.startswith("duplicate")]


def test_a_form_as_multipart_has_the_same_names_and_values(oracle: ModuleType) -> None:
    (made,) = [request for name, request in made_of(oracle, "php form") if name == "multipart_form"]
    assert values(made, "multipart") == values(SOURCES["php form"][0], "form_args")
    assert values(made, "form_args") == [[]]


def test_wide_escapes_decode_to_the_same_argument(oracle: ModuleType) -> None:
    made = [request for name, request in made_of(oracle, "asp") if name == "percent_u"]
    assert len(made) == 2
    for request in made:
        ((name, value),) = values(request, "query_args")[0]
        assert name == b"id"
        decoded = re.sub(rb"%u00([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), value)
        assert decoded == b"1' or 1=1-- -"


def test_json_written_again_is_the_same_document(oracle: ModuleType) -> None:
    original = json.loads(SOURCES["json"][0].body or b"")
    made = [request for name, request in made_of(oracle, "json") if name in ("json_layout", "json_key_order")]
    assert len(made) == 3
    assert [json.loads(request.body or b"") for request in made] == [original] * 3


@pytest.mark.parametrize(("source", "prefix", "attack"), [("sql", "sql_", "sql_injection"), ("html", "html_", "xss")])
def test_payloads_stay_payloads_and_what_follows_a_comment_stays(
    oracle: ModuleType, source: str, prefix: str, attack: str
) -> None:
    made = [(name, request) for name, request in made_of(oracle, source) if name.startswith(prefix)]
    assert len(made) >= 4
    for name, request in made:
        first = values(request, "query_args")[0][0][1]
        assert attack in classes_of(first), name
        assert source != "sql" or first.endswith(b"-- -"), name


@pytest.mark.parametrize(
    ("target", "tags", "absent"),
    [
        (
            b"/fruit/..;/list.action?a=1",
            ("java",),
            {"path_parameters", "dot_segments", "percent_path", "double_slashes"},
        ),
        (b"/fruit/list?a=1", (), {"path_parameters", "double_slashes", "deployment_prefix", "duplicate_decoy_first"}),
        (b"/fruit/list.php?-d+a", (), {"percent_values", "percent_names", "extra_parameters", "parameter_order"}),
        (b"/fruit/%u002e/list.jsp", (), {"percent_path", "path_parameters"}),
        (b"/fruit/list.php?id=1'+or+1%3d1--", ("xss",), {"sql_tab", "sql_newline", "sql_comment_blank"}),
        (b"/fruit/list.php?id=1%3d1", (), {"percent_u", "cookie_name_case", "chunked", "gzip_body", "multipart_form"}),
    ],
)
def test_where_a_server_may_not_be_exploited_nothing_is_made(
    oracle: ModuleType, target: bytes, tags: tuple[str, ...], absent: set[str]
) -> None:
    made = {name for name, _ in oracle.case.mutate(oracle.case.Case(get(target), advisory(*tags)))}
    assert made
    assert made & absent == set()


def test_the_lines_written_are_requests_with_their_origin(oracle: ModuleType, examples: Path, tmp_path: Path) -> None:
    import runpy

    main = runpy.run_path(str(ROOT / "bench" / "oracle" / "__main__.py"), run_name="oracle.lines")
    rows = list(main["lines"](main["sources"](examples / "templates", None), set()))
    file = tmp_path / "mutated.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    requests = list(read_requests(file))
    assert len(requests) == len(rows) >= 300
    assert all(isinstance(request, Request) for request in requests)
    assert len({row["id"] for row in rows}) == len(rows)
    originals = {row["id"] for row in rows if not row["mutator"]}
    assert {row["origin"] for row in rows} == originals
    assert len({row["mutator"] for row in rows}) >= 30


def test_no_code_of_the_program_imports_the_family() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    forbidden = config["importlinter:contract:oracle"]
    assert forbidden["type"] == "forbidden"
    assert {"bench", "oracle", "tests"} <= set(forbidden["forbidden_modules"].split())
    found = [
        file
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name.partition(".")[0] in ("oracle", "bench")
    ]
    assert found == []


words = st.binary(min_size=1, max_size=8)
arguments_sent = st.lists(st.tuples(words, st.binary(max_size=12)), min_size=1, max_size=4)


@given(arguments_sent, arguments_sent, st.sampled_from((b"/a/b.php", b"/a/b.do", b"/a/b.aspx", b"/a/b")))
def test_any_form_means_the_same_however_it_is_sent(
    query: list[tuple[bytes, bytes]], form: list[tuple[bytes, bytes]], path: bytes
) -> None:
    with family() as oracle:
        text = [urlencode(pairs).encode() for pairs in (query, form)]
        original = post(path + b"?" + text[0], text[1], FORM)
        for name, request in oracle.case.mutate(oracle.case.Case(original, advisory("struts"))):
            if name in SAME:
                assert values(request, *SAME[name]) == values(original, *SAME[name]), name
            elif name == "multipart_form":
                assert values(request, "multipart") == values(original, "form_args")
            elif name in ("parameter_order", "extra_parameters", "duplicate_decoy_first", "duplicate_decoy_last"):
                assert set(arguments(original)) <= set(arguments(request)), name


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=10)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(st.dictionaries(st.text(max_size=5), documents, min_size=1, max_size=4), st.booleans())
def test_any_json_means_the_same_however_it_is_sent(document: dict[str, Any], ascii_only: bool) -> None:
    with family() as oracle:
        body = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        original = post(b"/api", body, (b"Content-Type", b"application/json"))
        for name, request in oracle.case.mutate(oracle.case.Case(original, advisory())):
            read = values(request, "json")[0]
            assert sorted(read) == sorted(values(original, "json")[0]), name
            assert name == "json_key_order" or read == values(original, "json")[0], name
