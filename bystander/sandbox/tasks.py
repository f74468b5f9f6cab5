"""What the confined child does: photos, pictures, videos and clips.

For whoever reviews: a face in a small picture may be anybody's; somebody who moves among others
is recognised. It plays in every browser, whatever the video is stored as.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Final

import av.error
import numpy as np
from PIL import Image, ImageDraw

from bystander.errors import UnsupportedVideo, VideoTooLong
from bystander.geometry.types import Rgb
from bystander.media import reader
from bystander.media.canvas import PictureFitter, PictureShape
from bystander.media.demux import ANIMATIONS, find_video_stream, open_media, read_packets
from bystander.media.facts import VideoInfo
from bystander.media.photos import PhotoLimits, load_photo
from bystander.media.probe import ProbeLimits, probe
from bystander.sandbox.encoding import TICK, encode, even
from bystander.sandbox.protocol import (
    CLIP,
    MAX_POSTERS,
    PICTURE,
    AudioFacts,
    ClipFacts,
    ClipOrder,
    Limits,
    PhotoFacts,
    PictureOrder,
    VideoFacts,
)
from bystander.sandbox.source import Source, SourceFrame, size_within

_PHOTO_LONG_SIDE_PX = 2048  # pixels; faces need no more
_PHOTO_QUALITY = 95  # JPEG's; what recognition sees of a face isn't changed
_PICTURE_QUALITY = 92  # JPEG's
_POSTER_SIDE_PX = 640  # pixels, the longer side
_POSTER_QUALITY = 85  # JPEG's
_PACKETS_TO_TRY = 60  # from a keyframe on; decoders hold back a few frames
_MOST_ANIMATION_PIXELS = 2_000_000_000  # decoded for posters; 8 s of 1080p at 120 a second
_VIDEO_MAX_FPS = 1000  # frames per second; slow motion is recorded at 960
_CLIP_MAX_FPS: Final = 30  # pictures a second; of more, some are left out
# A bright line between dark ones is seen on anything.
_ACCENT: Final = (255, 190, 0)
_DARK: Final = (20, 20, 24)
_FRAME_EDGE_PX: Final = 2  # pixels of the dark line on either side
_LINE: Final = 3  # ... and of the bright one
_FRAME_MARGIN_PX: Final = 2  # pixels left free around the person


def copy_photo(path: Path, folder: Path, limits: Limits) -> PhotoFacts:
    """Write `path` as the RGB JPEG 0.jpg in `folder`: upright, without metadata.

    Raises:
        UnreadablePhoto: no photo, damaged, or too large.
    """
    photo_limits = PhotoLimits(max_pixels=limits.max_pixels_photo, max_side=_PHOTO_LONG_SIDE_PX)
    pixels = load_photo(path, photo_limits)
    Image.fromarray(pixels).save(folder / "0.jpg", "JPEG", quality=_PHOTO_QUALITY)
    height, width, _ = pixels.shape
    return PhotoFacts(width=width, height=height)


def write_picture(path: Path, folder: Path, limits: Limits) -> PhotoFacts:
    """Write the picture that the order in `folder` asks for: upright, in square pixels.

    Beyond the video's end it is the last one.

    Raises:
        VideoError: nothing there can be decoded.
    """
    order = PictureOrder.load(folder)
    source = Source(path, limits.max_side)
    wanted = source.origin + round(order.seconds / source.time_base)
    shown = None
    for frame in source.frames(wanted):
        if shown is not None and frame.pts > wanted:
            break
        shown = frame
    if shown is None:
        raise UnsupportedVideo(f"{path} shows nothing that can be decoded there")
    size = size_within(source.shape, order.longest)
    Image.fromarray(shown.rgb(size)).save(folder / PICTURE, "JPEG", quality=_PICTURE_QUALITY)
    return PhotoFacts(width=size[0], height=size[1])


log = logging.getLogger(__name__)


def describe_video(path: Path, folder: Path, limits: Limits) -> VideoFacts:
    """The facts of `path`, and posters as 0.jpg, 1.jpg, ... in `folder`.

    Raises:
        VideoError: it can't be processed, or is larger than `limits` allow.
    """
    info = probe(path, ProbeLimits(max_side=limits.max_side))
    _refuse_length(path, info, limits)
    _refuse_clock(path, info)
    posters = 0
    size = size_within(PictureShape.of(info), _POSTER_SIDE_PX)
    for frame in _spread_pictures(path, info):
        Image.fromarray(frame.rgb(size)).save(
            folder / f"{posters}.jpg", "JPEG", quality=_POSTER_QUALITY
        )
        posters += 1
    return VideoFacts(
        container=info.container,
        codec=info.codec,
        width=info.display_size[0],
        height=info.display_size[1],
        duration=info.duration,
        frame_count=info.frame_count,
        average_rate=float(info.average_rate),
        variable_frame_rate=info.variable_frame_rate,
        rotation=info.orientation.rotation,
        mirrored=info.orientation.mirrored,
        hdr=info.is_hdr,
        bit_depth=info.bit_depth,
        pixel_format=info.pixel_format,
        audio=tuple(
            AudioFacts(codec=a.codec, channels=a.channels, sample_rate=a.sample_rate)
            for a in info.audio
        ),
        posters=posters,
    )


def _refuse_length(path: Path, info: VideoInfo, limits: Limits) -> None:
    if info.duration > limits.max_duration:
        raise VideoTooLong(
            f"{path} is {info.duration:,.0f} seconds long",
            f"Up to {limits.max_duration:,.0f} seconds are accepted: send it in parts.",
        )
    if info.frame_count > limits.max_frames:
        raise VideoTooLong(
            f"{path} has {info.frame_count:,} frames",
            f"Up to {limits.max_frames:,} are accepted: send it in parts.",
        )


def _refuse_clock(path: Path, info: VideoInfo) -> None:
    if not 0 < info.average_rate <= _VIDEO_MAX_FPS:
        raise UnsupportedVideo(
            f"{path} says that it has {float(info.average_rate):g} frames per second",
            "Convert it to H.264 in MP4 and try again.",
        )


def _spread_pictures(path: Path, info: VideoInfo) -> Iterator[SourceFrame | reader.Frame]:
    """Keyframes near the middles of equal parts of the video, each once; else the first.

    Keyframes, because the frames between them cost seconds of decoding in a large video.
    """
    length = info.end_pts - info.start_pts
    moments = [
        info.start_pts + length * (2 * part + 1) // (2 * MAX_POSTERS) for part in range(MAX_POSTERS)
    ]
    if info.container in ANIMATIONS:
        yield from _pictures_at(path, info, moments)
        return
    shown = set[int]()
    for pts in moments:
        frame = _picture_near(path, info, pts)
        if frame is not None and frame.pts not in shown:
            shown.add(frame.pts)
            yield frame
    # Transport streams have no index: seeking may pass the last keyframe.
    if not shown and (frame := _picture_near(path, info, None)) is not None:
        yield frame


def _pictures_at(path: Path, info: VideoInfo, moments: list[int]) -> Iterator[reader.Frame]:
    """What is shown at `moments` of an animation, each picture once: as far as one may look."""
    most = max(1, _MOST_ANIMATION_PIXELS // (info.width * info.height))
    shown: reader.Frame | None = None
    for frame in islice(reader.VideoReader(path, info), most):
        if shown is not None and any(shown.pts <= moment < frame.pts for moment in moments):
            yield shown
        shown = frame
    if shown is not None and any(shown.pts <= moment for moment in moments):
        yield shown


def _picture_near(path: Path, info: VideoInfo, pts: int | None) -> SourceFrame | None:
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
        canvas = PictureFitter.of(info, stream, path)
        packets = islice(read_packets(container, [stream]), _PACKETS_TO_TRY)
        for packet in chain(packets, [None]):  # None: what the decoder still holds
            try:
                pictures = stream.codec_context.decode(packet)
            except av.error.FFmpegError as error:
                log.debug("a packet near %s doesn't decode: %s", pts, error)
                continue
            for picture in (picture for picture in pictures if not picture.is_corrupt):
                shown_at = picture.pts or 0
                seconds = float((shown_at - info.start_pts) * info.time_base)
                if (fitted := canvas.fit(picture, seconds)) is not None:
                    return SourceFrame(shown_at, *fitted)
    return None


def write_clip(path: Path, folder: Path, limits: Limits) -> ClipFacts:
    """Write the clip that the order in `folder` asks for: H.264, no sound, no metadata.

    Raises:
        VideoError: nothing in the span can be decoded.
    """
    order = ClipOrder.load(folder)
    source = Source(path, limits.max_side)
    start = order.start
    if order.begin is not None:
        start = source.origin + round(order.begin / source.time_base)
    frames = _span(source, start, order.seconds)
    first = next(frames, None)
    if first is None:
        raise UnsupportedVideo(f"{path} shows nothing that can be decoded there")
    size = even(size_within(source.shape, order.longest))
    shown = (
        (round((frame.pts - first.pts) * source.time_base / TICK), _drawn(frame, size, order))
        for frame in chain([first], frames)
    )
    count = encode(folder / CLIP, size, shown, Fraction(_CLIP_MAX_FPS), {"g": "60"})
    return ClipFacts(width=size[0], height=size[1], frames=count)


def _span(source: Source, start: int, seconds: float) -> Iterator[SourceFrame]:
    """The frames from pts `start` on, no more than `_CLIP_MAX_FPS` a second."""
    end = start + seconds / source.time_base
    # A little less, so that clocks of milliseconds lose none of 30 a second.
    step = Fraction(9, 10 * _CLIP_MAX_FPS) / source.time_base
    due: Fraction | int = start
    for frame in source.frames(start):
        if frame.pts >= end:
            return
        if frame.pts >= due:
            yield frame
            due = frame.pts + step


def _drawn(frame: SourceFrame, size: tuple[int, int], order: ClipOrder) -> Rgb:
    pixels = frame.rgb(size)
    before = bisect_right(order.moments, frame.pts, key=lambda moment: moment.pts)
    box = order.moments[before - 1].box if before else None
    return _framed(pixels, box) if box else pixels


def _framed(pixels: Rgb, box: tuple[float, float, float, float]) -> Rgb:
    """`pixels` with a frame around `box`, of which some is seen at any edge.

    Args:
        pixels: uint8 [H, W, 3] RGB.
        box: x0, y0, x1, y1 as shares of the picture's sides.
    """
    height, width = pixels.shape[:2]
    outside = _FRAME_MARGIN_PX + 2 * _FRAME_EDGE_PX + _LINE
    left, right = _inside(box[0] * width - outside, box[2] * width + outside, width)
    top, bottom = _inside(box[1] * height - outside, box[3] * height + outside, height)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, right, bottom), outline=_DARK, width=2 * _FRAME_EDGE_PX + _LINE)
    draw.rectangle(
        (
            left + _FRAME_EDGE_PX,
            top + _FRAME_EDGE_PX,
            right - _FRAME_EDGE_PX,
            bottom - _FRAME_EDGE_PX,
        ),
        outline=_ACCENT,
        width=_LINE,
    )
    return np.asarray(image, dtype=np.uint8)


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    """First and last pixel of a side of the frame, within the picture and far enough apart."""
    least = 2 * (2 * _FRAME_EDGE_PX + _LINE)
    first = max(0, min(round(low), size - 1 - least))
    return first, max(first + least, min(round(high), size - 1))
