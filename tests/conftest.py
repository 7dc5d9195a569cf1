"""What every test gets: no network, the development data or an honest skip, reproducible property tests."""

import ipaddress
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# No deadline anywhere: a busy machine must not decide whether a property holds.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def corpus_folder() -> Path:
    """Where the development data is expected: RULEFORGE_CORPUS, or `../shared/data` beside the checkout."""
    return Path(os.environ.get("RULEFORGE_CORPUS") or ROOT.parent / "shared" / "data")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("corpus") and not corpus_folder().is_dir():
        pytest.skip("needs the development data: put it at ../shared/data or set RULEFORGE_CORPUS")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of the development data; the test that asks for it is marked `corpus`."""
    folder = corpus_folder()
    if not folder.is_dir():
        pytest.skip("needs the development data: put it at ../shared/data or set RULEFORGE_CORPUS")
    return folder


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of our own sample templates and traffic."""
    return ROOT / "examples"


class NetworkBlockedError(RuntimeError):
    """A test tried to leave this machine."""


def stays_here(address: Any) -> bool:
    """Whether a socket address is loopback or a path of this machine; names other than localhost are not."""
    if isinstance(address, (str, bytes)):  # AF_UNIX
        return True
    host = address[0].decode("ascii", "replace") if isinstance(address[0], bytes) else str(address[0])
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


OPEN = {"allowed": False}  # one switch for the session: patching anew for each of thousands of tests would cost time


@pytest.fixture
def allow_network() -> Iterator[None]:
    """Let one test out; it says in its docstring why it must."""
    OPEN["allowed"] = True
    yield
    OPEN["allowed"] = False


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse connections and name look-ups that leave the machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", guarded_lookup(socket.getaddrinfo))
        yield


class Loopback:
    """A TLS server on this machine that answers as told; what is not told is 404."""

    def __init__(self) -> None:
        routes: dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]] = {}

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = routes.get(self.path)
                if callable(answer):
                    answer(self)
                    return
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """The other side left, which is what some tests are about."""

        self.routes = routes
        self.server = Server(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        self.url = f"https://localhost:{self.server.server_port}"

    @staticmethod
    def redirect(target: str) -> Callable[[BaseHTTPRequestHandler], None]:
        """An answer that sends elsewhere."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", target)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        return answer


CERTIFICATE = Path(__file__).parent / "loopback.pem"


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """A TLS server on this machine whose certificate is trusted for the length of the test."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    it = Loopback()
    thread = threading.Thread(target=it.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield it
    it.server.shutdown()
    it.server.server_close()
    thread.join()


def refuse(what: str) -> None:
    if not OPEN["allowed"]:
        raise NetworkBlockedError(f"a test tried to {what}; tests run without a network")


def guarded(method: Any) -> Any:
    def call(self: socket.socket, address: Any, *rest: Any) -> Any:
        if not stays_here(address):
            refuse(f"reach {address!r}")
        return method(self, address, *rest)

    return call


def guarded_lookup(lookup: Any) -> Any:
    def call(host: Any, *rest: Any, **named: Any) -> Any:
        if host is not None and not stays_here((host,)):
            refuse(f"look up {host!r}")
        return lookup(host, *rest, **named)

    return call


@pytest.fixture(scope="session")
def queue_of_two(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """A folder of rules with a queue about two of our examples: a rule is wanted for each, and is to be judged."""
    from ruleforge.app.tasks.adding import add_tasks

    rules = tmp_path_factory.mktemp("queue") / "rules"
    sources = [examples / "templates" / "invented" / name for name in QUEUED]
    add_tasks(rules, sources, roles=("generate", "judge", "review_help"), jobs=1)
    return rules


QUEUED = ("larkspur-media-traversal.yaml", "pennywhistle-search-xss.yaml")


@pytest.fixture
def queue(queue_of_two: Path, tmp_path: Path) -> Path:
    """The same, for one test to work on."""
    return Path(shutil.copytree(queue_of_two, tmp_path / "rules"))
