"""A timeline -> what becomes of each frame: copied or encoded, in which segment, from what.

A segment's digest is of all that its pictures depend on, and of nothing else: so a rendering with
other verdicts finds the segments again in which nobody's verdict changed.
"""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, pairwise
from typing import Final

import av
import numpy as np

from bystander import __version__
from bystander.choices import EffectName
from bystander.geometry.masks import Mask
from bystander.media.encoder import EncoderSettings
from bystander.media.facts import VideoInfo
from bystander.media.resuming import SEGMENT_FRAMES, SegmentSpan
from bystander.media.stream_copy import CopyableStream, PictureGroup
from bystander.pipeline.backgrounds import add_people, windows_of
from bystander.redaction.compositing import Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.regions import drawn
from bystander.redaction.shapes import steady
from bystander.timeline.archive import Timeline
from bystander.timeline.header import digest_of_look
from bystander.timeline.types import FrameRecord, Tracklet

MIN_COPIED_SECONDS: Final = 1.0
"""A shorter part is encoded with what lies around it: each beginning takes a keyframe."""
_FRAME_DIGEST_BYTES: Final = 16
_REGION: Final = struct.Struct("<iiiidd")
_MASK: Final = struct.Struct("<iiii")


def regions_of(
    record: FrameRecord,
    before: FrameRecord | None,
    tracklets: Mapping[int, Tracklet],
    effect: EffectSettings,
) -> tuple[list[Region], tuple[Mask, ...]]:
    """Whom to draw over in a frame, and whom to leave alone.

    Args:
        before: the frame before it, where lines of that are mixed into it (deinterlacing).
        effect: tells what of those masked is drawn over.
    """
    here = drawn(record, tracklets, effect)
    masked = list(here.regions)
    if before is not None:
        masked += drawn(before, tracklets, effect).regions
    return masked, here.kept


@dataclass(frozen=True, slots=True)
class DrawnFrames:
    """What a timeline has drawn in each frame of its video.

    Attributes:
        pts: of the frames, ticks of the source.
        masked: 1 where anything is drawn.
        digests: of what is drawn and when, `_FRAME_DIGEST_BYTES` a frame.
    """

    pts: array[int] = field(default_factory=lambda: array("q"))
    masked: bytearray = field(default_factory=bytearray)
    digests: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(
        cls, timeline: Timeline, reach: int | None, effect: EffectSettings, time_base: Fraction
    ) -> DrawnFrames:
        """Reads the whole timeline, a chunk at a time.

        Args:
            reach: ticks from which the frame before is drawn, too; None: it isn't.
            effect: tells what of those masked is drawn over.
            time_base: of the source.

        Raises:
            InvalidTimeline: it is damaged.
        """
        frames = cls()
        tracklets = {tracklet.id: tracklet for tracklet in timeline.header.tracklets}
        before: FrameRecord | None = None
        looks = [digest_of_look(look) for look in timeline.header.looks]
        for record in steady(timeline.frames(), effect, time_base, bool(looks)):
            near = before is not None and reach is not None and record.pts - before.pts <= reach
            masked, kept = regions_of(record, before if near else None, tracklets, effect)
            frames.pts.append(record.pts)
            frames.masked.append(bool(masked))
            frames.digests.extend(_digest_of(record.pts, masked, kept, looks))
            before = record
        if effect.name is EffectName.FILL:
            frames._add_windows(timeline)
        return frames

    def _add_windows(self, timeline: Timeline) -> None:
        """What stands in for people comes from all frames of their window, and from what anybody
        hides there."""
        heights = {tracklet.id: tracklet.height for tracklet in timeline.header.tracklets}
        for window in windows_of(timeline.header):
            length = window.stop - window.start
            digest = hashlib.sha256()
            for record in islice(timeline.frames(window.start), length):
                add_people(digest, record, heights)
            for frame in range(window.start, window.stop):
                if self.masked[frame]:
                    own = np.s_[_FRAME_DIGEST_BYTES * frame : _FRAME_DIGEST_BYTES * (frame + 1)]
                    both = hashlib.blake2b(
                        self.digests[own] + digest.digest(), digest_size=_FRAME_DIGEST_BYTES
                    )
                    self.digests[own] = both.digest()

    def is_masked(self, start: int, stop: int) -> bool:
        """Whether anything is drawn in the frames `start` to `stop`."""
        return any(self.masked[max(0, start) : stop])


def planned(
    frames: DrawnFrames,
    base: str,
    copyable: CopyableStream | None,
    length: int | None,
) -> list[SegmentSpan]:
    """The whole video in spans.

    Where the video is cut depends on the frames' numbers and on what is copied only. A group is
    copied if nothing is drawn in it, nor in the frame before it and the one after it.

    Args:
        base: `base_digest`.
        copyable: of the source, if some of it may be copied; its frames are `frames`.
        length: frames after which what is encoded is cut; None: not at all.
    """
    count = len(frames.pts)
    spans: list[SegmentSpan] = []
    encoded_from = 0
    for start, stop in _copied_runs(frames, copyable) if copyable else []:
        spans += _cut(frames, base, encoded_from, start, length)
        spans += _cut_groups(frames, base, copyable.groups, start, stop) if copyable else []
        encoded_from = stop
    return spans + _cut(frames, base, encoded_from, count, length)


def base_digest(
    timeline: Timeline,
    info: VideoInfo,
    effect: EffectSettings,
    encoder: EncoderSettings,
    copyable: CopyableStream | None,
) -> str:
    """SHA-256 of what every encoded picture depends on, as hexadecimal digits."""
    parts = {
        "video": timeline.header.video.fingerprint,
        "grid": timeline.header.grid,
        "display": info.display_size,
        "effect": effect.model_dump(mode="json"),
        "encoder": encoder.model_dump(mode="json"),
        "parameter id": copyable.encoder_id if copyable else 0,
        "versions": [__version__, av.__version__],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def digest_of_all(timeline: Timeline, base: str) -> str:
    """SHA-256 of everything that any encoded picture depends on, as hexadecimal digits."""
    return hashlib.sha256(f"{base} {timeline.digest()}".encode()).hexdigest()


def _copied_runs(frames: DrawnFrames, copyable: CopyableStream) -> list[tuple[int, int]]:
    """Start and stop of the parts that are copied, in order, of whole groups."""
    runs: list[tuple[int, int]] = []
    for group in copyable.groups:
        if not group.copyable or frames.is_masked(group.start - 1, group.stop + 1):
            continue
        if runs and runs[-1][1] == group.start:
            runs[-1] = (runs[-1][0], group.stop)
        else:
            runs.append((group.start, group.stop))
    least = MIN_COPIED_SECONDS / copyable.info.time_base
    whole = len(frames.pts)
    return [
        (start, stop)
        for start, stop in runs
        if frames.pts[stop - 1] - frames.pts[start] >= least or (start, stop) == (0, whole)
    ]


def _cut(
    frames: DrawnFrames, base: str, start: int, stop: int, length: int | None
) -> list[SegmentSpan]:
    """Encoded frames, cut at multiples of `length`: where, others may be copied or not."""
    cuts = [start, *range((start // length + 1) * length, stop, length)] if length else [start]
    ends = [*cuts[1:], stop]
    return [
        _span(frames, base, a, b, copied=False) for a, b in zip(cuts, ends, strict=True) if a < b
    ]


def _cut_groups(
    frames: DrawnFrames, base: str, groups: Sequence[PictureGroup], start: int, stop: int
) -> list[SegmentSpan]:
    """Copied frames, cut between groups, in segments of about `SEGMENT_FRAMES`."""
    begins = [group.start for group in groups if start <= group.start < stop]
    cuts = [b for a, b in pairwise(begins) if a // SEGMENT_FRAMES < b // SEGMENT_FRAMES]
    return [
        _span(frames, base, a, b, copied=True)
        for a, b in zip([start, *cuts], [*cuts, stop], strict=True)
    ]


def _span(frames: DrawnFrames, base: str, start: int, stop: int, copied: bool) -> SegmentSpan:
    digest = hashlib.sha256(f"{base} {start} {stop}".encode())
    digest.update(frames.digests[_FRAME_DIGEST_BYTES * start : _FRAME_DIGEST_BYTES * stop])
    return SegmentSpan(start, stop, digest.hexdigest(), copied)


def _digest_of(
    pts: int, masked: Sequence[Region], kept: Sequence[Mask], looks: Sequence[bytes]
) -> bytes:
    digest = hashlib.blake2b(
        pts.to_bytes(8, "little", signed=True), digest_size=_FRAME_DIGEST_BYTES
    )
    for region in masked:
        face = -1.0 if region.face is None else region.face
        digest.update(_REGION.pack(*_place(region.mask), region.extent, face))
        digest.update(np.packbits(region.mask.bits).tobytes())
        if region.look is not None:
            digest.update(looks[region.look])
        for more in (region.shape, region.place):
            if more is not None:
                digest.update(_MASK.pack(*_place(more)))
                digest.update(np.packbits(more.bits).tobytes())
    for mask in kept if masked else ():  # they hold back what is drawn over others
        digest.update(_MASK.pack(*_place(mask)))
        digest.update(np.packbits(mask.bits).tobytes())
    return digest.digest()


def _place(mask: Mask) -> tuple[int, int, int, int]:
    return mask.x, mask.y, *mask.bits.shape
