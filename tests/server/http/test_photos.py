"""Photos of the people to keep: real faces, hostile names, and what is left on the disk."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pillow_heif
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from bystander.errors import ModelNotFound
from bystander.geometry.types import Box
from bystander.identity.cast import member_of
from bystander.models import Models
from bystander.models.face_model import FaceModel
from bystander.models.face_packs import open_faces
from bystander.models.store import Catalogue, ModelStore
from bystander.server.models import JobState, Project
from bystander.server.retention import PHOTOS
from bystander.server.settings import LimitSettings, RetentionSettings, ServiceSettings
from tests.server.http.wire import Wire
from tests.support.drawn import GREEN, DrawnFaces, Figure, Scene, drawn_models, standing
from tests.support.stage import Stage, impatient, staged
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)

pillow_heif.register_heif_opener()

NOSE = (226, 125)
"""Of the astronaut, seen by eye."""
NOSES = ((118, 340), (312, 222), (508, 360), (785, 420), (928, 140), (1170, 345))
"""Of the six people in t1.jpg, from left to right."""
NAME = "Zoë Unmistakable"
PERSIAN = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
"""Alireza, spelled with a joiner."""


@pytest.fixture(scope="module")
def faces() -> FaceModel:
    return open_faces("dlib", ModelStore.from_environment(Catalogue.load()))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, faces: FaceModel) -> Iterator[Stage]:
    with staged(
        tmp_path_factory.mktemp("stage"), models=lambda: replace(drawn_models(), faces=faces)
    ) as made:
        yield made


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as made:
        yield made


@pytest.fixture
def project(stage: Stage) -> Iterator[Project]:
    made = stage.project()
    yield made
    stage.context.janitor.purge(made.id)


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    """The astronaut's head and shoulders."""
    return Image.fromarray(skimage.data.astronaut()[:300])  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def group() -> bytes:
    return Path(str(files("insightface") / "data" / "images" / "t1.jpg")).read_bytes()


def saved(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def drawn(side: int = 80) -> bytes:
    """A small photo with one face that the drawn networks find."""
    picture = Scene([Figure((90, 90, 90), standing(20, 20), GREEN)], size=(80, 80)).picture(0)
    return saved(Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST), "PNG")


def post(
    client: httpx.Client, project: Project, photo: Any, person: str = "Anna"
) -> httpx.Response:
    return client.post(f"/projects/{project.id}/photos", params={"person": person}, content=photo)


def on_disk(stage: Stage, project: Project) -> list[str]:
    folder = stage.context.data / PHOTOS / project.id
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def holds(box: Box, x: float, y: float) -> bool:
    return box[0] < x < box[2] and box[1] < y < box[3]


def picture_of(client: httpx.Client, photo: dict[str, Any]) -> NDArray[np.uint8]:
    answer = client.get(photo["picture"])
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (photo["width"], photo["height"])
        return np.asarray(image.convert("RGB"))


def test_the_one_face_of_a_photo_is_used(
    stage: Stage, client: httpx.Client, project: Project, portrait: Image.Image
) -> None:
    answer = post(client, project, saved(portrait))
    photo = answer.json()

    assert answer.status_code == 201
    assert (photo["person"], photo["chosen"], photo["problem"]) == ("Anna", 0, None)
    (face,) = photo["faces"]
    assert holds(face["box"], *NOSE)
    assert 60 < face["box"][2] - face["box"][0] < 130
    assert face["quality"] > 0.5
    assert client.get(f"/projects/{project.id}/photos").json() == {"photos": [photo]}
    assert client.get(f"/projects/{project.id}/photos/{photo['id']}").json() == photo
    assert client.get(f"/projects/{project.id}").json()["photos"] == 1
    assert on_disk(stage, project) == [f"{photo['id']}.jpg"]


def test_boxes_are_in_pixels_of_the_stored_picture(
    client: httpx.Client, project: Project, portrait: Image.Image
) -> None:
    # Smaller when it is stored, smaller again when faces are looked for.
    large = Image.new("RGB", (3200, 2400), (90, 90, 90))
    large.paste(portrait.resize((2048, 1200)), (1000, 700))
    photo = post(client, project, saved(large)).json()

    assert (photo["width"], photo["height"]) == (2048, 1536)
    picture = picture_of(client, photo)
    assert picture.shape == (1536, 2048, 3)
    scale = 2048 / 3200
    (face,) = photo["faces"]
    assert holds(face["box"], scale * (1000 + 4 * NOSE[0]), scale * (700 + 4 * NOSE[1]))
    assert 0.5 < (face["box"][2] - face["box"][0]) / (scale * 4 * 87) < 1.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_every_kind_of_photo_is_taken_and_stored_as_a_jpeg(
    client: httpx.Client, project: Project, portrait: Image.Image, kind: str
) -> None:
    photo = post(client, project, saved(portrait, kind)).json()

    assert photo["chosen"] == 0
    assert np.abs(picture_of(client, photo).astype(int) - np.asarray(portrait)).mean() < 8


def test_what_is_transparent_becomes_white(
    client: httpx.Client, project: Project, portrait: Image.Image
) -> None:
    clear = portrait.copy()
    alpha = Image.new("L", portrait.size, 0)
    alpha.paste(255, (130, 0, 320, 300))
    clear.putalpha(alpha)
    photo = post(client, project, saved(clear, "PNG")).json()

    assert photo["chosen"] == 0
    assert picture_of(client, photo)[:, :100].min() > 240


def test_a_photo_is_stored_upright_and_without_its_metadata(
    stage: Stage, client: httpx.Client, project: Project, portrait: Image.Image
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    exif[0x010F] = "a camera that tells"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.25), 3: "E", 4: (13.0, 24.0, 36.0)})
    lying = portrait.transpose(Image.Transpose.ROTATE_90)
    sent = saved(lying, exif=exif, comment=b"a secret comment")
    photo = post(client, project, sent).json()

    assert (photo["width"], photo["height"]) == portrait.size
    assert holds(photo["faces"][0]["box"], *NOSE)
    stored = client.get(photo["picture"]).content
    for told in (b"a camera that tells", b"a secret comment", b"Exif"):
        assert told in sent
        assert told not in stored
    with Image.open(io.BytesIO(stored)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.long
def test_of_several_people_one_is_chosen_by_hand(
    stage: Stage, client: httpx.Client, project: Project, group: bytes, faces: FaceModel
) -> None:
    photo = post(client, project, group).json()
    assert photo["chosen"] is None
    assert photo["problem"]["type"] == "AmbiguousFace"
    assert "6 faces" in photo["problem"]["what"]
    boxes: list[Box] = [tuple(face["box"]) for face in photo["faces"]]
    found = [[holds(box, *nose) for box in boxes].index(True) for nose in NOSES]
    assert sorted(found) == list(range(6))

    address = f"/projects/{project.id}/photos/{photo['id']}"
    left = found[0]
    chosen = client.patch(address, json={"face": left}).json()
    assert (chosen["chosen"], chosen["problem"], chosen["person"]) == (left, None, "Anna")
    assert client.get(address).json() == chosen
    assert client.patch(address, json={"face": 6}).status_code == 422
    assert client.get(address).json() == chosen

    # The worker finds by its box the face that was chosen here, and no other.
    file = stage.context.data / PHOTOS / project.id / f"{photo['id']}.jpg"
    references = member_of("Anna", [(file, box) for box in boxes], faces).references
    with Image.open(io.BytesIO(group)) as image:
        image.crop((0, 220, 240, 460)).save(stage.folder / "left.png")
    cut = [(stage.folder / "left.png", (68.0, 67.0, 173.0, 172.0))]
    (alone,) = member_of("Anna", cut, faces).references
    assert int(np.argmax(references @ alone)) == left


def test_a_photo_without_a_face_is_listed_and_not_used(
    client: httpx.Client, project: Project
) -> None:
    answer = post(client, project, saved(Image.new("RGB", (300, 300), (120, 130, 140))))
    photo = answer.json()

    assert answer.status_code == 201
    assert (photo["faces"], photo["chosen"]) == ([], None)
    assert photo["problem"]["type"] == "NoFaceFound"
    assert photo["problem"]["advice"]
    assert client.get(f"/projects/{project.id}/photos").json()["photos"] == [photo]
    assert client.patch(photo["picture"].removesuffix("/picture"), json={"face": 0}).is_error


def test_a_poor_face_is_used_and_a_better_one_asked_for(
    client: httpx.Client, project: Project, group: bytes
) -> None:
    with Image.open(io.BytesIO(group)) as image:
        away = image.crop((840, 0, 1060, 240))  # the man who looks to the left
    photo = post(client, project, saved(away)).json()

    assert photo["chosen"] == 0
    assert photo["problem"]["type"] == "PoorFace"
    assert photo["problem"]["advice"]


def test_a_face_too_small_to_compare_is_not_used(tmp_path: Path) -> None:
    class SharpEyes(DrawnFaces):
        min_face = 60

    def models() -> Models:
        return replace(drawn_models(), faces=SharpEyes())

    with staged(tmp_path, models=models) as stage, stage.client() as client:
        project = stage.project()
        photo = post(client, project, drawn(160)).json()
        assert photo["chosen"] is None
        assert photo["problem"]["type"] == "FaceTooSmall"
        (face,) = photo["faces"]
        assert 30 < face["box"][2] - face["box"][0] < 60

        address = f"/projects/{project.id}/photos/{photo['id']}"
        assert client.patch(address, json={"face": 0}).json()["chosen"] is None
        assert post(client, project, drawn(400)).json()["chosen"] == 0


def test_someone_may_be_named_otherwise_later(
    client: httpx.Client, project: Project, portrait: Image.Image
) -> None:
    photo = post(client, project, saved(portrait)).json()
    address = f"/projects/{project.id}/photos/{photo['id']}"

    assert client.patch(address, json={"person": " Bea "}).json() == {**photo, "person": "Bea"}
    assert client.patch(address, json={}).json() == {**photo, "person": "Bea"}
    for change in ({"person": ""}, {"face": -1}, {"face": "one"}, {"picture": "/etc/passwd"}):
        assert client.patch(address, json=change).status_code == 422
    assert client.get(address).json() == {**photo, "person": "Bea"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Anna  ", "Anna"),
        ("Zoe\u0308", "Zoë"),
        ("x" * 80, "x" * 80),
        ("e\u0301" * 80, "é" * 80),
        (PERSIAN, PERSIAN),
        ("../../etc/passwd", "../../etc/passwd"),  # a name like any other: no path is made of it
        ("Nguyễn Thị Ánh", "Nguyễn Thị Ánh"),
        ("👩‍🚀", "👩‍🚀"),
    ],
)
@pytest.mark.sampled(4)
def test_a_name_is_kept_as_it_is_written(
    stage: Stage, client: httpx.Client, project: Project, given: str, kept: str
) -> None:
    photo = post(client, project, saved(Image.new("RGB", (64, 64))), given).json()

    assert photo["person"] == kept
    assert on_disk(stage, project) == [f"{photo['id']}.jpg"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 81,
        "x" * 100_00,
        "a\nb",
        "a\0b",
        "a\x1b[31m",
        "\u202egpj.exe",
        "a\u2028b",
        "\ufeffa",
        "\u200d",
    ],
)
def test_what_is_no_name_is_refused(
    stage: Stage, client: httpx.Client, project: Project, name: str
) -> None:
    answer = post(client, project, drawn(), name)
    assert answer.status_code == 422
    assert on_disk(stage, project) == []


def test_a_photo_is_of_somebody(client: httpx.Client, project: Project) -> None:
    assert client.post(f"/projects/{project.id}/photos", content=drawn()).status_code == 422


@pytest.mark.parametrize("content", [b"", b"no picture", b"GIF89a", drawn()[:60]])
def test_what_is_no_photo_is_refused_and_gone(
    stage: Stage, client: httpx.Client, project: Project, content: bytes
) -> None:
    answer = post(client, project, content)

    assert answer.status_code == 422
    assert answer.json()["advice"]
    assert str(stage.folder) not in answer.text
    assert project.id not in answer.text
    assert on_disk(stage, project) == []
    assert client.get(f"/projects/{project.id}/photos").json() == {"photos": []}


def test_a_deleted_photo_is_gone(stage: Stage, client: httpx.Client, project: Project) -> None:
    first, second = (post(client, project, drawn(side)).json() for side in (80, 160))
    address = f"/projects/{project.id}/photos/{first['id']}"

    assert client.delete(address).status_code == 204
    assert on_disk(stage, project) == [f"{second['id']}.jpg"]
    for missing in (
        client.get(address),
        client.get(first["picture"]),
        client.patch(address, json={"face": 0}),
        client.delete(address),
    ):
        assert missing.status_code == 404
    assert client.get(f"/projects/{project.id}/photos").json() == {"photos": [second]}


def test_a_photo_that_stops_halfway_leaves_nothing(
    stage: Stage, client: httpx.Client, project: Project
) -> None:
    address = f"/projects/{project.id}/photos?person=Anna"
    with Wire(stage, "POST", address, "Content-Length: 5000") as wire:
        wire.send(b"half of a photo")
        until(lambda: on_disk(stage, project))
    until(lambda: not on_disk(stage, project))
    assert client.get(f"/projects/{project.id}/photos").json() == {"photos": []}


def test_a_project_deleted_meanwhile_takes_the_photo_along(
    stage: Stage, client: httpx.Client, project: Project
) -> None:
    photo = drawn()
    address = f"/projects/{project.id}/photos?person=Anna"
    with Wire(stage, "POST", address, f"Content-Length: {len(photo)}") as wire:
        wire.send(photo[:50])
        until(lambda: on_disk(stage, project))
        assert client.delete(f"/projects/{project.id}").status_code == 204
        wire.send(photo[50:])
        assert wire.answer()[0] == 404
    assert not (stage.context.data / PHOTOS / project.id).exists()


def test_without_networks_nothing_of_a_photo_is_kept(tmp_path: Path) -> None:
    def models() -> Models:
        raise ModelNotFound("there is no face pack", "Install one.")

    with staged(tmp_path, models=models) as stage, stage.client() as client:
        project = stage.project()
        assert post(client, project, drawn()).status_code == 503
        assert on_disk(stage, project) == []


@pytest.mark.long
def test_limits_hold_and_leave_nothing(tmp_path: Path) -> None:
    photo = drawn()
    limits = LimitSettings(photos=2, photo_bytes=len(photo))
    with staged(tmp_path, ServiceSettings(limits=limits)) as stage, stage.client() as client:
        project = stage.project()
        assert post(client, project, photo + b"1").status_code == 413
        assert post(client, project, iter([photo, b"1"])).status_code == 413
        head = ("POST", f"/projects/{project.id}/photos?person=Anna", "Content-Length: 50")
        with impatient(stage) as hasty, Wire(hasty, *head, body=photo[:10]) as wire:
            assert wire.answer()[0] == 408
        assert on_disk(stage, project) == []

        assert [post(client, project, photo).status_code for _ in range(3)] == [201, 201, 409]
        assert len(on_disk(stage, project)) == 2


def test_a_full_disk_takes_no_photo(tmp_path: Path) -> None:
    settings = ServiceSettings(retention=RetentionSettings(disk_bytes=1000))
    with staged(tmp_path, settings) as stage, stage.client() as client:
        project = stage.project()
        assert post(client, project, drawn()).status_code == 507
        assert on_disk(stage, project) == []


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_job_at_work_gets_no_more_photos(
    stage: Stage, client: httpx.Client, project: Project, state: JobState
) -> None:
    job = stage.job(project, state=state)

    assert post(client, project, drawn()).status_code == 409
    assert on_disk(stage, project) == []
    stage.context.store.jobs.finish(job.id, JobState.CANCELLED)


def test_no_name_gets_into_the_log(
    stage: Stage,
    client: httpx.Client,
    project: Project,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("bystander"), "propagate", True)
    with caplog.at_level(logging.DEBUG, "bystander"):
        photo = post(client, project, drawn(), NAME).json()
        address = f"/projects/{project.id}/photos/{photo['id']}"
        client.patch(address, json={"person": NAME * 2})
        client.patch(address, json={"person": NAME * 9})
        post(client, project, b"no photo", NAME)
        client.delete(address)

    assert "answered" in caplog.text
    for secret in ("Unmistakable", "Zo%C3%AB", photo["id"]):
        assert secret not in caplog.text


@pytest.mark.long
def test_blurred_photos_are_worth_less(
    client: httpx.Client, project: Project, portrait: Image.Image
) -> None:
    qualities = []
    for sigma in (0.1, 1, 2, 3):
        blurred = cv2.GaussianBlur(np.asarray(portrait), (0, 0), sigma)
        photo = post(client, project, saved(Image.fromarray(blurred))).json()
        qualities.append(photo["faces"][0]["quality"])
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[-1] < qualities[0] / 2
