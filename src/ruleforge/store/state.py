"""What a run has already done: a small SQLite table beside the rules, so that work resumes and is not done twice.

The folders in git own rules, tests and evidence; this file is an index and can be deleted at any time.
"""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_META = sa.MetaData()
_DONE = sa.Table(
    "done",
    _META,
    sa.Column("folder", sa.String, primary_key=True),  # of the advisory, below the output folder
    sa.Column("key", sa.String, nullable=False),  # hash of everything the outcome depends on
    sa.Column("outcome", sa.JSON, nullable=False),
)


class State:
    """Outcomes by folder, each with the key it was made under."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        if url.startswith("sqlite"):
            sa.event.listen(self._engine, "connect", _tune)
        _META.create_all(self._engine)

    @classmethod
    def beside(cls, out: Path) -> "State":
        """Open or create the state of an output folder."""
        folder = out / ".ruleforge"
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'state.db'}")

    def known(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return folder → (key, outcome) for all that is done."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_DONE.c.folder, _DONE.c.key, _DONE.c.outcome)).all()
        return {folder: (key, outcome) for folder, key, outcome in rows}

    def put(self, done: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Record (folder, key, outcome) triples, replacing what was known of these folders."""
        if not done:
            return
        with self._engine.begin() as connection:
            connection.execute(_DONE.delete().where(_DONE.c.folder.in_([folder for folder, _, _ in done])))
            connection.execute(_DONE.insert(), [{"folder": f, "key": k, "outcome": o} for f, k, o in done])

    def forget(self, folders: list[str]) -> None:
        """Drop what is known of `folders`."""
        if folders:
            with self._engine.begin() as connection:
                connection.execute(_DONE.delete().where(_DONE.c.folder.in_(folders)))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
