from __future__ import annotations

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from bystander.errors import (
    NotAVideo,
    PhotoError,
    UnsupportedVideo,
    VideoError,
    VideoTooLarge,
    VideoTooLong,
)
from bystander.sandbox import AudioFacts, Limits, examine_photo, examine_video
from bystander.sandbox.child import _environment
from tests.conftest import REPOSITORY, shared
from tests.media.test_probe import hlg_clip
from tests.support.videos import Clip, Sound, damaged, make_video, picture_array

pytestmark = pytest.mark.sampled(4)

LIMITS = Limits()


def test_a_video_is_described(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(rotation=90, mirrored=True, sounds=[Sound("ac3")]))

    facts = examine_video(path, LIMITS, tmp_path / "posters")

    assert facts.container.startswith("mov,mp4")
    assert (facts.codec, facts.bit_depth, facts.hdr) == ("h264", 8, False)
    assert (facts.width, facts.height, facts.rotation) == (240, 320, 90)
    assert facts.mirrored
    assert (facts.frame_count, facts.average_rate, facts.duration) == (24, 25.0, 0.96)
    assert not facts.variable_frame_rate
    assert facts.audio == (AudioFacts(codec="ac3", channels=2, sample_rate=48_000),)


def test_hdr_is_told(tmp_path: Path) -> None:
    facts = examine_video(make_video(tmp_path / "v.mp4", hlg_clip()), LIMITS, tmp_path / "posters")

    assert (facts.hdr, facts.bit_depth) == (True, 10)


def test_posters_are_spread_over_the_video_and_upright(tmp_path: Path) -> None:
    clip = Clip(rotation=90, size=(1600, 800), options={"g": "1", "preset": "ultrafast"})

    facts = examine_video(make_video(tmp_path / "v.mp4", clip), LIMITS, tmp_path / "posters")

    assert facts.posters == 5
    posters = [np.asarray(Image.open(tmp_path / f"posters/{n}.jpg")) for n in range(5)]
    assert {poster.shape for poster in posters} == {(640, 320, 3)}
    # The red upper left quarter has gone to the upper right, the grey half to the left.
    assert all(poster[20, 300, 0] > 150 > poster[20, 300, 1] + 50 for poster in posters)
    greys = [int(poster[600, 20, 0]) for poster in posters]
    assert len(set(greys)) == 5


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    clip = Clip(size=(320, 320), aspect=Clip().time_base * 12_800 * 2)

    examine_video(make_video(tmp_path / "v.mp4", clip), LIMITS, tmp_path / "posters")

    with Image.open(tmp_path / "posters/0.jpg") as poster:
        assert poster.size == (640, 320)


def test_a_video_with_a_broken_middle_has_the_posters_around_it(tmp_path: Path) -> None:
    clip = Clip(options={"g": "4", "preset": "ultrafast"})
    path = damaged(make_video(tmp_path / "v.mp4", clip), tmp_path / "bad.mp4", range(8, 16))

    facts = examine_video(path, LIMITS, tmp_path / "posters")

    assert 3 <= facts.posters <= 5
    assert len(list((tmp_path / "posters").iterdir())) == facts.posters


def test_posters_of_an_earlier_video_are_replaced(tmp_path: Path) -> None:
    many = make_video(tmp_path / "many.mp4", Clip(options={"g": "1"}))
    one = make_video(tmp_path / "one.mp4", Clip(pts=[0]))

    assert examine_video(many, LIMITS, tmp_path / "posters").posters == 5
    assert examine_video(one, LIMITS, tmp_path / "posters").posters == 1
    assert os.listdir(tmp_path / "posters") == ["0.jpg"]


@pytest.mark.parametrize(
    ("limits", "error", "reason"),
    [
        (Limits(max_duration=0.9), VideoTooLong, "seconds long"),
        (Limits(max_frames=23), VideoTooLong, "24 frames"),
        (Limits(max_side=319), VideoTooLarge, "320x240"),
        (Limits(wall=1e-9), VideoError, "within the limits"),
    ],
)
def test_a_video_beyond_the_limits_is_refused(
    tmp_path: Path, limits: Limits, error: type[VideoError], reason: str
) -> None:
    with pytest.raises(VideoError, match=reason) as caught:
        examine_video(make_video(tmp_path / "v.mp4"), limits, tmp_path / "posters")
    assert type(caught.value) is error


@pytest.mark.long
def test_a_picture_that_needs_more_memory_than_allowed_is_refused(tmp_path: Path) -> None:
    huge = make_video(
        tmp_path / "v.mkv", Clip(pts=[0], size=(8000, 8000), codec="mjpeg", options={},
                                 pixel_format="yuvj444p")
    )  # fmt: skip
    with pytest.raises(VideoError):
        examine_video(huge, Limits(memory=2**28), tmp_path / "posters")
    with pytest.raises(UnsupportedVideo, match="8000x8000"):
        examine_video(huge, Limits(max_side=4096), tmp_path / "posters")


def test_a_photo_becomes_a_plain_upright_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SecretCamera"  # turn 90 degrees clockwise
    Image.fromarray(picture_array(0, 4000, 3000)).save(tmp_path / "a.jpg", exif=exif)

    facts = examine_photo(tmp_path / "a.jpg", LIMITS, tmp_path / "out.jpg")

    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (facts.width, facts.height) == (1536, 2048)
        assert not image.getexif()
        red, green, _ = np.asarray(image)[20, 1500]
        assert red > 150 > green + 50
    assert b"Secret" not in (tmp_path / "out.jpg").read_bytes()


def test_a_photo_beyond_the_limits_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    Image.new("RGB", (400, 300)).save(tmp_path / "a.png")

    with pytest.raises(PhotoError, match=r"0\.1 million pixels"):
        examine_photo(tmp_path / "a.png", Limits(max_pixels_photo=100_000), tmp_path / "out.jpg")
    assert os.listdir(tmp_path) == ["a.png"]


def test_an_error_names_no_path(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("nothing")

    with pytest.raises(NotAVideo, match=r"^the video can't be read") as caught:
        examine_video(tmp_path / "v.mp4", LIMITS, tmp_path / "posters")
    assert "/" not in caught.value.what + caught.value.advice


def test_a_relative_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video(tmp_path / "v.mp4")
    monkeypatch.chdir(tmp_path)

    assert examine_video(Path("v.mp4"), LIMITS, Path("posters")).frame_count == 24


def test_nothing_is_imported_from_the_folder_of_the_file(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")

    assert examine_photo(tmp_path / "a.png", LIMITS, tmp_path / "out.jpg").width == 64


def test_the_child_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYSTANDER_TOKENS", "a-secret-of-the-service")

    assert "a-secret-of-the-service" not in str(_environment(Path("/somewhere")))


def test_the_child_loads_no_network_of_neurons() -> None:
    code = "import sys; from bystander.sandbox import tasks; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert not {"onnxruntime", "insightface", "cv2", "scipy"} & set(loaded.stdout.split())


@pytest.mark.long
def test_twenty_at_once_cost_this_process_no_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = make_video(tmp_path / "v.mp4")
    children, before = psutil.Process().children(), psutil.Process().memory_info().rss
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(20) as pool:
        folders = [tmp_path / str(n) for n in range(20)]
        facts = list(pool.map(lambda folder: examine_video(video, LIMITS, folder), folders))
    grown = psutil.Process().memory_info().rss - before

    assert {f.frame_count for f in facts} == {24}
    assert grown < 20 * 2**20
    assert psutil.Process().children() == children
    assert not [r for r in caplog.records if "can't be examined" in r.message]


@pytest.mark.long
def test_a_real_clip(tmp_path: Path) -> None:
    facts = examine_video(shared("clips", "hamilton", "video.mp4"), LIMITS, tmp_path / "posters")

    assert (facts.frame_count, facts.posters) == (275, 5)


@pytest.mark.parametrize("deleted", [True, False])
def test_a_project_that_was_deleted_meanwhile_is_no_defect(tmp_path: Path, deleted: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    program = f"""
import shutil
import bystander.sandbox.__main__ as child

def fails(*given):
    if {deleted}:
        shutil.rmtree({str(folder)!r})
    raise FileNotFoundError({str(folder)!r})

child.confine, child.end_with_parent, child._examine = (lambda *_: True), (lambda _: None), fails
child.main("photo", "photo.jpg", {str(folder)!r}, {LIMITS.model_dump_json()!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ("Traceback" in done.stderr) is not deleted
    assert ("was deleted" in done.stdout) is deleted
