"""Photos of the people to keep -> references that faces are recognised by: the cast."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import AmbiguousFace, FaceTooSmall, NoFaceFound, UnreadablePhoto
from bystander.files import StrPath, exists, is_file
from bystander.geometry.instances import Face, box_iou
from bystander.geometry.types import Box
from bystander.media.photos import PHOTO_FORMATS, load_photo, photo_files
from bystander.models.face_model import FaceModel, quality

log = logging.getLogger(__name__)

MIN_AMBIGUOUS_SIZE_RATIO: Final = 0.75
"""A second face at least this large against the largest makes a photo ambiguous."""

# A face that fills the photo is larger than detectors expect: a border and smaller
# copies bring it back into their range. The last copy is enlarged where the photo is smaller:
# CenterFace finds 3 of 30 faces 24 pixels high that fill theirs as it is, all 30 enlarged.
BORDER_SHARE: Final = 0.25
LONG_SIDES_PX: Final = (1280, 640, 320)
MIN_SAME_FACE_IOU: Final = 0.3
"""Intersection over union from which two boxes are of one face."""

Reference = tuple[NDArray[np.float32], float]
"""A photo's embedding, float32 [D] of length 1, and the face's quality, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class CastMember:
    """One person to keep.

    Attributes:
        name: shown in reports.
        references: float32 [R, D], one L2-normalised embedding a photo; independent
            exemplars, never averaged.
        quality: of the poorest reference, 0 to 1, see `models.face_model.quality`; 0 if unknown.
    """

    name: str
    references: NDArray[np.float32]
    quality: float = 0.0

    def similarity(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine similarity to the nearest reference: float32 [N] for [N, D]."""
        return np.asarray((embeddings @ self.references.T).max(axis=1), dtype=np.float32)


Cast = StrPath | Sequence[StrPath | CastMember] | Mapping[str, StrPath | Sequence[StrPath]]
"""The people to keep: photos and folders, by name where they are given one. A folder of photos
is one person, a folder of folders is one person a folder; who has no name is called as their
folder or file."""


def load_cast(cast: Cast, faces: FaceModel) -> tuple[CastMember, ...]:
    """Read the people to keep.

    Args:
        cast: photos and folders, see `Cast`; members that were read before stay as they are.
        faces: finds and embeds the faces.

    Raises:
        UnreadablePhoto: a path doesn't exist, or holds no picture that can be read.
        NoFaceFound: a photo without a face.
        FaceTooSmall: a photo whose face is narrower than `faces.min_face` pixels.
        AmbiguousFace: a photo with several equally large faces.
    """
    references: dict[str, list[Reference]] = {}
    files: dict[str, list[Path]] = {}
    for name, photos in _photos_of(cast):
        references.setdefault(name, []).extend(_reference(photo, faces) for photo in photos)
        files.setdefault(name, []).extend(photos)
    members = tuple(_member(name, those) for name, those in references.items())
    for one, other, (mine, theirs) in similar_members(members, faces.thresholds.same):
        log.warning(
            "%s and %s look like one person (%s, %s), who is kept under one of the names only; "
            "put the photos of one person in one folder",
            *(one.name, other.name, files[one.name][mine], files[other.name][theirs]),
        )
    if isinstance(cast, (str, os.PathLike, Mapping)):
        return members
    return (*(one for one in cast if isinstance(one, CastMember)), *members)


def is_read(cast: Cast) -> bool:
    """Whether there is no photo to be read among `cast`."""
    if isinstance(cast, (str, os.PathLike)):
        return False
    return all(isinstance(one, CastMember) for one in cast)


def unrecognised(
    members: Sequence[CastMember], recognised: Collection[str], same: float
) -> Iterator[str]:
    """A sentence about each of the cast whom an analysis didn't find, for whoever gave photos.

    Args:
        recognised: names of those whom it found.
        same: see `similar_members`.
    """
    twins = {
        (a.name, b.name)
        for one, other, _ in similar_members(members, same)
        for a, b in ((one, other), (other, one))
    }
    for member in members:
        same_person = sorted(name for name in recognised if (member.name, name) in twins)
        if member.name in recognised:
            continue
        if same_person:
            found = " and ".join(same_person)
            yield f"{member.name} was found as {found}: the photos show one person."
        else:
            yield (
                f"{member.name} was not recognised anywhere and is masked. More photos, or "
                "--keep-at, may help; 'bystander people' shows everyone who was found."
            )


def similar_members(
    members: Sequence[CastMember], same: float
) -> list[tuple[CastMember, CastMember, tuple[int, int]]]:
    """Pairs of people who, by their photos, are one: given twice, or hard to tell apart.

    Args:
        members: the cast.
        same: the cosine similarity from which two faces are one person's.

    Returns:
        Each pair, with the numbers of the references of both that are the most alike.
    """
    found = []
    for one, other in combinations(members, 2):
        similarity = one.references @ other.references.T
        row, column = np.unravel_index(int(similarity.argmax()), similarity.shape)
        if similarity[row, column] >= same:
            found.append((one, other, (int(row), int(column))))
    return found


def _photos_of(cast: Cast) -> Iterator[tuple[str, list[Path]]]:
    """Every person's name with photos of theirs; a name may come again."""
    if isinstance(cast, (str, os.PathLike)):
        cast = [cast]
    if not isinstance(cast, Mapping):
        for one in cast:
            if not isinstance(one, CastMember):
                yield from _people_in(Path(one))
        return
    for name, given in cast.items():
        paths = [given] if isinstance(given, (str, os.PathLike)) else given
        for path in paths:
            for _, photos in _people_in(Path(path)):
                yield name, photos


def _people_in(path: Path) -> Iterable[tuple[str, list[Path]]]:
    if is_file(path):
        yield path.stem, [path]
        return
    if not exists(path) or not path.is_dir():
        raise UnreadablePhoto(f"{path} does not exist", "Give a photo or a folder of photos.")
    folders = sorted(
        entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    found = False
    for folder in folders or [path]:
        photos = photo_files(folder)
        if photos:
            found = True
            yield folder.resolve().name, photos
    if not found:
        raise UnreadablePhoto(
            f"{path} holds no photos",
            f"Put photos of the person in it: {PHOTO_FORMATS} are read.",
        )


def member_of(name: str, photos: Sequence[tuple[Path, Box]], faces: FaceModel) -> CastMember:
    """Somebody to keep, by photos in which somebody has said which face is meant.

    Args:
        photos: files, each with the box of a face in pixels of the upright picture.

    Raises:
        UnreadablePhoto: a file can't be read.
        NoFaceFound: there is no face where one is said to be.
    """
    return _member(name, [_meant(photo, box, faces) for photo, box in photos])


def _member(name: str, references: Sequence[Reference]) -> CastMember:
    worst = min(quality for _, quality in references)
    return CastMember(name, np.stack([embedding for embedding, _ in references]), worst)


def _meant(photo: Path, box: Box, faces: FaceModel) -> Reference:
    found = faces_in(load_photo(photo), faces)
    overlaps = [box_iou(box, found.box(face)) for face in found.faces]
    if max(overlaps, default=0.0) < MIN_SAME_FACE_IOU:
        raise NoFaceFound(
            f"there is no face at {', '.join(f'{side:.0f}' for side in box)} in {photo}",
            "Choose the face again.",
        )
    return _embedded(found.image, found.faces[int(np.argmax(overlaps))], faces)


def _embedded(image: NDArray[np.uint8], face: Face, faces: FaceModel) -> Reference:
    embedding = np.asarray(faces.embed(image, [face])[0], dtype=np.float32)
    return embedding, quality(face, image)


def _reference(photo: Path, faces: FaceModel) -> Reference:
    found, face = _main_face(load_photo(photo), faces, str(photo))
    width = (face.box[2] - face.box[0]) / max(1.0, found.scale)
    if width < faces.min_face:
        raise FaceTooSmall(
            f"the face in {photo} is {width:.0f} pixels wide, too small to tell people apart",
            f"Use a photo in which it is at least {2 * faces.min_face} pixels wide.",
        )
    return _embedded(found.image, face, faces)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFaces:
    """The faces in a photo.

    Attributes:
        image: uint8 [H, W, 3] RGB, the scaled photo with a border that they were found in.
        faces: in pixels of `image`, the largest first.
        scale: pixels of `image` per pixel of the photo.
        border: pixels around the photo in `image`.
    """

    image: NDArray[np.uint8]
    faces: tuple[Face, ...]
    scale: float
    border: int

    def box(self, face: Face) -> Box:
        """The face's box in pixels of the photo."""
        x0, y0, x1, y1 = ((side - self.border) / self.scale for side in face.box)
        return x0, y0, x1, y1

    @property
    def main(self) -> Face | None:
        """The face that the photo is about; None if there is none, or none stands out."""
        if not self.faces or self.crowded:
            return None
        return self.faces[0]

    @property
    def crowded(self) -> bool:
        """There are several faces, and none stands out."""
        heights = [_height(face) for face in self.faces[:2]]
        return len(heights) == 2 and heights[1] >= MIN_AMBIGUOUS_SIZE_RATIO * heights[0]


def faces_in(photo: NDArray[np.uint8], faces: FaceModel) -> PhotoFaces:
    """Every face in a photo.

    Args:
        photo: uint8 [H, W, 3] RGB.
        faces: the detector.
    """
    found = PhotoFaces(photo, (), 1.0, 0)
    for long_side in LONG_SIDES_PX:
        image, scale, border = _prepared(photo, long_side)
        in_it = sorted(faces.detect(image), key=_height, reverse=True)
        if in_it:
            return PhotoFaces(image, tuple(in_it), scale, border)
    return found


def main_face(
    photo: NDArray[np.uint8], faces: FaceModel, label: str
) -> tuple[NDArray[np.uint8], Face]:
    """The one face that a photo is about, and the scaled photo it was found in.

    Args:
        photo: uint8 [H, W, 3] RGB.
        faces: the detector.
        label: names the photo in errors.

    Raises:
        NoFaceFound, AmbiguousFace
    """
    found, face = _main_face(photo, faces, label)
    return found.image, face


def _main_face(photo: NDArray[np.uint8], faces: FaceModel, label: str) -> tuple[PhotoFaces, Face]:
    found = faces_in(photo, faces)
    if found.main is not None:
        return found, found.main
    if found.crowded:
        raise AmbiguousFace(
            f"{label} shows {len(found.faces)} faces and none stands out",
            "Crop it so that only the person to keep is in it.",
        )
    raise NoFaceFound(
        f"no face was found in {label}",
        "Use a photo that shows the person's face from the front, well lit.",
    )


def _prepared(photo: NDArray[np.uint8], long_side: int) -> tuple[NDArray[np.uint8], float, int]:
    """The photo scaled and with a border; pixels of it per pixel of the photo; border."""
    height, width = photo.shape[:2]
    scale = long_side / max(height, width)
    if long_side > LONG_SIDES_PX[-1]:
        scale = min(1.0, scale)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(photo, size, interpolation=way) if scale != 1 else photo
    border = round(BORDER_SHARE * max(size))
    around = cv2.copyMakeBorder(scaled, border, border, border, border, cv2.BORDER_CONSTANT)
    return np.asarray(around, np.uint8), scale, border


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]
