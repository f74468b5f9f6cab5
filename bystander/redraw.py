"""timeline, two videos -> plans: what rendering was to draw in each frame, for the audit.

It asks `render` who is drawn over, so that nothing about it is written down twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from bystander.auditing.redrawn import Plan, Redrawing, fitting
from bystander.media.planes import FULL_RANGE_NAMES, PixelFormat
from bystander.media.probe import VideoInfo
from bystander.media.reader import Frame, VideoReader
from bystander.people.timeline import Timeline
from bystander.people.vocabulary import Decision, FrameRecord, Sighting
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.render import BORROW_SECONDS, split

SAMPLES: Final = 6
"""Frames by which the effect is found out: one in each such part of the video."""
WEAKER: Final = (0.75, 0.5, 0.375, 0.25)
"""Strengths that nobody should publish, looked for all the same."""
MARGIN: Final = 0.004
"""Seconds by which the clocks of source and output may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What a timeline makes of a video.

    Attributes:
        source, output: the files and what `probe` said about them.
        pixel_format: of the output.
    """

    source: tuple[Path, VideoInfo]
    output: tuple[Path, VideoInfo]
    timeline: Timeline
    pixel_format: PixelFormat

    @classmethod
    def of(
        cls, source: Path, output: Path, infos: tuple[VideoInfo, VideoInfo], timeline: Timeline
    ) -> Drawing | None:
        """None for an output that rendering can't have written: of another size or format."""
        before, after = infos
        if (before.width, before.height) != (after.width, after.height):
            return None
        for pixel_format in get_args(PixelFormat):
            if FULL_RANGE_NAMES.get(after.pixel_format, after.pixel_format) == pixel_format:
                return cls((source, before), (output, after), timeline, pixel_format)
        return None

    def plan(
        self, frames: tuple[Frame, Frame], record: FrameRecord, beside: Sequence[FrameRecord]
    ) -> Plan:
        """What was to be drawn in a frame.

        Args:
            frames: of source and output.
            record: who is in it.
            beside: the frames before and after, as far as the timeline knows them.
        """
        tracklets = {tracklet.id: tracklet for tracklet in self.timeline.header.tracklets}
        reach = BORROW_SECONDS / float(self.source[1].time_base)
        near = [other for other in beside if abs(other.pts - record.pts) <= reach]
        masked, kept = split(record, tracklets, near)
        source, output = (frame.upright(self.pixel_format) for frame in frames)
        return Plan(source, output, masked, kept, list(self._masked(record)))

    def redrawing(self, effect: EffectSettings | None = None) -> Redrawing | None:
        """What draws the frames again.

        Args:
            effect: what the output was drawn with; by default it is found out, and None is
                returned where none of the effects fits.
        """
        if effect:
            return self.with_effect(effect)
        return fitting(self._samples(), [self.with_effect(one) for one in _usual_effects()])

    def with_effect(self, effect: EffectSettings) -> Redrawing:
        info = self.output[1]
        size = info.width, info.height
        grid = self.timeline.header.grid
        return Redrawing(effect, grid, size, info.display_size, self.pixel_format)

    def _samples(self) -> Iterator[Plan]:
        for record, beside in self._most_masked():
            seconds = float((record.pts - self.source[1].start_pts) * self.source[1].time_base)
            frames = [_frame_at(video, seconds) for video in (self.source, self.output)]
            if frames[0] is not None and frames[1] is not None:
                yield self.plan((frames[0], frames[1]), record, beside)

    def _most_masked(self) -> list[tuple[FrameRecord, Sequence[FrameRecord]]]:
        """In each part of the video, the frame of which most is masked."""
        best: dict[int, tuple[int, FrameRecord, Sequence[FrameRecord]]] = {}
        frames = max(1, self.timeline.header.video.frames)
        for record, beside in with_neighbours(self.timeline.frames()):
            area = sum(sighting.mask.area for sighting in self._masked(record))
            part = record.index * SAMPLES // frames
            if area > 0 and (part not in best or area > best[part][0]):
                best[part] = area, record, beside
        return [(record, beside) for _, record, beside in best.values()]

    def _masked(self, record: FrameRecord) -> Iterator[Sighting]:
        decisions = {
            tracklet.id: tracklet.decision_at(record.index)
            for tracklet in self.timeline.header.tracklets
        }
        for sighting in record.sightings:
            if decisions[sighting.tracklet] is Decision.MASK:
                yield sighting


def _usual_effects() -> list[EffectSettings]:
    """The defaults, and the same too weak."""
    return [EffectSettings(name=name) for name in EffectName] + [
        EffectSettings(name=name, strength=strength, i_know=True)
        for strength in WEAKER
        for name in (EffectName.BLUR, EffectName.MOSAIC)
    ]


def with_neighbours(
    records: Iterable[FrameRecord],
) -> Iterator[tuple[FrameRecord, Sequence[FrameRecord]]]:
    """Each frame with those before and after it."""
    before: FrameRecord | None = None
    here: FrameRecord | None = None
    for after in records:
        if here is not None:
            yield here, ([before] if before else []) + [after]
        before, here = here, after
    if here is not None:
        yield here, [before] if before else []


def _frame_at(video: tuple[Path, VideoInfo], seconds: float) -> Frame | None:
    path, info = video
    pts = info.start_pts + int((seconds - MARGIN) / info.time_base)
    return next(iter(VideoReader(path, info, start_pts=pts)), None)
