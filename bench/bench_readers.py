"""How fast each format of logs becomes Arrow batches, in lines per second of CPU time on one core.

Usage: python bench/bench_readers.py [--lines N] [--json FILE] [--file LOG [--format NAME]] [FORMAT ...]
The lines are made here, with a fixed seed: a shop's browsers, clients and probes. `--file` reads a log of yours.
"""

import argparse
import io
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc, parquet

from ruleforge.errors import InputError
from ruleforge.events.formats import FORMATS, Format, format_from_string, read_batches
from ruleforge.events.formats.batches import in_batches

LINES = 200_000
REPEAT = 3
BUDGET_COMBINED_LPS = 700_000  # a quiet core does more; a shared one must still do this
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "client/2.31",
    "probe/1.0 (+https://probe.example/about)",
)
PAGES = ("/", "/shop/catalogue/item", "/assets/site.css", "/api/v1/orders", "/login", "/search", "/cgi-bin/status")
NGINX = (
    '$remote_addr|$time_iso8601|$request_method|$request_uri|$server_protocol|$status|"$http_host"|"$http_user_agent"'
)


class Visit:
    """One request of the made-up traffic."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self.address = f"198.51.100.{chance.randrange(256)}"
        self.second = number // 50 % 86_400
        self.method = chance.choice(("GET",) * 9 + ("POST",))
        self.query = chance.choice(("", "", f"id={number}&ref=home", f"q=%27{number}+or+1%3D1--&page=2"))
        self.page = chance.choice(PAGES)
        self.target = self.page + ("?" + self.query if self.query else "")
        self.status = chance.choice((200, 200, 200, 304, 404, 302))
        self.size = chance.randrange(60_000)
        self.referer = chance.choice(("-", "https://shop.example/shop/catalogue?page=3"))
        self.agent = chance.choice(AGENTS)
        clock = f"{self.second // 3600:02}:{self.second // 60 % 60:02}:{self.second % 60:02}"
        self.clf = f"10/Oct/2099:{clock} +0000"
        self.clock, self.iso = clock, f"2099-10-10T{clock}Z"


def combined(one: Visit) -> str:
    line = f'{one.method} {one.target} HTTP/1.1" {one.status} {one.size}'
    return f'{one.address} - - [{one.clf}] "{line} "{one.referer}" "{one.agent}"'


def common(one: Visit) -> str:
    return f'{one.address} - - [{one.clf}] "{one.method} {one.target} HTTP/1.1" {one.status} {one.size}'


def nginx(one: Visit) -> str:
    parts = (one.address, one.iso, one.method, one.target, "HTTP/1.1", str(one.status), '"shop.example"')
    return "|".join((*parts, f'"{one.agent}"'))


def jsonl(one: Visit) -> str:
    headers = [["Host", "shop.example"], ["User-Agent", one.agent], ["Accept", "*/*"]]
    row = {"method": one.method, "target": one.target, "version": "HTTP/1.1", "headers": headers, "body": ""}
    return json.dumps(row | {"src_ip": one.address, "ts": one.iso, "status": one.status})


def json_log(one: Visit) -> str:
    row = {"time_iso8601": one.iso, "remote_addr": one.address, "request_method": one.method}
    row |= {"request_uri": one.target, "server_protocol": "HTTP/1.1", "status": str(one.status)}
    return json.dumps(row | {"http_user_agent": one.agent, "http_referer": one.referer})


def alb(one: Visit) -> str:
    first = f"https {one.iso} app/shop/50dc6c495c0c9188 {one.address}:2817 192.0.2.9:80 0.086 0.048 0.037"
    request = f'"{one.method} https://shop.example:443{one.target} HTTP/1.1" "{one.agent}"'
    return f'{first} {one.status} {one.status} 0 {one.size} {request} ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 - "Root=1"'


def waf(one: Visit) -> str:
    headers = [{"name": "Host", "value": "shop.example"}, {"name": "User-Agent", "value": one.agent}]
    sent = {"clientIp": one.address, "headers": headers, "uri": one.page, "args": one.query}
    sent |= {"httpVersion": "HTTP/1.1", "httpMethod": one.method}
    return json.dumps({"timestamp": 4_095_000_000_000 + one.second, "webaclId": "x", "httpRequest": sent})


def w3c(one: Visit) -> str:
    agent = one.agent.replace(" ", "+")
    query = one.query or "-"
    return f"2099-10-10 {one.clock} {one.method} {one.page} {query} 443 {one.address} {agent} - {one.status} 5"


def zeek(one: Visit) -> str:
    row = ("4095000000.25", "C1", one.address, "4100", one.method, "shop.example", one.target, "-", "1.1", one.agent)
    return "\t".join((*row, str(one.status)))


HEADS = {
    "w3c": "#Fields: date time cs-method cs-uri-stem cs-uri-query s-port c-ip cs(User-Agent) cs(Referer) sc-status "
    "time-taken\n",
    "zeek": "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tmethod\thost\turi\treferrer\tversion\tuser_agent"
    "\tstatus_code\n",
}
WRITERS: dict[str, Callable[[Visit], str]] = {
    "combined_log": combined,
    "common_log": common,
    "log_format": nginx,
    "jsonl": jsonl,
    "json_log": json_log,
    "alb": alb,
    "waf": waf,
    "w3c": w3c,
    "zeek": zeek,
}


def made(name: str, count: int) -> bytes:
    """A file of `count` lines of a format."""
    chance = random.Random(2099)
    lines = [WRITERS[name](Visit(chance, number)) for number in range(count)]
    return (HEADS.get(name, "") + "\n".join(lines) + "\n").encode()


def escaped(data: bytes) -> bytes:
    """The same lines, every tenth with an escaped quote, which the fast way leaves to the slow one."""
    lines = data.split(b"\n")
    lines[::10] = [line.replace(b"GET /", rb"GET /\x22", 1) for line in lines[::10]]
    return b"\n".join(lines)


def tables(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The same requests as Parquet and as an Arrow file."""
    batches = [item for item in read_batches(io.BytesIO(data)) if not isinstance(item, InputError)]
    table, sink = pa.Table.from_batches(batches), io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    yield "parquet", sink.getvalue()
    sink = io.BytesIO()
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    yield "arrow", sink.getvalue()


def measured(data: bytes, form: Format | str | None) -> tuple[float, int]:
    """Lines per second of CPU time, best of several, and how many requests were found."""
    best, count = float("inf"), 0
    for _ in range(REPEAT):
        started = time.process_time()
        count = sum(getattr(batch, "num_rows", 0) for batch in read_batches(io.BytesIO(data), form))
        best = min(best, time.process_time() - started)
    return count / best, count


def one_by_one(form: Format) -> Format:
    """The same format without its fast way."""
    return Format(form.name, form.meaning, form.read, lambda *given: in_batches(form.read(*given[:3]), given[3]))


def runs(count: int, only: list[str]) -> Iterator[tuple[str, bytes, Format | str | None]]:
    """Name, file and format of each measurement."""
    for name in WRITERS:
        if not only or name in only:
            form = format_from_string(NGINX) if name == "log_format" else None
            few = count if form or name in ("combined_log", "common_log") else count // 4
            yield name, made(name, few), form
    data = made("combined_log", count // 4)
    if not only or "combined_log" in only:
        yield "combined_log_one_by_one", data, one_by_one(FORMATS["combined"])
        yield "combined_log_tenth_escaped", escaped(made("combined_log", count)), None
    for name, text in tables(data):
        if not only or name in only:
            yield name, text, name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", help="only these")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--format")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    if options.file:
        data = options.file.read_bytes()
        todo: Iterator[tuple[str, bytes, Format | str | None]] = iter([("file", data, options.format)])
    else:
        todo = runs(options.lines, options.formats)
    for name, data, form in todo:
        speed, count = measured(data, form)
        figures[f"{name}_lps"] = round(speed)
        size = len(data) / max(count, 1)
        print(f"readers.{name}_lps {speed:.0f} lines/s of CPU time (n = {count}, {size:.0f} B a line)")
    figures["readers_load"] = round(os.getloadavg()[0], 2)
    print(f"readers.load {figures['readers_load']}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if figures.get("combined_log_lps", BUDGET_COMBINED_LPS) < BUDGET_COMBINED_LPS:
        print(f"combined_log_lps is below its budget of {BUDGET_COMBINED_LPS}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
