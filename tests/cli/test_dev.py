"""`dev fake-llm` serves until it is told to stop, and answers as it was told."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable

from click.testing import Result


def test_the_fake_answers_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "ruleforge.cli", "dev", "fake-llm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        body = json.dumps({"model": "fake", "messages": [{"role": "user", "content": "hello"}]}).encode()
        request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as reply:
            said = json.load(reply)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert said["choices"][0]["message"]["content"] == "null"
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_an_unknown_fault_is_told_with_those_that_are_known(run: Callable[..., Result]) -> None:
    result = run("dev", "fake-llm", "--faults", "429,tired")
    assert result.exit_code == 2
    assert "RF187" in result.stderr
    assert "garbled" in result.stderr
