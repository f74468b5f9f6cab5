"""Source and output -> pairs of frames in step, and what threads share of a pair."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.auditing.findings import FindingKind, FindingMerger, Severity, in_frame
from bystander.auditing.kept import KeptPeople
from bystander.auditing.likeness import Likeness
from bystander.auditing.redrawn import ExpectedFrame
from bystander.geometry.coordinates import DisplayBox, DisplaySize
from bystander.geometry.masks import Bits
from bystander.geometry.types import Rgb
from bystander.media.deinterlacing import deinterlaced
from bystander.media.encoder import Deinterlacing
from bystander.media.facts import FieldOrder, VideoInfo
from bystander.media.reader import Frame, VideoReader, frames_after
from bystander.timeline.types import FrameRecord
from bystander.tracking.shots import ShotSettings, detect_cuts, thumbnail

MILLISECOND: Final = Fraction(1, 1000)
"""Matroska counts in these."""
BESIDE_CUT_FRAMES: Final = 2
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


class PairedReader:
    """Walks through two videos in step, and notes where they are not.

    Args:
        source, output: the files and what `probe` said about them.
        findings: gets a finding for frames that only one of them has.

    Attributes:
        first_seconds: when a player of the output shows the first frame.
    """

    def __init__(
        self,
        source: tuple[Path, VideoInfo],
        output: tuple[Path, VideoInfo],
        findings: FindingMerger,
    ) -> None:
        self._source, self._output = source, output
        # Two clocks differ by rounding to each other's ticks.
        ticks = source[1].time_base + output[1].time_base
        usual = 1 / source[1].average_rate
        info = output[1]
        self.first_seconds = float((info.start_pts - info.origin_pts) * info.time_base)
        self._tolerance = float(min(max(ticks, 2 * MILLISECOND), usual / 2))
        self.findings = findings

    def pairs(self, start: int = 0, shown: int | None = None) -> Iterator[Pair]:
        """The frames that both have.

        Args:
            start: the number of the first one.
            shown: pts of the source's frame before it; None at the beginning.
        """
        source_info, output_info = self._source[1], self._output[1]
        mode = Deinterlacing.NONE
        if output_info.field_order is FieldOrder.PROGRESSIVE:
            interlaced = source_info.field_order is not FieldOrder.PROGRESSIVE
            mode = Deinterlacing.EVERY if interlaced else Deinterlacing.NONE
        lead = shown is not None and mode is not Deinterlacing.NONE
        before = None  # a tick of the output between the frame before and the first one
        if shown is not None:
            since = (shown - source_info.start_pts) * source_info.time_base
            late = since + Fraction(self._tolerance)
            before = output_info.start_pts + ceil(late / output_info.time_base)
        with (
            closing(frames_after(*self._source, start, shown, lead)) as sources,
            VideoReader(*self._output, start_pts=before, start_index=start) as outputs,
        ):
            ours: Iterator[Frame] = sources
            if output_info.field_order is FieldOrder.PROGRESSIVE:
                ours = deinterlaced(ours, source_info, mode, lead)
            theirs = iter(outputs)
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
                    yield Pair(source, output, at + self.first_seconds)
                    source, output = next(ours, None), next(theirs, None)

    def _lacking(self, frame: Frame, seconds: float, detail: str) -> None:
        at = frame.index, seconds + self.first_seconds
        sign = in_frame(FindingKind.OUT_OF_STEP, Severity.LEAK, at, None, 1.0, detail, detail)
        self.findings.add([sign])


def looked_at(
    pairs: Iterable[Pair], settings: ShotSettings, cuts: list[int] | None = None
) -> Iterator[Pair]:
    """The pairs, with `close` set at both ends of the video and on both sides of every cut.

    A handful of frames is held back.

    Args:
        cuts: gets the numbers of the frames with which shots begin.
    """
    marked = detect_cuts(pairs, lambda pair: thumbnail(pair.source.rgb(_THUMBNAIL)), settings)
    ahead: deque[Pair] = deque()
    left = 0  # frames that still lie close behind a cut
    for pair, cut in marked:
        if cut:
            if cuts is not None:
                cuts.append(pair.source.index)
            left = BESIDE_CUT_FRAMES
            ahead = deque(replace(before, close=True) for before in ahead)
        ahead.append(replace(pair, close=left > 0))
        left -= 1
        if len(ahead) > BESIDE_CUT_FRAMES:
            yield ahead.popleft()
    yield from (replace(pair, close=True) for pair in ahead)


def close_to(cuts: Iterable[int], frames: int) -> NDArray[np.bool_]:
    """Of each frame, whether `looked_at` sets `close`: bool [F].

    Args:
        cuts: the numbers of the frames with which shots begin, the video's first one included.
    """
    close = np.zeros(frames, dtype=bool)
    for cut in (*cuts, frames):
        close[max(0, cut - BESIDE_CUT_FRAMES) : cut + BESIDE_CUT_FRAMES] = True
    return close


def _seconds(frame: Frame | None, info: VideoInfo) -> float:
    """Since the first frame; beyond the end for no frame."""
    if frame is None:
        return float("inf")
    return float((frame.pts - info.start_pts) * info.time_base)


@dataclass(frozen=True, slots=True, eq=False)
class AuditFrame:
    """A frame of source and output.

    Attributes:
        index: of the source's frame.
        seconds: when a player of the output shows it.
        source, output: at the size at which they are compared.
        people: source and output, each in the size in which people are looked for in it; None
            where nobody looks.
        details: source and output as faces are looked for in them.
        in_source: looks begin with the source in this frame, else with the output.
        record: who is there by the timeline, if there is one and it knows the frame.
        plan: what was to be drawn, if that is known.
        carried: what the output's frame carries beside its pixels.
        kept: those who may be seen; None if nobody is kept in the whole video.
    """

    index: int
    seconds: float
    source: Rgb
    output: Rgb
    people: tuple[Rgb, Rgb] | None
    details: tuple[Rgb, Rgb] | None
    record: FrameRecord | None
    plan: ExpectedFrame | None
    carried: frozenset[str]
    kept: KeptPeople | None = None
    in_source: bool = False

    @property
    def at(self) -> tuple[int, float]:
        """Number and second."""
        return self.index, self.seconds


@dataclass(frozen=True, slots=True, eq=False)
class FrameComparison:
    """A view's likeness, and where in it people may be seen.

    Attributes:
        likeness: of source and output.
        allowed: bool [H, W], the area of those whom the timeline keeps; None without a timeline.
        size: width, height of the output, display pixels.
    """

    view: AuditFrame
    likeness: Likeness
    allowed: Bits | None
    size: DisplaySize

    @property
    def scale(self) -> float:
        """Display pixels per pixel compared."""
        width: int = self.likeness.clear.shape[1]
        return self.size[0] / width

    def exposed(self, region: Bits) -> tuple[int, int]:
        """Pixels with detail under `region` (bool [H, W]), and those that are clear and
        shouldn't be."""
        detailed, clear = self.likeness.detailed & region, self.likeness.clear & region
        if self.allowed is not None:
            clear &= ~self.allowed
        return int(np.count_nonzero(detailed)), int(np.count_nonzero(clear))

    def enlarged(self, bits: Bits) -> Bits:
        """A mask over the whole frame, of any size, as bool [H, W] of the size compared."""
        height, width = self.likeness.clear.shape
        scaled = cv2.resize(bits.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return scaled.astype(bool)

    def boxed(self, box: DisplayBox) -> Bits:
        """The pixels in a box: bool [H, W]."""
        bits = np.zeros(self.likeness.clear.shape, dtype=bool)
        x0, y0, x1, y1 = (max(0, round(value / self.scale)) for value in box)
        bits[y0:y1, x0:x1] = True
        return bits
