"""The machine contract: the lines of `forge` and `scan`, and the exit codes of every command."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Put = Callable[..., Path]
Run = Callable[..., Result]
FORGE_KEYS = {"sources", "cves", "outcome", "reason", "detail", "rules", "candidates", "rounds", "seconds"}
SCAN_KEYS = {"request", "file", "rule", "cves", "spans"}


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_forge_gives_one_line_per_advisory_and_every_file_once(run: Run, put_templates: Path, tmp_path: Path) -> None:
    result = run("forge", put_templates, "--out", tmp_path / "out", "--format", "ndjson", "--jobs", 1)
    found = lines(result)
    assert all(set(line) >= FORGE_KEYS for line in found)
    sources = [source for line in found for source in line["sources"]]
    assert sorted(sources) == sorted(str(file) for file in put_templates.iterdir())
    ends = {Path(line["sources"][0]).name: (line["outcome"], line["reason"]) for line in found}
    assert ends == {
        "CVE-2099-0101.yaml": ("rule", ""),
        "fruit-press-detect.yaml": ("refused", "fingerprint_only"),
        "broken.yaml": ("failed", "RF212"),
        "README.md": ("skipped", "RF218"),
    }
    (rule,) = [line for line in found if line["outcome"] == "rule"]
    assert rule["cves"] == ["CVE-2099-0101"]
    assert [json.loads(file.read_text())["id"] for file in (tmp_path / "out").rglob("rule.json")] == rule["rules"]
    assert result.exit_code == 1  # the broken file; the skipped one does not count


def test_forge_ends_with_0_when_every_template_got_a_rule_or_a_refusal(
    run: Run, put_templates: Path, tmp_path: Path
) -> None:
    (put_templates / "broken.yaml").unlink()
    result = run("forge", put_templates, "--out", tmp_path / "out", "--jobs", 1)
    assert result.exit_code == 0
    assert "2 advisories in" in result.stdout
    assert "skipped" in result.stdout


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("CVE-2099-0101.yaml", ["RF-CVE-2099-0101-1  Fruit Press", "looks like path traversal", "out/CVE-2099-0101:"]),
        ("fruit-press-detect.yaml", ["fruit-press-detect: refused, fingerprint_only", "only recognises the product"]),
        ("broken.yaml", ["broken.yaml: failed, RF212", "not valid YAML"]),
    ],
)
def test_a_single_template_is_told_as_its_rule_or_its_reason(
    run: Run, put_templates: Path, file: str, parts: list[str]
) -> None:
    text = run("forge", put_templates / file, "--out", "out", "--jobs", 1).stdout
    for part in parts:
        assert part in text


def test_what_is_unchanged_is_counted_instead_of_a_rate(run: Run, put_templates: Path) -> None:
    words = ("forge", put_templates, "--out", "out", "--jobs", 1)
    assert "advisories a second" in run(*words).stdout
    second = run(*words).stdout
    assert "unchanged, not forged again: 2)" in second
    assert "a second" not in second
    assert "not forged again" not in run(*words, "--again").stdout


def test_what_was_forged_is_scanned_with_and_tested(
    run: Run, put_templates: Path, put_requests: Put, tmp_path: Path
) -> None:
    run("forge", put_templates, "--out", tmp_path / "out", "--jobs", 1)
    target = "/a/orchard/fruit_press.php?crate=..%2f..%2f..%2f..%2fetc%2fshadow"
    result = run("scan", "--rules", tmp_path / "out", put_requests("/", target), "--format", "ndjson")
    assert [(line["request"], line["cves"]) for line in lines(result)] == [("r2", ["CVE-2099-0101"])]
    assert run("test", tmp_path / "out").exit_code == 0
    again = run("forge", put_templates, "--out", tmp_path / "out", "--jobs", 1, "--format", "json")
    assert json.loads(again.stdout)["summary"]["with_rule"] == 1


def test_rules_inside_the_folder_of_templates_are_not_read_as_templates(run: Run, put_templates: Path) -> None:
    out = put_templates / "rules"
    first = run("forge", put_templates, "--out", out, "--format", "ndjson", "--jobs", 1)
    second = run("forge", put_templates, "--out", out, "--format", "ndjson", "--jobs", 1)
    assert [line["sources"] for line in lines(second)] == [line["sources"] for line in lines(first)]


def test_a_hit_is_one_line_with_request_file_rule_cves_and_spans(
    run: Run, put_rule: Put, put_requests: Put, tmp_path: Path, attack: str
) -> None:
    rules, file = put_rule().parent, put_requests("/", attack)
    packed = tmp_path / "day.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    result = run("scan", "--rules", rules, file, packed, "--format", "ndjson")
    first, second = lines(result)
    assert set(first) >= SCAN_KEYS
    assert list(first)[:5] == ["request", "file", "rule", "cves", "spans"]
    assert (first["request"], first["file"], second["file"]) == ("r2", str(file), str(packed))
    assert all(set(span) >= {"field", "name", "part", "start", "end", "text"} for span in first["spans"])
    assert result.exit_code == 1


def test_a_request_without_an_id_is_named_by_file_and_ordinal(
    run: Run, put_rule: Put, tmp_path: Path, attack: str
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"target": "/"}) + "\n" + json.dumps({"target": attack}) + "\n")
    (hit,) = lines(run("scan", "--rules", put_rule().parent, file, "--format", "ndjson"))
    assert hit["request"] == "x.jsonl:2"


def test_a_scan_without_hits_ends_with_0(run: Run, put_rule: Put, put_requests: Put) -> None:
    result = run("scan", "--rules", put_rule().parent, put_requests("/"))
    assert result.exit_code == 0
    assert result.stdout.startswith("No hit: 1 rule over 1 request.")


def test_a_rule_that_does_not_load_ends_with_2_after_scanning(
    run: Run, put_rule: Put, put_requests: Put, attack: str
) -> None:
    rules = put_rule("CVE-2099-0001").parent
    (put_rule("CVE-2099-0002") / "rule.json").write_text('{"schema": 1}')
    result = run("scan", "--rules", rules, put_requests(attack), "--format", "ndjson")
    assert [line["rule"] for line in lines(result)] == ["RF-CVE-2099-0001-1"]
    assert result.exit_code == 2
    assert "rule not loaded: [RF303]" in result.stderr


def test_standard_input_is_scanned(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    data = put_requests(attack).read_bytes()
    (hit,) = lines(run("scan", "--rules", put_rule().parent, "-", "--format", "ndjson", stdin=data))
    assert (hit["request"], hit["file"]) == ("r1", "-")


@pytest.mark.parametrize("kind", ["json", "sarif"])
def test_machine_formats_of_a_scan_are_one_document(
    run: Run, put_rule: Put, put_requests: Put, attack: str, kind: str
) -> None:
    result = run("scan", "--rules", put_rule().parent, put_requests(attack), "--format", kind)
    assert set(json.loads(result.stdout)) in ({"hits", "report"}, {"$schema", "version", "runs"})
    assert result.exit_code == 1


def test_tests_and_lint_end_with_1_when_there_is_something_to_say(run: Run, put_rule: Put) -> None:
    folder = put_rule()
    assert run("test", folder).exit_code == 0
    row = '{target: "/", method: GET}'
    (folder / "tests.yaml").write_text(f"tests:\n- {{name: pears, verdict: match, request: {row}}}\n")
    result = run("test", folder, "--format", "ndjson")
    assert (result.exit_code, lines(result)[0]["state"]) == (1, "failed")
    assert run("lint", folder).exit_code == 0
    (folder / "rule.json").write_text("{}")
    result = run("lint", folder, "--format", "ndjson")
    assert result.exit_code == 1
    assert {line["severity"] for line in lines(result)} == {"error"}


WRONG_CALLS = [
    (["forge"], "Missing argument"),
    (["forge", "none", "--out", "x"], "[RF117]"),
    (["forge", "."], "[RF112]"),
    (["scan", "x.log"], "Missing option"),
    (["scan", "--rules", "none", "x.log"], "[RF110]"),
    (["scan", "--rules", ".", "x.log"], "[RF111]"),
    (["scan", "--rules", ".", "x.log", "--format", "xml"], "--format"),
    (["explain", "none", "x"], "[RF110]"),
    (["show", "none"], "[RF110]"),
    (["test", "none"], "[RF110]"),
    (["lint", "none"], "[RF110]"),
    (["background", "build", "none.log"], "Missing option"),
    (["nonsense"], "nonsense"),
]


@pytest.mark.parametrize(("words", "said"), WRONG_CALLS)
def test_a_wrong_call_ends_with_2_and_says_why_on_standard_error(run: Run, words: list[str], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_trouble_outside_ends_with_3(run: Run, put_templates: Path, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file where a folder should go")
    result = run("forge", put_templates, "--out", tmp_path / "occupied" / "out", "--jobs", 1)
    assert result.exit_code == 3
    assert result.stderr.startswith("ruleforge: [RF502]")
    result = run("background", "build", tmp_path / "none.log", "--out", tmp_path / "table")
    assert (result.exit_code, "[RF501]" in result.stderr) == (3, True)


def test_explain_answers_with_the_trace_of_every_condition(
    run: Run, put_rule: Put, put_requests: Put, attack: str
) -> None:
    file = put_requests("/", attack)
    result = run("explain", put_rule(), file, "--id", "r2", "--format", "ndjson")
    (found,) = lines(result)
    assert (found["answer"], len(found["root"]["parts"]), result.exit_code) == ("true", 2, 0)


def test_a_background_table_is_built_and_used(run: Run, put_templates: Path, put_requests: Put, tmp_path: Path) -> None:
    file, table = put_requests(*["/orchard/list?kind=pear"] * 5), tmp_path / "made" / "table.msgpack"
    result = run("background", "build", file, "--out", table, "--made", "2099-01-01")
    assert (result.exit_code, "5 requests" in result.stdout) == (0, True)
    result = run("forge", put_templates, "--out", tmp_path / "out", "--background", table, "--jobs", 1)
    (evidence,) = [json.loads(file.read_text()) for file in (tmp_path / "out").rglob("evidence.json")]
    assert evidence["against"]["background"] == "background v1 2099-01-01 n=5"


def test_doctor_tells_versions_missing_parts_and_where_settings_come_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ruleforge.toml").write_text("jobs = 1\n")
    found = json.loads(run("doctor", "--format", "json").stdout)
    assert found["ok"] is True
    assert found["settings"]["jobs"] == ["1", str(tmp_path / "ruleforge.toml")]
    assert {"ruleforge", "hyperscan", "literal search", "background table"} <= {
        part["what"] for part in found["findings"]
    }
    monkeypatch.setenv("RULEFORGE_BACKGROUND", str(tmp_path / "none"))
    result = run("doctor")
    assert (result.exit_code, "[RF240]" in result.stdout) == (3, True)


def test_out_and_benign_come_from_the_settings(
    run: Run, put_templates: Path, put_requests: Put, tmp_path: Path
) -> None:
    put_requests("/orchard/fruit_press.php?crate=pears", name="ordinary.jsonl")
    (tmp_path / "ruleforge.toml").write_text('out = "made"\nbenign = "ordinary.jsonl"\njobs = 1\n')
    run("forge", put_templates)
    (evidence,) = [json.loads(file.read_text()) for file in (tmp_path / "made").rglob("evidence.json")]
    assert [benign["requests"] for benign in evidence["against"]["benign"]] == [1]


def test_a_folder_without_sources_is_no_failure_but_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("forge", tmp_path / "empty", "--out", tmp_path / "out", "--format", "ndjson", "--jobs", 1)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no source" in result.stderr


def test_what_is_skipped_is_told_as_skipped_and_is_no_failure(run: Run, tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "old" / ".ruleforge").mkdir(parents=True)
    (given / "old" / "rule.yaml").write_text("rule: pears\n")
    (given / "notes.rst").write_text("pears\n")
    result = run("forge", given, "--out", tmp_path / "out", "--format", "ndjson", "--jobs", 1)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(each["outcome"], each["reason"]) for each in lines] == [("skipped", "RF218")] * 2
    assert result.exit_code == 0
    assert "2 skipped" in result.stderr
