"""The same place of the same video keeps the same person, however the video is stored."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import Models, load_models
from bystander.pipeline.analyze import analyze
from bystander.settings import AnalysisSettings
from bystander.timeline.types import Decision, Origin
from bystander.tracking.clicks import Click
from tests.conftest import shared
from tests.support.videos import Clip, make_video

FRAMES, CLICKED = 14, 6
GIRLS = {1: (187, 138), 3: (313, 171)}
"""Persons of the clip's truth, and where they are in that frame, pixels of 640x360."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How a copy of the clip is stored: `size` in pixels before it is turned."""

    size: tuple[int, int]
    aspect: Fraction = Fraction(1)
    rotation: int = 0
    mirrored: bool = False


@pytest.fixture(scope="module")
def girls() -> list[NDArray[np.uint8]]:
    """The first frames, 640x360."""
    path = shared("clips", "schoolgirls", "video.mp4")
    return [frame.rgb((640, 360)) for frame in islice(VideoReader(path, probe(path)), FRAMES)]


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models()


@pytest.mark.long
@pytest.mark.parametrize(
    "stored",
    [
        Stored((640, 360)),
        Stored((480, 360), Fraction(4, 3)),
        Stored((1440, 1080), Fraction(4, 3)),
        Stored((360, 640), rotation=90),
        Stored((360, 640), rotation=270),
        Stored((270, 640), Fraction(4, 3), rotation=90),
        Stored((640, 360), mirrored=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("girl", GIRLS)
def test_a_place_keeps_the_same_person_however_the_video_is_stored(
    tmp_path: Path, girls: list[NDArray[np.uint8]], models: Models, stored: Stored, girl: int
) -> None:
    def picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
        upright = girls[number][:, ::-1] if stored.mirrored else girls[number]
        turned = np.rot90(upright, stored.rotation // 90)  # counterclockwise
        return np.asarray(cv2.resize(turned, (width, height)), np.uint8)

    clip = Clip(
        size=stored.size,
        aspect=stored.aspect,
        rotation=stored.rotation,
        mirrored=stored.mirrored,
        pts=[512 * i for i in range(FRAMES)],
    )
    video = make_video(tmp_path / "video.mp4", clip, picture)
    info = probe(video)
    assert info.display_size[0] * 360 == info.display_size[1] * 640
    x, y = (side * info.display_size[1] / 360 for side in GIRLS[girl])
    click = Click(CLICKED * float(1 / info.average_rate), x, y)
    timeline = analyze(
        video,
        tmp_path / "timeline",
        models=models,
        settings=AnalysisSettings(),
        clicks=[click],
    )
    (at,) = timeline.header.pointed_at
    assert at.frame == CLICKED
    (seen,) = (
        sighting
        for sighting in next(timeline.frames(CLICKED)).sightings
        if sighting.tracklet == at.tracklet and sighting.origin is Origin.SEEN
    )
    truth = cv2.imread(
        str(shared("clips", "schoolgirls", "persons", f"{CLICKED:05d}.png")), cv2.IMREAD_UNCHANGED
    )
    assert truth is not None
    grid = timeline.header.grid
    ids = cv2.resize(truth, grid, interpolation=cv2.INTER_NEAREST)[seen.mask.on_grid(*grid)]
    assert np.bincount(ids[ids > 0]).argmax() == girl
    assert timeline.header.tracklet(at.tracklet).decision_at(CLICKED) is Decision.KEEP
