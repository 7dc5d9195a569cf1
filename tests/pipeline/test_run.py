"""A whole run: nothing is lost, nothing is done twice, and the same sources give the same bytes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.trials import run_tests
from ruleforge.errors import PolicyError
from ruleforge.pipeline import run as module
from ruleforge.pipeline.run import RunOptions, run
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import REFUSALS, CheckResult, Outcome
from ruleforge.store.state import State
from ruleforge.validate.checks import CHECKS, Finding

Forge = Callable[..., list[Outcome]]
Papers = Callable[[Path], dict[str, bytes]]
Untouched = Callable[[Path], Callable[[], set[str]]]
RULES = {"CVE-2099-10002", "CVE-2099-10003", "CVE-2099-10012", "CVE-2099-10013"}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "templates"


def ends(outcomes: list[Outcome]) -> dict[str, str]:
    """Name of the file → outcome and reason."""
    return {Path(one.sources[0]).name: f"{one.outcome} {one.reason}".strip() for one in outcomes}


def with_rule(outcomes: list[Outcome]) -> set[str]:
    return {one.advisory for one in outcomes if one.outcome == "rule"}


# --- every file ends somewhere ----------------------------------------------------------------------------------------


def test_every_file_stands_in_exactly_one_outcome_in_the_order_of_the_files(
    forge: Forge, templates: Path, tmp_path: Path
) -> None:
    (templates / "empty.yaml").write_bytes(b"")
    (templates / "binary.yaml").write_bytes(b"\x7fELF\x00\xff")
    (templates / "deep.yaml").write_bytes(b"[" * 50_000)
    (templates / "zz").mkdir()
    shutil.copy(templates / "larkspur-catalogue-sqli.yaml", templates / "zz" / "again.yaml")
    outcomes = forge(tmp_path / "out", templates)
    given = Counter(str(file) for file in templates.rglob("*") if file.is_file())
    assert Counter(source for one in outcomes for source in one.sources) == given
    tops = [one.sources[0] for one in outcomes if Path(one.sources[0]).parent == templates]
    assert tops == sorted(tops)
    found = ends(outcomes)
    assert found["README.md"] == "skipped RF218"
    for name in ("empty.yaml", "binary.yaml", "deep.yaml", "broken-indentation.yaml"):
        assert re.fullmatch(r"failed RF2\d\d", found[name]), name
    assert found["driftwood-dns-takeover.yaml"] == "refused no_http"
    assert all(one.detail for one in outcomes if one.outcome != "rule")


def test_each_rule_has_its_three_papers_and_each_other_outcome_none(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path
) -> None:
    outcomes = forge(tmp_path / "out", templates)
    assert with_rule(outcomes) == RULES
    assert set(papers(tmp_path / "out")) == {
        f"{name}/{paper}" for name in RULES for paper in ("rule.json", "tests.yaml", "evidence.json")
    }
    assert {one.rules for one in outcomes if one.outcome == "rule"} == {(f"RF-{name}-1",) for name in RULES}


def sources_of_one_flaw(templates: Path) -> list[Path]:
    """A template, a copy of it, the same flaw under a lower-case id at another place, and a document of many CVEs."""
    text = (templates / "larkspur-catalogue-sqli.yaml").read_text()
    (templates / "zz-copy.yaml").write_text(text)
    (templates / "zz-lower.yaml").write_text(
        text.replace("id: CVE-2099-10003", "id: cve-2099-10003").replace("{{BaseURL}}/", "{{BaseURL}}/old/")
    )
    return [templates / name for name in ("larkspur-catalogue-sqli.yaml", "zz-copy.yaml", "zz-lower.yaml")]


def test_the_documents_about_one_cve_are_one_advisory(forge: Forge, templates: Path, tmp_path: Path) -> None:
    files = sources_of_one_flaw(templates)
    outcomes = forge(tmp_path / "out", templates)
    (found,) = [one for one in outcomes if one.advisory.upper().startswith("CVE-2099-10003")]
    assert set(found.sources) == set(map(str, files))
    assert found.advisory == "CVE-2099-10003"
    given = Counter(str(file) for file in templates.rglob("*") if file.is_file())
    assert Counter(source for one in outcomes for source in one.sources) == given
    said = json.loads((tmp_path / "out" / "CVE-2099-10003" / "evidence.json").read_text())
    assert [each["covered"] for each in said["advisory"]["documents"]] == [True] * 3


def test_two_sources_of_one_id_get_a_folder_each_where_they_are_not_merged(
    forge: Forge, templates: Path, tmp_path: Path
) -> None:
    sources_of_one_flaw(templates)
    outcomes = forge(tmp_path / "out", templates, merge=False)
    names = [one.advisory for one in outcomes if one.advisory.upper().startswith("CVE-2099-10003")]
    assert len(names) == 3
    assert len({name.lower() for name in names}) == 3
    folders = {file.parent.name.lower() for file in (tmp_path / "out").glob("*/rule.json")}
    assert {one.advisory.lower() for one in outcomes if one.outcome == "rule"} == folders


@pytest.mark.parametrize("merge", [True, False])
def test_names_and_bytes_of_several_sources_depend_on_no_order(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path, merge: bool
) -> None:
    sources_of_one_flaw(templates)
    files = sorted(templates.glob("*.yaml"))
    one = {file: each.advisory for each in forge(tmp_path / "one", *files, merge=merge) for file in each.sources}
    two = forge(tmp_path / "two", *files[::-1], merge=merge, jobs=1)
    assert {file: each.advisory for each in two for file in each.sources} == one
    assert papers(tmp_path / "one") == papers(tmp_path / "two")


def test_a_changed_or_added_source_forges_its_advisory_again_and_an_unchanged_one_does_not(
    forge: Forge, untouched: Untouched, templates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lower = sources_of_one_flaw(templates)[2]
    first = forge(out, templates)
    left = untouched(out)
    assert forge(out, templates) == first
    assert left() == RULES
    lower.write_text(lower.read_text() + "# read again\n")
    forge(out, templates)
    assert "CVE-2099-10003" not in left()
    left = untouched(out)
    shutil.copy(lower, templates / "zz-more.yaml")
    forge(out, templates)
    assert "CVE-2099-10003" not in left()


@pytest.mark.parametrize("name", ["../../outside", "/etc/cron.d/x", "..", ".", "a/b", "x\\\\..\\\\y", ".ruleforge"])
def test_an_id_never_leads_out_of_the_output_folder(forge: Forge, templates: Path, tmp_path: Path, name: str) -> None:
    text = (templates / "tidewater-fetch-traversal.yaml").read_text()
    alone = tmp_path / "alone" / "one.yaml"
    alone.parent.mkdir()
    alone.write_text(text.replace("id: CVE-2099-10002", f'id: "{name}"'))
    before = {file for file in tmp_path.rglob("*") if not file.is_relative_to(tmp_path / "out")}
    outcomes = forge(tmp_path / "out", alone, jobs=1)
    assert {file for file in tmp_path.rglob("*") if not file.is_relative_to(tmp_path / "out")} == before
    if outcomes[0].outcome == "rule":
        (file,) = (tmp_path / "out").glob("*/rule.json")
        assert file.parent.name not in ("", ".", "..", ".ruleforge")


def test_nothing_gives_nothing(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert forge(tmp_path / "out", tmp_path / "none") == []


REFUSED = {
    "broken-indentation.yaml": "failed RF212",
    "driftwood-dns-takeover.yaml": "refused no_http",
    "lanternfish-version-check.yaml": "refused version_check",
    "larkspur-gallery-readme.yaml": "refused version_check",
    "paperlane-secret-on-homepage.yaml": "refused fingerprint_only",
}


def test_what_no_rule_can_be_made_of_is_refused_with_its_reason(
    forge: Forge, papers: Papers, fires: Callable[[Path, str], bool], tmp_path: Path
) -> None:
    outcomes = forge(tmp_path / "out", EXAMPLES / "refused")
    found = ends(outcomes)
    assert {name: found[name] for name in REFUSED} == REFUSED
    assert len(outcomes) == len(list((EXAMPLES / "refused").iterdir()))
    assert all(one.reason in REFUSALS for one in outcomes if one.outcome == "refused")
    assert set(found) - set(REFUSED) == {"quillmark-default-login.yaml"}
    for name in papers(tmp_path / "out"):  # a rule for a well-known password must not fire on any other log-in
        folder = (tmp_path / "out" / name).parent
        assert not fires(folder, "/desk/login?username=ann&password=conference-pear")
        assert not fires(folder, "/desk/login")


# --- nothing is done twice --------------------------------------------------------------------------------------------


def test_a_second_run_forges_nothing_and_says_the_same(
    forge: Forge, papers: Papers, untouched: Untouched, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first, files, left = forge(out, templates), papers(out), untouched(out)

    def never(*_: object) -> None:
        raise AssertionError("forged again")

    monkeypatch.setattr(module, "forge_advisory", never)
    assert forge(out, templates) == first  # seconds, too: they are those of the first run
    assert left() == RULES
    assert papers(out) == files


def test_an_edited_template_is_forged_again(
    forge: Forge, untouched: Untouched, fires: Callable[[Path, str], bool], templates: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", templates / "tidewater-fetch-traversal.yaml"
    forge(out, templates)
    left = untouched(out)
    up = "item=../../../../boot/keys"
    assert fires(out / "CVE-2099-10002", f"/cgi/nas_fetch.cgi?volume=main&{up}")
    file.write_text(file.read_text().replace("nas_fetch.cgi", "quince_fetch.cgi"))
    forge(out, templates)
    assert "CVE-2099-10002" not in left()
    assert fires(out / "CVE-2099-10002", f"/cgi/quince_fetch.cgi?volume=main&{up}")
    assert not fires(out / "CVE-2099-10002", f"/cgi/nas_fetch.cgi?volume=main&{up}")


def test_a_rule_whose_file_was_deleted_is_forged_again_alone(
    forge: Forge, papers: Papers, untouched: Untouched, templates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, files = forge(out, templates), papers(out)
    left = untouched(out)
    (out / "CVE-2099-10002" / "rule.json").unlink()
    assert ends(forge(out, templates)) == ends(first)
    assert papers(out) == files
    assert left() == RULES - {"CVE-2099-10002"}


def test_all_is_forged_again_where_that_is_asked_for(
    forge: Forge, papers: Papers, untouched: Untouched, templates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    forge(out, templates)
    files, left = papers(out), untouched(out)
    forge(out, templates, again=True)
    assert left() == set()
    assert papers(out) == files


def test_other_traffic_forges_again(
    forge: Forge, untouched: Untouched, traffic: Callable[..., Path], templates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    forge(out, templates)
    left = untouched(out)
    forge(out, templates, benign=(traffic("/pears"),))
    assert left() == set()
    left = untouched(out)
    forge(out, templates, benign=(traffic("/pears"),))
    assert left() == RULES
    forge(out, templates, benign=(traffic("/pears", "/quinces"),))
    assert left() == set()


def test_the_state_can_be_deleted_and_the_bytes_stay(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, files = forge(out, templates), papers(out)
    shutil.rmtree(out / ".ruleforge")
    assert ends(forge(out, templates)) == ends(first)
    assert papers(out) == files


def test_a_run_that_is_left_early_keeps_what_it_told(templates: Path, tmp_path: Path) -> None:
    options = RunOptions(out=tmp_path / "out", jobs=1)
    going = run([templates], options)
    told = [next(going) for _ in range(4)]
    going.close()  # type: ignore[attr-defined]
    state = State.beside(tmp_path / "out")
    assert set(state.known()) == {one.advisory for one in told if one.advisory}
    state.close()
    assert {one.advisory for one in run([templates], options)} >= RULES


def test_a_rule_that_is_refused_now_loses_its_papers_and_nothing_else(
    forge: Forge, templates: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", templates / "tidewater-fetch-traversal.yaml"
    forge(out, templates)
    (out / "CVE-2099-10002" / "notes.md").write_text("pears\n")
    for name in ("tidewater-fetch-traversal", "larkspur-catalogue-sqli"):
        file = templates / f"{name}.yaml"
        head = file.read_text().split("\nhttp:")[0]
        file.write_text(head + "\ndns:\n  - name: '{{FQDN}}'\n    type: CNAME\n")
    found = ends(forge(out, templates))
    assert found["tidewater-fetch-traversal.yaml"] == found["larkspur-catalogue-sqli.yaml"] == "refused no_http"
    assert {file.name for file in (out / "CVE-2099-10002").iterdir()} == {"history", "notes.md"}
    kept = {file.name for file in (out / "CVE-2099-10003" / "history").iterdir()}
    assert kept == {"1-rule.json", "1-evidence.json"}
    assert [file.name for file in (out / "CVE-2099-10003").iterdir()] == ["history"]
    assert (out / "CVE-2099-10012" / "rule.json").is_file()


# --- what fails, fails alone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "code"), [(ZeroDivisionError("pears"), "RF299"), (PolicyError("not pears", code="RF401"), "RF401")]
)
def test_a_source_that_breaks_a_part_costs_only_itself(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    problem: Exception, code: str,
) -> None:  # fmt: skip
    forge(tmp_path / "whole", templates)
    real = module.forge_advisory

    def fragile(advisory: Advisory, ground: Any) -> Any:
        if advisory.id == "CVE-2099-10003":
            raise problem
        return real(advisory, ground)

    monkeypatch.setattr(module, "forge_advisory", fragile)
    outcomes = forge(tmp_path / "out", templates)
    found = next(one for one in outcomes if one.advisory == "CVE-2099-10003")
    assert (found.outcome, found.reason) == ("failed", code)
    assert "pears" in found.detail
    assert found.sources == (str(templates / "larkspur-catalogue-sqli.yaml"),)
    assert with_rule(outcomes) == RULES - {"CVE-2099-10003"}
    whole = papers(tmp_path / "whole")
    assert papers(tmp_path / "out") == {k: v for k, v in whole.items() if not k.startswith("CVE-2099-10003/")}


def test_a_source_that_breaks_now_loses_the_rule_of_an_earlier_run(
    forge: Forge, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    forge(out, templates)

    def broken(*_: object) -> None:
        raise ValueError("pears")

    monkeypatch.setattr(module, "forge_advisory", broken)
    outcomes = forge(out, templates, again=True)
    assert with_rule(outcomes) == set()
    assert list(out.glob("*/rule.json")) == []


def test_a_reader_that_breaks_costs_only_its_file(
    forge: Forge, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.read_advisory

    def fragile(file: Path) -> Any:
        if file.name.startswith("larkspur"):
            raise ZeroDivisionError("pears")
        return real(file)

    monkeypatch.setattr(module, "read_advisory", fragile)
    outcomes = forge(tmp_path / "out", templates)
    assert ends(outcomes)["larkspur-catalogue-sqli.yaml"] == "failed RF299"
    assert with_rule(outcomes) == RULES - {"CVE-2099-10003"}


def test_a_check_that_crashes_on_one_source_leaves_the_others(forge: Forge, templates: Path, tmp_path: Path) -> None:
    def moody(rule: Any, ask: object, evidence: object) -> Finding:
        if rule.id == "RF-CVE-2099-10003-1":
            raise ZeroDivisionError("pears")
        return Finding(CheckResult(check="moody", passed=True))

    with CHECKS.temporarily("moody", moody):
        outcomes = forge(tmp_path / "out", templates)
    found = next(one for one in outcomes if one.advisory == "CVE-2099-10003")
    assert (found.outcome, found.reason) == ("refused", "no_candidate_passed")
    assert "ZeroDivisionError" in found.detail
    assert with_rule(outcomes) == RULES - {"CVE-2099-10003"}
    evidence = json.loads((tmp_path / "out" / "CVE-2099-10002" / "evidence.json").read_text())
    assert "moody" in {check["check"] for check in evidence["checks"]}


# --- the same bytes ---------------------------------------------------------------------------------------------------


def test_the_same_sources_give_the_same_bytes_in_any_order_and_with_any_number_of_processes(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path
) -> None:
    files = sorted(templates.glob("*.yaml"))
    forge(tmp_path / "one", templates, jobs=2)
    forge(tmp_path / "two", templates, jobs=1)
    forge(tmp_path / "three", *files[::-1], jobs=2)
    one = papers(tmp_path / "one")
    assert len(one) == 3 * len(RULES)
    assert papers(tmp_path / "two") == one
    assert papers(tmp_path / "three") == one


def test_evidence_holds_no_clock_and_no_place_of_this_machine(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path
) -> None:
    forge(tmp_path / "out", templates)
    checked = 0
    for name, data in papers(tmp_path / "out").items():
        text = data.decode()
        assert str(tmp_path) not in text, name
        if name.endswith("evidence.json"):
            checked += 1
            keys = set(re.findall(r'"(\w+)":', text))
            assert not keys & {"seconds", "time", "date", "duration", "started", "finished", "created", "took_ms"}
            assert not re.search(r"\d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT", text)
    assert checked == len(RULES)


def test_the_tests_of_every_rule_pass(forge: Forge, templates: Path, tmp_path: Path) -> None:
    forge(tmp_path / "out", templates)
    for name in sorted(RULES):
        states = Counter(result.state for result in run_tests(tmp_path / "out" / name))
        assert set(states) <= {"passed", "todo"}, (name, states)
        assert states["passed"] >= 3, name


def test_evidence_says_what_speaks_for_the_rule(forge: Forge, templates: Path, tmp_path: Path) -> None:
    forge(tmp_path / "out", templates)
    for name in sorted(RULES):
        said = json.loads((tmp_path / "out" / name / "evidence.json").read_text())
        assert said["rule"] == f"RF-{name}-1"
        assert said["sentence"]
        assert re.fullmatch(r"(?:\w+:)?[0-9a-f]{64}", said["content_hash"])
        assert {check["check"] for check in said["checks"]} >= set(CHECKS)
        assert all(check["passed"] is not False for check in said["checks"])
        assert all(
            said["judge"][question] is None or 0 <= said["judge"][question] <= 1
            for question in ("p_miss", "p_off_target")
        )
        assert said["judge"]["reasons"]
        assert {role["role"] for role in said["roles"]} >= {"exploit"}
        assert said["against"]["background"]
        assert said["against"]["corpus"]["requests"] > 0


# --- ordinary traffic and progress ------------------------------------------------------------------------------------


def test_no_rule_fires_on_the_traffic_it_was_given(
    forge: Forge, traffic: Callable[..., Path], fires: Callable[[Path, str], bool], templates: Path, tmp_path: Path
) -> None:
    targets = (
        "/cgi/nas_fetch.cgi?volume=main&item=../../../notes.txt",
        "/gw-admin/api/accounts",
        "/stow/dropbox/receive.php",
    )
    outcomes = forge(tmp_path / "out", templates, benign=(traffic(*targets),))
    for folder in (file.parent for file in (tmp_path / "out").glob("*/rule.json")):
        assert not any(fires(folder, target) for target in targets), folder.name
        assert json.loads((folder / "evidence.json").read_text())["against"]["benign"][0]["requests"] == 3
    assert "CVE-2099-10003" in with_rule(outcomes)
    assert {one.reason for one in outcomes if one.outcome == "refused"} <= set(REFUSALS)


def test_progress_counts_up_to_the_end(templates: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    outcomes = list(run([templates], RunOptions(out=tmp_path / "out", jobs=1), lambda *step: told.append(step)))
    assert [done for stage, done, _ in told if stage == "forge"] == sorted(
        done for stage, done, _ in told if stage == "forge"
    )
    assert {stage for stage, _, _ in told} >= {"read", "index", "forge"}
    assert [of for stage, _, of in told if stage == "read"][-1] == len(outcomes)
    assert all(done <= of for stage, done, of in told if stage in ("read", "index", "forge"))


def test_a_numbered_id_and_a_second_source_never_share_a_folder(forge: Forge, templates: Path, tmp_path: Path) -> None:
    text = (templates / "larkspur-catalogue-sqli.yaml").read_text()
    (templates / "zz-a.yaml").write_text(text + "\n# a\n")
    (templates / "zz-b.yaml").write_text(text.replace("id: CVE-2099-10003", "id: CVE-2099-10003-2"))
    (templates / "zz-c.yaml").write_text(text.replace("id: CVE-2099-10003", "id: cve-2099-10003-2"))
    outcomes = forge(tmp_path / "out", templates)
    names = [one.advisory.lower() for one in outcomes if one.advisory]
    assert len(set(names)) == len(names)
    assert {f.parent.name.lower() for f in (tmp_path / "out").glob("*/rule.json")} == {
        one.advisory.lower() for one in outcomes if one.outcome == "rule"
    }


def test_a_paper_that_was_deleted_is_written_again(forge: Forge, templates: Path, tmp_path: Path) -> None:
    forge(tmp_path / "out", templates)
    gone = next((tmp_path / "out").glob("*/tests.yaml"))
    text = gone.read_bytes()
    gone.unlink()
    forge(tmp_path / "out", templates)
    assert gone.read_bytes() == text


def test_the_order_of_sets_decides_nothing(papers: Papers, tmp_path: Path) -> None:
    several = tmp_path / "several"
    shutil.copytree(EXAMPLES, several)
    for file in [*several.glob("invented/*.yaml")]:
        other = file.read_text().replace("{{BaseURL}}/", "{{BaseURL}}/old/")
        file.with_name(f"zz-{file.name}").write_text(other)
    found = []
    for seed in ("1", "2", "3"):
        out = tmp_path / seed
        command = [
            sys.executable,
            "-m",
            "ruleforge.cli",
            "forge",
            str(several),
            "--out",
            str(out),
            "--format",
            "ndjson",
        ]
        done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        found.append(papers(out))
    assert found[0]
    assert found[0] == found[1] == found[2]


def test_a_script_without_a_title_gives_a_rule_with_one_and_requests_with_names(forge: Forge, tmp_path: Path) -> None:
    file = tmp_path / "CVE-2099-40001.sh"
    file.write_text("curl 'http://printer.example/sable/queue_view.php?queue=../../../../etc/passwd'\n")
    (outcome,) = forge(tmp_path / "out", file, jobs=1)
    assert outcome.outcome == "rule", outcome.detail
    folder = tmp_path / "out" / "CVE-2099-40001"
    assert json.loads((folder / "rule.json").read_text())["title"] == "Unnamed disclosure (CVE-2099-40001.sh)"
    roles = json.loads((folder / "evidence.json").read_text())["roles"]
    assert [role["request"] for role in roles] == ["CVE-2099-40001:line 1"]
    tests = (folder / "tests.yaml").read_text()
    assert "exploit CVE-2099-40001:line 1" in tests


def test_papers_that_cannot_be_removed_cost_only_their_advisory(
    forge: Forge, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.forge_advisory

    def fragile(advisory: Advisory, ground: Any) -> Any:
        if advisory.id == "CVE-2099-10003":
            raise OSError(28, "No space left on device")
        return real(advisory, ground)

    def full(folder: Path) -> int | None:
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr(module, "forge_advisory", fragile)
    monkeypatch.setattr(module, "remove_papers", full)
    outcomes = forge(tmp_path / "out", templates)
    found = next(one for one in outcomes if one.advisory == "CVE-2099-10003")
    assert (found.outcome, found.reason) == ("failed", "RF299")
    assert "could not be removed" in found.changes[0]
    assert with_rule(outcomes) == RULES - {"CVE-2099-10003"}


def test_a_rule_that_was_broken_by_hand_is_kept_and_told(forge: Forge, templates: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    forge(out, templates)
    (out / "CVE-2099-10003" / "rule.json").write_text("{")
    outcomes = forge(out, templates, again=True)
    found = next(one for one in outcomes if one.advisory == "CVE-2099-10003")
    assert "could not be read" in found.changes[0]
    (kept,) = (out / "CVE-2099-10003" / "history").iterdir()
    assert kept.read_text() == "{"
