"""A sample video of real people, made from pictures that installed packages carry.

Six people from InsightFace's test picture, in two shots: a slow pan over the whole
group, then a zoom on its right half. One of them is kept.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.choices import Device, Precision, ProfileName
from bystander.errors import OutputUnwritable
from bystander.media.photos import load_photo
from bystander.models import load_models
from bystander.models.face_model import FaceModel
from bystander.models.sample import group_photo
from bystander.pipeline.mask import mask_video
from bystander.pipeline.people_report import contact_sheet
from bystander.progress import Report
from bystander.settings import load_profile
from bystander.timeline.archive import Timeline

Size = tuple[int, int]

SIZE_PX: Final = (1280, 720)
FPS: Final = 25
SHOT_SECONDS: Final = 3
KEPT_FACE: Final = 2
"""Which face from the left is kept."""


def run_demo(
    folder: Path,
    report: Report | None = None,
    device: Device | None = None,
    precision: Precision | None = None,
) -> dict[str, object]:
    """Make the sample video and mask it; returns where everything is.

    Args:
        folder: gets `source.mp4`, `cast/`, `masked.mp4`, `timeline`, `people.png`
            and `before-after.png`.
        device, precision: as of `mask_video`.

    Raises:
        BystanderError: as the verbs do.
    """
    profile = load_profile(ProfileName.BALANCED).on(device, precision)
    models = load_models(profile.analysis.model_settings())
    source, photo = film(folder, models.faces, SHOT_SECONDS, SIZE_PX)
    masked = folder / "masked.mp4"
    result = mask_video(
        source,
        masked,
        cast=photo,
        profile=profile,
        timeline=folder / "timeline",
        overwrite=True,
        models=models,
        report=report,
    )
    contact_sheet(Timeline(folder / "timeline", result.header), folder / "people.png")
    _write_comparison(folder / "before-after.png", source, masked)
    return {
        "source": str(source),
        "masked": str(masked),
        "people": str(folder / "people.png"),
        "picture": str(folder / "before-after.png"),
        "kept": list(result.kept),
    }


def film(folder: Path, faces: FaceModel, shot_seconds: int, size_px: Size) -> tuple[Path, Path]:
    """Make the sample video, and a photo of the one to keep; returns both files.

    Args:
        folder: gets `source.mp4` and `cast/friend.jpg`.
        faces: finds the one to keep.
        shot_seconds: of each of the two shots.
        size_px: width and height.

    Raises:
        OutputUnwritable: the folder can't be made.
    """
    try:
        (folder / "cast").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"the demo can't write to {folder} ({error.strerror})", "Choose another folder with -o."
        ) from error
    group = load_photo(group_photo())
    source, photo = folder / "source.mp4", folder / "cast" / "friend.jpg"
    cv2.imwrite(str(photo), _portrait(group, faces)[:, :, ::-1])
    _write_video(source, group, shot_seconds, size_px)
    return source, photo


def _portrait(group: NDArray[np.uint8], faces: FaceModel) -> NDArray[np.uint8]:
    """The kept person's photo: mirrored and brighter, so that it is not simply the video."""
    found = sorted(faces.detect(group), key=lambda face: face.box[0])
    x0, y0, x1, y1 = found[min(KEPT_FACE, len(found) - 1)].box
    margin = 0.35 * (y1 - y0)
    height, width = group.shape[:2]
    crop = group[
        max(0, round(y0 - margin)) : min(height, round(y1 + margin)),
        max(0, round(x0 - margin)) : min(width, round(x1 + margin)),
    ]
    return np.asarray(cv2.convertScaleAbs(crop[:, ::-1], alpha=1.1, beta=10), dtype=np.uint8)


def _write_video(path: Path, group: NDArray[np.uint8], shot_seconds: int, size_px: Size) -> None:
    """Two shots with camera movement, and a tone for sound."""
    height, width = group.shape[:2]
    frames = shot_seconds * FPS
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "20"})
        video.width, video.height = size_px
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(2 * frames):
            share = number % frames / frames
            view = width * (0.9 if number < frames else 0.62)
            x = share * (width - view) if number < frames else (width - view) * (0.55 + 0.2 * share)
            y = (height - view * size_px[1] / size_px[0]) * (0.3 + 0.2 * share)
            scale = size_px[0] / view
            move = np.array([[scale, 0, -x * scale], [0, scale, -y * scale]], dtype=np.float64)
            picture = cv2.warpAffine(group, move, size_px, flags=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture, dtype=np.uint8), format="rgb24")
            container.mux(video.encode(frame))
            container.mux(audio.encode(_tone(number)))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _tone(number: int) -> av.AudioFrame:
    """The sound of one frame: a quiet A, float32 mono at 48 kHz."""
    count = 48000 // FPS
    time = (number * count + np.arange(count)) / 48000
    samples = (0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[np.newaxis]
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, number * count, Fraction(1, 48000)
    return frame


def _write_comparison(path: Path, source: Path, masked: Path) -> None:
    """One frame of each shot, before above after."""
    moments = (SHOT_SECONDS * 0.5, SHOT_SECONDS * 1.6)
    rows = [np.hstack([_frame_at(video, s) for s in moments]) for video in (source, masked)]
    cv2.imwrite(str(path), np.vstack(rows)[:, :, ::-1])


def _frame_at(video: Path, seconds: float) -> NDArray[np.uint8]:
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if frame.time >= seconds:
                return np.asarray(frame.to_ndarray(width=640, height=360, format="rgb24"))
    raise AssertionError(f"{video} ends before {seconds} s")
