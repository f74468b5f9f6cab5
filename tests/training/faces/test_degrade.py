"""What is done to photos, and who a clip's truth says a track shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.training.faces.test_tracks import track
from training.errors import DataError
from training.faces.degrade import blur, jpeg, levels, motion, to_width
from training.faces.settings import FaceExperimentSettings
from training.faces.tracks import FaceTrack
from training.faces.truth import names
from training.pages import Rgb


@pytest.fixture
def photo() -> Rgb:
    return np.random.default_rng(1).integers(0, 256, (60, 80, 3)).astype(np.uint8)


def roughness(image: Rgb, axis: int) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=axis)).mean())


def test_the_face_gets_the_width_that_was_asked_for(photo: Rgb) -> None:
    assert to_width(photo, face_width=40, target=20).shape == (30, 40, 3)
    assert to_width(photo, face_width=40, target=80).shape == (120, 160, 3)


def test_blur_softens_all_ways_and_a_smear_only_sideways(photo: Rgb) -> None:
    soft, smeared = blur(photo, 2), motion(photo, 9)
    assert roughness(soft, 0) < 0.3 * roughness(photo, 0)
    assert roughness(soft, 1) < 0.3 * roughness(photo, 1)
    assert roughness(smeared, 1) < 0.3 * roughness(photo, 1)
    assert roughness(smeared, 1) < 0.5 * roughness(smeared, 0)


def test_jpeg_changes_more_the_lower_its_quality(photo: Rgb) -> None:
    errors = [float(np.abs(jpeg(photo, q).astype(int) - photo).mean()) for q in (95, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert float(jpeg(np.full_like(photo, (200, 60, 20)), 95).reshape(-1, 3).mean(0)[0]) > 190


def test_every_level_of_the_settings_is_tried_after_the_untouched_picture(photo: Rgb) -> None:
    settings = FaceExperimentSettings(widths=(20, 10), blurs=(1,), motions=(5,), jpegs=(50,))
    all_levels = levels(settings)
    kinds = ["as it is", "width", "width", "blur", "motion", "JPEG", "JPEG at 39 px"]
    assert [level.kind for level in all_levels] == kinds
    assert_array_equal(all_levels[0].apply(photo, 40.0), photo)
    assert all_levels[-1].apply(photo, 78.0).shape == (30, 40, 3)


def at(box: tuple[float, float, float, float]) -> FaceTrack:
    still = track(0, np.array([0.0, 1.0]))
    return FaceTrack(still.clip, still.frames, still.seconds, np.array([box, box]), still.samples)


def test_a_track_shows_who_its_faces_lie_in(tmp_path: Path) -> None:
    def region(frame: int, who: str) -> dict[str, object]:
        return {"frame": frame, "box": [0, 0, 50, 50], "expect": "mask", "who": who}

    inside, beside = at((10, 10, 30, 30)), at((60, 10, 80, 30))
    assert names(tmp_path, [inside]) == [None]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"cast": "cast/lin", "regions": [region(1, "lin")]}))
    assert names(tmp_path, [inside, beside]) == ["lin", None]
    truth.write_text(json.dumps({"regions": [region(5, "lin")]}))
    assert names(tmp_path, [inside]) == [None], "no face was seen near that frame"
    truth.write_text(json.dumps({"regions": [region(0, "lin"), region(10, "alex")]}))
    assert names(tmp_path, [inside]) == [None], "two people can't be one track"


def test_a_truth_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text('{"regions": [{"frame": "first"}]}')
    with pytest.raises(DataError, match=r"truth\.json"):
        names(tmp_path, [at((0, 0, 10, 10))])
