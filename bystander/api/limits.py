"""How much a client may send, how fast, and how often."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from fastapi import Request

from bystander.api.refusal import Refusal

MOST_OWNERS: Final = 10_000
"""Owners whose rates are remembered; the ones heard of least recently are forgotten."""
LEAST_BYTES: Final = 4096
"""Of a body that must arrive within its patience: a byte now and then isn't enough."""


class RateLimiter:
    """A token bucket for each owner.

    Args:
        per_second: requests on average.
        burst: requests at once.
        clock: seconds.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, owner: str) -> float:
        """0 if a request may come in now, else the seconds until one may."""
        with self._lock:
            now = self._clock()
            left, then = self._buckets.pop(owner, (float(self._burst), now))
            left = min(float(self._burst), left + (now - then) * self._per_second)
            wait = 0.0 if left >= 1 else (1 - left) / self._per_second
            self._buckets[owner] = (left - 1 if wait == 0 else left), now
            if len(self._buckets) > MOST_OWNERS:
                self._buckets.popitem(last=False)
            return wait


class UploadSlots:
    """Counts the uploads of each owner that are under way.

    Args:
        most: of one owner at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: dict[str, int] = {}

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """Hold a place. Raises Refusal (429): all are taken."""
        if self._under_way.get(owner, 0) >= self._most:
            raise Refusal(
                429,
                f"{self._most} uploads are under way already",
                "Wait until one of them ends.",
                {"Retry-After": "5"},
                "rate-limited",
            )
        self._under_way[owner] = self._under_way.get(owner, 0) + 1
        try:
            yield
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]


class Patience:
    """How long is waited for more of a body: for `LEAST_BYTES`, or its end, some seconds.

    Args:
        seconds: of patience, anew after each `LEAST_BYTES`.
        clock: seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._until, self._arrived = clock() + seconds, 0

    @property
    def left(self) -> float:
        """Seconds."""
        return self._until - self._clock()

    def arrived(self, size: int) -> None:
        """So many bytes more have arrived."""
        self._arrived += size
        if self._arrived >= LEAST_BYTES:
            self._until, self._arrived = self._clock() + self._seconds, 0


async def chunks(request: Request, most_bytes: int, idle_seconds: float) -> AsyncIterator[bytes]:
    """The body of a request as it arrives.

    Args:
        most_bytes: that are taken.
        idle_seconds: in which at least `LEAST_BYTES` must arrive, or the end.

    Raises:
        Refusal: it is too large (413), or too slow (408).
        ClientDisconnect: the client has gone.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise too_large(most_bytes)
    taken, patience = 0, Patience(idle_seconds)
    stream = request.stream().__aiter__()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), patience.left)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Refusal(
                408,
                f"Nothing, or next to it, arrived in {idle_seconds:g} s",
                "Send the rest from the offset that HEAD tells, over a better connection.",
                {"Connection": "close"},
            ) from error
        taken += len(chunk)
        patience.arrived(len(chunk))
        if taken > most_bytes:
            raise too_large(most_bytes)
        if chunk:
            yield chunk


def too_large(most_bytes: int) -> Refusal:
    return Refusal(
        413,
        f"More than {most_bytes} bytes are not taken",
        "Send a smaller file.",
        {"Connection": "close"},
        "body-too-large",
    )
