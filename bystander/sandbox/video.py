"""In the child: what a video holds, and a few pictures of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import av.error
from PIL import Image

from bystander.errors import UnsupportedVideo, VideoTooLong
from bystander.media import reader
from bystander.media.canvas import Canvas, Shape
from bystander.media.demux import ANIMATIONS, find_video_stream, open_media, read_packets
from bystander.media.probe import ProbeLimits, VideoInfo, probe
from bystander.sandbox.facts import MOST_POSTERS, AudioFacts, VideoFacts
from bystander.sandbox.limits import Limits
from bystander.sandbox.source import Frame, size_within

log = logging.getLogger(__name__)

_POSTER_SIDE = 640  # pixels, the longer side
_POSTER_QUALITY = 85  # JPEG's
_PACKETS_TO_TRY = 60  # from a keyframe on; decoders hold back a few frames
_MOST_ANIMATION_PIXELS = 2_000_000_000  # decoded for posters; 8 s of 1080p at 120 a second
_FASTEST = 1000  # frames per second; slow motion is recorded at 960


def describe_video(path: Path, folder: Path, limits: Limits) -> VideoFacts:
    """The facts of `path`, and posters as 0.jpg, 1.jpg, ... in `folder`.

    Raises:
        VideoError: it can't be processed, or is larger than `limits` allow.
    """
    info = probe(path, ProbeLimits(max_side=limits.max_side))
    _refuse_length(path, info, limits)
    _refuse_clock(path, info)
    posters = 0
    size = size_within(Shape.of(info), _POSTER_SIDE)
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
    if not 0 < info.average_rate <= _FASTEST:
        raise UnsupportedVideo(
            f"{path} says that it has {float(info.average_rate):g} frames per second",
            "Convert it to H.264 in MP4 and try again.",
        )


def _spread_pictures(path: Path, info: VideoInfo) -> Iterator[Frame | reader.Frame]:
    """Keyframes near the middles of equal parts of the video, each once; else the first.

    Keyframes, because the frames between them cost seconds of decoding in a large video.
    """
    length = info.end_pts - info.start_pts
    moments = [
        info.start_pts + length * (2 * part + 1) // (2 * MOST_POSTERS)
        for part in range(MOST_POSTERS)
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


def _picture_near(path: Path, info: VideoInfo, pts: int | None) -> Frame | None:
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
        canvas = Canvas.of(info, stream, path)
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
                    return Frame(shown_at, *fitted)
    return None
