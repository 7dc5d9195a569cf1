"""What a request body holds: codings undone, text made UTF-8, parsed into named values, all within bounds."""

from ruleforge.events.bodies.coding import DecodedBody, decode_body
from ruleforge.events.bodies.parsing import ParsedBody, parse_body

__all__ = ["DecodedBody", "ParsedBody", "decode_body", "parse_body"]
