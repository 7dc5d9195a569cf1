"""The demonstration on our own examples: the counts add up and ordinary requests are left alone."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from ruleforge.app.demo import DemoReport, Label, compare, demo, examples_folder
from ruleforge.app.explain import explain_request
from ruleforge.app.scan import ScanHit
from ruleforge.cli.demo_text import _telling, demo_dict, demo_lines


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> DemoReport:
    return demo(tmp_path_factory.mktemp("demo"))


def test_every_template_ends_in_a_rule_a_refusal_or_a_failure(report: DemoReport) -> None:
    templates = len(list((examples_folder() / "templates").rglob("*.yaml")))
    forged = report.forged
    assert report.templates == templates >= 35
    assert forged.with_rule + sum(forged.refused.values()) + sum(forged.failed.values()) == templates
    assert forged.with_rule == len(report.rules) >= 20


def test_attacks_are_found_and_ordinary_requests_left_alone(report: DemoReport) -> None:
    verdicts = report.verdicts
    assert verdicts.attacks == 45
    assert verdicts.caught + verdicts.caught_otherwise + len(verdicts.missed) == verdicts.attacks
    assert verdicts.caught >= 25
    assert verdicts.false_alarms == ()


def test_the_report_tells_refusals_rules_hits_and_misses(report: DemoReport) -> None:
    text = "\n".join(demo_lines(report))
    for part in (
        "rules made",
        "Refused: The exploit does not travel in an HTTP request.",
        "Driftwood Hosting - Names left pointing to removed sites",
        "invented",
        "broken-indentation.yaml  not valid YAML",
        "Rules, read aloud",
        "Hits by vulnerability",
        "access.log",
    ):
        assert part in text
    assert f"{report.verdicts.caught} of {report.verdicts.attacks}" in text
    assert "\x1b" not in text  # standard output is no terminal here
    assert demo_dict(report)["labels"]["attacks"] == 45


def test_hits_by_file_and_by_vulnerability_add_up(report: DemoReport) -> None:
    lines = demo_lines(report)
    (total,) = [line for line in lines if " requests: " in line]
    assert sum(map(int, re.findall(r"(\d+) in ", total))) == report.scanned.hits
    start = lines.index("  Hits by vulnerability:") + 2
    table = lines[start : lines.index("", start)]
    rows = [re.findall(r"(?<= )\d+(?= |$)", line[len("    CVE-2099-10001") :])[:3] for line in table]
    assert len(rows) == 13
    assert sum(int(row[0]) for row in rows) == report.scanned.hits
    assert all(int(row[0]) == sum(map(int, row[1:])) for row in rows)


def test_the_rules_read_aloud_are_known_and_invented_ones_that_ask_for_an_attack(report: DemoReport) -> None:
    told = _telling(report)
    assert [rule.startswith("RF-CVE-2099") for rule in told] == [False, False, True, True, True]
    assert all("looks like" in report.sentences[rule] for rule in told)


def test_the_command_that_explains_a_miss_works(report: DemoReport) -> None:
    (line,) = [line for line in demo_lines(report) if " explain " in line]
    rule, file, _, name = shlex.split(line.partition(" explain ")[2])
    (found,) = explain_request(Path(rule), Path(file), name)
    assert found.answer is not True


def test_a_second_run_forges_nothing_again(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(examples_folder() / "templates" / "known", folder / "templates")
    (folder / "traffic").mkdir()
    first, second = (demo(tmp_path / "out", examples=folder) for _ in range(2))
    assert (first.forged.unchanged, second.forged.unchanged) == (0, second.templates)
    assert f"  unchanged, not forged again: {second.templates}" in demo_lines(second)


def test_hits_are_compared_with_labels() -> None:
    labels = {"a": Label(True, "CVE-1"), "b": Label(True, "CVE-2"), "c": Label(True, "CVE-3"), "d": Label(False)}

    def hit(request: str, cve: str) -> ScanHit:
        return ScanHit(request=request, file="f", rule="r", cves=(cve,), spans=())

    verdicts = compare(labels, [hit("a", "CVE-1"), hit("b", "CVE-1"), hit("d", "CVE-1"), hit("no label", "CVE-1")])
    assert (verdicts.requests, verdicts.attacks, verdicts.caught, verdicts.caught_otherwise) == (4, 3, 1, 1)
    assert [name for name, _ in verdicts.missed] == ["c"]
    assert [found.request for found in verdicts.false_alarms] == ["d"]


def test_the_examples_are_where_the_program_looks_for_them(examples: Path) -> None:
    assert examples_folder() == examples
