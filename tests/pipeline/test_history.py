"""A rule with other content is a new revision; the one before it is kept."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.rules import load_rules
from ruleforge.app.watching import diff_revisions
from ruleforge.errors import UsageError
from ruleforge.pipeline.history import keep, read_kept, revise, revisions, supersedes
from ruleforge.pipeline.papers import remove_papers
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.tree import Condition, Rule


def rule(value: bytes, title: str = "") -> Rule:
    return Rule(id="RF-CVE-2099-1-1", when=Condition("path", "path_suffix", value), title=title)


def write(rule: Rule, folder: Path) -> Rule:
    """Write a rule and its evidence as a run does."""
    folder.mkdir(parents=True, exist_ok=True)
    revised = revise(rule, folder)
    (folder / "rule.json").write_text(render_json(revised.rule))
    told = {"status": "validated", "content_hash": content_hash(rule)} | supersedes(revised)
    (folder / "evidence.json").write_text(json.dumps(told))
    return revised.rule


def test_revisions_grow_with_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    assert write(rule(b"/pears.php"), folder).revision == 1
    assert write(rule(b"/pears.php", "another title"), folder).revision == 1
    assert revisions(folder) == []
    assert write(rule(b"/apples.php"), folder).revision == 2
    assert write(rule(b"/apples.php"), folder).revision == 2
    assert write(rule(b"/pears.php"), folder).revision == 3, "what is back is a new revision: it was deployed anew"
    assert revisions(folder) == [1, 2]
    before = read_kept(folder, 1)
    assert before is not None
    assert before.when == rule(b"/pears.php").when
    told = json.loads((folder / "evidence.json").read_text())["supersedes"]
    assert told["revision"] == 2
    assert told["changes"] == [
        'changed condition: the path ends with "/pears.php", before: the path ends with "/apples.php"'
    ]


def test_a_rule_that_is_refused_is_kept_and_counts_on_when_it_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    write(rule(b"/pears.php"), folder)
    assert remove_papers(folder) == 1
    assert revisions(folder) == [1]
    assert remove_papers(folder) is None, "once is enough"
    assert write(rule(b"/pears.php"), folder).revision == 1
    remove_papers(folder)
    assert write(rule(b"/apples.php"), folder).revision == 2


def test_rules_of_the_past_are_not_loaded(tmp_path: Path) -> None:
    for value in (b"/pears.php", b"/apples.php"):
        write(rule(value), tmp_path / "CVE-2099-1")
    assert [each.revision for each in load_rules(tmp_path).rules] == [2]


def test_broken_papers_are_no_revision(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    write(rule(b"/pears.php"), folder)
    write(rule(b"/apples.php"), folder)
    (folder / "rule.json").write_text("{")
    assert keep(folder) is None
    assert write(rule(b"/plums.php"), folder).revision == 2


def test_a_kill_between_keeping_and_writing_repeats_the_same_step(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    write(rule(b"/pears.php"), folder)
    revise(rule(b"/apples.php"), folder)  # and then the light went out
    assert revisions(folder) == [1]
    assert write(rule(b"/apples.php"), folder).revision == 2
    assert revisions(folder) == [1]


@given(st.lists(st.sampled_from([b"/a.php", b"/b.php", b"/c.php", None]), max_size=12))
def test_revisions_never_go_back_and_every_content_is_kept(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bytes | None]
) -> None:
    folder = tmp_path_factory.mktemp("rules") / "x"
    seen: dict[int, str] = {}
    last = 0
    for value in steps:
        if value is None:
            remove_papers(folder)
            continue
        now = write(rule(value), folder)
        assert now.revision >= last
        assert seen.setdefault(now.revision, content_hash(now)) == content_hash(now)
        last = now.revision
    for number in range(1, last):
        kept = read_kept(folder, number)
        assert kept is not None
        assert content_hash(kept) == seen[number]


def test_a_diff_compares_with_the_revision_before_or_the_one_named(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    for value in (b"/pears.php", b"/apples.php", b"/pears.php"):
        write(rule(value), folder)
    found = diff_revisions(folder)
    assert (found.before, found.after, len(found.changes)) == (2, 3, 1)
    same = diff_revisions(folder / "rule.json", 1)
    assert (same.before, same.after, same.changes) == (1, 3, ())
    remove_papers(folder)
    gone = diff_revisions(folder)
    assert (gone.before, gone.after, gone.changes) == (3, 0, ("there is no rule any more",))


def test_a_revision_that_never_was_is_a_wrong_call(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    write(rule(b"/pears.php"), folder)
    for revision in (None, 1, 7):
        with pytest.raises(UsageError, match="RF126"):
            diff_revisions(folder, revision)
    with pytest.raises(UsageError, match=r"RF11[05]"):
        diff_revisions(tmp_path / "none")


def test_a_rule_that_cannot_be_read_is_kept_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    write(rule(b"/pears.php"), folder)
    (folder / "rule.json").write_text('{"edited": "by hand"')
    revised = revise(rule(b"/apples.php"), folder)
    (kept,) = (folder / "history").glob("unreadable-*.json")
    assert kept.read_text() == '{"edited": "by hand"'
    assert kept.name in revised.lost[0]
    assert revise(rule(b"/apples.php"), folder).lost == revised.lost
    assert len(list((folder / "history").iterdir())) == 1
    assert "lost" not in json.dumps(supersedes(revised))


def test_a_rule_that_cannot_be_read_is_kept_where_its_papers_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "CVE-2099-1"
    folder.mkdir()
    (folder / "rule.json").write_text("pears")
    assert keep(folder) is None
    remove_papers(folder)
    assert [file.read_text() for file in (folder / "history").iterdir()] == ["pears"]
