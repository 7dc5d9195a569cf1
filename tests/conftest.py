"""What every test gets: no network, the development data or an honest skip, reproducible property tests."""

import ipaddress
import os
import socket
from collections.abc import Iterator
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
