"""In the child: what a video holds, and a few pictures of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import av
import av.error
import numpy as np
from PIL import Image

from bystander.errors import UnsupportedVideo
from bystander.media.demux import find_video_stream, open_media, read_packets
from bystander.media.probe import ProbeLimits, VideoInfo, probe
from bystander.media.rgb import Rgb, RgbScaler
from bystander.sandbox.facts import MOST_POSTERS, AudioFacts, VideoFacts
from bystander.sandbox.limits import Limits

log = logging.getLogger(__name__)

_POSTER_SIDE = 640  # pixels, the longer side
_POSTER_QUALITY = 85  # JPEG's
_PACKETS_TO_TRY = 60  # from a keyframe on; decoders hold back a few frames
_FASTEST = 1000  # frames per second; slow motion is recorded at 960
_MOST_STRETCHED = 4  # width to height of a pixel, beyond which it isn't believed


def describe_video(path: Path, folder: Path, limits: Limits) -> VideoFacts:
    """The facts of `path`, and posters as 0.jpg, 1.jpg, ... in `folder`.

    Raises:
        VideoError: it can't be processed, or is larger than `limits` allow.
    """
    info = probe(path, ProbeLimits(max_side=limits.max_side))
    _refuse_length(path, info, limits)
    _refuse_clock(path, info)
    posters = 0
    for picture in _spread_pictures(path, info):
        Image.fromarray(_poster(picture, info)).save(
            folder / f"{posters}.jpg", "JPEG", quality=_POSTER_QUALITY
        )
        posters += 1
    return VideoFacts(
        container=info.container,
        codec=info.codec,
        width=info.width,
        height=info.height,
        duration=info.duration,
        frame_count=info.frame_count,
        average_rate=float(info.average_rate),
        variable_frame_rate=info.variable_frame_rate,
        rotation=info.rotation,
        hdr=info.is_hdr,
        bit_depth=info.bit_depth,
        audio=tuple(
            AudioFacts(codec=a.codec, channels=a.channels, sample_rate=a.sample_rate)
            for a in info.audio
        ),
        posters=posters,
    )


def _refuse_length(path: Path, info: VideoInfo, limits: Limits) -> None:
    if info.duration > limits.max_duration:
        raise UnsupportedVideo(
            f"{path} is {info.duration:,.0f} seconds long",
            f"Up to {limits.max_duration:,.0f} seconds are accepted: send it in parts.",
        )
    if info.frame_count > limits.max_frames:
        raise UnsupportedVideo(
            f"{path} has {info.frame_count:,} frames",
            f"Up to {limits.max_frames:,} are accepted: send it in parts.",
        )


def _refuse_clock(path: Path, info: VideoInfo) -> None:
    if not 0 < info.average_rate <= _FASTEST:
        raise UnsupportedVideo(
            f"{path} says that it has {float(info.average_rate):g} frames per second",
            "Convert it to H.264 in MP4 and try again.",
        )


def _spread_pictures(path: Path, info: VideoInfo) -> Iterator[av.VideoFrame]:
    """Keyframes near the middles of equal parts of the video, each once; else the first.

    Keyframes, because the frames between them cost seconds of decoding in a large video.
    """
    shown = set[int | None]()
    for part in range(MOST_POSTERS):
        length = info.end_pts - info.start_pts
        pts = info.start_pts + length * (2 * part + 1) // (2 * MOST_POSTERS)
        picture = _picture_near(path, info, pts)
        if picture is not None and picture.pts not in shown:
            shown.add(picture.pts)
            yield picture
    # Transport streams have no index: seeking may pass the last keyframe.
    if not shown and (picture := _picture_near(path, info, None)) is not None:
        yield picture


def _picture_near(path: Path, info: VideoInfo, pts: int | None) -> av.VideoFrame | None:
    """The first picture that decodes from the keyframe before `pts` on, or from the start."""
    # A decoder that was given damage may stay confused: each picture gets a fresh one.
    with open_media(path) as container:
        stream = find_video_stream(container)
        if stream is None:
            return None
        try:
            if pts is not None:
                container.seek(pts, stream=stream)
        except av.error.FFmpegError as error:
            log.debug("can't seek to %s: %s", pts, error)
            return None
        packets = islice(read_packets(container, [stream]), _PACKETS_TO_TRY)
        for packet in chain(packets, [None]):  # None: what the decoder still holds
            try:
                pictures = stream.codec_context.decode(packet)
            except av.error.FFmpegError as error:
                log.debug("a packet near %s doesn't decode: %s", pts, error)
                continue
            if fitting := [p for p in pictures if not p.is_corrupt and _fits(p, info)]:
                return fitting[0]
    return None


def _fits(picture: av.VideoFrame, info: VideoInfo) -> bool:
    """Whether it is in the size and pixel format that `probe` found fit to be scaled."""
    found = (picture.width, picture.height, picture.format.name)
    return found == (info.coded_width, info.coded_height, info.pixel_format)


def _poster(picture: av.VideoFrame, info: VideoInfo) -> Rgb:
    """`picture` upright, in square pixels, its longer side at most `_POSTER_SIDE`."""
    aspect = float(info.sample_aspect_ratio)
    if not 1 / _MOST_STRETCHED <= aspect <= _MOST_STRETCHED:
        aspect = 1.0
    width, height = info.width * aspect, float(info.height)
    scale = min(1.0, _POSTER_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if info.rotation in (90, 270):
        size = size[1], size[0]
    pixels = RgbScaler().rgb(picture, size)
    return np.ascontiguousarray(np.rot90(pixels, -info.rotation // 90))  # counterclockwise
