"""Which requests were answered already, in the store: what an `Idempotency-Key` stands for.

A client that doesn't know whether its request arrived sends it again with the same key. What was
made is looked up then, so that nothing of an answer has to be kept: it may hold names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from bystander.server.database import Database

KEPT_SECONDS: Final = 24 * 3600.0
MAX_KEYS_PER_OWNER: Final = 10_000
"""The oldest go first."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered.

    Attributes:
        fingerprint: of the request, such that the same one has the same.
        status: of the answer.
        location: path of what was made.
    """

    fingerprint: str
    status: int
    location: str


class IdempotencyKeys:
    """The keys of the last day, each of one owner."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    def under_way(self, owner: str, key: str) -> AbstractContextManager[bool]:
        """Answer a request with this key; gives whether no other service is answering one."""
        return self._database.hold(f"idempotency/{owner}/{_digest(key)}")

    def find(self, owner: str, key: str) -> Answered | None:
        """What was answered to a request with this key; None: there was none, or too long ago."""
        row = self._database.row(
            "SELECT * FROM idempotency_keys WHERE owner = ? AND key = ? AND created > ?",
            (owner, _digest(key), self._clock() - KEPT_SECONDS),
        )
        return Answered(row["fingerprint"], row["status"], row["location"]) if row else None

    def remember(self, owner: str, key: str, answered: Answered) -> None:
        """Replaces what was there, which is too old."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM idempotency_keys WHERE owner = ? AND key = ?", (owner, _digest(key))
            )
            connection.execute(
                "INSERT INTO idempotency_keys "
                "(owner, key, fingerprint, status, location, created) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(owner, _digest(key), answered.fingerprint),
                    *(answered.status, answered.location, self._clock()),
                ),
            )
            connection.execute(
                "DELETE FROM idempotency_keys WHERE owner = ?1 AND number <= (SELECT number FROM "
                "idempotency_keys WHERE owner = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (owner, MAX_KEYS_PER_OWNER),
            )

    def sweep(self) -> int:
        """Forget what is too old; returns how many there were."""
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM idempotency_keys WHERE created <= ?", (self._clock() - KEPT_SECONDS,)
            ).rowcount


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
