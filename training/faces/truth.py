"""Who a track shows, where a clip's truth.json says it: the way from a photo to a video.

Tracks label themselves only against their own frames, under one light. A cast photo was
taken at another time, which is what the product compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ValidationError

from bystander.identity.cast import main_face
from bystander.media.photos import load_photo, photo_files
from bystander.models.face_model import FaceModel
from training.errors import DataError
from training.faces.samples import Samples, measure
from training.faces.tracks import Case, FaceTrack

NEAR: Final = 3
"""Frames that a look may be away from a region's frame: a face moves little in a tenth second."""


class _Region(BaseModel):
    frame: int
    box: tuple[float, float, float, float]
    who: str | None = None


class _Truth(BaseModel):
    regions: tuple[_Region, ...] = ()


def cast_cases(
    found: Mapping[Path, Sequence[FaceTrack]], model: FaceModel
) -> tuple[list[Case], list[Case]]:
    """Every track whose person is known with every cast photo of its clip.

    Args:
        found: tracks by clip.

    Returns:
        Cases of the same person, and of different people.

    Raises:
        PhotoError, DataError: see below.
    """
    same: list[Case] = []
    other: list[Case] = []
    for clip, tracks in found.items():
        cast = cast_photos(clip, model)
        for track, name in zip(tracks, names(clip, tracks), strict=True):
            for photo, sample in cast.items() if name else ():
                (same if photo == name else other).append((track, sample.vectors))
    return same, other


def cast_photos(clip: Path, model: FaceModel) -> dict[str, Samples]:
    """One face a name in the clip's `cast` folder, the first photo of each; none without it.

    Raises:
        PhotoError: a photo can't be used.
    """
    found = {}
    for home in sorted((clip / "cast").glob("*/")):
        photo = photo_files(home)[0]
        image, face = main_face(load_photo(photo), model, str(photo))
        found[home.name] = measure(image, [face], model)
    return found


def names(clip: Path, tracks: Sequence[FaceTrack]) -> list[str | None]:
    """Whom each track shows: the person of the regions that its faces lie in at that time.

    None where no region says it, or where they disagree.

    Raises:
        DataError: the clip's truth.json is not of its form.
    """
    path = clip / "truth.json"
    if not path.is_file():
        return [None] * len(tracks)
    try:
        truth = _Truth.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is not a clip's truth: {error}", "Mend or remove it.") from error
    return [_name(track, truth) for track in tracks]


def _name(track: FaceTrack, truth: _Truth) -> str | None:
    told = {
        region.who for region in truth.regions if region.who is not None and _lies_in(track, region)
    }
    return told.pop() if len(told) == 1 else None


def _lies_in(track: FaceTrack, region: _Region) -> bool:
    nearest = int(np.abs(track.frames - region.frame).argmin())
    if abs(int(track.frames[nearest]) - region.frame) > NEAR:
        return False
    x0, y0, x1, y1 = track.boxes[nearest]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top, right, bottom = region.box
    return bool(left <= x < right and top <= y < bottom)
