"""What may be spent on models, by run, by CVE and by day: asked before every call, so that nothing can run over.

A call first reserves the most that it can cost and then gives back what it did not use. A process that dies in between
leaves its reservation counted: the day's ledger may only err on the side of having spent more.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from ruleforge.errors import InputError, OutsideError, PolicyError
from ruleforge.llm.files import read_bounded
from ruleforge.llm.prices import Dollars, dollars_said, micros


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most of one scope; None: no limit."""

    calls: Annotated[int, msgspec.Meta(ge=0)] | None = None
    tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    money: Annotated[int, msgspec.Meta(ge=0)] | None = None  # micro-dollars


class Spent(msgspec.Struct, frozen=True):
    """What was used or is reserved; a ledger of before there was money reads as one without."""

    calls: Annotated[int, msgspec.Meta(ge=0)] = 0
    tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    money: Annotated[int, msgspec.Meta(ge=0)] = 0  # micro-dollars, of models that have a price

    def plus(self, more: "Spent") -> "Spent":
        """Return the sum."""
        return Spent(self.calls + more.calls, self.tokens + more.tokens, self.money + more.money)

    def less(self, back: "Spent") -> "Spent":
        """Return the difference, nothing below 0: who deleted a ledger in between is owed nothing."""
        return Spent(
            max(self.calls - back.calls, 0), max(self.tokens - back.tokens, 0), max(self.money - back.money, 0)
        )


FILE_MOST = 4_096  # bytes of a file of limits
PROBLEMS_MOST = 20  # of a ledger, that are kept
# What is allowed when nobody says otherwise: enough for one CVE judged five times, not for an accident over night.
RUN = Limits(calls=2_000, tokens=20_000_000)
CVE = Limits(calls=60, tokens=1_000_000)
DAY = Limits(calls=5_000, tokens=50_000_000)


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of every scope."""

    run: Limits = RUN
    cve: Limits = CVE
    day: Limits = DAY

    @property
    def in_money(self) -> bool:
        """Whether any scope has a limit in money."""
        return any(limits.money is not None for limits in (self.run, self.cve, self.day))


class _LimitsWritten(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits as they stand in the file, where money is written in dollars."""

    calls: Annotated[int, msgspec.Meta(ge=0)] | None = None
    tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    dollars: Dollars | None = None

    def limits(self) -> Limits:
        """The same in micro-dollars, rounded down."""
        return Limits(self.calls, self.tokens, None if self.dollars is None else micros(self.dollars, up=False))


def load_budget(file: Path) -> Budget:
    """Read limits from a JSON file such as {"day": {"calls": 100, "dollars": 2.5}}; the built-in ones without one.

    A scope that is named has the limits that stand there and no others.

    Raises:
        InputError: the file cannot be read as limits (RF268).
    """
    data = read_bounded(file, FILE_MOST)
    if data is None:
        return Budget()
    try:
        found = msgspec.json.decode(data, type=dict[Literal["run", "cve", "day"], _LimitsWritten])
        return Budget(**{scope: written.limits() for scope, written in found.items()})
    except (msgspec.MsgspecError, ValueError) as error:
        hint = 'write it as {"run": {"calls": 100, "tokens": 1000000, "dollars": 2.5}, "cve": …, "day": …}'
        raise InputError(f"not limits: {error}"[:200], where=str(file), hint=hint, code="RF268") from error


class BudgetError(PolicyError):
    """The next call could cost more than is left; it was not sent."""

    code = "RF430"


class Ledger(Protocol):
    """Keeps what a day has cost, over processes and restarts."""

    def add(self, more: Spent, limits: Limits, /) -> str:
        """Count this to today and return the day, such as 2099-12-31; raises BudgetError and counts nothing."""

    def give_back(self, day: str, held: Spent, used: Spent, /) -> None:
        """Put what was used in the place of what was held, on that day."""

    def spent(self) -> Spent:
        """What today has cost so far."""


class MemoryLedger:
    """A ledger of this process, for tests and for providers that cost nothing. Safe to use from several threads."""

    def __init__(self) -> None:
        self._spent, self._lock = Spent(), threading.Lock()

    def add(self, more: Spent, limits: Limits) -> str:
        """Count this, or raise BudgetError."""
        with self._lock:
            check(self._spent, more, limits, "day")
            self._spent = self._spent.plus(more)
        return ""

    def give_back(self, _day: str, held: Spent, used: Spent) -> None:
        """Put what was used in the place of what was held."""
        with self._lock:
            self._spent = self._spent.plus(used).less(held)

    def spent(self) -> Spent:
        """What was counted so far."""
        return self._spent


class Reservation(msgspec.Struct, frozen=True):
    """What was set aside for one call."""

    subject: str
    day: str
    most: Spent


def check(spent: Spent, more: Spent, limits: Limits, scope: str) -> None:
    """Refuse what does not fit.

    Raises:
        BudgetError: more calls, tokens or money than are left.
    """
    for unit, used, needed, most in (
        ("calls", spent.calls, more.calls, limits.calls),
        ("tokens", spent.tokens, more.tokens, limits.tokens),
        ("", spent.money, more.money, limits.money),
    ):
        if most is not None and used + needed > most:
            if unit:
                left = f"{used:,} of {most:,} {unit} are used, and the next call may need {needed:,}"
            else:
                left = f"{dollars_said(used)} of {dollars_said(most)} are used, and the next call may need "
                left += dollars_said(needed)
            what = f"the budget of this {scope} does not cover the next call: {left}"
            raise BudgetError(what, hint="raise the limit in budget.json, or go on without a model", code="RF430")


class Meter:
    """Watches one run. Safe to use from several threads, and by several doors."""

    def __init__(self, budget: Budget | None = None, ledger: Ledger | None = None) -> None:
        self.budget = budget or Budget()
        self.problems: list[str] = []  # of the ledger, where something could not be given back
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

    def reserve(self, subject: str, most: Spent) -> Reservation:
        """Set aside the most that a call can cost.

        Raises:
            BudgetError: it does not fit into what is left of the run, the CVE or the day; nothing is counted then.
        """
        with self._lock:
            check(self._run, most, self.budget.run, "run")
            own = self._cves.get(subject, Spent())
            check(own, most, self.budget.cve, "CVE")
            day = self._ledger.add(most, self.budget.day)
            self._run = self._run.plus(most)
            self._cves[subject] = own.plus(most)
        return Reservation(subject, day, most)

    def settle(self, held: Reservation, used: Spent) -> None:
        """Replace a reservation by what the call did cost.

        Where a ledger fails now, the day keeps what was reserved: the answer is paid and must not be lost for that.

        Args:
            held: the reservation; to be settled once.
            used: what it cost; `held.most` where the provider did not say. More than was reserved is counted too, so
                that a provider that breaks its limit is not asked much longer.
        """
        with self._lock:
            self._run = self._run.plus(used).less(held.most)
            self._cves[held.subject] = self._cves[held.subject].plus(used).less(held.most)
            if used != held.most:
                try:
                    self._ledger.give_back(held.day, held.most, used)
                except OutsideError as problem:
                    if len(self.problems) < PROBLEMS_MOST:
                        self.problems.append(str(problem))
