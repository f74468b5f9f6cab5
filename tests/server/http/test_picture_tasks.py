"""What BentoML's own endpoints do with one picture."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bystander.choices import EffectName
from bystander.errors import PhotoError, UnreadablePhoto
from bystander.geometry.masks import decode_runs
from bystander.server.http.previews import PictureTasks
from bystander.server.settings import LimitSettings
from tests.support.drawn import GREEN, RED, SIZE, Figure, Scene, drawn_models, standing

pytestmark = pytest.mark.sampled(4)

LEFT, RIGHT = Figure(RED, standing(60)), Figure(GREEN, standing(250))
SCENE = Scene([LEFT, RIGHT])


@pytest.fixture
def pictures(tmp_path: Path) -> PictureTasks:
    return PictureTasks(drawn_models, LimitSettings(), tmp_path / "scratch")


def encoded(scene: Scene = SCENE, kind: str = "PNG", **options: object) -> str:
    """Base64 of its first frame."""
    content = io.BytesIO()
    Image.fromarray(scene.picture(0)).save(content, kind, **options)
    return base64.b64encode(content.getvalue()).decode()


def opened(image: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image)))


def test_everyone_in_a_picture_is_told_with_a_silhouette(pictures: PictureTasks) -> None:
    people = pictures.segment(encoded())
    assert len(people) == 2
    for person, figure in zip(
        sorted(people, key=lambda person: person["box"][0]), (LEFT, RIGHT), strict=True
    ):
        width, height = person["size"]
        told = person["mask"]
        mask = decode_runs(
            np.asarray(told["runs"], np.uint32),
            *(told[side] for side in ("x", "y", "width", "height")),
        )
        whole = np.zeros((height, width), bool)
        x0, y0, x1, y1 = mask.box
        whole[y0:y1, x0:x1] = mask.bits
        drawn = np.asarray(
            Image.fromarray(SCENE.silhouette(figure, 0)).resize((width, height)), bool
        )
        assert (whole & drawn).sum() > 0.9 * (whole | drawn).sum()
        x0, y0, x1, y1 = person["box"]
        assert told["x"] <= (x0 + x1) / 2 <= told["x"] + told["width"]
        assert told["y"] <= (y0 + y1) / 2 <= told["y"] + told["height"]
        assert 0 < person["score"] <= 1


def test_faces_come_with_vectors_that_tell_them_apart(pictures: PictureTasks) -> None:
    faces = pictures.embed(encoded())
    assert len(faces) == 2
    vectors = np.array([face["embedding"] for face in faces])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    assert vectors[0] @ vectors[1] < 0.9
    for face in faces:
        assert 0 <= face["quality"] <= 1
        assert 0 <= face["box"][0] < face["box"][2] <= SIZE[0]


@pytest.mark.parametrize("effect", EffectName)
def test_nobody_shows_in_the_masked_picture(pictures: PictureTasks, effect: EffectName) -> None:
    masked = opened(pictures.mask(encoded(), effect))
    assert (masked.format, masked.size) == ("JPEG", SIZE)
    now, before = np.asarray(masked.convert("RGB"), int), SCENE.picture(0).astype(int)
    for figure in (LEFT, RIGHT):
        silhouette = SCENE.silhouette(figure, 0)
        assert np.abs(now - before)[silhouette].mean() > 20
    street = ~(SCENE.silhouette(LEFT, 0) | SCENE.silhouette(RIGHT, 0))
    assert np.median(np.abs(now - before)[street]) < 5


def test_an_empty_street_stays_as_it_is(pictures: PictureTasks) -> None:
    empty = Scene([])
    assert pictures.segment(encoded(empty)) == []
    assert pictures.embed(encoded(empty)) == []
    masked = np.asarray(opened(pictures.mask(encoded(empty), EffectName.BLUR)).convert("RGB"), int)
    assert np.abs(masked - empty.picture(0)).max() < 10


def test_what_the_camera_wrote_into_a_picture_does_not_come_back(pictures: PictureTasks) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Annabel at home"
    sent = encoded(kind="JPEG", exif=exif)
    assert opened(sent).getexif()
    masked = opened(pictures.mask(sent, EffectName.BLUR))
    assert not masked.getexif()


@pytest.mark.parametrize(
    "image",
    [
        "",
        "no base64!",
        "a",
        "ZG9nIGRheXM=",
        "http://127.0.0.1:1/picture.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "\ud800",
        "caf\u00e9",
        encoded()[: len(encoded()) // 8 * 4],
        base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode(),
        base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(),
    ],
    ids=lambda image: ascii(image[:25]),
)
@pytest.mark.sampled(4)
def test_what_is_no_picture_is_refused(pictures: PictureTasks, tmp_path: Path, image: str) -> None:
    with pytest.raises(PhotoError) as refused:
        pictures.segment(image)
    assert str(tmp_path) not in str(refused.value)
    assert not list(tmp_path.rglob("picture-*"))


def test_nothing_of_a_picture_is_left(pictures: PictureTasks, tmp_path: Path) -> None:
    pictures.segment(encoded())
    with pytest.raises(UnreadablePhoto):
        pictures.segment("no base64!")
    assert [path for path in tmp_path.rglob("*") if path.name != "scratch"] == []
    assert (tmp_path / "scratch").stat().st_mode & 0o077 == 0
