"""codec, pixel format, size -> the hardware encoder that works here, if one does.

That FFmpeg knows an encoder says nothing about the machine: each is tried by encoding a few
pictures of the video's own size and decoding them again, once a process. Quality is asked for
by the scale of x264's rate factor, which NVENC and Quick Sync follow roughly (docs/speed.md).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final

import av
import av.error
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.choices import Codec, EncoderBackend

log = logging.getLogger(__name__)

TRIED_FRAMES: Final = 4
MAX_MEAN_DIFFERENCE: Final = 12.0
"""Of 255, between the luma that is encoded and what is decoded: garbage is further off."""


@dataclass(frozen=True, slots=True, eq=False)
class HardwareEncoder:
    """One of FFmpeg's encoders that run on other silicon than the processor.

    Attributes:
        name: FFmpeg's.
        pixel_formats: what the encoder is given for what the pictures are in; the same samples.
        quality: its option for constant quality.
        options: the others that it always gets.
    """

    name: str
    pixel_formats: dict[str, str]
    quality: str
    options: dict[str, str]

    def options_at(self, crf: int) -> dict[str, str]:
        """What FFmpeg opens it with for a rate factor."""
        if self.quality == "global_quality" and "flags" in self.options:  # Apple's: 1 to 100
            return self.options | {self.quality: str(118 * max(1, 100 - 2 * crf))}
        return self.options | {self.quality: str(max(1, crf))}


# Closed captions ride on pictures; they are part of what must not be passed on.
_WITHOUT_CAPTIONS: Final = {"a53cc": "0"}
_NVENC: Final = _WITHOUT_CAPTIONS | {"preset": "p5", "rc": "vbr", "b": "0", "forced-idr": "1"}
_APPLE: Final = _WITHOUT_CAPTIONS | {"flags": "+qscale", "allow_sw": "0"}
_DEEP: Final = {"yuv420p10le": "p010le"}
_HALF_PLANAR: Final = {"yuv420p": "nv12"}
_PLANAR: Final = {"yuv420p": "yuv420p"}

ENCODERS: Final[dict[EncoderBackend, dict[Codec, HardwareEncoder]]] = {
    EncoderBackend.NVENC: {
        Codec.H264: HardwareEncoder("h264_nvenc", _PLANAR, "cq", _NVENC),
        Codec.HEVC: HardwareEncoder("hevc_nvenc", _PLANAR | _DEEP, "cq", _NVENC),
        Codec.AV1: HardwareEncoder("av1_nvenc", _PLANAR | _DEEP, "cq", _NVENC),
    },
    EncoderBackend.VIDEOTOOLBOX: {
        Codec.H264: HardwareEncoder("h264_videotoolbox", _PLANAR, "global_quality", _APPLE),
        Codec.HEVC: HardwareEncoder("hevc_videotoolbox", _PLANAR | _DEEP, "global_quality", _APPLE),
    },
    EncoderBackend.QSV: {
        Codec.H264: HardwareEncoder("h264_qsv", _HALF_PLANAR, "global_quality", _WITHOUT_CAPTIONS),
        Codec.HEVC: HardwareEncoder(
            "hevc_qsv", _HALF_PLANAR | _DEEP, "global_quality", _WITHOUT_CAPTIONS
        ),
        Codec.AV1: HardwareEncoder(
            "av1_qsv", _HALF_PLANAR | _DEEP, "global_quality", _WITHOUT_CAPTIONS
        ),
    },
}
"""In the order of preference where one is to be found (`auto`). VAAPI takes pictures of its own
memory only, for which PyAV's FFmpeg isn't built."""


def working_encoder(
    backend: EncoderBackend, codec: Codec, pixel_format: str, size: tuple[int, int]
) -> HardwareEncoder | None:
    """The encoder that `backend` means here; None is the processor, also where none works.

    Args:
        codec: never AUTO.
        pixel_format: of the pictures.
        size: width and height of the pictures in pixels.
    """
    match backend:
        case EncoderBackend.SOFTWARE:
            return None
        case EncoderBackend.AUTO:
            wanted = list(ENCODERS)
        case _:
            wanted = [backend]
    for one in wanted:
        encoder = ENCODERS[one].get(codec)
        if encoder is None or pixel_format not in encoder.pixel_formats:
            continue
        if trial(encoder, pixel_format, size) is None:
            return encoder
    return None


def tell_choice(path: Path, backend: EncoderBackend, chosen: HardwareEncoder | None) -> None:
    """Say in the log what was chosen, if hardware was asked for."""
    if backend is EncoderBackend.SOFTWARE:
        return
    if chosen is not None:
        log.info("%s: encoded by %s", path, chosen.name)
    else:
        log.warning("%s: no hardware encodes such a video here, the processor does", path)


@cache
def trial(encoder: HardwareEncoder, pixel_format: str, size: tuple[int, int]) -> str | None:
    """Encode and decode a few pictures; what went wrong, or None if nothing did."""
    pictures = [_picture(size, shift) for shift in range(TRIED_FRAMES)]
    try:
        shown = _encoded_and_decoded(encoder, encoder.pixel_formats[pixel_format], pictures)
    except (av.error.FFmpegError, ValueError) as error:  # ValueError: unknown to this FFmpeg
        return f"{type(error).__name__}: {error}"
    if len(shown) != TRIED_FRAMES:
        return f"{len(shown)} of {TRIED_FRAMES} pictures came back"
    differences = [
        np.abs(_luma(given).astype(np.int16) - _luma(got)).mean()
        for given, got in zip(pictures, shown, strict=True)
    ]
    if (worst := max(differences)) > MAX_MEAN_DIFFERENCE:
        return f"its pictures are {worst:.0f} of 255 off"
    return None


def _encoded_and_decoded(
    encoder: HardwareEncoder, pixel_format: str, pictures: Sequence[av.VideoFrame]
) -> list[av.VideoFrame]:
    context = av.CodecContext.create(encoder.name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = pictures[0].width, pictures[0].height
    context.pix_fmt, context.options = pixel_format, encoder.options_at(20)
    context.framerate, context.time_base, context.bit_rate = Fraction(25), Fraction(1, 25), 0
    packets: list[Packet[VideoStream]] = []
    for number, picture in enumerate(pictures):
        frame = picture.reformat(format=pixel_format)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += context.encode(frame)
    packets += context.encode(None)
    decoder = av.CodecContext.create(context.codec.canonical_name, "r")
    assert isinstance(decoder, VideoCodecContext)
    return [frame for packet in [*packets, None] for frame in decoder.decode(packet)]


def _picture(size: tuple[int, int], shift: int) -> av.VideoFrame:
    """A grey slope that moves by `shift`."""
    width, height = size
    slope = (np.arange(width + height) * 200 // (width + height) + 16 + shift).astype(np.uint8)
    luma = np.lib.stride_tricks.sliding_window_view(slope, width)[:height]
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")


def _luma(picture: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(picture.to_ndarray(format="gray"))
