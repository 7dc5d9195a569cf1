"""What reading a script copies is paid for, and what it leaves out is said once."""

import pytest

from ruleforge.sources.poc_code import requests_in_code
from ruleforge.sources.poc_code.interpret import COPIED, MAX_ARGUMENTS, Interpreter
from ruleforge.sources.poc_code.ledger import SEARCHED
from ruleforge.sources.poc_code.python_clients import PYTHON
from ruleforge.sources.poc_code.python_front import read_python
from ruleforge.sources.poc_code.values import MAX_ITEMS, MAX_WORK

STEPS = "the script takes more than 300000 steps to read"
SEND = "import requests\nrequests.get('http://target/first')\n"


def cost(script: str) -> int:
    reader = Interpreter(PYTHON)
    reader.read(read_python(script))
    return MAX_WORK - reader.budget.left


def test_every_block_of_a_branch_costs_by_the_variables_it_copies() -> None:
    variables = "".join(f"v{number} = 1\n" for number in range(800))
    branch = "if a:\n  pass\nelse:\n  pass\n"
    extra = cost(variables + branch * 10) - cost(variables) - cost(branch * 10)
    assert extra >= 10 * 2 * (800 // COPIED)


def test_thousands_of_branches_over_thousands_of_variables_end_at_the_budget() -> None:
    variables = "".join(f"v{number}=1\n" for number in range(5_000))
    found = requests_in_code(SEND + variables + "if a:\n  b\nelse:\n  c\n" * 2_000, "python")
    assert [each.request.target for each in found.requests] == [b"/first"]
    assert found.problems == (STEPS,)


@pytest.mark.parametrize("copy", ["a[1:]", "a.lower()", "a.replace('b','c')", "l+[]", "[*l]", "dict(d)"])
def test_a_copy_costs_by_its_size(copy: str) -> None:
    """Else a script of half a megabyte keeps gigabytes of them."""
    start = "a='a'*60000\na=a+a+a+a\nl=[1]*2000\nd={}\nfor x in range(6):\n  d[x]=x\n"
    start += "".join(f"d['k{n}']=1\n" for n in range(1_000))
    few, many = (cost(start + "".join(f"c{n}={copy}\n" for n in range(count))) for count in (1, 11))
    assert many - few >= 10 * 1_000 // COPIED


def test_kept_copies_of_a_large_text_end_at_the_budget() -> None:
    copies = "".join(f"c{number}=a[1:]\n" for number in range(5_000))
    found = requests_in_code(SEND + "a='a'*60000\na=a+a+a+a\n" + copies, "python")
    assert found.problems == (STEPS,)


LEFT_OUT = f"what is beyond {MAX_ITEMS} elements of a collection or a call was left out"
TOO_MANY = f"what is beyond {MAX_ARGUMENTS} elements of a collection or a call was left out"
ONES = ",".join(["1"] * (MAX_ITEMS + 1))
PAIRS = ",".join(f"{number}:1" for number in range(MAX_ITEMS + 1))
CUTS = {
    "list": (f"a=[{ONES}]\nb=[{ONES}]\n", LEFT_OUT),
    "spread list": ("a=[1]*1500\nb=[*a,*a]\nb=[*a,*a]\n", LEFT_OUT),
    "added lists": ("a=[1]*1500\nb=a+a\nb=a+a\n", LEFT_OUT),
    "appended list": ("a=[1]*2000\na.append(1)\na.append(1)\n", LEFT_OUT),
    "extended list": ("a=[1]*2000\na.extend([1])\na.extend([1])\n", LEFT_OUT),
    "dict": (f"a={{{PAIRS}}}\nb={{{PAIRS}}}\n", LEFT_OUT),
    "set key": ("a={}\n" + "".join(f"a[{number}]=1\n" for number in range(MAX_ITEMS + 2)), LEFT_OUT),
    "arguments": (f"f({','.join(['1'] * 201)})\n" * 2, TOO_MANY),
    "spread arguments": ("a=[1]*201\nf(*a)\nf(*a)\n", TOO_MANY),
    "named arguments": (f"f({','.join(f'a{number}=1' for number in range(201))})\n", TOO_MANY),
}


@pytest.mark.parametrize(("script", "problem"), CUTS.values(), ids=CUTS)
def test_what_is_left_out_is_said_once(script: str, problem: str) -> None:
    found = requests_in_code(SEND + script, "python")
    assert found.problems == (problem,)
    assert [each.request.target for each in found.requests] == [b"/first"]


def test_what_just_fits_is_not_reported() -> None:
    ones, pairs = ",".join(["1"] * MAX_ITEMS), ",".join(f"{number}:1" for number in range(MAX_ITEMS))
    arguments = ",".join(["1"] * MAX_ARGUMENTS)
    script = f"a=[{ones}]\nb=[*a]\nd={{{pairs}}}\nd[0]=2\nd[1999]=2\nf({arguments})\nf(*a[:200])\n"
    assert requests_in_code(script, "python").problems == ()


def test_a_request_costs_by_its_size() -> None:
    """Every header is searched for hosts: fifty requests of forty megabytes each are not written down."""
    names = ",".join(f"'k{number}':a" for number in range(150))
    sends = "".join(f"requests.get('http://target/{number}',headers=d)\n" for number in range(50))
    found = requests_in_code(f"{SEND}a='a'*60000\nd={{{names}}}\n{sends}", "python")
    assert found.requests[0].request.target == b"/first"
    sizes = [sum(len(value) for _, value in each.request.headers) for each in found.requests]
    assert sum(sizes) <= MAX_WORK * SEARCHED
    assert found.problems == (STEPS,)
