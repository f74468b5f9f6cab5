"""A frame with everyone masked, and the same for single pictures.

The first is a route; the second is for BentoML's own endpoints, where a picture comes as base64
in JSON: BentoML's file fields would also take an address, and fetch it.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Annotated, Any, Final

import av
import cv2
import numpy as np
from anyio.to_thread import run_sync
from av.video.reformatter import ColorRange, Colorspace
from fastapi import APIRouter, Depends, Query, Response
from numpy.typing import NDArray

from bystander.choices import EffectName, ShapeName
from bystander.errors import NotStored, UnreadablePhoto, VideoError
from bystander.geometry.coordinates import display_size
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Mask, encode_runs
from bystander.geometry.types import Rgb
from bystander.media.colour import RgbScaler, to_planar
from bystander.media.photos import load_photo
from bystander.models import Models
from bystander.models.face_model import quality
from bystander.models.segmenter import analysis_size
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.regions import drawn
from bystander.redaction.shapes import covered
from bystander.sandbox import PictureOrder, examine_photo, take_picture
from bystander.server.http.analysis import analysis_of, as_seen
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    ready_video,
    while_it_is_there,
)
from bystander.server.http.downloads import JPEG_ANSWER
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.frame_pictures import picture_of_frame
from bystander.server.http.timelines import TimelineSummary
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import Project
from bystander.server.settings import LimitSettings
from bystander.settings import AnalysisSettings
from bystander.storage import Storage
from bystander.timeline.types import Look
from bystander.tracking.face_assignment import assign_face, detect_faces, head_and_shoulders

MAX_PICTURE_BYTES: Final = 32 * 2**20
"""Of a request with a picture in it."""
LONG_SIDE_PX: Final = 1280
JPEG_QUALITY: Final = 88
"""JPEG's."""
TOLERANCE_SECONDS: Final = 1e-6
"""A frame is shown from a little before its time on."""
MAX_FETCH_BYTES: Final = 2**28
"""Bytes of a video that is fetched from a bucket for one picture."""


class PictureTasks:
    """What can be done with one picture.

    Args:
        models: gives the networks.
        limits: for examining what comes in.
        scratch: a folder for it.
    """

    def __init__(self, models: Callable[[], Models], limits: LimitSettings, scratch: Path) -> None:
        self._models, self._limits, self._scratch = models, limits, scratch
        self._examining = BoundedSemaphore(limits.examined_at_once)
        self._settings = AnalysisSettings()

    def segment(self, image: str) -> list[dict[str, Any]]:
        """Everyone in a picture: box, score, silhouette.

        Args:
            image: base64 of a picture: JPEG, PNG, WebP, HEIC, AVIF, BMP or TIFF.

        Returns:
            For each person `box` (x0, y0, x1, y1) and `score`; `mask` is a silhouette's bitmap:
            its corner `x, y`, `width`, `height`, and the lengths of its runs row by row, the
            first one outside. All in pixels of `size`, width and height, at which was looked.

        Raises:
            PhotoError: it is no picture.
        """
        picture = self._picture(image)
        height, width = picture.shape[:2]
        grid = analysis_size(width, height, self._settings.long_side)
        small = np.asarray(cv2.resize(picture, grid, interpolation=cv2.INTER_AREA), np.uint8)
        [found] = self._models().segmenter.segment([small])
        return [
            {
                "size": grid,
                "box": [float(side) for side in person.box],
                "score": float(person.score),
                "mask": {
                    "x": person.mask.x,
                    "y": person.mask.y,
                    "width": person.mask.bits.shape[1],
                    "height": person.mask.bits.shape[0],
                    "runs": [int(run) for run in encode_runs(person.mask)],
                },
            }
            for person in found
        ]

    def embed(self, image: str) -> list[dict[str, Any]]:
        """Every face in a picture: box, score, quality, and a vector of length 1.

        Args:
            image: base64 of a picture: JPEG, PNG, WebP, HEIC, AVIF, BMP or TIFF.

        Raises:
            PhotoError: it is no picture.
        """
        picture, faces = self._picture(image), self._models().faces
        found = detect_faces(picture, faces, self._settings.face_long_side)
        vectors = faces.embed(picture, found)
        return [
            {
                "box": [float(side) for side in face.box],
                "score": float(face.score),
                "quality": float(quality(face, picture)),
                "embedding": [float(value) for value in vector],
            }
            for face, vector in zip(found, vectors, strict=True)
        ]

    def mask(self, image: str, effect: EffectName) -> str:
        """The picture with everyone masked: base64 of a JPEG.

        Raises:
            PhotoError: it is no picture.
        """
        masked = mask_everyone(
            self._picture(image), self._models(), EffectSettings(name=effect), self._settings
        )
        return base64.b64encode(to_jpeg(masked)).decode()

    def _picture(self, image: str) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] RGB, decoded by the sandbox."""
        try:
            content = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UnreadablePhoto("the picture is no base64", "Encode its file.") from error
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch, prefix="picture-") as folder:
            given, plain = Path(folder) / "given", Path(folder) / "plain.jpg"
            given.write_bytes(content)
            with self._examining:
                examine_photo(given, self._limits, plain)
            return load_photo(plain)


log = logging.getLogger(__name__)

router = APIRouter(tags=["results"])


def _draw(context: Context, project: Project, at: float, effect: EffectSettings) -> bytes:
    with suppress(NotStored):
        summary = context.timelines.summary(project.id, analysis_of(context, project))
        return to_jpeg(_by_verdicts(context, project, summary, at, effect))
    picture = frame_at(context, project, at)
    return to_jpeg(mask_everyone(picture, context.models(), effect, AnalysisSettings()))


def _by_verdicts(
    context: Context,
    project: Project,
    summary: TimelineSummary,
    at: float,
    effect: EffectSettings,
) -> Rgb:
    """A frame of a video that was analysed, as it would be rendered but for masks drawn by hand:
    uint8 [H, W, 3] RGB."""
    begun = summary.times[:-1] - summary.times[0]
    frame = max(0, int(np.searchsorted(begun, at + TOLERANCE_SECONDS, side="right")) - 1)
    jpeg = picture_of_frame(context, project, summary, frame)
    picture = np.asarray(
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB), dtype=np.uint8
    )
    now = as_seen(summary, project)
    with while_it_is_there(context, project):
        analysis = analysis_of(context, project)
        records = context.timelines.frames(project.id, analysis, frame, frame + 1)
    scale = picture.shape[0] / now.header.video.height
    tracklets = {tracklet.id: tracklet for tracklet in now.header.tracklets}
    # Their pictures were sent by strangers: only confined children decode them.
    looks = [replace(look, picture=None) for look in now.header.looks]
    shown = [drawn(record, tracklets, effect) for record in now.records(records)]
    # Where nobody looked, nobody may be seen.
    return _composed(
        picture,
        now.header.grid,
        effect,
        [_scaled(region, scale) for frame in shown for region in frame.regions],
        [mask for frame in shown for mask in frame.kept],
        whole=not shown,
        looks=looks,
    )


def _scaled(region: Region, scale: float) -> Region:
    """In a picture of this size, of that of the video."""
    return replace(region, extent=region.extent * scale, face=region.face and region.face * scale)


def asked_effect(
    effect: EffectName = EffectName.BLUR,
    shape: ShapeName = ShapeName.SILHOUETTE,
    strength: Annotated[float, Query(ge=1, le=8)] = 1.0,
    color: Annotated[str, Query(pattern="^#[0-9a-fA-F]{6}$")] = "#202020",
) -> EffectSettings:
    """What is to be drawn, as a query says it."""
    return EffectSettings(name=effect, shape=shape, strength=strength, color=color)


AskedEffect = Annotated[EffectSettings, Depends(asked_effect)]


@router.get(
    "/projects/{project}/preview",
    summary="How an effect looks",
    response_class=Response,
    responses=JPEG_ANSWER | responses(409),
)
async def preview(
    here: CurrentProject,
    context: CurrentContext,
    effect: AskedEffect,
    at: Annotated[
        float, Query(ge=0, allow_inf_nan=False, description="seconds into the video")
    ] = 0.0,
) -> Response:
    """A picture of the video with everyone in it masked; before it is analysed and anybody is
    known, those to be kept, too. It is the one shown at `at`; where that can't be had at once,
    one near it. Masks that were drawn by hand aren't in it."""
    ready_video(here)
    jpeg = await run_sync(_draw, context, here, at, effect, limiter=context.preview_limiter)
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
    faces = detect_faces(picture, models.faces, settings.face_long_side)
    regions = _regions(found, faces, grid, grid[1] / height, effect.shape)
    return _composed(picture, grid, effect, regions)


def _composed(
    picture: Rgb,
    grid: tuple[int, int],
    effect: EffectSettings,
    regions: Sequence[Region],
    kept: Sequence[Mask] = (),
    *,
    whole: bool = False,
    looks: Sequence[Look] = (),
) -> Rgb:
    """`picture` with the effect over `regions`, or all over: uint8 [H, W, 3] RGB."""
    height, width = picture.shape[:2]
    frame = to_planar(av.VideoFrame.from_ndarray(picture, "rgb24"), "yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    # The sandbox has made its pixels square.
    display = display_size(width, height, 1)
    compositor = Compositor(
        grid, (width, height), display, effect, "yuv420p", "bt709", False, looks
    )
    masked = compositor.apply(frame, regions, kept, whole=whole)
    return RgbScaler().rgb(masked, (width, height))


def _regions(
    found: Sequence[Instance],
    faces: Sequence[Face],
    grid: tuple[int, int],
    scale: float,
    shape: ShapeName,
) -> list[Region]:
    """Everyone, those of whom only the face was found included.

    Args:
        faces: in the picture's pixels.
        scale: grid pixels per pixel of the picture.
        shape: what of them is drawn over.
    """
    heights: dict[int, float] = {}
    alone = []
    for face in faces:
        x0, y0, x1, y1 = (value * scale for value in face.box)
        owner = assign_face((x0, y0, x1, y1), found)
        if owner is None:
            alone.append((head_and_shoulders(face, scale, grid), face.box[3] - face.box[1]))
        else:
            heights[owner] = max(heights.get(owner, 0.0), face.box[3] - face.box[1])
    people = [(instance, heights.get(number)) for number, instance in enumerate(found)]
    return [
        Region(
            instance.mask,
            (instance.box[3] - instance.box[1]) / scale,
            face,
            covered(instance.mask, instance.box, shape, ()),
        )
        for instance, face in (*people, *alone)
    ]


def to_jpeg(picture: Rgb) -> bytes:
    """uint8 [H, W, 3] RGB as a JPEG, its longer side at most `LONG_SIDE_PX`."""
    height, width = picture.shape[:2]
    scale = LONG_SIDE_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, jpeg = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def frame_at(context: Context, project: Project, at: float) -> Rgb:
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
    storage, key = context.storage, f"{project.id}/{VIDEO_FILE}"
    if not storage.fetch_is_cheap and storage.size(key) > MAX_FETCH_BYTES:
        raise VideoError("the video is too large to be fetched for one picture")
    scratch = context.data / "work"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch, prefix="preview-") as folder:
        video, picture = Path(folder) / VIDEO_FILE, Path(folder) / "picture.jpg"
        storage.fetch(key, video)
        order = PictureOrder(seconds=at, longest=LONG_SIDE_PX)
        take_picture(video, context.settings.limits, order, picture)
        return load_photo(picture)


def _poster(storage: Storage, project: Project, at: float) -> Rgb:
    """The poster nearest to `at`: uint8 [H, W, 3] RGB."""
    number, duration = project.video.posters, project.video.ready_facts.duration
    nearest = min(number - 1, int(at / max(duration, 1e-6) * number))
    try:
        jpeg = b"".join(storage.read(f"{project.id}/posters/{nearest}.jpg"))
    except NotStored as error:
        raise ApiError.missing("There is no picture of this video") from error
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ApiError.missing("There is no picture of this video")
    return np.asarray(picture, dtype=np.uint8)
