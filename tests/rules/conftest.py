"""Teaches hypothesis to make valid rules and requests that have something to do with each other."""

from typing import Any

from hypothesis import strategies as st

from ruleforge.events.places import FIELDS
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.document import ELEMENT_FIELDS, SOME_PLACES
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.transforms import TRANSFORMS
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Product, Root, Rule, Sequence, Some, Tree

# A small alphabet, so that rules and requests meet often.
words = st.sampled_from([b"a", b"b", b"ab", b"A", b"1", b"12", b"", b"\xff", b"/a", b"%61", b"x\n", b"\xc3\xa9"])
literals = words | st.binary(max_size=4)
numbers = st.integers(-3, 3) | st.integers(-(2**53) + 1, 2**53 - 1)
networks = st.sampled_from([b"10.0.0.0/8", b"192.0.2.1", b"2001:db8::/32"])
patterns = st.sampled_from([b"a", b"^b", rb"\d+\z", b"(?i)A", b"[ab]{1,3}", b"\xff"])
values: dict[str, st.SearchStrategy[Any]] = {
    "bytes": literals,
    "bytes_list": st.lists(literals, min_size=1, max_size=4).map(tuple),
    "network_list": st.lists(networks, min_size=1, max_size=3).map(tuple),
    "pattern": patterns,
    "path": st.sampled_from([b"/a", b"/a/b", b"/\xff", b"/...", b"/a b"]),
    "int": numbers,
    "size": st.integers(0, 4) | st.just(2**53 - 1),
    "class": st.sampled_from([name.encode() for name in CLASSES]),
    "none": st.none(),
}
names = st.builds(Name, literals, st.sampled_from(["exact", "lower"])) | st.builds(Name, patterns, st.just("regex"))
transforms = st.lists(st.sampled_from(TRANSFORMS.names()), max_size=3).map(tuple)


@st.composite
def conditions(draw: st.DrawFn, fields: tuple[str, ...]) -> Condition:
    field, op = draw(st.sampled_from(fields)), draw(st.sampled_from(OPERATORS.names()))
    named = field not in ELEMENT_FIELDS and FIELDS[field].kind == "named"
    return Condition(
        field,
        op,
        draw(values[OPERATORS[op].takes]),
        draw(st.none() | names) if named else None,
        () if op == "is_class" else draw(st.just(()) | transforms),
    )


def combined(leaves: st.SearchStrategy[Any], max_leaves: int) -> st.SearchStrategy[Any]:
    def grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.builds(AllOf, parts) | st.builds(AnyOf, parts) | st.builds(Not, inner)

    return st.recursive(leaves, grow, max_leaves=max_leaves)


inner_trees = combined(conditions(ELEMENT_FIELDS), 3)
somes = st.builds(Some, st.sampled_from(SOME_PLACES), inner_trees)
trees: st.SearchStrategy[Any] = combined(conditions(FIELDS.names()) | conditions(("args", "path", "body")) | somes, 8)
by = st.lists(st.sampled_from(FIELDS.names()), min_size=1, max_size=2).map(tuple)
seconds = st.sampled_from([1, 60, 90, 3600, 86400, 172800])
counts = st.builds(Count, trees, by, seconds, st.integers(1, 1_000_000), st.none() | st.sampled_from(FIELDS.names()))
sequences = st.builds(Sequence, st.lists(trees, min_size=2, max_size=3).map(tuple), by, seconds)


def used_classes(root: Root | Tree) -> set[str]:
    match root:
        case Condition(_, "is_class", bytes() as value):
            return {value.decode()}
        case AllOf(parts) | AnyOf(parts) | Sequence(parts):
            return set().union(*map(used_classes, parts))
        case Not(part) | Some(_, part) | Count(part):
            return used_classes(part)
    return set()


@st.composite
def rules(draw: st.DrawFn, roots: st.SearchStrategy[Root]) -> Rule:
    when, texts = draw(roots), st.text(st.characters(codec="utf-8"), max_size=5)
    return Rule(
        id=draw(st.from_regex(r"RF-[A-Z0-9][A-Za-z0-9._-]{0,8}\Z", fullmatch=True)),
        when=when,
        revision=draw(st.integers(1, 9)),
        title=draw(texts),
        cves=draw(st.sampled_from([(), ("CVE-2021-0001",)])),
        products=draw(st.lists(st.builds(Product, texts, texts, texts), max_size=2).map(tuple)),
        severity=draw(st.sampled_from(["unknown", "high"])),
        references=draw(st.lists(texts, max_size=2).map(tuple)),
        created=draw(st.sampled_from(["", "2026-01-31"])),
        classes=tuple((name, CLASSES[name][-1]) for name in sorted(used_classes(when))),
    )


pairs = st.lists(st.tuples(words, words), max_size=3)
targets = pairs.map(lambda given: b"/a/b?" + b"&".join(name + b"=" + value for name, value in given))
headers = st.lists(st.tuples(st.sampled_from([b"A", b"b", b"Cookie", b"Content-Type"]), words), max_size=3).map(tuple)
bodies = st.none() | pairs.map(lambda given: b"&".join(name + b"=" + value for name, value in given))

st.register_type_strategy(Rule, rules(trees | counts | sequences))
st.register_type_strategy(Not, st.builds(Not, trees))  # a root that one request can answer
st.register_type_strategy(
    Request,
    st.builds(
        Request,
        method=st.sampled_from([b"GET", b"POST", b""]),
        target=targets | words,
        headers=headers,
        body=bodies | st.sampled_from([b'{"a":["b",1]}', b"<a>b</a>"]),
        unrecorded=st.frozensets(st.sampled_from(["body", "headers", "method", "target"]), max_size=2),
        recorded_headers=st.none() | st.just(frozenset({b"a"})),
        source_address=st.sampled_from([b"", b"10.1.2.3"]),
        status=st.none() | st.just(200),
    ),
)
