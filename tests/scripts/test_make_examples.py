"""The sample traffic is what its script makes, and is what examples/README.md says of it."""

import json
import re
import subprocess
import sys
from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from ruleforge.errors import InputError
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisories
from ruleforge.records.advisory import Advisory

ROOT = Path(__file__).resolve().parents[2]
COMBINED = re.compile(r'\S+ - - \[[^\]]+\] "[A-Z]+ \S+ HTTP/1\.1" \d{3} \d+ "[^"]*" "[^"]*"')
DOCUMENTATION = [ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "examples" / name).read_text("utf-8").splitlines()]


def test_the_files_are_what_the_script_makes() -> None:
    script = ROOT / "scripts" / "make_examples.py"
    checked = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_shop_holds_labelled_attacks_among_ordinary_requests() -> None:
    labels = Counter(row["label"] for row in rows("traffic/shop.jsonl"))
    assert labels["benign"] >= 400
    assert labels["attack"] >= 30
    assert set(labels) == {"benign", "attack"}


def test_every_attack_names_a_vulnerability_that_has_a_template() -> None:
    known = {file.read_text("utf-8").split("\n", 1)[0] for file in (ROOT / "examples/templates").rglob("*.yaml")}
    attacked = {f"id: {row['cve']}" for row in rows("traffic/shop.jsonl") if row["label"] == "attack"}
    assert len(attacked) >= 25
    assert attacked <= known


def test_no_attack_is_the_request_of_its_template() -> None:
    templates = "\n".join(file.read_text("utf-8") for file in (ROOT / "examples/templates").rglob("*.yaml"))
    attacks = [row for row in rows("traffic/shop.jsonl") if row["label"] == "attack" and row["method"] == "GET"]
    copied = [row["target"] for row in attacks if f"{row['target']}\n" in templates or f'{row["target"]}"' in templates]
    plain = {"/gw-admin/api/accounts", "/", "/cgi-bin/stats.pl"}  # these attacks are in a header
    assert [target for target in copied if target not in plain] == []


def test_the_benign_sample_holds_no_attack() -> None:
    sample = rows("benign/sample.jsonl")
    assert len(sample) >= 600
    assert {row["label"] for row in sample} == {"benign"}


def test_addresses_and_hosts_belong_to_nobody() -> None:
    for row in rows("traffic/shop.jsonl") + rows("benign/sample.jsonl"):
        assert any(ip_address(row["src_ip"]) in network for network in DOCUMENTATION)
        assert dict(row["headers"])["Host"].endswith(".example")


def test_the_access_log_has_300_lines() -> None:
    lines = (ROOT / "examples/traffic/access.log").read_text("utf-8").splitlines()
    assert len(lines) == 300
    assert [line for line in lines if not COMBINED.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("name", "count"), [("traffic/shop.jsonl", 485), ("traffic/access.log", 300), ("benign/sample.jsonl", 600)]
)
def test_every_row_can_be_read(name: str, count: int) -> None:
    read = list(read_requests(ROOT / "examples" / name))
    assert [row for row in read if not isinstance(row, Request)] == []
    assert len(read) == count


def test_every_template_but_the_broken_one_can_be_read() -> None:
    read = list(read_advisories([ROOT / "examples" / "templates"]))
    assert len([each for each in read if isinstance(each, Advisory)]) >= 34
    assert [str(each.where).rpartition("/")[2] for each in read if isinstance(each, InputError)] == [
        "broken-indentation.yaml"
    ]
