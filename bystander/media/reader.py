"""Frames of a video, in the order and at the times they are shown.

The packets decide which frames there are, the decoder only supplies their pictures.
Two passes over a file thus give the same frames at the same timestamps, even where
damaged packets don't decode: such a frame repeats the picture before it.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from bystander.errors import NotAVideo, UnsupportedVideo
from bystander.geometry.types import Rgb
from bystander.media.canvas import PictureFitter
from bystander.media.colour import PixelFormat, RgbScaler, to_planar
from bystander.media.demux import (
    ANIMATIONS,
    container_name,
    find_video_stream,
    open_media,
    read_packets,
    shows_picture,
)
from bystander.media.display import Orientation
from bystander.media.facts import VideoInfo
from bystander.media.fields import FieldPairing
from bystander.progress import Tally

log = logging.getLogger(__name__)

UNSEEKABLE = {"avi", *ANIMATIONS}
"""Containers in which a frame's timestamp (see `_FrameAssembler`), or its picture, follows from all
frames before it."""
_SEEKS = 3
"""Tries to find the keyframe that a frame needs: one, and two keyframes before that."""
_LOOK_BACK_SECONDS = (3, 12)
"""Within which a stream without an index is looked through for it: broadcasts have one every
second, x264 makes one every ten."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a video.

    Attributes:
        index: number of the frame, from 0 at the start of the video.
        pts: presentation timestamp in ticks of the video's time base; strictly
            increasing from frame to frame.
        duration: how long it is shown, in ticks; None where the file doesn't say.
        picture: as decoded, not turned; of another shape than the video's first one, fitted
            into that (see `canvas`). Shared with the decoder: don't write to it.
        orientation: what makes the picture upright.
        damaged: its own picture can't be decoded, this is the one before it (at the
            start of a video: the first that can be decoded).
    """

    index: int
    pts: int
    duration: int | None
    picture: av.VideoFrame
    orientation: Orientation
    damaged: bool
    _scaler: RgbScaler = field(repr=False, compare=False)

    def rgb(self, size: tuple[int, int] | None = None) -> Rgb:
        """The upright picture as uint8 [H, W, 3] RGB.

        Args:
            size: (W, H) of the result in pixels; None for the video's own size. HDR is
                reduced to 8 bits without tone mapping: flat, but everything is visible.
        """
        stored = (self.picture.width, self.picture.height)
        if size is not None:
            stored = self.orientation.size(*size)
        return self.orientation.upright(self._scaler.rgb(self.picture, stored))

    def upright(self, pixel_format: PixelFormat) -> av.VideoFrame:
        """The upright picture in `pixel_format`, in the video's own colour space.

        It may be `picture` itself where nothing is to be done: call `make_writable()`
        before changing it.
        """
        return to_planar(self.picture, pixel_format, self.orientation)


class VideoReader:
    """Iterates over a video's frames; a context manager that ends the iteration.

    Memory doesn't grow with the video's length. Each iteration starts anew. It may run
    in another thread (`prefetch`): the file is closed there, when the iteration ends.

    Args:
        path: the file.
        info: what `probe` said about it.
        start_pts: give only the frames from this timestamp on, without decoding what
            comes before the keyframe they need.
        start_index: the index of the first frame given.
    """

    def __init__(
        self, path: Path, info: VideoInfo, *, start_pts: int | None = None, start_index: int = 0
    ) -> None:
        self._path = path
        self._info = info
        self._start_pts = start_pts
        self._start_index = start_index
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every iteration at its next frame."""
        self._closed = True

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            NotAVideo: the file is gone or has changed.
            UnsupportedVideo: not one of them can be decoded.
        """
        with ExitStack() as resources:
            container, stream = self._open(resources)
            if self._start_pts is not None and not seek_keyframe(
                container, stream, self._start_pts
            ):
                container, stream = self._open(resources)  # and pass over what isn't wanted
            # AVI has no presentation timestamps. Where frames are reordered, they are shown
            # at the decoding timestamps, in the order in which they leave the decoder.
            by_rank = self._info.container == "avi" and stream.codec_context.has_b_frames
            assembly = _FrameAssembler(
                self._path, self._info, self._start_pts, self._start_index, by_rank
            )
            try:
                for frame in assembly.frames(container, stream):
                    if self._closed:
                        return
                    yield frame
            finally:
                assembly.tell()

    def _open(self, resources: ExitStack) -> tuple[InputContainer, VideoStream]:
        container = resources.enter_context(open_media(self._path))
        stream = find_video_stream(container)
        if stream is None:
            raise NotAVideo(f"{self._path} has no video any more", "Probe it again.")
        # Frame threads decode several frames at once, where slice threads need slices
        # that phones don't make. But where fields follow frames, they take whole pictures
        # for corrupt, and in Theora they race: twice the same file gives other pictures.
        whole = self._info.field_coded or self._info.codec == "theora"
        stream.thread_type = "SLICE" if whole else "AUTO"
        return container, stream


def seek_keyframe(container: InputContainer, stream: VideoStream, pts: int) -> bool:
    """Go to a keyframe shown at or before `pts`; False if none is found."""
    if container_name(container) in ANIMATIONS:
        return False
    target = pts
    for _ in range(_SEEKS):
        container.seek(target, stream=stream)
        landed = next(read_packets(container, [stream]), None)
        if landed is None or landed.pts is None:
            return False
        if landed.is_keyframe and landed.pts <= pts:
            container.seek(target, stream=stream)
            return True
        if landed.is_keyframe:
            if landed.dts is None:
                return False
            # Where frames are reordered, indices go by decoding: this one is decoded before the
            # frame that is wanted, and shown after it. What that one needs begins earlier.
            target = landed.dts - 1
        else:
            before = (_keyframe_before(container, stream, pts, back) for back in _LOOK_BACK_SECONDS)
            keyframe = next((dts for dts in before if dts is not None), None)
            if keyframe is None:
                return False
            target = keyframe
    return False


def _keyframe_before(
    container: InputContainer, stream: VideoStream, pts: int, seconds: int
) -> int | None:
    """The dts of the last keyframe shown at or before `pts`, if one is so near.

    Transport streams have no index, FFmpeg lands between keyframes: the packets tell.
    """
    assert stream.time_base is not None
    start = pts - round(seconds / stream.time_base)
    found = None
    try:
        container.seek(max(start, stream.start_time or 0), stream=stream)
    except av.error.FFmpegError:
        return None
    for packet in read_packets(container, [stream]):
        if packet.pts is None or packet.dts is None or packet.dts > pts:
            break
        if packet.is_keyframe and packet.pts <= pts:
            found = packet.dts
    return found


def frames_after(
    video: Path, info: VideoInfo, done: int, shown: int | None, lead: bool = False
) -> Generator[Frame]:
    """The frames after the first `done`, of which the last is shown at pts `shown`.

    They are what a reader gives that began at the beginning; with None for `shown`, all.

    Args:
        lead: give the one at `shown`, too.
    """
    if shown is not None and lead:
        done, shown = done - 1, shown - 1
    if shown is not None and info.container not in UNSEEKABLE:
        frames = iter(VideoReader(video, info, start_pts=shown + 1, start_index=done))
        try:
            first = next(frames, None)
        except UnsupportedVideo:  # nothing there can be decoded by itself
            first = None
        # A damaged frame repeats the picture before it, which may not have been decoded.
        if first is not None and not first.damaged:
            yield first
            yield from frames
            return
    yield from islice(VideoReader(video, info), done, None)


class _FrameAssembler:
    """Puts the decoder's pictures to the timestamps that the packets announced."""

    def __init__(
        self, path: Path, info: VideoInfo, start_pts: int | None, index: int, by_rank: bool
    ) -> None:
        self._path = path
        self._info = info
        self._start_pts = start_pts
        self._index = index
        self._due: list[tuple[int, int | None]] = []  # heap of pts, duration
        self._announced: int | None = None  # pts of the frame in the packet before
        self._first_pts: int | None = None
        self._last_pts: int | None = None
        self._by_rank = by_rank
        self._good: tuple[av.VideoFrame, Orientation] | None = None
        self._scaler = RgbScaler()
        self._damage = Tally(
            path,
            "frame {first} is damaged; a neighbour's picture is shown",
            "{count} frames are damaged (first: {first}); their neighbours' pictures are shown",
        )

    def tell(self) -> None:
        """Say how many frames were damaged."""
        self._damage.tell(log)

    def frames(self, container: InputContainer, stream: VideoStream) -> Iterator[Frame]:
        self._canvas = PictureFitter.of(self._info, stream, self._path)
        pairing = FieldPairing(stream)
        for packet in read_packets(container, [stream]):
            if pairing.is_second_field(packet):
                self._prolong(packet)
            else:
                self._announce(packet)
            for picture in self._decode(stream, packet):
                yield from self._place(picture)
        for picture in self._decode(stream, None):
            yield from self._place(picture)
        if self._good is None:
            raise UnsupportedVideo(
                f"{self._path}: none of its frames can be decoded",
                "Convert it to H.264 in MP4 and try again.",
            )
        while self._due:
            yield from self._emit(damaged=True)

    def _announce(self, packet: Packet[Stream]) -> None:
        pts = packet.dts if packet.pts is None else packet.pts
        self._announced = pts
        if pts is None:
            return
        if self._first_pts is None:
            self._first_pts = pts
        # What is shown before the first keyframe needs frames that aren't there.
        if shows_picture(packet) and pts >= self._first_pts:
            heapq.heappush(self._due, (pts, packet.duration or None))

    def _prolong(self, second_field: Packet[Stream]) -> None:
        """The frame in the packet before is shown as long as both its fields."""
        self._due = [
            (pts, duration + (second_field.duration or 0))
            if pts == self._announced and duration is not None
            else (pts, duration)
            for pts, duration in self._due
        ]

    def _decode(self, stream: VideoStream, packet: Packet[Stream] | None) -> list[av.VideoFrame]:
        try:
            return stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            log.debug("%s: a packet doesn't decode: %s", self._path, error)
            # The frame stays due, `_place` bridges it. An error while the decoder gives
            # up its last frames costs those too: PyAV can't go on asking for them.
            return []

    def _place(self, picture: av.VideoFrame) -> Iterator[Frame]:
        pts = picture.pts
        if self._by_rank or pts is None:
            pts = self._due[0][0] if self._due else None
        if pts is None or not any(due == pts for due, _ in self._due):
            log.debug("%s: a picture at %s that no packet announced", self._path, pts)
            return
        seconds = float((pts - self._info.start_pts) * self._info.time_base)
        good = None if picture.is_corrupt else self._canvas.fit(picture, seconds)
        if self._good is None:
            if good is None:
                return  # stays due until there is a picture to show
            self._good = good
        while self._due[0][0] < pts:
            yield from self._emit(damaged=True)
        if good is not None:
            self._good = good
        yield from self._emit(damaged=good is None)

    def _emit(self, damaged: bool) -> Iterator[Frame]:
        pts, duration = heapq.heappop(self._due)
        # Two frames at one time would be refused by every encoder.
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        self._last_pts = pts
        if self._start_pts is not None and pts < self._start_pts:
            return
        assert self._good is not None
        if self._index == self._info.frame_count - 1:
            duration = self._info.end_pts - pts
        if damaged:
            self._damage.add(self._index)
        yield Frame(self._index, pts, duration, *self._good, damaged, self._scaler)
        self._index += 1
