"""How much a client may send, how fast, and how often."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from bystander.server.http.callers import LimitedParty
from bystander.server.http.errors import ApiError

MAX_PARTIES: Final = 10_000
"""Parties whose rates are remembered; the ones heard of least recently are forgotten."""
MIN_PROGRESS_BYTES: Final = 4096
"""Of a body that must arrive within its patience: a byte now and then isn't enough."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a party may still ask for.

    Attributes:
        name: whose it is: "token", "network" or "visitor".
        limit: requests at once.
        window_seconds: in which a quota that is used up is whole again.
        remaining: requests that may come in now.
        reset_seconds: until it is whole again if nothing comes in meanwhile.
    """

    name: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int


def quota_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10, a member for
    each quota."""
    policies = (f'"{one.name}";q={one.limit};w={one.window_seconds}' for one in quotas)
    states = (f'"{one.name}";r={one.remaining};t={one.reset_seconds}' for one in quotas)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


class RateLimiter:
    """A token bucket for each party.

    Args:
        per_second: requests of a token on average.
        burst: requests of a token at once.
        clock: seconds.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, *parties: LimitedParty) -> tuple[float, LimitedParty | None]:
        """Seconds until a request of all these may come in, and who is in its way.

        0 and None: it comes in now, and counts for each. A refused one counts for nobody, or
        whoever asks too often would use up what is there for the others.
        """
        with self._lock:
            now = self._clock()
            left = {party: self._left(party, now) for party in parties}
            waits = {
                party: (1 - there) / (self._per_second * party.share)
                for party, there in left.items()
                if there < 1
            }
            for party, there in left.items():
                self._buckets[party.key] = (there if waits else there - 1), now
                self._buckets.move_to_end(party.key)
            while len(self._buckets) > MAX_PARTIES:
                self._buckets.popitem(last=False)
            slowest = max(waits, key=waits.__getitem__, default=None)
            return (waits[slowest], slowest) if slowest else (0.0, None)

    def quotas(self, *parties: LimitedParty) -> tuple[Quota, ...]:
        """What each of these has left, as a client is told."""
        with self._lock:
            now = self._clock()
            left = {party: self._left(party, now) for party in parties}
        quotas = []
        for party, there in left.items():
            limit, rate = party.of(self._burst), self._per_second * party.share
            quotas.append(
                Quota(
                    name=party.scope,
                    limit=limit,
                    window_seconds=max(1, math.ceil(limit / rate)),
                    remaining=int(there),
                    reset_seconds=math.ceil((limit - there) / rate),
                )
            )
        return tuple(quotas)

    def _left(self, party: LimitedParty, now: float) -> float:
        most = float(party.of(self._burst))
        left, then = self._buckets.get(party.key, (most, now))
        return min(most, left + (now - then) * self._per_second * party.share)


class UploadSlots:
    """Counts the uploads of each party that are under way.

    Args:
        most: of one token at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[object] = Counter()

    @asynccontextmanager
    async def place(self, *parties: LimitedParty) -> AsyncIterator[None]:
        """Hold a place of each. Raises ApiError (429): all of one are taken."""
        for party in parties:
            if self._under_way[party.key] >= party.of(self._most):
                raise ApiError(
                    429,
                    f"{party.of(self._most)} uploads of {party.words} are under way already",
                    "Wait until one of them ends.",
                    {"Retry-After": "5"},
                    "rate-limited",
                    {"limit": party.scope},
                )
        for party in parties:
            self._under_way[party.key] += 1
        try:
            yield
        finally:
            for party in parties:
                self._under_way[party.key] -= 1
                if not self._under_way[party.key]:
                    del self._under_way[party.key]


class IdleTimeout:
    """How long is waited for more of a body: for `MIN_PROGRESS_BYTES`, or its end, some seconds.

    Args:
        seconds: of patience, anew after each `MIN_PROGRESS_BYTES`.
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
        if self._arrived >= MIN_PROGRESS_BYTES:
            self._until, self._arrived = self._clock() + self._seconds, 0


async def read_chunks(
    request: Request, most_bytes: int, idle_seconds: float
) -> AsyncIterator[bytes]:
    """The body of a request as it arrives.

    Args:
        most_bytes: that are taken.
        idle_seconds: in which at least `MIN_PROGRESS_BYTES` must arrive, or the end.

    Raises:
        ApiError: it is too large (413), or too slow (408).
        ClientDisconnect: the client has gone.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise too_large(most_bytes)
    taken, patience = 0, IdleTimeout(idle_seconds)
    stream = request.stream().__aiter__()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), patience.left)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise ApiError(
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


def too_large(most_bytes: int) -> ApiError:
    return ApiError(
        413,
        f"More than {most_bytes} bytes are not taken",
        "Send a smaller file.",
        {"Connection": "close"},
        "body-too-large",
    )
