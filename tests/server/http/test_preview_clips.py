"""A few seconds of the video, with those on the photos kept, and the moment that they show."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from bystander.errors import Cancelled, VideoError
from bystander.geometry.types import Rgb
from bystander.redaction.effects import EffectSettings
from bystander.server.http import preview_clips as http_clips
from bystander.server.http.glances import Glance, best_moment, glance
from bystander.server.jobs import preview_clips
from bystander.server.jobs.preview_clips import CLIP_SECONDS, FOLDER
from bystander.server.jobs.spec import JobSpec
from bystander.server.models import JobKind, JobState, Photo, PhotoFace, Project, new_id
from tests.editing.test_looks import png
from tests.support import drawn
from tests.support.drawn import (
    Figure,
    Masked,
    Scene,
    drawn_models,
    is_magenta,
    mask_scene,
    standing,
)
from tests.support.facts import FACTS
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.long

FRAMES = 40
BLUE, RED = Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, standing(200))
SCENE = Scene([BLUE, RED], frames=FRAMES)
MAGENTA: dict[str, str | float] = {"effect": "solid", "color": "#ff00ff"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SCENE.video(tmp_path_factory.mktemp("film") / "source.mp4")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def project(stage: Stage, film: Path) -> Project:
    made = stage.project(film)
    known(stage, made, "Anna", drawn.BLUE)
    found = stage.context.store.projects.find(made.id)
    assert found is not None
    return found


def known(stage: Stage, project: Project, name: str, face: drawn.Colour) -> Photo:
    """A photo of somebody with such a face."""
    folder = stage.context.data / "photos" / project.id
    folder.mkdir(parents=True, exist_ok=True)
    portrait = Scene([Figure(face, standing(20, 20))], frames=1).picture(0)
    (found,) = drawn_models().faces.detect(portrait)
    height, width = portrait.shape[:2]
    faces = (PhotoFace(found.box, 1.0),)
    photo = Photo(new_id(), project.id, name, width, height, faces, 0)
    Image.fromarray(portrait).save(folder / f"{photo.id}.jpg", quality=95)
    assert stage.context.store.photos.add(photo)
    return photo


def get(
    stage: Stage,
    project: Project,
    what: str = "clip",
    token: int = 0,
    more: dict[str, str | float] | None = None,
    **wanted: str | float,
) -> httpx.Response:
    wanted |= more or {}
    given = {"at": 0.5, **MAGENTA, **wanted} if what == "clip" else wanted
    with stage.client(token) as client:
        return client.get(f"/projects/{project.id}/preview/{what}", params=given)


def pictures(content: bytes) -> list[Rgb]:
    with av.open(io.BytesIO(content), "r") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [np.asarray(frame, np.uint8) for frame in frames]


def covered(picture: Rgb, figure: Figure) -> float:
    """How much of somebody is drawn over."""
    return float(is_magenta(picture, tolerance=60)[SCENE.silhouette(figure, 0)].mean())


def files(stage: Stage, project: Project) -> list[str]:
    return list(stage.context.storage.keys(f"{project.id}/{FOLDER}/"))


def test_those_on_the_photos_show_and_all_others_are_masked(stage: Stage, project: Project) -> None:
    answer = get(stage, project)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "video/mp4"
    shown = pictures(answer.content)
    assert FRAMES - 1 <= len(shown) <= FRAMES
    for picture in shown:
        assert covered(picture, RED) > 0.9
        assert covered(picture, BLUE) < 0.1
    assert not list((stage.context.data / "work").iterdir()), "nothing is left"


def test_without_photos_everyone_is_masked(stage: Stage, film: Path) -> None:
    shown = pictures(get(stage, stage.project(film)).content)

    assert min(covered(picture, figure) for picture in shown for figure in (BLUE, RED)) > 0.9


def test_another_effect_is_drawn_without_looking_for_anybody_again(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = get(stage, project).content
    orders: list[JobSpec] = []
    save = JobSpec.save

    def noted(order: JobSpec, folder: Path) -> None:
        orders.append(order)
        save(order, folder)

    monkeypatch.setattr(JobSpec, "save", noted)

    other = get(stage, project, color="#00ff00")
    again = get(stage, project)

    assert [order.kind for order in orders] == [JobKind.RENDER]
    assert not any(is_magenta(picture).any() for picture in pictures(other.content))
    assert again.content == first, "one that was made is there"
    (folder,) = {key.rpartition("/")[0] for key in files(stage, project)}
    assert folder.startswith(f"{project.id}/{FOLDER}/")


def test_other_photos_are_another_preview(stage: Stage, project: Project) -> None:
    get(stage, project)
    known(stage, project, "Ben", drawn.RED)

    shown = pictures(get(stage, project).content)

    assert max(covered(picture, figure) for picture in shown for figure in (BLUE, RED)) < 0.1


def test_it_is_around_the_moment_that_is_asked_for(stage: Stage, tmp_path: Path) -> None:
    late = Figure(drawn.RED, standing(200), present=range(100, 200))
    film = Scene([late], frames=200).video(tmp_path / "late.mp4")
    facts = FACTS.model_copy(update={"duration": 8.0, "frame_count": 200})
    made = stage.project(film, facts)

    shown = [[is_magenta(p).any() for p in pictures(get(stage, made, at=at).content)]
             for at in (0.0, 7.9)]  # fmt: skip

    assert [len(each) for each in shown] == [CLIP_SECONDS * 25] * 2
    assert [any(each) for each in shown] == [False, True]


def test_what_is_made_is_bounded(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_clips, "MAX_KEPT", 4)
    for color in ("#ff00ff", "#ff0000", "#00ff00"):
        assert get(stage, project, color=color).status_code == 200

    assert len(files(stage, project)) <= 4


def test_what_nobody_waits_for_any_more_is_not_made(stage: Stage, project: Project) -> None:
    gone = threading.Event()

    def begun(_: Path) -> list[str]:
        gone.set()
        return ["sleep", "600"]

    ended = replace(stage.context.preview_clips, command=begun)

    with pytest.raises(Cancelled):
        ended.ensure(project, (), 0.5, EffectSettings(), gone.is_set)

    assert files(stage, project) == []


def test_a_worker_that_fails_is_an_error_and_leaves_nothing(stage: Stage, project: Project) -> None:
    failing = replace(stage.context.preview_clips, command=lambda _: ["false"])

    with pytest.raises(VideoError, match="couldn't be made"):
        failing.ensure(project, (), 0.5, EffectSettings())

    assert files(stage, project) == []
    assert not list((stage.context.data / "work").iterdir())


def test_so_many_wait_for_one_and_no_more(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_clips, "MAX_WAITING", 0)

    answer = get(stage, project)

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("wanted", [{"at": -1}, {"at": "nan"}, {"strength": 0.5}, {"color": "red"}])
@pytest.mark.sampled(2)
def test_what_makes_no_sense_is_refused(
    stage: Stage, project: Project, wanted: dict[str, str | float]
) -> None:
    assert get(stage, project, more=wanted).status_code == 422


def test_there_is_none_for_others_without_a_video_or_while_a_job_is_at_work(
    stage: Stage, project: Project
) -> None:
    assert get(stage, project, token=1).status_code == 404
    assert get(stage, project, "moment", token=1).status_code == 404
    assert get(stage, stage.project()).status_code == 409
    assert get(stage, stage.project(), "moment").status_code == 409
    stage.job(project, JobKind.MASK, JobState.RUNNING)
    answer = get(stage, project)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:bystander:busy"


def test_the_moment_shows_somebody_to_keep_rather_than_many_others(
    stage: Stage, tmp_path: Path
) -> None:
    late = [Figure(c, standing(x), present=range(40, 200)) for c, x in ((drawn.RED, 120),
            (drawn.GREEN, 200))]  # fmt: skip
    anna = Figure(drawn.BLUE, standing(20), present=range(40))
    facts = FACTS.model_copy(update={"duration": 8.0, "frame_count": 200})
    made = stage.project(Scene([anna, *late], frames=200).video(tmp_path / "film.mp4"), facts)

    crowd = get(stage, made, "moment").json()
    assert (crowd["people"], crowd["kept"]) == (2, [])

    known(stage, made, "Anna", drawn.BLUE)
    assert get(stage, made, "moment").json() == {"seconds": 0.8, "people": 1, "kept": ["Anna"]}


def test_who_shows_only_their_face_counts_too() -> None:
    scene = Scene([Figure(drawn.BLUE, standing(150), bodiless=[0]), RED], frames=1)

    seen = glance(1.0, scene.picture(0), drawn_models())

    assert len(seen.vectors) == 2
    assert seen.people >= 2


def test_a_picture_of_nobody_is_a_moment_too() -> None:
    seen = glance(1.0, Scene([], frames=1).picture(0), drawn_models())

    best = best_moment([seen, Glance(2.0, 0, seen.vectors)], (), same=0.5)

    assert (best.seconds, best.people, best.kept) == (1.0, 0, ())


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    late = replace(RED, present=range(20, FRAMES))
    return mask_scene(Scene([BLUE, late], frames=FRAMES), tmp_path_factory.mktemp("party"))


def test_once_the_video_was_analysed_pictures_are_by_its_verdicts(
    stage: Stage, party: Masked
) -> None:
    made = stage.analysed(party.timeline.path, party.source)
    assert get(stage, made).status_code == 409
    with stage.client() as client:
        decided = client.put(f"/projects/{made.id}/verdicts", json={"keep": ["p1"], "mask": []})
        assert decided.status_code == 200

    moment = get(stage, made, "moment").json()
    assert (moment["people"], moment["kept"]) == (2, ["p1"])
    assert 0.8 <= moment["seconds"] < 1.6
    with stage.client() as client:
        wanted = {"at": moment["seconds"], **MAGENTA}
        answer = client.get(f"/projects/{made.id}/preview", params=wanted)
    with Image.open(io.BytesIO(answer.content), formats=("JPEG",)) as image:
        shown = np.asarray(image.convert("RGB"))
    kept, masked = sorted((BLUE, RED), key=lambda figure: covered(shown, figure))
    assert covered(shown, kept) < 0.1
    assert covered(shown, masked) > 0.9

    # A look of their own: its colour, without decoding the picture of a stranger here.
    path, look = f"/projects/{made.id}/edits", {"kind": "look", "who": "p2", "color": "#ff00ff"}
    with stage.client() as client:
        tag = {"If-Match": client.get(path).headers["ETag"]}
        document = {"edits": [{**look, "picture": png()}]}
        assert client.put(path, json=document, headers=tag).status_code == 200
        answer = client.get(f"/projects/{made.id}/preview", params={"at": moment["seconds"]})
    with Image.open(io.BytesIO(answer.content), formats=("JPEG",)) as image:
        shown = np.asarray(image.convert("RGB"))
    assert covered(shown, masked) > 0.9
    assert covered(shown, kept) < 0.1
