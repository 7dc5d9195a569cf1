"""Codings of a body: undone where they are there, left where the recorder undid them, bounded always."""

import gzip
import sys
import time
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.bodies import DecodedBody, decode_body
from ruleforge.events.bodies.bounds import MAX_BODY_BYTES, MAX_RATIO

MIB = MAX_BODY_BYTES


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=300), st.sampled_from([gzip.compress, zlib.compress, raw_deflate]), st.integers(1, 40))
def test_what_was_compressed_and_chunked_comes_back(data, compress, size):
    packed = compress(data)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(packed[at : at + size]), packed[at : at + size])
                      for at in range(0, len(packed), size))  # fmt: skip
    name = b"gzip" if compress is gzip.compress else b"deflate"
    body = decode_body(chunks + b"0\r\n\r\n", transfer=[b"chunked"], content=[name])
    if data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert body == DecodedBody(data)


def test_every_member_of_a_gzip_body_is_read():
    assert decode_body(gzip.compress(b"a=1&") + gzip.compress(b"b=2"), content=[b"gzip"]) == DecodedBody(b"a=1&b=2")


def test_a_bomb_stops_at_the_ratio_and_is_incomplete():
    bomb = gzip.compress(bytes(50 << 20))
    body = decode_body(bomb, content=[b"gzip"])
    assert body.complete is False
    assert len(body.content) == min(MIB, len(bomb) * MAX_RATIO)


def test_a_bomb_in_a_bomb_stops_at_the_ratio_of_what_was_sent():
    bomb = gzip.compress(gzip.compress(bytes(50 << 20)))
    body = decode_body(bomb, content=[b"gzip, gzip"])
    assert body.complete is False
    assert len(body.content) <= len(bomb) * MAX_RATIO


def test_a_body_of_one_mebibyte_is_whole_and_one_byte_more_is_not():
    assert decode_body(b"a" * MIB) == DecodedBody(b"a" * MIB)
    assert decode_body(b"a" * (MIB + 1)) == DecodedBody(b"a" * MIB, complete=False)


@pytest.mark.parametrize("coding", [b"zstd", b"compress", b"gzip, gzip, gzip, gzip, gzip"])
def test_a_coding_that_cannot_be_undone_leaves_the_body_unknown(coding):
    assert decode_body(b"data", content=[coding]) == DecodedBody(None, complete=False)


@given(st.binary(max_size=300))
def test_what_brotli_compressed_comes_back(data):
    body = decode_body(brotli.compress(data), content=[b"br"])
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert body == DecodedBody(data)


def test_brotli_over_chunks_and_gzip_is_undone_in_order():
    packed = gzip.compress(brotli.compress(b"a=1&b=2"))
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
    assert decode_body(chunked, transfer=[b"chunked"], content=[b"br, gzip"]) == DecodedBody(b"a=1&b=2")


def test_a_brotli_bomb_stops_at_the_ratio_in_little_time():
    bomb = brotli.compress(bytes(200 << 20), quality=5)
    start = time.process_time()
    body = decode_body(bomb, content=[b"br"])
    assert time.process_time() - start < 1
    assert body.complete is False
    assert len(body.content) == min(MIB, len(bomb) * MAX_RATIO)


def test_a_brotli_stream_that_breaks_off_gives_what_was_read():
    text = b"".join(b"%d " % number for number in range(4000))
    packed = brotli.compress(text)
    body = decode_body(packed[: len(packed) // 2], content=[b"br"])
    assert body.complete is False
    assert text.startswith(body.content)


def test_a_plain_body_under_brotli_stays_as_it_is():
    assert decode_body(b"a=1&b=2", content=[b"br"]) == DecodedBody(b"a=1&b=2")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-7"])
def test_wide_text_that_was_cut_gives_the_beginning_of_the_text(codec):
    for shift in range(5):
        text = "x" * shift + "a\U0001f600\u00e9" * 200_000
        body = decode_body(text.encode(codec), media_type=b"a/b; charset=" + codec.encode())
        assert body.complete is False
        assert text.encode().startswith(body.content)


def test_a_damaged_brotli_stream_is_not_read_as_plain():
    damaged = bytearray(brotli.compress(bytes(range(256)) * 4))
    damaged[10:40] = b"\xff" * 30
    assert decode_body(bytes(damaged), content=[b"br"]).complete is False


def test_brotli_is_unknown_without_its_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert decode_body(b"\x0b\x02\x80data\x03", content=[b"br"]) == DecodedBody(None, complete=False)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"identity", b"amz-1.0", b"utf-8"])
def test_a_plain_body_under_a_declared_coding_stays_as_it_is(coding):
    assert decode_body(b"a=1&b=2", transfer=[b"chunked"], content=[coding]) == DecodedBody(b"a=1&b=2")


def test_a_stream_that_breaks_off_gives_what_was_read():
    text = b"".join(b"%d " % number for number in range(400))
    body = decode_body(gzip.compress(text)[:300], content=[b"gzip"])
    assert body.complete is False
    assert body.content
    assert text.startswith(body.content)
    assert decode_body(b"5\r\nhello\r\n9\r\nwor", transfer=[b"chunked"]) == DecodedBody(b"hellowor", complete=False)


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        ("<a>é</a>".encode("utf-16"), b""),
        (b"\xfe\xff" + "<a>é</a>".encode("utf-16-be"), b""),
        ("<a>é</a>".encode("utf-16-le"), b"text/xml; charset=UTF-16LE"),
        ("<a>é</a>".encode("utf-16-be"), b'text/xml; charset="utf-16"'),
        ("<a>é</a>".encode("utf-16-le"), b"text/xml; charset=utf-16"),
        (b"+ADw-a+AD4-+AOk-+ADw-/a+AD4-", b"text/xml; charset=utf-7"),
        ("<a>é</a>".encode(), b"text/xml; charset=utf-16"),
    ],
)
def test_wide_text_is_made_utf8(raw, media_type):
    assert decode_body(raw, media_type=media_type) == DecodedBody("<a>é</a>".encode())


@pytest.mark.parametrize("raw", [b"1\r\na\r\n" * 150_000, b"+" * MIB, b"+AA" * 300_000, b"\xff\xfe" + b"\xd8" * MIB])
def test_a_mebibyte_of_hostile_coding_takes_linear_time(raw):
    start = time.process_time()
    decode_body(raw, transfer=[b"chunked"], media_type=b"a/b; charset=utf-7")
    decode_body(gzip.compress(b"") * 50_000, content=[b"gzip"])
    assert time.process_time() - start < 8
