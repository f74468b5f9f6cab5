"""SQL -> rows: what the store needs of a database, and SQLite, which does it in one file.

The store is written in SQL that SQLite and PostgreSQL (`bystander.server.postgres`) both
understand, with SQLite's placeholders. On either, `transaction` lets one writer in at a time, so
what was looked at within one is still so when it is written.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from bystander.errors import ConfigError

BUSY_SECONDS: Final = 30.0
"""How long a statement waits for another process's write."""
SCRUB_TRIES: Final = 20
SCRUB_PAUSE_SECONDS: Final = 0.05
"""Seconds between tries."""
NO_LIMIT: Final = 2**62
"""Rows that a LIMIT lets through where there is none."""

SCHEMA: Final = Path(__file__).with_name("schema.sql")
MIGRATIONS: Final[Mapping[int, Path]] = {
    int(path.name[:4]): path
    for path in sorted(Path(__file__).with_name("migrations").glob("[0-9]*.sql"))
}
"""What leads to each version of the schema from the one before."""
VERSION: Final = max(MIGRATIONS)
"""Of `SCHEMA`."""


class Cursor(Protocol):
    """What a statement has found or changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """What `Database.transaction` gives: runs statements within it."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Cursor: ...


class Database(ABC):
    """Used from many threads, and by other processes at the same time.

    Placeholders are `?`, or `?1` to `?9` where a value is used twice; rows are asked by the names
    of their columns.
    """

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """What a SELECT finds."""
        with self._connected() as connection:
            return connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first row that a SELECT finds, or None."""
        with self._connected() as connection:
            return connection.execute(sql, values).fetchone()

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """One statement by itself; returns how many rows it changed.

        It is atomic on each row that it changes. What looks at other rows, too, or changes many
        belongs into a `transaction`, or PostgreSQL lets others write in between.
        """
        with self._connected() as connection:
            return connection.execute(sql, values).rowcount

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Connection]:
        """All or nothing; the transactions of others wait from here on.

        What this thread asks of the database meanwhile belongs to it, another `transaction`, too.
        """

    @abstractmethod
    def hold(self, name: str) -> AbstractContextManager[bool]:
        """Hold a lock while something takes long; gives whether nobody else holds it.

        It goes with the process that holds it, however that ends. Not for its own thread again.
        """

    @abstractmethod
    def held(self, name: str) -> bool:
        """Whether anybody holds the lock of this name."""

    @abstractmethod
    def scrub(self) -> None:
        """Overwrite what was deleted, as far as the database can."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections of all threads."""

    @abstractmethod
    def _connected(self) -> AbstractContextManager[Connection]:
        """This thread's transaction, or a connection on which each statement stands alone."""

    @abstractmethod
    def _version(self, connection: Connection) -> int:
        """Of the schema that is there; 0: there is none."""

    @abstractmethod
    def _set_version(self, connection: Connection, version: int) -> None: ...

    @abstractmethod
    def _has_tables(self, connection: Connection) -> bool: ...

    def _translate(self, statement: str) -> str:
        """A statement of the schema as this database takes it."""
        return statement

    def _migrate(self, name: str) -> None:
        """Bring the schema up, a transaction each version: of several processes one does it.

        Args:
            name: of the database, for people.

        Raises:
            ConfigError: it is of a newer version, or of another program; nothing was changed.
        """
        while not self._advance(name):
            pass

    def _advance(self, name: str) -> bool:
        """One version further; whether it is the newest now."""
        with self.transaction() as connection:
            version = self._version(connection)
            if version > VERSION:
                raise ConfigError(
                    f"the job store {name} is of version {version}, newer than this program "
                    f"(version {VERSION})",
                    "Update Bystander, or give it another database.",
                )
            if version == VERSION:
                return True
            if version == 0 and self._has_tables(connection):
                raise ConfigError(
                    f"{name} is a database of another program",
                    "Give the service a database of its own.",
                )
            target, path = (version + 1, MIGRATIONS[version + 1]) if version else (VERSION, SCHEMA)
            for statement in statements_in(path.read_text(encoding="utf-8")):
                connection.execute(self._translate(statement))
            self._set_version(connection, target)
        return target == VERSION


class Names:
    """Names that threads of this process hold, each by one."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def take(self, name: str) -> bool:
        with self._lock:
            free = name not in self._held
            self._held.add(name)
            return free

    def release(self, name: str) -> None:
        with self._lock:
            self._held.discard(name)

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._held))


class _Connection(sqlite3.Connection):
    """Unlike its base, it can be held weakly."""


class SQLiteDatabase(Database):
    """One SQLite file, a connection a thread. Locks by name are those of this process alone.

    Args:
        path: created with mode 0600 where there is none.

    Raises:
        ConfigError: not a database of this service, or of a newer version of it: no table of it
            is changed. One of an older version is brought up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.local()
        self._all: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._names = Names()
        try:
            # SQLite gives its -wal and -shm files the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._migrate(str(path))
        except ConfigError:
            self.close()
            raise
        except (OSError, sqlite3.DatabaseError) as error:
            self.close()
            raise ConfigError(
                f"the job store {path} can't be opened ({error})",
                "Make its folder writable, or move the file away if it is damaged.",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        connection = self._connection()
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        taken = self._names.take(name)
        try:
            yield taken
        finally:
            if taken:
                self._names.release(name)

    def held(self, name: str) -> bool:
        return name in self._names

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

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        yield self._connection()

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

    def _version(self, connection: Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _set_version(self, connection: Connection, version: int) -> None:
        connection.execute(f"PRAGMA user_version = {version}")

    def _has_tables(self, connection: Connection) -> bool:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


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
