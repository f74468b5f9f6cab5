"""timeline -> video: draw over everyone whose verdict is not 'keep'.

Runs no network. The video is decoded again at full size; drawing happens on its own
colour planes, so that pixels nobody masked go into the encoder as they were decoded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import av
import av.error

from bystander import __version__
from bystander.files import StrPath
from bystander.media.colour import matrix_of
from bystander.media.deinterlacing import deinterlaced
from bystander.media.demux import fingerprint
from bystander.media.encoder import Deinterlacing, EncoderSettings, Encoding, encoding_of
from bystander.media.facts import VideoInfo
from bystander.media.muxer import VideoWriter
from bystander.media.prefetch import prefetch
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader, frames_after
from bystander.media.resuming import RenderCheckpoints, SegmentedWriter
from bystander.progress import ProgressMeter, Report, Tally
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.regions import drawn
from bystander.timeline.archive import CHUNK_FRAMES, Timeline
from bystander.timeline.header import with_decisions
from bystander.timeline.types import FrameRecord, Tracklet

log = logging.getLogger(__name__)

QUEUE_FRAMES: Final = 4

BORROW_SECONDS: Final = 0.5
"""A frame that the timeline doesn't know borrows the masks of neighbours this near ..."""
BORROW_GROWTH_SHARE: Final = 0.06
"""... grown by this share of the grid's height; with no such neighbour it is masked whole."""
WATCH_SECONDS: Final = 1.0

Watch = Callable[[int, av.VideoFrame], None]
"""Called about once a second with a frame's number and its masked picture, in the video's
own pixel format, from the thread that renders; must be quick and leave the picture as it is."""


def render(
    video: StrPath,
    timeline: Timeline,
    output: StrPath,
    *,
    keep: Sequence[str] = (),
    mask: Sequence[str] = (),
    effect: EffectSettings | None = None,
    encoder: EncoderSettings | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    checkpoints: RenderCheckpoints | None = None,
    watch: Watch | None = None,
) -> None:
    """Write the masked video.

    Args:
        video: the file that the timeline was made from.
        timeline: who is where, and who may be seen.
        output: the masked video; appears only when it is whole.
        keep: whom to keep, whatever the timeline says: ids of persons (p2) or of tracklets, one
            appearance of a person each (t17).
        mask: whom to mask, likewise.
        effect: what is drawn over people.
        encoder: codec and quality.
        overwrite: replace an existing output.
        report: called with the progress; may raise `Cancelled`.
        checkpoints: render in segments that are kept there until the output is whole, and
            go on after those that an interrupted run has left.
        watch: shown a masked picture now and then.

    Raises:
        VideoError: the video can't be read.
        TimelineMismatch: the timeline was made from another video.
        SelectionError: an id of `keep` or `mask` is unknown, or in both.
        OutputError: the result can't be written.
    """
    video, output = Path(video), Path(output)
    info = probe(video)
    timeline.check_video(video, fingerprint(video))
    if keep or mask:
        timeline = Timeline(timeline.path, with_decisions(timeline.header, keep, mask))
    effect, encoder = effect or EffectSettings(), encoder or EncoderSettings()
    encoding = encoding_of(info, video, encoder)
    drawing = FrameMasker(timeline, info, effect, encoding)
    total = timeline.header.video.frames
    if checkpoints is None:
        with VideoWriter(output, info, video, encoder, overwrite=overwrite) as whole:
            frames = deinterlaced(iter(VideoReader(video, info)), info, encoding.deinterlacing)
            pictures = drawing.masked(frames)
            write_all(whole, pictures, ProgressMeter("render", total, report), watch)
        return
    digest = _digest(timeline, effect, encoder)
    with SegmentedWriter(
        output, info, video, encoder, checkpoints, digest, overwrite=overwrite
    ) as segmented:
        meter = ProgressMeter("render", total, report, done=segmented.done)
        if segmented.done:
            meter.report()
        if not segmented.complete:
            # To deinterlace a frame takes the one before it.
            lead = segmented.done > 0 and encoding.deinterlacing is not Deinterlacing.NONE
            frames = deinterlaced(
                frames_after(video, info, segmented.done, segmented.shown, lead),
                info,
                encoding.deinterlacing,
                lead,
            )
            pictures = drawing.masked(frames, segmented.done, segmented.shown)
            write_all(segmented, pictures, meter, watch)


def write_all(
    writer: VideoWriter | SegmentedWriter,
    pictures: Iterator[tuple[Frame, av.VideoFrame]],
    meter: ProgressMeter,
    watch: Watch | None,
) -> None:
    """Encode what is drawn, while more is."""
    watched = -WATCH_SECONDS
    with closing(prefetch(pictures, QUEUE_FRAMES)) as ahead:
        for frame, picture in ahead:
            writer.write(picture, frame.pts, frame.duration)
            meter.step()
            if watch is not None and time.monotonic() - watched >= WATCH_SECONDS:
                watched = time.monotonic()
                watch(frame.index, picture)


def _digest(timeline: Timeline, effect: EffectSettings, encoder: EncoderSettings) -> str:
    """SHA-256 of everything that the encoded pictures depend on, as hexadecimal digits."""
    parts = {
        "video": timeline.header.video.fingerprint,
        "timeline": timeline.digest(),
        "effect": effect.model_dump(mode="json"),
        "encoder": encoder.model_dump(mode="json"),
        "versions": [__version__, av.__version__],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class FrameMasker:
    """Masks the frames of one video by its timeline."""

    def __init__(
        self,
        timeline: Timeline,
        info: VideoInfo,
        effect: EffectSettings,
        encoding: Encoding,
    ) -> None:
        self._timeline = timeline
        self._pixel_format = encoding.pixel_format
        self._deinterlaced = encoding.deinterlacing is not Deinterlacing.NONE
        self._reach = round(BORROW_SECONDS / float(info.time_base))
        self._compositor = Compositor(
            timeline.header.grid,
            (info.width, info.height),
            info.display_size,
            effect,
            self._pixel_format,
            *matrix_of(*info.planar_colors, info.height),
        )
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
    ) -> Iterator[tuple[Frame, av.VideoFrame]]:
        """Every frame with everyone masked who is to be masked.

        Args:
            frames: those after the first `done` ones, of which the last is shown at `shown`.
        """
        tracklets = {tracklet.id: tracklet for tracklet in self._timeline.header.tracklets}
        start = 0 if shown is None else self._record_before(shown - self._reach, done)
        records = _RecordReader(self._timeline, self._reach, start)
        try:
            with closing(prefetch(frames, QUEUE_FRAMES)) as ahead:
                for frame in ahead:
                    yield frame, self._apply(frame, records, tracklets)
        finally:
            self._borrowing.tell(log)
            self._masked_whole.tell(log)

    def _apply(
        self, frame: Frame, records: _RecordReader, tracklets: dict[int, Tracklet]
    ) -> av.VideoFrame:
        picture = frame.upright(self._pixel_format)
        record, neighbours = records.at(frame.pts), records.near(frame.pts)
        if record is not None:
            here = drawn(record, tracklets)
            masked, kept = list(here.regions), here.kept
            if self._deinterlaced:
                # Its lines are mixed with those of the frame before, from where people were.
                before = [near for near in neighbours if near.index < record.index]
                masked += [region for near in before for region in drawn(near, tracklets).regions]
        else:
            masked, kept = _borrowed(neighbours, tracklets, self._timeline.header.grid[1]), ()
            (self._borrowing if masked else self._masked_whole).add(frame.index)
        unknown = record is None and not masked
        return self._compositor.apply(picture, masked, kept, whole=unknown)

    def _record_before(self, pts: int, number: int) -> int:
        """The number of a record shown before `pts`, found backwards from `number`; else 0."""
        while number > 0:
            number = max(0, number - CHUNK_FRAMES)
            first = next(self._timeline.frames(number), None)
            if first is not None and first.pts < pts:
                return number
        return 0


def _borrowed(
    neighbours: Sequence[FrameRecord], tracklets: dict[int, Tracklet], height: int
) -> list[Region]:
    """For a frame that wasn't analysed: everyone masked beside it, grown."""
    radius = round(BORROW_GROWTH_SHARE * height)
    return [
        Region(region.mask.grown(radius), region.extent, region.face)
        for neighbour in neighbours
        for region in drawn(neighbour, tracklets).regions
    ]


class _RecordReader:
    """A timeline's frames, looked up by growing timestamps, a window of them in memory."""

    def __init__(self, timeline: Timeline, reach: int, start: int) -> None:
        self._ahead = timeline.frames(start)
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
