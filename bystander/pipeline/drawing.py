"""Frames of a video -> the same with everyone masked who is to be; a part of them as a task."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import av

from bystander.choices import EffectName
from bystander.errors import InvalidTimeline
from bystander.geometry.masks import Mask
from bystander.media.colour import matrix_of
from bystander.media.deinterlacing import deinterlaced
from bystander.media.encoder import (
    Deinterlacing,
    Encoder,
    EncoderSettings,
    Encoding,
    encoding_of,
)
from bystander.media.facts import FieldOrder, VideoInfo
from bystander.media.partial_files import Spans
from bystander.media.prefetch import prefetch
from bystander.media.reader import Frame, frames_after
from bystander.media.resuming import Run, SegmentSpan
from bystander.media.segments import Filled, SegmentWriter
from bystander.pipeline.backgrounds import Backgrounds
from bystander.pipeline.render_plan import regions_of
from bystander.pipeline.tasks import Step, Workspace
from bystander.pipeline.workspaces import with_video
from bystander.progress import Tally
from bystander.redaction.compositing import Compositor, Region, combined
from bystander.redaction.effects import EffectSettings
from bystander.redaction.filling import Filling
from bystander.redaction.mattes import Alpha
from bystander.redaction.regions import drawn
from bystander.redaction.shapes import LOOK_AHEAD_SECONDS, steady
from bystander.timeline.archive import CHUNK_FRAMES, Timeline
from bystander.timeline.types import FrameRecord, Tracklet

log = logging.getLogger(__name__)

QUEUE_FRAMES: Final = 4
BORROW_SECONDS: Final = 0.5
"""A frame that the timeline doesn't know borrows the masks of neighbours this near ..."""
BORROW_GROWTH_SHARE: Final = 0.06
"""... grown by this share of the grid's height; with no such neighbour it is masked whole."""


@dataclass(frozen=True)
class DrawTask:
    """Draw over everyone in a part of the video, and leave it encoded in the workspace.

    Attributes:
        timeline: name of the timeline, with the verdicts that count, in the workspace.
        shown: pts of the frame before the first; None at the video's beginning.
        parameter_id: see `Encoder.create`.
        last: no other part follows.
        spans: of the video's bytes, which it takes; none: all of them.
    """

    workspace: Workspace
    info: VideoInfo
    timeline: str
    effect: EffectSettings
    encoder: EncoderSettings
    span: SegmentSpan
    shown: int | None
    parameter_id: int
    last: bool
    spans: Spans = ()
    runs_networks: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def frames(self) -> int:
        return self.span.stop - self.span.start

    def run(self, step: Step) -> None:
        """See `Task.run`.

        Raises:
            HardwareEncoderFailed: the processor can do it.
        """
        found = self.workspace.find(self.timeline)
        if found is None:
            raise InvalidTimeline(f"{self.timeline} is gone from the workspace", "Start again.")
        timeline = Timeline.load(found)
        with_video(
            self.workspace,
            timeline.header.video.fingerprint,
            self.spans,
            lambda video: self._draw(video, timeline, step),
        )

    def _draw(self, video: Path, timeline: Timeline, step: Step) -> None:
        encoding = encoding_of(self.info, video, self.encoder)
        drawing = FrameMasker(timeline, self.info, self.effect, encoding, video)
        drawing.borrows = False
        encoder = Encoder.create(self.info, video, self.encoder, self.parameter_id)
        run = Run(self.span.start, self.span.stop, self.shown, copied=False)
        done, filled = 0, Filled()
        with (
            self.workspace.storing(self.name) as path,
            SegmentWriter(path, encoder.extradata) as writer,
            closing(
                prefetch(masked_frames(run, video, self.info, drawing, encoding), QUEUE_FRAMES)
            ) as pictures,
        ):
            try:
                for frame, picture, of_it in pictures:
                    for packet in encoder.encode(picture, frame.pts, frame.duration):
                        writer.add(packet)
                    filled += of_it
                    done += 1
                    step(1)
                for packet in encoder.flush():
                    writer.add(packet)
                writer.finish(self.last, filled)
            except BaseException:
                step(-done)
                raise


class MaskedFrame(NamedTuple):
    """A frame with everyone masked who is to be masked.

    Attributes:
        frame: as it was decoded.
        picture: with what is drawn.
        filled: how much is drawn over in it, and filled.
    """

    frame: Frame
    picture: av.VideoFrame
    filled: Filled


def takes_frame_before(encoding: Encoding) -> bool:
    """Whether to encode a frame takes the one before it: to deinterlace it."""
    return encoding.deinterlacing is not Deinterlacing.NONE


def masked_frames(
    run: Run, video: Path, info: VideoInfo, drawing: FrameMasker, encoding: Encoding
) -> Iterator[MaskedFrame]:
    """The masked frames of a part of the video."""
    lead = run.shown is not None and takes_frame_before(encoding)
    frames = deinterlaced(
        frames_after(video, info, run.start, run.shown, lead), info, encoding.deinterlacing, lead
    )
    count = None if run.stop is None else run.stop - run.start
    return drawing.masked(islice(frames, count), run.start, run.shown)


@dataclass(frozen=True, slots=True, eq=False)
class _Decided:
    """What the compositor is asked to do with a picture.

    Attributes:
        who: of each of `masked`, the tracklet, and the number of the frame that it was seen in.
        filling: what is behind them, where that is known and asked for.
    """

    picture: av.VideoFrame
    masked: list[Region]
    kept: tuple[Mask, ...]
    whole: bool
    who: list[tuple[int, int]]
    filling: Filling | None

    @property
    def order(self) -> tuple[av.VideoFrame, list[Region], tuple[Mask, ...]]:
        return self.picture, self.masked, self.kept


class FrameMattes:
    """How strongly a frame is drawn over.

    Attributes:
        picture: the frame, upright and as clear as the video.
        who: each of those drawn over: the tracklet, and the number of the frame it was seen in.
        whole: all of it is drawn over, since nothing is known of it.
    """

    def __init__(self, compositor: Compositor, found: _Decided) -> None:
        self.picture, self.who, self.whole = found.picture, found.who, found.whole
        self._mattes = compositor.mattes(*found.order, whole=found.whole)

    def alpha(self, shows: Callable[[int, int], bool] | None = None) -> Alpha:
        """uint8 [H, W]: how strongly the luma of each pixel is drawn over, 0 where it stays.

        Args:
            shows: asked for each of `who`, counts those for whom it is true; by default all. A
                frame that is drawn over wholly is so for everyone.
        """
        chosen = [
            matte
            for number, matte in self._mattes
            if shows is None or self.whole or shows(*self.who[number])
        ]
        return combined(chosen, (self.picture.width, self.picture.height))


class FrameMasker:
    """Masks the frames of one video by its timeline.

    Args:
        video: the file, which the effect `fill` is taken from; without it, and of interlaced
            pictures, people are blurred.

    Attributes:
        deinterlaced: whether a frame may hold something of the one before.
        reach: ticks of the source within which frames are neighbours.
        borrows: frames that the timeline doesn't know take their neighbours' masks; else they
            are masked whole.
    """

    def __init__(
        self,
        timeline: Timeline,
        info: VideoInfo,
        effect: EffectSettings,
        encoding: Encoding,
        video: Path | None = None,
    ) -> None:
        self._timeline = timeline
        self._pixel_format = encoding.pixel_format
        self.deinterlaced = encoding.deinterlacing is not Deinterlacing.NONE
        self.borrows = True
        self.reach = round(BORROW_SECONDS / float(info.time_base))
        self._effect, self._time_base = effect, info.time_base
        self._compositor = Compositor(
            timeline.header.grid,
            (info.width, info.height),
            info.display_size,
            effect,
            self._pixel_format,
            *matrix_of(*info.planar_colors, info.height),
            timeline.header.looks,
        )
        self._backgrounds = None
        progressive = not self.deinterlaced and encoding.field_order is FieldOrder.PROGRESSIVE
        if effect.name is EffectName.FILL and video is not None and progressive:
            self._backgrounds = Backgrounds(video, info, timeline, effect, self._pixel_format)
        self._borrowing = Tally(
            timeline.path,
            "frame {first} was not analysed; it borrows its neighbours' masks",
            "{count} frames were not analysed (first: {first}); they borrow their "
            "neighbours' masks",
        )
        self._masked_whole = Tally(
            timeline.path,
            "frame {first} was not analysed; it is masked whole",
            "{count} frames were not analysed (first: {first}); they are masked whole",
        )

    def masked(
        self, frames: Iterator[Frame], done: int = 0, shown: int | None = None
    ) -> Iterator[MaskedFrame]:
        """Every frame with everyone masked who is to be masked.

        Args:
            frames: those after the first `done` ones, of which the last is shown at `shown`.
        """
        for frame, found in self._decided(frames, done, shown):
            drawn_over, filled = self._compositor.draw(
                *found.order, whole=found.whole, filling=found.filling
            )
            yield MaskedFrame(frame, drawn_over, filled)

    def mattes(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, FrameMattes]]:
        """Every frame with how strongly `masked` draws over each of its pixels.

        Args:
            frames: all of the video's.
        """
        for frame, found in self._decided(frames, 0, None):
            yield frame, FrameMattes(self._compositor, found)

    def _decided(
        self, frames: Iterator[Frame], done: int, shown: int | None
    ) -> Iterator[tuple[Frame, _Decided]]:
        """Every frame with who is drawn over in it; see `masked`."""
        tracklets = {tracklet.id: tracklet for tracklet in self._timeline.header.tracklets}
        start = 0
        if shown is not None:
            smoothed = ceil(LOOK_AHEAD_SECONDS / self._time_base)
            start = self._record_before(shown - self.reach - smoothed, done)
        looks = bool(self._timeline.header.looks)
        known = steady(self._timeline.frames(start), self._effect, self._time_base, looks)
        records = _RecordReader(known, self.reach)
        try:
            with closing(prefetch(frames, QUEUE_FRAMES)) as ahead:
                for frame in ahead:
                    yield frame, self._decide(frame, records, tracklets)
        finally:
            if self._backgrounds is not None:
                self._backgrounds.close()
            self._borrowing.tell(log)
            self._masked_whole.tell(log)

    def _decide(
        self, frame: Frame, records: _RecordReader, tracklets: dict[int, Tracklet]
    ) -> _Decided:
        picture = frame.upright(self._pixel_format)
        record, neighbours = records.at(frame.pts), records.near(frame.pts)
        if record is not None:
            # A deinterlaced frame's lines are mixed with those of the one before.
            earlier = [near for near in neighbours if near.index < record.index]
            before = earlier[-1] if earlier and self.deinterlaced else None
            masked, kept = regions_of(record, before, tracklets, self._effect)
            shown = [record] if before is None else [record, before]
        else:
            near = shown = neighbours if self.borrows else []
            radius = round(BORROW_GROWTH_SHARE * self._timeline.header.grid[1])
            masked, kept = _borrowed(near, tracklets, radius, self._effect), ()
            (self._borrowing if masked else self._masked_whole).add(frame.index)
        filling = None
        if record is not None and masked and self._backgrounds is not None:
            filling = self._backgrounds.at(record)
        unknown = record is None and not masked
        who = [
            (sighting.tracklet, one.index)
            for one in shown
            for sighting in drawn(one, tracklets, self._effect).masked
        ]
        return _Decided(picture, masked, kept, unknown, who, filling)

    def _record_before(self, pts: int, number: int) -> int:
        """The number of a record shown before `pts`, found backwards from `number`; else 0."""
        while number > 0:
            number = max(0, number - CHUNK_FRAMES)
            first = next(self._timeline.frames(number), None)
            if first is not None and first.pts < pts:
                return number
        return 0


def _borrowed(
    neighbours: Sequence[FrameRecord],
    tracklets: dict[int, Tracklet],
    radius: int,
    effect: EffectSettings,
) -> list[Region]:
    """For a frame that wasn't analysed: everyone masked beside it, grown."""
    return [
        replace(
            region,
            mask=region.mask.grown(radius),
            shape=None if region.shape is None else region.shape.grown(radius),
            place=None if region.place is None else region.place.grown(radius),
        )
        for neighbour in neighbours
        for region in drawn(neighbour, tracklets, effect).regions
    ]


class _RecordReader:
    """A timeline's frames, looked up by growing timestamps, a window of them in memory."""

    def __init__(self, records: Iterator[FrameRecord], reach: int) -> None:
        self._ahead = records
        self._reach = reach
        self._window: deque[FrameRecord] = deque()

    def at(self, pts: int) -> FrameRecord | None:
        """The frame shown at `pts`, if the timeline has it."""
        self._slide(pts)
        return next((record for record in self._window if record.pts == pts), None)

    def near(self, pts: int) -> list[FrameRecord]:
        """The last frame before and the first one after `pts`, within reach."""
        before = [r for r in self._window if pts - self._reach <= r.pts < pts]
        after = [r for r in self._window if pts < r.pts <= pts + self._reach]
        return before[-1:] + after[:1]

    def _slide(self, pts: int) -> None:
        while not self._window or self._window[-1].pts <= pts + self._reach:
            record = next(self._ahead, None)
            if record is None:
                break
            self._window.append(record)
        while self._window and self._window[0].pts < pts - self._reach:
            self._window.popleft()
