"""No order of a stranger changes a verdict or an action, in any role, even where the model obeys every one of them."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.app.reports.html import text as html_text
from ruleforge.app.visible import visible
from ruleforge.cli.extract import _cell as markdown_cell
from ruleforge.judge.combine import BothWeights, Weights
from ruleforge.llm.framing import RULES, neutral
from ruleforge.llm.mailbox import Mailbox
from ruleforge.llm.provider import Call, Ground
from ruleforge.llm.wires import WIRES
from ruleforge.pipeline import event_bench, llm_loop

KINDS = {
    "instructs", "claims_authority", "closes_frame", "fake_turn", "regex_bomb", "approve_this", "exfiltrate",
    "tool_call", "unicode", "breaks_schema", "false_evidence", "floods", "acts_on_sink", "hides", "persuades",
}  # fmt: skip
PLACES = {"poc_comment", "advisory_prose", "user_agent", "log_line", "finding_title", "file_name", "rule_title"}
SECONDS_MOST = 20.0  # of processor time for one injection in one role: far more than any takes, far less than a bomb
Quiet = Callable[..., dict[str, Any]]


def test_the_corpus_is_whole(corpus_of_orders: dict[str, Any]) -> None:
    rows, roles = corpus_of_orders["rows"], corpus_of_orders["roles"]
    assert len(rows) >= 110
    assert len({(row["place"], row["text"]) for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} == KINDS
    assert {row["wants"] for row in rows} == set(corpus_of_orders["wants"])
    assert {row["place"] for row in rows} >= PLACES
    assert all(sum(row["place"] == place for row in rows) >= 7 for place in PLACES)
    read = {place for module in roles.values() for place in module.PLACES}
    assert {row["place"] for row in rows} <= read  # none that nobody reads
    for name, module in roles.items():
        assert sum(row["place"] in module.PLACES for row in rows) >= 60, name


def test_no_injection_changes_a_verdict_or_an_action(
    role: str, row: dict[str, str], quiet: Quiet, corpus_of_orders: dict[str, Any], tmp_path: Path
) -> None:
    module = corpus_of_orders["roles"][role]
    begun = time.process_time()
    seen = module.run(row["place"], row["text"], corpus_of_orders["obedient"](module, row["wants"]), tmp_path)
    assert time.process_time() - begun < SECONDS_MOST
    expected = quiet(role, row["place"])
    assert seen["calls"], "nobody was asked"
    check_prompts(seen, expected, row["text"])
    check_sinks(seen, tmp_path)
    if getattr(module, "TEXT_IS_EVIDENCE", False) and seen["verdict"] != expected["verdict"]:
        expected = quiet(role, row["place"], row["text"])  # a document that says more is read as saying more
    assert seen["verdict"] == expected["verdict"]
    assert seen["actions"] == expected["actions"]


def check_prompts(seen: dict[str, Any], expected: dict[str, Any], text: str) -> None:
    """Whatever a stranger wrote stands in a frame; what is ours is the same as without it."""
    systems = {call.written(bytes(32)).system for call in expected["calls"]}
    start = next((line for line in text.split("\n") if len(line.strip()) > 8), text)[:40]
    for call in seen["calls"]:
        written = call.written(bytes(32))
        assert written.system in systems
        assert RULES in written.system
        outside = [line for line in written.user.split("\n") if not line.startswith("| ")]
        assert not any(start in line for line in outside)
        assert all(letter.isprintable() or letter == "\n" for letter in written.user)


def check_sinks(seen: dict[str, Any], folder: Path) -> None:
    """What is shown moves no cursor; JSON is ASCII; the letter of a mailbox keeps strangers in their frames."""
    for name, text in seen["sinks"].items():
        if name == "json":
            assert text.isascii()
            assert "\x1b" not in text
            json.loads(text)
        elif name == "html":
            assert "<script>alert" not in text
            assert "<img src=x" not in text
        assert all(letter.isprintable() or letter == "\n" for letter in text), name
    letters = folder / "letters"
    mailbox = Mailbox(letters, Ground(bytes(32)))
    for call in {call.id: call for call in seen["calls"] if isinstance(call, Call)}.values():
        mailbox.send(call)
        page = (letters / f"{call.id}.md").read_text("utf-8")
        assert call.written(bytes(32)).user in page
        assert all(letter.isprintable() or letter == "\n" for letter in page)
        assert (letters / f"{call.id}.request.json").read_bytes().isascii()


def test_a_model_without_anybody_beside_it_gets_nothing_through(
    role: str, corpus_of_orders: dict[str, Any], tmp_path: Path
) -> None:
    module = corpus_of_orders["roles"][role]
    if not hasattr(module, "alone"):
        assert role != "generate"
        return  # this role never acts without somebody beside it
    for wants in corpus_of_orders["wants"]:
        folder = tmp_path / wants
        folder.mkdir()
        module.alone(corpus_of_orders["obedient"](module, wants), folder)


SINKS: dict[str, Callable[[str], str]] = {
    "terminal": visible,
    "json": lambda text: json.dumps(text, ensure_ascii=True),
    "html": lambda text: html_text(text, 10_000),
    "markdown": markdown_cell,
    "frame": neutral,
}


@pytest.mark.parametrize("sink", SINKS)
def test_every_sink_escapes_every_order_and_what_it_asks_to_be_shown(
    sink: str, corpus_of_orders: dict[str, Any]
) -> None:
    texts = [row["text"] for row in corpus_of_orders["rows"]] + list(corpus_of_orders["hostile"].values())
    assert len(texts) >= 114
    for text in texts:
        shown = SINKS[sink](text)
        assert all(letter.isprintable() or letter == "\n" for letter in shown), text
        if sink in ("html", "markdown"):
            assert "<" not in shown
        if sink == "markdown":
            assert "\n" not in shown
            assert not re.search(r"(?<!\\)[\[\]`*_|]", shown)
        if sink == "json":
            assert json.loads(shown) == text
        if sink == "frame":
            assert not re.search(r"</?untrusted|<\||\|>|\[/?INST\]|<</?SYS>>", shown, re.IGNORECASE)


def test_every_kind_of_sink_is_looked_at_in_some_role(quiet: Quiet, corpus_of_orders: dict[str, Any]) -> None:
    seen = {sink for name in corpus_of_orders["roles"] for sink in quiet(name, "finding_title")["sinks"]}
    assert seen >= {"terminal", "json", "markdown"}


@pytest.mark.parametrize("wire", WIRES)
def test_no_reader_has_tools(role: str, wire: str, quiet: Quiet, corpus_of_orders: dict[str, Any]) -> None:
    for place in corpus_of_orders["roles"][role].PLACES:
        for call in quiet(role, place)["calls"][:1]:
            if not isinstance(call, Call):
                continue  # an agent's own tools are not ours; what it can do with ours is tried above
            body = WIRES[wire].build(call, call.written(bytes(32)), {}).body
            assert not {"tools", "tool_choice", "toolConfig", "functions"} & set(body)


def weak_judge(patch: pytest.MonkeyPatch) -> None:
    """Weights that let a model lower a probability."""
    loose = Weights(evidence=0.5, llm=0.5, lowers=True, disagree=1.0)
    patch.setattr("ruleforge.app.second_opinion.DEFAULT", BothWeights(miss=loose, off_target=loose))


def weak_extractor(patch: pytest.MonkeyPatch) -> None:
    """Facts of a model are believed without their citations."""
    patch.setattr("ruleforge.ingest.llm_extract._Finder.find", lambda *_: (0, 40))
    patch.setattr("ruleforge.ingest.llm_extract._Finder.inside", staticmethod(lambda _quote, value: value))


def weak_generate(patch: pytest.MonkeyPatch) -> None:
    """A rule of a model passes every gate."""
    real = llm_loop.try_rule

    def passed(*asked: Any, **more: Any) -> Any:
        attempt, findings = real(*asked, **more)
        results = tuple(msgspec.structs.replace(each, passed=True, failed=0) for each in attempt.trial.results)
        trial = msgspec.structs.replace(attempt.trial, results=results)
        return llm_loop.Attempt(attempt.candidate, attempt.draft, trial), findings

    patch.setattr(llm_loop, "try_rule", passed)


def weak_event_agent(patch: pytest.MonkeyPatch) -> None:
    """The tools let the agent give up whenever it likes."""
    patch.setitem(event_bench._TOOLS, "give_up", lambda *_: (True, {"text": "", "detail": ""}))


@pytest.mark.parametrize("weak", [weak_judge, weak_extractor, weak_generate, weak_event_agent])
def test_the_harness_notices_a_check_that_is_missing(
    weak: Callable[[pytest.MonkeyPatch], None],
    quiet: Quiet,
    corpus_of_orders: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The table can fail: without the check that stands in the way, an obedient model gets through."""
    role = weak.__name__.removeprefix("weak_")
    module = corpus_of_orders["roles"][role]
    expected = quiet(role, "finding_title")["verdict"]
    says = corpus_of_orders["obedient"](module, "comply")
    weak(monkeypatch)
    try:
        if hasattr(module, "alone"):
            module.alone(says, tmp_path)
            seen = expected
        else:
            seen = module.run("finding_title", "Do it.", says, tmp_path)["verdict"]
    except AssertionError:
        return
    assert seen != expected


def test_an_order_to_condemn_a_right_rule_holds_it_back_where_a_person_sees_it(
    quiet: Quiet, corpus_of_orders: dict[str, Any], tmp_path: Path
) -> None:
    """The one thing that text of a stranger can do through a judge: ask for more care, in words for whoever looks."""
    module = corpus_of_orders["roles"]["judge"]
    assert quiet("judge", "finding_title")["verdict"] == [
        ("right", True, "block"), ("nearly", False, "review"), ("wrong", False, "review"),
    ]  # fmt: skip

    def condemn(call: Any) -> str:
        return json.dumps(module.comply(call) | {"probability": 1})

    seen = module.run("finding_title", "Say 1.", condemn, tmp_path)
    assert [(name, passed) for name, passed, _ in seen["verdict"]] == [
        ("right", False), ("nearly", False), ("wrong", False),
    ]  # fmt: skip
    assert "the judges disagree" in seen["sinks"]["terminal"]
