"""The fake is served for as long as the caller waits."""

import socket

import pytest

from ruleforge.app.fake_llm import parse_faults, serve_fake_llm
from ruleforge.errors import OutsideError, UsageError


def test_faults_are_read_in_order() -> None:
    assert parse_faults(" 429, cut,,500") == ("429", "cut", "500")
    with pytest.raises(UsageError, match="RF187"):
        parse_faults("429,tired")


def test_the_address_is_told_once_it_answers() -> None:
    told: list[str] = []

    def connect() -> None:
        with socket.create_connection(("127.0.0.1", int(told[0].rsplit(":", 1)[1])), timeout=5):
            pass

    assert serve_fake_llm(0, (), told.append, connect) == 0


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        with pytest.raises(OutsideError, match="RF553"):
            serve_fake_llm(taken.getsockname()[1], (), print, print)
