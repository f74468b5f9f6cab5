"""Photos of the people to keep: which face will be used, or why none can be."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from anyio import CancelScope, open_file
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bystander.identity.cast import faces_in
from bystander.identity.segments import MIN_IDENTIFYING_QUALITY
from bystander.media.photos import load_photo
from bystander.models.face_model import FaceModel, quality
from bystander.sandbox import examine_photo
from bystander.server.http.callers import caller_of
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    project_url,
    while_project_is_there,
)
from bystander.server.http.downloads import JPEG_ANSWER
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.idempotency import key_described
from bystander.server.http.limits import read_chunks
from bystander.server.http.views import ApiView
from bystander.server.models import Photo, PhotoFace, Problem, Project, new_id
from bystander.server.retention import PHOTOS, remove
from bystander.storage.base import translating_disk_errors

MAX_FACES: Final = 100
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
JOINERS: Final = "\u200c\u200d"
"""Control characters that names are spelled with, in Persian, say."""


def _name(given: str) -> str:
    name = unicodedata.normalize("NFC", given).strip()
    if not 1 <= len(name) <= 80 or any(map(_controls, name)) or not name.strip(JOINERS):
        raise ValueError("a name has 1 to 80 characters, and no control characters")
    return name


def _controls(character: str) -> bool:
    kind = unicodedata.category(character)
    return (kind[0] == "C" and character not in JOINERS) or kind in ("Zl", "Zp")


PersonName = Annotated[
    str,
    Field(
        description="whom the photo shows; 1 to 80 characters", examples=["Anna"], max_length=400
    ),
    AfterValidator(_name),
]


class PhotoView(ApiView):
    """A photo as its owner sees it."""

    id: str = Field(examples=["9b1fd1a0c3c94c6bb1b2e0a1f7d24c55"])
    person: str = Field(examples=["Anna"])
    width: int = Field(description="pixels of the stored picture", examples=[1536])
    height: int = Field(description="pixels of the stored picture", examples=[2048])
    faces: tuple[PhotoFace, ...] = Field(description="the largest first")
    chosen: int | None = Field(description="number of the face that will be used", examples=[0])
    problem: Problem | None = Field(description="why none can be, or what would be better")
    picture: str = Field(description="where it is")


class PhotosView(ApiView):
    """The photos of a project."""

    photos: tuple[PhotoView, ...]


class PhotoChange(BaseModel):
    """What is to be changed; what isn't named stays."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"face": 0}]}
    )

    person: PersonName | None = None
    face: int | None = Field(
        None, ge=0, strict=True, description="number of the face that is meant"
    )


router = APIRouter(tags=["photos"])


def current_photo(photo: str, here: CurrentProject, context: CurrentContext) -> Photo:
    """Raises ApiError (404): there is none, or it is of another project."""
    found = context.store.photos.get(here.id, photo)
    if found is None:
        raise ApiError.missing("There is no such photo")
    return found


CurrentPhoto = Annotated[Photo, Depends(current_photo)]


@router.post(
    "/projects/{project}/photos",
    status_code=201,
    summary="Add a photo of somebody to keep",
    dependencies=[Depends(key_described)],
    openapi_extra=BODY,
    responses=responses(408, 409, 413, 507),
)
async def add_photo(
    here: CurrentProject,
    request: Request,
    response: Response,
    context: CurrentContext,
    person: Annotated[PersonName, Query()],
) -> PhotoView:
    """JPEG, PNG, WebP, HEIC, AVIF, BMP or TIFF as the body. It is stored small and
    without its metadata, and deleted when a job of the project ends."""
    parties = caller_of(request).parties(context.settings.limits)
    async with (
        context.uploads.place(*parties),
        # Deleting the project meanwhile takes the folder away, at any moment.
        while_project_is_there(context, here),
    ):
        with translating_disk_errors("receiving the photo"):
            photo = await _receive(context, here, person, request)
    response.headers["Location"] = _url_of(request, photo)
    return _view(request, photo)


@router.get("/projects/{project}/photos", summary="All photos")
def list_photos(here: CurrentProject, request: Request, context: CurrentContext) -> PhotosView:
    """In the order in which they came; none any more when a job has ended."""
    mine = context.store.photos.list(here.id)
    return PhotosView(photos=tuple(_view(request, photo) for photo in mine))


@router.get("/projects/{project}/photos/{photo}", summary="One photo")
def get_photo(found: CurrentPhoto, request: Request) -> PhotoView:
    """The faces in it, and which one will be used."""
    return _view(request, found)


@router.patch(
    "/projects/{project}/photos/{photo}",
    summary="Say whom a photo shows, or which face is meant",
)
def change_photo(
    old: CurrentPhoto, change: PhotoChange, request: Request, context: CurrentContext
) -> PhotoView:
    """Choosing a face settles a photo of several people."""
    new = replace(old, person=change.person or old.person)
    if change.face is not None:
        if change.face >= len(old.faces):
            raise ApiError(422, f"The photo shows {len(old.faces)} faces", "Choose one of them.")
        least = context.models().faces.min_face
        chosen, problem = _judged(old.faces, change.face, least)
        new = replace(new, chosen=chosen, problem=problem)
    if not context.store.photos.update(new):
        raise ApiError.missing("There is no such photo")
    return _view(request, new)


@router.delete("/projects/{project}/photos/{photo}", status_code=204, summary="Delete a photo")
def delete_photo(found: CurrentPhoto, context: CurrentContext) -> None:
    """Its picture and what was found in it, now."""
    _path_of(context, found).unlink(missing_ok=True)
    context.store.photos.delete(found.project, found.id)
    context.store.projects.touch(found.project)  # else it may be empty since long ago


@router.get(
    "/projects/{project}/photos/{photo}/picture",
    summary="The picture as it is stored",
    response_class=Response,
    responses=JPEG_ANSWER,
)
def get_picture(found: CurrentPhoto, context: CurrentContext) -> Response:
    """The boxes of `faces` are in its pixels."""
    try:
        jpeg = _path_of(context, found).read_bytes()
    except FileNotFoundError as error:  # its job has just ended
        raise ApiError.missing("There is no such photo") from error
    return Response(jpeg, media_type="image/jpeg")


def _view(request: Request, photo: Photo) -> PhotoView:
    return PhotoView(
        id=photo.id,
        person=photo.person,
        width=photo.width,
        height=photo.height,
        faces=photo.faces,
        chosen=photo.chosen,
        problem=photo.problem,
        picture=f"{_url_of(request, photo)}/picture",
    )


def _url_of(request: Request, photo: Photo) -> str:
    return f"{project_url(request, photo.project)}/photos/{photo.id}"


def _path_of(context: Context, photo: Photo) -> Path:
    return context.data / PHOTOS / photo.project / f"{photo.id}.jpg"


async def _receive(context: Context, here: Project, person: str, request: Request) -> Photo:
    """Store what a request sends, and take it. Files and the store are waited for in threads."""
    limits = context.settings.limits
    given = await run_sync(_prepare, context, here)
    try:
        async with await open_file(given, "xb", opener=_private) as file:
            async for chunk in read_chunks(request, limits.photo_bytes, limits.body_seconds):
                await file.write(chunk)
        return await run_sync(_take, context, here, person, given, limiter=context.photo_limiter)
    finally:
        with CancelScope(shield=True):  # also when the server ends: nothing is left behind
            await run_sync(_clear, context, here, given)


def _prepare(context: Context, here: Project) -> Path:
    """Where to write a photo that may be added.

    Raises:
        ApiError: a job is at work, or there are enough photos. OutputUnwritable: no room.
    """
    limits = context.settings.limits
    if context.store.jobs.active(here.id):
        raise ApiError(
            409, "A job is at work already", "Add photos before it is started.", code="busy"
        )
    if len(context.store.photos.list(here.id)) >= limits.photos:
        raise ApiError(
            409,
            f"There are {limits.photos} photos already",
            "Delete some.",
            code="too-many-photos",
        )
    context.janitor.room_for(limits.photo_bytes)
    folder = context.data / PHOTOS / here.id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{new_id()}.part"


def _take(context: Context, project: Project, person: str, given: Path) -> Photo:
    """Examine a file, and add it as a photo."""
    number = new_id()
    target = given.with_name(f"{number}.jpg")
    try:
        facts = examine_photo(given, context.settings.limits, target)
        found = _looked_at(target, context.models().faces)
        photo = Photo(number, project.id, person, facts.width, facts.height, *found)
        if not context.store.photos.add(photo):
            raise ApiError.missing("There is no such project")
    except BaseException:
        target.unlink(missing_ok=True)  # nobody would know that it is there
        raise
    context.store.projects.touch(project.id)
    return photo


def _clear(context: Context, here: Project, given: Path) -> None:
    """Delete the file as it was sent; all of them if the project was deleted meanwhile."""
    given.unlink(missing_ok=True)
    if context.store.projects.find(here.id) is None:
        remove(given.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _looked_at(
    path: Path, model: FaceModel
) -> tuple[tuple[PhotoFace, ...], int | None, Problem | None]:
    """The faces of a stored picture, which one is meant, and what is wrong."""
    found = faces_in(load_photo(path), model)
    faces = tuple(
        PhotoFace(found.box(face), round(quality(face, found.image), 3))
        for face in found.faces[:MAX_FACES]
    )
    if not faces:
        return faces, None, Problem(
            "NoFaceFound",
            "No face was found in this photo",
            "Use one that shows the person's face from the front, well lit.",
        )  # fmt: skip
    if found.crowded:
        return faces, None, Problem(
            "AmbiguousFace",
            f"This photo shows {len(faces)} faces and none stands out",
            "Say which face is meant, or crop the photo.",
        )  # fmt: skip
    return faces, *_judged(faces, 0, model.min_face)


def _judged(
    faces: tuple[PhotoFace, ...], chosen: int, min_face: int
) -> tuple[int | None, Problem | None]:
    """The face as chosen, if it can be used, and what would be better.

    Args:
        min_face: width in pixels below which comparing faces is guesswork.
    """
    face = faces[chosen]
    width = face.box[2] - face.box[0]
    if width < min_face:
        return None, Problem(
            "FaceTooSmall",
            f"The face is {width:.0f} pixels wide, too small to tell people apart",
            f"Use a photo in which it is at least {2 * min_face} pixels wide.",
        )
    if face.quality < MIN_IDENTIFYING_QUALITY:
        return chosen, Problem(
            "PoorFace",
            "The face is blurred, dark or turned away: the person may not be recognised",
            "Add a sharp photo from the front.",
        )
    return chosen, None
