"""The service's SQLite file: one connection a thread, transactions, schema, nothing left behind."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bystander.errors import ConfigError

BUSY_SECONDS: Final = 30.0
SCRUBS: Final = 20
SCRUB_PAUSE: Final = 0.05
"""Seconds between tries."""
"""How long a statement waits for another process's write."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE projects (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            created REAL NOT NULL,
            lifetime REAL NOT NULL,
            expires REAL NOT NULL,
            video TEXT NOT NULL,
            keep TEXT NOT NULL DEFAULT '[]',
            mask TEXT NOT NULL DEFAULT '[]',
            condemned INTEGER NOT NULL DEFAULT 0
        ) STRICT""",
        "CREATE INDEX projects_of_owner ON projects (owner)",
        """CREATE TABLE photos (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            project TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
            person TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            faces TEXT NOT NULL,
            chosen INTEGER,
            problem TEXT
        ) STRICT""",
        "CREATE INDEX photos_of_project ON photos (project)",
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            project TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
            owner TEXT NOT NULL,
            kind TEXT NOT NULL,
            state TEXT NOT NULL,
            work TEXT NOT NULL,
            created REAL NOT NULL,
            started REAL,
            finished REAL,
            expected REAL,
            attempts INTEGER NOT NULL DEFAULT 0,
            resumed INTEGER NOT NULL DEFAULT 0,
            preview INTEGER NOT NULL DEFAULT 0,
            progress TEXT,
            problem TEXT,
            summary TEXT,
            cancelling INTEGER NOT NULL DEFAULT 0,
            not_before REAL NOT NULL DEFAULT 0
        ) STRICT""",
        "CREATE INDEX jobs_of_project ON jobs (project)",
        "CREATE INDEX jobs_by_state ON jobs (state)",
        # Apart from projects, so that deleting them wins nobody a place in the queue.
        "CREATE TABLE served (owner TEXT PRIMARY KEY, turn INTEGER NOT NULL) STRICT",
        "CREATE TABLE litter (path TEXT PRIMARY KEY) STRICT",
        "CREATE TABLE speeds (key TEXT PRIMARY KEY, value REAL NOT NULL, "
        "count INTEGER NOT NULL) STRICT",
    ),
    (
        "ALTER TABLE projects ADD COLUMN verdicts_digest TEXT NOT NULL DEFAULT ''",
        # A result of before has neither job nor digest, so nobody can tell what it shows: it
        # is to be rendered again.
        "ALTER TABLE projects ADD COLUMN result TEXT",
        "ALTER TABLE projects ADD COLUMN unfulfilled TEXT",
    ),
    (
        "ALTER TABLE projects ADD COLUMN visitor TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE projects ADD COLUMN network TEXT NOT NULL DEFAULT ''",
    ),
)
"""What leads from each version of the schema (PRAGMA user_version) to the next; only added to."""


class _Connection(sqlite3.Connection):
    """Unlike its base, it can be held weakly."""


class Database:
    """One SQLite file, used from many threads and read by other processes.

    Args:
        path: created with mode 0600 where there is none.

    Raises:
        ConfigError: not a database of this service, or of a newer version of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.local()
        self._all: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        try:
            # SQLite gives its -wal and -shm files the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._migrate()
        except (OSError, sqlite3.DatabaseError) as error:
            self.close()
            raise ConfigError(
                f"the job store {path} can't be opened ({error})",
                "Make its folder writable, or move the file away if it is damaged.",
            ) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """What a SELECT finds."""
        return self._connection().execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first row that a SELECT finds (`sqlite3.Row`), or None."""
        return self._connection().execute(sql, values).fetchone()

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """One statement as a transaction of its own; returns how many rows it changed."""
        return self._connection().execute(sql, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; other writers wait from the first statement on."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def scrub(self) -> None:
        """Overwrite what was deleted: with `secure_delete`, only the log still holds it.

        A reader may be in the way for a moment; the janitor comes by again.
        """
        for _ in range(SCRUBS):
            row = self.row("PRAGMA wal_checkpoint(TRUNCATE)")
            if row is None or row["busy"] == 0:
                return
            time.sleep(SCRUB_PAUSE)

    def close(self) -> None:
        """Close the connections of all threads; a later call opens new ones."""
        with self._lock:
            for connection in list(self._all):
                connection.close()
            self._all.clear()
            self._mine = threading.local()

    def _connection(self) -> _Connection:
        found: _Connection | None = getattr(self._mine, "connection", None)
        if found is None:
            found = sqlite3.connect(
                self._path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,  # only `close` is called from elsewhere
                factory=_Connection,
            )
            found.row_factory = sqlite3.Row
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "secure_delete=ON",
                "temp_store=MEMORY",
            ):
                found.execute(f"PRAGMA {pragma}")
            with self._lock:
                self._mine.connection = found
                self._all.add(found)
        return found

    def _migrate(self) -> None:
        with self.transaction() as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise ConfigError(
                    f"the job store {self._path} is of version {version}, newer than this program",
                    "Update Bystander, or move the file away.",
                )
            for migration in MIGRATIONS[version:]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
