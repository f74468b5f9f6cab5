"""How long masking a video will take here: by doing a little of it.

A few frames from the middle go through the networks and through the encoder; what
they took is scaled to the whole. How crowded the rest is, and what else the machine
does meanwhile, can't be known: hence the range.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bystander.analyze import detail_size
from bystander.errors import UnsupportedVideo
from bystander.media.probe import VideoInfo, probe
from bystander.media.reader import Frame, VideoReader
from bystander.media.writer import EncoderSettings, VideoWriter
from bystander.models import Models
from bystander.models.segmenter import analysis_size
from bystander.people.heads import find_faces
from bystander.settings import AnalysisSettings, Profile

SAMPLE: Final = 32
START_UP: Final = 2.0
"""Seconds: loading networks, probing, moving the result into place."""
TRACKING: Final = 1.15
"""What linking and evidence add to the networks' time, measured on opera and schoolgirls."""
LOW: Final = 0.75
HIGH: Final = 1.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that masking will take, with the range it will probably lie in.

    Attributes:
        frames, width, height: of the video.
        people: mean number of people in the frames that were sampled.
    """

    seconds: float
    low: float
    high: float
    frames: int
    width: int
    height: int
    people: float


def estimate(
    video: Path,
    models: Models,
    profile: Profile,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Measure a few frames and scale up.

    Args:
        video: the file to be masked.
        models: the networks that would be used.
        profile: the settings that would be used.
        clock: seconds.

    Raises:
        VideoError: the video can't be read.
    """
    info = probe(video)
    frames = _sample(video, info)
    if not frames:
        raise UnsupportedVideo(
            f"{video} has no frame that can be decoded", "Export it again from its source."
        )
    looking, people = _analysis_seconds(frames, info, models, profile.analysis, clock)
    writing = _encoding_seconds(frames, info, video, profile.encoder, clock)
    seconds = START_UP + info.frame_count * (looking * TRACKING + writing)
    return Estimate(
        seconds=round(seconds, 1),
        low=round(LOW * seconds, 1),
        high=round(HIGH * seconds, 1),
        frames=info.frame_count,
        width=info.width,
        height=info.height,
        people=round(people, 1),
    )


def _sample(video: Path, info: VideoInfo) -> list[Frame]:
    """Consecutive frames from the middle (the first ones of a short video)."""
    middle = (info.start_pts + info.end_pts) // 2
    start = middle if info.frame_count > 4 * SAMPLE else None
    with VideoReader(video, info, start_pts=start) as reader:
        return list(islice(reader, SAMPLE))


def _analysis_seconds(
    frames: list[Frame],
    info: VideoInfo,
    models: Models,
    settings: AnalysisSettings,
    clock: Callable[[], float],
) -> tuple[float, float]:
    """Seconds a frame in the networks, and people a frame."""
    grid = analysis_size(info.width, info.height, settings.long_side)
    detail = detail_size(info, settings)
    some = frames[:: max(1, len(frames) // 6)]
    models.segmenter.segment([some[0].rgb(grid)])  # the first call of a network is slow
    begun = clock()
    found = [models.segmenter.segment([frame.rgb(grid)])[0] for frame in some]
    segmenting = (clock() - begun) / len(some)
    begun = clock()
    picture = some[0].rgb(detail)
    models.faces.embed(picture, find_faces(picture, models.faces, settings.face_long_side)[:2])
    faces = clock() - begun
    rate = float(info.average_rate) or 25.0
    share = min(1.0, settings.faces_per_second / rate)
    return segmenting + share * faces, sum(map(len, found)) / len(found)


def _encoding_seconds(
    frames: list[Frame],
    info: VideoInfo,
    video: Path,
    settings: EncoderSettings,
    clock: Callable[[], float],
) -> float:
    """Seconds a frame to decode, draw and encode; drawing is hidden behind the encoder."""
    with TemporaryDirectory(prefix="bystander-") as folder:
        begun = clock()
        with VideoWriter(Path(folder) / "sample.mp4", info, video, settings) as writer:
            for frame in frames:
                picture = frame.upright(writer.pixel_format)
                writer.write(picture, frame.pts, frame.duration)
        return (clock() - begun) / len(frames)
