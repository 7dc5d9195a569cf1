"""Log formats given as the text of a server's configuration."""

import io

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ruleforge.errors import InputError, UsageError
from ruleforge.events.columns import to_batches, to_requests
from ruleforge.events.formats import format_from_string, read_batches
from ruleforge.events.formats.bounded import COMPRESSED
from ruleforge.events.request import Request

MOST = 1 << 30
NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
BODIES = (
    "log_format bodies '$remote_addr|$time_iso8601|$request_method|$request_uri|'\n"
    '  \'$server_protocol|$status|"$http_host"|"$request_body"\';'
)
APACHE = r'LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" \"%{Cookie}i\"" vhost_combined'
JSON = '{"t":"$msec","m":"$request_method","u":"$request_uri","h":"$http_host","b":"$request_body"}'
JSON = "log_format j escape=json '" + JSON + "';"
SPARSE = "$status $request_uri"


def read_one(text, line):
    (item,) = format_from_string(text).read(io.BytesIO(line), "a.log", MOST)
    return item


def test_an_nginx_format_reads_what_it_names_and_knows_what_it_does_not():
    line = rb'198.51.100.7|2099-01-02T03:04:05+00:00|POST|/a?b=\x22|HTTP/1.1|201|"shop.example"|"c=\x27\x0A"'
    assert read_one(BODIES, line) == Request(
        method=b"POST", target=b'/a?b="', version=b"HTTP/1.1", headers=((b"Host", b"shop.example"),), body=b"c='\n",
        id="a.log:1", source="a.log", source_address=b"198.51.100.7", status=201, time="2099-01-02T03:04:05+00:00",
        recorded_headers=frozenset({b"host"}),
    )  # fmt: skip


def test_a_body_that_is_not_shown_is_unknown_rather_than_absent():
    request = read_one(BODIES, b'198.51.100.7|-|POST|/|HTTP/1.1|201|"-"|"-"')
    assert (request.body, request.unrecorded, request.headers) == (None, {"body"}, ())


def test_an_apache_format_is_read_with_its_escapes():
    line = (
        rb'shop.example:443 198.51.100.7 - ada [10/Oct/2099:13:55:36 +0000] "GET /\"x HTTP/1.1" 200 5 "-" "a\\b" "c=d"'
    )
    request = read_one(APACHE, line)
    assert (request.target, request.source_address, request.status) == (b'/"x', b"198.51.100.7", 200)
    assert request.headers == ((b"User-Agent", b"a\\b"), (b"Cookie", b"c=d"))
    assert request.recorded_headers == {b"referer", b"user-agent", b"cookie"}
    assert request.time == "10/Oct/2099:13:55:36 +0000"


def test_json_that_a_format_writes_is_read_with_the_escapes_of_json():
    request = read_one(JSON, b'{"t":"4070908800.250","m":"PUT","u":"/\\"\\u00e9","h":"","b":"a\\nb"}')
    assert (request.method, request.target, request.body) == (b"PUT", '/"é'.encode(), b"a\nb")
    assert request.headers == ()
    assert request.time == "2099-01-01T00:00:00.250000+00:00"


def test_what_is_not_logged_is_unrecorded():
    request = read_one(SPARSE, b"404 /a b")
    assert (request.target, request.status) == (b"/a b", 404)
    assert request.unrecorded == {"method", "version", "headers", "body"}


@pytest.mark.parametrize(
    "text", ["$status $uri", "$host$request_uri", "%h %U", "plain", "", "%400{Referer}i", "%{%s}t %q", "x" * 20_000]
)
def test_a_format_without_a_target_as_sent_is_refused(text):
    with pytest.raises(UsageError, match="RF17"):
        format_from_string(text)


def test_a_line_of_another_shape_is_reported_and_the_rest_goes_on():
    form = format_from_string(SPARSE)
    items = list(form.read(io.BytesIO(b"200\n200 /\n"), "a", MOST))
    assert [type(item) for item in items] == [InputError, Request]


def split(items):
    requests, instants, errors = [], [], []
    for item in items:
        if isinstance(item, InputError):
            errors.append(str(item))
        else:
            item.validate(full=True)
            requests += to_requests(item)
            instants += item.column("at").to_pylist()
    return requests, instants, errors


VALUES = st.sampled_from(
    """- | |200|20|GET|/a?b=1|/a b|HTTP/1.1|GET /a HTTP/1.1|198.51.100.7|"|é|10/Oct/2099:13:55:36 +0000|[|]|a| x|\x0b
2099-01-02T03:04:05+00:00|4070908800.25|\\x22|\\"|\\|\\u00e9|\\n||||""".replace("\n", "|").split("|")
)


@pytest.mark.parametrize("text", [NGINX, BODIES, APACHE, JSON, SPARSE, "%t %r", "a$request_uri"])
@settings(max_examples=150)
@given(data=st.data())
def test_both_ways_give_the_same_requests_and_errors(text, data):
    form = format_from_string(text)
    compiled = form.read.args[0]
    usual = {"request": "GET /a HTTP/1.1", "time": "10/Oct/2099:13:55:36 +0000", "status": "200", "target": "/a"}
    lines = []
    for _ in range(data.draw(st.integers(0, 6))):
        line = compiled.begin
        for part in compiled.parts:
            value = data.draw(st.just(usual.get(part.column, "x")) | VALUES)
            line += value.encode() + part.until
        lines.append(line + data.draw(st.sampled_from([b"", b"", b"\r", b" more"])))
    lines += data.draw(st.lists(st.binary(max_size=20), max_size=2))
    file = b"\n".join(lines)
    assume(not file.startswith(COMPRESSED))
    items = list(form.read(io.BytesIO(file), "a", MOST))
    errors = [item for item in items if isinstance(item, InputError)]
    slow = split([*to_batches(item for item in items if isinstance(item, Request)), *errors])
    assert split(read_batches(io.BytesIO(file), form, name="a")) == slow


def test_usual_lines_of_a_given_format_take_the_fast_way(monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr("ruleforge.events.formats.log_format._split", never)
    line = b'198.51.100.7|2099-01-02T03:04:05+00:00|POST|/a?b|HTTP/1.1|201|"shop.example"|"c=d"\n'
    (batch,) = read_batches(io.BytesIO(line * 100 + line.replace(b"c=d", b"-")), format_from_string(BODIES))
    assert batch.column("unrecorded").to_pylist() == [0] * 100 + [1]
    assert batch.column("body").to_pylist() == [b"c=d"] * 100 + [None]
