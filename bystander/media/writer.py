"""The masked video: new pictures at the source's timestamps, its sound, nothing else."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import av

from bystander.media.encoder import Encoder, EncoderSettings
from bystander.media.muxer import MUXERS, Muxer, check_output
from bystander.media.planes import PixelFormat
from bystander.media.probe import VideoInfo

__all__ = ["MUXERS", "EncoderSettings", "VideoWriter", "check_output"]


class VideoWriter:
    """Writes a video with new pictures; a context manager.

    The file appears under its name when everything has been written, and not at all
    if the `with` block is left by an exception.

    Args:
        path: .mp4, .m4v, .mov or .mkv.
        info: the source's facts; size, colour and clock are taken from it.
        source: the source itself, for its sound.
        settings: how to encode.
        overwrite: replace an existing file.

    Raises:
        OutputExists, OutputUnwritable: see `check_output`; also when the disk is full.
        OutputUnwritable, UnsupportedVideo: see `check_encoding`; or the encoder doesn't take
            pictures of this size.

    Attributes:
        encoding: what the pictures become.
        pixel_format: what `write` takes.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        source: Path,
        settings: EncoderSettings,
        overwrite: bool = False,
    ) -> None:
        self._info = info
        self._muxer = Muxer(path, info, source, settings, overwrite)
        self.encoding = self._muxer.encoding
        self.pixel_format: PixelFormat = self.encoding.pixel_format

    def __enter__(self) -> Self:
        self._muxer.__enter__()
        self._encoder = Encoder(self._muxer.context, self._info, self._muxer.encoding)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self._muxer.mux(self._encoder.flush())
            except BaseException as failure:
                self._muxer.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._muxer.__exit__(kind, error, traceback)

    def write(self, picture: av.VideoFrame, pts: int, duration: int | None) -> None:
        """Append one frame.

        Args:
            picture: upright, of the source's displayed size, in `pixel_format`. Its
                timestamp is overwritten.
            pts: when it is shown, ticks of the source's time base; increasing.
            duration: how long, in the same ticks.

        Raises:
            OutputUnwritable: the disk is full.
            ValueError: another size or pixel format.
        """
        self._muxer.mux(self._encoder.encode(picture, pts, duration))
        self._muxer.advance(pts * self._info.time_base)
