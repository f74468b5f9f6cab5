"""The clips that are measured on, and how their frames are read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from insightface.data import get_image
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("BYSTANDER_SHARED", REPOSITORY.parent / "shared"))


@dataclass(frozen=True)
class Clip:
    """A real clip of the shared test data; its README there describes the files."""

    name: str

    @property
    def folder(self) -> Path:
        return SHARED / "clips" / self.name

    @property
    def video(self) -> Path:
        usual = self.folder / "video.mp4"
        return usual if usual.exists() else self.folder / "video.avi"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.json"

    @property
    def persons(self) -> Path:
        return self.folder / "persons"


def use_shared_models() -> None:
    """Let the commands that are measured find the shared weights, as `make` does."""
    if (SHARED / "models").is_dir():
        os.environ.setdefault("BYSTANDER_MODELS", str(SHARED / "models"))


def frames(video: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Every frame in display order: its time in seconds, and uint8 [H, W, 3] RGB."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.time or 0.0, np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def repeated(video: Path, times: int, output: Path) -> None:
    """The clip `times` times in a row, its packets copied."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", str(times - 1)]
    command += ["-i", str(video), "-map", "0:v", "-c", "copy", str(output)]
    subprocess.run(command, check=True)


def group_pan(output: Path, count: int = 105, size: tuple[int, int] = (1920, 1080)) -> None:
    """A stand-in for the clips: the group photo that insightface ships, panned over.

    Args:
        count: frames, at 25 a second.
        size: width, height.
    """
    width, height = size
    photo = np.ascontiguousarray(get_image("t1")[:, :, ::-1])  # BGR to RGB
    wide = av.VideoFrame.from_ndarray(photo, format="rgb24").reformat(width + count * 2, height)
    picture = np.asarray(wide.to_ndarray(format="rgb24"), dtype=np.uint8)
    with av.open(str(output), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(count):
            view = np.ascontiguousarray(picture[:, index * 2 : index * 2 + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode(None))
