"""What tells an attack from an ordinary call, and the ordinary calls that are made where nothing does."""

from typing import Any

import pytest

from ruleforge.cases.near import near_misses
from ruleforge.cases.telling import SESSION_HEADERS, signed_in, speaks_of_access, telling
from ruleforge.records.advisory import Advisory

FORM = ["Content-Type", "application/x-www-form-urlencoded"]
TELLING: list[tuple[dict[str, Any], str]] = [
    ({"target": "/larder/shelf?jar=1'+UNION+SELECT+1--+-"}, "payload"),
    ({"target": "/larder/..;/store"}, "path carries a payload"),
    ({"target": "/larder//store"}, "unusual way"),
    ({"target": "/l%61rder/store"}, "letters of the path"),
    ({"target": "/larder/store%3f.png"}, "sign that ends"),
    ({"target": "/larder/store.php/a.css"}, "static file follows"),
    ({"target": "/larder/settings.bak"}, "no page links"),
    ({"target": "/larder/.git/head"}, "no page links"),
    ({"target": "/larder/file=https://elsewhere.example/"}, "URL stands in the path"),
    ({"target": "/larder/store", "method": "MOVE"}, "no ordinary client"),
    ({"target": "/larder/a.txt", "method": "PUT", "body": "x"}, "put on the server"),
    ({"target": "/larder", "headers": [["X-Original-URL", "/store"]]}, "header x-original-url"),
    ({"target": "/larder", "headers": [["X-Real-Source", "127.0.0.1"]]}, "server's own address"),
    ({"target": "/larder", "body": "is_admin=1", "headers": [FORM]}, "privileges"),
    ({"target": "/larder", "body": "name=ann&role=administrator", "headers": [FORM]}, "privileges"),
    ({"target": "/larder?tree=.git/config"}, "no page offers"),
    ({"target": "/larder?shelf=./larder.sql"}, "no page offers"),
    ({"target": "/larder?LD_PRELOAD=x"}, "no name that a page uses"),
    ({"target": "/larder?jar=" + "A" * 400}, "long run"),
    ({"target": "/larder?feed=http://127.0.0.1:8080/"}, "payload"),
    ({"target": "/larder?feed=http://2130706433/"}, "payload"),
    ({"target": "/larder?shelf=https://elsewhere.example/x.zip"}, "URL where none belongs"),
    ({"target": "/larder?next=https://elsewhere.example/", "cwes": ["CWE-601"]}, "another site"),
    ({"target": "/larder?user=service&pass=opensesame", "cwes": ["CWE-798"]}, "fixed secret"),
    ({"target": "/larder", "headers": [["Cookie", "login=1"]], "cwes": ["CWE-287"]}, "does not prove"),
    ({"target": "/larder", "headers": [["Authorization", "7"]]}, "too short"),
    ({"target": "/larder/vendor/press/run.php"}, "other parts call"),
    ({"target": "/larder?label=PGltZyBzcmM9eCBvbmVycm9yPWFsZXJ0KDEpPg=="}, "payload in base64 (xss)"),
    ({"target": "/larder/tool.php?do=id", "cwes": ["CWE-78"]}, "command of a system shell"),
    ({"target": "/larder", "host": "shop.example(plum)"}, "host holds what no name has"),
    ({"target": "/larder", "host": "jam " * 3}, "host holds what no name has"),
    ({"target": "/larder", "host": "".join(f"shelf{n}." for n in range(60))}, "host is longer than any name"),
    ({"target": "/larder", "headers": [["Authorization", "Basic c2VydmljZTp4"]], "cwes": ["CWE-798"]}, "fixed secret"),
]
ORDINARY: list[dict[str, Any]] = [
    {"target": "/larder/store"},
    {"target": "/larder/store?page=2&sort=price"},
    {"target": "/larder?label=cGx1bSBqYW0sIG5pbmUgamFycywgdXBwZXIgc2hlbGY="},
    {"target": "/larder?token=4f6kQm8Zr2Xw9TtLbE1uPA=="},
    {"target": "/larder/tool.php?do=id"},
    {"target": "/larder/tool.php?do=list", "cwes": ["CWE-78"]},
    {"target": "/larder", "host": "shop.example:8443"},
    {"target": "/larder", "host": "[2001:db8::7]"},
    {"target": "/larder/st%C3%B6re"},
    {"target": "/larder/a%20b"},
    {"target": "/larder/logo.png"},
    {"target": "/larder?user=ann&pass=opensesame"},
    {"target": "/larder?role=member"},
    {"target": "/larder?feed=https://elsewhere.example/feed"},
    {"target": "/larder?next=/store", "cwes": ["CWE-601"]},
    {"target": "/larder?note=" + "the plum jam is on the upper shelf, " * 12},
    {"target": "/larder/store/17", "method": "PUT", "body": "{}"},
    {"target": "/larder", "headers": [["X-Requested-With", "XMLHttpRequest"], ["X-Forwarded-For", "198.51.100.9"]]},
]


@pytest.mark.parametrize(("data", "phrase"), TELLING)
def test_what_no_ordinary_call_has_is_named(
    data: dict[str, Any], phrase: str, make_anatomy: Any, make_advisory: Any
) -> None:
    found = telling(make_anatomy(data), make_advisory(data))
    assert any(phrase in tell.phrase for tell in found), found


@pytest.mark.parametrize("data", ORDINARY)
def test_an_ordinary_call_has_nothing_telling(data: dict[str, Any], make_anatomy: Any, make_advisory: Any) -> None:
    assert telling(make_anatomy(data), make_advisory(data)) == ()


@pytest.mark.parametrize("family", ["feedback", "judge"])
def test_where_nothing_tells_signed_in_users_make_the_same_call(
    family: str, make_anatomy: Any, make_advisory: Any
) -> None:
    data = {"target": "/larder/export?kind=all", "cwes": ["CWE-862"]}
    anatomy = make_anatomy(data)
    twins = [one for one in near_misses(anatomy, make_advisory(data), family) if one.kind == "signed_in"]
    assert len(twins) == 2
    for twin in twins:
        assert twin.request.target == anatomy.poc.request.target
        assert {name.lower() for name, _ in twin.request.headers} & set(SESSION_HEADERS)


def test_visitors_make_the_call_too_unless_the_flaw_is_that_it_needs_no_log_in(
    make_anatomy: Any, make_advisory: Any
) -> None:
    def kinds(cwe: str) -> set[str]:
        data = {"target": "/larder/export?kind=all", "cwes": [cwe]}
        return {one.kind for one in near_misses(make_anatomy(data), make_advisory(data), "feedback")}

    assert "visitor" not in kinds("CWE-862")
    assert "visitor" not in kinds("CWE-200")
    assert "visitor" in kinds("CWE-20")


def test_a_privileged_value_is_made_ordinary_before_the_call_counts_as_harmless(
    make_anatomy: Any, make_advisory: Any
) -> None:
    data = {"target": "/larder/join", "body": "name=ann&role=administrator", "headers": [FORM], "cwes": ["CWE-269"]}
    twins = [
        one
        for one in near_misses(make_anatomy(data), make_advisory(data), "feedback")
        if one.kind in ("signed_in", "visitor")
    ]
    assert twins
    assert all(b"administrator" not in (twin.request.body or b"") for twin in twins)


def test_a_request_whose_path_tells_has_no_ordinary_twin(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/larder/settings.bak", "cwes": ["CWE-862"]}
    made = near_misses(make_anatomy(data), make_advisory(data), "feedback")
    assert not {one.kind for one in made} & {"signed_in", "visitor"}


def test_words_about_access_do_not_count_where_the_flaw_strikes_visitors_or_fetches_for_them() -> None:
    told = "The export allows unauthenticated users to read all jars."
    plain = Advisory(id="T", sources=("t",), description=told)
    assert speaks_of_access(plain)
    assert speaks_of_access(Advisory(id="T", sources=("t",), description=told, cwes=("CWE-78",)))
    assert not speaks_of_access(Advisory(id="T", sources=("t",), description=told, cwes=("CWE-79",)))
    assert not speaks_of_access(Advisory(id="T", sources=("t",), description=told, cwes=("CWE-918",)))
    assert not speaks_of_access(Advisory(id="T", sources=("t",), description="The export lists all jars."))
    assert speaks_of_access(Advisory(id="T", sources=("t",), cwes=("CWE-89", "CWE-306")))


def test_a_session_is_a_cookie_or_credentials(make_anatomy: Any) -> None:
    assert signed_in(make_anatomy({"headers": [["Cookie", "sid=5f1c0a9be4d41a77"]]}))
    assert signed_in(make_anatomy({"headers": [["Authorization", "Bearer x"]]}))
    assert not signed_in(make_anatomy({"headers": [["Accept", "*/*"]]}))
    assert not signed_in(make_anatomy({"headers": [["Cookie", "login=1"]]}))
