"""A watch forges what changed, survives what breaks off, and ends where a whole run would have ended."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.watching import WatchSummary, watch
from ruleforge.engine.literals import Literal
from ruleforge.errors import UsageError
from ruleforge.ingest.readers import list_files
from ruleforge.pipeline import run as module
from ruleforge.pipeline.increment import JOURNAL, Increment, Key, Step, read_asked, read_steps, write_asked
from ruleforge.pipeline.run import RunOptions
from ruleforge.pipeline.watch import Change, Watch
from ruleforge.records.forging import Outcome

Papers = Callable[[Path], dict[str, bytes]]
Untouched = Callable[[Path], Callable[[], set[str]]]
Forge = Callable[..., list[Outcome]]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "templates"
TIDEWATER, LARKSPUR = "tidewater-fetch-traversal.yaml", "larkspur-catalogue-sqli.yaml"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 4_000_000_000.0

    def __call__(self) -> float:
        return self.now


class Looking:
    """A watch over a folder, with a clock of its own."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.clock, self.folder, self.out = Clock(), folder, out
        self.start()

    def start(self) -> None:
        """Begin as a new process does."""
        options = RunOptions(out=self.out, jobs=1)
        files = lambda: [f for f in list_files([self.folder]) if self.out not in f.parents]  # noqa: E731
        self.watch = Watch(files, options, interval=60, clock=self.clock)

    def look(self, *, seconds: float = 60) -> list[Change]:
        self.clock.now += seconds
        return list(self.watch.look())


@pytest.fixture
def looking(templates: Path, tmp_path: Path) -> Looking:
    return Looking(templates, tmp_path / "out")


def told(changes: list[Change]) -> set[tuple[str, str, str]]:
    return {(change.what, change.advisory, change.outcome) for change in changes}


def rewrite(file: Path, old: str, new: str, clock: Clock) -> None:
    file.write_text(file.read_text().replace(old, new))
    os.utime(file, (clock.now, clock.now))


def test_the_first_look_tells_of_everything_and_the_second_of_nothing(looking: Looking) -> None:
    first = looking.look()
    assert len([change for change in first if change.outcome == "rule"]) == 4
    assert {change.what for change in first} == {"new", "unreadable"}
    assert looking.look() == []
    looking.start()
    assert looking.look() == []


def test_a_changed_source_supersedes_its_rule_with_a_diff(looking: Looking, untouched: Untouched) -> None:
    looking.look()
    old = untouched(looking.out)
    rewrite(looking.folder / TIDEWATER, "nas_fetch", "moored_fetch", looking.clock)
    (change,) = looking.look()
    assert (change.what, change.advisory, change.outcome, change.revision) == ("changed", "CVE-2099-10002", "rule", 2)
    assert any("moored" in text for text in change.changes)
    assert len(old()) == 3, "the other rules were not written again"
    folder = looking.out / "CVE-2099-10002"
    assert json.loads((folder / "rule.json").read_text())["revision"] == 2
    assert json.loads((folder / "history" / "1-rule.json").read_text()).get("revision", 1) == 1
    assert json.loads((folder / "evidence.json").read_text())["supersedes"]["changes"] == list(change.changes)


def test_a_source_that_was_only_touched_is_no_change(looking: Looking, untouched: Untouched) -> None:
    looking.look()
    old = untouched(looking.out)
    os.utime(looking.folder / TIDEWATER, (looking.clock.now, looking.clock.now))
    assert looking.look() == []
    rewrite(looking.folder / LARKSPUR, "\nhttp:", "\n# pears\nhttp:", looking.clock)
    (change,) = looking.look()
    assert (change.what, change.revision, change.changes) == ("changed", 1, ())
    assert len(old()) == 3


def test_what_a_whole_run_forged_is_not_told_again(looking: Looking, forge: Forge) -> None:
    forge(looking.out, looking.folder, jobs=1)
    rewrite(looking.folder / TIDEWATER, "nas_fetch", "moored_fetch", looking.clock)
    found = looking.look()
    assert {(one.what, one.advisory) for one in found if one.advisory} == {("changed", "CVE-2099-10002")}
    assert looking.look() == []


def test_half_of_a_file_is_not_read(looking: Looking) -> None:
    looking.look()
    file = looking.folder / "late.yaml"
    whole = (looking.folder / TIDEWATER).read_text().replace("CVE-2099-10002", "CVE-2099-10099")
    for part in (whole[:100], whole[:300], whole):
        file.write_text(part)
        os.utime(file, (looking.clock.now + 20, looking.clock.now + 20))
        assert looking.look(seconds=20) == []
        assert looking.watch.waiting == 1
    assert ("new", "CVE-2099-10099", "rule") in told(looking.look(seconds=20))
    assert looking.watch.waiting == 0


def test_a_file_that_is_being_written_again_counts_as_it_was(looking: Looking) -> None:
    looking.look()
    file = looking.folder / TIDEWATER
    file.write_text("id: half")
    os.utime(file, (looking.clock.now + 20, looking.clock.now + 20))
    assert looking.look(seconds=20) == []
    assert (looking.out / "CVE-2099-10002" / "rule.json").is_file()


def test_a_rule_outlives_its_source(looking: Looking) -> None:
    looking.look()
    (looking.folder / TIDEWATER).unlink()
    (change,) = looking.look()
    assert (change.what, change.advisory, change.revision) == ("gone", "CVE-2099-10002", 1)
    assert (looking.out / "CVE-2099-10002" / "rule.json").is_file()
    assert looking.look() == []
    looking.start()
    assert looking.look() == []


def test_a_source_that_breaks_leaves_its_rule(looking: Looking) -> None:
    looking.look()
    file = looking.folder / TIDEWATER
    good = file.read_text()
    rewrite(file, good, "id: [", looking.clock)
    (change,) = looking.look()
    assert (change.what, change.advisory, change.outcome, change.revision) == (
        "unreadable",
        "CVE-2099-10002",
        "failed",
        1,
    )
    rewrite(file, "id: [", good, looking.clock)
    (change,) = looking.look()
    assert (change.what, change.outcome, change.revision, change.changes) == ("changed", "rule", 1, ())


def test_a_source_that_is_refused_now_leaves_its_rule_in_the_history(looking: Looking) -> None:
    looking.look()
    file = looking.folder / TIDEWATER
    http = "\nhttp:" + file.read_text().split("\nhttp:")[1]
    rewrite(file, http, "\ndns:\n  - name: '{{FQDN}}'\n    type: CNAME\n", looking.clock)
    (change,) = looking.look()
    assert (change.outcome, change.reason, change.revision) == ("refused", "no_http", 0)
    assert change.changes == ("there is no rule any more; revision 1 is kept in history",)
    assert (looking.out / "CVE-2099-10002" / "history" / "1-rule.json").is_file()


def comparable(papers: dict[str, bytes]) -> dict[str, Any]:
    """Papers without what tells of other sources' number and of the past."""
    found: dict[str, Any] = {}
    for name, data in papers.items():
        if "/history/" in name:
            continue
        if name.endswith(".yaml"):
            found[name] = data
            continue
        whole = json.loads(data)
        for key in ("revision", "supersedes", "against"):
            whole.pop(key, None)
        for check in whole.get("checks", ()):
            if check["check"] == "other_products":
                check.pop("tried")
        found[name] = whole
    return found


@pytest.mark.parametrize("seed", range(3))
def test_steps_end_where_a_whole_run_ends(tmp_path: Path, papers: Papers, forge: Forge, seed: int) -> None:
    """Sources come, change and go in some order; rules are those that a run over what is left makes."""
    chance = random.Random(seed)
    folder = tmp_path / "templates"
    folder.mkdir()
    pool = sorted((EXAMPLES / "invented").glob("*.yaml"))
    looking = Looking(folder, tmp_path / "out")
    for _ in range(4):
        for file in chance.sample(pool, 3):
            place = folder / file.name
            if place.exists() and chance.random() < 0.4:
                place.unlink()
                shutil.rmtree(looking.out / json_id(file), ignore_errors=True)  # a whole run would not have it
            else:
                text = file.read_text()
                place.write_text(text.replace("{{BaseURL}}/", "{{BaseURL}}/quay/") if chance.random() < 0.5 else text)
                os.utime(place, (looking.clock.now, looking.clock.now))
        looking.look()
    forge(tmp_path / "whole", folder, jobs=1)
    assert comparable(papers(looking.out)) == comparable(papers(tmp_path / "whole"))


def json_id(file: Path) -> str:
    return file.read_text().split("id: ", 1)[1].split("\n", 1)[0].strip()


def test_a_new_source_at_the_same_place_has_the_other_rule_made_again(
    looking: Looking, papers: Papers, forge: Forge, tmp_path: Path
) -> None:
    looking.look()
    twin = (looking.folder / TIDEWATER).read_text().replace("CVE-2099-10002", "CVE-2099-10098")
    twin = twin.replace("vendor: ", "vendor: other-").replace("product: ", "product: other-")
    (looking.folder / "twin.yaml").write_text(twin)
    os.utime(looking.folder / "twin.yaml", (looking.clock.now, looking.clock.now))
    looking.look()
    forge(tmp_path / "whole", looking.folder, jobs=1)
    assert comparable(papers(looking.out)) == comparable(papers(tmp_path / "whole"))


def test_a_second_document_of_a_vulnerability_comes_and_goes(
    looking: Looking, papers: Papers, forge: Forge, tmp_path: Path
) -> None:
    looking.look()
    second = looking.folder / "zz-second.yaml"
    second.write_text((looking.folder / TIDEWATER).read_text().replace("nas_fetch", "moored_fetch"))
    os.utime(second, (looking.clock.now, looking.clock.now))
    (change,) = [one for one in looking.look() if one.advisory == "CVE-2099-10002"]
    assert (change.what, len(change.sources), change.revision) == ("changed", 2, 2)
    forge(tmp_path / "both", looking.folder, jobs=1)
    assert comparable(papers(looking.out)) == comparable(papers(tmp_path / "both"))
    second.unlink()
    found = {one.what: one for one in looking.look() if one.advisory == "CVE-2099-10002"}
    assert found["gone"].detail == "its rule comes from other sources now"
    forge(tmp_path / "one", looking.folder, jobs=1)
    assert comparable(papers(looking.out)) == comparable(papers(tmp_path / "one"))


def test_a_watch_that_is_killed_goes_on_from_there(
    looking: Looking, papers: Papers, forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking.look()
    for name in (TIDEWATER, LARKSPUR):
        rewrite(looking.folder / name, "{{BaseURL}}/", "{{BaseURL}}/moored/", looking.clock)
    looking.clock.now += 60
    going = looking.watch.look()
    next(going)
    going.close()  # type: ignore[attr-defined]
    assert read_steps(looking.out / ".ruleforge"), "the difference is remembered until a run ends"
    looking.start()
    assert {change.advisory for change in looking.look()} >= {"CVE-2099-10002", "CVE-2099-10003"}
    assert not (looking.out / ".ruleforge" / JOURNAL).exists()
    looking.start()
    assert looking.look() == []
    forge(tmp_path / "whole", looking.folder, jobs=1)
    assert comparable(papers(looking.out)) == comparable(papers(tmp_path / "whole"))


def test_a_kill_while_the_index_is_built_reuses_nothing_that_is_wrong(
    looking: Looking, papers: Papers, forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking.look()
    rewrite(looking.folder / TIDEWATER, "{{BaseURL}}/", "{{BaseURL}}/moored/", looking.clock)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "build_corpus", killed)
        with pytest.raises(KeyboardInterrupt):
            looking.look()
    rewrite(looking.folder / LARKSPUR, "{{BaseURL}}/", "{{BaseURL}}/moored/", looking.clock)
    looking.start()
    looking.look()
    forge(tmp_path / "whole", looking.folder, jobs=1)
    assert comparable(papers(looking.out)) == comparable(papers(tmp_path / "whole"))


# --- what stands ------------------------------------------------------------------------------------------------------


def test_what_was_asked_is_written_and_read_back() -> None:
    clause = frozenset({Literal("path", b"/pears"), Literal("path", b"/apples")})
    asked = frozenset({(clause,), ()})
    assert read_asked(write_asked(asked)) == asked
    assert write_asked(sorted(asked, key=len)) == write_asked(sorted(asked, key=len, reverse=True))


def test_an_outcome_stands_only_along_steps_that_are_known() -> None:
    one, two, three = (Key.of("base", name, "advisory") for name in ("one", "two", "three"))
    steps = [Step(one.corpus, two.corpus, ()), Step(two.corpus, three.corpus, ())]
    asked = write_asked([])
    assert Increment(steps).stands(one, three, asked)
    assert Increment(steps).stands(three, three, asked)
    assert not Increment(steps[1:]).stands(one, three, asked)
    assert not Increment(steps).stands(one, three, None)
    assert not Increment(steps).stands(one, Key.of("other base", "three", "advisory"), asked)
    assert not Increment(steps).stands(one, Key.of("base", "three", "other"), asked)
    assert Key.read(one.text) == one
    assert Key.read("of another version") is None


# --- the loop ---------------------------------------------------------------------------------------------------------


def loop(templates: Path, out: Path, **given: Any) -> Iterator[Change]:
    return watch([templates], RunOptions(out=out, jobs=1), given.pop("summary", WatchSummary()), **given)


def test_the_loop_sleeps_between_looks_and_ends_once_nothing_is_being_written(templates: Path, tmp_path: Path) -> None:
    clock, summary = Clock(), WatchSummary()
    late = templates / "late.yaml"
    late.write_text("id: half")
    os.utime(late, (clock.now, clock.now))

    def sleep(seconds: float) -> None:
        clock.now += seconds

    list(loop(templates, tmp_path / "out", summary=summary, once=True, clock=clock, sleep=sleep, interval=30))
    assert summary.looks == 2
    assert clock.now == 4_000_000_030
    assert summary.failed >= 1
    (templates / TIDEWATER).unlink()
    list(loop(templates, tmp_path / "out", summary=summary, once=True, clock=clock, sleep=sleep, interval=30))
    assert summary.without_source == ("CVE-2099-10002",)


def test_an_interval_without_rest_is_a_wrong_call(templates: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RF125"):
        list(loop(templates, tmp_path / "out", interval=0))


def test_the_output_of_another_run_among_the_sources_is_not_told(looking: Looking) -> None:
    (looking.folder / "old" / ".ruleforge").mkdir(parents=True)
    (looking.folder / "old" / "tests.yaml").write_text("rule: pears\n")
    assert not [change for change in looking.look() if "old" in change.sources[0]]
    assert looking.look() == []
