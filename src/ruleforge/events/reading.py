"""What reading one place of an event gives: the values found, and whether they are all there is."""

from typing import Protocol

import msgspec


class Element(msgspec.Struct, frozen=True, gc=False):
    """One value of a place, with what identifies it there."""

    value: bytes
    name: bytes = b""  # argument, header, cookie or part name; JSON pointer; b"" for places without names
    filename: bytes | None = None  # multipart only
    content_type: bytes | None = None  # multipart only
    cut: bool = False  # a bound cut `value` off: it is the beginning of the real one (only in incomplete readings)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """All values of one place.

    `complete` is False when the source did not record the place, or a bound cut it off: then an existential
    condition that no value satisfies is *unknown*, not false.
    """

    elements: tuple[Element, ...] = ()
    complete: bool = True


NOT_RECORDED = Reading((), complete=False)
NOTHING = Reading(())


class View(Protocol):
    """One event as rules read it, whatever its kind."""

    memo: dict[object, bool | None] | None

    def read(self, field: str, name: bytes | None = None) -> Reading:
        """Read a place, or only its elements called `name`."""
        ...

    def knows(self, field: str) -> bool:
        """Whether all values of a place are known."""
        ...
