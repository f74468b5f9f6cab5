"""In the child: pictures of a video from some moment on, without a look at the rest of it.

`media.reader` gives the frames of a whole video and needs all its packets counted first: of a
video of some gigabytes that alone takes longer than anybody waits for a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from bystander.errors import NotAVideo, UnsupportedVideo
from bystander.geometry.coordinates import display_size
from bystander.geometry.types import Rgb
from bystander.media.canvas import PictureFitter, PictureShape
from bystander.media.colour import RgbScaler
from bystander.media.demux import (
    ANIMATIONS,
    container_name,
    find_video_stream,
    has_decoder,
    open_media,
    read_packets,
)
from bystander.media.display import Orientation, pixel_aspects
from bystander.media.probe import is_convertible, orientation_of

log = logging.getLogger(__name__)

_LONGEST_WAY: Final = 10  # seconds from one keyframe to the next, where there is no index


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A picture in its video's shape, shown from `pts` (ticks) on."""

    pts: int
    picture: av.VideoFrame
    orientation: Orientation

    def rgb(self, size: tuple[int, int]) -> Rgb:
        """The upright picture, uint8 [H, W, 3] RGB, `size` = (W, H)."""
        pixels = RgbScaler().rgb(self.picture, self.orientation.size(*size))
        return self.orientation.upright(pixels)


def size_within(shape: PictureShape, longest: int) -> tuple[int, int]:
    """Width and height of a video's upright picture in square pixels, at most `longest`."""
    width, height = display_size(*shape.size, shape.aspect)
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class Source:
    """A video of which a part is shown.

    Attributes:
        time_base: seconds a tick.
        origin: pts of its first frame.
        shape: that of its first picture, which all others are fitted into.

    Args:
        max_side: pixels; larger pictures are refused.

    Raises:
        VideoError: it can't be opened, or nothing here decodes it.
    """

    def __init__(self, path: Path, max_side: int) -> None:
        self._path, self._max_side = path, max_side
        with ExitStack() as resources:
            container, stream = self._open(resources)
            self.shape, self._coded_aspect = self._shape(container, stream)
            self.time_base = stream.time_base or Fraction(1)
            self.origin = stream.start_time or 0

    def frames(self, start: int) -> Iterator[SourceFrame]:
        """What decodes from the keyframe before pts `start` on, in the order it is shown.

        Raises:
            UnsupportedVideo: it isn't what it was any more.
        """
        with ExitStack() as resources:
            container, stream = self._open(resources)
            if not self._seek(container, stream, start):
                container, stream = self._open(resources)
            canvas = PictureFitter(self.shape, self._coded_aspect, stream, self._path)
            for picture in _decoded(container, stream):
                if picture.pts is None:
                    continue
                seconds = float((picture.pts - self.origin) * self.time_base)
                if (fitted := canvas.fit(picture, seconds)) is not None:
                    yield SourceFrame(picture.pts, *fitted)

    def _open(self, resources: ExitStack) -> tuple[InputContainer, VideoStream]:
        container = resources.enter_context(open_media(self._path))
        stream = find_video_stream(container)
        if stream is None:
            raise NotAVideo(f"{self._path} has no video stream", "Give a video file.")
        if not has_decoder(stream):
            raise UnsupportedVideo(f"{self._path}: no decoder for its video")
        stream.thread_type = "AUTO"
        return container, stream

    def _seek(self, container: InputContainer, stream: VideoStream, start: int) -> bool:
        """Go to where decoding has to begin for `start`; False: that is the beginning."""
        if container_name(container) in ANIMATIONS:
            return False
        try:
            container.seek(start, stream=stream)
            landed = next(read_packets(container, [stream]), None)
            if landed is not None and landed.is_keyframe and (landed.pts or 0) <= start:
                container.seek(start, stream=stream)
                return True
            # Transport streams have no index. A keyframe is found on the way from here.
            earlier = start - round(_LONGEST_WAY / self.time_base)
            if earlier <= self.origin:
                return False
            container.seek(earlier, stream=stream)
            return True
        except av.error.FFmpegError as error:
            log.debug("can't seek to %s: %s", start, error)
            return False

    def _shape(
        self, container: InputContainer, stream: VideoStream
    ) -> tuple[PictureShape, Fraction]:
        picture = next(_decoded(container, stream), None)
        if picture is None:
            raise UnsupportedVideo(f"{self._path} shows nothing that can be decoded")
        if max(picture.width, picture.height) > self._max_side or not is_convertible(picture):
            raise UnsupportedVideo(f"{self._path} has pictures that can't be processed")
        orientation = orientation_of(self._path, picture)
        aspect, coded = pixel_aspects(stream, picture)
        upright = 1 / aspect if orientation.is_sideways else aspect
        return PictureShape.of_picture(picture, orientation, upright), coded


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Every whole picture from here on."""
    for packet in chain(read_packets(container, [stream]), [None]):  # None: what is held back
        try:
            pictures = stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            log.debug("a packet doesn't decode: %s", error)
            continue
        yield from (picture for picture in pictures if not picture.is_corrupt)
