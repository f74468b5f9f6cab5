"""Pictures of a data set in COCO's format: one JSON file, and a folder of images.

The format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from bystander.config import describe
from bystander.geometry.types import Box
from training.errors import DataError, InvalidAnnotation
from training.pictures import Annotation, Picture, Polygon, Split
from training.sources.base import PERSON, SourceSettings, resolve
from training.sources.rle import RunLengths, outlines

_ModelT = TypeVar("_ModelT", bound=BaseModel)


class CocoSource(SourceSettings):
    """A file like COCO's `instances_train2017.json`, of which the persons are read."""

    kind: Literal["coco"] = "coco"
    annotations: str = Field(description="the JSON file")
    images: str = Field(description="folder of the images")
    split: Split = Field(default="train", description="what its pictures are for")


class _Category(BaseModel):
    id: int
    name: str


class _Licence(BaseModel):
    id: int
    name: str


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: int = Field(ge=0)
    height: int = Field(ge=0)
    license: int | None = None
    flickr_url: str | None = None
    coco_url: str | None = None


class _Object(BaseModel):
    """One entry of `annotations`. Numbers may be NaN: cleaning judges those."""

    id: int | str
    segmentation: RunLengths | list[list[float]] | None = None
    bbox: Box | None = None
    iscrowd: bool = False


def read_coco(source: CocoSource, folder: Path) -> Iterator[Picture]:
    """The pictures in the order of the file, those without any person included.

    The whole JSON is parsed at once (2 to 3 GB for COCO's train2017).

    Args:
        folder: what the source's relative paths are relative to.

    Raises:
        ConfigError: a path holds a variable that isn't set.
        DataError: there is no such file.
        InvalidAnnotation: it isn't in COCO's format; the message names the annotation.
    """
    path = resolve(source.annotations, folder)
    images = resolve(source.images, folder)
    content = _load(path)
    licences = _licences(content, path)
    people = _people(content, path)
    del content["annotations"]  # in COCO, two thirds of them are of other categories
    for entry in islice(_entries(content, "images", path), source.limit):
        image = _checked(_Image, entry, f"image {entry.get('id')}", path)
        yield Picture(
            key=f"{source.name}/{image.file_name}",
            path=images / image.file_name,
            width=image.width,
            height=image.height,
            people=tuple(_annotation(person, image, path) for person in people.get(image.id, [])),
            source=source.name,
            licence=licences.get(image.license, source.licence),
            split=source.split,
            url=image.flickr_url or image.coco_url,
        )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"can't read the annotations {path}: {error.strerror}",
            "Check the path in the recipe, and that the data set has been downloaded.",
        ) from error
    except ValueError as error:
        raise InvalidAnnotation(f"{path} is not JSON: {error}", "Download it again.") from error
    if not isinstance(content, dict):
        raise _not_coco(path, "it is a list, not an object")
    return content


def _licences(content: Mapping[str, Any], path: Path) -> dict[int | None, str]:
    entries = content.get("licenses") or []
    checked = (_checked(_Licence, entry, "licence", path) for entry in entries)
    return {licence.id: licence.name for licence in checked}


def _people(content: Mapping[str, Any], path: Path) -> dict[int | str, list[dict[str, Any]]]:
    """The unchecked annotations of persons, by the id of their image."""
    categories = [
        _checked(_Category, entry, "category", path)
        for entry in _entries(content, "categories", path)
    ]
    wanted = {category.id for category in categories if category.name.casefold() == PERSON}
    if not wanted:
        names = ", ".join(category.name for category in categories) or "none"
        raise InvalidAnnotation(
            f"{path} has no category {PERSON!r}; its categories: {names}",
            "Use a data set in which people are annotated.",
        )
    found: defaultdict[int | str, list[dict[str, Any]]] = defaultdict(list)
    for entry in _entries(content, "annotations", path):
        try:
            if entry["category_id"] in wanted:
                found[entry["image_id"]].append(entry)
        except (KeyError, TypeError) as error:
            raise InvalidAnnotation(
                f"{path}, annotation {entry.get('id')}: no usable category_id and image_id",
                "Repair the entry or take it out.",
            ) from error
    return found


def _annotation(entry: dict[str, Any], image: _Image, path: Path) -> Annotation:
    if not entry.get("bbox"):
        entry = {**entry, "bbox": None}  # some tools write [] for no box
    where = f"annotation {entry.get('id')}"
    person = _checked(_Object, entry, where, path)
    return Annotation(
        key=str(person.id),
        polygons=_polygons(person, image, f"{path}, {where}"),
        box=_corners(person.bbox) if person.bbox else None,
        crowd=person.iscrowd,
    )


def _polygons(person: _Object, image: _Image, where: str) -> tuple[Polygon, ...]:
    segmentation = person.segmentation or []
    if isinstance(segmentation, RunLengths):
        if segmentation.size != (image.height, image.width):
            raise InvalidAnnotation(
                f"{where}: its run-length code is of {segmentation.size[1]}x{segmentation.size[0]} "
                f"pixels, its image of {image.width}x{image.height}",
                "Repair the entry or take it out.",
            )
        try:
            return outlines(segmentation.bits())
        except ValueError as error:
            raise InvalidAnnotation(
                f"{where}: {error}", "Repair the entry or take it out."
            ) from error
    if any(len(flat) % 2 for flat in segmentation):
        raise InvalidAnnotation(
            f"{where}: a polygon has an odd number of coordinates",
            "Repair the entry or take it out.",
        )
    return tuple(np.array(flat, dtype=np.float64).reshape(-1, 2) for flat in segmentation)


def _corners(bbox: Box) -> Box:
    x, y, width, height = bbox
    return x, y, x + width, y + height


def _entries(content: Mapping[str, Any], name: str, path: Path) -> Iterator[dict[str, Any]]:
    entries = content.get(name)
    if not isinstance(entries, list):
        raise _not_coco(path, f"it has no list {name!r}")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise _not_coco(path, f"{name}[{index}] is not an object")
        yield entry


def _checked(schema: type[_ModelT], entry: object, where: str, path: Path) -> _ModelT:
    try:
        return schema.model_validate(entry)
    except ValidationError as error:
        raise InvalidAnnotation(
            f"{path}, {where}: {describe(error)}", "Repair the entry or take it out."
        ) from error


def _not_coco(path: Path, why: str) -> InvalidAnnotation:
    return InvalidAnnotation(
        f"{path} is not in COCO's format: {why}", "Use a file like instances_train2017.json."
    )
