"""Random requests and random rules for differential tests: small alphabets, so that rules hold often."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from ruleforge.events.places import FIELDS, HttpView
from ruleforge.events.request import Request
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.transforms import TRANSFORMS, compile_transforms
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Rule, Some, Tree

CLASSES = (("sql_injection", 1), ("traversal", 1))
NAMED = tuple(name for name, field in FIELDS.items() if field.kind == "named")
PLACES = ("args", "query_args", "form_args", "json", "multipart", "headers", "cookies")
TOKENS = (
    b"a", b"A", b"id", b"q", b"Select", b"' OR 1=1 -- ", b"../", b"/a", b"/b/", b"//", b"..;/", b";x", b"\\", b" ",
    b"\t", b"+", b"%20", b"%41", b"%2541", b"%25", b"%", b"%u0041", b"&lt;", b"&", b"\\u0061", b"\x00", b"\x01", b"%00",
    b"%01", b"\xc3\xa9", b"\xff", b"=", b"?", b"1", b"007", b"YWJjZGVmZ2g=", b"6162", b".php", b"GET", b"*", b".",
)  # fmt: skip
PATTERNS = (
    b"a", b"(?i)SELECT", b"^/a", rb"a\z", rb"id|q", rb"(?:a|b)+", rb"[aA]1?", rb"\d+", rb"s.lect", rb"se?lect",
    rb"\x41", rb"a{2}", rb"a{0,2}q", rb"[^a]q", rb"[[:alpha:]]d", rb"\Qa.b\E", rb"(?i:\xe9)", rb"\.\./", rb"",
    rb"(id|a)=?", rb"(?s).a", rb"\bid\b", rb"[/\\]a", rb"a|", rb"(?:)", rb"x*", rb"[+]", rb"\+", rb"%[0-9a-f]{2}",
)  # fmt: skip

texts = st.lists(st.sampled_from(TOKENS), max_size=4).map(b"".join)
short = st.sampled_from((*TOKENS[:6], b"", b"Id", b"a%41"))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a request with something in every place, or gaps."""
    pairs = st.lists(st.tuples(short, texts), max_size=3)
    target = b"/" + draw(texts)
    if draw(st.booleans()):
        target += b"?" + b"&".join(name + b"=" + value for name, value in draw(pairs))
    headers = [(b"Cookie", b"; ".join(n + b"=" + v for n, v in draw(pairs)))] if draw(st.booleans()) else []
    headers += [(b"X-" + name, value) for name, value in draw(pairs)]
    kind, body = draw(bodies())
    headers += [(b"Content-Type", kind)] if kind else []
    gaps = draw(st.sampled_from(((), (), ("body",), ("headers",), ("body", "headers"), ("target",), ("method",))))
    return Request(
        method=draw(st.sampled_from((b"GET", b"get", b"POST", b""))),
        target=target,
        headers=() if "headers" in gaps else tuple(headers),
        body=None if "body" in gaps else body,
        unrecorded=frozenset(gaps),
        recorded_headers=draw(st.sampled_from((None, None, frozenset({b"x-a", b"cookie", b"content-type"})))),
        source_address=b"198.51.100.7",
        status=200,
    )


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes | None]:
    """Draw a media type and a body that mostly fits it."""
    form = b"&".join(name + b"=" + draw(texts) for name in draw(st.lists(short, max_size=3)))
    plain = draw(texts).replace(b'"', b"").replace(b"\\", b"/")
    json = b'{"a":"' + plain + b'","q":[1,{"Id":"' + plain + b'"}]}'
    parts = b'--x\r\nContent-Disposition: form-data; name="q"; filename="A.php"\r\nContent-Type: a/b\r\n\r\n'
    xml = b'<a id="q">' + plain.replace(b"<", b"").replace(b"&", b"") + b"</a>"
    return draw(
        st.sampled_from(
            (
                (b"", None),
                (b"application/x-www-form-urlencoded", form),
                (b"application/json", json),
                (b"", json),
                (b"multipart/form-data; boundary=x", parts + plain + b"\r\n--x--\r\n"),
                (b"text/xml", xml),
                (b"", b""),
            )
        )
    )


names = st.none() | st.builds(Name, short | st.sampled_from((b"/a", b"/q/*/Id", b"x-a", b"/q/1")), st.just("exact"))
names |= st.builds(Name, short, st.just("lower")) | st.builds(Name, st.sampled_from(PATTERNS), st.just("regex"))
chains = st.lists(st.sampled_from(TRANSFORMS.names()), max_size=3).map(tuple)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bytes": texts,
    "bytes_list": st.lists(texts, min_size=1, max_size=3).map(tuple),
    "pattern": st.sampled_from(PATTERNS),
    "path": st.sampled_from((b"/a", b"/A/b", b"/b", b"/a.php", b"/q;x")),
    "int": st.integers(-2, 9),
    "size": st.integers(0, 9),
    "network_list": st.just((b"198.51.100.0/24",)),
    "class": st.sampled_from((b"sql_injection", b"traversal")),
    "none": st.none(),
}


@st.composite
def conditions(
    draw: st.DrawFn, fields: tuple[str, ...] = FIELDS.names(), names: st.SearchStrategy[Any] = names
) -> Tree:
    """Draw any condition that the evaluator accepts."""
    field = draw(st.sampled_from(fields))
    op = OPERATORS[draw(st.sampled_from(OPERATORS.names()))]
    name = draw(names) if field in NAMED else None
    return Condition(field, op.name, draw(VALUES[op.takes]), name, () if op.takes == "class" else draw(chains))


def trees(leaves: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Combine leaves with all, any and not."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts)))
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
            | inner.map(Not)
        ),
        max_leaves=5,
    )


@st.composite
def planted(draw: st.DrawFn, request: Request) -> Tree:
    """Draw a condition about a part of a value that is there, after the transforms: it holds nearly always."""
    view = HttpView(request)
    field = draw(st.sampled_from(FIELDS.names()))
    elements = view.read(field).elements
    chain = draw(chains)
    apply = compile_transforms(chain) or (lambda value: value)
    element = draw(st.sampled_from(elements)) if elements else None
    value = apply(element.value) if element else None
    if element is None or value is None:
        return draw(conditions())
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, len(value)))
    op, text = draw(
        st.sampled_from(
            (
                ("equals", value),
                ("starts_with", value[:end]),
                ("ends_with", value[start:]),
                ("contains", value[start:end]),
            )
        )
    )
    name = Name(element.name) if field in NAMED and draw(st.booleans()) else None
    if field in PLACES and draw(st.booleans()):
        return Some(
            field, AllOf((Condition("name", "equals", element.name), Condition("value", op, text, None, chain)))
        )
    return Condition(field, op, text, name, chain)


somes = st.builds(Some, st.sampled_from(PLACES), trees(conditions(("name", "value", "filename", "content_type"))))


def rules_for(request: Request) -> st.SearchStrategy[Tree]:
    """Random trees, many of which hold for `request`."""
    return trees(planted(request) | conditions() | somes)


@pytest.fixture(scope="session")
def drawn() -> SimpleNamespace:
    """The strategies: `requests()`, `rules_for(request)`, `make_rule(tree)`."""
    make_rule: Callable[[Tree], Rule] = lambda tree: Rule(id="RF-X-1", when=tree, classes=CLASSES)  # noqa: E731
    return SimpleNamespace(requests=requests, rules_for=rules_for, make_rule=make_rule, classes=dict(CLASSES))
