"""A video and its timeline -> the background behind everybody, a window of a shot at a time.

A window is fixed in the video, whatever part of it is rendered: so a frame looks the same however
the rendering is split, resumed or spread. All of a window is read before its first frame is drawn,
by a reader of its own; of its frames, samples at full size and small bits of the rest are held.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.coordinates import GridTransform
from bystander.geometry.masks import Bits, Mask
from bystander.media.colour import PixelFormat, planes_of
from bystander.media.facts import VideoInfo
from bystander.media.prefetch import prefetch
from bystander.media.reader import Frame, frames_after
from bystander.redaction.camera import Homography, View, registered
from bystander.redaction.effects import EffectSettings, Plane
from bystander.redaction.filling import Filling
from bystander.redaction.plates import (
    Canvas,
    Plate,
    Sample,
    Small,
    build_plate,
    has_left,
    in_luma,
    scaled,
    small_planes,
    warped_bits,
)
from bystander.redaction.regions import GUESSES
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import FrameRecord, Sighting, Tracklet

log = logging.getLogger(__name__)

WINDOW_FRAMES: Final = 240
"""At most; a longer shot is cut evenly."""
MIN_WINDOW_FRAMES: Final = 12
"""In fewer nobody goes away from what is behind them."""
SAMPLES: Final = 24
"""Frames that a plate is made of, evenly spaced in its window ..."""
MAX_SAMPLE_BYTES: Final = 320 * 2**20
"""... fewer of them where they would take more memory; 4K has 24 of 8 bits a colour ..."""
MIN_SAMPLES: Final = 8
"""... and no fewer than these."""
MARGIN_SHARE: Final = 0.04
MARGIN_PX: Final = 4.0
"""By which somebody may be larger than their matte: of their height, and pixels of the grid or the
video, whichever are larger. Nothing of a plate comes from so near to them."""
RING_GRID_PX: Final = 14
"""Grid pixels around everybody in which a plate is made as well, to compare it with frames."""
QUEUE_FRAMES: Final = 4
_SIGHTING: Final = struct.Struct("<iiiiid")


@dataclass(frozen=True, slots=True)
class PlateWindow:
    """Frames `start` to `stop` of one shot that share a plate, `stop` not among them."""

    start: int
    stop: int


def windows_of(header: Header) -> list[PlateWindow]:
    """All windows of a video, in order; what is too short for a plate is in none."""
    found = []
    for shot in header.shots:
        count = ceil((shot.end - shot.start) / WINDOW_FRAMES)
        cuts = [shot.start + (shot.end - shot.start) * n // max(1, count) for n in range(count + 1)]
        found += [PlateWindow(a, b) for a, b in pairwise(cuts) if b - a >= MIN_WINDOW_FRAMES]
    return found


def window_at(windows: Sequence[PlateWindow], frame: int) -> PlateWindow | None:
    """The window that a frame belongs to."""
    return next((window for window in windows if window.start <= frame < window.stop), None)


def frames_behind(windows: Sequence[PlateWindow], start: int, stop: int) -> tuple[int, int]:
    """The frames that are read to draw those from `start` to `stop`, the last not among them."""
    near = [window for window in windows if window.start < stop and start < window.stop]
    return (
        min([start, *(window.start for window in near)]),
        max([stop, *(window.stop for window in near)]),
    )


def add_people(digest: hashlib._Hash, record: FrameRecord, heights: dict[int, float]) -> None:
    """Add to a window's digest all that its plate takes from a frame of the timeline."""
    digest.update(record.pts.to_bytes(8, "little", signed=True))
    for one in record.sightings:
        mask, height = one.mask, heights[one.tracklet]
        digest.update(_SIGHTING.pack(one.tracklet, mask.x, mask.y, *mask.bits.shape, height))
        digest.update(np.packbits(mask.bits).tobytes())


@dataclass(slots=True, eq=False)
class _Seen:
    """What a window's reading came to.

    Attributes:
        motions: by frame, from its grid pixels to those of the first one, where they are known.
        people: by frame, where anybody is, grown: packed bits of the grid.
        samples: their frames' numbers and planes.
        ends: of each tracklet, the first and the last frame of the window in which it was seen and
            whose motion is known, with its sighting and what the frame looked like.
        looks: what each sample looks like.
    """

    motions: dict[int, Homography]
    people: dict[int, NDArray[np.uint8]]
    samples: list[tuple[int, list[Plane]]]
    ends: dict[int, list[tuple[int, Sighting, Small]]]
    looks: list[Small]


class Backgrounds:
    """Gives what fills people in the frames of one video.

    Args:
        video: the file.
        info: what `probe` said about it.
        timeline: who is where in it.
        effect: how far mattes reach.
        pixel_format: of the pictures that are drawn on.
    """

    def __init__(
        self,
        video: Path,
        info: VideoInfo,
        timeline: Timeline,
        effect: EffectSettings,
        pixel_format: PixelFormat,
    ) -> None:
        header = timeline.header
        self._video, self._info, self._timeline = video, info, timeline
        self._effect, self._pixel_format = effect, pixel_format
        self._grid, self._size = header.grid, (info.width, info.height)
        self._scale = self._size[0] / self._grid[0], self._size[1] / self._grid[1]
        self._margin = MARGIN_PX / min(1.0, *self._scale)  # grid pixels
        self._per_grid = GridTransform(info.display_size, header.grid).display_per_grid
        self._tracklets: dict[int, Tracklet] = {one.id: one for one in header.tracklets}
        self._windows = windows_of(header)
        self._made: tuple[PlateWindow, Plate | None, _Seen] | None = None
        self._frames: Generator[Frame] | None = None
        self._next = 0

    def at(self, record: FrameRecord) -> Filling | None:
        """What fills people in a frame; None where its background isn't known.

        Args:
            record: of the frame; best in order, as each window is read once then.

        Raises:
            VideoError: the video can't be read.
            InvalidTimeline: the timeline is damaged.
        """
        window = window_at(self._windows, record.index)
        if window is None:
            return None
        if self._made is None or self._made[0] != window:
            self._made = None  # before the next takes as much memory
            seen = self._read(window)
            self._made = window, self._plate(window, seen), _without_samples(seen)
        _, plate, seen = self._made
        if plate is None or record.index not in seen.motions:
            return None
        motion = in_luma(seen.motions[record.index], self._scale)
        return Filling(plate, motion, ~self._unpacked(seen.people[record.index]))

    def close(self) -> None:
        """Stop reading; `at` begins anew."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _read(self, window: PlateWindow) -> _Seen:
        """Look at all frames of a window."""
        records = {
            record.pts: record
            for record in islice(self._timeline.frames(window.start), window.stop - window.start)
        }
        count = self._sample_count(window)
        sampled = {window.start + (window.stop - window.start) * n // count for n in range(count)}
        seen = _Seen({}, {}, [], {}, [])
        anchor: tuple[View, Homography] | None = None  # what samples are registered with
        last: tuple[View, Homography] | None = None  # the sample before
        guess = np.eye(3)  # from that to the frame before
        for frame in self._reading(window, max(records)):
            record = records.get(frame.pts)
            if record is None or frame.damaged:
                continue
            people = self._people(record.sightings)
            planes = planes_of(frame.upright(self._pixel_format))
            view = View(self._grey(planes[0]), ~people)
            motion: Homography | None
            if anchor is None or last is None:
                motion, anchor, last = np.eye(3), (view, np.eye(3)), (view, np.eye(3))
                is_sample = True
            else:
                step = registered(last[0], view, guess)
                motion = None if step is None else last[1] @ np.linalg.inv(step)
                guess = np.eye(3) if step is None else step
                is_sample = record.index in sampled and motion is not None
                if is_sample and motion is not None:
                    # Errors don't add up as long as the anchor is in the picture.
                    onto = registered(anchor[0], view, np.linalg.inv(motion) @ anchor[1])
                    if onto is None:
                        anchor = last
                    else:
                        motion = anchor[1] @ np.linalg.inv(onto)
                    last, guess = (view, motion), np.eye(3)
            seen.people[record.index] = np.packbits(people)
            if motion is None:
                continue
            seen.motions[record.index] = motion / motion[2, 2]
            look = small_planes(planes, self._grid)
            if is_sample:
                seen.looks.append(look)
                seen.samples.append((record.index, [np.array(plane) for plane in planes]))
            for sighting in record.sightings:
                if sighting.origin in GUESSES:
                    continue  # of where nobody was seen a look tells nothing
                ends = seen.ends.setdefault(sighting.tracklet, [(record.index, sighting, look)])
                ends[1:] = [(record.index, sighting, look)]
        return seen

    def _reading(self, window: PlateWindow, last_pts: int) -> Iterator[Frame]:
        """The frames of a window, read on from those of the one before where it follows."""
        if self._frames is None or self._next != window.start:
            self.close()
            shown = int(self._pts[window.start - 1]) if window.start else None
            frames = frames_after(self._video, self._info, window.start, shown)
            self._frames = prefetch(frames, QUEUE_FRAMES)
        self._next = window.stop
        for frame in self._frames:
            yield frame
            if frame.pts >= last_pts:
                return

    @cached_property
    def _pts(self) -> NDArray[np.int64]:
        return self._timeline.pts()

    def _plate(self, window: PlateWindow, seen: _Seen) -> Plate | None:
        numbers = [number for number, _ in seen.samples]
        if len(numbers) < MIN_SAMPLES:
            return None
        motions = {n: in_luma(motion, self._scale) for n, motion in seen.motions.items()}
        canvas = Canvas.of([motions[number] for number in numbers], self._size, self._grid)
        columns, rows = canvas.grid
        covered = [np.zeros((rows, columns), dtype=bool) for _ in numbers]
        anybody = np.zeros((rows, columns), dtype=bool)
        unfollowed = [False] * len(numbers)
        for number, packed in seen.people.items():
            # Everybody in the frames between the sample before and the one after.
            near = [
                k
                for k in range(len(numbers))
                if (numbers[k - 1] if k else -1) <= number
                and (k + 1 == len(numbers) or number <= numbers[k + 1])
            ]
            people = self._unpacked(packed)
            if number not in motions:
                for k in near:
                    unfollowed[k] |= bool(people.any())
                continue
            if not people.any():
                continue
            there = warped_bits(people, canvas.grid_place(motions[number]), canvas.grid)
            anybody |= there
            for k in near:
                covered[k] |= there
        for ends in seen.ends.values():
            self._cover_unseen(seen, ends[0], numbers, canvas, covered, later=False)
            self._cover_unseen(seen, ends[-1], numbers, canvas, covered, later=True)
        usable = [k for k in range(len(numbers)) if not unfollowed[k]]
        if len(usable) < MIN_SAMPLES or not anybody.any():
            return None
        wanted = self._around(anybody)
        samples = [Sample(seen.samples[k][1], motions[numbers[k]]) for k in usable]
        return build_plate(canvas, samples, [covered[k] for k in usable], wanted)

    def _cover_unseen(
        self,
        seen: _Seen,
        end: tuple[int, Sighting, Small],
        numbers: Sequence[int],
        canvas: Canvas,
        covered: Sequence[Bits],
        later: bool,
    ) -> None:
        """Somebody seen for the last time, or the first, may be there after it, or before."""
        number, sighting, look = end
        mask, motion = self._half(sighting), seen.motions[number]
        place = canvas.grid_place(in_luma(motion, self._scale))
        there = warped_bits(self._people([sighting]), place, canvas.grid)
        for k, at in enumerate(numbers):
            if (at > number) if later else (at < number):
                moved = scaled(np.linalg.inv(seen.motions[at]) @ motion, (2, 2))
                if not has_left(look, seen.looks[k], moved, mask):
                    covered[k] |= there

    def _half(self, sighting: Sighting) -> Bits:
        """A silhouette at half the grid's size."""
        width, height = self._grid
        bits = sighting.mask.on_grid(width, height)[: height // 2 * 2, : width // 2 * 2]
        return np.asarray(bits[0::2, 0::2] | bits[1::2, 1::2])

    def _around(self, anybody: Bits) -> Bits:
        """Where a plate is wanted: behind people and around them, or, for shapes, anywhere."""
        if self._effect.boxed:
            return np.ones_like(anybody)
        kernel = np.ones((2 * RING_GRID_PX + 1, 2 * RING_GRID_PX + 1), np.uint8)
        return np.asarray(cv2.dilate(anybody.view(np.uint8), kernel), dtype=bool)

    def _people(self, sightings: Iterable[Sighting]) -> Bits:
        """Where anybody may be, a margin beyond their mattes: bool [h, w] over the grid."""
        width, height = self._grid
        found = np.zeros((height, width), dtype=np.uint8)
        for sighting in sightings:
            mask = sighting.mask.clipped(width, height)
            if not mask.area:
                continue
            tall = self._tracklets[sighting.tracklet].height / self._per_grid
            share = self._effect.growth + self._effect.softness + MARGIN_SHARE
            _paste_grown(found, mask, ceil(share * tall + self._margin))
        return found.view(bool)

    def _grey(self, luma: Plane) -> NDArray[np.uint8]:
        small: Plane = np.asarray(cv2.resize(luma, self._grid, interpolation=cv2.INTER_AREA))
        return np.asarray(small if small.dtype == np.uint8 else small >> 2, dtype=np.uint8)

    def _unpacked(self, packed: NDArray[np.uint8]) -> Bits:
        width, height = self._grid
        return np.unpackbits(packed, count=width * height).reshape(height, width).view(bool)

    def _sample_count(self, window: PlateWindow) -> int:
        width, height = self._size
        planes = 3 if self._pixel_format.startswith("yuv444") else 1.5
        size = width * height * planes * (2 if self._pixel_format.endswith("10le") else 1)
        most = max(MIN_SAMPLES, min(SAMPLES, int(MAX_SAMPLE_BYTES / size)))
        return min(most, window.stop - window.start)


def _paste_grown(canvas: NDArray[np.uint8], mask: Mask, radius: int) -> None:
    """Set a silhouette and all that is at most `radius` grid pixels beside it, or more."""
    height, width = canvas.shape
    x0, y0, x1, y1 = mask.box
    left, top = max(0, x0 - radius), max(0, y0 - radius)
    right, bottom = min(width, x1 + radius), min(height, y1 + radius)
    bits = mask.on_window((left, top, right, bottom)).view(np.uint8)
    # A square, which is cheap, and covers more than a disc.
    grown = cv2.dilate(bits, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    canvas[top:bottom, left:right] |= np.asarray(grown, dtype=np.uint8)


def _without_samples(seen: _Seen) -> _Seen:
    return _Seen(seen.motions, seen.people, [], {}, [])
