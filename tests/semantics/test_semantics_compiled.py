"""The compiled set answers every case of the semantics table as the table says, alone and together."""

import pytest

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.matching import PlainMatcher
from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.rules.parse import parse_rule


@pytest.fixture(scope="module")
def together(cases):
    """Every tenth rule of the table in one set, with the questions the reference asks."""
    documents = [
        {"schema": 1, "id": "RF-X-1", "when": case.when, "classes": case.classes or {}} for case in cases[::10]
    ]
    base = {"revision": 1, "title": "x", "description": "x", "severity": "info", "author": "x", "created": "2025-01-01"}
    rules = [parse_rule(base | {"event": "http.request"} | document).require() for document in documents]
    return CompiledSet(rules), [compile_rule(rule).ask for rule in rules]


def test_the_compiled_set_answers_as_the_table_says(case, rule, sent):
    answers = CompiledSet([rule], matcher=PlainMatcher).answers(sent)
    expected = {True: ((0,), ()), False: ((), ()), None: ((), (0,))}[case.expect]
    assert answers[:2] == expected, case.why


def test_many_rules_of_the_table_together_answer_as_the_reference(together, sent):
    compiled, asks = together
    assert len(asks) >= 70
    view = HttpView(sent)
    expected = [ask(view) for ask in asks]
    answers = compiled.answers(sent)
    assert answers.hits == tuple(index for index, answer in enumerate(expected) if answer)
    assert answers.unknowns == tuple(index for index, answer in enumerate(expected) if answer is None)
