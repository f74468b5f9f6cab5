"""The detector that comes with the install."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import ModelContract, ModelCorrupt
from bystander.geometry.instances import box_iou
from bystander.media.photos import load_photo
from bystander.models.face_packs import CenterFace, _for_any_size, _suppressed, _weights
from bystander.models.sessions import SessionSettings
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.sampled(4)


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace(sessions=SessionSettings(threads=1))


@pytest.fixture(scope="module")
def friends() -> NDArray[np.uint8]:
    """Six people, their faces 115 to 145 pixels high; the picture comes with insightface."""
    package = importlib.util.find_spec("insightface")
    assert package is not None
    assert package.origin is not None
    return load_photo(Path(package.origin).parent / "data/images/t1.jpg")


@pytest.mark.parametrize("scale", [1 / 6, 1 / 3, 1, 2])
def test_faces_are_found_from_20_pixels_to_the_size_of_a_portrait(
    detector: CenterFace, friends: NDArray[np.uint8], scale: float
) -> None:
    as_it_is = detector.detect(friends)
    picture = np.asarray(
        cv2.resize(friends, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    found = detector.detect(picture)
    assert len(found) == len(as_it_is) == 6
    for face in found:
        x0, y0, x1, y1 = (side / scale for side in face.box)
        (same,) = [f for f in as_it_is if box_iou(f.box, (x0, y0, x1, y1)) > 0.6]
        apart = np.abs(face.landmarks - scale * same.landmarks).max()
        assert apart < 1 + 0.08 * (face.box[3] - face.box[1])


def test_scores_fall(detector: CenterFace, friends: NDArray[np.uint8]) -> None:
    scores = [face.score for face in detector.detect(friends)]
    assert scores == sorted(scores, reverse=True)
    assert 0.5 < scores[-1] <= scores[0] <= 1


def test_of_overlapping_boxes_the_best_stays_and_the_nearest_have_a_say() -> None:
    boxes = np.array(
        [
            [0, 0, 10, 10],  # the face
            [1, 0, 11, 10],  # the same
            [4, 0, 14, 10],  # neither it nor another: shares 60 of 140 pixels with it
            [30, 0, 40, 10],  # another
        ],
        dtype=np.float32,
    )
    scores = np.array([0.9, 0.6, 0.7, 0.8], dtype=np.float32)
    found = [(best, sorted(same.tolist())) for best, same in _suppressed(boxes, scores)]
    assert found == [(0, [0, 1]), (3, [3])]


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    half.write_bytes(_weights().read_bytes()[:1000])
    with pytest.raises(ModelCorrupt, match=r"half\.onnx"):
        _for_any_size(half)


def test_another_network_is_refused() -> None:
    with pytest.raises(ModelContract, match="person-seg-n"):
        _for_any_size(REPOSITORY / "bystander/weights/person-seg-n.onnx")
