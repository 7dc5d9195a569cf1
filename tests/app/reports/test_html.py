"""The HTML report: whole, quiet, and deaf to what attackers wrote."""

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.reports.html import text, to_html
from ruleforge.app.scan import Delivery, ScanOptions, prepare, run_scan
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.hits import ScanReport

Put = Callable[..., Path]
VISIBLE = {a + b for a in "LMNPSZ" for b in "uldtmocnekpsfi"} - {"Zl", "Zp"}
STARTED = "2099-01-02T03:04:05Z"
WORDS = """html head meta title style body main h1 h2 p div b span input section svg rect line text table thead tbody
tr th td button code mark br script details summary ul li"""
TAGS = set(WORDS.split())
ATTACKS = [
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=document.title='owned'>",
    "'><svg onload=document.title='owned'>",
    "</code></td></table><iframe srcdoc=\"<script>top.document.title='owned'</script>\">",
    "</style><style>body{display:none}",
    "</script><script>document.title='owned'</script>",
    "<base href=https://evil.example/><form action=https://evil.example/><input autofocus onfocus=document.title=1>",
    "javascript:document.title='owned'",
    "{{constructor.constructor('document.title=1')()}}",
    "\x1b]0;owned\x07\u202egnp.exe\u2066\x00",
]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def hostile_report(put_rule: Put, put_requests: Put) -> str:
    for name, title in (("CVE-2099-0001", ATTACKS[0]), ("CVE-2099-0002", ATTACKS[1])):
        put_rule(name, title=title, when={"field": "path", "op": "contains", "value": "/press"})
    rows = [
        {
            "id": f"{n}{bad}",
            "target": f"/press/{bad}?x={bad}",
            "src_ip": bad,
            "ts": bad if n % 2 else f"2099-01-01T0{n % 10}:00:00Z",
            "status": 200,
            "headers": [["User-Agent", bad], ["Host", bad]],
        }
        for n, bad in enumerate(ATTACKS)
    ]
    file = put_requests(*rows, name="<b onclick=x>.jsonl")
    with file.open("a") as log:
        log.write("<script>document.title='owned'</script>\n")
    done = run_scan(prepare(file.parent / "rules", ScanOptions()), [file], Delivery(name="html"))
    assert done.report.requests_hit == len(ATTACKS)
    return to_html(done.digest, done.report, done.started)


def test_hostile_text_makes_no_tag_no_attribute_and_no_script(put_rule: Put, put_requests: Put) -> None:
    page = Page(hostile_report(put_rule, put_requests))
    assert page.tags <= TAGS
    assert {
        name for name in page.attributes if name.startswith("on") or name in ("src", "href", "action", "style")
    } == set()
    assert "onerror=document.title='owned'" in page.words  # shown, as text
    assert [letter for letter in page.words if letter != "\n" and not letter.isprintable()] == []


def test_the_policy_lets_nothing_in_but_the_page_itself(put_rule: Put, put_requests: Put) -> None:
    page = hostile_report(put_rule, put_requests)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    parts = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"].startswith("'sha256-")
    assert "unsafe" not in policy[1]
    assert page.index("Content-Security-Policy") < page.index("<style>")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_runs_our_script_and_no_other(put_rule: Put, put_requests: Put, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(hostile_report(put_rule, put_requests), "utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = f"--disable-component-update --disable-sync --user-data-dir={tmp_path / 'profile'} --dump-dom"
    words = ["chromium", *flags.split(), *more.split(), file.as_uri()]
    done = subprocess.run(words, capture_output=True, timeout=120, check=False)
    page = done.stdout.decode()
    assert '<html lang="en" data-ready="yes">' in page
    assert "<title>RuleForge scan</title>" in page
    assert page.count("<script>") == 1
    assert page.count("<img") + page.count("<iframe") == 0


def test_a_report_without_hits_says_so() -> None:
    page = Page(to_html(Digest(), ScanReport(requests=5, rules=2), STARTED))
    assert "No hit" in page.words
    assert "table" not in page.tags


def test_rows_can_be_sorted_by_number_and_time(put_rule: Put, put_requests: Put, attack: str) -> None:
    rows = [{"target": attack, "src_ip": "192.0.2.1", "ts": f"2099-01-01T0{n}:00:00Z"} for n in range(3)]
    rules, file = put_rule().parent, put_requests(*rows)
    done = run_scan(prepare(rules, ScanOptions()), [file], Delivery(name="html"))
    page = to_html(done.digest, done.report, done.started)
    assert '<td class=n data-k="3">3</td>' in page
    assert '<td class=t data-k="4070908800">2099-01-01 00:00</td>' in page
    assert page.count("<rect") == 3
    assert "<mark>/fruit/press.php</mark>" in page
    assert "<mark>..%2f..%2f</mark>" in page


@given(st.text())
def test_any_text_comes_out_as_itself_or_visibly_escaped(given_text: str) -> None:
    page = Page(f"<p>{text(given_text)}</p>")
    assert page.tags == {"p"}
    assert all(unicodedata.category(letter) in VISIBLE for letter in page.words)
    if given_text.isprintable() and len(given_text) <= 400:
        assert page.words == given_text


def test_assets_need_no_network() -> None:
    folder = Path(to_html.__code__.co_filename).parent
    for name in ("report.css", "report.js"):
        written = (folder / name).read_text("utf-8")
        assert re.findall(r"https?://|url\(|@import|fetch|XMLHttp|innerHTML|eval", written) == []
        assert "</" not in written
