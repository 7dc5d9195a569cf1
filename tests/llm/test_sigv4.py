"""Requests are signed as AWS asks for it: as its own library signs them, for whatever is sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import UsageError
from ruleforge.llm.fake_server import FakeServer, running
from ruleforge.llm.hosted import Signer
from ruleforge.llm.provider import Ground, open_provider
from ruleforge.llm.sigv4 import Credentials, credentials_of, signed

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION")
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
HEADERS = st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True), VALUES, max_size=5)
PATHS = st.lists(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#/[]"), max_size=20), max_size=5
)
HOSTS = st.sampled_from(
    ["bedrock-runtime.eu-west-1.amazonaws.com", "127.0.0.1:8080", "pears.example:443", "PEARS.example", "[::1]:9"]
)
TAKEN = {"host", "date", "authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}


def theirs(url: str, headers: dict[str, str], body: bytes, who: Credentials, region: str, now: datetime) -> Any:
    """The headers as the library of AWS signs them."""
    request = AWSRequest(method="POST", url=url, headers=headers, data=body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda: now.replace(tzinfo=None))
        own = TheirCredentials(who.access_key, who.secret, who.token or None)
        auth.SigV4Auth(own, "bedrock", region).add_auth(request)
    return request.headers


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=HOSTS,
    path=PATHS,
    slash=st.sampled_from(["", "/", "//"]),
    headers=HEADERS,
    body=st.binary(max_size=200),
    who=st.builds(Credentials, VISIBLE, VISIBLE, st.just("") | VISIBLE),
    region=st.sampled_from(["eu-west-1", "us-gov-east-1"]),
    seconds=st.integers(0, 2**31),
)
def test_every_request_is_signed_as_the_library_of_aws_signs_it(
    scheme: str,
    host: str,
    path: list[str],
    slash: str,
    headers: dict[str, str],
    body: bytes,
    who: Credentials,
    region: str,
    seconds: int,
) -> None:
    lower: dict[str, str] = {}
    for name, value in headers.items():  # a name stands once, whatever its case
        if name.lower() not in TAKEN and name.lower() not in {each.lower() for each in lower}:
            lower[name] = value
    url = f"{scheme}://{host}/" + "/".join(path) + slash
    now = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ours = signed(url, lower, body, who=who, region=region, service="bedrock", now=now)
    wanted = theirs(url, dict(lower), body, who, region, now)
    assert ours["Authorization"] == wanted["Authorization"]
    assert ours["X-Amz-Date"] == wanted["X-Amz-Date"]
    assert ours.get("X-Amz-Security-Token") == wanted.get("X-Amz-Security-Token")


def test_the_name_of_a_model_is_quoted_once_more_for_the_signature() -> None:
    who, now = Credentials("AKPEAR", "secret of pears"), datetime(2099, 12, 31, tzinfo=UTC)
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.pear-v1%3A0/converse"
    ours = signed(
        url, {"Content-Type": "application/json"}, b"{}", who=who, region="eu-west-1", service="bedrock", now=now
    )
    wanted = theirs(url, {"Content-Type": "application/json"}, b"{}", who, "eu-west-1", now)
    assert ours["Authorization"] == wanted["Authorization"]
    assert ours["Authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKPEAR/20991231/eu-west-1/bedrock/aws4_request, "
    )


def test_what_is_sent_is_what_was_signed(
    question: Any, door_to: Any, monkeypatch: pytest.MonkeyPatch, ground: Ground
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKPEAR")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    with running(FakeServer()) as server:
        url = f"bedrock+{server.url}?model=eu.pear-v1:0&region=eu-west-1"
        assert door_to(open_provider(url, ground)).ask(question()).value.probability == 0
        (asked,) = server.asked
        port = server.server_port
    sent = asked.headers
    assert sent["x-amz-security-token"] == "a-token"
    assert sent["host"] == f"127.0.0.1:{port}"
    kept = {name: sent[name] for name in ("content-type", "accept", "accept-encoding", "user-agent")}
    now = datetime.strptime(sent["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    who = Credentials("AKPEAR", "very-secret", "a-token")
    body = msgspec.json.encode(asked.body)
    wanted = theirs(f"http://127.0.0.1:{port}{asked.path}", kept, body, who, "eu-west-1", now)
    assert sent["authorization"] == wanted["Authorization"]
    assert "very-secret" not in str(sent)


def test_a_key_of_the_api_goes_before_an_access_key(monkeypatch: pytest.MonkeyPatch, ground: Ground) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "eu-west-1" if name == "AWS_REGION" else "pears")
    assert open_provider("bedrock:large", ground)._signer is None  # type: ignore[attr-defined]
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")
    assert isinstance(open_provider("bedrock:large", ground)._signer, Signer)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_ACCESS_KEY_ID": "AKPEAR"},
        {"AWS_SECRET_ACCESS_KEY": "secret"},
        {"AWS_ACCESS_KEY_ID": "AK\nPEAR", "AWS_SECRET_ACCESS_KEY": "secret"},
        {"AWS_ACCESS_KEY_ID": "AKPEAR", "AWS_SECRET_ACCESS_KEY": "s" * 300},
        {"AWS_ACCESS_KEY_ID": "AKPEAR", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "a\r\nb"},
    ],
)
def test_half_a_key_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="RF186"):
        credentials_of(environ)


def test_no_key_is_none_and_a_key_does_not_print_its_secret() -> None:
    assert credentials_of({}) is None
    assert "secret" not in repr(credentials_of({"AWS_ACCESS_KEY_ID": "AKPEAR", "AWS_SECRET_ACCESS_KEY": "secret"}))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("bedrock+http://pears.example?model=x&region=eu-west-1", "over https, or to this machine"),
        ("bedrock:x", "needs a region"),
        ("bedrock:x?region=evil.example/", "needs a region"),
    ],
)
def test_a_signature_needs_a_region_and_a_closed_line(
    monkeypatch: pytest.MonkeyPatch, ground: Ground, url: str, says: str
) -> None:
    for name in (*NAMES, "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKPEAR")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    with pytest.raises(UsageError, match=rf"RF186.*{says}"):
        open_provider(url, ground)
