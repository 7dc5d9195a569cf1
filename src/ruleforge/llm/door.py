"""The door: a typed question goes in, a typed answer comes out, or the news that it is still to come.

Whatever comes back is checked like the text of a stranger. An answer that is none is asked again with its problems, a
few times; then it is a failure with a name. Nothing is sent that the budget does not cover.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeAlias, TypeVar

import msgspec

from ruleforge.errors import OutsideError, RuleForgeError
from ruleforge.llm.answers import Parsed, Schema, parse_answer, schema_of
from ruleforge.llm.budget import BudgetError, Meter, Spent
from ruleforge.llm.cache import Cache
from ruleforge.llm.prices import Price, dollars_said
from ruleforge.llm.prompt import Prompt, particular, untrusted
from ruleforge.llm.provider import (
    Call,
    Ground,
    LostError,
    Provider,
    RefusedError,
    Reply,
    Role,
    Tuning,
    UnreachedError,
    Waiting,
)
from ruleforge.llm.tracing import Noted, Tracing

ASKED_AGAIN_MOST = 2
WAIT_MOST = 3_600.0  # seconds
LOOK_SECONDS = 0.25  # between looks for answers that are to come
LOST_WAIT = 1.0  # seconds, before an answer that was lost is asked for again
LOST_MOST = 1  # answers that were lost on the way, of one call, before it fails
SHOWN_AGAIN = 4_000  # characters of a wrong answer that its author is shown

Output = TypeVar("Output", bound=msgspec.Struct)


class Question(msgspec.Struct, Generic[Output], frozen=True, kw_only=True):
    """What a room wants to know, and in which shape."""

    role: Role
    subject: str  # "CVE-2099-0001": whose budget it is
    prompt: Prompt
    output: type[Output]
    ids: Mapping[str, tuple[str, ...]] = {}  # what an answer may cite; see `answers.schema_of`
    check: Callable[[Output], tuple[str, ...]] | None = None  # problems beyond the schema, in words for the author
    tuning: Tuning = Tuning()


class Usage(msgspec.Struct, frozen=True):
    """What an answer cost in this run; tokens are None where the provider does not count them."""

    calls: int = 0
    tokens_in: int | None = 0
    tokens_out: int | None = 0
    cached: bool = False
    cost: int | None = 0  # micro-dollars, as the budget counts them; None: the model has no price

    def plus(self, reply: Reply, spent: Spent, *, priced: bool = True) -> "Usage":
        """Return the sum with one more reply, and with what was spent to get it."""
        return Usage(
            self.calls + spent.calls,
            _sum(self.tokens_in, reply.tokens_in),
            _sum(self.tokens_out, reply.tokens_out),
            cost=_sum(self.cost, spent.money if priced else None),
        )

    @property
    def cost_said(self) -> str:
        """The cost for people; says so where money is not counted."""
        return "not counted in money: the model has no price" if self.cost is None else dollars_said(self.cost)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class Answer(msgspec.Struct, Generic[Output], frozen=True, kw_only=True):
    """A checked answer."""

    value: Output
    usage: Usage
    id: str  # of the call that was answered
    model: str  # who answered
    asked: int = 1  # how often it took


class Pending(msgspec.Struct, frozen=True):
    """Nobody has answered yet; never a made-up answer."""

    id: str
    where: str
    problems: tuple[str, ...] = ()  # of the last answer, where there was one


class InvalidAnswerError(OutsideError):
    """A model gave no valid answer however often it was asked; `problems` are those of its last one."""

    code = "RF540"

    def __init__(self, what: str, problems: tuple[str, ...], *, where: str) -> None:
        super().__init__(what, where=where, hint="; ".join(problems[:3]), code="RF540")
        self.problems = problems


Outcome: TypeAlias = Answer[Output] | Pending
Result: TypeAlias = Answer[Output] | Pending | RuleForgeError


class Door:
    """Asks one provider within a budget. One door serves one run."""

    def __init__(
        self,
        provider: Provider,
        *,
        ground: Ground,
        meter: Meter | None = None,
        cache: Cache | None = None,
        asked_again_most: int = ASKED_AGAIN_MOST,
        wait_seconds: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        price: Price | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.provider, self.meter, self.price = provider, meter or Meter(), price
        self._ground, self._cache, self._tracing = ground, cache, tracing
        self._again = asked_again_most
        self._wait, self._sleep, self._clock = min(wait_seconds, WAIT_MOST), sleep, clock

    @property
    def money_note(self) -> str:
        """What a reader of costs must know: that this model has no price, or what a ledger lost; else empty."""
        notes = [f"the ledger of the day: {problem}" for problem in self.meter.problems[:1]]
        if self.price is None:
            notes.insert(0, f"{self.provider.model} has no price: calls and tokens are limited, money is not counted")
        return "; ".join(notes)

    def ask(self, question: Question[Output]) -> Outcome[Output]:
        """Ask one question.

        Raises:
            BudgetError: the next call could cost more than is left (RF430), or there is a limit in money and the model
                has no price (RF431); it was not sent.
            InvalidAnswerError: no valid answer (RF540).
            OutsideError: the provider failed for good.
        """
        (result,) = self.ask_all((question,))
        if isinstance(result, RuleForgeError):
            raise result
        return result

    def ask_all(self, questions: Sequence[Question[Output]]) -> list[Result[Output]]:
        """Ask several questions; all are put before any is waited for. A failure is the result of its own question."""
        results = [self._try(question) for question in questions]
        end = self._clock() + self._wait
        while any(isinstance(result, Pending) for result in results) and self._clock() < end:
            self._sleep(LOOK_SECONDS)
            results = [
                self._try(question) if isinstance(result, Pending) else result
                for question, result in zip(questions, results, strict=True)
            ]
        return results

    def _try(self, question: Question[Output]) -> Result[Output]:
        try:
            return self._ask(question)
        except RuleForgeError as problem:
            return problem

    def _ask(self, question: Question[Output]) -> Outcome[Output]:
        schema = schema_of(question.output, question.ids)
        prompt, usage = question.prompt, Usage()
        problems: tuple[str, ...] = ()
        for asked in range(1, self._again + 2):
            call = self._call(question, prompt, schema)
            kept = self._kept(call, question, schema)
            reply, spent = (kept, Spent()) if kept else self._send(call)
            if isinstance(reply, Waiting):
                return Pending(reply.id, reply.where, reply.problems)
            if kept:
                usage = msgspec.structs.replace(usage, cached=True)
            else:
                usage = usage.plus(reply, spent, priced=self.price is not None or not spent.calls)
            parsed = _checked(reply.text, question, schema)
            if parsed.value is not None:
                if self._cache and not kept:
                    self._cache.put(self._call(question, question.prompt, schema), reply)  # whatever it took
                model = reply.model or self.provider.model
                return Answer(value=parsed.value, usage=usage, id=call.id, model=model, asked=asked)
            problems = parsed.problems
            if self.provider.refuse(call, problems):
                return Pending(call.id, self.provider.url, problems)
            prompt = _again(question.prompt, reply.text, problems)
        what = f"no valid answer after {self._again + 1} questions"
        raise InvalidAnswerError(what, problems, where=self.provider.url)

    def _kept(self, call: Call, question: Question[Output], schema: Schema) -> Reply | None:
        reply = self._cache.get(call) if self._cache else None
        return reply if reply and _checked(reply.text, question, schema).value is not None else None

    def _call(self, question: Question[Output], prompt: Prompt, schema: Schema) -> Call:
        return Call(
            role=question.role,
            subject=question.subject,
            model=self.provider.model,
            prompt=prompt,
            schema=schema,
            tuning=question.tuning,
        )

    def _send(self, call: Call) -> tuple[Reply | Waiting, Spent]:
        """Send within the budget; an answer that was lost on the way is paid, and asked for once more.

        A question that waits for its answer keeps all that was set aside for it. Returned is what all of it cost.
        """
        most = Spent() if self.provider.holds(call) else self._most(call)
        spent = Spent()
        for lost in range(LOST_MOST + 1):
            held = self.meter.reserve(call.subject, most)
            used = most  # as long as nobody says otherwise, it may have been answered
            try:
                with self._traced(call, most) as noted:
                    noted.reply = reply = self.provider.send(call)
                    noted.spent = used = self._used(reply, most)
            except UnreachedError:
                used = Spent()
                raise
            except RefusedError:
                used = Spent(most.calls)  # asked, and nothing made of it
                raise
            except LostError:
                if lost == LOST_MOST:
                    raise
            else:
                return reply, spent.plus(used)
            finally:
                self.meter.settle(held, used)
            spent = spent.plus(used)
            self._sleep(LOST_WAIT)
        raise AssertionError("the last try returns or raises")

    def _traced(self, call: Call, most: Spent) -> AbstractContextManager[Noted]:
        """A span where somebody wants one; looks at what was sent before have none."""
        if self._tracing is None or not most.calls:
            return nullcontext(Noted())
        return self._tracing.call(call, self.provider.url, call.written(self._ground.frame_key), self.price is not None)

    def _most(self, call: Call) -> Spent:
        """The most that a call can cost."""
        sent, made = call.sent_most(self._ground.frame_key), call.tuning.output_most
        if self.price is None and self.meter.budget.in_money:
            what = f"there is a limit in money, and {self.provider.model} has no price"
            hint = "write its price into prices.json, 0 where it costs nothing, or take the limit out of budget.json"
            raise BudgetError(what, where=self.provider.url, hint=hint, code="RF431")
        return Spent(1, sent + made, self.price.most(sent, made) if self.price else 0)

    def _used(self, reply: Reply | Waiting, most: Spent) -> Spent:
        """What a call cost by its provider's count; the most where it does not count."""
        if not most.calls or not isinstance(reply, Reply) or reply.tokens_in is None or reply.tokens_out is None:
            return most
        parts = {"cached": reply.tokens_cached, "written": reply.tokens_written}
        money = self.price.cost(reply.tokens_in, reply.tokens_out, **parts) if self.price else 0
        return Spent(most.calls, reply.tokens_in + reply.tokens_out, money)


def _checked(text: str, question: Question[Output], schema: Schema) -> Parsed[Output]:
    parsed = parse_answer(text, question.output, schema)
    if parsed.value is not None and question.check is not None and (problems := question.check(parsed.value)):
        return Parsed(None, problems)
    return parsed


def _again(prompt: Prompt, text: str, problems: tuple[str, ...]) -> Prompt:
    """Ask the same with the wrong answer and what is wrong with it; the problems quote it, and so are framed too."""
    return prompt.with_parts(
        particular("An earlier answer to this was refused. Answer anew, whole, and without these problems."),
        untrusted("refused answer", text[:SHOWN_AGAIN]),
        untrusted("problems", "\n".join(problems)),
    )
