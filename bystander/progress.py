"""How far long work is, and what it says about damage on its way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bystander.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage of the work has come.

    Attributes:
        stage: "analyze", "decide" (who is who, once all frames were looked at), "follow" (what
            was drawn by hand), "render", "audit" or "export".
        done: frames.
        total: frames; may be an estimate.
        fps: frames per second since the stage began.
        eta: seconds left in this stage.
    """

    stage: str
    done: int
    total: int
    fps: float
    eta: float


Report = Callable[[Progress], None]
"""Called often, from the thread that runs the job; must be quick. Raising
`Cancelled` in it stops the job and removes what was half-written."""


Advance = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1, growing; may raise `Cancelled`."""


def unheard(share: float) -> None:
    """An `Advance` for whoever doesn't ask."""


def part_of(advance: Advance, start: float, end: float) -> Advance:
    """Of a piece of the work, which takes it from the share `start` to `end`."""
    return lambda share: advance(start + (end - start) * share)


class ProgressMeter:
    """Counts frames and reports, a few times a second at most.

    Args:
        done: frames that an earlier, interrupted run has done; speed and time left are told
            from this run alone.
    """

    def __init__(
        self,
        stage: str,
        total: int,
        report: Report | None,
        clock: Callable[[], float] = time.monotonic,
        interval: float = 0.2,
        done: int = 0,
    ) -> None:
        self._stage, self._total, self._report = stage, total, report
        self._clock, self._interval = clock, interval
        self._last = clock()
        self._started: float | None = None
        self._before = self._done = done

    def step(self, frames: int = 1) -> None:
        """So many more frames are done; fewer are where a part of the work begins anew."""
        now = self._clock()
        first = self._started is None
        if first:
            # It waited until all stages of a pipeline were at work, and tells no speed.
            self._started, self._before = now, self._done
        self._done += frames
        if (not first and now - self._last >= self._interval) or self._done == self._total:
            self._last = now
            self.report()

    def advance(self, share: float) -> None:
        """Of work that isn't done frame by frame: so much is done, told as that share of the
        frames. Never goes back."""
        self.step(max(0, round(share * self._total) - self._done))

    def report(self) -> None:
        if self._report is None:
            return
        elapsed = 0.0 if self._started is None else self._clock() - self._started
        done = max(self._done - self._before - 1, 0)
        fps = done / elapsed if elapsed > 1e-6 else 0.0
        left = max(self._total - self._done, 0)
        eta = left / fps if fps > 0 else 0.0
        self._report(Progress(self._stage, self._done, max(self._total, self._done), fps, eta))


def cancel_when(stopped: Callable[[], bool], report: Report | None = None) -> Report:
    """A report that stops the job as soon as `stopped()` is true."""

    def check(progress: Progress) -> None:
        if stopped():
            raise Cancelled(
                f"stopped after {progress.done} of {progress.total} frames",
                "No half-written file is left.",
            )
        if report is not None:
            report(progress)

    return check


class OncePerMessage(logging.Filter):
    """Lets each message pass once, however many passes over a video come upon its cause."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()
        self._lock = threading.Lock()  # a filter runs outside of its handler's lock

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        with self._lock:
            new = message not in self._said
            self._said.add(message)
        return new


class Tally:
    """Counts what goes wrong again and again, to say it in one sentence.

    Args:
        name: of the file that it is about.
        one: the sentence for a single time, `{first}` in it.
        many: for several, `{count}` and `{first}` in it.
    """

    def __init__(self, name: object, one: str, many: str) -> None:
        self._name, self._one, self._many = name, one, many
        self._count = 0
        self._first = ""

    def add(self, where: object) -> None:
        """Once more, at `where`."""
        self._first = self._first or str(where)
        self._count += 1

    def tell(self, log: logging.Logger) -> None:
        """Log the sentence, as a warning, if there is anything to say; count anew."""
        if self._count:
            sentence = self._one if self._count == 1 else self._many
            text = sentence.format(count=self._count, first=self._first)
            log.warning("%s: %s", self._name, text)
        self._count, self._first = 0, ""
