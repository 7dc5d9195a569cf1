"""Errors meant for people: a stable code, a place, and what to do next."""


class RuleForgeError(Exception):
    """Base of all errors shown to users. A `code` never changes meaning; docs/reference/errors.md lists them.

    Args:
        what: one sentence, without a full stop.
        where: file, path inside a document, or record id; empty when there is none.
        hint: the next step for the reader; empty when there is none.
        code: a more precise code than the class's own, of the same family.
    """

    code = "RF000"

    def __init__(self, what: str, *, where: str = "", hint: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint
        self.code = code or type(self).code

    def __str__(self) -> str:
        parts = (f"[{self.code}]", self.where, self.what, self.hint and f"({self.hint})")
        return " ".join(part for part in parts if part)


class UsageError(RuleForgeError):
    """The caller asked for something that does not exist or does not fit. Exit code 2."""

    code = "RF100"


class InputError(RuleForgeError):
    """A document, request or log line cannot be read; the rest of the batch goes on. The author acts."""

    code = "RF200"


class RuleError(RuleForgeError):
    """A rule is refused: unknown field, operator, class version, schema, or a value of the wrong type."""

    code = "RF300"


class PolicyError(RuleForgeError):
    """A rule of the house forbids the step (for example releasing what was not approved)."""

    code = "RF400"


class OutsideError(RuleForgeError):
    """Something outside failed: disk, network, another program. Exit code 3."""

    code = "RF500"
