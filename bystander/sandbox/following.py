"""What the confined child does with frames of a video that was analysed: shows one, follows a mask.

Frames are told apart by the timestamps of the analysis, so that what is seen and followed here is
what rendering draws over.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from PIL import Image

from bystander.editing.paths import Leg, MaskFollower
from bystander.errors import UnsupportedVideo
from bystander.media.facts import VideoInfo
from bystander.media.probe import FrameCount, ProbeLimits, probe
from bystander.media.reader import frames_after
from bystander.sandbox.protocol import (
    PICTURE,
    CountedFrames,
    FollowFacts,
    FollowOrder,
    FrameOrder,
    Limits,
    PhotoFacts,
)

_FRAME_QUALITY: Final = 88  # JPEG's
_BATCH_SECONDS: Final = 0.1  # after which what was found is told
_CPU_SHARE: Final = 0.9  # of the CPU's seconds, after which it is given up


def write_frame(path: Path, folder: Path, limits: Limits) -> PhotoFacts:
    """Write the frame that the order in `folder` asks for: upright, in square pixels.

    Raises:
        VideoError: there is no such frame, or it can't be decoded.
    """
    order = FrameOrder.load(folder)
    info = _info(path, limits, order.counted)
    frame = next(frames_after(path, info, order.frame, order.before), None)
    if frame is None:
        raise UnsupportedVideo(f"{path} shows nothing that can be decoded there")
    width, height = info.display_size
    scale = min(1.0, order.longest / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    Image.fromarray(frame.rgb(size)).save(folder / PICTURE, "JPEG", quality=_FRAME_QUALITY)
    return PhotoFacts(width=size[0], height=size[1])


def follow_keys(path: Path, folder: Path, limits: Limits, answer: TextIO) -> FollowFacts:
    """Follow the mask that the order in `folder` is about.

    Args:
        answer: gets a line of JSON now and then: a list of [frame, key, dx, dy, scale], see
            `bystander.editing.paths.Place`.

    Raises:
        VideoError: it can't be decoded.
    """
    until = time.monotonic()
    order = FollowOrder.load(folder)
    until += order.seconds
    info = _info(path, limits, order.counted)
    legs = [
        Leg(key.at, key.before, key.after, np.array(key.corners, dtype=np.float64))
        for key in order.keys
    ]
    follower = MaskFollower(path, info, order.grid, order.pts, order.first)
    found: list[tuple[int, int, float, float, float]] = []
    due = 0.0  # the first one at once
    for frame, (key, motion) in follower.places(legs):
        found.append((frame, key, motion.dx, motion.dy, motion.scale))
        if (now := time.monotonic()) >= due:
            _tell(answer, found)
            due = now + _BATCH_SECONDS
            if now > until or time.process_time() > _CPU_SHARE * limits.cpu:
                return FollowFacts(complete=False)
    _tell(answer, found)
    return FollowFacts(complete=True)


def _tell(answer: TextIO, found: list[tuple[int, int, float, float, float]]) -> None:
    if found:
        answer.write(json.dumps(found, separators=(",", ":")) + "\n")
        answer.flush()
        found.clear()


def _info(path: Path, limits: Limits, counted: CountedFrames) -> VideoInfo:
    known = FrameCount(counted.start_pts, counted.last_pts, counted.frames)
    return probe(path, ProbeLimits(max_side=limits.max_side), known)
