"""What may be spent on models, by run, by CVE and by day: asked before every call, so that nothing can run over.

A call first reserves the most that it can cost and then gives back what it did not use. A process that dies in between
leaves its reservation counted: the day's ledger may only err on the side of having spent more.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from ruleforge.errors import InputError, PolicyError
from ruleforge.llm.files import read_bounded


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most of one scope; None: no limit."""

    calls: Annotated[int, msgspec.Meta(ge=0)] | None = None
    tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Spent(msgspec.Struct, frozen=True):
    """What was used or is reserved."""

    calls: int = 0
    tokens: int = 0

    def plus(self, calls: int, tokens: int) -> "Spent":
        """Return the sum."""
        return Spent(self.calls + calls, self.tokens + tokens)


FILE_MOST = 4_096  # bytes of a file of limits
# What is allowed when nobody says otherwise: enough for one CVE judged five times, not for an accident over night.
RUN = Limits(calls=2_000, tokens=20_000_000)
CVE = Limits(calls=60, tokens=1_000_000)
DAY = Limits(calls=5_000, tokens=50_000_000)


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of every scope."""

    run: Limits = RUN
    cve: Limits = CVE
    day: Limits = DAY


def load_budget(file: Path) -> Budget:
    """Read limits from a JSON file such as {"day": {"calls": 100}}; the built-in ones where there is none.

    A scope that is named has the limits that stand there and no others.

    Raises:
        InputError: the file cannot be read as limits (RF268).
    """
    data = read_bounded(file, FILE_MOST)
    if data is None:
        return Budget()
    try:
        return msgspec.json.decode(data, type=Budget)
    except msgspec.MsgspecError as error:
        hint = 'write it as {"run": {"calls": 100, "tokens": 1000000}, "cve": …, "day": …}'
        raise InputError(f"not limits: {error}"[:200], where=str(file), hint=hint, code="RF268") from error


class BudgetError(PolicyError):
    """The next call could cost more than is left; it was not sent."""

    code = "RF430"


class Ledger(Protocol):
    """Keeps what a day has cost, over processes and restarts."""

    def add(self, calls: int, tokens: int, limits: Limits) -> str:
        """Count this to today and return the day, such as 2099-12-31; raises BudgetError and counts nothing."""

    def give_back(self, day: str, calls: int, tokens: int, /) -> None:
        """Take off a day what was not used after all."""

    def spent(self) -> Spent:
        """What today has cost so far."""


class MemoryLedger:
    """A ledger of this process, for tests and for providers that cost nothing."""

    def __init__(self) -> None:
        self._spent = Spent()

    def add(self, calls: int, tokens: int, limits: Limits) -> str:
        """Count this, or raise BudgetError."""
        check(self._spent, calls, tokens, limits, "day")
        self._spent = self._spent.plus(calls, tokens)
        return ""

    def give_back(self, _day: str, calls: int, tokens: int) -> None:
        """Take off what was not used."""
        self._spent = self._spent.plus(-calls, -tokens)

    def spent(self) -> Spent:
        """What was counted so far."""
        return self._spent


class Reservation(msgspec.Struct, frozen=True):
    """What was set aside for one call."""

    subject: str
    day: str
    calls: int
    tokens: int


def check(spent: Spent, calls: int, tokens: int, limits: Limits, scope: str) -> None:
    """Refuse what does not fit.

    Raises:
        BudgetError: more calls or tokens than are left.
    """
    for unit, used, more, most in (
        ("calls", spent.calls, calls, limits.calls),
        ("tokens", spent.tokens, tokens, limits.tokens),
    ):
        if most is not None and used + more > most:
            left = f"{used:,} of {most:,} {unit} are used, and the next call may need {more:,}"
            what = f"the budget of this {scope} does not cover the next call: {left}"
            raise BudgetError(what, hint="raise the limit in budget.json, or go on without a model", code="RF430")


class Meter:
    """Watches one run. Safe to use from several threads."""

    def __init__(self, budget: Budget | None = None, ledger: Ledger | None = None) -> None:
        self.budget = budget or Budget()
        self._ledger = ledger or MemoryLedger()
        self._run = Spent()
        self._cves: dict[str, Spent] = {}
        self._lock = threading.Lock()

    @property
    def run(self) -> Spent:
        """What this run used, with what is reserved now."""
        return self._run

    @property
    def cves(self) -> Mapping[str, Spent]:
        """The same by CVE."""
        return self._cves

    def reserve(self, subject: str, calls: int, tokens: int) -> Reservation:
        """Set aside the most that a call can cost.

        Raises:
            BudgetError: it does not fit into what is left of the run, the CVE or the day; nothing is counted then.
        """
        with self._lock:
            check(self._run, calls, tokens, self.budget.run, "run")
            own = self._cves.get(subject, Spent())
            check(own, calls, tokens, self.budget.cve, "CVE")
            day = self._ledger.add(calls, tokens, self.budget.day)
            self._run = self._run.plus(calls, tokens)
            self._cves[subject] = own.plus(calls, tokens)
        return Reservation(subject, day, calls, tokens)

    def settle(self, held: Reservation, tokens: int | None, *, sent: bool = True) -> None:
        """Replace a reservation by what the call did cost.

        Args:
            held: the reservation; to be settled once.
            tokens: what the provider counted, None where it did not say: then all that was reserved stays counted. More
                than was reserved is counted too, so that a provider that breaks its limit is not asked much longer.
            sent: False where nothing went out; then nothing is counted.
        """
        used = (held.tokens if tokens is None else max(tokens, 0)) if sent else 0
        calls_back, tokens_back = (0 if sent else held.calls), held.tokens - used
        with self._lock:
            self._ledger.give_back(held.day, calls_back, tokens_back)
            self._run = self._run.plus(-calls_back, -tokens_back)
            self._cves[held.subject] = self._cves[held.subject].plus(-calls_back, -tokens_back)
