"""Expressions are worked out, and what only a real run knows is marked as a stand-in."""

import base64
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.sources.nuclei.expressions import Scope
from ruleforge.sources.nuclei.functions import FUNCTIONS
from ruleforge.sources.nuclei.standins import Standins, mark_canaries
from ruleforge.sources.nuclei.text import MAX_TEXT, Text, glue

CONSTANT = {  # expression: value, no stand-in in it
    '{{to_lower("ABC")}}': b"abc",
    "{{to_upper('abc')}}": b"ABC",
    "{{base64('hello')}}": b"aGVsbG8=",
    '{{base64_decode("aGVsbG8=")}}': b"hello",
    "{{hex_encode('az')}}": b"617a",
    "{{hex_decode('00ff')}}": b"\x00\xff",
    "{{url_encode('a b/c?')}}": b"a+b%2Fc%3F",
    "{{url_decode('a%20b')}}": b"a b",
    "{{html_escape('<a>')}}": b"&lt;a&gt;",
    "{{concat('a', 'b', 1)}}": b"ab1",
    "{{repeat('ab', 3)}}": b"ababab",
    "{{replace('a-b', '-', '+')}}": b"a+b",
    "{{reverse('abc')}}": b"cba",
    "{{trim('  x ')}}": b"x",
    "{{trim_left('xxa', 'x')}}": b"a",
    "{{trim_right('axx', 'x')}}": b"a",
    "{{trim_prefix('abc', 'a')}}": b"bc",
    "{{trim_suffix('abc', 'c')}}": b"ab",
    "{{padding('ab', 'x', 5, 'suffix')}}": b"abxxx",
    "{{padding('ab', 'x', 5, 'prefix')}}": b"xxxab",
    "{{join('-', 'a', 'b')}}": b"a-b",
    "{{substr('abcdef', 1, 3)}}": b"bc",
    "{{index('abc', 1)}}": b"b",
    "{{len('abcd')}}": b"4",
    "{{to_number('2') * to_number('21')}}": b"42",
    "{{len('ab') + 5}}": b"7",
    "{{(1 + len('ab')) * 2}}": b"6",
    "{{10 / len('abcd')}}": b"2.5",
    "{{-len('ab')}}": b"-2",
    "{{len('ab') < 3 && contains('abc', 'b')}}": b"true",
    "{{'a' + to_lower('B')}}": b"ab",
    "{{wait_for(5)}}": b"true",
    "{{to_lower('{{known}}')}}": b"value",
    '{{known + ":" + known}}': b"Value:Value",
    "{{concat({{known}}, 'x')}}": b"Valuex",
    "§known§": b"Value",
    "{{contains('abc', 'z')}}": b"false",
    "{{zlib_decode(zlib('abc'))}}": b"abc",
    "{{gzip_decode(gzip('abc'))}}": b"abc",
    "{{hex_to_dec('ff')}}": b"255",
    r"{{to_lower('it\'s')}}": b"it's",
    "{{{known}}}": b"{Value}",
}


def scope() -> Scope:
    return Scope({"known": "Value"}, frozenset({"nonce"}))


@pytest.mark.parametrize("expression", CONSTANT)
def test_a_constant_expression_is_worked_out(expression: str) -> None:
    used = scope()
    assert used.fill(expression) == Text(CONSTANT[expression])
    assert used.notes == []


def test_enough_expressions_are_tried() -> None:
    assert len(CONSTANT) >= 40
    assert len(FUNCTIONS) >= 70


AS_WRITTEN = ("{{7*7}}", "{{", "}}", "{{['a']|filter('b')}}", "{{a.b('x')}}", "{% x %}", "{{'x'}}", "{{ (", "{{a b}}")


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_what_is_no_expression_is_sent_as_written(text: str) -> None:
    assert scope().fill(text) == Text(text.encode())


WHOLLY_STANDIN = (
    "{{rand_base(8)}}", "{{rand_text_alpha(4)}}", "{{rand_text_numeric(2)}}", "{{rand_int(1, 9)}}", "{{rand_ip('x')}}",
    "{{randstr}}", "{{interactsh-url}}", "{{username}}", "{{password}}", "{{nonce}}", "{{Hostname}}", "{{unix_time()}}",
    "{{date_time('%Y-%M-%D')}}", "{{md5('x')}}", "{{sha1(known)}}", "{{hmac('sha1', 'a', 'b')}}", "{{mmh3('a')}}",
    "{{aes_cbc('a', 'b', 'c')}}", "{{no_such_function(1)}}", "{{no_such_variable}}", "{{gzip(username)}}",
    "{{replace_regex(known, 'a', 'b')}}", "{{reverse(username)}}", "{{to_upper(rand_base(5))}}", "{{len(username)}}",
    "{{to_number(rand_int(1, 9)) * 3}}", "{{hex_encode(randstr)}}",
)  # fmt: skip


@pytest.mark.parametrize("expression", WHOLLY_STANDIN)
def test_what_only_a_run_knows_is_a_standin_of_four_bytes_or_more(expression: str) -> None:
    text = scope().fill(expression)
    assert text.spans == ((0, len(text.data)),)
    assert len(text.data) >= 4
    assert scope().fill(expression) == text  # deterministic


def test_only_the_affected_part_is_marked() -> None:
    text = scope().fill("id={{concat('a:', username, ':b')}}&x=1")
    assert [piece for piece, marked in text.pieces() if not marked] == [b"id=a:", b":b&x=1"]


def test_base64_stays_literal_up_to_the_first_group_with_a_standin() -> None:
    text = scope().fill("{{base64('abcdefg' + username)}}")
    assert base64.b64decode(text.data).startswith(b"abcdefgrf")
    assert text.spans == ((8, len(text.data)),)


def test_a_gadget_keeps_its_stream_header_in_every_encoding() -> None:
    assert scope().fill("{{generate_java_gadget('dns', 'http://x', 'raw')}}").data.startswith(b"\xac\xed\x00\x05")
    assert scope().fill("{{generate_java_gadget('dns', 'http://x', 'hex')}}").data.startswith(b"aced0005")
    encoded = scope().fill("{{generate_java_gadget('dns', 'http://x', 'base64')}}")
    assert encoded.data.startswith(b"rO0ABXNy")
    assert encoded.spans == ((8, len(encoded.data)),)
    packed = scope().fill("{{generate_java_gadget('dns', 'http://x', 'gzip')}}").data
    assert zlib.decompress(packed, 31).startswith(b"\xac\xed")


def test_a_token_has_a_literal_header_and_claims_and_a_marked_signature() -> None:
    text = scope().fill("""{{generate_jwt('{"b":1,"a":2}', 'HS256', 'key')}}""")
    header, claims, signature = text.data.split(b".")
    assert base64.urlsafe_b64decode(claims + b"==") == b'{"a":2,"b":1}'
    assert text.standins() == (signature,)
    assert header.startswith(b"eyJhbGci")


def test_file_names_in_an_archive_stay_readable() -> None:
    text = scope().fill("{{zip('../../lantern.jsp', 'content')}}")
    assert b"../../lantern.jsp" in [piece for piece, marked in text.pieces() if not marked]


def test_the_same_variable_is_the_same_and_two_calls_differ() -> None:
    used = scope()
    assert used.fill("{{nonce}}") == used.fill("{{nonce}}")
    assert used.fill("{{rand_base(6)}}") != used.fill("{{rand_base(6)}}")


def test_an_unknown_name_is_a_standin_and_a_note() -> None:
    used = scope()
    used.fill("{{quince}}{{medlar(1)}}")
    assert used.notes == ["unknown variable 'quince'", "unknown function 'medlar'"]


def test_where_unknown_names_are_kept_they_are_sent_as_written() -> None:
    used = scope()
    used.start(keep_unknown=True)
    assert used.fill("{{config}} {{known}}") == Text(b"{{config}} Value")


def test_variables_that_refer_to_each_other_end() -> None:
    used = Scope({"a": "{{b}}", "b": "{{a}}"} | {f"v{n}": f"{{{{v{n + 1}}}}}" for n in range(200)})
    assert used.fill("{{a}}").spans
    assert used.fill("{{v0}}").spans


BOMBS = (
    "{{repeat('A', 999999999)}}",
    "{{repeat(repeat('AB', 10000), 10000)}}",
    "{{padding('a', 'b', 999999999, 'suffix')}}",
    "{{replace(repeat('A', 900000), 'A', repeat('B', 1000))}}",
    "{{" + "(" * 50_000,
    "{{md5('" * 50_000,
    "{{len(repeat('A', 1000000))}}" * 3_000,
    "{{9999999999**9999999}}{{to_number('9') ** 99999 * 3}}",
)


@pytest.mark.parametrize("number", range(len(BOMBS)))
def test_a_bomb_is_bounded_in_time_and_size(number: int) -> None:
    started = time.process_time()
    try:
        size = len(scope().fill(BOMBS[number]).data)
    except InputError:
        size = 0
    assert size <= MAX_TEXT
    assert time.process_time() - started < 5


@given(st.text(st.sampled_from("{}()\"'§,+-*/ ab1.known\\"), max_size=60))
def test_any_text_is_filled_without_a_crash(text: str) -> None:
    filled = scope().fill(text)
    assert list(filled.spans) == sorted(filled.spans)
    if "{{" not in text and "§" not in text:
        assert filled.data == text.encode()


@given(st.lists(st.tuples(st.binary(max_size=6), st.booleans()), max_size=8), st.integers(0, 40), st.integers(0, 40))
def test_cutting_keeps_every_byte_with_its_mark(pieces: list[tuple[bytes, bool]], start: int, end: int) -> None:
    text = glue(Text(data).marked() if marked else Text(data) for data, marked in pieces)
    marks = [marked for data, marked in pieces for _ in data]
    stop = max(min(end, len(text.data)), start)
    cut = text.cut(min(start, len(text.data)), stop)
    expected = [(bytes([byte]), mark) for byte, mark in zip(text.data, marks, strict=True)][start:stop]
    assert [(bytes([byte]), mark) for piece, mark in cut.pieces() for byte in piece] == expected


CANARIES = {
    b"u=//a.interact.sh/x": b"u=//",
    b"u=http%3A%2F%2Foast.me": b"u=http%3A%2F%2F",
    b"u=http%3A%2F%2Fwww.evil.com": b"u=http%3A%2F%2F",
    b"x\\evil.com": b"x\\",
}


@pytest.mark.parametrize("text", CANARIES)
def test_a_callback_host_written_out_is_replaced(text: bytes) -> None:
    marked = mark_canaries(Text(text), Standins())
    assert marked.data.startswith(CANARIES[text] + b"rfcb1.callback.example")
    assert marked.spans[0][0] == len(CANARIES[text])


def test_other_hosts_stay() -> None:
    assert mark_canaries(Text(b"http://evil.company/oast.message"), Standins()).spans == ()
