"""The service's SQLite file: one connection a thread, transactions, schema, nothing left behind."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bystander.errors import ConfigError

BUSY_SECONDS: Final = 30.0
"""How long a statement waits for another process's write."""
SCRUB_TRIES: Final = 20
SCRUB_PAUSE_SECONDS: Final = 0.05
"""Seconds between tries."""

SCHEMA: Final = Path(__file__).with_name("schema.sql")
MIGRATIONS: Final[Mapping[int, Path]] = {
    int(path.name[:4]): path
    for path in sorted(Path(__file__).with_name("migrations").glob("[0-9]*.sql"))
}
"""What leads to each version of the schema (PRAGMA user_version) from the one before."""
VERSION: Final = max(MIGRATIONS)
"""Of `SCHEMA`."""


class _Connection(sqlite3.Connection):
    """Unlike its base, it can be held weakly."""


class Database:
    """One SQLite file, used from many threads and read by other processes.

    Args:
        path: created with mode 0600 where there is none.

    Raises:
        ConfigError: not a database of this service, or of a newer version of it: no table of it
            is changed. One of an older version is brought up, a transaction each version.
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
        except ConfigError:
            self.close()
            raise
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
        for _ in range(SCRUB_TRIES):
            row = self.row("PRAGMA wal_checkpoint(TRUNCATE)")
            if row is None or row["busy"] == 0:
                return
            time.sleep(SCRUB_PAUSE_SECONDS)

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
        while not self._advance():
            pass

    def _advance(self) -> bool:
        """One version further; whether it is the newest now."""
        with self.transaction() as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise ConfigError(
                    f"the job store {self._path} is of version {version}, newer than this program "
                    f"(version {VERSION})",
                    "Update Bystander, or move the file away.",
                )
            if version == VERSION:
                return True
            if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise ConfigError(
                    f"{self._path} is a database of another program",
                    "Move the file away, or set another data folder.",
                )
            target, path = (version + 1, MIGRATIONS[version + 1]) if version else (VERSION, SCHEMA)
            for statement in statements_in(path.read_text(encoding="utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {target}")
        return target == VERSION


def statements_in(script: str) -> Iterator[str]:
    """SQL text -> its statements, in order.

    For running them within a transaction: `executescript` would end it.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
