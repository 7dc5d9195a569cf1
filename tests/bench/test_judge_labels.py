"""Labels of rules: counted on what no judge sees, the two kept apart, and null where nothing could be tried."""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Product, Rule

ROOT = Path(__file__).resolve().parents[2]
HOST = (b"Host", b"shop.example")


@pytest.fixture(scope="module")
def judge() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import judge.constructed
        import judge.ground
        import judge.labels
        import judge.rows
        import judge.table

        yield judge
    finally:
        sys.path.remove(str(ROOT / "bench"))


def get(target: bytes) -> Request:
    return Request(method=b"GET", target=target, headers=(HOST,))


def advisory(number: int, product: str, target: bytes, *, cwe: str = "CWE-22", **more: Any) -> Advisory:
    poc = PocRequest(request=get(target), role="exploit")
    name = f"CVE-2099-{number:04}"
    return Advisory(
        id=name, cves=(name,), sources=(f"{name}.yaml",), cwes=(cwe,), requests=(poc,),
        products=(Product(product, "press"),), **more,
    )  # fmt: skip


def vendor(judge: ModuleType, start: str, *, odd: bool) -> str:
    """A vendor whose exploits serve labels (odd), or are what a judge may see."""
    return next(v for v in (f"{start}{n}" for n in range(64)) if judge.ground.is_for_labels(f"{v}/press") is odd)


@pytest.fixture(scope="module")
def ground(judge: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("ground")
    stranger = advisory(2, vendor(judge, "stall", odd=True), b"/stall/show.php?page=../../../etc/passwd")
    kin = advisory(3, vendor(judge, "fork", odd=True), b"/orchard/get.php?crate=../../../etc/passwd")
    itself = advisory(4, vendor(judge, "gate", odd=False), b"/orchard-gate/open", cwe="CWE-306")
    mine = advisory(1, vendor(judge, "orchard", odd=False), b"/orchard/get.php?crate=../../../etc/passwd")
    rows = [
        {
            "cve": "CVE-2099-0001",
            "kind": "exploit",
            "source": "someone",
            "target": "/orchard/get.php?crate=..%2f..%2fkeys",
        },
        {"cve": "CVE-2099-0001", "kind": "probe", "source": "someone", "target": "/orchard/readme.txt"},
    ]
    common = {"method": "GET", "headers": [["Host", "shop.example"]], "body": "", "body_b64": False}
    exploits, benign = folder / "exploits.jsonl", folder / "hold.jsonl"
    exploits.write_text("".join(json.dumps({"id": str(n)} | common | row) + "\n" for n, row in enumerate(rows)))
    benign.write_text(json.dumps({"id": "b", "source": "x", "target": "/orchard/welcome"} | common) + "\n")
    return judge.ground.gather([mine, stranger, kin, itself], exploits, benign, jobs=1)


def rule(*conditions: dict[str, Any], **more: Any) -> Rule:
    when = {"all": list(conditions)} if len(conditions) > 1 else conditions[0]
    return parse_rule(
        {"schema": 1, "id": "RF-CVE-2099-0001-1", "event": "http.request", "when": when, **more}
    ).require()


PATH = {"field": "path", "op": "path_suffix", "value": "/orchard/get.php"}
TRAVERSAL = {"field": "args", "name": "crate", "op": "is_class", "value": "traversal"}
CLASSES = {"classes": {"traversal": 1}}


def latest(name: str) -> dict[str, Any]:
    from ruleforge.rules.classes import latest_version

    return {"classes": {name: latest_version(name)}}


def label(judge: ModuleType, ground: Any, found: Rule, name: str = "CVE-2099-0001") -> Any:
    (labels,) = judge.labels.label_all([judge.labels.Subject(found, name)], ground)
    return labels


def test_a_good_rule_has_neither_defect(judge: ModuleType, ground: Any) -> None:
    labels = label(judge, ground, rule(PATH, TRAVERSAL, **latest("traversal")))
    assert (labels.miss.label, labels.off.label) == (False, False)
    assert labels.miss.independent == (0, 1)  # the probe is no exploit
    assert labels.miss.oracle[1] >= 5
    assert labels.miss.payload[1] >= 2
    assert labels.off.near[1] >= 5
    assert labels.off.neutral[1] >= 1
    assert labels.off.unrelated == (0, 2)
    assert labels.off.benign == (0, 1)


def test_a_rule_that_holds_the_published_words_misses(judge: ModuleType, ground: Any) -> None:
    literal = {"field": "args", "name": "crate", "op": "equals", "value": "../../../etc/passwd"}
    labels = label(judge, ground, rule(PATH, literal))
    assert labels.miss.label is True
    assert labels.miss.independent == (1, 1)
    assert labels.miss.payload[0] == labels.miss.payload[1]
    assert labels.off.label is False
    assert "exploits of others" in labels.miss.why


def test_a_rule_on_the_path_alone_is_off_target(judge: ModuleType, ground: Any) -> None:
    labels = label(judge, ground, rule(PATH))
    assert labels.miss.label is False
    assert labels.off.label is True
    assert labels.off.near[0] > 0
    assert labels.off.neutral[0] == labels.off.neutral[1]
    assert "near-misses" in labels.off.why


def test_strangers_count_and_those_of_the_same_call_do_not(judge: ModuleType, ground: Any) -> None:
    labels = label(
        judge, ground, rule({"field": "args", "op": "is_class", "value": "traversal"}, **latest("traversal"))
    )
    assert labels.off.unrelated == (1, 2)  # the fork is called in the very same way
    assert "CVE-2099-0002" in labels.off.why
    named = label(
        judge, ground,
        rule(
            {"field": "args", "op": "is_class", "value": "traversal"},
            **latest("traversal"), cves=["CVE-2099-0001", "CVE-2099-0002"],
        ),
    )  # fmt: skip
    assert named.off.unrelated[0] == 0


def test_ordinary_traffic_counts(judge: ModuleType, ground: Any) -> None:
    labels = label(judge, ground, rule({"field": "path", "op": "contains", "value": "/orchard/"}))
    assert labels.off.benign == (1, 1)


def test_where_nothing_can_be_varied_the_label_is_unknown(judge: ModuleType, ground: Any) -> None:
    bare = judge.ground.Ground({}, {}, {"CVE-2099-0009": ground.kin["CVE-2099-0004"]}, (), ())
    labels = label(judge, bare, rule(PATH), "CVE-2099-0009")
    assert (labels.miss.label, labels.off.label) == (None, None)
    gate = label(
        judge, ground, rule({"field": "path", "op": "path_suffix", "value": "/orchard-gate/open"}), "CVE-2099-0004"
    )
    assert gate.off.near == gate.off.neutral == (0, 0)
    assert gate.off.label is None
    assert gate.off.unrelated[1] + gate.off.benign[1] == 3


@pytest.mark.parametrize(
    ("more", "unrelated"),
    [
        ({}, True),
        ({"description": "the same as CVE-2099-0001"}, False),
        ({"tags": ("log4j",)}, False),
    ],
)
def test_what_speaks_of_the_same_flaw_is_no_stranger(judge: ModuleType, more: dict[str, Any], unrelated: bool) -> None:
    one = judge.ground.kin_of(advisory(1, "orchard", b"/a/one.php?x=..", tags=("log4j",) if "tags" in more else ()))
    other = judge.ground.kin_of(advisory(2, "stall", b"/b/two.php?y=..", **more))
    assert judge.ground.are_unrelated(one, other) is unrelated
    assert judge.ground.are_unrelated(other, one) is unrelated


def test_one_vendor_and_an_unnamed_product_are_no_strangers(judge: ModuleType) -> None:
    kin = judge.ground.kin_of
    unnamed = Advisory(id="CVE-2099-0008", sources=("x",))
    assert not judge.ground.are_unrelated(
        kin(advisory(1, "orchard", b"/a?b=..")), kin(advisory(2, "orchard", b"/c?d=.."))
    )
    assert not judge.ground.are_unrelated(kin(advisory(1, "orchard", b"/a?b=..")), kin(unnamed))


def test_a_pair_is_named_by_what_the_rule_does_and_the_advisory(judge: ModuleType) -> None:
    first = rule(PATH)
    renamed = parse_rule(
        {"schema": 1, "id": "RF-CVE-2099-0001-7", "event": "http.request", "title": "other", "when": PATH}
    )
    name = judge.rows.pair_id(first, "CVE-2099-0001")
    assert len(name) == 16
    assert judge.rows.pair_id(renamed.require(), "CVE-2099-0001") == name
    assert judge.rows.pair_id(first, "CVE-2099-0002") != name
    assert judge.rows.pair_id(rule(PATH, TRAVERSAL, **latest("traversal")), "CVE-2099-0001") != name


def test_rows_are_written_and_read_and_sealed(judge: ModuleType, ground: Any, tmp_path: Path) -> None:
    offered = [
        judge.rows.Offered(rule=found, advisory="CVE-2099-0001", group="natural", origin="passed", tests_passed=True)
        for found in (rule(PATH), rule(PATH), rule(PATH, TRAVERSAL, **latest("traversal")))
    ]
    rows = judge.rows.make_rows(offered, ground, {"CVE-2099-0001": "CVE-2099-0001.yaml"})
    assert len(rows) == 2  # equal ones once
    judge.rows.write_rows(rows, tmp_path / "a.jsonl.gz")
    judge.rows.write_rows(rows, tmp_path / "b.jsonl.gz")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert judge.rows.read_rows(tmp_path / "a.jsonl.gz") == json.loads(json.dumps(rows))
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).count(b"\n") == 2
    tested = [row | {"part": "test"} for row in rows]
    seal = judge.rows.frozen(tested)
    assert seal["pairs"] == 2
    assert seal == judge.rows.frozen(tested[::-1])
    changed = [tested[0] | {"miss": {"label": None}}, tested[1]]
    assert judge.rows.frozen(changed)["sha256"] != seal["sha256"]
    assert judge.rows.frozen([row | {"part": "train"} for row in rows])["pairs"] == 0


@pytest.mark.parametrize(
    ("miss", "off", "tried", "wanted", "known"),
    [
        (True, None, 0, True, None),
        (False, None, 0, False, None),
        (False, True, 0, True, None),  # by a stranger: it could not have come out the other way
        (False, True, 3, True, True),
        (None, None, 0, None, None),
        (False, False, 1, False, False),
    ],
)
def test_any_defect_needs_one_true_and_is_known_where_it_could_be_false(
    judge: ModuleType, miss: bool | None, off: bool | None, tried: int, wanted: bool | None, known: bool | None
) -> None:
    row = {"miss": {"label": miss}, "off": {"label": off, "near": [0, tried], "neutral": [0, 0]}}
    assert judge.rows.any_defect(row) is wanted
    assert judge.rows.known_defect(row) is known
    full = {"group": "natural", "origin": "passed", "part": "test", "advisory": "CVE-2099-0001", **row}
    table = judge.table.label_table([full])
    assert table.count("\n| natural |") == 4
    assert "| natural | passed | test | 1 | 1 |" in table


def test_constructed_rules_are_each_wrong_in_their_own_way(judge: ModuleType) -> None:
    mine = advisory(1, "orchard", b"/orchard/get.php?crate=../../../etc/passwd")
    shipped = rule(PATH, TRAVERSAL, **latest("traversal"))
    made = {each.origin: each.rule for each in judge.constructed.construct(mine, shipped, 5)}
    assert set(made) == set(judge.constructed.ORIGINS)
    assert len({str(each.when) for each in made.values()}) == 5
    assert all(each.when != shipped.when for each in made.values())
    assert len(judge.constructed.construct(mine, shipped, 2)) == 2
    assert {each.origin for each in judge.constructed.construct(mine, None, 5)} == {
        "first_request", "exact_literal", "path_only",
    }  # fmt: skip


def test_the_seal_of_the_test_part_is_well_formed() -> None:
    seal = json.loads((ROOT / "bench" / "judge" / "frozen.json").read_text("utf-8"))
    assert len(seal["sha256"]) == 64
    assert seal["pairs"] == sum(count for name, count in seal["counts"].items() if " " not in name)
    assert seal["natural_advisories"] >= 250
    assert seal["counts"]["natural"] >= 1_000
