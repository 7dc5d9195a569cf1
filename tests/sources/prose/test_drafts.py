"""What a person wrote down becomes what would be sent to the target."""

from typing import Any

import pytest

from ruleforge.sources.found import FoundRequest
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.prose.drafts import Draft, Made, make_request, payload_classes
from ruleforge.sources.prose.placeholders import Filler


def make(url: str, **parts: Any) -> Made | str:
    standins = Standins()
    return make_request(Draft(method=parts.pop("method", "GET"), url=url, **parts), Filler((), standins), standins)


def found(url: str, **parts: Any) -> FoundRequest:
    made = make(url, **parts)
    assert isinstance(made, Made)
    return made.found


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://x.invalid/a?b=1", b"/a?b=1"),
        ("https://x.invalid", b"/"),
        ("http://x.invalid?b=1", b"/?b=1"),
        ("a.php?b=1", b"/a.php?b=1"),
        ("/a b\u00e9", b"/a%20b%C3%A9"),
        ("/a#top", b"/a"),
        ("/a/#/../etc/passwd", b"/a/#/../etc/passwd"),
        ("/press-2.0.1/a/b.php", b"/a/b.php"),
        ("/press_v1.4/a", b"/a"),
        ("/press-2.0.1/?a=1", b"/press-2.0.1/?a=1"),
        ("/api-1.0/a", b"/api-1.0/a"),
        ("/v1.0/a", b"/v1.0/a"),
        ("*", b"*"),
    ],
)
def test_the_target_is_what_a_client_would_send(url: str, target: bytes) -> None:
    assert found(url).request.target == target


def test_a_link_is_cut_at_its_fragment_and_needs_no_double_slash() -> None:
    assert found("http://x.invalid//a?b=1#/c", complete=False).request.target == b"/a?b=1"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (("Host", "192.0.2.1:8080"), (b"Host", b"target.example")),
        (("Host", "a\u201d; id"), (b"Host", "a\u201d; id".encode())),
        (("Referer", "http://192.0.2.1/a?b"), (b"Referer", b"http://target.example/a?b")),
        (("Origin", "http://shop.invalid"), (b"Origin", b"http://target.example")),
        (("X-A", "b"), (b"X-A", b"b")),
    ],
)
def test_headers_name_the_target_and_keep_payloads(given: tuple[str, str], sent: tuple[bytes, bytes]) -> None:
    request = found("/a", headers=(given,)).request
    assert sent in request.headers
    assert len([name for name, _ in request.headers if name == b"Host"]) == 1


def test_values_of_one_session_are_stand_ins_and_payloads_are_not() -> None:
    each = found(
        "/a?csrf_token=0123456789abcdef&b=harmless-word",
        headers=(
            ("Cookie", "SESS=fedcba9876543210; l=../../../../etc/passwd"),
            ("Authorization", "Bearer abcdefgh"),
        ),
    )
    assert set(each.standins) == {b"0123456789abcdef", b"fedcba9876543210", b"abcdefgh"}


def test_hosts_of_the_author_and_their_files_are_stand_ins() -> None:
    each = found("/a?u=http://evilhost.invalid:8000/shell9.txt", headers=(("X-N", "http://www.w3.org/ns/x"),))
    assert set(each.standins) == {b"evilhost.invalid", b"shell9.txt"}


def test_hosts_that_mean_the_server_itself_stay_significant() -> None:
    assert not found("/a?u=http://169.254.169.254/latest/&v=http%3A%2F%2F127.0.0.1%3A80%2Fb").standins


def test_the_length_is_that_of_the_body_as_sent() -> None:
    each = found("/a", method="POST", body="u=http://x.oast.fun/\u00e9", headers=(("Content-Length", "3"),))
    assert (b"Content-Length", b"%d" % len(each.request.body or b"")) in each.request.headers
    assert b"oast.fun" not in (each.request.body or b"")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("/a/...", {}),
        ("/a?b=c\u2026", {}),
        ("/a", {"method": "G(T"}),
        ("/" + "a" * 40_000, {}),
        ("/a", {"method": "POST", "headers": (("Content-Length", "281"),)}),
    ],
)
def test_what_is_cut_off_or_out_of_bounds_is_left_out_with_a_reason(url: str, parts: dict[str, Any]) -> None:
    made = make(url, **parts)
    assert isinstance(made, str)
    assert made.startswith("line ")


def test_payloads_of_path_query_and_body_are_seen() -> None:
    assert "traversal" in payload_classes(found("/a/../../../etc/passwd").request)
    assert "sql_injection" in payload_classes(found("/a?b=1'+union+select+1,2--+-").request)
    assert "xss" in payload_classes(found("/a", method="POST", body="c=<script>alert(1)</script>").request)
    assert not payload_classes(found("/a/b.php?c=d").request)


def test_a_form_in_parts_without_its_header_gets_one() -> None:
    body = '--b0undary\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b0undary--\r\n'
    each = found("/a", method="POST", body=body)
    assert (b"Content-Type", b"multipart/form-data; boundary=b0undary") in each.request.headers
    assert each.standins == (b"b0undary",)
