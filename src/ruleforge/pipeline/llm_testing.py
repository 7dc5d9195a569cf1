"""A model as further author of tests: asked once for each disclosure, and heard as far as reading bears it out."""

from collections.abc import Sequence

import msgspec

from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.evidence import Case
from ruleforge.generate.llm_tests import accept, question_of_tests
from ruleforge.llm.door import Answer, Door, Pending
from ruleforge.pipeline.llm_loop import GIVEN_UP, GIVEN_UP_AFTER, REASONS_MOST, plain, told_problem
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import ModelUse

VERSION = "llm tests 1"


class ModelTester:
    """Asks a model for tests of a disclosure."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._failed_in_a_row = 0

    @property
    def name(self) -> str:
        """What decides its tests, beside the answers: for the key of an outcome."""
        return f"{VERSION} {self.door.provider.url} {self.door.provider.model}"

    def __call__(self, advisory: Advisory, exploits: Sequence[Anatomy]) -> tuple[tuple[Case, ...], ModelUse]:
        """Ask, and return the requests that count; none as long as nobody has answered."""
        scheme = self.door.provider.url.partition(":")[0]
        if self._failed_in_a_row >= GIVEN_UP_AFTER:
            return (), ModelUse(provider=scheme, failed=1, problems=(GIVEN_UP,))
        before = self.door.meter.run.calls
        (result,) = self.door.ask_all([question_of_tests(advisory)])
        use = ModelUse(provider=scheme, asked=1, calls=self.door.meter.run.calls - before)
        self._failed_in_a_row = 0 if isinstance(result, Pending | Answer) else self._failed_in_a_row + 1
        if isinstance(result, Pending):
            return (), msgspec.structs.replace(use, pending=1)
        if not isinstance(result, Answer):
            return (), msgspec.structs.replace(use, failed=1, problems=(told_problem(result),))
        found = accept(result.value, advisory, exploits, result.model)
        return found.cases, msgspec.structs.replace(
            use,
            answered=1,
            models=(result.model,),
            candidates=len(found.cases) + len(found.refused),
            passed=len(found.cases),
            declined=tuple(map(plain, found.refused[:REASONS_MOST])),
            tokens_in=result.usage.tokens_in,
            tokens_out=result.usage.tokens_out,
            cost=result.usage.cost,
        )
