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
_ASKED = sa.Table(
    "asked",
    _META,
    sa.Column("folder", sa.String, primary_key=True),
    sa.Column("asked", sa.LargeBinary, nullable=False),  # what the corpus was asked while the outcome was made
)
_FILES = sa.Table(
    "files",
    _META,
    sa.Column("file", sa.String, primary_key=True),  # a source, as it was named
    sa.Column("digest", sa.String, nullable=False),  # sha256 of its content when it was forged
    sa.Column("folder", sa.String, nullable=False),  # of its advisory; empty: it could not be read
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

    def put(self, done: list[tuple[str, str, dict[str, Any]]], asked: dict[str, bytes] | None = None) -> None:
        """Record (folder, key, outcome) triples, replacing what was known of these folders.

        `asked` says for some of the folders what the corpus was asked; for the others nothing is known of it.
        """
        if not done:
            return
        folders = [folder for folder, _, _ in done]
        with self._engine.begin() as connection:
            connection.execute(_DONE.delete().where(_DONE.c.folder.in_(folders)))
            connection.execute(_ASKED.delete().where(_ASKED.c.folder.in_(folders)))
            connection.execute(_DONE.insert(), [{"folder": f, "key": k, "outcome": o} for f, k, o in done])
            if asked:
                connection.execute(_ASKED.insert(), [{"folder": f, "asked": data} for f, data in asked.items()])

    def asked(self) -> dict[str, bytes]:
        """Return folder → what the corpus was asked while its outcome was made."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_ASKED.c.folder, _ASKED.c.asked)).all()
        return {folder: bytes(data) for folder, data in rows}

    def rekey(self, keys: dict[str, str]) -> None:
        """Give folders a new key: their outcomes stand."""
        if not keys:
            return
        change = _DONE.update().where(_DONE.c.folder == sa.bindparam("of")).values(key=sa.bindparam("to"))
        with self._engine.begin() as connection:
            connection.execute(change, [{"of": folder, "to": key} for folder, key in keys.items()])

    def files(self) -> dict[str, tuple[str, str]]:
        """Return source file → (digest, folder of its advisory) as of the last time these were put."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_FILES.c.file, _FILES.c.digest, _FILES.c.folder)).all()
        return {file: (digest, folder) for file, digest, folder in rows}

    def put_files(self, files: dict[str, tuple[str, str]]) -> None:
        """Replace what is known of source files."""
        rows = [{"file": file, "digest": digest, "folder": folder} for file, (digest, folder) in files.items()]
        with self._engine.begin() as connection:
            connection.execute(_FILES.delete())
            if rows:
                connection.execute(_FILES.insert(), rows)

    def forget(self, folders: list[str]) -> None:
        """Drop what is known of `folders`."""
        if folders:
            with self._engine.begin() as connection:
                connection.execute(_DONE.delete().where(_DONE.c.folder.in_(folders)))
                connection.execute(_ASKED.delete().where(_ASKED.c.folder.in_(folders)))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
