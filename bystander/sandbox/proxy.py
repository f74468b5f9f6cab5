"""What the confined child makes of a video that browsers don't play: a small copy that they do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, TextIO

from bystander.geometry.types import Rgb
from bystander.media.facts import VideoInfo
from bystander.media.probe import ProbeLimits, probe
from bystander.media.reader import VideoReader
from bystander.sandbox.encoding import TICK, encode, even
from bystander.sandbox.protocol import CLIP, PROXY_BITS_PER_SECOND, ClipFacts, Limits

_LONG_SIDE_PX: Final = 1280
_KEYFRAME_EVERY: Final = 12  # frames; a player decodes no more to show one of them
_FINEST_TICKS: Final = 10_000_000  # a second; of finer clocks x264 and players make other ones
_TOLD_SECONDS: Final = 0.5  # after which is said how far it is
_NICE: Final = 10  # jobs and requests go first
_OPTIONS: Final = {
    "g": str(_KEYFRAME_EVERY),
    "bf": "0",  # frames in the order they are shown: no edit list, and what is sought is there
    "maxrate": str(PROXY_BITS_PER_SECOND),
    "bufsize": str(2 * PROXY_BITS_PER_SECOND),
}


def write_proxy(path: Path, folder: Path, limits: Limits, answer: TextIO) -> ClipFacts:
    """Write every frame of a video, shown when a player would show it.

    Args:
        answer: gets a line of JSON now and then: a list with the share that is done.

    Raises:
        VideoError: it can't be decoded.
    """
    os.nice(_NICE)
    info = probe(path, ProbeLimits(max_side=limits.max_side))
    width, height = info.display_size
    scale = min(1.0, _LONG_SIDE_PX / max(width, height))
    size = even((round(width * scale), round(height * scale)))
    finest = info.time_base.denominator <= _FINEST_TICKS
    tick = Fraction(1, info.time_base.denominator) if finest else TICK
    shown = _shown(path, info, size, tick, answer)
    count = encode(folder / CLIP, size, shown, info.average_rate, _OPTIONS, tick)
    return ClipFacts(width=size[0], height=size[1], frames=count)


def _shown(
    path: Path, info: VideoInfo, size: tuple[int, int], tick: Fraction, answer: TextIO
) -> Iterator[tuple[int, Rgb]]:
    due = 0.0
    for frame in VideoReader(path, info):
        ticks = (frame.pts - info.origin_pts) * info.time_base / tick
        yield round(ticks), frame.rgb(size)
        if time.monotonic() >= due:
            share = min(1.0, (frame.index + 1) / info.frame_count)
            answer.write(json.dumps([round(share, 4)]) + "\n")
            answer.flush()
            due = time.monotonic() + _TOLD_SECONDS
