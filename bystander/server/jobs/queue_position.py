"""When a job will begin: the queue's rule, played through.

The queue's own rule, `queue.NEXT`, is played through with the seconds that jobs are expected
to take: first comes the owner with fewest running, then the one served least recently, then the
oldest job.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A job that is running or waits.

    Attributes:
        id: empty for one that doesn't exist yet.
        seconds: that it will still take once it runs.
    """

    id: str
    owner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """All jobs that haven't ended.

    Attributes:
        queued: the oldest first.
        turns: when each owner was served last, counted from 1.
        slots: how many jobs all runners together may run; 0: there is none.
    """

    running: Sequence[QueueEntry]
    queued: Sequence[QueueEntry]
    turns: Mapping[str, int]
    slots: int = 0


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Attributes:
    position: how many jobs will probably begin before it.
    starts_in: seconds until it will probably begin.
    """

    position: int
    starts_in: float


def position_of(job: QueueEntry, lineup: QueueSnapshot, at_once: int) -> QueuePosition:
    """Where a job stands in the queue.

    Args:
        job: one of those queued, or one that would be put behind them.
        at_once: how many jobs may run, where no runner says it.
    """
    at_once = lineup.slots or at_once
    waiting = list(lineup.queued)
    if job not in waiting:
        waiting.append(job)
    ends = [(entry.seconds, entry.owner) for entry in lineup.running]
    heapq.heapify(ends)
    busy, turns = Counter(owner for _, owner in ends), dict(lineup.turns)
    now, turn = 0.0, max(turns.values(), default=0)
    for position in range(len(waiting)):
        while len(ends) >= at_once:
            now, owner = heapq.heappop(ends)
            busy[owner] -= 1
        chosen = min(waiting, key=lambda entry: (busy[entry.owner], turns.get(entry.owner, 0)))
        if chosen == job:
            return QueuePosition(position, round(now, 1))
        waiting.remove(chosen)
        turn += 1
        turns[chosen.owner] = turn
        busy[chosen.owner] += 1
        heapq.heappush(ends, (now + chosen.seconds, chosen.owner))
    raise AssertionError("the job is among those that wait")
