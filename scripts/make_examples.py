"""Write the sample traffic under examples/: the same bytes on every machine and every run.

`python scripts/make_examples.py` writes, `--check` fails when the files on disk are not what this script makes.
"""

import argparse
import base64
import json
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, urlencode

from example_attacks import ATTACKS, Attack

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
START = datetime(2026, 1, 12, 7, 30, tzinfo=UTC)
Row = dict[str, Any]
T = TypeVar("T")

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
TOOLS = ("fernleigh-app/3.2", "python-requests/2.32", "Java/17.0.9", "curl/8.5.0")
TOPICS = ("gardens", "maps", "kites", "clockwork", "tea", "lighthouses", "fungi", "canal boats")
# What people really type: apostrophes, words of SQL and shell, mark-up, arithmetic, file names.
SEARCHES = (
    "o'reilly",
    "children's books",
    "union jack select edition",
    "select from our drop table lamps",
    "rock 'n' roll -- live",
    "<b>bold</b> fonts",
    "a < b && c > d",
    "c:\\ drive; rename",
    'who said "et tu, brute?"',
    "50% off or 1=1 deal",
    "../ relative paths explained",
    "how to cat /etc/fstab",
    "script writing for beginners",
    "${price} placeholders",
    "java runtime exec book",
    "bash | pipes & filters",
    "alert(ness) training",
    "order by name",
    "naïve café",
    "log4j 2.17 upgrade guide",
)
NOTES = (
    "It's <em>lovely</em>; arrived on Tuesday & works.",
    "Select a date; drop it off; then we're done -- thanks!",
    "Steps: 1) run `make install`; 2) cat the log | less",
    "Price > 20 and < 30, don't order by phone.",
    "See ../assembly/page-3 in the manual (wget it from our site).",
    "<p>Our template says {{ name }}, please use the real one.</p>",
)
FILES = (
    ("harbour.png", "image/png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10"),
    ("invoice 2026-01.pdf", "application/pdf", b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n"),
    ("notes.txt", "text/plain", b"how we call php from a template: see handbook.php, page 3\n"),
)


class Dice:
    """Chances built on `random()` alone: the one method whose sequence Python promises to keep between versions."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random

    def randint(self, least: int, most: int) -> int:
        return least + int(self.random() * (most - least + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.randint(0, len(options) - 1)]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One option, as often as its weight says."""
        left = self.random() * sum(weight for _, weight in options)
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][0]

    def randbytes(self, length: int) -> bytes:
        return bytes(self.randint(0, 255) for _ in range(length))


class Site:
    """Ordinary visitors of the invented products; each method makes one request."""

    def __init__(self, seed: int, host: str) -> None:
        self.random = Dice(seed)
        self.host = host

    def row(self, method: str, target: str, body: str | bytes = "", kind: str = "", *, agent: str = "") -> Row:
        """Put one request into the schema of examples/README.md; the caller's client decides the headers."""
        headers = [["Host", self.host], ["User-Agent", agent or self.random.choice(AGENTS)]]
        if not agent:
            headers += [["Accept", "text/html,*/*;q=0.8"], ["Accept-Language", "en-GB,en;q=0.7"]]
            headers.append(["Cookie", f"lk_session={self.random.randbytes(12).hex()}; theme=sea"])
        return filled(method, target, headers, body, kind)

    def number(self, most: int) -> int:
        return self.random.randint(1, most)

    def page(self) -> Row:
        name = self.random.choice(TOPICS)
        return self.row(
            "GET",
            self.random.choice(
                (
                    "/",
                    f"/shop/{quote(name)}/",
                    f"/shop/item/{self.number(900)}?ref={quote_plus(name)}",
                    f"/blog/2026/01/{quote(name)}-and-us.html",
                    f"/whistle/thread/{self.number(4000)}?page={self.number(9)}#latest".partition("#")[0],
                    "/desk/overview",
                    "/ferry/status",
                    "/quay/public/index.jsf;jsessionid=0A1B2C",
                    "/cgi-bin/status",
                    f"/wiki/display/HELP/{quote_plus(name)}",
                    "/vpn/index.html",
                    "/plugins/lk-gallery/readme.txt",
                )
            ),
        )

    def asset(self) -> Row:
        size = self.random.choice(("s", "m", "l"))
        return self.row(
            "GET",
            self.random.choice(
                (
                    f"/lk-media/thumbs/{size}/{self.number(900)}.webp",
                    f"/lk-media/thumbs/2026/photo%20{self.number(90)}.jpg?v=3",
                    f"/static/app.{self.random.randbytes(4).hex()}.js",
                    "/static/fonts/../css/print.css",
                    "/icons/folder.gif",
                    "/favicon.ico",
                )
            ),
        )

    def search(self) -> Row:
        words = self.random.choice(SEARCHES)
        spelled = quote_plus(words) if self.random.random() < 0.7 else quote(words)
        return self.row(
            "GET",
            self.random.choice(
                (
                    f"/search?q={spelled}&page={self.number(4)}",
                    f"/whistle/board_search.php?scope=all&term={spelled}",
                    f"/api/v1/suggest?limit=8&text={spelled}",
                )
            ),
        )

    def listing(self) -> Row:
        order = self.random.choice(("name", "price", "newest"))
        return self.row("GET", f"/plugins/lk-catalogue/filter.php?order={order}&cat_id={self.number(60)}")

    def widget(self) -> Row:
        return self.row(
            "GET",
            self.random.choice(
                (
                    f"/lantern/widgets/feed_proxy?feed_url=https%3A%2F%2Fnews.example%2Frss%2F{self.number(20)}&max=5",
                    "/lantern/widgets/feed_proxy?feed_url=https://weather.example/harbour.xml&max=3",
                    "/lantern/report/export.pdf?period=month&style=print.css",
                    f"/lk-leave.php?destination=https%3A%2F%2Fpublisher{self.number(9)}.example%2Fcatalogue",
                    "/lk-leave.php?quiet=1&destination=/shop/basket",
                )
            ),
        )

    def form(self) -> Row:
        mail = f"reader{self.number(999)}@mail.example"
        target, fields = self.random.choice(
            (
                ("/session", {"account": mail, "passphrase": f"Tide&Tin'{self.number(999)}"}),
                ("/desk/login", {"username": mail, "password": f"sail-{self.number(9999)}"}),
                (
                    "/desk/guest/ticket_lookup",
                    {"email": mail, "ticket_no": str(1000 + self.number(999)), "go": "Look up"},
                ),
                (
                    "/plugins/lk-members/signup.php",
                    {"display": "Jo O'Hara", "mail": mail, "secret": "x9!k", "agree": "on"},
                ),
                ("/drafts/render_preview", {"layout": "plain", "greeting": f"Dear reader {self.number(50)},"}),
                (
                    "/settings/filters/try_out",
                    {"form_token": "9f3e21", "program": "spamcheck", "arguments": "--quick -v"},
                ),
                ("/whistle/avatar/resize", {"user": str(self.number(900)), "geometry": "64x64"}),
                ("/whistle/reply", {"thread": str(self.number(900)), "text": self.random.choice(NOTES)}),
                ("/granite/TransferServlet", {"action": "resume", "state": f"step-{self.number(9)}"}),
                ("/account/save", {"name": "Jo", "class": "economy", "module": "main"}),
            )
        )
        return self.row("POST", target, urlencode(fields), "application/x-www-form-urlencoded")

    def api(self) -> Row:
        method, target, data = self.random.choice(
            (
                (
                    "POST",
                    "/api/v1/orders",
                    {"item": self.number(900), "note": self.random.choice(NOTES), "gift": False},
                ),
                ("PUT", f"/api/v1/orders/{self.number(900)}", {"state": "packed", "weights": [0.4, 1, 2.25]}),
                ("POST", "/rpc/v2/diagnose", {"tool": "ping", "count": 3, "target": f"192.0.2.{self.number(250)}"}),
                ("PUT", "/ferry/admin/routes/restore", {"route": "daily", "when": "weekday < 6"}),
                ("POST", "/api/v1/articles", {"title": "Pipes | and &&", "html": self.random.choice(NOTES)}),
                ("PATCH", "/api/v1/profile", {"avatar": base64.b64encode(self.random.randbytes(90)).decode()}),
                ("POST", "/mgmt/tm/ltm/pool", {"name": f"pool_{self.number(40)}", "members": ["10.0.0.7:80"]}),
            )
        )
        return self.row(method, target, json.dumps(data), "application/json", agent=self.random.choice(TOOLS))

    def call(self) -> Row:
        target = self.random.choice(
            (
                f"/api/v1/items?page={self.number(40)}&fields=id,name&sort=-price",
                "/api/version",
                f"/cgi/nas_fetch.cgi?volume=main&item=photos/2025/pic{self.number(99)}.jpg",
                f"/cgi/snap_create.cgi?vol=main&label=daily-{self.number(31)}",
                "/gw-admin/api/accounts",
                f"/api/v1/events?since=2026-01-0{self.number(9)}T00:00:00Z",
            )
        )
        return self.row("GET", target, agent=self.random.choice(TOOLS))

    def upload(self) -> Row:
        name, kind, data = self.random.choice(FILES)
        boundary = f"----lk{self.random.randbytes(6).hex()}"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="box"\r\n\r\npublic\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="parcel"; filename="{name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        body = head.encode() + data + self.random.randbytes(48) + f"\r\n--{boundary}--\r\n".encode()
        return self.row("POST", "/stow/dropbox/receive.php", body, f"multipart/form-data; boundary={boundary}")

    def soap(self) -> Row:
        body = (
            '<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
            f"<deliver><ref>P-{self.number(9999)}</ref><note>Smith &amp; Sons</note></deliver>"
            "</soap:Body></soap:Envelope>"
        )
        return self.row("POST", "/ferry/services/IntakePort", body, "text/xml; charset=utf-8", agent="Java/17.0.9")

    def ordinary(self) -> Row:
        """One request, with the shares of a small site."""
        kinds: tuple[tuple[Callable[[], Row], int], ...] = (
            (self.page, 22),
            (self.asset, 18),
            (self.search, 16),
            (self.listing, 6),
            (self.widget, 6),
            (self.form, 12),
            (self.api, 9),
            (self.call, 7),
            (self.upload, 3),
            (self.soap, 1),
        )
        return self.random.weighted(kinds)() | {"label": "benign", "cve": ""}

    def hostile(self, attack: Attack) -> Row:
        """One attack, sent by an ordinary-looking client."""
        names = {name.lower() for name, _ in attack.headers}
        headers = [["Host", self.host]] + [[name, value] for name, value in attack.headers]
        if "user-agent" not in names:
            headers.insert(1, ["User-Agent", self.random.choice(AGENTS + TOOLS)])
        made = filled(attack.method, attack.target, headers, attack.body, "")
        return made | {"label": "attack", "cve": attack.cve}


def filled(method: str, target: str, headers: list[list[str]], body: str | bytes, kind: str) -> Row:
    data = body if isinstance(body, bytes) else body.encode()
    headers = headers + ([["Content-Type", kind]] if kind else [])
    if data:
        headers.append(["Content-Length", str(len(data))])
    text = base64.b64encode(data).decode() if isinstance(body, bytes) else body
    return {"method": method, "target": target, "headers": headers, "body": text, "body_b64": isinstance(body, bytes)}


def shop_rows(count: int = 440) -> list[Row]:
    """Ordinary traffic of one shop with every attack mixed in, in order of time."""
    site = Site(20260112, "shop.fernleigh.example")
    rows = [site.ordinary() for _ in range(count)]
    for attack in ATTACKS:
        rows.insert(site.random.randint(0, len(rows)), site.hostile(attack))
    return stamped("shop", rows, site.random)


def benign_rows(count: int = 600) -> list[Row]:
    """Ordinary traffic of another site, for validation: nothing in it is an attack."""
    site = Site(77, "www.saltmarsh.example")
    return stamped("benign", [site.ordinary() for _ in range(count)], site.random)


def stamped(source: str, rows: list[Row], chance: Dice) -> list[Row]:
    """Give each row an id, an address of the documentation ranges, a time and a status."""
    clock = START
    made = []
    for number, row in enumerate(rows, 1):
        clock += timedelta(seconds=chance.randint(1, 40))
        network = chance.choice(("192.0.2", "198.51.100", "203.0.113"))
        made.append(
            {"id": f"{source}-{number:04d}", "source": f"examples/{source}"}
            | row
            | {
                "src_ip": f"{network}.{chance.randint(1, 250)}",
                "ts": clock.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "status": chance.weighted(((200, 90), (302, 5), (404, 4), (500, 1))),
            }
        )
    return made


def combined(rows: list[Row]) -> list[str]:
    """The rows as lines of an access log: no bodies, and of the headers only Referer and User-Agent."""
    lines = []
    for row in rows:
        headers = {name.lower(): value for name, value in row["headers"]}
        time = (
            datetime.strptime(row["ts"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        )
        agent, referer = headers.get("user-agent", "-"), headers.get("referer", "-")
        request = f"{row['method']} {row['target']} HTTP/1.1".replace('"', '\\"')
        size = 200 + len(row["target"]) * 37
        lines.append(f'{row["src_ip"]} - - [{time}] "{request}" {row["status"]} {size} "{referer}" "{agent}"')
    return lines


def log_rows(count: int = 271) -> list[Row]:
    """Another day of the shop, as its web server logged it; only attacks that a log can show, and a few it cannot."""
    site = Site(4, "shop.fernleigh.example")
    rows = [site.ordinary() for _ in range(count)]
    shown = [attack for attack in ATTACKS if attack.method == "GET"][:24] + [a for a in ATTACKS if a.body][:6]
    for attack in shown:
        rows.insert(site.random.randint(0, len(rows)), site.hostile(attack))
    return stamped("log", rows, site.random)


def contents() -> dict[str, str]:
    """Every file this script owns, by its path under examples/."""

    def jsonl(rows: list[Row]) -> str:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    return {
        "traffic/shop.jsonl": jsonl(shop_rows()),
        "traffic/access.log": "".join(line + "\n" for line in combined(log_rows())),
        "benign/sample.jsonl": jsonl(benign_rows()),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    check = parser.parse_args(argv).check
    stale = []
    for name, text in contents().items():
        file = EXAMPLES / name
        if check and (not file.exists() or file.read_bytes() != text.encode()):
            stale.append(name)
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
            print(f"{name}: {text.count(chr(10))} lines")
    if stale:
        print(f"not what the script makes: {', '.join(stale)}; run `make examples`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
