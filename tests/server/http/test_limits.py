"""How much, how fast and how often: counted by a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from bystander.server.http import limits
from bystander.server.http.callers import (
    NETWORK_HEADER,
    VISITOR_HEADER,
    Caller,
    LimitedParty,
    named_by,
)
from bystander.server.http.errors import ApiError
from bystander.server.http.limits import (
    MIN_PROGRESS_BYTES,
    IdleTimeout,
    RateLimiter,
    UploadSlots,
    quota_headers,
    read_chunks,
)
from bystander.server.settings import LimitSettings


class Clock:
    """Stands still until it is turned."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def token(owner: str) -> LimitedParty:
    return LimitedParty("token", (owner, "", ""), 1.0)


def wait(rates: RateLimiter, owner: str) -> float:
    return rates.wait(token(owner))[0]


ANN, BOB = Caller("app", "a" * 16, "e" * 16), Caller("app", "b" * 16, "e" * 16)
STRANGER = Caller("app", "c" * 16, "f" * 16)
SHARES = LimitSettings(visitor_share=0.2, network_share=0.5)


def test_a_visitor_uses_up_their_share_and_no_more(clock: Clock) -> None:
    rates = RateLimiter(10, 100, clock)

    def let_in(caller: Caller, tries: int) -> int:
        return sum(not rates.wait(*caller.parties(SHARES))[1] for _ in range(tries))

    assert let_in(ANN, 560) == 20
    wait, party = rates.wait(*ANN.parties(SHARES))
    assert wait == pytest.approx(0.5)
    assert party == ANN.parties(SHARES)[0]
    assert let_in(BOB, 560) == 20
    # Cookies dropped: each a visitor of its own, from one network.
    dropped = (Caller("app", f"{number:016x}", "e" * 16) for number in range(100))
    assert sum(let_in(caller, 1) for caller in dropped) == 50 - 20 - 20
    assert let_in(STRANGER, 1) == 1


def test_a_visitor_sends_so_much_at_once_and_others_still_can() -> None:
    async def scene() -> None:
        slots = UploadSlots(10)
        async with AsyncExitStack() as under_way:
            for _ in range(2):
                await under_way.enter_async_context(slots.place(*ANN.parties(SHARES)))
            with pytest.raises(ApiError, match="2 uploads of this visitor"):
                await under_way.enter_async_context(slots.place(*ANN.parties(SHARES)))
            await under_way.enter_async_context(slots.place(*BOB.parties(SHARES)))

    asyncio.run(scene())


def test_a_caller_is_whom_the_holder_of_the_token_names() -> None:
    named = Headers({VISITOR_HEADER: "a" * 32, NETWORK_HEADER: "b" * 32})
    assert named_by("app", named) == Caller("app", "a" * 32, "b" * 32)
    for made_up in ("", "a" * 8, "a" * 65, "' OR 1=1", "A" * 32):
        assert named_by("app", Headers({VISITOR_HEADER: made_up})) == Caller("app")
    assert [party.scope for party in Caller("app").parties(SHARES)] == ["token"]


def test_a_burst_is_let_in_at_once_and_then_so_many_a_second(clock: Clock) -> None:
    rates = RateLimiter(2, 3, clock)
    assert [wait(rates, "ann") for _ in range(3)] == [0, 0, 0]
    assert wait(rates, "ann") == pytest.approx(0.5)
    clock.now += 0.5
    assert wait(rates, "ann") == 0
    assert wait(rates, "ann") > 0


def test_waiting_as_long_as_told_is_enough(clock: Clock) -> None:
    rates = RateLimiter(0.3, 1, clock)
    for _ in range(20):
        assert wait(rates, "ann") == 0
        clock.now += wait(rates, "ann") + 1e-9


def test_who_asks_in_vain_does_not_wait_longer(clock: Clock) -> None:
    rates = RateLimiter(1, 1, clock)
    wait(rates, "ann")
    assert {wait(rates, "ann") for _ in range(100)} == {1.0}


def test_a_long_rest_earns_no_more_than_a_burst(clock: Clock) -> None:
    rates = RateLimiter(10, 2, clock)
    wait(rates, "ann")
    clock.now += 1e6
    assert [wait(rates, "ann") == 0 for _ in range(3)] == [True, True, False]


def test_what_is_left_is_told_of_each_whose_limits_count(clock: Clock) -> None:
    rates = RateLimiter(10, 100, clock)
    assert [one.remaining for one in rates.quotas(*ANN.parties(SHARES))] == [20, 50, 100]
    for _ in range(3):
        rates.wait(*ANN.parties(SHARES))
    assert quota_headers(rates.quotas(*ANN.parties(SHARES))) == {
        "RateLimit-Policy": '"visitor";q=20;w=10, "network";q=50;w=10, "token";q=100;w=10',
        "RateLimit": '"visitor";r=17;t=2, "network";r=47;t=1, "token";r=97;t=1',
    }
    clock.now += 2
    assert [one.reset_seconds for one in rates.quotas(*ANN.parties(SHARES))] == [0, 0, 0]


def test_nothing_is_left_for_who_has_to_wait(clock: Clock) -> None:
    rates = RateLimiter(0.5, 1, clock)
    wait(rates, "ann")
    assert wait(rates, "ann") == 2
    (quota,) = rates.quotas(token("ann"))
    assert (quota.remaining, quota.reset_seconds, quota.window_seconds) == (0, 2, 2)


def test_rates_are_counted_for_each_owner(clock: Clock) -> None:
    rates = RateLimiter(1, 1, clock)
    wait(rates, "ann")
    assert wait(rates, "ann") > 0
    assert wait(rates, "bob") == 0


def test_of_too_many_owners_the_most_recent_are_remembered(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PARTIES", 2)
    rates = RateLimiter(1, 1, clock)
    for owner in ("ann", "bob", "ann", "eve"):
        wait(rates, owner)
    assert wait(rates, "ann") > 0
    assert wait(rates, "bob") == 0


def test_uploads_of_one_owner_are_counted_while_they_last() -> None:
    async def scene() -> None:
        slots = UploadSlots(2)
        async with AsyncExitStack() as under_way:
            for owner in ("ann", "ann", "bob"):
                await under_way.enter_async_context(slots.place(token(owner)))
            with pytest.raises(ApiError, match="2 uploads") as refused:
                await under_way.enter_async_context(slots.place(token("ann")))
            assert refused.value.status_code == 429
            await under_way.enter_async_context(slots.place(token("bob")))
        for _ in range(5):  # places that were refused or have failed aren't taken
            with pytest.raises(ValueError, match="broken"):
                async with slots.place(token("ann")):
                    raise ValueError("broken")

    asyncio.run(scene())


def test_patience_is_renewed_by_bytes_that_count(clock: Clock) -> None:
    patience = IdleTimeout(10, clock)
    clock.now += 9
    patience.arrived(MIN_PROGRESS_BYTES - 1)
    assert patience.left == pytest.approx(1)
    patience.arrived(1)
    assert patience.left == pytest.approx(10)


def test_a_byte_now_and_then_wears_patience_out(clock: Clock) -> None:
    patience = IdleTimeout(10, clock)
    for _ in range(11):
        clock.now += 1
        patience.arrived(1)
    assert patience.left < 0


Part = bytes | float | Callable[[], None] | None


def taken(
    parts: list[Part],
    most: int = 100,
    idle: float = 5,
    announced: str | None = None,
) -> list[bytes]:
    """What `read_chunks` gives of a body: bytes, pauses in seconds or of
    another clock, None where the client goes."""

    async def arriving() -> AsyncIterator[dict[str, Any]]:
        for part in parts:
            if part is None:
                yield {"type": "http.disconnect"}
            elif isinstance(part, bytes):
                yield {"type": "http.request", "body": part, "more_body": True}
            elif callable(part):
                part()
            else:
                await asyncio.sleep(part)
        yield {"type": "http.request", "body": b"", "more_body": False}

    async def read() -> list[bytes]:
        headers = [] if announced is None else [(b"content-length", announced.encode())]
        scope = {"type": "http", "method": "PUT", "headers": headers}
        source = arriving()
        request = Request(scope, source.__anext__)
        return [chunk async for chunk in read_chunks(request, most, idle)]

    return asyncio.run(read())


def test_a_body_comes_as_it_was_sent() -> None:
    assert b"".join(taken([b"in ", b"", b"three ", b"parts"])) == b"in three parts"
    assert taken([]) == []


def test_exactly_as_much_as_may_be_is_taken() -> None:
    assert taken([b"x" * 60, b"y" * 40], announced="100")
    with pytest.raises(ApiError, match="More than 100 bytes") as refused:
        taken([b"x" * 60, b"y" * 41])
    assert refused.value.status_code == 413


@pytest.mark.parametrize("announced", ["101", "9" * 20])
def test_what_is_announced_to_be_too_large_is_refused_before_it_is_read(announced: str) -> None:
    with pytest.raises(ApiError, match="More than 100 bytes"):
        taken([None], announced=announced)


@pytest.mark.parametrize("announced", ["", "-1", "1e9", "many", "+5", "0x10"])
def test_a_length_that_is_none_is_overlooked(announced: str) -> None:
    assert taken([b"body"], announced=announced) == [b"body"]


def test_a_body_that_stops_is_given_up() -> None:
    with pytest.raises(ApiError, match=r"in 0\.05 s") as refused:
        taken([b"a little", 30.0], idle=0.05)
    assert refused.value.status_code == 408
    assert refused.value.headers == {"Connection": "close"}


def test_a_body_that_trickles_is_given_up() -> None:
    trickle: list[Part] = [b"x", 0.02] * 1000
    with pytest.raises(ApiError, match="next to it"):
        taken(trickle, most=10**6, idle=0.2)


def test_a_slow_body_that_comes_on_is_taken(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(limits, "IdleTimeout", partial(IdleTimeout, clock=clock))

    def pause() -> None:
        clock.now += 40

    steady: list[Part] = [b"x" * MIN_PROGRESS_BYTES, pause] * 10
    assert len(b"".join(taken(steady, most=10**6, idle=60))) == 10 * MIN_PROGRESS_BYTES


def test_who_has_gone_is_not_waited_for() -> None:
    with pytest.raises(ClientDisconnect):
        taken([b"half", None])
