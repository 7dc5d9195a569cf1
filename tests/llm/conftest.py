"""A question about fruit, and doors to whoever answers it."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from ruleforge.llm.door import Door, Question
from ruleforge.llm.prompt import Prompt, fixed, particular, untrusted
from ruleforge.llm.provider import Ground, Provider, Tuning

KEY = bytes(range(32))


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    claim: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    fruit: Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "fruit"})]


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(min_length=1, max_length=3)]
    ripe: bool = False


IDS = {"fruit": ("f1", "f2")}
GOOD = '{"probability": 0.25, "reasons": [{"claim": "it is green", "fruit": "f1"}]}'


@pytest.fixture
def ground() -> Ground:
    return Ground(KEY)


@pytest.fixture
def question() -> Callable[..., Question[Verdict]]:
    """A question; its sample and its subject can be chosen."""

    def make(sample: int = 0, *, subject: str = "CVE-2099-0001", **more: Any) -> Question[Verdict]:
        prompt = Prompt((fixed("How ripe is it?"), particular("There are f1 and f2."), untrusted("note", "a pear")))
        whole = {"role": "judge", "subject": subject, "prompt": prompt, "output": Verdict, "ids": IDS}
        return Question(**(whole | {"tuning": Tuning(sample=sample)} | more))

    return make


@pytest.fixture
def door_to(ground: Ground) -> Callable[..., Door]:
    """A door to a provider that never sleeps."""

    def make(provider: Provider, **more: Any) -> Door:
        return Door(provider, ground=ground, **({"sleep": lambda _seconds: None} | more))

    return make


@pytest.fixture
def good() -> str:
    """A valid answer."""
    return GOOD
