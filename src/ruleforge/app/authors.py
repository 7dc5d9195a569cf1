"""A model as author of rules or of tests, as a user names it."""

from pathlib import Path

from ruleforge.app.models import open_door
from ruleforge.background.table import default_background, load_background
from ruleforge.llm.budget import Meter
from ruleforge.llm.door import Door
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.llm_testing import ModelTester
from ruleforge.validate import gates

Authors = tuple[ModelWriter | None, ModelTester | None]


def open_authors(
    rules: str,
    tests: str = "",
    *,
    candidates: int = gates.CANDIDATES_MOST,
    record: Path | None = None,
    wait_seconds: float = 0.0,
    background: Path | None = None,
    meter: Meter | None = None,
    data_folder: Path | None = None,
    cache_folder: Path | None = None,
) -> Authors:
    """Open the doors to models that write candidates, or tests, beside those that are made without a model.

    Args:
        rules: who writes rules, the name of a provider such as "mailbox:letters"; empty: nobody.
        tests: who writes tests, likewise; the same name is the same door, and what is spent is counted together.
        candidates: rules asked for of one advisory, 1 to 20; each may be asked for five times.
        record: a folder for cassettes of what is asked and answered.
        wait_seconds: how long to wait for answers that are still to come, for each round of questions.
        background: a table made by `background_build`; None: the one that ships.
        meter: what is spent is counted there, with that of others; None: with one of their own.
        data_folder: as for `open_door`.
        cache_folder: as for `open_door`.

    Raises:
        UsageError: not the name of a provider (RF102, RF180), no key for it (RF186).
        InputError: the background table (RF240) or the limits (RF268) cannot be read.
        OutsideError: see `open_door`.
    """

    def door(url: str) -> Door:
        return open_door(
            url,
            meter=meter,
            record=record,
            wait_seconds=wait_seconds,
            data_folder=data_folder,
            cache_folder=cache_folder,
        )

    writer = tester = None
    if rules:
        table = default_background() if background is None else load_background(background)
        writer = ModelWriter(door(rules), table, candidates=candidates)
    if tests:
        tester = ModelTester(writer.door if writer and tests == rules else door(tests))
        if writer:
            tester.door.meter = writer.door.meter
    return writer, tester
