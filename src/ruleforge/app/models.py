"""The door to language models as a user opens it: a name, limits, and where what was asked is kept."""

from pathlib import Path

from ruleforge.llm.budget import Budget, Meter, load_budget
from ruleforge.llm.cache import Cache
from ruleforge.llm.door import Door
from ruleforge.llm.framing import installation_key
from ruleforge.llm.ledger import FileLedger
from ruleforge.llm.provider import Ground, open_provider
from ruleforge.llm.recording import Recorder
from ruleforge.settings import user_cache_folder, user_data_folder


def open_door(
    url: str,
    *,
    budget: Budget | None = None,
    record: Path | None = None,
    wait_seconds: float = 0.0,
    data_folder: Path | None = None,
    cache_folder: Path | None = None,
) -> Door:
    """Open the door to the provider that `url` names, such as "mailbox:letters".

    Args:
        url: a key of LLMS, a colon, and what it needs.
        budget: limits of the run, of each CVE and of the day; those of `llm/budget.json` in the data folder, or the
            built-in ones, if not given.
        record: a folder for cassettes of what is asked and answered; everything is asked anew then.
        wait_seconds: how long to wait for answers that are still to come, at most an hour.
        data_folder: where the day's ledger and the key of the frames lie; the user's place for data by default.
        cache_folder: where answers are kept; the user's place for what can be made again by default.

    Raises:
        UsageError: no such provider (RF102), not the name of one (RF180), no key for it (RF186).
        InputError: the file of limits is none (RF268).
        OutsideError: the key of the frames is damaged (RF541), or a folder cannot be written (RF542).
    """
    own = (data_folder or user_data_folder()) / "llm"
    ground = Ground(installation_key(own))
    provider = open_provider(url, ground)
    if record is not None:
        provider = Recorder(provider, record)
    meter = Meter(budget or load_budget(own / "budget.json"), FileLedger(own))
    # A mailbox and a recording are their own memory, and what comes out of a cache would be missing on a cassette.
    own_memory = record is not None or url.startswith(("mailbox:", "replay:"))
    cache = None if own_memory else Cache((cache_folder or user_cache_folder()) / "llm")
    return Door(provider, ground=ground, meter=meter, cache=cache, wait_seconds=wait_seconds)
