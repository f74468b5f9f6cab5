"""What a track knows of where its person is heading, and what that says of a detection."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.geometry.types import Box
from bystander.tracking.association import likelihoods
from bystander.tracking.motion import Window
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.track import COAST_FRAMES, Detection, Track

SETTINGS = TrackingSettings()
COLOURS = np.ones(1, dtype=np.float32)
SEEN = 20
STEP = 6


def at(x: float) -> Box:
    """48 wide and 120 high."""
    return x, 40.0, x + 48, 160.0


def mask(box: Box) -> Mask:
    return Mask(round(box[0]), 40, np.ones((120, 48), dtype=bool))


def moved_window(box: Box) -> Window:
    return Window(round(box[0]), 40, np.ones((120, 48), dtype=np.float32))


def walking(camera: float = 0.0) -> Track:
    """Someone who was seen alone in frames 0 to 19 and walked on by 6 beside the camera's motion,
    after the prediction for frame 20."""
    track = Track(1, at(0), 0, COLOURS, at(0), 48 * 120, moved_window(at(0)))
    step = STEP + camera
    for frame in range(SEEN):
        track.see(frame, mask(at(step * frame)), at(step * frame), COLOURS, apart=True)
        track.predict(moved_window(at(step * (frame + 1))), (camera, 0.0))
    return track


def against(track: Track, x: float, frame: int = SEEN) -> float:
    """Log-likelihood against a detection there."""
    shown = Detection(0, Instance(at(x), 0.9, mask(at(x))), mask(at(x)), 48 * 120, COLOURS, True)
    return float(likelihoods([track], [shown], frame, 10.0, SETTINGS).heading[0, 0])


@pytest.mark.parametrize("camera", [0.0, 4.0, -9.0])
def test_nothing_speaks_against_who_goes_on_as_they_went_whatever_the_camera_does(
    camera: float,
) -> None:
    track = walking(camera)
    there = (STEP + camera) * SEEN
    assert track.heading == pytest.approx((STEP, 0), abs=0.2)
    assert against(track, there) == pytest.approx(0, abs=0.01)
    assert against(track, there - 12) < -0.2
    assert against(track, there - 40) == -SETTINGS.heading_weight


def test_a_box_that_others_may_cover_changes_no_heading() -> None:
    track = walking()
    for n in range(3):
        box = at(STEP * (SEEN - 1) - 8 * n)
        track.see(SEEN + n, mask(box), box, COLOURS, apart=False)
        track.predict(moved_window(box), (0.0, 0.0))
    assert track.heading == pytest.approx((STEP, 0), abs=0.2)
    assert against(track, STEP * SEEN, SEEN + 3) > against(track, STEP * SEEN - 40, SEEN + 3)
    here = at(STEP * SEEN)
    track.see(SEEN + 3, mask(here), here, COLOURS, apart=True)
    assert track.heading != pytest.approx((STEP, 0), abs=0.2)


def test_of_who_is_not_seen_nothing_is_said_by_where_they_were_heading() -> None:
    track = walking()
    assert against(track, STEP * SEEN - 30) < -0.5
    track.predict(moved_window(at(STEP * SEEN)), (0.0, 0.0))
    assert against(track, STEP * SEEN - 30, SEEN + 1) == 0


def test_who_was_away_for_longer_heads_nowhere_until_it_is_known_again() -> None:
    track = walking()
    track.see(SEEN + COAST_FRAMES, mask(at(200)), at(200), COLOURS, apart=True)
    assert (track.heading, track.expected) == ((0.0, 0.0), at(200))
