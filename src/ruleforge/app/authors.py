"""A model as author of rules, as a user names it."""

from pathlib import Path

from ruleforge.app.models import open_door
from ruleforge.background.table import default_background, load_background
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.validate import gates


def open_writer(
    url: str,
    *,
    candidates: int = gates.CANDIDATES_MOST,
    record: Path | None = None,
    wait_seconds: float = 0.0,
    background: Path | None = None,
    data_folder: Path | None = None,
    cache_folder: Path | None = None,
) -> ModelWriter:
    """Open the door to a model that writes candidates beside the embedded generator.

    Args:
        url: the name of a provider, such as "mailbox:letters".
        candidates: rules asked for of one advisory, 1 to 20; each may be asked for five times.
        record: a folder for cassettes of what is asked and answered.
        wait_seconds: how long to wait for answers that are still to come, for each round of questions.
        background: a table made by `background_build`; None: the one that ships.
        data_folder: as for `open_door`.
        cache_folder: as for `open_door`.

    Raises:
        UsageError: not the name of a provider (RF102, RF180), no key for it (RF186).
        InputError: the background table (RF240) or the limits (RF268) cannot be read.
        OutsideError: see `open_door`.
    """
    door = open_door(url, record=record, wait_seconds=wait_seconds, data_folder=data_folder, cache_folder=cache_folder)
    table = default_background() if background is None else load_background(background)
    return ModelWriter(door, table, candidates=candidates)
