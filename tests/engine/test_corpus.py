"""The index answers as a scan of every row would; where it cannot know, the row stays a candidate."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.engine import corpus as module
from ruleforge.engine.corpus import Corpus, Row, build_corpus
from ruleforge.engine.literals import requirements
from ruleforge.engine.reference import compile_tree
from ruleforge.engine.zones import zone_text
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Some, Tree

LATEST = {name: latest_version(name) for name in CLASSES}
ZONES = ("target", "path", "args", "json", "headers", "cookies", "body", "multipart", "xml")
LONG = 200 * 1024


@pytest.fixture(autouse=True, scope="module")
def small_index() -> Iterator[None]:
    """Few buckets: quick to build, and different literals share posting lists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUCKET_BITS", 8, raising=False)
        yield


def row(request: Request, number: int = 0) -> Row:
    return Row(request=request, kind="benign", owner=f"o{number % 3}")


def get(target: bytes, *headers: tuple[bytes, bytes], body: bytes | None = None, kind: bytes = b"") -> Request:
    more = ((b"Content-Type", kind),) if kind else ()
    return Request(method=b"GET" if body is None else b"POST", target=target, headers=(*headers, *more), body=body)


def multipart(name: bytes, value: bytes, filename: bytes = b"") -> Request:
    named = b'; filename="' + filename + b'"' if filename else b""
    text = (
        b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + named + b"\r\n\r\n" + value + b"\r\n--x--\r\n"
    )
    return get(b"/press", body=text, kind=b"multipart/form-data; boundary=x")


SQL, UP = b"1' UNION SELECT a,b FROM c -- ", b"../../../../etc/shadow"
FORM, JSON, XML = b"application/x-www-form-urlencoded", b"application/json", b"text/xml"
QUOTED = b"1%27%20UNION%20SELECT%20a,b%20FROM%20c%20--%20"
REQUESTS = (
    get(b"/"),
    get(b"/orchard/pears?crate=7&note=ripe"),
    get(b"/Orchard/PEARS?crate=7&note=Ripe"),
    get(b"/orchard/pears?crate=" + QUOTED),
    get(b"/orchard/pears?note=" + QUOTED),
    get(b"/orchard/..%2f..%2f..%2fetc/shadow"),
    get(b"/orchard?" + QUOTED + b"=1"),
    get(b"/press", body=b"crate=" + QUOTED + b"&file=pears", kind=FORM),
    get(b"/press", body=b"crate=4&file=../../../../etc/shadow", kind=FORM),
    get(b"/press", body=b'{"crate":{"note":"' + SQL + b'"}}', kind=JSON),
    get(b"/press", body=b'{"crate":{"note":"ripe"},"file":"' + UP + b'"}', kind=JSON),
    get(b"/press", body=b"<crate><note>" + SQL + b"</note></crate>", kind=XML),
    get(b"/press", body=b"<crate note='ripe'>pears</crate>", kind=XML),
    get(b"/press", (b"X-Crate", SQL), (b"Cookie", b"crate=ripe")),
    get(b"/press", (b"X-Crate", b"ripe"), (b"Cookie", b"crate=../../../../etc/shadow; note=ripe")),
    multipart(b"crate", SQL),
    multipart(b"crate", b"pears", UP),
    multipart(b"crate", b"pears", b"press.php"),
    get(b"/press", body=b"\xff\x00\x01 ripe pears " + SQL, kind=b"application/octet-stream"),
    Request(method=b"GET", target=b"/orchard/pears?crate=7", unrecorded=frozenset({"body", "headers"})),
    get(b"/\x00\x01?\x00crate\x01=ripe\x00"),
    get(b"/pe", body=b"ars", kind=FORM),  # the rows before and after must not join to a literal
    get(b"/ar"),
)


def plain(requests: Iterable[Request]) -> Iterator[Row]:
    return (row(request, number) for number, request in enumerate(requests))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(plain(REQUESTS), tmp_path_factory.mktemp("corpus"), name="orchard")


def holding(rows: Iterable[Request], zone: str, literal: bytes) -> list[int]:
    return [number for number, request in enumerate(rows) if literal in zone_text(HttpView(request), zone)]


def answering(rows: Iterable[Request], tree: Tree, classes: dict[str, int]) -> list[int]:
    ask = compile_tree(tree, classes)
    return [number for number, request in enumerate(rows) if ask(HttpView(request)) is True]


# --- literals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ZONES)
def test_every_piece_of_every_text_is_found_where_it_is(made: Corpus, zone: str) -> None:
    asked = 0
    for request in REQUESTS:
        text = zone_text(HttpView(request), zone)
        for length in (3, 4, 5, 9):
            for start in range(0, max(0, len(text) - length), 3):
                literal = text[start : start + length]
                found = made.rows_with(zone, literal)
                assert found is not None
                assert found.tolist() == holding(REQUESTS, zone, literal), literal
                asked += 1
    assert asked >= 20


@given(zone=st.sampled_from(ZONES), literal=st.binary(min_size=3, max_size=12))
def test_any_literal_is_found_where_it_is(made: Corpus, zone: str, literal: bytes) -> None:
    found = made.rows_with(zone, literal)
    assert found is not None
    assert found.tolist() == holding(REQUESTS, zone, literal)


def test_delimiters_tell_names_values_and_ends_apart(made: Corpus) -> None:
    whole = made.rows_with("args", b"\x00note\x01ripe\x00")
    start = made.rows_with("args", b"\x01ripe")
    assert whole is not None
    assert start is not None
    assert whole.tolist() == holding(REQUESTS, "args", b"\x00note\x01ripe\x00") == [1, 2]
    assert set(whole.tolist()) <= set(start.tolist())


@pytest.mark.parametrize(
    ("zone", "literal"), [("args", b""), ("args", b"ab"), ("nowhere", b"pears"), ("method", b"get")]
)
def test_what_the_index_cannot_narrow_is_said_so(made: Corpus, zone: str, literal: bytes) -> None:
    assert made.rows_with(zone, literal) is None
    assert made.rate(zone, literal) is None


def test_a_rate_is_a_share_of_the_rows(made: Corpus) -> None:
    rate = made.rate("path", b"orchard")
    assert rate is not None
    assert rate == len(holding(REQUESTS, "path", b"orchard")) / len(REQUESTS) > 0
    assert made.rate("path", b"no such orchard at all") == 0


@settings(max_examples=25)
@given(data=st.data())
def test_random_rows_are_found_by_pieces_of_themselves(data: st.DataObject, drawn: SimpleNamespace) -> None:
    requests = data.draw(st.lists(drawn.requests(), min_size=1, max_size=6))
    with TemporaryDirectory() as folder:
        made = build_corpus(plain(requests), Path(folder))
        for zone in ZONES:
            for request in requests:
                text = zone_text(HttpView(request), zone)
                start = data.draw(st.integers(0, max(0, len(text) - 3)))
                literal = text[start : start + data.draw(st.sampled_from((3, 4, 7)))]
                if len(literal) >= 3:
                    found = made.rows_with(zone, literal)
                    assert found is not None
                    assert found.tolist() == holding(requests, zone, literal)


# --- rules ------------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(data=st.data())
def test_hits_are_those_of_the_reference_evaluator(data: st.DataObject, drawn: SimpleNamespace) -> None:
    requests = data.draw(st.lists(drawn.requests(), min_size=1, max_size=5))
    with TemporaryDirectory() as folder:
        made = build_corpus(plain(requests), Path(folder))
        for request in requests:
            for _ in range(3):
                tree = data.draw(drawn.rules_for(request))
                expected = answering(requests, tree, drawn.classes)
                assert made.hits(tree, drawn.classes) == expected
                candidates = made.candidates(requirements(tree, drawn.classes))
                assert candidates is None or set(expected) <= set(candidates.tolist())


@settings(max_examples=150)
@given(data=st.data())
def test_random_rules_hit_the_rows_of_a_mixed_corpus(made: Corpus, data: st.DataObject, drawn: SimpleNamespace) -> None:
    tree = data.draw(st.sampled_from(REQUESTS).flatmap(drawn.rules_for))
    assert made.hits(tree, drawn.classes) == answering(REQUESTS, tree, drawn.classes)


FIELDS = ("path.raw", "path", "path.decoded", "query.raw", "query_args", "form_args", "args", "headers", "cookies",
          "json", "multipart", "xml", "body", "body.raw", "target.raw")  # fmt: skip
SOMES = ("args", "query_args", "form_args", "json", "multipart", "headers", "cookies")
ASKED = ("sql_injection", "traversal", "upload_name")


def is_a(field: str, name: str) -> Condition:
    return Condition(field, "is_class", name.encode())


def class_trees() -> Iterator[Tree]:
    """Everything a rule may say with classes: alone, named, beside others, under `some`, negated."""
    for name in ASKED:
        for field in FIELDS:
            yield is_a(field, name)
            yield Not(is_a(field, name))
            yield AllOf((Condition("path", "path_suffix", b"/press"), is_a(field, name)))
            yield AnyOf((Condition("path", "path_suffix", b"/orchard"), is_a(field, name)))
            yield AllOf((is_a(field, name), is_a("args", "sql_injection")))
            yield AnyOf((is_a(field, name), is_a("json", "traversal"), is_a("cookies", "traversal")))
        for place in SOMES:
            for inner in ("value", "name", "filename", "content_type"):
                yield Some(place, is_a(inner, name))
                yield Some(place, Not(is_a(inner, name)))
                yield Some(place, AllOf((Condition("name", "equals", b"crate"), is_a(inner, name))))
                yield Some(place, AnyOf((is_a(inner, name), is_a("value", "sql_injection"))))
                yield Some(
                    place,
                    AllOf((Condition("name", "present"), AllOf((Condition("value", "present"), is_a(inner, name))))),
                )
        yield Condition("args", "is_class", name.encode(), Name(b"crate"))
        yield Condition("json", "is_class", name.encode(), Name(b"/crate/note"))
        yield Condition("headers", "is_class", name.encode(), Name(b"X-CRATE"))


def test_narrowing_by_class_loses_no_row(made: Corpus) -> None:
    trees = list(class_trees())
    assert len(trees) >= 500
    hits = 0
    for tree in trees:
        expected = answering(REQUESTS, tree, LATEST)
        assert made.hits(tree, LATEST) == expected, tree
        hits += bool(expected)
    assert hits >= 200


def test_a_limit_and_a_filter_leave_the_first_rows_in_order(made: Corpus) -> None:
    tree = Condition("path", "present")
    whole = made.hits(tree, {})
    assert whole == list(range(len(REQUESTS)))
    assert made.hits(tree, {}, limit=3) == whole[:3]
    assert made.hits(tree, {}, skip=lambda row: row.owner == "o0") == [number for number in whole if number % 3]
    assert made.hits(tree, {}, limit=2, skip=lambda row: row.owner == "o0") == [1, 2]


def test_rows_come_back_as_they_were_given(made: Corpus) -> None:
    assert list(made) == list(plain(REQUESTS))
    assert [made.row(number) for number in range(len(made))] == list(plain(REQUESTS))


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_a_row_whose_text_was_cut_stays_a_candidate(tmp_path: Path) -> None:
    filling = b"x" * LONG
    requests = [
        get(b"/press", body=b"crate=pears", kind=FORM),
        get(b"/press", body=b"crate=" + filling + b"quince", kind=FORM),
        get(b"/press", body=b'{"crate":"' + filling + b'quince"}', kind=JSON),
        get(b"/press", (b"X-Crate", filling + b"quince")),
    ]
    made = build_corpus(plain(requests), tmp_path)
    for number, field in ((1, "args"), (1, "body"), (2, "json"), (2, "body"), (3, "headers")):
        found = made.rows_with(field, b"quince")
        assert found is not None
        assert number in found.tolist(), field
        assert 0 not in found.tolist(), field
        assert number in made.hits(Condition(field, "ends_with" if field != "body" else "contains", b"quince"), {})
    assert made.hits(Condition("args", "contains", b"medlar"), {}) == []


def test_a_corpus_without_rows_answers_nothing(tmp_path: Path) -> None:
    made = build_corpus([], tmp_path)
    assert (len(made), list(made), made.hits(Condition("path", "present"), {})) == (0, [], [])
    for zone in ZONES:
        for literal in (b"pea", b"pears"):
            found = made.rows_with(zone, literal)
            assert found is not None
            assert found.tolist() == []
    assert made.rate("args", b"pears") is None


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_is_current_under_its_own_name_only(tmp_path: Path) -> None:
    assert not Corpus.current(tmp_path / "nothing", "orchard")
    build_corpus(plain(REQUESTS), tmp_path, name="orchard")
    assert Corpus.current(tmp_path, "orchard")
    assert not Corpus.current(tmp_path, "press")
    assert Corpus(tmp_path).name == "orchard"


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 0, "rows": 1, "name": "orchard"}', "\x00"])
def test_a_folder_with_a_stale_or_broken_note_is_not_current(tmp_path: Path, text: str) -> None:
    build_corpus(plain(REQUESTS), tmp_path, name="orchard")
    (tmp_path / "corpus.json").write_text(text)
    assert not Corpus.current(tmp_path, "orchard")
    assert len(build_corpus(plain(REQUESTS[:2]), tmp_path, name="orchard")) == 2
    assert Corpus.current(tmp_path, "orchard")


def test_an_index_that_was_half_written_is_not_current_and_is_rebuilt(tmp_path: Path) -> None:
    def torn() -> Iterator[Row]:
        yield row(REQUESTS[1])
        raise OSError("the source went away")

    build_corpus(plain(REQUESTS), tmp_path, name="orchard")
    with pytest.raises(OSError, match="went away"):
        build_corpus(torn(), tmp_path, name="orchard")
    assert not Corpus.current(tmp_path, "orchard")
    again = build_corpus(plain(REQUESTS[:5]), tmp_path, name="orchard")
    assert list(again) == list(plain(REQUESTS[:5]))
    found = again.rows_with("path", b"orchard")
    assert found is not None
    assert found.tolist() == holding(REQUESTS[:5], "path", b"orchard")


def contents(folder: Path) -> dict[str, object]:
    """The files by their bytes; the classes by what they say, for their order in the archive is no part of it."""
    found: dict[str, object] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix == ".npz":
            with np.load(file) as arrays:
                found[file.name] = {key: arrays[key].tolist() for key in arrays.files}
        else:
            found[file.name] = file.read_bytes()
    return found


def test_two_processes_write_the_index_that_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(plain(REQUESTS * 3))
    build_corpus(rows, tmp_path / "one", name="orchard", jobs=1)
    monkeypatch.setattr(module, "CHUNK_ROWS", 7, raising=False)
    build_corpus(rows, tmp_path / "two", name="orchard", jobs=2)
    build_corpus(rows, tmp_path / "small", name="orchard", jobs=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "small")
