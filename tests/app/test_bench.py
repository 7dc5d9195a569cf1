"""The whole table, counted on a small invented corpus; what changed between two runs; who may be read."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.app.bench import BenchOptions, bench_quality, compare, read_quality
from ruleforge.app.bench.ground import half_of
from ruleforge.app.bench.traffic import part_of
from ruleforge.cli.bench_text import quality_dict
from ruleforge.errors import InputError, RuleForgeError
from ruleforge.records.quality import Quality, Row, rate

Put = Callable[..., Path]
# By the hash of their numbers: two CVEs of each half.
EVEN = [f"CVE-2099-{n}" for n in range(1000, 1050) if half_of(f"CVE-2099-{n}") == "even"][:2]
ODD = [f"CVE-2099-{n}" for n in range(1000, 1050) if half_of(f"CVE-2099-{n}") == "odd"][:2]
HOLD = next(f"site{n}.example" for n in range(100) if part_of(f"site{n}.example") == "hold")
FIT = next(f"site{n}.example" for n in range(100) if part_of(f"site{n}.example") == "fit")
UP = "../../../../cellar/keys"

TEMPLATE = """\
id: {id}
info:
  name: {product} - Files outside the crate can be read
  author: ruleforge
  severity: high
  classification:
    cve-id: {id}
    cwe-id: CWE-22
  metadata:
    vendor: orchard
    product: {product}
  tags: cve,lfi
http:
  - method: GET
    path:
      - "{{{{BaseURL}}}}/orchard/{product}.php?crate=../../../../../../cellar/keys"
    matchers:
      - type: word
        words:
          - "keys"
"""
PANEL = """\
id: press-panel
info: {name: Press panel, author: ruleforge, severity: info, tags: panel}
http:
  - method: GET
    path: ["{{BaseURL}}/orchard/press0.php?crate=../x"]
"""


def rule_tree(product: str) -> dict[str, Any]:
    path = {"field": "path", "op": "path_suffix", "value": f"/orchard/{product}.php"}
    return {"all": [path, {"field": "args", "name": "crate", "op": "contains", "value": "../"}]}


def exploit(cve: str, target: str, **keys: Any) -> dict[str, Any]:
    row = {
        "id": f"{cve}-{target[:30]}-{keys.get('source', 's')}",
        "cve": cve,
        "source": "press-club",
        "kind": "exploit",
    }
    row |= {"derived": False, "signals": ["traversal"], "method": "GET", "headers": [], "body": "", "body_b64": False}
    return row | {"target": target} | keys


def ordinary(site: str, target: str, source: str) -> dict[str, Any]:
    row = {"id": f"{source}-{target}", "source": source, "method": "GET", "target": target, "body": ""}
    return row | {"headers": [["Host", site]]}


def pack(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


@pytest.fixture
def data(tmp_path: Path, put_rule: Put) -> Path:
    """Four templates, three of them with a rule, and one small corpus of each kind."""
    data = tmp_path / "data"
    cves = data / "nuclei-templates" / "http" / "cves"
    cves.mkdir(parents=True)
    for number, cve in enumerate([*EVEN, *ODD]):
        (cves / f"{cve}.yaml").write_text(TEMPLATE.format(id=cve, product=f"press{number}"))
    for number, cve in enumerate([*EVEN, ODD[0]]):
        put_rule(cve, when=rule_tree(f"press{number}"))
    panels = data / "nuclei-templates" / "http" / "exposed-panels"
    panels.mkdir()
    (panels / "press-panel.yaml").write_text(PANEL)
    rows = [
        exploit(EVEN[0], f"/orchard/press0.php?crate={UP}"),
        exploit(EVEN[1], f"/orchard/mill.php?crate={UP}", source="crowdsec-hub"),
        exploit(ODD[0], f"/orchard/press2.php?basket={UP}"),
        exploit(ODD[1], f"/orchard/press3.php?crate={UP}"),
        exploit(EVEN[0], f"/a/orchard/press0.php?crate={UP}", derived=True),
        exploit(EVEN[1], "/orchard/press1.php?crate=1", signals=["logic"]),
        exploit(EVEN[1], "/orchard/press1.php?crate=../x", kind="probe"),
        exploit(EVEN[1], "/orchard/press1.php?crate=../../../../../../cellar/keys", kind="probe"),
        exploit(EVEN[0], "/", kind="probe"),
        exploit("CVE-2098-0001", "/not/among/the/templates"),
    ]
    pack(data / "exploits" / "exploits-dev.jsonl.gz", rows)
    calm = [ordinary(HOLD, f"/{n}", "lists/a") for n in range(3)] + [
        ordinary(FIT, f"/{n}", "lists/b") for n in range(4)
    ]
    calm += [ordinary(HOLD, "/orchard/press0.php?crate=../y", "lists/a")]
    pack(data / "traffic" / "benign-dev.jsonl.gz", calm)
    pack(data / "traffic" / "attack-dev.jsonl.gz", [ordinary(FIT, f"/x?q={UP}", "storm/1")])
    return data


@pytest.fixture
def measured(data: Path, tmp_path: Path) -> Quality:
    return bench_quality(BenchOptions(rules=tmp_path / "rules", data=data))


def row_of(found: Quality, key: str) -> Row:
    (row,) = [row for row in found.rows if row.key == key]
    return row


KEYS = [
    "templates_with_rule", "refusal_precision", "refusal_recall", "replay", "independent", "independent_requests",
    "leave_one_source_out", "derived", "logic", "probes", "crowdsec", "benign_hold", "benign_fit", "harmless",
    "other_product", "other_cve", "oracle", "documents", "generic_attacks", "differences",
]  # fmt: skip


def test_every_row_is_there_whatever_is_given(measured: Quality, data: Path, tmp_path: Path) -> None:
    assert [row.key for row in measured.rows] == KEYS
    empty = tmp_path / "empty"
    empty.mkdir()
    templates = (data / "nuclei-templates" / "http" / "cves",)
    bare = bench_quality(BenchOptions(rules=tmp_path / "rules", data=empty, templates=templates))
    assert [row.key for row in bare.rows if row.rate is None and not row.note] == []
    assert row_of(bare, "replay").rate == rate(3, 3)
    assert row_of(bare, "benign_hold").rate is None


@pytest.mark.parametrize(
    ("key", "hits", "of"),
    [
        ("templates_with_rule", 3, 4),
        ("replay", 3, 3),
        ("independent", 1, 4),
        ("independent_requests", 1, 5),
        ("derived", 1, 1),
        ("logic", 0, 1),
        ("probes", 2, 3),
        ("crowdsec", 0, 1),
        ("benign_hold", 1, 4),
        ("benign_fit", 0, 4),
        ("harmless", 1, 3),
        ("other_product", 0, 3),
        ("other_cve", 0, 3),
        ("generic_attacks", 0, 1),
    ],
)
def test_rows_count_what_they_say(measured: Quality, key: str, hits: int, of: int) -> None:
    assert row_of(measured, key).rate == rate(hits, of)


def test_causes_are_counted_for_both_halves_and_shown_for_one(measured: Quality) -> None:
    assert row_of(measured, "independent").causes == {
        "another parameter": {"odd": 1},
        "no rule (not known why)": {"odd": 1},
        "selector or literal differs": {"even": 1},  # of the CVE's two requests, the one that comes closest
    }
    assert {miss.cve for miss in measured.misses} == {EVEN[1]}
    text = json.dumps(quality_dict(measured, None)["rows"]) + json.dumps(msgspec.to_builtins(measured.misses))
    assert not [cve for cve in ODD if cve in text]


def test_probes_say_which_of_them_are_the_exploit_itself(measured: Quality) -> None:
    parts = {part.name: part.rate for part in row_of(measured, "probes").parts if part.group == "likeness"}
    assert parts == {
        "another request than the template's exploits": rate(0, 1),
        "other bytes, same shape as an exploit of the template": rate(1, 1),
        "same bytes as an exploit of the template": rate(1, 1),
    }


def test_strata_are_counted_with_their_sites(measured: Quality) -> None:
    (part,) = row_of(measured, "benign_hold").parts
    assert (part.name, part.rate, part.note) == ("lists", rate(1, 4), "1 sites")


def test_the_worst_rule_comes_first_and_hold_is_never_shown(measured: Quality) -> None:
    first = measured.worst[0]
    assert first.rule == f"RF-{EVEN[0]}-1"
    assert first.counts == {"benign_hold": 1, "harmless": 1}
    assert first.examples == ("exposed-panels/press-panel",)


def test_one_half_can_be_counted_alone(data: Path, tmp_path: Path) -> None:
    found = bench_quality(BenchOptions(rules=tmp_path / "rules", data=data, half="odd"))
    assert row_of(found, "independent").rate == rate(0, 2)
    assert row_of(found, "replay").rate == rate(3, 3)


def test_outcomes_labels_and_pairs_fill_their_rows(data: Path, tmp_path: Path) -> None:
    ends = [("rule", "")] * 3 + [("refused", "normal_use")]
    lines = [
        {"advisory": cve, "sources": [], "cves": [cve], "outcome": outcome, "reason": reason}
        for cve, (outcome, reason) in zip([*EVEN, *ODD], ends, strict=True)
    ]
    outcomes = tmp_path / "outcomes.ndjson"
    outcomes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said: list[tuple[str, Any, Any]] = [
        (EVEN[0], True, None), (EVEN[1], "context", "normal_use"), (ODD[1], False, "normal_use"),
        (ODD[0], "unclear", None), ("CVE-2098-0009", True, None),
    ]  # fmt: skip
    labels = [{"template": name, "rule_possible": possible, "refusal": refusal} for name, possible, refusal in said]
    (tmp_path / "refusals_ours.json").write_text(json.dumps({"labels": labels}))
    (tmp_path / "pairs.json").write_text(json.dumps([[EVEN[0], "press-club"], [EVEN[1], "nobody"]]))
    options = BenchOptions(
        rules=tmp_path / "rules", data=data, outcomes=outcomes, labels=(tmp_path,), holdout=tmp_path / "pairs.json"
    )
    found = bench_quality(options)
    assert row_of(found, "templates_with_rule").causes == {"no rule (normal_use)": {"all": 1}}
    assert row_of(found, "refusal_precision:refusals_ours").rate == rate(1, 1)
    assert row_of(found, "refusal_recall:refusals_ours").rate == rate(1, 2)
    assert "1 unclear and 1 without a template" in row_of(found, "refusal_precision:refusals_ours").note
    assert row_of(found, "leave_one_source_out").rate == rate(1, 1)


def test_mistakes_of_refusing_are_shown_unless_their_file_is_held_out(data: Path, tmp_path: Path) -> None:
    labels = {"labels": [{"template": cve, "rule_possible": "context"} for cve in (EVEN[0], ODD[0])]}
    for name in ("refusals_ours", "refusals_holdout"):
        (tmp_path / f"{name}.json").write_text(json.dumps(labels))
    found = bench_quality(BenchOptions(rules=tmp_path / "rules", data=data, labels=(tmp_path,)))
    for name in ("refusals_ours", "refusals_holdout"):
        causes = row_of(found, f"refusal_recall:{name}").causes
        assert causes == {"a rule, should be refused": {"even": 1, "odd": 1}}
    shown = [(miss.row, miss.cve) for miss in found.misses if miss.row.startswith("refusal")]
    assert shown == [("refusal:refusals_ours", EVEN[0])]


def test_documents_count_by_the_end_of_their_path(data: Path, tmp_path: Path) -> None:
    ends = [("press/a.md", "rule"), ("press/b.md", "refused"), ("mill/a.md", "rule")]
    lines = [
        {"advisory": name, "sources": [f"/docs/{name}"], "cves": [], "outcome": end, "reason": "normal_use"}
        for name, end in ends
    ]
    (tmp_path / "ends.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = {"press/a.md": True, "press/b.md": True, "mill/a.md": False, "press/c.md": True}
    labels = [{"document": name, "concrete": concrete} for name, concrete in said.items()]
    (tmp_path / "labels.json").write_text(json.dumps({"labels": labels}))
    options = BenchOptions(
        rules=tmp_path / "rules",
        data=data,
        document_labels=tmp_path / "labels.json",
        document_outcomes=tmp_path / "ends.ndjson",
    )
    row = row_of(bench_quality(options), "documents")
    assert (row.rate, row.note) == (rate(1, 3), "1 have no outcome and count as missed")
    assert row.causes == {"no rule (normal_use)": {"all": 1}}


def test_mutated_requests_count_where_the_original_is_found(data: Path, tmp_path: Path) -> None:
    def row(name: str, target: str, mutator: str) -> dict[str, Any]:
        cve = EVEN[0]
        labels = {"advisory": cve, "cve": cve, "mutator": mutator, "origin": name.partition("~")[0]}
        return exploit(cve, target) | labels | {"id": name}

    found = f"/orchard/press0.php?crate={UP}"
    rows = [
        row("b~x", found, "turned"),  # before its original
        row("a", found, ""),
        row("a~x", found + "&y=1", "turned"),
        row("a~y", f"/orchard/press0.php?x={UP}", "twisted"),
        row("b", "/orchard/other.php", ""),
    ]
    file = tmp_path / "mutated.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = bench_quality(BenchOptions(rules=tmp_path / "rules", data=data, oracle=file))
    assert row_of(result, "oracle").rate == rate(0, 1)
    assert [(part.name, part.rate) for part in row_of(result, "oracle").parts] == [
        ("twisted", rate(0, 1)),
        ("turned", rate(1, 1)),
    ]
    assert "1 left out" in row_of(result, "oracle").note
    assert row_of(result, "oracle:twisted").causes == {"another parameter": {"even": 1}}


def test_both_evaluators_agree_on_a_sample(data: Path, tmp_path: Path) -> None:
    found = bench_quality(BenchOptions(rules=tmp_path / "rules", data=data, differential=True))
    differences = row_of(found, "differences").rate
    assert differences is not None
    assert (differences.hits, differences.of) == (0, 3 * (3 + 1 + 1))


def test_a_run_is_compared_with_what_it_wrote_earlier(measured: Quality, data: Path, tmp_path: Path) -> None:
    (tmp_path / "before.json").write_text(json.dumps(quality_dict(measured, None)))
    before = read_quality(tmp_path / "before.json")
    assert before == measured
    same = compare(before, measured)
    assert (same.rules_gained, same.rules_lost, same.moved) == ((), (), ())
    for file in (tmp_path / "rules" / EVEN[0]).iterdir():
        file.unlink()
    changes = compare(before, bench_quality(BenchOptions(rules=tmp_path / "rules", data=data)))
    assert (changes.rules_gained, changes.rules_lost) == ((), (EVEN[0],))
    moved = {moved.key: moved for moved in changes.moved}
    assert (moved["independent"].better, moved["independent"].lost) == (False, (EVEN[0],))
    assert (moved["benign_hold"].better, moved["benign_hold"].after) == (True, rate(0, 4))
    back = {
        moved.key: moved
        for moved in compare(bench_quality(BenchOptions(rules=tmp_path / "rules", data=data)), before).moved
    }
    assert back["independent"].gained == (EVEN[0],)


def test_pairs_may_stand_one_on_a_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(
        f'{{"cve": "{EVEN[0]}", "source": "press-club"}}\n{{"cve": "x", "source": "y"}}\n'
    )
    options = BenchOptions(rules=tmp_path / "rules", data=data, holdout=tmp_path / "pairs.jsonl")
    row = row_of(bench_quality(options), "leave_one_source_out")
    assert (row.rate, row.note) == (rate(1, 1), "1 requests, 2 pairs held out")


@pytest.mark.parametrize(
    ("option", "text", "code"),
    [
        ("outcomes", "{", "RF245"),
        ("outcomes", '{"advisory": 1}', "RF245"),
        ("holdout", "{}", "RF247"),
        ("holdout", '[["CVE-2099-0001"]]', "RF247"),
        ("labels", '{"labels": [{}]}', "RF248"),
        ("oracle", '{"target": "/"}', "RF249"),
    ],
)
def test_a_file_of_another_kind_is_refused(data: Path, tmp_path: Path, option: str, text: str, code: str) -> None:
    file = tmp_path / "wrong"
    file.write_text(text)
    value = (file,) if option == "labels" else file
    with pytest.raises(InputError) as problem:
        bench_quality(BenchOptions(rules=tmp_path / "rules", data=data, **{option: value}))
    assert problem.value.code == code


def test_a_corpus_without_labels_and_an_earlier_run_that_is_none_are_refused(data: Path, tmp_path: Path) -> None:
    pack(data / "exploits" / "exploits-dev.jsonl.gz", [{"target": "/", "method": "GET"}])
    with pytest.raises(InputError, match="RF246"):
        bench_quality(BenchOptions(rules=tmp_path / "rules", data=data))
    (tmp_path / "before.json").write_text('{"rows": 1}')
    with pytest.raises(InputError, match="RF244"):
        read_quality(tmp_path / "before.json")


def test_no_data_and_no_rules_are_wrong_calls(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RuleForgeError, match="RF117"):
        bench_quality(BenchOptions(rules=tmp_path / "rules", data=tmp_path / "none"))
    with pytest.raises(RuleForgeError, match="RF111"):
        bench_quality(BenchOptions(rules=data, data=data))


def test_lines_that_cannot_be_read_are_counted(data: Path, tmp_path: Path) -> None:
    file = data / "traffic" / "attack-dev.jsonl.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) + b"no json\n{}\n"))
    found = bench_quality(BenchOptions(rules=tmp_path / "rules", data=data))
    assert found.problems == ("RF223 attack-dev.jsonl.gz: 2 lines could not be read",)


@pytest.mark.corpus
def test_a_slice_of_the_development_data_gives_every_row(corpus: Path, tmp_path: Path, put_rule: Put) -> None:
    put_rule("CVE-2099-0001")
    slices = tmp_path / "slice"
    for name in ("exploits/exploits-dev", "traffic/benign-dev", "traffic/attack-dev"):
        with gzip.open(corpus / f"{name}.jsonl.gz", "rt") as lines:
            pack(slices / f"{name}.jsonl.gz", [json.loads(line) for line, _ in zip(lines, range(200), strict=False)])
    templates = corpus / "nuclei-templates" / "http" / "cves" / "2012"
    found = bench_quality(BenchOptions(rules=tmp_path / "rules", data=slices, templates=(templates,)))
    assert [row.key for row in found.rows] == KEYS
    with_rule = row_of(found, "templates_with_rule").rate
    assert with_rule is not None
    assert with_rule.of >= 10
