"""Helper functions that build whole objects: archives, tokens, serialised gadgets. Added to FUNCTIONS on import."""

import base64
import hmac
import json
import zlib

from ruleforge.sources.nuclei.functions import FUNCTIONS, Arguments, encode_base64, squeeze, text_of
from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.nuclei.text import Text, glue, whole
from ruleforge.sources.nuclei.values import Value, as_text


@FUNCTIONS.add("zip")
def _zip(arguments: Arguments, _: Standins) -> Value:
    """An archive of (name, content) pairs: the names stay readable, as they do in a real one."""
    files: list[Text] = []
    index: list[Text] = []
    offset = 0
    pairs = list(zip(arguments[::2], arguments[1::2], strict=False))[:64]
    for name, content in ((as_text(name), as_text(content)) for name, content in pairs):
        packed = squeeze(content.data, -15)
        sizes = b"".join(
            number.to_bytes(4, "little") for number in (zlib.crc32(content.data), len(packed), len(content.data))
        )
        common = b"\x00\x00\x08\x00\x00\x00\x00\x00" + sizes + (len(name.data) & 0xFFFF).to_bytes(2, "little") + b"\0\0"
        entry = [Text(b"PK\x03\x04\x14\x00"), Text(common).marked(), name, Text(packed).marked()]
        tail = b"\0" * 10 + offset.to_bytes(4, "little")
        index += [Text(b"PK\x01\x02\x14\x00\x14\x00"), Text(common + tail).marked(), name]
        files += entry
        offset += sum(len(part.data) for part in entry)
    size = sum(len(part.data) for part in index)
    counts = len(pairs).to_bytes(2, "little") * 2 + size.to_bytes(4, "little") + offset.to_bytes(4, "little")
    return glue([*files, *index, Text(b"PK\x05\x06\0\0\0\0"), Text(counts + b"\0\0").marked()])


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@FUNCTIONS.add("generate_jwt")
def _jwt(arguments: Arguments, _: Standins) -> Value:
    """generate_jwt(claims, algorithm, key): header and constant claims are literal, the signature never is."""
    claims, algorithm = text_of(arguments, 0), text_of(arguments, 1).data.decode("latin-1").strip() or "none"
    try:
        payload = json.dumps(json.loads(claims.data), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        payload = claims.data
    header = _url64(json.dumps({"alg": algorithm[:32], "typ": "JWT"}, separators=(",", ":")).encode())
    body = _url64(payload)
    signature = _url64(hmac.new(text_of(arguments, 2).data, header + b"." + body, "sha256").digest())
    parts = [Text(header + b"."), Text(body, whole(body) if claims.spans else ()), Text(b".")]
    if algorithm.lower() != "none":
        parts.append(Text(signature).marked())
    return glue(parts)


@FUNCTIONS.add("generate_java_gadget")
def _java_gadget(arguments: Arguments, standins: Standins) -> Value:
    """generate_java_gadget(gadget, command, encoding): only the stream header of a serialised object is literal."""
    command = text_of(arguments, 1).marked()
    stream = glue([Text(b"\xac\xed\x00\x05sr"), Text(b"\x00\x11").marked(), standins.letters(24), command])
    encoding = text_of(arguments, 2).data.decode("latin-1").lower()
    if encoding == "hex":
        return stream.each(lambda data: data.hex().encode())
    if encoding.startswith("gzip"):
        packed = squeeze(stream.data, 31)
        stream = Text(packed, ((3, len(packed)),))
    return stream if encoding in {"raw", "gzip"} else encode_base64(stream)
