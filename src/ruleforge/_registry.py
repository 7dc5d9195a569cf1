"""One kind of table for everything that grows: operators, transforms, readers, checks, generators."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from ruleforge.errors import UsageError

Part = TypeVar("Part")
Added = TypeVar("Added")


class Registry(Generic[Part]):
    """Names to parts, in the order they were added. A duplicate raises; an unknown name suggests the nearest."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, Part] = {}

    def add(self, name: str) -> Callable[[Added], Added]:
        """Decorate a part to register it under `name`; a name can be taken once."""

        def register(part: Added) -> Added:
            self.put(name, part)  # type: ignore[arg-type]
            return part

        return register

    def put(self, name: str, part: Part) -> None:
        """Register `part` under `name`.

        Raises:
            UsageError: the name is taken (code RF101).
        """
        if name in self._parts:
            raise UsageError(f"{self.kind} {name!r} is registered twice", code="RF101")
        self._parts[name] = part

    def __getitem__(self, name: str) -> Part:
        try:
            return self._parts[name]
        except KeyError:
            raise UsageError(f"unknown {self.kind} {name!r}", hint=self.suggest(name), code="RF102") from None

    def suggest(self, name: str) -> str:
        """Return a hint such as `did you mean 'contains'?`, or the list of known names."""
        near = difflib.get_close_matches(name, self._parts, n=1)
        return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(self._parts)

    def get(self, name: str) -> Part | None:
        """Return the part, or None when the name is not known."""
        return self._parts.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def names(self) -> tuple[str, ...]:
        """All names, in the order of registration."""
        return tuple(self._parts)

    def items(self) -> tuple[tuple[str, Part], ...]:
        """All (name, part) pairs, in the order of registration."""
        return tuple(self._parts.items())

    @contextmanager
    def temporarily(self, name: str, part: Part) -> Iterator[None]:
        """Register `part` for the length of a `with` block (for tests)."""
        self.put(name, part)
        try:
            yield
        finally:
            del self._parts[name]
