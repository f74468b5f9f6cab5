"""Source and output, frame by frame, in step by their timestamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from bystander.auditing.findings import Gatherer, Kind, Severity, in_frame
from bystander.media.deinterlacing import deinterlaced
from bystander.media.encoder import Deinterlacing
from bystander.media.probe import FieldOrder, VideoInfo
from bystander.media.reader import Frame, VideoReader
from bystander.people.shots import ShotSettings, mark_cuts, thumbnail

MILLISECOND: Final = Fraction(1, 1000)
"""Matroska counts in these."""
BESIDE_A_CUT: Final = 2
"""Frames before and after a cut, and at both ends of the video, that are looked at closely."""
_THUMBNAIL: Final = (96, 54)


@dataclass(frozen=True, slots=True)
class Pair:
    """A frame of the source and the output's frame of the same time.

    Attributes:
        seconds: when a player of the output shows it.
        close: look closely: a cut or an end of the video is near.
    """

    source: Frame
    output: Frame
    seconds: float
    close: bool = False


class Step:
    """Walks through two videos in step, and notes where they are not.

    Args:
        source, output: the files and what `probe` said about them.
        findings: gets a finding for frames that only one of them has.
    """

    def __init__(
        self, source: tuple[Path, VideoInfo], output: tuple[Path, VideoInfo], findings: Gatherer
    ) -> None:
        self._source, self._output = source, output
        # Two clocks differ by rounding to each other's ticks.
        ticks = source[1].time_base + output[1].time_base
        usual = 1 / source[1].average_rate
        info = output[1]
        self._lead = float((info.start_pts - info.origin_pts) * info.time_base)
        self._tolerance = float(min(max(ticks, 2 * MILLISECOND), usual / 2))
        self.findings = findings

    def pairs(self) -> Iterator[Pair]:
        """The frames that both have."""
        with VideoReader(*self._source) as sources, VideoReader(*self._output) as outputs:
            ours, theirs = iter(sources), iter(outputs)
            if self._output[1].field_order is FieldOrder.PROGRESSIVE:
                interlaced = self._source[1].field_order is not FieldOrder.PROGRESSIVE
                every = Deinterlacing.EVERY if interlaced else Deinterlacing.NONE
                ours = deinterlaced(ours, self._source[1], every)
            source, output = next(ours, None), next(theirs, None)
            while source is not None or output is not None:
                at = _seconds(source, self._source[1])
                there = _seconds(output, self._output[1])
                if source is not None and at < there - self._tolerance:
                    self._lacking(source, at, "the output lacks frames of the source")
                    source = next(ours, None)
                elif output is not None and there < at - self._tolerance:
                    self._lacking(output, there, "the output has frames that the source lacks")
                    output = next(theirs, None)
                elif source is not None and output is not None:
                    yield Pair(source, output, at + self._lead)
                    source, output = next(ours, None), next(theirs, None)

    def _lacking(self, frame: Frame, seconds: float, detail: str) -> None:
        at = frame.index, seconds + self._lead
        sign = in_frame(Kind.OUT_OF_STEP, Severity.LEAK, at, None, 1.0, detail, detail)
        self.findings.add([sign])


def looked_at(pairs: Iterable[Pair], settings: ShotSettings) -> Iterator[Pair]:
    """The pairs, with `close` set at both ends of the video and on both sides of every cut.

    A handful of frames is held back.
    """
    marked = mark_cuts(pairs, lambda pair: thumbnail(pair.source.rgb(_THUMBNAIL)), settings)
    ahead: deque[Pair] = deque()
    left = 0  # frames that still lie close behind a cut
    for pair, cut in marked:
        if cut:
            left = BESIDE_A_CUT
            ahead = deque(replace(before, close=True) for before in ahead)
        ahead.append(replace(pair, close=left > 0))
        left -= 1
        if len(ahead) > BESIDE_A_CUT:
            yield ahead.popleft()
    yield from (replace(pair, close=True) for pair in ahead)


def _seconds(frame: Frame | None, info: VideoInfo) -> float:
    """Since the first frame; beyond the end for no frame."""
    if frame is None:
        return float("inf")
    return float((frame.pts - info.start_pts) * info.time_base)
