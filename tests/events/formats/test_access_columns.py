"""Access logs many lines at once: whatever the bytes, the same requests and errors as one line after the other."""

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events import columns
from ruleforge.events.columns import to_batches, to_requests
from ruleforge.events.formats import bounded
from ruleforge.events.formats.bounded import Block, Line, read_blocks, read_lines
from ruleforge.events.formats.combined import combined_batches, read_combined
from ruleforge.events.formats.escapes import unescape_text

MOST = 1 << 30


def split(items):
    """Requests, their instants, and errors as text, each in order."""
    requests, instants, errors = [], [], []
    for item in items:
        if isinstance(item, InputError):
            errors.append(str(item))
        else:
            item.validate(full=True)
            requests += to_requests(item)
            instants += item.column("at").to_pylist()
    return requests, instants, errors


def same_both_ways(data, rows=8192, most=MOST):
    fast = split(combined_batches(io.BytesIO(data), "access.log", most, rows))
    items = list(read_combined(io.BytesIO(data), "access.log", most))
    errors = [item for item in items if isinstance(item, InputError)]
    slow = split([*to_batches(item for item in items if not isinstance(item, InputError)), *errors])
    assert fast == slow
    return fast


def one_of(*usual):
    return st.sampled_from(usual)


ESCAPES = (
    '\\"',
    "\\x22",
    "\\",
    "\\\\",
    '\\\\"',
    '\\\\\\"',
    "\\x20",
    "\\x2",
    "\\xZZ",
    "\\n",
    "\\q",
    "\\0",
    "\\'",
    "\\x5Cx41",
)
TEXT = st.lists(
    one_of("-", "", " ", "a b", "[", "]", '"', "é", "\x0b", "\r", "https://shop.example/a", *ESCAPES), max_size=4
).map("".join)
ADDRESSES = one_of("198.51.100.7", "2001:db8::1", "-", "shop.example:443 198.51.100.7", "", "a\tb", "x[y", "a  b")
DAYS = one_of("10", "29", "31", "00", "1", "32")
TIMES = st.builds(
    "{}/{}/{}:{}:{}:{} {}{}".format,
    DAYS,
    one_of("Oct", "Feb", "oct", "Xyz", "Jun"),
    one_of("2025", "2024", "1969", "2199", "2200", "0000", "9999"),
    one_of("13", "23", "24"),
    one_of("59", "60"),
    one_of("36", "60", "3", ":9"),
    one_of("+", "-", " "),
    one_of("0000", "0930", "2359", "2400", "0060", "00"),
)
REQUESTS = st.builds(
    "{}{}{}{}{}".format,
    one_of("GET", "POST", "PROPFIND", "SEARCH", "OPTIONS", "get", "", "\x16\x03", "G\\x45T", "M" * 64, "M" * 65),
    one_of(" ", "  ", "", "\t"),
    one_of("/", "/a?b=c d", "", " ", "/a[0]", "/é", "*", "/\\x27", '/"') | TEXT,
    one_of(" ", "", "  "),
    one_of("HTTP/1.1", "HTTP/2.0", "HTTP/1.5", "http/1.1", "HTTP/2", "", "HTTP/1.1 "),
)
LINES = st.builds(
    '{} {} {} {}[{}] "{}" {} {}{}{}'.format,
    ADDRESSES,
    one_of("-", "-", "x", "", "[", "\\x22", '\\"'),
    one_of("-", "ada", "ada l", "-"),
    one_of("", "", "", " "),
    TIMES | one_of("10/Oct/2025:13:55:36 +0000", "29/Feb/2024:00:00:00 -0330", "now", ""),
    REQUESTS | one_of("GET /shop/item?id=1 HTTP/1.1", "-", "GET / HTTP/1.0"),
    one_of("200", "404", "-", "20", "2000", "2x0"),
    one_of("-", "0", "1234", "12345678", "123456789", "12a", "", "0x"),
    st.builds(' "{}" "{}"'.format, TEXT, TEXT) | one_of("", " ", ' "-"', ' "-" "agent/1.0"', ' "-""x"'),
    one_of("", "", ' "more"', " 0.003", "\r", "\r\r"),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
USUAL = b'198.51.100.7 - - [10/Oct/2025:13:55:36 +0000] "GET /shop/item?id=1 HTTP/1.1" 200 1234 "-" "agent/1.0"'
ESCAPED = USUAL.replace(b"/shop", rb"/\x22\\\"\xff\x20").replace(b'"-"', rb'"\"a\x0a"').replace(b"agent", b"\xffa\\\\")
WORM = USUAL.replace(b"GET /shop", b"SEARCH /" + rb"\x90\x02A" * 600)
FILES = st.lists(
    LINES | st.sampled_from([USUAL, USUAL, ESCAPED, WORM, b"", b"\r", b"hello"]) | st.binary(max_size=80), max_size=12
)


@settings(max_examples=600)
@given(FILES, st.sampled_from([b"\n", b""]))
@example([b'"' * 6], b"")
@example([b"\\"], b"\n")
@example([USUAL.replace(b"/shop/item?id=1", rb"\x20\x09")], b"\n")
@example([WORM + b'"', ESCAPED[:-1], ESCAPED + b"\\", WORM[:-1] + b'\\"'], b"")
def test_both_ways_give_the_same_requests_and_errors(lines, end):
    same_both_ways(b"\n".join(lines) + end)


@settings(max_examples=300)
@given(
    st.sampled_from([USUAL, ESCAPED]),
    st.lists(st.integers(0, len(ESCAPED)), max_size=3),
    st.binary(max_size=3) | st.sampled_from([b"\\", b'"', b'\\"']),
    st.booleans(),
)
def test_a_usual_line_damaged_anywhere_is_read_the_same_way(usual, places, put, cut):
    line = bytearray(usual)
    for place in places:
        line[place : place + (len(put) if cut else 0)] = put
    same_both_ways(bytes(line) + b"\n" + USUAL)


@pytest.mark.parametrize("line", [USUAL, ESCAPED, WORM])
def test_a_line_that_was_cut_off_anywhere_is_read_the_same_way(line):
    ends = [*range(0, len(line), max(1, len(line) // 150)), *range(len(line) - 90, len(line))]
    same_both_ways(b"\n".join(line[:end] for end in ends))


@given(st.lists(st.sampled_from([b"\\", b'"', b"x", b"22", b"a", *map(str.encode, ESCAPES)]), max_size=8))
def test_long_escaped_values_stand_for_the_same_as_short_ones(parts):
    text = b"".join(parts)
    filled = rb"\x41" * 300
    assert unescape_text(filled + text) == b"A" * 300 + unescape_text(text)
    assert unescape_text(text + b"." + filled) == unescape_text(text + b".") + b"A" * 300


def test_lines_with_oddities_take_their_place_among_the_others():
    odd = USUAL.replace(b"GET /shop", rb"GET /\x22").replace(b"agent", rb"a\"b")
    common = USUAL[: USUAL.index(b' "-"')]
    requests, _, errors = same_both_ways(b"\n".join([USUAL, odd, b"hello", common, USUAL, common, USUAL]), rows=2)
    assert [request.id for request in requests] == [f"access.log:{number}" for number in (1, 2, 4, 5, 6, 7)]
    assert requests[1].headers == ((b"User-Agent", b'a"b/1.0'),)
    assert [request.recorded_headers is None for request in requests] == [False, False, True, False, True, False]
    assert len(errors) == 1


def test_usual_lines_take_the_fast_way(monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr("ruleforge.events.formats.combined._read", never)
    common = USUAL[: USUAL.index(b' "-"')]
    for line in (USUAL, common, USUAL.replace(b"- -", b"- ada"), USUAL + b' "more" 0.3', USUAL.replace(b"1234", b"-"),
                 ESCAPED, WORM, common.replace(b"/shop", rb"/\x22")):  # fmt: skip
        batches = list(combined_batches(io.BytesIO((line + b"\n") * 1000), "a", MOST, 8192))
        assert sum(batch.num_rows for batch in batches) == 1000


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([b"", b"a", b"bb", b"ccc" * 3, b"d" * 20, b"\r"]), max_size=12),
    st.integers(1, 9),
    st.integers(0, 120),
    st.booleans(),
    st.booleans(),
)
def test_blocks_hold_the_lines_and_errors_that_lines_are_read_from(texts, size, most, end, damaged):
    class Stream(io.BytesIO):
        def readline(self, most=-1):
            return self.fail() if damaged and self.last() else super().readline(most)

        def read1(self, most=-1):
            if damaged and self.tell() == len(self.getvalue()):
                raise OSError("broken")
            return super().read1(most)

        def last(self):
            return b"\n" not in self.getvalue()[self.tell() :]

        def fail(self):
            raise OSError("broken")

    data = b"\n".join(texts) + b"\n" * end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "MAX_LINE_BYTES", 10)
        most = MOST if damaged else most
        slow = list(read_lines(Stream(data), "a", most))
        fast = list(read_blocks(Stream(data), "a", most, size))
    lines = []
    for item in fast:
        if isinstance(item, Block):
            for number, text in enumerate(item.text.split(b"\n"), item.number):
                if stripped := text.rstrip(b"\r\n"):
                    lines.append((number, stripped))
    assert lines == [(item.number, item.text) for item in slow if isinstance(item, Line)]
    assert [str(item) for item in fast if isinstance(item, InputError)] == [
        str(item) for item in slow if isinstance(item, InputError)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10/Oct/2025:13:55:36 -0700", "2025-10-10T20:55:36+00:00"),
        ("29/Feb/2024:00:00:00 +0000", "2024-02-29T00:00:00+00:00"),
        ("29/Feb/2023:00:00:00 +0000", None),
        ("10/Oct/2025:13:55:36", None),
        ("10/oct/2025:13:55:36 +0000", None),
    ],
)
def test_the_time_of_an_access_log_is_an_instant(text, expected):
    read = columns.instant(text)
    assert (None if read is None else read.isoformat()) == expected
