"""Providers go by names like addresses; what is not there says what it needs."""

import json
from pathlib import Path
from typing import Any

import pytest

from ruleforge.errors import InputError, OutsideError, UsageError
from ruleforge.llm.provider import LLMS, Ground, family_of, open_provider

GROUND = Ground(bytes(32))


def test_there_are_a_few_providers() -> None:
    open_provider("fake:", GROUND)
    assert {"mailbox", "replay", "fake", "openai", "openai+https", "anthropic", "bedrock"} <= set(LLMS)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "RF180"),
        ("mailbox", "RF180"),
        ("mailbox:", "RF180"),
        ("replay:", "RF180"),
        ("mailbox:x?model", "RF180"),
        ("mailbox:x?speed=3", "RF180"),
        ("mailbox:x?model=" + "a" * 200, "RF265"),
        ("postbox:x", "RF102"),
        ("mailbox:" + "x" * 3_000, "RF180"),
    ],
)
def test_a_name_that_is_none_is_refused(url: str, code: str) -> None:
    with pytest.raises((UsageError, InputError), match=code):
        open_provider(url, GROUND)


def test_the_fake_gives_the_least_that_is_valid(question: Any, door_to: Any) -> None:
    answer = door_to(open_provider("fake:", GROUND)).ask(question())
    assert answer.value.probability == 0
    assert [(reason.claim, reason.fruit) for reason in answer.value.reasons] == [("x", "f1")]


def test_the_fake_follows_a_script(question: Any, door_to: Any, good: str, tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text(json.dumps(["no", good]))
    door = door_to(open_provider(f"fake:{tmp_path / 'script.json'}?model=pear-1", GROUND))
    assert door.ask(question()).model == "pear-1"
    with pytest.raises(OutsideError, match="RF544"):
        door.ask(question(1))


@pytest.mark.parametrize("text", ["{}", "[1]", "", '["' + "x" * 70_000 + '"]'])
def test_a_script_is_a_list_of_texts(text: str, tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text(text)
    with pytest.raises(InputError, match="RF266"):
        open_provider(f"fake:{tmp_path / 'script.json'}", GROUND)
    with pytest.raises(OutsideError, match="RF501"):
        open_provider(f"fake:{tmp_path / 'none.json'}", GROUND)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("anthropic.claude-9-large-v1:0", "claude"),
        ("gpt-9-mini", "gpt"),
        ("o3", "gpt"),
        ("meta.llama9-70b", "llama"),
        ("Qwen9-Coder", "qwen"),
        ("mixtral-8x7b", "mistral"),
        ("us.amazon.nova-pro-v1:0", "nova"),
        ("pear-1", ""),
        ("mailbox", ""),
        ("innovation-1", ""),
    ],
)
def test_the_family_of_a_model_follows_from_its_name(model: str, family: str) -> None:
    assert family_of(model) == family
