"""What an effect looks like on this video: one frame of it with everyone masked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import av
import cv2
import numpy as np
from anyio.to_thread import run_sync
from av.video.reformatter import ColorRange, Colorspace
from fastapi import APIRouter, Query, Response

from bystander.api.access import ready_video
from bystander.api.context import Context
from bystander.api.deps import CurrentContext, CurrentProject
from bystander.api.problems import responses
from bystander.api.refusal import Refusal
from bystander.coordinates import display_size
from bystander.errors import NotStored, VideoError
from bystander.instances import Face, Instance
from bystander.jobs.order import VIDEO
from bystander.jobs.storage import Storage
from bystander.jobs.vocabulary import Project
from bystander.media.photos import load_photo
from bystander.media.planes import to_planar
from bystander.media.rgb import Rgb, RgbScaler
from bystander.models import Models
from bystander.models.segmenter import analysis_size
from bystander.people.heads import find_faces, head_and_shoulders, owner_of
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.sandbox import PictureOrder, take_picture
from bystander.settings import AnalysisSettings

log = logging.getLogger(__name__)

LONGEST_SIDE: Final = 1280
QUALITY: Final = 88
"""JPEG's."""
LARGEST_FETCH: Final = 2**28
"""Bytes of a video that is fetched from a bucket for one picture."""


router = APIRouter(tags=["results"])


def _draw(context: Context, project: Project, at: float, effect: EffectSettings) -> bytes:
    picture = _frame(context, project, at)
    return to_jpeg(mask_everyone(picture, context.models(), effect, AnalysisSettings()))


@router.get(
    "/projects/{project}/preview",
    summary="How an effect looks",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **responses(409)},
)
async def preview(
    here: CurrentProject,
    context: CurrentContext,
    at: Annotated[
        float, Query(ge=0, allow_inf_nan=False, description="seconds into the video")
    ] = 0.0,
    effect: EffectName = EffectName.BLUR,
    strength: Annotated[float, Query(ge=1, le=8)] = 1.0,
    color: Annotated[str, Query(pattern="^#[0-9a-fA-F]{6}$")] = "#202020",
) -> Response:
    """A picture of the video with everyone in it masked, those to be kept, too: for choosing
    an effect before anybody is known. It is the one shown at `at`; where that can't be had
    at once, one near it."""
    ready_video(here)
    chosen = EffectSettings(name=effect, strength=strength, color=color)
    jpeg = await run_sync(_draw, context, here, at, chosen, limiter=context.preview_limiter)
    return Response(jpeg, media_type="image/jpeg")


def mask_everyone(
    picture: Rgb, models: Models, effect: EffectSettings, settings: AnalysisSettings
) -> Rgb:
    """`picture` with the effect over everybody who is found in it, drawn as in rendering.

    Args:
        picture: uint8 [H, W, 3] RGB.
        settings: how people are looked for.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    height, width = picture.shape[:2]
    grid = analysis_size(width, height, settings.long_side)
    small = np.asarray(cv2.resize(picture, grid, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    (found,) = models.segmenter.segment([small])
    faces = find_faces(picture, models.faces, settings.face_long_side)
    frame = to_planar(av.VideoFrame.from_ndarray(picture, "rgb24"), "yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    # The sandbox has made its pixels square.
    display = display_size(width, height, 1)
    compositor = Compositor(grid, (width, height), display, effect, "yuv420p", "bt709", False)
    regions = _regions(found, faces, grid, scale=grid[1] / height)
    return RgbScaler().rgb(compositor.apply(frame, regions), (width, height))


def _regions(
    found: Sequence[Instance], faces: Sequence[Face], grid: tuple[int, int], scale: float
) -> list[Region]:
    """Everyone, those of whom only the face was found included.

    Args:
        faces: in the picture's pixels.
        scale: grid pixels per pixel of the picture.
    """
    heights: dict[int, float] = {}
    alone = []
    for face in faces:
        x0, y0, x1, y1 = (value * scale for value in face.box)
        owner = owner_of((x0, y0, x1, y1), found)
        if owner is None:
            alone.append((head_and_shoulders(face, scale, grid), face.box[3] - face.box[1]))
        else:
            heights[owner] = max(heights.get(owner, 0.0), face.box[3] - face.box[1])
    people = [(instance, heights.get(number)) for number, instance in enumerate(found)]
    return [
        Region(instance.mask, (instance.box[3] - instance.box[1]) / scale, face)
        for instance, face in (*people, *alone)
    ]


def to_jpeg(picture: Rgb) -> bytes:
    """uint8 [H, W, 3] RGB as a JPEG, its longer side at most `LONGEST_SIDE`."""
    height, width = picture.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, jpeg = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes()


def _frame(context: Context, project: Project, at: float) -> Rgb:
    """What the video shows `at` so many seconds, or else the poster nearest to it.

    Both are made by the sandbox, so that nothing a stranger sent is decoded here.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    try:
        return _very_frame(context, project, at)
    except (VideoError, NotStored) as error:
        log.debug("a poster is shown instead: %s", type(error).__name__)
        return _poster(context.storage, project, at)


def _very_frame(context: Context, project: Project, at: float) -> Rgb:
    """Raises VideoError: nothing can be decoded there, or not in time."""
    storage, key = context.storage, f"{project.id}/{VIDEO}"
    if not storage.fetch_is_cheap and storage.size(key) > LARGEST_FETCH:
        raise VideoError("the video is too large to be fetched for one picture")
    scratch = context.data / "work"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix="preview-") as folder:
        video, picture = Path(folder) / VIDEO, Path(folder) / "picture.jpg"
        storage.fetch(key, video)
        order = PictureOrder(seconds=at, longest=LONGEST_SIDE)
        take_picture(video, context.settings.limits, order, picture)
        return load_photo(picture)


def _poster(storage: Storage, project: Project, at: float) -> Rgb:
    """The poster nearest to `at`: uint8 [H, W, 3] RGB."""
    number, duration = project.video.posters, float((project.video.facts or {})["duration"])
    nearest = min(number - 1, int(at / max(duration, 1e-6) * number))
    try:
        jpeg = b"".join(storage.read(f"{project.id}/posters/{nearest}.jpg"))
    except NotStored as error:
        raise Refusal.missing("There is no picture of this video") from error
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise Refusal.missing("There is no picture of this video")
    return np.asarray(picture, dtype=np.uint8)
