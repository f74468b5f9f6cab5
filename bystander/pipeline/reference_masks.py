"""timeline, two videos -> plans: what rendering was to draw in each frame, for the audit.

It asks what rendering asks who is drawn over, so that nothing about it is written down twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Final, get_args

from bystander.auditing.redrawn import ExpectedFrame, Redrawer, fitting
from bystander.auditing.report import CLOCK_MARGIN_SECONDS
from bystander.choices import EffectName
from bystander.media.colour import FULL_RANGE_NAMES, PixelFormat, matrix_of
from bystander.media.facts import FieldOrder, VideoInfo
from bystander.media.reader import Frame, VideoReader
from bystander.pipeline.backgrounds import Backgrounds
from bystander.redaction.effects import EffectSettings
from bystander.redaction.regions import Drawn, drawn
from bystander.redaction.shapes import LOOK_AHEAD_SECONDS, steady
from bystander.timeline.archive import Timeline
from bystander.timeline.types import FrameRecord

SAMPLE_COUNT: Final = 6
"""Frames by which the effect is found out: one in each such part of the video."""
WEAKER_STRENGTHS: Final = (0.75, 0.5, 0.375, 0.25)
"""Strengths that nobody should publish, looked for all the same."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePlan:
    """What a timeline makes of a video.

    Attributes:
        source, output: the files and what `probe` said about them.
        pixel_format: of the output.
        drawing: tells what of those masked is drawn over.
        backgrounds: of the source, where the effect is `fill`.
    """

    source: tuple[Path, VideoInfo]
    output: tuple[Path, VideoInfo]
    timeline: Timeline
    pixel_format: PixelFormat
    drawing: EffectSettings
    backgrounds: Backgrounds | None = None

    @classmethod
    def of(
        cls,
        source: Path,
        output: Path,
        infos: tuple[VideoInfo, VideoInfo],
        timeline: Timeline,
        drawing: EffectSettings,
    ) -> ReferencePlan | None:
        """None for an output that rendering can't have written: of another size or format."""
        before, after = infos
        if (before.width, before.height) != (after.width, after.height):
            return None
        for pixel_format in get_args(PixelFormat):
            if FULL_RANGE_NAMES.get(after.pixel_format, after.pixel_format) == pixel_format:
                behind = None
                if drawing.name is EffectName.FILL and before.field_order is FieldOrder.PROGRESSIVE:
                    behind = Backgrounds(source, before, timeline, drawing, pixel_format)
                videos = (source, before), (output, after)
                return cls(*videos, timeline, pixel_format, drawing, behind)
        return None

    def records(self, start: int = 0) -> Iterator[FrameRecord]:
        """The timeline's frames from `start` on, with the boxes that shapes are made of."""
        looks = bool(self.timeline.header.looks)
        if not (self.drawing.boxed or looks):
            return self.timeline.frames(start)
        # A smoothed box depends on the frames around it.
        before = min(start, ceil(LOOK_AHEAD_SECONDS * self.timeline.header.video.rate))
        records = steady(
            self.timeline.frames(start - before), self.drawing, self.source[1].time_base, looks
        )
        return islice(records, before, None)

    def plan(self, frames: tuple[Frame, Frame], record: FrameRecord) -> ExpectedFrame:
        """What was to be drawn in a frame.

        Args:
            frames: of source and output.
            record: who is in it, of `records`.
        """
        here = self._drawn(record)
        source, output = (frame.upright(self.pixel_format) for frame in frames)
        filling = None
        if self.backgrounds is not None and here.masked:
            filling = self.backgrounds.at(record)
        return ExpectedFrame(source, output, here.regions, here.kept, here.masked, filling)

    def redrawing(self, effect: EffectSettings | None = None) -> Redrawer | None:
        """What draws the frames again.

        Args:
            effect: what the output was drawn with; by default it is found out, and None is
                returned where none of the effects fits.
        """
        if effect:
            return self.with_effect(effect)
        return fitting(self._samples(), [self.with_effect(one) for one in _usual_effects()])

    def with_effect(self, effect: EffectSettings) -> Redrawer:
        info = self.output[1]
        size = info.width, info.height
        grid = self.timeline.header.grid
        source = self.source[1]
        colors = matrix_of(*source.planar_colors, source.height)
        looks = self.timeline.header.looks
        return Redrawer(effect, grid, size, info.display_size, self.pixel_format, colors, looks)

    def _samples(self) -> Iterator[ExpectedFrame]:
        for record in self._most_masked():
            seconds = float((record.pts - self.source[1].start_pts) * self.source[1].time_base)
            frames = [_frame_at(video, seconds) for video in (self.source, self.output)]
            if frames[0] is not None and frames[1] is not None:
                yield self.plan((frames[0], frames[1]), record)

    def _most_masked(self) -> list[FrameRecord]:
        """In each part of the video, the frame of which most is masked."""
        best: dict[int, tuple[int, FrameRecord]] = {}
        frames = max(1, self.timeline.header.video.frames)
        for record in self.records():
            area = sum(sighting.mask.area for sighting in self._drawn(record).masked)
            part = record.index * SAMPLE_COUNT // frames
            if area > 0 and (part not in best or area > best[part][0]):
                best[part] = area, record
        return [record for _, record in best.values()]

    def _drawn(self, record: FrameRecord) -> Drawn:
        return drawn(record, {t.id: t for t in self.timeline.header.tracklets}, self.drawing)


def _usual_effects() -> list[EffectSettings]:
    """The defaults, and the same too weak."""
    plain = (EffectName.BLUR, EffectName.MOSAIC, EffectName.SOLID)
    return [EffectSettings(name=name) for name in plain] + [
        EffectSettings(name=name, strength=strength, allow_weak=True)
        for strength in WEAKER_STRENGTHS
        for name in (EffectName.BLUR, EffectName.MOSAIC)
    ]


def _frame_at(video: tuple[Path, VideoInfo], seconds: float) -> Frame | None:
    path, info = video
    pts = info.start_pts + int((seconds - CLOCK_MARGIN_SECONDS) / info.time_base)
    return next(iter(VideoReader(path, info, start_pts=pts)), None)
