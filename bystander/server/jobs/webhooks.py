"""A job that has ended -> a signed POST to the address that its order named.

After the Standard Webhooks specification (1.0.0): an id that stays the same over all tries, the
time of the try, and an HMAC-SHA256 over both and the body. What has to be told is a row of the
store from the order on, due from the transaction on that ends the job: no restart loses it. It
may arrive more than once. It goes when it was delivered, after a day of trying, or with its
project.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bystander import __version__
from bystander.errors import AddressRefused, StorageError
from bystander.server.database import Database
from bystander.server.jobs.outbound import post
from bystander.server.models import JobKind, JobState
from bystander.server.settings import WebhookSettings

MAX_AGE_SECONDS: Final = 24 * 3600.0
"""After a job's end; what wasn't delivered by then is given up."""
FIRST_RETRY_SECONDS: Final = 5.0
MAX_RETRY_SECONDS: Final = 3600.0
TICK_SECONDS: Final = 0.5
"""Between looks at what is due."""
STOP_SECONDS: Final = 5.0
MARGIN_SECONDS: Final = 5.0
"""Beyond the time of one try, before another service may make the next."""
GONE: Final = 410
"""The receiver wants to hear no more of it (Standard Webhooks: "disable")."""

_DUE: Final = """
SELECT webhooks.*, jobs.project, jobs.owner, jobs.kind, jobs.state, jobs.finished FROM webhooks
JOIN jobs ON jobs.id = webhooks.job
WHERE webhooks.due <= ? AND jobs.finished > ?
AND jobs.owner NOT IN ({busy})
ORDER BY webhooks.due LIMIT 1
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be told, and to whom.

    Attributes:
        id: the same for every try.
        project_url: path of the project, as the API gives it.
        attempts: tries, with this one.
    """

    id: str
    url: str
    job: str
    project: str
    project_url: str
    owner: str
    kind: JobKind
    state: JobState
    finished: float
    attempts: int


class Webhooks:
    """What is still to be told, in the store. Rows are made by `Jobs.add`, and made due by the
    job's end."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    def pending(self, owner: str) -> int:
        """How many a token has, those of unfinished jobs included."""
        row = self._database.row(
            "SELECT COUNT(*) AS number FROM webhooks JOIN jobs ON jobs.id = webhooks.job "
            "WHERE jobs.owner = ?",
            (owner,),
        )
        return int(row["number"])

    def claim(self, busy: Collection[str] = (), seconds: float = 0.0) -> Delivery | None:
        """What is due longest. When it would be tried again is written down before it is tried:
        a try that dies with the server counts.

        Args:
            busy: owners that are passed over.
            seconds: that a try may take, in which no other service makes another one.
        """
        now = self._clock()
        passed = ("", *busy)  # PostgreSQL takes no empty list
        due = _DUE.format(busy=", ".join("?" * len(passed)))
        values = (now, now - MAX_AGE_SECONDS, *passed)
        if self._database.row(due, values) is None:  # without making other writers wait
            return None
        with self._database.transaction() as connection:
            row = connection.execute(due, values).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE webhooks SET attempts = attempts + 1, due = ? WHERE id = ?",
                (now + max(seconds, retry_after(row["attempts"] + 1)), row["id"]),
            )
        return _delivery(row)

    def put_off(self, delivery: Delivery) -> None:
        """This try failed: the next one is due when its turn comes."""
        self._database.change(
            "UPDATE webhooks SET due = ? WHERE id = ? AND attempts = ?",
            (self._clock() + retry_after(delivery.attempts), delivery.id, delivery.attempts),
        )

    def forget(self, webhook: str) -> None:
        """It was delivered, or is given up."""
        self._database.change("DELETE FROM webhooks WHERE id = ?", (webhook,))

    def sweep(self) -> int:
        """Give up what is too old; returns how many there were."""
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM webhooks WHERE job IN (SELECT id FROM jobs WHERE finished <= ?)",
                (self._clock() - MAX_AGE_SECONDS,),
            ).rowcount


class WebhookSender:
    """Delivers what is due while it is started: a thread of its own, with an event loop.

    One try of an owner at a time, so that a receiver that is slow delays nobody else's.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        settings: WebhookSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._webhooks, self._settings, self._clock = webhooks, settings, clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver; without a secret nothing is."""
        assert self._thread is None, "a sender is started once"
        if not self._settings.secret:
            return
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._lead()), name="webhooks", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Break off what is under way; it is tried again by the next server."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    async def deliver(self, delivery: Delivery) -> bool:
        """One try. Never raises; whether there is nothing more to be done."""
        body = body_of(delivery)
        key = signing_key(self._settings.secret, delivery.owner)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Bystander/{__version__}",
            **signed(key, delivery.id, int(self._clock()), body),
        }
        try:
            status = await post(
                delivery.url, body, headers, self._settings.timeout_seconds, self._settings.hosts
            )
            if 200 <= status < 300 or status == GONE:
                self._webhooks.forget(delivery.id)
                return True
            answer = f"status {status}"
        except AddressRefused as error:
            answer = error.what
        except Exception as error:  # whatever a receiver, or the way to it, comes up with
            answer = type(error).__name__
        # Not the address: it may hold a secret of the receiver's.
        log.info("webhook of job %s, try %d: %s", delivery.job, delivery.attempts, answer)
        with suppress(StorageError):  # then it is due when `claim` said
            self._webhooks.put_off(delivery)
        return False

    async def _lead(self) -> None:
        under_way: dict[str, asyncio.Task[bool]] = {}
        lasting = self._settings.timeout_seconds + MARGIN_SECONDS
        while not self._stopping.is_set():
            under_way = {owner: task for owner, task in under_way.items() if not task.done()}
            try:
                while len(under_way) < self._settings.at_once:
                    delivery = self._webhooks.claim(under_way, lasting)
                    if delivery is None:
                        break
                    under_way[delivery.owner] = asyncio.create_task(self.deliver(delivery))
            except Exception as error:  # the store is locked, say: it may pass
                log.error("webhooks: %s: %s", type(error).__name__, error)
            await asyncio.sleep(TICK_SECONDS)


def retry_after(attempts: int) -> float:
    """Seconds from one try to the next: doubled each time, an hour at most."""
    return min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 32))


def signing_key(secret: str, owner: str) -> bytes:
    """The operator's secret and a token's owner -> that owner's key, 32 bytes.

    Each has a key of its own: who knows one can't sign for the others.
    """
    return hmac.digest(secret.encode(), b"bystander webhook\0" + owner.encode(), "sha256")


def written(key: bytes) -> str:
    """The key as libraries for Standard Webhooks take it."""
    return f"whsec_{base64.b64encode(key).decode()}"


def signed(key: bytes, webhook: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers that prove a message: whose it is, which one, and when it was sent.

    Args:
        seconds: of the try, since the epoch.
    """
    content = f"{webhook}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Webhook-Id": webhook,
        "Webhook-Timestamp": str(seconds),
        "Webhook-Signature": f"v1,{signature}",
    }


def body_of(delivery: Delivery) -> bytes:
    """What is told, the same for every try: ids, state and where to look, nobody's name."""
    project = delivery.project_url
    links = {"project": project, "job": f"{project}/jobs/{delivery.job}"}
    if delivery.state is JobState.DONE:
        links["people"] = f"{project}/people"
        if delivery.kind is not JobKind.ANALYZE:
            links["result"] = f"{project}/result"
    ended = datetime.fromtimestamp(delivery.finished, UTC).isoformat(timespec="seconds")
    message = {
        "type": f"job.{delivery.state}",
        "timestamp": ended.replace("+00:00", "Z"),
        "data": {
            "job": delivery.job,
            "project": delivery.project,
            "kind": delivery.kind,
            "state": delivery.state,
            "links": links,
        },
    }
    return json.dumps(message, separators=(",", ":")).encode()


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row["id"],
        url=row["url"],
        job=row["job"],
        project=row["project"],
        project_url=row["project_url"],
        owner=row["owner"],
        kind=JobKind(row["kind"]),
        state=JobState(row["state"]),
        finished=row["finished"],
        attempts=row["attempts"] + 1,
    )
