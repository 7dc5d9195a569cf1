"""Decodings: what each undoes, what it leaves alone, and what holds for every input."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events import decoding

CASES = [
    ("percent_decode", b"%41%zz%4", b"A%zz%4"),
    ("percent_decode", b"%2541", b"%41"),
    ("percent_decode", b"%%41%", b"%A%"),
    ("percent_decode_stable", b"%25252e", b"."),
    ("percent_decode_stable", b"%25252525252e", b"%2e"),
    ("percent_u_decode", b"%u0041%U0042%u00zz", b"AB%u00zz"),
    ("percent_u_decode", b"%ud83d%ude00", "😀".encode()),
    ("percent_u_decode", b"%ud83d!", b"\xed\xa0\xbd!"),
    ("plus_to_space", b"a+b%2B", b"a b%2B"),
    ("html_entity_decode", b"&lt;&#60;&#x3C;&#0000060", b"<<<<"),
    ("html_entity_decode", b"javascript&colon;a&lpar;1&rpar;", b"javascript:a(1)"),
    ("html_entity_decode", b"&ltimg &amplt; &colon x", b"&ltimg &amplt; &colon x"),
    ("html_entity_decode", b"&lt b&#99999999999;&#0;", b"< b&#99999999999;&#0;"),
    ("unicode_escape_decode", rb"\u003c\x3c\u{3c}\uu003c\74", b"<<<<<"),
    ("unicode_escape_decode", rb"\00003c a\u00e9", b"<a\xc3\xa9"),
    ("unicode_escape_decode", rb"CORP\admin \u00g1 \x4 \u{110000}", rb"CORP\admin \u00g1 \x4 \u{110000}"),
    ("unicode_escape_decode", rb"\ud83d\ude00", "😀".encode()),
    ("lower", "AÉ".encode(), "aÉ".encode()),
    ("normalize_path", b"/a/../b//c/./d", b"/b/c/d"),
    ("normalize_path", b"/a\\..\\b", b"/b"),
    ("normalize_path", b"/app;id=1/..;/admin/", b"/admin/"),
    ("normalize_path", b"/../../x", b"/x"),
    ("normalize_path", b"/a/b/..", b"/a/"),
    ("normalize_path", b"/a/.", b"/a/"),
    ("normalize_path", b"/a/..", b"/"),
    ("normalize_path", b"../a/.hidden/...", b"a/.hidden/..."),
    ("normalize_path", b"/%2e%2e/a", b"/%2e%2e/a"),
    ("normalize_path", b"", b""),
    ("base64_decode", b"aGVsbG8=", b"hello"),
    ("base64_decode", b"aGVsbG8", b"hello"),
    ("base64_decode", b"-_-_", b"\xfb\xff\xbf"),
    ("base64_decode", b"aGVs bG8=", None),
    ("base64_decode", b"aGVsb", None),
    ("base64_decode", b"aGVsbG8==", None),
    ("base64_decode", b"aG=VsbG8", None),
    ("hex_decode", b"3c3E", b"<>"),
    ("hex_decode", b"3c3", None),
    ("hex_decode", b"0x3c", None),
    ("remove_nulls", b"\0a\0b", b"ab"),
    ("compress_whitespace", b"  a\t\r\n b ", b" a b "),
    ("trim", b"\t a b\r\n", b"a b"),
]
NAMES = sorted({name for name, _, _ in CASES})
HOSTILE = {
    "percents": b"%" * 500_000,
    "nested percents": b"%25" * 200_000,
    "ampersands": b"&#" * 300_000,
    "zeros": b"&#" + b"0" * 500_000,
    "letters": b"&" + b"a" * 500_000,
    "backslashes": b"\\" * 500_000,
    "escapes": b"\\u" * 300_000,
    "repeated u": b"\\" + b"u" * 500_000,
    "dots": b"/.." * 200_000,
    "deep": b"/a" * 200_000 + b"/.." * 200_000,
    "blanks": b" " * 500_000,
    "surrogates": b"%ud83d" * 100_000,
}


def test_every_decoding_has_cases():
    assert len(NAMES) == 13


@pytest.mark.parametrize(("name", "value", "expected"), CASES)
def test_a_decoding_gives_what_the_case_says(name, value, expected):
    assert getattr(decoding, name)(value) == expected


@pytest.mark.parametrize("name", NAMES)
@given(value=st.binary() | st.text(alphabet="%&#\\;/.ux0123456789abcdefltgu=+ ").map(str.encode))
def test_no_decoding_makes_a_value_longer_or_fails(name, value):
    decoded = getattr(decoding, name)(value)
    assert decoded is None or len(decoded) <= len(value)


@given(st.text(alphabet="/.;\\ab%").map(str.encode))
def test_normalizing_a_path_twice_changes_nothing_more(value):
    once = decoding.normalize_path(value)
    assert decoding.normalize_path(once) == once


@given(st.text(alphabet="/.;\\ab%").map(lambda text: b"/" + text.encode()))
def test_a_normal_path_keeps_its_root_and_has_no_empty_or_dot_segment(value):
    path = decoding.normalize_path(value)
    assert path.startswith(b"/")
    assert not {b"", b".", b".."} & set(path[1:].removesuffix(b"/").split(b"/")) or path == b"/"
    assert b";" not in path
    assert b"\\" not in path


@given(st.binary())
def test_percent_decoding_undoes_full_percent_encoding(value):
    assert decoding.percent_decode(b"".join(b"%%%02x" % byte for byte in value)) == value


@pytest.mark.parametrize("kind", HOSTILE)
def test_half_a_megabyte_of_triggers_is_decoded_in_linear_time(kind):
    start = time.process_time()
    for name in NAMES:
        getattr(decoding, name)(HOSTILE[kind])
    assert time.process_time() - start < 8  # quadratic would be hours
