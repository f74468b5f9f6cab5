"""Pictures of what a job is at: now and then, whole, and nobody shows in them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Mask
from bystander.server.jobs.previews import GREY_LEVEL, INTERVAL_SECONDS, LONG_SIDE_PX, PreviewWriter
from bystander.tracking.appearance import to_lab
from bystander.tracking.frames import AnalysisFrame, Detections

HEIGHT, WIDTH = 90, 160
STREET, PERSON = 40, 250


class Studio:
    """A previews with a clock to be turned, and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now, self.told = folder / "preview.jpg", 100.0, 0
        self.previews = PreviewWriter(self.path, self._tell, lambda: self.now)

    def _tell(self) -> None:
        Image.open(self.path).load()  # there already, and whole
        self.told += 1

    def picture(self) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] RGB."""
        return np.asarray(Image.open(self.path).convert("RGB"))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def street() -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), STREET, np.uint8)


def seen(
    frame: NDArray[np.uint8],
    masks: list[Mask],
    faces: list[Face] | None = None,
    detail: NDArray[np.uint8] | None = None,
) -> Detections:
    instances = [Instance((0.0, 0.0, 1.0, 1.0), 0.9, mask) for mask in masks]
    view = AnalysisFrame(0, 0, frame, False, detail)
    return Detections(view, instances, faces or [], to_lab(frame), None)


def rendered(size: tuple[int, int]) -> av.VideoFrame:
    width, height = size
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), "rgb24")


def test_everyone_who_was_found_is_covered_with_grey(studio: Studio) -> None:
    frame = street()
    frame[20:80, 30:60] = PERSON
    frame[50:90, 140:160] = PERSON  # reaches over two edges
    masks = [
        Mask(30, 20, np.ones((60, 30), bool)),
        Mask(140, 50, np.ones((60, 40), bool)),
    ]
    studio.previews.analysed(seen(frame, masks))
    picture = studio.picture()
    assert picture.shape == frame.shape
    assert picture.max() < PERSON - 60
    assert abs(int(picture[50, 45, 0]) - GREY_LEVEL) < 12
    assert abs(int(picture[50, 100, 0]) - STREET) < 12  # the rest can be seen


def test_a_face_without_a_body_is_covered_too(studio: Studio) -> None:
    frame = street()
    frame[20:40, 80:100] = PERSON
    detail = np.repeat(np.repeat(frame, 2, 0), 2, 1)
    face = Face((160.0, 40.0, 200.0, 80.0), 0.9, np.zeros((5, 2), np.float32))
    studio.previews.analysed(seen(frame, [], [face], detail))
    assert studio.picture().max() < PERSON - 60


def test_a_silhouette_is_grown_so_that_no_outline_is_left(studio: Studio) -> None:
    frame = street()
    frame[20:60, 30:60] = PERSON
    studio.previews.analysed(seen(frame, [Mask(32, 22, np.ones((36, 26), bool))]))
    assert studio.picture().max() < PERSON - 60


def test_a_picture_is_made_now_and_then(studio: Studio) -> None:
    for _ in range(3):
        studio.previews.analysed(seen(street(), []))
    assert studio.told == 1
    studio.now += INTERVAL_SECONDS - 0.1
    studio.previews.rendered(DisplaySize((64, 48)), 5, rendered((64, 48)))
    assert studio.told == 1
    studio.now += 0.2
    studio.previews.rendered(DisplaySize((64, 48)), 6, rendered((64, 48)))
    assert studio.told == 2


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((1280, 720), (LONG_SIDE_PX, 360)),
        ((720, 1280), (360, LONG_SIDE_PX)),
        ((64, 48), (64, 48)),
        ((1920, 2), (LONG_SIDE_PX, 2)),
        ((641, 479), (LONG_SIDE_PX, 478)),
    ],
)
def test_what_was_rendered_is_shown_small(
    studio: Studio, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    studio.previews.rendered(DisplaySize(size), 0, rendered(size))
    width, height = studio.picture().shape[1::-1]
    assert (width, height) == shown
    assert abs(float(studio.picture().mean()) - 90) < 5


def test_a_picture_replaces_the_one_before_and_nothing_else_is_left(studio: Studio) -> None:
    studio.previews.analysed(seen(street(), []))
    before = studio.path.read_bytes()
    studio.now += INTERVAL_SECONDS
    studio.previews.rendered(DisplaySize((64, 48)), 1, rendered((64, 48)))
    assert studio.path.read_bytes() != before
    assert list(studio.path.parent.iterdir()) == [studio.path]


def test_a_picture_tells_nothing_but_itself(studio: Studio) -> None:
    studio.previews.rendered(DisplaySize((64, 48)), 0, rendered((64, 48)))
    with Image.open(studio.path) as picture:
        assert picture.format == "JPEG"
        assert not picture.getexif()
        assert "comment" not in picture.info
