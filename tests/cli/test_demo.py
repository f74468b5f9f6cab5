"""The sample video of six real people, of whom one is kept."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bystander.cli.demo import FPS, run_demo
from bystander.errors import OutputUnwritable
from bystander.geometry.instances import Face, box_iou
from bystander.media.photos import load_photo
from bystander.media.probe import probe
from bystander.models import load_models
from bystander.models.face_model import FaceModel
from tests.conftest import shared
from tests.support.drawn import Pixels, pictures

SECONDS = 1
"""Of each shot: a third of what `bystander demo` makes, for the sake of the suite's time."""
SAMPLED = range(0, SECONDS * FPS, 12)
"""Frames of the first shot, in which all six are."""


@pytest.fixture(scope="module")
def faces() -> FaceModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYSTANDER_MODELS", str(shared("models")))
        return load_models().faces


@pytest.fixture(scope="module")
def demo(faces: FaceModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    """The demo's folder, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYSTANDER_MODELS", str(shared("models")))
        patch.setattr("bystander.cli.demo.SHOT_SECONDS", SECONDS)
        return folder, run_demo(folder)["kept"]


def found_at(face: Face, others: list[Face]) -> bool:
    return any(box_iou(face.box, other.box) > 0.4 for other in others)


def the_friends(picture: Pixels, found: list[Face], faces: FaceModel, photo: Path) -> int:
    """Which of the faces found in a picture is the one on the cast photo."""
    portrait = load_photo(photo)
    (reference,) = faces.embed(portrait, faces.detect(portrait)[:1])
    return int(np.argmax(faces.embed(picture, found) @ reference))


@pytest.mark.long
def test_the_friends_face_can_be_found_and_nobody_elses(
    demo: tuple[Path, object], faces: FaceModel
) -> None:
    folder, _ = demo
    source, masked = pictures(folder / "source.mp4"), pictures(folder / "masked.mp4")
    assert len(masked) == len(source)
    seen = 0
    for number in SAMPLED:
        before, after = faces.detect(source[number]), faces.detect(masked[number])
        friend = the_friends(source[number], before, faces, folder / "cast" / "friend.jpg")
        others = [face for position, face in enumerate(before) if position != friend]
        seen = max(seen, len(others))
        assert found_at(before[friend], after), f"the friend is masked in frame {number}"
        for face in others:
            assert not found_at(face, after), f"{face.box} is seen in frame {number}"
    assert seen == 5


@pytest.mark.long
def test_exactly_one_is_kept_and_everything_is_written(demo: tuple[Path, object]) -> None:
    folder, kept = demo

    assert kept == ["friend"]
    for name in ("people.png", "before-after.png"):
        assert cv2.imread(str(folder / name)) is not None
    source, masked = probe(folder / "source.mp4"), probe(folder / "masked.mp4")
    assert (masked.width, masked.height, masked.frame_count, masked.audio) == (
        source.width,
        source.height,
        source.frame_count,
        source.audio,
    )
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritable, match="file"):
        run_demo(tmp_path / "file")
