"""An HTTP request as it was recorded: raw bytes, header order and duplicates kept, gaps stated."""

import msgspec

Header = tuple[bytes, bytes]  # (name as sent, value as sent without surrounding blanks)


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request. Anything can be malformed: every part is bytes and nothing is normalised here.

    Three states of a body: `None` and not in `unrecorded` (no body was sent), `b""` (an empty body was sent),
    and "body" in `unrecorded` (the source does not say). The same holds for headers.
    """

    method: bytes  # as sent, b"GET"; empty when the request line was broken
    target: bytes  # as sent, b"/a?b=c"
    version: bytes = b"HTTP/1.1"  # as sent; empty when there was none (HTTP/0.9 or broken)
    headers: tuple[Header, ...] = ()
    body: bytes | None = None  # as sent: still chunked or compressed if it was
    id: str = ""  # unique in its source: the row's id, or "file:ordinal"
    source: str = ""  # where it was recorded; a stratum of a corpus
    source_address: bytes = b""  # b"198.51.100.7"; empty: not recorded
    status: int | None = None  # status of the response, where the log has it
    time: str = ""  # RFC 3339 or as recorded; empty: not recorded
    # Places the source does not record: "body", "headers", "method", "version", "target".
    unrecorded: frozenset[str] = frozenset()
    # Lower-case names of the only headers the source records; None: it records all of them (or none at all,
    # when "headers" is in `unrecorded`).
    recorded_headers: frozenset[bytes] | None = None
