"""All rules of the semantics table in one compiled set: every rule answers every request as the reference does."""

import pytest

from ruleforge.engine.compiled import CompiledSet, Tally
from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView

LARGE = 100_000  # bytes of a body
ANSWERS = {(1, 0): True, (0, 1): None, (0, 0): False}


@pytest.fixture(scope="module")
def whole(table):
    return CompiledSet([rule for rule, _, _ in table])


def test_scanning_gives_each_case_its_answer(table):
    wrong = []
    for rule, request, expect in table:
        tally = Tally(1)
        hits = list(CompiledSet([rule]).scan([request], tally=tally))
        if ANSWERS[len(hits), tally.unknowns[0]] is not expect:
            wrong.append(rule.title)
    assert not wrong


def test_every_rule_answers_every_request_as_the_reference_does(whole, table):
    asks = [compile_rule(rule).ask for rule, _, _ in table]
    wrong = {}
    large = 0
    for rule, request, _ in table:
        if len(request.body or b"") > LARGE:  # every case meets its own rule above; here a few do for all rules
            large += 1
            if large % 8:
                continue
        view, answers = HttpView(request), whole.answers(request)
        expected = [ask(view) for ask in asks]
        hits = {index for index, answer in enumerate(expected) if answer}
        unknowns = {index for index, answer in enumerate(expected) if answer is None}
        if differ := (hits ^ set(answers.hits)) | (unknowns ^ set(answers.unknowns)):
            wrong[rule.title] = [table[index][0].title for index in sorted(differ)]
    assert not wrong
