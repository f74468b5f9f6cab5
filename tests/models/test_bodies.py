from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import ModelContract
from bystander.models.bodies import BodyModel, HistogramBodies, OSNetBodies
from bystander.models.sessions import SessionSettings
from tests.conftest import shared

FRAMES = (0, 5)


@pytest.fixture(scope="module", params=["osnet", "histogram"])
def bodies(request: pytest.FixtureRequest) -> BodyModel:
    if request.param == "histogram":
        return HistogramBodies()
    return OSNetBodies(shared("models", "osnet_x0_25_msmt17.onnx"), SessionSettings(threads=1))


def girls() -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """Crops and silhouettes of four girls, first in one frame, then in another."""
    crops, masks = [], []
    with av.open(str(shared("clips", "schoolgirls", "video.mp4"))) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    for frame in FRAMES:
        path = shared("clips", "schoolgirls", "persons", f"{frame:05d}.png")
        people = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert people is not None
        for person in range(1, 5):
            rows, columns = np.nonzero(people == person)
            inside = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            crops.append(pictures[frame][inside].astype(np.uint8))
            masks.append(people[inside] == person)
    return crops, masks


def test_everyone_is_most_like_themselves_a_moment_later(bodies: BodyModel) -> None:
    vectors = bodies.embed(*girls())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    similarity = vectors[:4] @ vectors[4:].T
    assert similarity.argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_a_batch_gives_what_single_crops_give(bodies: BodyModel) -> None:
    crops, masks = girls()
    singly = [bodies.embed([c], [m])[0] for c, m in zip(crops, masks, strict=True)]
    np.testing.assert_allclose(bodies.embed(crops, masks), singly, atol=1e-4)


def test_nobody_gives_no_vectors(bodies: BodyModel) -> None:
    assert bodies.embed([], []).shape[0] == 0


def test_the_background_does_not_colour_a_histogram() -> None:
    mask = np.zeros((90, 40), dtype=bool)
    mask[10:80, 10:30] = True
    meadow, wall = np.zeros((2, 90, 40, 3), dtype=np.uint8)
    meadow[:] = (30, 200, 40)
    wall[:] = (200, 30, 40)
    for crop in (meadow, wall):
        crop[mask] = (20, 40, 220)
    masked = HistogramBodies().embed([meadow, wall], [mask, mask])
    assert masked[0] @ masked[1] == pytest.approx(1)
    whole = HistogramBodies().embed([meadow, wall])
    assert whole[0] @ whole[1] < 0.6


def test_red_above_blue_is_not_blue_above_red() -> None:
    crop = np.zeros((60, 30, 3), dtype=np.uint8)
    crop[:30], crop[30:] = (200, 20, 20), (20, 20, 200)
    vectors = HistogramBodies().embed([crop, np.ascontiguousarray(crop[::-1])])
    assert vectors[0] @ vectors[1] == pytest.approx(0)


@pytest.mark.parametrize("height", [1, 3, 7])
def test_the_smallest_crops_have_a_vector(height: int) -> None:
    vector = HistogramBodies().embed([np.full((height, 2, 3), 90, dtype=np.uint8)])
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_another_network_is_no_body_model() -> None:
    with pytest.raises(ModelContract, match="256, 128"):
        OSNetBodies(shared("models", "arcface_mobilefacenet.onnx"))
