"""Pictures of a data set in Ultralytics' YOLO format: data.yaml, images/ and labels/.

The format: https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import BaseModel, Field, ValidationError

from bystander.config import describe
from training.errors import DataError, InvalidAnnotation
from training.pictures import Annotation, Picture, Split
from training.sources.base import PERSON, SourceSettings, resolve
from training.sources.images import IMAGE_SUFFIXES, displayed_size

_BOX = 4  # numbers of a line that states centre and size of a box, not corners


class YoloSource(SourceSettings):
    """A folder that Ultralytics could train on, of which the persons are read."""

    kind: Literal["yolo"] = "yolo"
    data: str = Field(description="its data.yaml, which says which pictures are train and val")


class _DataYaml(BaseModel):
    """The part of a data.yaml that is needed; other keys are allowed."""

    path: str | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    names: list[str] | dict[int, str]

    def person(self) -> int | None:
        named = self.names.items() if isinstance(self.names, dict) else enumerate(self.names)
        return next((number for number, name in named if name.casefold() == PERSON), None)


def read_yolo(source: YoloSource, folder: Path) -> Iterator[Picture]:
    """The pictures of `train`, then those of `val`, each sorted by name.

    A picture whose header can't be read has width and height 0.

    Args:
        folder: what the source's relative path is relative to.

    Raises:
        ConfigError: the path holds a variable that isn't set.
        DataError: there is no such file, or it names folders that don't exist.
        InvalidAnnotation: the data.yaml or a label file isn't in this format; the
            message names the line.
    """
    yield from read_data(resolve(source.data, folder), source, source.licence)


def read_data(path: Path, source: SourceSettings, licence: str) -> Iterator[Picture]:
    """The same for the data.yaml at `path`; all its pictures are under `licence`."""
    data = _load(path)
    person = data.person()
    if person is None:
        raise InvalidAnnotation(
            f"{path} has no class {PERSON!r}; its classes: {data.names}",
            "Use a data set in which people are annotated.",
        )
    root = _root(data, path)
    splits: tuple[tuple[Split, str | list[str] | None], ...] = (
        ("train", data.train),
        ("val", data.val),
    )
    for split, places in splits:
        for image in islice(_images(places, root, path), source.limit):
            width, height = displayed_size(image) or (0, 0)
            yield Picture(
                key=f"{source.name}/{Path(os.path.relpath(image, root)).as_posix()}",
                path=image,
                width=width,
                height=height,
                people=tuple(_people(_label_path(image), person, width, height)),
                source=source.name,
                licence=licence,
                split=split,
            )


def _load(path: Path) -> _DataYaml:
    try:
        return _DataYaml.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(
            f"can't read {path}: {error.strerror}",
            "Check the path in the recipe, and that the data set has been downloaded.",
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidAnnotation(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        raise InvalidAnnotation(
            f"{path} is not a data.yaml of Ultralytics: {describe(error)}",
            "It needs train, val and names.",
        ) from error


def _root(data: _DataYaml, path: Path) -> Path:
    # Ultralytics takes a relative `path` from a folder of its own settings; next to the
    # file is where such data sets really lie.
    root = path.parent / (data.path or "")
    return root if root.is_dir() else path.parent


def _images(places: str | list[str] | None, root: Path, data: Path) -> Iterator[Path]:
    """The images in folders, and in text files that list them."""
    for place in [places] if isinstance(places, str) else places or []:
        found = root / place
        if not found.exists() and place.startswith("../"):
            found = root / place.removeprefix("../")  # so Roboflow writes it
        if found.is_dir():
            yield from sorted(p for p in found.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        elif found.is_file():
            for line in found.read_text(encoding="utf-8").split("\n"):
                if line.strip():
                    yield found.parent / line.strip()
        else:
            raise DataError(
                f"{data} names {place}, but there is no {found}",
                "Correct its path, train and val.",
            )


def _label_path(image: Path) -> Path:
    """images/ in the path becomes labels/, the last one if there are several."""
    parts = list(image.parts)
    places = [index for index, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _people(label: Path, person: int, width: int, height: int) -> Iterator[Annotation]:
    try:
        lines = label.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return  # nobody is in the picture
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidAnnotation(f"can't read {label}: {error}") from error
    size = np.array((width, height), dtype=np.float64)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        kind, numbers = _numbers(line, f"{label}, line {number}")
        if kind != person:
            continue
        points = np.array(numbers, dtype=np.float64).reshape(-1, 2) * size
        if len(numbers) == _BOX:
            (x, y), (across, down) = points.tolist()
            box = (x - across / 2, y - down / 2, x + across / 2, y + down / 2)
            yield Annotation(str(number), (), box)
        else:
            yield Annotation(str(number), (points,))


def _numbers(line: str, where: str) -> tuple[int, list[float]]:
    """The class, and an even number of coordinates between 0 and 1."""
    try:
        kind, *numbers = (float(word) for word in line.split())
        if not kind.is_integer():
            raise ValueError(f"the class {kind:g} is not a whole number")
        if len(numbers) % 2:
            raise ValueError(f"{len(numbers)} coordinates, an odd number")
    except ValueError as error:
        raise InvalidAnnotation(f"{where}: {error}", "Repair the line or take it out.") from error
    return int(kind), numbers
