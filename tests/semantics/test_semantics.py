"""The reference evaluator answers every case of the semantics table as the table says."""

from collections import Counter

from ruleforge.engine.reference import evaluate


def test_the_table_was_found_and_is_large(cases):
    assert len(cases) >= 800
    assert all(count >= 8 for count in Counter(case.theme for case in cases).values())


def test_the_table_holds_all_three_answers_in_number(cases):
    answers = Counter(case.expect for case in cases)
    assert set(answers) == {True, False, None}
    assert min(answers.values()) >= 60


def test_every_case_has_an_id_and_a_question_of_its_own(cases):
    assert not [name for name, count in Counter(case.id for case in cases).items() if count > 1]
    asked = Counter(repr((case.when, case.request)) for case in cases)
    assert not [question for question, count in asked.items() if count > 1]


def test_every_case_says_why_in_one_sentence(cases):
    assert not [case.id for case in cases if not case.why.endswith(".") or "\n" in case.why]


def test_the_reference_answers_as_the_table_says(case, rule, sent):
    assert evaluate(rule, sent) is case.expect, case.why
