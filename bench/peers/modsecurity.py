"""libmodsecurity 3 in this process, through ctypes: requests per CPU second with our rules in SecLang.

Usage: PYTHONPATH=bench python -m peers.modsecurity RULES_DIR [--rules 0,1000,5000] [--requests 300] [--json OUT]
"""

import argparse
import ctypes
import re
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from multiply import multiply
from peers.agreement import compare, reference_hits, told_agreement
from peers.seclang import Converted, convert, rule_of
from report import write_report
from ruleforge.app.rules import load_rules
from ruleforge.events.request import Request
from traffic import stratum

LIBRARY = "libmodsecurity.so.3"
_ID = re.compile(rb'\[id "(\d{1,9})"\]')
_LOG = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class MissingError(Exception):
    """The library is not installed."""


class Measured(msgspec.Struct, frozen=True):
    """One pass over the requests."""

    seconds: float  # of CPU, of the engine's calls
    pairs: frozenset[tuple[int, int]]  # (request, rule) that held


class ModSecurity:
    """A rule set of libmodsecurity. Not for threads: hits come through one log callback."""

    def __init__(self, text: str) -> None:
        self._api = _load()
        self._hits: list[bytes] = []
        self._callback = _LOG(self._logged)
        self._engine = self._api.msc_init()
        self._api.msc_set_log_cb(self._engine, self._callback)
        self._rules = self._api.msc_create_rules_set()
        problem = ctypes.c_char_p()
        if self._api.msc_rules_add(self._rules, text.encode(), ctypes.byref(problem)) < 0:
            raise ValueError((problem.value or b"").decode("utf-8", "replace")[:500])

    def _logged(self, _data: int | None, message: int) -> None:
        self._hits.append(ctypes.string_at(message))

    @property
    def version(self) -> str:
        """What the library calls itself."""
        return str(self._api.msc_who_am_i(self._engine), "utf-8", "replace")

    def ask(self, request: Request) -> list[bytes]:
        """Run one transaction; return the log lines of the rules that held."""
        api, self._hits = self._api, []
        transaction = api.msc_new_transaction(self._engine, self._rules, None)
        try:
            api.msc_process_connection(transaction, b"192.0.2.1", 40000, b"192.0.2.2", 80)
            version = request.version.rpartition(b"/")[2] or b"1.1"
            api.msc_process_uri(transaction, request.target, request.method, version)
            for name, value in request.headers:
                api.msc_add_n_request_header(transaction, name, len(name), value, len(value))
            api.msc_process_request_headers(transaction)
            if request.body:
                api.msc_append_request_body(transaction, request.body, len(request.body))
            api.msc_process_request_body(transaction)
        finally:
            api.msc_transaction_cleanup(transaction)
        return self._hits


def measure(engine: ModSecurity, requests: Sequence[Request]) -> Measured:
    """Ask about every request once."""
    lines: list[list[bytes]] = []
    started = time.process_time()
    for request in requests:
        lines.append(engine.ask(request))  # noqa: PERF401 - what is timed
    seconds = time.process_time() - started
    pairs = set()
    for row, logged in enumerate(lines):
        for line in logged:
            found = _ID.search(line)
            rule = rule_of(int(found[1])) if found else None
            if rule is not None:
                pairs.add((row, rule))
    return Measured(seconds, frozenset(pairs))


def _load() -> ctypes.CDLL:
    try:
        api = ctypes.CDLL(LIBRARY)
    except OSError as problem:
        raise MissingError(f"{LIBRARY} is not installed ({problem})") from None
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in (
        ("msc_init", pointer, ()),
        ("msc_who_am_i", text, (pointer,)),
        ("msc_set_log_cb", None, (pointer, _LOG)),
        ("msc_create_rules_set", pointer, ()),
        ("msc_rules_add", ctypes.c_int, (pointer, text, ctypes.POINTER(text))),
        ("msc_new_transaction", pointer, (pointer, pointer, pointer)),
        ("msc_process_connection", ctypes.c_int, (pointer, text, ctypes.c_int, text, ctypes.c_int)),
        ("msc_process_uri", ctypes.c_int, (pointer, text, text, text)),
        ("msc_add_n_request_header", ctypes.c_int, (pointer, text, size, text, size)),
        ("msc_process_request_headers", ctypes.c_int, (pointer,)),
        ("msc_append_request_body", ctypes.c_int, (pointer, text, size)),
        ("msc_process_request_body", ctypes.c_int, (pointer,)),
        ("msc_transaction_cleanup", None, (pointer,)),
    ):
        function = getattr(api, name)
        function.restype, function.argtypes = result, arguments
    return api


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules_dir", type=Path)
    parser.add_argument("--rules", default="0,1000,5000")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--exploits", type=int, default=400)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    forged = load_rules(options.rules_dir).rules
    requests, exploits = stratum("mixed", options.requests), stratum("exploits", options.exploits)
    found: dict[str, object] = {"modsecurity_requests": len(requests), "modsecurity_exploit_requests": len(exploits)}
    for count in map(int, options.rules.split(",")):
        rules = multiply(forged, count) if count else ()
        converted = convert(rules)
        started = time.process_time()
        try:
            engine = ModSecurity(converted.text)
        except MissingError as reason:
            write_report(options.json, {"modsecurity_skipped": str(reason)})
            return 0
        loading = time.process_time() - started
        best = min((measure(engine, requests) for _ in range(2)), key=lambda run: run.seconds)
        found["modsecurity_version"] = engine.version
        found[f"modsecurity_{count}_rps"] = round(len(requests) / best.seconds, 1)
        found[f"modsecurity_{count}_load_ms"] = round(loading * 1e3)
        if count:
            found |= _told(f"modsecurity_{count}", converted)
            for name, asked, pairs in (
                ("sample", requests, best.pairs),
                ("exploits", exploits, measure(engine, exploits).pairs),
            ):
                truth = reference_hits(rules, asked, converted.rules)
                found |= told_agreement(f"modsecurity_{count}_{name}", compare(truth, pairs))
    write_report(options.json, found)
    return 0


def _told(prefix: str, converted: Converted) -> dict[str, object]:
    return {
        f"{prefix}_converted_rules": len(converted.rules),
        f"{prefix}_secrules": converted.secrules,
        f"{prefix}_refused": dict(converted.refused.most_common()),
        f"{prefix}_inexact": dict(converted.inexact.most_common()),
    }


if __name__ == "__main__":
    raise SystemExit(main())
