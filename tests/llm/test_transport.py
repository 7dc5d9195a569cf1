"""One POST is bounded in seconds and bytes, whatever the other side does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ruleforge.errors import UsageError
from ruleforge.llm.provider import LostError
from ruleforge.llm.transport import REPLY_MOST, parse_endpoint, post

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes one request and does what it is told."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            try:
                answer(connection)
            except OSError:
                return  # the other side left, which is what some tests are about

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(timeout=10)


def drip(data: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(data)
            time.sleep(0.02)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drip(b"X"), id="a status line without end"),
        pytest.param(lambda it: (it.sendall(HEAD), drip(b"X-A: b\r\n")(it)), id="headers without end"),
        pytest.param(lambda it: (it.sendall(HEAD + b"Content-Length: 9999\r\n\r\n"), drip(b" ")(it)), id="a slow body"),
        pytest.param(lambda it: (it.sendall(HEAD + b"\r\n"), drip(b" ")(it)), id="a slow body without length"),
        pytest.param(lambda _it: time.sleep(0.5), id="nothing"),
    ],
)
def test_who_drips_is_cut_off(answer: Callable[[socket.socket], None]) -> None:
    with (
        serving(answer) as url,
        pytest.raises(LostError, match=r"RF551.*(not done within 0\.2 seconds|no whole answer)"),
    ):
        post(url, {}, b"{}", seconds_most=0.2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-pear\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 99_999 + b"\r\n\r\n",
        HEAD + b"Content-Length: 10\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        HEAD + b"Content-Length: 99999999\r\n\r\n" + b" " * (REPLY_MOST + 9),
    ],
)
def test_what_is_no_whole_answer_is_lost(data: bytes) -> None:
    with serving(lambda it: it.sendall(data)) as url, pytest.raises(LostError, match="RF551"):
        post(url, {}, b"{}", seconds_most=5)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    data = b"HTTP/1.1 302 Found\r\nLocation: https://pears.example/\r\nContent-Length: 0\r\n\r\n"
    with serving(lambda it: it.sendall(data)) as url:
        reply = post(url, {"X-Key": "pear"}, b"{}", seconds_most=5)
    assert (reply.status, reply.headers["location"]) == (302, "https://pears.example/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pears.example",
        "ftp://pears.example/",
        "http://",
        "http://a@pears.example/",
        "http://pears.example/?a=b",
        "http://pears.example/#a",
        "http://pears.example:pear/",
        "http://[::1/",
        "http://pears.example/a b",
        "http://pears.example/\n",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="RF185"):
        parse_endpoint(url)
