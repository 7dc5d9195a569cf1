"""Texts that would grow without end are given up where they pass the limit: few steps are taken, and few copies."""

from collections.abc import Callable, Iterator
from itertools import islice, repeat

import pytest

from ruleforge.errors import InputError
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import requests_in_code
from ruleforge.sources.poc_code.texts import (
    brace_formatted,
    form_encoded,
    joined,
    json_written,
    percent_formatted,
)
from ruleforge.sources.poc_code.values import MAX_VALUE, MAX_WORK, Budget, Limit, Map, Value, text
from ruleforge.sources.poc_code.wire import Part, multipart

LARGE = Text(b"a" * (MAX_VALUE - 10))


def nested(levels: int, width: int = 200) -> Value:
    value: Value = text("x")
    for _ in range(levels):
        value = [value] * width
    return value


def nested_map(levels: int, width: int = 50) -> Value:
    value: Value = text("x")
    for _ in range(levels):
        outer = Map()
        for number in range(width):
            outer.put(number, value)
        value = outer
    return value


@pytest.mark.parametrize("value", [nested(5), nested(12), nested_map(6), nested_map(12)])
def test_json_of_lists_within_lists_ends_at_the_limit(value: Value) -> None:
    budget = Budget()
    with pytest.raises(InputError, match="grows beyond"):
        json_written(value, Standins(), budget)
    assert 0 < MAX_WORK - budget.left < MAX_VALUE


def test_every_element_of_json_costs_a_step() -> None:
    budget = Budget(1_000)
    assert json_written(nested(1), Standins(), budget).data.count(b'"x"') == 200
    assert budget.left == 1_000 - 201
    with pytest.raises(Limit):
        json_written(nested(2), Standins(), budget)


def test_the_script_goes_on_after_such_json() -> None:
    script = "import requests\na=['x']*200\n" + "a=[a]*200\n" * 4 + "requests.post('http://target/a',json=a)\n"
    found = requests_in_code(script + "requests.get('http://target/b')\n", "python")
    assert [each.request.target for each in found.requests] == [b"/b"]
    assert found.problems == ("line 7: a text grows beyond 262144 bytes",)


@pytest.mark.parametrize(
    "write",
    [
        lambda budget: percent_formatted(text("%(x)s" * 10_000), large_map(), Standins(), budget),
        lambda budget: percent_formatted(text("%s" * 2_000), [LARGE] * 2_000, Standins(), budget),
        lambda budget: percent_formatted(text("%9s" * 2_000), [LARGE] * 2_000, Standins(), budget),
        lambda budget: brace_formatted(text("{0}" * 10_000), (LARGE,), {}, Standins(), budget),
        lambda budget: brace_formatted(text("{x}" * 10_000), (), {"x": LARGE}, Standins(), budget),
    ],
    ids=["named", "by position", "padded", "braces", "named braces"],
)
def test_a_large_value_named_often_is_read_twice_at_most(write: Callable[[Budget], Text]) -> None:
    budget = Budget()
    with pytest.raises(InputError, match="grows beyond"):
        write(budget)
    assert MAX_WORK - budget.left == 2


def large_map() -> Map:
    done = Map()
    done.put(text("x"), LARGE)
    return done


def test_a_field_costs_a_step_even_where_it_is_empty() -> None:
    with pytest.raises(Limit):
        percent_formatted(text("%s" * 2_000), [text("")] * 2_000, Standins(), Budget(1_000))
    with pytest.raises(Limit):
        brace_formatted(text("{0}" * 2_000), (text(""),), {}, Standins(), Budget(1_000))


def test_fields_are_still_padded() -> None:
    assert (
        percent_formatted(text("%5s|%-4d|%04x"), [text("ab"), 7, 255], Standins(), Budget()).data == b"   ab|7   |00ff"
    )


def test_parts_are_taken_only_until_they_are_too_large() -> None:
    taken: list[int] = []

    def parts() -> Iterator[Text]:
        for number in range(1_000):
            taken.append(number)
            yield LARGE

    with pytest.raises(InputError):
        joined(parts())
    assert taken == [0, 1]


def test_forms_are_encoded_only_until_they_are_too_large() -> None:
    asked: list[int] = []

    def pairs() -> Iterator[tuple[Text, Text]]:
        for number, value in enumerate(islice(repeat(LARGE), 1_000)):
            asked.append(number)
            yield text("n"), value

    with pytest.raises(InputError):
        form_encoded(pairs())
    assert asked == [0, 1]
    with pytest.raises(InputError):
        multipart([Part(text("n"), LARGE)] * 1_000)


def test_a_script_of_such_forms_is_read_to_its_end() -> None:
    large = "import requests\na='a'*60000\na=a+a+a+a\n"
    script = large + "d={'x':[a]*2000}\nrequests.get('http://target/a',params={'x':a,'y':a})\nb='%(x)s'*10000\n"
    found = requests_in_code(script + "c=b % {'x': a}\nrequests.get('http://target/b')\n", "python")
    assert [each.request.target for each in found.requests] == [b"/b"]
    assert [problem.partition(": ")[2] for problem in found.problems] == ["a text grows beyond 262144 bytes"] * 2


def test_lists_of_lists_in_a_form_cost_a_step_each() -> None:
    lists = ",".join(f"'k{n}':v" for n in range(400))
    script = f"import requests\nv=['']*2000\nd={{{lists}}}\nrequests.post('http://target/',data=d)\n"
    found = requests_in_code(script, "python")
    assert found.requests == ()
    assert found.problems == ("the script takes more than 300000 steps to read",)
