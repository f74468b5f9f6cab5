"""timeline -> video: draw over everyone whose verdict is not 'keep'.

Runs no network. The video is decoded again at full size; drawing happens on its own
colour planes, so that pixels nobody masked go into the encoder as they were decoded.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import av

from bystander.instances import shift
from bystander.masks import Mask, union
from bystander.media.fingerprint import fingerprint
from bystander.media.planes import PixelFormat, matrix_of
from bystander.media.prefetch import prefetch
from bystander.media.probe import VideoInfo, probe
from bystander.media.reader import Frame, VideoReader
from bystander.media.writer import EncoderSettings, VideoWriter
from bystander.people.timeline import Timeline
from bystander.people.vocabulary import Decision, FrameRecord, Origin, Sighting, Tracklet
from bystander.progress import Meter, Report
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings

log = logging.getLogger(__name__)

QUEUE: Final = 4

BORROW_SECONDS: Final = 0.5
"""A frame that the timeline doesn't know borrows the masks of neighbours this near ..."""
BORROW_GROWTH: Final = 0.06
"""... grown by this share of the grid's height; with no such neighbour it is masked whole."""
PARTS: Final = (Origin.SHARED, Origin.CARRIED)


def render(
    video: Path,
    timeline: Timeline,
    output: Path,
    *,
    effect: EffectSettings | None = None,
    encoder: EncoderSettings | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> None:
    """Write the masked video.

    Args:
        video: the file that the timeline was made from.
        timeline: who is where, and who may be seen.
        output: the masked video; appears only when it is whole.
        effect: what is drawn over people.
        encoder: codec and quality.
        overwrite: replace an existing output.
        report: called with the progress; may raise `Cancelled`.

    Raises:
        VideoError: the video can't be read.
        TimelineMismatch: the timeline was made from another video.
        OutputError: the result can't be written.
    """
    info = probe(video)
    timeline.check_video(video, fingerprint(video))
    encoder = encoder or EncoderSettings()
    with (
        VideoReader(video, info) as reader,
        VideoWriter(output, info, video, encoder, overwrite=overwrite) as writer,
    ):
        meter = Meter("render", timeline.header.video.frames, report)
        compositor = Compositor(
            timeline.header.grid,
            (info.width, info.height),
            effect or EffectSettings(),
            writer.pixel_format,
            *matrix_of(info.color_matrix, info.color_range, info.height),
        )
        with (
            closing(prefetch(reader, QUEUE)) as frames,
            closing(
                prefetch(_masked(frames, timeline, compositor, writer.pixel_format, info), QUEUE)
            ) as pictures,
        ):
            for frame, picture in pictures:
                writer.write(picture, frame.pts, frame.duration)
                meter.step()


def _masked(
    frames: Iterable[Frame],
    timeline: Timeline,
    compositor: Compositor,
    pixel_format: PixelFormat,
    info: VideoInfo,
) -> Iterator[tuple[Frame, av.VideoFrame]]:
    """Every frame with everyone masked who is to be masked."""
    tracklets = {tracklet.id: tracklet for tracklet in timeline.header.tracklets}
    records = _Records(timeline, round(BORROW_SECONDS / float(info.time_base)))
    for frame in frames:
        picture = frame.upright(pixel_format)
        record, neighbours = records.at(frame.pts), records.near(frame.pts)
        if record is not None:
            masked, kept = split(record, tracklets, neighbours)
        else:
            masked, kept = _borrowed(neighbours, tracklets, timeline.header.grid[1]), []
            instead = "borrows its neighbours' masks" if masked else "is masked whole"
            log.warning("frame %d was not analysed; it %s", frame.index, instead)
        unknown = record is None and not masked
        yield frame, compositor.apply(picture, masked, kept, whole=unknown)


def split(
    record: FrameRecord, tracklets: dict[int, Tracklet], neighbours: Sequence[FrameRecord] = ()
) -> tuple[list[Region], list[Mask]]:
    """One frame's people: regions to draw over, and the silhouettes of those who are kept.

    Silhouettes flicker: an arm is there, gone for a frame, and there again. So a region
    reaches as far as what was carried on from the frames before, and as the person's
    silhouette in the next one, moved along.
    """
    carried = {s.tracklet: s.mask for s in record.sightings if s.origin is Origin.CARRIED}
    ahead = [neighbour for neighbour in neighbours if neighbour.index > record.index]
    beside: dict[int, list[Sighting]] = {}
    for sighting in (s for neighbour in ahead for s in neighbour.sightings):
        # Parts of silhouettes say nothing about where they'd be in another frame.
        if sighting.origin not in PARTS:
            beside.setdefault(sighting.tracklet, []).append(sighting)
    masked: list[Region] = []
    kept: list[Mask] = []
    for sighting in record.sightings:
        if sighting.origin is Origin.CARRIED:
            continue
        tracklet = tracklets[sighting.tracklet]
        if tracklet.decision_at(record.index) is Decision.MASK:
            reach = sighting.mask
            if sighting.origin not in PARTS:
                moved = [_moved(other, sighting) for other in beside.get(tracklet.id, ())]
                moved += [carried[tracklet.id]] if tracklet.id in carried else []
                reach = union((reach, *moved))
            masked.append(Region(sighting.mask, tracklet.height, tracklet.face, reach))
        elif sighting.origin is Origin.SEEN:
            # Only what was really seen of a kept person may hold back someone's mask.
            kept.append(sighting.mask)
    return masked, kept


def _moved(other: Sighting, here: Sighting) -> Mask:
    """The silhouette of another frame, put where the person is in this one."""
    return other.mask.moved(*shift(other.box, here.box))


def _borrowed(
    neighbours: Sequence[FrameRecord], tracklets: dict[int, Tracklet], height: int
) -> list[Region]:
    """For a frame that wasn't analysed: everyone masked beside it, grown."""
    radius = round(BORROW_GROWTH * height)
    return [
        Region(region.mask.grown(radius), region.extent, region.face)
        for neighbour in neighbours
        for region in split(neighbour, tracklets)[0]
    ]


class _Records:
    """A timeline's frames, looked up by growing timestamps, a window of them in memory."""

    def __init__(self, timeline: Timeline, reach: int) -> None:
        self._ahead = timeline.frames()
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
