"""The data set that training reads: one folder in Ultralytics' YOLO segmentation format.

data.yaml                   what Ultralytics opens
manifest.jsonl              where each picture is from, one per line
images/{train,val}/         the sources' files, byte for byte
labels/{train,val}/         a line per person: class 0, then the corners from 0 to 1
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bystander.errors import OutputExists, OutputUnwritable
from training.errors import DataError
from training.labels import line as label_line
from training.labels import ring
from training.pictures import Picture, Split
from training.sources.images import IMAGE_SUFFIXES

MANIFEST = "manifest.jsonl"
DATA = "data.yaml"

# No `path`: Ultralytics then starts from the file's own folder, which so can be moved.
_DATA_YAML = """\
train: images/train
val: images/val
nc: 1
names:
  0: person
"""
_JPEG = frozenset((".jpg", ".jpeg"))
_JPEG_END = b"\xff\xd9"


class ManifestLine(BaseModel):
    """One picture of the data set, and where it is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="of the image, relative to the data set")
    source: str
    key: str = Field(description="of the picture in the mix")
    licence: str
    url: str | None
    sha256: str = Field(description="of the image file")
    width: int
    height: int
    split: Split
    people: int = Field(description="with a label")
    boxes: int = Field(description="of those, people whose label is only a box")
    crowds: int = Field(description="without a label, as its people aren't told apart")
    empty: int = Field(description="annotations without any area in the picture, not labelled")


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What a data set holds; pictures and people by split.

    Attributes:
        boxes: people whose label is only a box.
        crowds, empty: annotations that were left out of the labels.
    """

    folder: Path
    pictures: dict[Split, int]
    people: dict[Split, int]
    boxes: int
    crowds: int
    empty: int


def build(pictures: Iterable[Picture], folder: Path) -> DatasetSummary:
    """Write `pictures` as a data set to `folder`, replacing one that was built before.

    It is built beside `folder`, which is untouched until everything is written. Image
    files are linked where possible: `folder` then takes no space for them.

    Raises:
        OutputExists: `folder` holds something else than a data set of ours.
        OutputUnwritable: there can't be such a folder.
        DataError: there is no picture; one of them is missing, of unknown size or of a
            kind that Ultralytics doesn't read; or two have the same key.
    """
    if folder.exists() and not _replaceable(folder):
        raise OutputExists(
            f"{folder} exists, and isn't a data set that was built here",
            "Name another folder, or move this one away.",
        )
    with _beside(folder) as new:
        for split in get_args(Split):
            (new / "images" / split).mkdir(parents=True)
            (new / "labels" / split).mkdir(parents=True)
        (new / DATA).write_text(_DATA_YAML, encoding="utf-8")
        with (new / MANIFEST).open("w", encoding="utf-8") as manifest:
            summary = _summary(_written(pictures, new, manifest), folder)
        if not sum(summary.pictures.values()):
            raise DataError(
                f"there is no picture for the data set {folder}",
                "Check the recipe's sources, and what cleaning removed.",
            )
    return summary


def read_manifest(folder: Path) -> list[ManifestLine]:
    """Where each picture of the data set in `folder` is from.

    Raises:
        DataError: it has no manifest, or a damaged one; the message names the line.
    """
    path = folder / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{folder} is not a data set that was built here: can't read {path}",
            "Build the data set first.",
        ) from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(ManifestLine.model_validate_json(line))
        except ValidationError as error:
            raise DataError(
                f"{path}, line {number} is damaged", "Build the data set again."
            ) from error
    return found


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))


def _written(pictures: Iterable[Picture], folder: Path, manifest: TextIO) -> Iterator[ManifestLine]:
    for picture in pictures:
        try:
            line = _write(picture, folder)
            manifest.write(line.model_dump_json() + "\n")
        except OSError as error:
            raise DataError(
                f"can't put the picture {picture.path} into the data set: {error.strerror}",
                "Clean the pictures first, and check the free space.",
            ) from error
        yield line


def _summary(lines: Iterable[ManifestLine], folder: Path) -> DatasetSummary:
    pictures: dict[Split, int] = {"train": 0, "val": 0}
    people: dict[Split, int] = {"train": 0, "val": 0}
    boxes = crowds = empty = 0
    for line in lines:
        pictures[line.split] += 1
        people[line.split] += line.people
        boxes += line.boxes
        crowds += line.crowds
        empty += line.empty
    return DatasetSummary(folder, pictures, people, boxes, crowds, empty)


def _write(picture: Picture, folder: Path) -> ManifestLine:
    """Write the image and the label of `picture`."""
    _check(picture)
    name = _name(picture)
    if any((folder / "labels" / split / f"{name}.txt").exists() for split in get_args(Split)):
        raise DataError(
            f"two pictures have the key {picture.key}",
            "Give the sources of the recipe different names.",
        )
    file = f"images/{picture.split}/{name}{picture.path.suffix.lower()}"
    sha256 = _place(picture, folder / file)
    single = [person for person in picture.people if not person.crowd]
    rings = [(person, ring(person, picture.width, picture.height)) for person in single]
    seen = [(person, corners) for person, corners in rings if corners is not None]
    label = "".join(label_line(corners, picture.width, picture.height) for _, corners in seen)
    (folder / "labels" / picture.split / f"{name}.txt").write_text(label, encoding="ascii")
    return ManifestLine(
        file=file,
        source=picture.source,
        key=picture.key,
        licence=picture.licence,
        url=picture.url,
        sha256=sha256,
        width=picture.width,
        height=picture.height,
        split=picture.split,
        people=len(seen),
        boxes=sum(not person.polygons for person, _ in seen),
        crowds=len(picture.people) - len(single),
        empty=len(single) - len(seen),
    )


def _check(picture: Picture) -> None:
    if picture.width < 1 or picture.height < 1:
        raise DataError(
            f"the size of the picture {picture.path} is unknown", "Clean the pictures first."
        )
    if picture.path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DataError(
            f"{picture.path} has no name of an image that Ultralytics reads",
            f"Convert it to one of {', '.join(sorted(IMAGE_SUFFIXES))}.",
        )


def _name(picture: Picture) -> str:
    """A file name that only this key has, and that tells people what it is."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", picture.path.stem).strip("-")[:80]
    distinct = hashlib.sha256(picture.key.encode()).hexdigest()[:8]
    return f"{picture.source}-{readable}-{distinct}"


def _place(picture: Picture, target: Path) -> str:
    """Put the image file at `target`; returns its SHA-256."""
    content = picture.path.read_bytes()
    # A JPEG without its end is "restored" in place by some releases of Ultralytics: a
    # link would let it write into the source.
    intact = target.suffix not in _JPEG or content.endswith(_JPEG_END)
    if not intact or not _linked(picture.path, target):
        target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        return False
    return True


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder that becomes `folder` at the end, or is removed on an error."""
    new = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    old = new.with_suffix(".old")
    try:
        new.mkdir(parents=True)
    except OSError as error:
        raise OutputUnwritable(
            f"can't write the data set {folder}: {error.strerror}", "Name another folder."
        ) from error
    try:
        yield new
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
