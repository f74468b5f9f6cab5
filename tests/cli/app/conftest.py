"""What the commands' tests share: a machine without networks, videos, a timeline."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import pytest

from bystander.models import load_models
from bystander.timeline.types import Decision
from tests.conftest import shared
from tests.support.commands import make_timeline
from tests.support.drawn import use_models
from tests.support.videos import make_video

opened = functools.cache(load_models)


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files; a machine that has no networks."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("BYSTANDER_MODELS", "BENTOML_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(folder / "nothing"))
    # Only our own files are looked for in that folder, not ONNX Runtime's.
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    return folder


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real networks; within this process they are opened only once."""
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))
    use_models(monkeypatch, opened)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of drawn video: 320x240, 24 frames, nobody in it."""
    return make_video(tmp_path_factory.mktemp("drawn") / "drawn.mp4")


@pytest.fixture(scope="session")
def singer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames of a man who sings among others."""
    path = tmp_path_factory.mktemp("singer") / "singer.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    command += ["-i", str(shared("clips", "hamilton", "video.mp4")), "-frames:v", "10"]
    command += ["-preset", "ultrafast", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A path in an empty folder, where nothing else may appear."""
    folder = tmp_path / "output"
    folder.mkdir()
    return folder / "masked.mp4"


@pytest.fixture
def review(drawn: Path, tmp_path: Path) -> Path:
    """A timeline of `drawn` with two people: p1 (t1), kept, and p2 (t2), masked."""
    return make_timeline(tmp_path / "review", drawn, {"p1": Decision.KEEP, "p2": Decision.MASK})
