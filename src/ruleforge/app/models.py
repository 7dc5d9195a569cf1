"""The door to language models as a user opens it: a name, limits, prices, and where what was asked is kept."""

from pathlib import Path

from ruleforge.llm.budget import Budget, Meter, load_budget
from ruleforge.llm.cache import Cache
from ruleforge.llm.door import Door
from ruleforge.llm.framing import installation_key
from ruleforge.llm.ledger import FileLedger
from ruleforge.llm.prices import FREE, Price, load_prices
from ruleforge.llm.provider import Ground, family_of, model_named, open_provider
from ruleforge.llm.recording import Recorder
from ruleforge.llm.tracing import tracing_wanted
from ruleforge.settings import user_cache_folder, user_data_folder

UNPAID = ("fake:", "mailbox:", "replay:")  # nobody sends a bill for what these answer


def open_meter(*, budget: Budget | None = None, data_folder: Path | None = None) -> Meter:
    """Make the meter of one run, for the several doors that it may have: a generator and a judge share its limits.

    Args:
        budget: limits of the run, of each CVE and of the day; those of `llm/budget.json` in the data folder, or the
            built-in ones, if not given.
        data_folder: where the day's ledger lies; the user's place for data by default.

    Raises:
        InputError: the file of limits is none (RF268).
    """
    own = (data_folder or user_data_folder()) / "llm"
    return Meter(budget or load_budget(own / "budget.json"), FileLedger(own))


def open_door(
    url: str,
    *,
    budget: Budget | None = None,
    meter: Meter | None = None,
    record: Path | None = None,
    wait_seconds: float = 0.0,
    data_folder: Path | None = None,
    cache_folder: Path | None = None,
) -> Door:
    """Open the door to the provider that `url` names, such as "mailbox:letters".

    Args:
        url: a key of LLMS, a colon, and what it needs.
        budget: limits, see `open_meter`; not looked at where a meter is given.
        meter: of the run that this door is for; one of its own if not given.
        record: a folder for cassettes of what is asked and answered; everything is asked anew then.
        wait_seconds: how long to wait for answers that are still to come, at most an hour.
        data_folder: where the day's ledger, the prices (`llm/prices.json`) and the key of the frames lie; the user's
            place for data by default.
        cache_folder: where answers are kept; the user's place for what can be made again by default.

    Raises:
        UsageError: no such provider (RF102), not the name of one (RF180), no key for it (RF186).
        InputError: the file of limits (RF268) or of prices (RF269) is none.
        OutsideError: the key of the frames is damaged (RF541), or a folder cannot be written (RF542).
    """
    own = (data_folder or user_data_folder()) / "llm"
    ground = Ground(installation_key(own))
    provider = open_provider(url, ground)
    price = price_of(url, provider.model, own / "prices.json")
    if record is not None:
        provider = Recorder(provider, record)
    meter = meter or open_meter(budget=budget, data_folder=data_folder)
    # A mailbox and a recording are their own memory, and what comes out of a cache would be missing on a cassette.
    own_memory = record is not None or url.startswith(("mailbox:", "replay:"))
    cache = None if own_memory else Cache((cache_folder or user_cache_folder()) / "llm")
    return Door(
        provider,
        ground=ground,
        meter=meter,
        cache=cache,
        wait_seconds=wait_seconds,
        price=price,
        tracing=tracing_wanted(),
    )


def price_of(url: str, model: str, file: Path) -> Price | None:
    """What the model of a provider costs; None where nobody wrote it down.

    Raises:
        InputError: the file of prices is none (RF269).
    """
    prices = load_prices(file)  # read in any case: a mistake in it is told at once, not on the day it costs money
    return FREE if url.startswith(UNPAID) else prices.get(model)


def warnings_of(generator_url: str, judge_url: str) -> tuple[str, ...]:
    """Say what speaks against letting one of two providers judge what the other one wrote.

    Models of one family share their mistakes, and each likes the style of its own.

    Args:
        generator_url: who writes, "anthropic:MODEL"; empty: nobody but the embedded generator.
        judge_url: who judges; empty: nobody but the embedded judge.

    Returns:
        Sentences for people; none where both families are known and differ.

    Raises:
        UsageError: not the name of a provider (RF180).
        InputError: the name of a model that is none (RF265).
    """
    if not generator_url or not judge_url:
        return ()
    writer, judge = model_named(generator_url), model_named(judge_url)
    if writer == judge != "mailbox":
        return (f"{judge} would judge what it wrote itself; choose another judge",)
    one, other = family_of(writer), family_of(judge)
    if one and one == other:
        return (f"the judge {judge} is of the same family ({one}) as {writer}, which writes the rules; choose another",)
    unknown = dict.fromkeys(name for name, family in ((writer, one), (judge, other)) if not family)
    if unknown:
        return (f"the family of {' and '.join(unknown)} is not known: see for yourself that judge and author differ",)
    return ()
