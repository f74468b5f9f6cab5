"""Every hostile file gets a reason or is honestly read; nothing else happens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from PIL import Image

from bystander.errors import PhotoError, VideoError
from bystander.sandbox import Limits, PhotoFacts, VideoFacts, examine_photo, examine_video
from tests.conftest import sampled
from tests.support.hostile import PHOTOS, VIDEOS, Hostile, asked_for
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.sampled(8)

LIMITS = Limits(memory=2**30, cpu=10, wall=HANGS_AFTER_SECONDS)
"""Time enough for the honest ones on a slow machine."""


@dataclass(frozen=True)
class Outcome:
    """What became of a file: facts or an error, and the files beside it afterwards."""

    result: VideoFacts | PhotoFacts | VideoError | PhotoError
    folder: Path
    files: set[str]


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    listener: socket.socket,
) -> Iterator[dict[Hostile, Future[Outcome]]]:
    """Examines what the tests of this run ask for, some at once: a child takes 0.4 s to start."""
    folder = tmp_path_factory.mktemp("hostile")
    port = listener.getsockname()[1]
    with ThreadPoolExecutor(3) as pool:
        yield {file: pool.submit(examined, file, folder, port) for file in asked_for(request)}


def examined(file: Hostile, folder: Path, port: int) -> Outcome:
    kind = "video" if file in VIDEOS else "photo"
    place = folder / f"{kind}-{file.name}"
    place.mkdir()
    path = file.write(place, port)
    result: VideoFacts | PhotoFacts | VideoError | PhotoError
    try:
        if kind == "video":
            result = examine_video(path, LIMITS, place / "posters")
        else:
            result = examine_photo(path, LIMITS, place / "photo.jpg")
    except (VideoError, PhotoError) as error:
        result = error
    path.unlink()
    left = {str(p.relative_to(place)) for p in place.rglob("*") if not p.is_dir()}
    return Outcome(result, place, left)


def assert_plain_jpeg(path: Path, longest: int) -> None:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert max(image.size) <= longest
        assert not {"exif", "icc_profile", "comment", "xmp", "mp"} & set(image.info)
        image.load()
    assert b"root:" not in path.read_bytes()


def assert_gives_nothing_away(error: VideoError | PhotoError, folder: Path) -> None:
    assert error.what
    for secret in (str(folder.parent), "/etc", "root:", "Traceback", "/tmp", ".examine"):
        assert secret not in str(error)


@pytest.mark.parametrize("file", sampled(VIDEOS, 7), ids=lambda file: file.name)
def test_a_hostile_video(file: Hostile, outcomes: dict[Hostile, Future[Outcome]]) -> None:
    outcome = outcomes[file].result()

    if file.readable:
        assert isinstance(outcome.result, VideoFacts), outcome.result
        assert outcome.result.posters >= 1
        assert outcome.files == {f"posters/{n}.jpg" for n in range(outcome.result.posters)}
        for poster in outcome.files:
            assert_plain_jpeg(outcome.folder / poster, 640)
    else:
        assert isinstance(outcome.result, VideoError), outcome.result
        assert outcome.files == set()
        assert_gives_nothing_away(outcome.result, outcome.folder)


@pytest.mark.parametrize("file", sampled(PHOTOS, 7), ids=lambda file: file.name)
def test_a_hostile_photo(file: Hostile, outcomes: dict[Hostile, Future[Outcome]]) -> None:
    outcome = outcomes[file].result()

    if file.readable:
        assert isinstance(outcome.result, PhotoFacts), outcome.result
        assert outcome.files == {"photo.jpg"}
        assert_plain_jpeg(outcome.folder / "photo.jpg", 2048)
        assert b"Secret" not in (outcome.folder / "photo.jpg").read_bytes()
    else:
        assert isinstance(outcome.result, PhotoError), outcome.result
        assert outcome.files == set()
        assert_gives_nothing_away(outcome.result, outcome.folder)


def test_no_file_made_anything_connect(
    outcomes: dict[Hostile, Future[Outcome]], listener: socket.socket
) -> None:
    for outcome in outcomes.values():
        outcome.result()

    with pytest.raises(BlockingIOError):
        listener.accept()


def test_an_unguarded_ffmpeg_does_connect(tmp_path: Path) -> None:
    bait = next(file for file in VIDEOS if file.name == "hls-http")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(HANGS_AFTER_SECONDS)
        path = bait.write(tmp_path, server.getsockname()[1])
        options = {"protocol_whitelist": "file,http,tcp"}
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(av.open, str(path), options=options, timeout=HANGS_AFTER_SECONDS)
            server.accept()[0].close()  # or it times out
            assert isinstance(opening.exception(), av.FFmpegError)


def test_there_are_enough_of_them() -> None:
    assert len(VIDEOS) >= 40
    assert len(PHOTOS) >= 30
    for files in (VIDEOS, PHOTOS):
        assert len({file.name for file in files}) == len(files)
