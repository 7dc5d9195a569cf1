"""Packet captures: from frames to TCP streams to HTTP/1 requests."""

from ruleforge.events.formats.capture.files import is_capture
from ruleforge.events.formats.capture.requests import read_capture

__all__ = ["is_capture", "read_capture"]
