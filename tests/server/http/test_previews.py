"""What an effect looks like on this video: everyone in it is masked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bystander.choices import EffectName
from bystander.geometry.types import Rgb
from bystander.media.photos import load_photo
from bystander.models import load_models
from bystander.models.sample import group_photo
from bystander.redaction.effects import EffectSettings
from bystander.server.http import previews
from bystander.server.http.previews import LONG_SIDE_PX, mask_everyone, to_jpeg
from bystander.server.models import Project
from bystander.settings import AnalysisSettings
from bystander.storage import LocalStorage
from tests.support import drawn
from tests.support.drawn import MAGENTA, Figure, Scene, drawn_models, is_magenta, standing
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.sampled(4)

SCENE = Scene([Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, standing(200))], frames=1)
SETTINGS = AnalysisSettings()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def project(stage: Stage, tmp_path: Path) -> Project:
    """One whose film is of people; of its two posters the second shows nobody."""
    made = stage.project(SCENE.video(tmp_path / "source.mp4"))
    for number, scene in enumerate((SCENE, Scene([], frames=1))):
        cv2.imwrite(str(tmp_path / "poster.jpg"), scene.picture(0)[:, :, ::-1])
        stage.put(tmp_path / "poster.jpg", f"{made.id}/posters/{number}.jpg")
    video = stage.context.store.projects.find(made.id)
    assert video is not None
    stage.context.store.projects.set_video(made.id, replace(video.video, posters=2))
    return made


def picture(content: bytes) -> Rgb:
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("effect", [MAGENTA, *map(lambda n: EffectSettings(name=n), EffectName)])
def test_everybody_is_masked_and_the_rest_is_as_it_was(effect: EffectSettings) -> None:
    before = SCENE.picture(0)
    after = mask_everyone(before, drawn_models(), effect, SETTINGS)
    assert after.shape == before.shape
    everybody = np.zeros(before.shape[:2], dtype=bool)
    for figure in SCENE.figures:
        seen = SCENE.silhouette(figure, 0)
        everybody |= seen
        assert not drawn.shows(after[seen][None], figure.clothes).all()
        if effect is MAGENTA:
            assert is_magenta(after)[seen].all()
    far = cv2.dilate(everybody.astype(np.uint8), np.ones((41, 41), np.uint8)) == 0
    # There and back between RGB and the video's colours.
    assert np.abs(after.astype(int) - before)[far].max() <= 4


def test_who_shows_only_their_face_is_masked_too() -> None:
    scene = Scene([Figure(drawn.BLUE, standing(150), bodiless=[0])], frames=1)
    after = mask_everyone(scene.picture(0), drawn_models(), MAGENTA, SETTINGS)

    x, y = 150 + drawn.WIDTH // 2, 80 + 8 + drawn.PLATE // 2
    assert is_magenta(after)[y - 8 : y + 8, x - 8 : x + 8].all()


def test_a_preview_shows_the_effect_that_is_asked_for(stage: Stage, project: Project) -> None:
    wanted: dict[str, str | float] = {"at": 0.2, "effect": "solid", "color": "#ff00ff"}
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/preview", params=wanted)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    shown = picture(answer.content)
    for figure in SCENE.figures:
        assert is_magenta(shown, tolerance=40)[SCENE.silhouette(figure, 0)].mean() > 0.9


def shows_people(stage: Stage, project: Project, at: float) -> bool:
    wanted: dict[str, str | float] = {"at": at, "effect": "solid", "color": "#ff00ff"}
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/preview", params=wanted)
    assert answer.status_code == 200, answer.text
    return bool(is_magenta(picture(answer.content), tolerance=40).any())


def test_it_is_the_very_frame_of_that_time(stage: Stage, tmp_path: Path) -> None:
    late = Figure(drawn.BLUE, standing(20), present=range(13, 20))
    made = stage.project(Scene([late], frames=40).video(tmp_path / "source.mp4"))

    shown = [shows_people(stage, made, at) for at in (0, 12.5 / 25, 13.5 / 25, 19.5 / 25, 0.81)]
    assert shown == [False, False, True, True, False]
    assert not list((stage.context.data / "work").iterdir())


@pytest.mark.parametrize(("at", "people"), [(0, True), (0.7, True), (0.9, False), (999, False)])
@pytest.mark.sampled(4)
def test_a_video_that_does_not_decode_there_is_shown_by_the_nearest_poster(
    stage: Stage, project: Project, tmp_path: Path, at: float, people: bool
) -> None:
    (tmp_path / "broken").write_bytes(b"nothing" * 1000)
    stage.put(tmp_path / "broken", f"{project.id}/video")

    assert shows_people(stage, project, at) is people


@pytest.mark.parametrize(
    "wanted",
    [
        {"strength": 0.5},
        {"strength": "nan"},
        {"at": -1},
        {"at": "inf"},
        {"effect": "none"},
        {"color": "red"},
    ],
)
@pytest.mark.sampled(3)
def test_an_effect_that_gives_people_away_is_not_shown(
    stage: Stage, project: Project, wanted: dict[str, str | float]
) -> None:
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/preview", params=wanted)

    assert answer.status_code == 422


def test_a_large_video_is_not_fetched_from_afar_for_one_picture(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object) -> None:
        raise AssertionError("gigabytes would come over the network")

    monkeypatch.setattr(LocalStorage, "fetch_is_cheap", False)
    monkeypatch.setattr(LocalStorage, "fetch", fetch)
    monkeypatch.setattr(previews, "MAX_FETCH_BYTES", 10)
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/preview", params={"at": 0})
    assert answer.status_code == 200
    assert picture(answer.content).shape == SCENE.picture(0).shape  # of the poster


def test_there_is_none_for_others_nor_without_a_video(stage: Stage, project: Project) -> None:
    with stage.client(1) as stranger:
        assert stranger.get(f"/projects/{project.id}/preview").status_code == 404
    with stage.client() as client:
        assert client.get(f"/projects/{stage.project().id}/preview").status_code == 409


def test_large_pictures_are_made_smaller() -> None:
    large = picture(to_jpeg(np.zeros((3000, 1500, 3), np.uint8)))

    assert large.shape[:2] == (LONG_SIDE_PX, LONG_SIDE_PX // 2)


@pytest.mark.long
def test_real_networks_leave_nobody_of_a_group() -> None:
    models = load_models()
    group = load_photo(group_photo())
    after = mask_everyone(group, models, MAGENTA, SETTINGS)

    assert len(models.faces.detect(group)) == 6
    assert models.faces.detect(after) == []
