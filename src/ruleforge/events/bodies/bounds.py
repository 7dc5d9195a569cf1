"""How much of a body is read. Beyond a bound, what was read so far counts and the rest is unknown."""

MAX_BODY_BYTES = 1 << 20  # of the body as sent, and again of what its codings hide
MAX_RATIO = 100  # bytes decompressed for each byte sent
MAX_CODINGS = 4  # layers of Content-Encoding
MAX_GZIP_MEMBERS = 16
MAX_DEPTH = 64  # of JSON and XML
MAX_VALUES = 1_000  # arguments, parts, leaves, cookies
MAX_NAME_BYTES = 4_096  # of a JSON pointer or an XML path: each leaf repeats its ancestors' names
