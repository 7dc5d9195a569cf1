"""Exclusions take away what they name and nothing else, and a file of them says what is wrong with it."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.excluding import add_exclusion, list_exclusions
from ruleforge.app.scanning.exclusions import Exclusions, make_exclusion, read_exclusions
from ruleforge.errors import InputError, UsageError
from ruleforge.events.event import EventView, make_event
from ruleforge.events.request import Request

TODAY = date(2099, 6, 1)
GOOD = {"rule": "R", "reason": "our own scanner", "expires": "never"}


def request(target: str = "/app/x", host: str = "shop.example", source: str = "192.0.2.7", **more: Any) -> Request:
    headers = ((b"Host", host.encode()),) if host else ()
    return Request(method=b"GET", target=target.encode(), headers=headers, source_address=source.encode(), **more)


def takes(entry: dict[str, str], asked: Request, rule: str = "R", today: date = TODAY) -> bool:
    return Exclusions([make_exclusion(GOOD | entry, "")], today).find(rule, asked) is not None


CASES: list[tuple[dict[str, str], Request, bool]] = [
    ({"host": "shop.example"}, request(), True),
    ({"host": "Shop.Example"}, request(host="SHOP.example:8443"), True),
    ({"host": "shop.example"}, request(host="a.shop.example"), False),
    ({"host": "*.shop.example"}, request(host="a.shop.example"), True),
    ({"host": "*.shop.example"}, request(host="shop.example"), True),
    ({"host": "*.shop.example"}, request(host="eshop.example"), False),
    ({"host": "shop.example"}, request(host=""), False),
    ({"host": "shop.example"}, request("http://shop.example/app", host=""), True),
    ({"path": "/app"}, request("/app"), True),
    ({"path": "/app"}, request("/app?x=1"), True),
    ({"path": "/app"}, request("/apple"), False),
    ({"path": "/app"}, request("/app/../admin"), False),
    ({"path": "/app"}, request("/app/%2e%2e/admin"), False),
    ({"path": "/app/"}, request("/app/x"), True),
    ({"source": "192.0.2.0/24"}, request(), True),
    ({"source": "192.0.2.7"}, request(), True),
    ({"source": "192.0.2.0/24"}, request(source="198.51.100.1"), False),
    ({"source": "192.0.2.0/24"}, request(source="::ffff:192.0.2.7"), True),
    ({"source": "192.0.2.0/24"}, request(source=""), False),
    ({"source": "2001:db8::/32"}, request(source="2001:db8::1"), True),
    ({"source": "2001:db8::/32"}, request(), False),
    ({"host": "shop.example", "source": "192.0.2.0/24"}, request(source="198.51.100.1"), False),
    ({"rule": "*", "path": "/app"}, request(), True),
    ({"rule": "Q", "path": "/app"}, request(), False),
]


def test_cases_were_found() -> None:
    assert len(CASES) >= 24


@pytest.mark.parametrize(("entry", "asked", "taken"), CASES)
def test_an_exclusion_takes_away_what_it_names(entry: dict[str, str], asked: Request, taken: bool) -> None:
    assert takes(entry, asked) is taken


def test_two_host_headers_are_nobodys_host() -> None:
    asked = Request(method=b"GET", target=b"/", headers=((b"Host", b"shop.example"), (b"Host", b"other.example")))
    assert not takes({"host": "shop.example"}, asked)


def test_an_exclusion_counts_on_its_last_day_and_not_after() -> None:
    entry = {"path": "/app", "expires": "2099-06-01"}
    assert takes(entry, request(), today=date(2099, 6, 1))
    assert not takes(entry, request(), today=date(2099, 6, 2))
    notes = Exclusions([make_exclusion(GOOD | entry, "")], date(2099, 6, 2)).notes(["R"])
    assert notes == ("expired on 2099-06-01: R at path /app: our own scanner",)


def test_a_rule_that_is_not_there_is_noted() -> None:
    assert Exclusions([make_exclusion(GOOD | {"path": "/app"}, "")], TODAY).notes(["S"]) == ("no such rule here: R",)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("text", "RF282"),
        (GOOD | {"path": "/a", "hosts": "x"}, "RF282"),
        (GOOD | {"path": ["/a"]}, "RF282"),
        (GOOD | {"path": "/a\u202e"}, "RF282"),
        ({"rule": "R", "path": "/a", "expires": "never"}, "RF283"),
        ({"rule": "R", "path": "/a", "reason": "x"}, "RF284"),
        ({"path": "/a", "reason": "x", "expires": "never"}, "RF285"),
        (GOOD, "RF285"),
        (GOOD | {"path": "/"}, "RF286"),
        (GOOD | {"path": "app"}, "RF286"),
        (GOOD | {"host": "shop.example:80"}, "RF286"),
        (GOOD | {"host": "*"}, "RF286"),
        (GOOD | {"source": "192.0.2.0/99"}, "RF286"),
        (GOOD | {"path": "/a", "expires": "soon"}, "RF286"),
    ],
)
def test_a_wrong_exclusion_is_refused_with_its_code(row: object, code: str) -> None:
    with pytest.raises(InputError, match=code):
        make_exclusion(row, "somewhere")


@pytest.mark.parametrize("name", ["site.yaml", "site.toml"])
def test_what_is_added_reads_back_and_the_rest_stays_as_written(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    first = add_exclusion(file, GOOD | {"path": "/a", "reason": 'say "why": ünïcode \\ and # more'})
    comment = "# a comment of ours\n"
    file.write_text(comment + file.read_text())
    second = add_exclusion(file, GOOD | {"source": "192.0.2.0/24", "expires": "2099-01-01"})
    assert read_exclusions(file) == (first, second)
    assert file.read_text().startswith(comment)
    before = file.read_text()
    add_exclusion(file, GOOD | {"source": "192.0.2.0/24", "expires": "2099-01-01"})
    assert file.read_text() == before


def test_a_list_that_is_indented_is_added_to(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("exclusions:\n    - {rule: R, path: /a, reason: x, expires: never}\n")
    add_exclusion(file, GOOD | {"path": "/b"})
    assert [entry.path for entry in read_exclusions(file)] == ["/a", "/b"]


def test_a_file_that_cannot_be_added_to_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    text = "exclusions: [{rule: R, path: /a, reason: x, expires: never}]\n"
    file.write_text(text)
    with pytest.raises(InputError, match="RF288"):
        add_exclusion(file, GOOD | {"path": "/b"})
    assert file.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["site.yaml"]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.yaml", "- rule: x\n", "RF281"),
        ("a.yaml", "exclusions: 5\n", "RF281"),
        ("a.yaml", "exclusions: [\n", "RF212"),
        ("a.toml", "exclusions = [\n", "RF281"),
        ("a.yaml", "exclusions:\n" + "- {}\n" * 5_001, "RF280"),
        ("a.yaml", "x" * (1 << 20) + "x", "RF280"),
    ],
)
def test_a_file_that_is_no_list_of_exclusions_is_refused(tmp_path: Path, name: str, text: str, code: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=code):
        read_exclusions(tmp_path / name)


def test_an_empty_list_excludes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("exclusions:\n")
    assert read_exclusions(tmp_path / "a.yaml") == ()


def test_the_list_says_what_has_expired_ends_soon_and_is_unknown(tmp_path: Path, put_rule: Any) -> None:
    rules = put_rule().parent
    file = tmp_path / "site.yaml"
    for rule, expires in (("RF-CVE-2099-0001-1", "2099-05-31"), ("R", "2099-06-10"), ("*", "never")):
        add_exclusion(file, {"rule": rule, "path": "/a", "reason": "x", "expires": expires})
    found = list_exclusions(file, TODAY, rules)
    assert [(each.state, each.unknown_rule) for each in found] == [
        ("expired", False),
        ("ends soon", True),
        ("counts", False),
    ]
    with pytest.raises(UsageError, match="RF146"):
        list_exclusions(tmp_path / "none.yaml", TODAY)


@pytest.mark.parametrize("suffix", [".yaml", ".toml"])
def test_adding_an_exclusion_touches_no_other_file(tmp_path: Path, suffix: str) -> None:
    other = tmp_path / f"site.check{suffix}"
    other.write_text("mine")
    add_exclusion(tmp_path / f"site{suffix}", GOOD | {"path": "/app"})
    assert other.read_text() == "mine"
    assert {each.name for each in tmp_path.iterdir()} == {f"site{suffix}", other.name}


LOGIN = make_event(
    "auth_log",
    {"user": "backup", "source.address": "192.0.2.9", "message": "x"},
    time_us=0,
    id="a:1",
    source="a",
    recorded=frozenset({"user", "source.address", "message"}),
)


@pytest.mark.parametrize(
    ("entry", "taken"),
    [
        ({"fields": "user=backup"}, True),
        ({"fields": ["user=backup", "source.address=192.0.2.9"]}, True),
        ({"fields": ["user=backup", "source.address=192.0.2.8"]}, False),
        ({"fields": "user=back"}, False),
        ({"fields": "user=back*"}, True),
        ({"fields": "user=*kup"}, True),
        ({"fields": "user=*ack*"}, True),
        ({"fields": "user=*x*"}, False),
        ({"fields": "user=Backup"}, False),
        ({"fields": "service=cron"}, False),  # not recorded: nothing is known
        ({"fields": "question.name=a"}, False),  # a field of another kind
        ({"source": "192.0.2.0/24"}, True),
        ({"source": "198.51.100.0/24"}, False),
        ({"source": "192.0.2.0/24", "fields": "user=root"}, False),
        ({"source": "192.0.2.0/24", "host": "shop.example"}, False),  # it has no host
        ({"path": "/app", "fields": "user=backup"}, False),
    ],
)
def test_events_of_other_kinds_are_excluded_by_source_and_fields(entry: dict[str, Any], taken: bool) -> None:
    found = Exclusions([make_exclusion(GOOD | entry, "")], TODAY).find_in("R", EventView(LOGIN))
    assert (found is not None) is taken


@pytest.mark.parametrize(
    "fields", ["user", "user=", "user=*", "nothing=a", [1], {"user": "a"}, "user=a\nb", ["a"] * 21]
)
def test_fields_that_say_nothing_are_refused(fields: Any) -> None:
    with pytest.raises(InputError) as caught:
        make_exclusion(GOOD | {"fields": fields}, "here")
    assert caught.value.code in {"RF282", "RF286"}


@pytest.mark.parametrize("name", ["site.yaml", "site.toml"])
def test_fields_are_added_to_a_file_and_read_back(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    row: dict[str, Any] = {**GOOD, "fields": ['user=ba"ckup', "source.address=192.0.2.9"]}
    made = add_exclusion(file, row)
    assert read_exclusions(file) == (made,)
    assert "field user=ba" in made.said()
