"""Mattes -> files that editors take: FFV1, ProRes 4444, PNG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.choices import ExportFormat
from bystander.media.encoder import Encoding
from bystander.media.facts import VideoInfo
from bystander.media.muxer import muxer_options
from bystander.media.reader import Frame
from bystander.pipeline.drawing import FrameMattes
from bystander.redaction.mattes import Alpha


class MatteWriter(Protocol):
    """Writes the mattes of one video, frame by frame."""

    def add(
        self, frame: Frame, mattes: FrameMattes, shows: Callable[[int, int], bool] | None
    ) -> None:
        """Append a frame: the mattes of everybody, or of whom `shows` is true."""

    def finish(self) -> None:
        """Everything was added."""

    def close(self) -> None:
        """Let go of the file, whole or not; may be called again."""


def open_mattes(
    wanted: ExportFormat, path: Path, info: VideoInfo, encoding: Encoding
) -> MatteWriter:
    """A writer of `ffv1`, `prores` or `png`.

    Raises:
        OSError: the file can't be made.
    """
    if wanted is ExportFormat.PNG:
        return _PngWriter(path)
    return _MatteVideo(path, info, encoding, wanted)


class _PngWriter:
    """A folder of pictures, uint8 [H, W], named by the frames' numbers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    def add(
        self, frame: Frame, mattes: FrameMattes, shows: Callable[[int, int], bool] | None
    ) -> None:
        done, data = cv2.imencode(".png", mattes.alpha(shows))
        assert done
        (self._folder / f"{frame.index:08d}.png").write_bytes(data.tobytes())

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


class _MatteVideo:
    """A video of the source's frames and times, without sound."""

    def __init__(
        self, path: Path, info: VideoInfo, encoding: Encoding, wanted: ExportFormat
    ) -> None:
        self._info, self._format = info, encoding.pixel_format
        self._prores = wanted is ExportFormat.PRORES
        muxer = "mov" if self._prores else "matroska"
        self._file = av.open(
            f"file:{path}", "w", format=muxer, container_options=muxer_options(muxer, info)
        )
        codec = "prores_ks" if self._prores else "ffv1"
        stream: VideoStream = self._file.add_stream(codec, rate=info.average_rate)  # type: ignore[assignment]
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.time_base = self._clock = info.time_base
        context.pix_fmt = "yuva444p10le" if self._prores else "gray"
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.options = (
            {"profile": "4444", "alpha_bits": "16", "vendor": "apl0", "flags": "+bitexact"}
            if self._prores
            else {"level": "3", "slicecrc": "1", "flags": "+bitexact"}
        )
        if self._prores:
            context.color_primaries, context.color_trc = info.color_primaries, info.color_transfer
            context.colorspace, context.color_range = info.planar_colors
        self._stream = stream
        self._durations: dict[int, int] = {}
        self._open = True

    def add(
        self, frame: Frame, mattes: FrameMattes, shows: Callable[[int, int], bool] | None
    ) -> None:
        alpha = mattes.alpha(shows)
        picture = (
            _with_alpha(mattes.picture, alpha)
            if self._prores
            else av.VideoFrame.from_ndarray(alpha, "gray")
        )
        picture.pts = frame.pts - self._info.origin_pts
        picture.time_base = self._clock
        if frame.duration is not None:
            self._durations[picture.pts] = frame.duration
        self._mux(self._stream.encode(picture))

    def finish(self) -> None:
        self._mux(self._stream.encode(None))
        self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._file.close()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            duration = self._durations.pop(packet.pts or 0, None)
            if duration is not None:
                packet.duration = round(duration * self._clock / packet.time_base)
            self._file.mux_one(packet)


def _with_alpha(picture: av.VideoFrame, alpha: Alpha) -> av.VideoFrame:
    """The picture as yuva444p10le."""
    full = picture.reformat(format="yuv444p10le")
    result = av.VideoFrame(picture.width, picture.height, "yuva444p10le")
    for number in range(3):
        _plane(result, number)[:] = _plane(full, number)
    _plane(result, 3)[:] = (alpha.astype(np.uint32) * 1023 + 127) // 255
    result.colorspace, result.color_range = full.colorspace, full.color_range
    return result


def _plane(picture: av.VideoFrame, number: int) -> NDArray[np.uint16]:
    """uint16 [H, W], a view."""
    plane = picture.planes[number]
    rows = np.frombuffer(plane, dtype="<u2")  # type: ignore[call-overload]
    return rows.reshape(plane.height, plane.line_size // 2)[:, : plane.width]  # type: ignore[no-any-return]
