"""The masked video in segments, so that an interrupted rendering goes on where it was.

A plan says which frames make a segment (`SegmentSpan`). What one encoder has made of them, or what
was copied of the source (`stream_copy`), lies in a file of its own in a folder, named by the
frames and by the digest of all that its pictures depend on. At the end the segments' packets are
joined, without encoding. So a disturbed run goes on where it was, one with other verdicts takes
over what they don't change, and both give the pictures of an undisturbed one, bit for bit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from bystander.errors import OutputUnwritable
from bystander.media.colour import PixelFormat
from bystander.media.encoder import Encoder, EncoderSettings, clock_of
from bystander.media.facts import VideoInfo
from bystander.media.h264 import joined_parameter_sets
from bystander.media.muxer import Muxer, check_encoding, check_output, disk_errors
from bystander.media.segments import (
    RENDER_AGAIN,
    DamagedSegment,
    Filled,
    SegmentWriter,
    VideoSegment,
    decoding_times,
)
from bystander.media.sound_spans import SoundSpan
from bystander.media.stream_copy import CopyableStream, NotCopyable

log = logging.getLogger(__name__)

SEGMENT_FRAMES: Final = 240
_DIGEST_LETTERS: Final = 32  # of a digest, in the name of a file


@dataclass(frozen=True, slots=True)
class RenderCheckpoints:
    """Where a rendering finds what one before it has done.

    Attributes:
        folder: an existing folder; other files in it are left alone.
        length: frames that at most are encoded twice. Each segment begins with a
            keyframe and ends without knowing what follows, so short ones make large files.
        keep: leave the segments there when the output is whole, for a rendering with other
            verdicts to take over those that they don't change.
    """

    folder: Path
    length: int = SEGMENT_FRAMES
    keep: bool = False


@dataclass(frozen=True, slots=True)
class SegmentSpan:
    """Frames that make one segment.

    Attributes:
        start, stop: the number of its first frame, and of the one after its last. The last
            span of a video may turn out shorter or longer.
        digest: of everything that its pictures depend on.
        copied: its packets are the source's.
    """

    start: int
    stop: int
    digest: str
    copied: bool = False

    @property
    def name(self) -> str:
        """Of its file."""
        kind = ".copied" if self.copied else ""
        return f"{self.start:08d}-{self.digest[:_DIGEST_LETTERS]}{kind}.segment"


def filled_in(folder: Path) -> Filled:
    """How much is filled of the result whose segments a folder keeps."""
    filled = Filled()
    for path in folder.glob("*.segment"):
        filled += VideoSegment.load(path).filled
    return filled


def even_spans(frames: int, length: int, digest: str) -> list[SegmentSpan]:
    """`frames` of a video cut every `length`, where all of them depend on the same."""
    return [
        SegmentSpan(start, start + length, f"{digest[:_DIGEST_LETTERS]}-{length}")
        for start in range(0, max(1, frames), length)
    ]


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of which there are no segments yet.

    Attributes:
        start, stop: the numbers of the first, and of the one after the last; None: all that
            there are.
        shown: the source's pts of the frame before the first; None at the beginning.
        copied: packets of the source are to be copied, by `SegmentedWriter.copy`.
    """

    start: int
    stop: int | None
    shown: int | None
    copied: bool


class SegmentedWriter:
    """Writes what a `VideoWriter` does, in segments; a context manager.

    Within the `with` block each of `missing()` is to be done: by `copy`, or by a `write` for
    each frame and an `end` after the last. Left by an exception, it keeps the segments that are
    whole. Segments that are damaged are made again; those that aren't of the plan are removed.

    Args:
        path, info, source, settings, overwrite, sound: see `VideoWriter`.
        checkpoints: where the segments are.
        plan: the whole video in spans, in order.
        copyable: of the source, where the plan has spans that are copied.

    Raises:
        OutputExists, OutputUnwritable: see `check_output`; also when the disk is full.
        OutputUnwritable, UnsupportedVideo: see `check_encoding`; or the encoder doesn't take
            pictures of this size.

    Attributes:
        pixel_format: what `write` takes.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        source: Path,
        settings: EncoderSettings,
        checkpoints: RenderCheckpoints,
        plan: Sequence[SegmentSpan],
        overwrite: bool = False,
        copyable: CopyableStream | None = None,
        sound: tuple[SoundSpan, ...] = (),
    ) -> None:
        check_output(path, source, overwrite)
        encoding = check_encoding(path, info, source, settings)
        self.pixel_format: PixelFormat = encoding.pixel_format
        self._path, self._info, self._source = path, info, source
        self._settings, self._overwrite, self._sound = settings, overwrite, sound
        self._checkpoints, self._folder = checkpoints, checkpoints.folder
        self._plan, self._copyable = list(plan), copyable
        self._segments: dict[int, VideoSegment] = {}  # by the span's place in the plan
        self._current = ExitStack()
        self._number = self._in_current = 0
        self._filled = Filled()  # of the current one

    @property
    def filled(self) -> Filled:
        """How much of what is drawn over is filled, in whole segments."""
        return sum((segment.filled for segment in self._segments.values()), Filled())

    @property
    def done(self) -> int:
        """Frames in whole segments, by this run and those before it."""
        return sum(len(segment.pts) for segment in self._segments.values())

    def __enter__(self) -> Self:
        with disk_errors(self._path):
            self._extradata = self._new_encoder().extradata
            self._take_over()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with disk_errors(self._path):
            self._current.close()
        if kind is not None:
            return
        self._join()
        if not self._checkpoints.keep:
            self._discard(keeping=set())

    def missing(self) -> Iterator[Run]:
        """What is to be done, in order; each is to be done before the next is asked for."""
        number = 0
        while number < len(self._plan):
            if number in self._segments:
                if self._segments[number].last:
                    return
                number += 1
                continue
            self._number = first = number
            while number < len(self._plan) and self._can_join(first, number):
                number += 1
            stop = self._plan[number - 1].stop if number < len(self._plan) else None
            span = self._plan[first]
            yield Run(span.start, stop, self._shown_before(first), span.copied)
            number = first

    def copy(self, step: Callable[[], None]) -> bool:
        """Copy the packets of the run that `missing` gave last, a whole span.

        Args:
            step: called for each frame.

        Returns:
            False if that can't be: the frames are to be written, as the next of `missing`.
        """
        number, span, copyable = self._number, self._plan[self._number], self._copyable
        assert copyable is not None
        path = self._folder / span.name
        try:
            with disk_errors(self._path), SegmentWriter(path, copyable.parameter_sets) as writer:
                for packet in copyable.packets(span.start, span.stop):
                    writer.add(packet)
                    step()
                writer.finish(last=number == len(self._plan) - 1)
        except NotCopyable as reason:
            log.info("%s: encoded from frame %d on: %s", self._path, span.start, reason)
            self._plan[number] = replace(span, copied=False)
            known = self._usable(number)
            if known is not None:
                self._segments[number] = known
            return known is not None
        self._segments[number] = VideoSegment.load(path)
        return True

    def write(
        self,
        picture: av.VideoFrame,
        pts: int,
        duration: int | None,
        filled: Filled | None = None,
    ) -> None:
        """Append one frame to the run that `missing` gave last; see `VideoWriter.write`.

        Args:
            filled: how much is drawn over in it, and filled.
        """
        with disk_errors(self._path):
            full = self._in_current == self._length(self._number)
            if full and self._number + 1 < len(self._plan):
                self._end(last=False)
            if self._in_current == 0:
                self._begin()
            self._add(self._encoder.encode(picture, pts, duration))
            self._in_current += 1
            self._filled += filled or Filled()

    def end(self) -> None:
        """The run that `missing` gave last is over."""
        with disk_errors(self._path):
            # The frames may be fewer than were counted; then no spans follow.
            short = self._in_current < self._length(self._number)
            if short and any(number > self._number for number in self._segments):
                raise OutputUnwritable(
                    f"{self._path}: its segments are of a video with more frames", RENDER_AGAIN
                )
            if self._in_current == 0:
                del self._plan[self._number :]
            else:
                self._end(last=short or self._number == len(self._plan) - 1)

    def _new_encoder(self) -> Encoder:
        number = self._copyable.encoder_id if self._copyable else 0
        return Encoder.create(self._info, self._source, self._settings, number)

    def _length(self, number: int) -> int:
        return self._plan[number].stop - self._plan[number].start

    def _can_join(self, first: int, number: int) -> bool:
        """Whether the span `number` belongs to the run that begins with the span `first`."""
        if number == first:
            return True
        either_copied = self._plan[first].copied or self._plan[number].copied
        return number not in self._segments and not either_copied

    def _shown_before(self, number: int) -> int | None:
        if number == 0:
            return None
        ticks = max(self._segments[number - 1].pts)
        return ticks // self._info.time_base.numerator + self._info.origin_pts

    def _take_over(self) -> None:
        """Find the segments that an earlier run has left, and delete what is of no use."""
        for number in range(len(self._plan)):
            segment = self._usable(number)
            if segment is not None:
                self._segments[number] = segment
                if segment.last:
                    break
        names = {segment.path.name for segment in self._segments.values()}
        # Of a span that couldn't be copied there may be a segment under its other name.
        names |= {replace(span, copied=False).name for span in self._plan if span.copied}
        if self._discard(keeping=names):
            log.info("what an earlier rendering left is of another video, or out of date")
        if self._segments:
            log.info("%d frames are there already", self.done)

    def _usable(self, number: int) -> VideoSegment | None:
        span = self._plan[number]
        path = self._folder / span.name
        if not path.exists():
            return None
        try:
            segment = VideoSegment.load(path)
        except DamagedSegment as error:
            log.warning("%s", error)
            return None
        whole = segment.last or len(segment.pts) == self._length(number)
        expected = self._extradata
        if span.copied and self._copyable:
            expected = self._copyable.parameter_sets
        return segment if whole and segment.extradata == expected else None

    def _begin(self) -> None:
        self._encoder = self._new_encoder()
        path = self._folder / self._plan[self._number].name
        self._writer = self._current.enter_context(SegmentWriter(path, self._extradata))

    def _end(self, last: bool) -> None:
        self._add(self._encoder.flush())
        self._writer.finish(last, self._filled)
        self._current.close()
        path = self._folder / self._plan[self._number].name
        self._segments[self._number] = VideoSegment.load(path)
        self._number, self._in_current, self._filled = self._number + 1, 0, Filled()

    def _add(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in packets:
            self._writer.add(packet)

    def _join(self) -> None:
        segments = [self._segments[number] for number in sorted(self._segments)]
        muxer = Muxer(
            self._path,
            self._info,
            self._source,
            self._settings,
            self._overwrite,
            self._parameter_sets(segments),
            self._sound,
        )
        with disk_errors(self._path), muxer:
            origin = self._info.origin_pts * self._info.time_base
            clock = clock_of(self._info)
            for packet in self._packets(segments):
                muxer.mux([packet])
                assert packet.dts is not None
                muxer.advance(packet.dts * clock + origin)

    def _parameter_sets(self, segments: Sequence[VideoSegment]) -> bytes:
        """What a decoder must know before the first packet of all of them."""
        own = self._extradata
        others = {segment.extradata for segment in segments} - {own}
        if not others:
            return own
        if self._copyable is None or others != {self._copyable.parameter_sets}:
            raise OutputUnwritable(
                f"{self._path}: its segments were encoded in different ways",
                "Remove the checkpoints and render again.",
            )
        return joined_parameter_sets(own, self._copyable.parameter_sets)

    def _packets(self, segments: Sequence[VideoSegment]) -> Iterator[Packet[VideoStream]]:
        times = decoding_times(segments)
        for segment in segments:
            for packet in segment.packets():
                packet.dts, packet.time_base = next(times), clock_of(self._info)
                yield packet

    def _discard(self, keeping: set[str]) -> bool:
        """Delete the segments of other names; whether there was any."""
        unused = [path for path in self._folder.glob("*.segment") if path.name not in keeping]
        for path in [*unused, *self._folder.glob("*.segment.part")]:
            path.unlink()
        return bool(unused)
