"""Templates give the requests a scanner would send."""

from collections.abc import Callable

import pytest

from ruleforge.errors import InputError
from ruleforge.sources.nuclei.expand import MAX_ROWS, Expansion, SentRequest, expand_template
from ruleforge.sources.nuclei.template import Template, parse_template

HEAD = "id: CVE-2099-1000\ninfo: {name: Lantern, author: us, severity: high}\n"


def parsed(text: str) -> Template:
    return parse_template((HEAD + text).encode())


def expanded(text: str) -> Expansion:
    return expand_template(parsed(text))


def raw(*lines: str, more: str = "") -> SentRequest:
    text = "http:\n  - raw:\n      - |\n" + "".join(f"        {line}\n" for line in lines) + more
    [sent] = expanded(text).requests
    return sent


def targets(text: str) -> list[bytes]:
    return [sent.request.target for sent in expanded(text).requests]


PATHS = {
    "{{BaseURL}}": b"/",
    "{{BaseURL}}/": b"/",
    "{{BaseURL}}/a/b?c=d": b"/a/b?c=d",
    "{{RootURL}}/a": b"/a",
    "{{BaseURL}}?q=1": b"/?q=1",
    "{{BaseURL}}//a//b": b"//a//b",
    "{{Scheme}}://{{Host}}:{{Port}}/a": b"/a",
    "http://{{Hostname}}:8088/a": b"/a",
    "{{BaseURL}}{{Path}}/a": b"/a",
    "/a b\u00e9": b"/a%20b%C3%A9",
    "{{BaseURL}}/%2e%2e/..;/x": b"/%2e%2e/..;/x",
    "{{BaseURL}}/a?u={{BaseURL}}": b"/a?u=http://target.example",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_becomes_the_target_a_client_sends(path: str) -> None:
    assert targets(f"http:\n  - method: GET\n    path: ['{path}']\n") == [PATHS[path]]


def test_a_path_block_carries_method_headers_and_body() -> None:
    [sent] = expanded(
        "http:\n  - method: POST\n    path: ['{{BaseURL}}/lamp']\n    headers: {X-Wick: '{{randstr}}', On: off}\n"
        "    body: |\n      oil=1&glass=2\n"
    ).requests
    assert (sent.request.method, sent.request.body) == (b"POST", b"oil=1&glass=2")
    assert dict(sent.request.headers)[b"On"] == b"off"
    assert dict(sent.request.headers)[b"X-Wick"] in sent.standins
    assert dict(sent.request.headers)[b"Content-Length"] == b"13"
    assert sent.origin == "http[0].path[0]"


FIRST_LINES = {
    "GET /a HTTP/1.1": (b"GET", b"/a", b"HTTP/1.1"),
    "GET /a  HTTP/1.1": (b"GET", b"/a", b"HTTP/1.1"),
    "POST /a HTTP/2": (b"POST", b"/a", b"HTTP/2"),
    "GET /a": (b"GET", b"/a", b"HTTP/1.1"),
    "GET HTTP/1.1": (b"GET", b"/", b"HTTP/1.1"),
    "GET {{BaseURL}}/a?b HTTP/1.1": (b"GET", b"/a?b", b"HTTP/1.1"),
    "GET /a?q=1 or 1 HTTP/1.1": (b"GET", b"/a?q=1%20or%201", b"HTTP/1.1"),
    "OPTIONS * HTTP/1.1": (b"OPTIONS", b"*", b"HTTP/1.1"),
    "GET /a#b HTTP/1.1": (b"GET", b"/a", b"HTTP/1.1"),
}


@pytest.mark.parametrize("line", FIRST_LINES)
def test_a_request_line_is_read_as_written(line: str) -> None:
    request = raw(line, "Host: {{Hostname}}").request
    assert (request.method, request.target, request.version) == FIRST_LINES[line]


@pytest.mark.parametrize("note", ["@timeout: 20s", "@timeout 20s", "@Host: http://x", "@tls-sni: request.host"])
def test_annotations_before_the_request_line_are_skipped(note: str) -> None:
    request = raw(note, "GET /a HTTP/1.1", "Host: {{Hostname}}").request
    assert (request.target, request.headers) == (b"/a", ((b"Host", b"target.example"),))


def test_headers_keep_order_duplicates_and_continuations() -> None:
    request = raw("GET / HTTP/1.1", "Host: {{Hostname}}", "B: 1", "A: 2", "B: 3", "  4", "Odd").request
    assert request.headers[1:] == ((b"B", b"1"), (b"A", b"2"), (b"B", b"3 4"), (b"Odd", b""))


def test_the_headers_a_scanner_adds_are_not_added() -> None:
    assert [name for name, _ in raw("GET / HTTP/1.1").request.headers] == [b"Host"]


def test_a_raw_body_loses_only_the_line_end_of_the_block() -> None:
    assert raw("POST / HTTP/1.1", "", "a=1", "b=2").request.body == b"a=1\r\nb=2"
    assert raw("GET / HTTP/1.1", "Host: x", "").request.body is None


def test_a_multipart_body_has_line_ends_as_on_the_wire() -> None:
    sent = raw("POST / HTTP/1.1", "Content-Type: multipart/form-data; boundary=b", "", "--b", "x", "--b--")
    assert sent.request.body == b"--b\r\nx\r\n--b--\r\n"


def test_a_binary_body_is_not_touched_by_line_ends() -> None:
    assert raw("POST / HTTP/1.1", "", "{{hex_decode('0a0d0aff')}}").request.body == b"\n\r\n\xff"


def test_an_unsafe_request_is_kept_as_it_is() -> None:
    request = raw("GET /a b HTTP/1.1", "Content-Length: 3", "", "xyz", more="    unsafe: true\n").request
    assert request.target == b"/a b"
    assert request.headers == ((b"Content-Length", b"3"),)
    assert request.body == b"xyz\r\n"


def test_content_length_is_added_only_where_it_is_missing() -> None:
    request = raw("POST / HTTP/1.1", "content-length: 99", "", "abc").request
    assert [value for name, value in request.headers if name.lower() == b"content-length"] == [b"99"]


ROWS: dict[str, list[bytes]] = {
    "pitchfork": [b"/1?a", b"/2?b"],
    "clusterbomb": [b"/1?a", b"/1?b", b"/1?c", b"/2?a", b"/2?b", b"/2?c"],
}


@pytest.mark.parametrize("attack", ROWS)
def test_every_row_of_an_attack_mode_is_sent(attack: str) -> None:
    text = f"http:\n  - raw:\n      - 'GET /{{{{p}}}}?{{{{q}}}} HTTP/1.1'\n    attack: {attack}\n"
    assert targets(text + "    payloads: {p: [1, 2], q: [a, b, c]}\n") == ROWS[attack]


def test_a_battering_ram_takes_one_list_after_the_other() -> None:
    text = "http:\n  - raw: ['GET /{{p}} HTTP/1.1']\n    payloads: {p: [on, '{{to_lower(\"B\")}}']}\n"
    assert targets(text) == [b"/on", b"/b"]


def test_a_request_without_payloads_is_sent_once() -> None:
    text = "http:\n  - raw: ['GET /login HTTP/1.1', 'GET /{{p}} HTTP/1.1']\n    payloads: {p: [a, b]}\n"
    found = expanded(text).requests
    assert [(sent.step, sent.row) for sent in found] == [(0, 0), (1, 0), (1, 1)]


def test_a_variable_made_of_a_payload_follows_the_rows() -> None:
    text = "variables: {v: 'x{{p}}', w: '{{rand_base(4)}}'}\nhttp:\n  - raw: ['GET /{{v}}/{{w}} HTTP/1.1']\n"
    first, second = targets(text + "    payloads: {p: [a, b]}\n")
    assert first.startswith(b"/xa/")
    assert second == first.replace(b"xa", b"xb")


def test_more_rows_than_the_bound_are_sampled_evenly() -> None:
    numbers = ", ".join(str(number) for number in range(1000))
    found = expanded(f"http:\n  - raw: ['GET /{{{{p}}}} HTTP/1.1']\n    payloads: {{p: [{numbers}]}}\n")
    assert len(found.requests) == MAX_ROWS
    assert found.requests[-1].request.target == b"/984"
    assert "64 of 1000" in found.problems[0]


def test_a_payload_file_is_never_opened() -> None:
    found = parsed("http:\n  - raw: ['GET /{{p}} HTTP/1.1']\n    payloads: {p: /etc/hostname}\n")
    assert found.blocks[0].payload_files == (("p", "/etc/hostname"),)
    [sent] = expand_template(found).requests
    assert sent.standins
    assert "not opened" in found.problems[0]


def test_values_read_from_responses_are_standins_without_a_note() -> None:
    text = "http:\n  - raw: ['GET / HTTP/1.1', 'GET /?t={{seal}} HTTP/1.1']\n"
    text += "    extractors: [{type: regex, name: seal, internal: true, regex: ['x(.)']}]\n"
    last = expanded(text).requests[-1]
    assert last.request.target.removeprefix(b"/?t=") in last.standins
    assert last.notes == ()


def test_a_flow_is_not_run_and_all_blocks_are_kept() -> None:
    blocks = "http:\n  - {method: GET, path: ['/a']}\n  - {method: GET, path: ['/{{lamp}}']}\n"
    script = "flow: |\n  for (let x of iterate(template.l)) { set('lamp', x); http(2) }\n"
    assert "not run" in expanded(script + blocks).problems[0]
    assert [sent.notes for sent in expanded(script + blocks).requests] == [(), ()]
    assert expanded("flow: http(1) && http(2)\n" + blocks).problems == ()


def test_every_standin_of_a_request_occurs_in_it() -> None:
    sent = raw("POST /{{randstr}} HTTP/1.1", "Host: {{Hostname}}", "X: {{base64(username)}}", "", "a={{md5('b')}}")
    blob = b"\0".join([sent.request.target, sent.request.body or b"", *(value for _, value in sent.request.headers)])
    assert len(sent.standins) == 4
    assert all(standin in blob for standin in sent.standins)


def test_the_whole_template_is_read() -> None:
    template = parse_template(
        b"id: CVE-2099-1001\ninfo:\n  name: Lantern\n  author: a, b\n  severity: HIGH\n  reference: https://a.example\n"
        b"  classification: {cve-id: 'CVE-2099-1001,CVE-2099-1002', cwe-id: CWE-22}\n"
        b"  metadata: {vendor: v, product: p}\n"
        b"  tags: cve,lfi\nrequests:\n  - method: GET\n    path: ['/']\n"
        b"    matchers-condition: and\n    redirects: yes\n"
        b"    stop-at-first-match: true\n    matchers:\n"
        b"      - {type: word, part: header, words: [x, y], negative: true}\n"
        b"      - {type: status, status: [200, 0301]}\ndns: [{name: x}]\n"
    )
    assert template.info.cves == ("CVE-2099-1001", "CVE-2099-1002")
    assert (template.info.severity, template.info.author, template.info.tags) == ("high", "a, b", ("cve", "lfi"))
    [block] = template.blocks
    assert (block.redirects, block.stop_at_first_match, block.matchers_condition) == (True, True, "and")
    assert block.matchers[0].values == ("x", "y")
    assert block.matchers[0].negative
    assert block.matchers[1].values == ("200", "0301")
    assert template.other_protocols == ("dns",)


@pytest.mark.parametrize("data", [b"", b"[]", b"a: 1", b"id: x", b"id: [x]\ninfo: {}", b"id: x\ninfo: y"])
def test_yaml_that_is_no_template_is_refused(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse_template(data)
    assert caught.value.code == "RF214"


ODD: dict[str, Callable[[], Expansion]] = {
    "http is text": lambda: expanded("http: x\n"),
    "blocks are lists": lambda: expanded("http: [[], x, null]\n"),
    "raw is a mapping": lambda: expanded("http: [{raw: {a: b}}]\n"),
    "raw is empty": lambda: expanded("http: [{raw: ['', null, '   ']}]\n"),
    "payloads are text": lambda: expanded("http: [{raw: ['GET /{{p}}'], payloads: x}]\n"),
    "payload lists are empty": lambda: expanded("http: [{raw: ['GET /{{p}}'], payloads: {p: []}}]\n"),
    "variables are nested": lambda: expanded("variables: {a: {b: c}}\nhttp: [{path: ['/{{a}}']}]\n"),
    "headers are a list": lambda: expanded("http: [{path: ['/'], headers: [a]}]\n"),
    "unknown attack": lambda: expanded("http: [{path: ['/{{p}}'], attack: trebuchet, payloads: {p: [a]}}]\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_shape_is_read_as_far_as_it_goes(name: str) -> None:
    assert isinstance(ODD[name](), Expansion)
