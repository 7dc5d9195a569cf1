"""A download is whole or refused: faults of servers, redirects, bounds, and addresses that are not asked."""

import hashlib
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ruleforge.errors import OutsideError, UsageError
from ruleforge.store.download import REDIRECTS_MOST, download

FRUIT = b"apple,pear\n" * 1_000


def fetch(url: str, folder: Path, *, most: int = 1 << 20, seconds: float = 20.0) -> Any:
    return download(url, folder / "fetched", bytes_most=most, seconds_most=seconds)


def code_of(url: str, folder: Path, **bounds: Any) -> str:
    with pytest.raises(OutsideError) as found:
        fetch(url, folder, **bounds)
    assert found.value.where.startswith("https://")
    assert found.value.hint
    return f"{found.value.code} {found.value.what}"


def test_a_file_comes_whole_with_its_digest(loopback: Any, tmp_path: Path) -> None:
    loopback.routes["/fruit.csv"] = FRUIT
    got = fetch(f"{loopback.url}/fruit.csv", tmp_path)
    assert (tmp_path / "fetched").read_bytes() == FRUIT
    assert (got.sha256, got.bytes) == (hashlib.sha256(FRUIT).hexdigest(), len(FRUIT))


def test_chunks_are_put_together(loopback: Any, tmp_path: Path) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\napple\r\n4\r\npear\r\n0\r\n\r\n")

    loopback.routes["/"] = chunked
    fetch(loopback.url, tmp_path)
    assert (tmp_path / "fetched").read_bytes() == b"applepear"


def test_redirects_within_https_are_followed(loopback: Any, tmp_path: Path) -> None:
    loopback.routes |= {"/a": loopback.redirect("/b"), "/b": loopback.redirect(f"{loopback.url}/c"), "/c": b"pear"}
    assert fetch(f"{loopback.url}/a", tmp_path).url == f"{loopback.url}/c"


@pytest.mark.parametrize(
    "target", ["http://localhost/x", "file:///etc/hostname", "ftp://localhost/x", "https://u:p@localhost/"]
)
def test_a_redirect_that_leaves_https_is_refused(loopback: Any, tmp_path: Path, target: str) -> None:
    loopback.routes["/"] = loopback.redirect(target)
    assert code_of(loopback.url, tmp_path).startswith(f"RF521 it redirects to {target!r}")


def test_redirects_without_end_are_refused(loopback: Any, tmp_path: Path) -> None:
    loopback.routes["/"] = loopback.redirect("/")
    assert code_of(f"{loopback.url}/", tmp_path) == f"RF521 more than {REDIRECTS_MOST} redirects"


def test_an_answer_that_is_no_success_is_told(loopback: Any, tmp_path: Path) -> None:
    assert code_of(f"{loopback.url}/nothing", tmp_path) == "RF520 the server answers 404 Not Found"


def test_an_answer_that_is_cut_off_is_told(loopback: Any, tmp_path: Path) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(FRUIT)))
        handler.end_headers()
        handler.wfile.write(FRUIT[:500])

    loopback.routes["/"] = cut
    assert code_of(loopback.url, tmp_path) == f"RF520 cut off after 500 of {len(FRUIT):,} bytes"


def test_chunks_that_are_cut_off_are_told(loopback: Any, tmp_path: Path) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\napple\r\n40\r\npear")
        handler.close_connection = True

    loopback.routes["/"] = cut
    assert code_of(loopback.url, tmp_path).startswith("RF520 cannot be fetched: the connection was cut off")


def test_an_answer_without_an_end_of_its_own_is_refused(loopback: Any, tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(FRUIT)

    loopback.routes["/"] = endless
    assert code_of(loopback.url, tmp_path) == "RF520 the server does not say where the answer ends"


def test_an_answer_that_is_too_large_is_not_taken(loopback: Any, tmp_path: Path) -> None:
    loopback.routes["/"] = FRUIT
    assert code_of(f"{loopback.url}/", tmp_path, most=5_000) == "RF522 more than 5,000 bytes"


@pytest.mark.parametrize("place", ["before the headers", "in the body"])
def test_a_server_that_dawdles_meets_the_deadline(loopback: Any, tmp_path: Path, place: str) -> None:
    done = threading.Event()

    def dawdle(handler: BaseHTTPRequestHandler) -> None:
        if place == "in the body":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"a")
        done.wait(20)

    loopback.routes["/"] = dawdle
    assert code_of(f"{loopback.url}/", tmp_path, seconds=0.5) == "RF522 not done within 0.5 seconds"
    done.set()


def test_a_server_that_is_not_there_is_told(tmp_path: Path, loopback: Any) -> None:
    assert code_of("https://localhost:1/x", tmp_path).startswith("RF520 cannot be fetched: ")


def test_a_certificate_that_is_not_trusted_is_refused(
    loopback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "none.pem"
    empty.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    assert "its certificate is not trusted" in code_of(loopback.url, tmp_path)


@pytest.mark.parametrize(
    "url",
    ["http://fruit.example/x", "file:///etc/hostname", "https://", "https://user@fruit.example/", "fruit.example",
     "https://fruit.example/a b", "https://fruit.example/\r\nX: y", "https://[fruit", "https://fruit.example:port/"],
)  # fmt: skip
def test_only_plain_https_addresses_are_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as found:
        fetch(url, tmp_path)
    assert found.value.code == "RF131"


def test_a_proxy_of_the_environment_is_used_and_sees_no_content(
    loopback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.routes["/fruit.csv"] = FRUIT
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://localhost:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        thread = threading.Thread(target=tunnel, args=(proxy, loopback.server.server_port, asked))
        thread.start()
        fetch(f"{loopback.url}/fruit.csv", tmp_path)
        thread.join()
    assert (tmp_path / "fetched").read_bytes() == FRUIT
    assert asked[0].startswith(b"CONNECT localhost:")
    assert b"fruit" not in b"".join(asked)


def tunnel(proxy: socket.socket, port: int, asked: list[bytes]) -> None:
    """Accept one connection, answer its CONNECT, and carry bytes both ways until one side ends."""
    near, _ = proxy.accept()
    with near, socket.create_connection(("127.0.0.1", port)) as far:
        asked.append(near.recv(4096))
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            for ready in select.select([near, far], [], [], 20)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (far if ready is near else near).sendall(data)
                if ready is near:
                    asked.append(data)


def test_no_network_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", fail)
    assert code_of("https://fruit.example/x", tmp_path) == "RF520 cannot be fetched: Network is unreachable"
