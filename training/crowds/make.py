"""Making a folder of synthetic crowds, the same from the same seed, and reading it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from bystander.config import Settings
from bystander.geometry.masks import Bits
from bystander.models import Segmenter
from training.cleaning import CleaningSettings
from training.cleaning.duplicates import fingerprint, pairs
from training.crowds.backgrounds import panorama, strips_beside
from training.crowds.compose import Canvas, Hidden, Ids, Scene, clutter, populate
from training.crowds.cutouts import (
    Cutout,
    CutoutFile,
    Rgb,
    cut_out,
    cut_people,
    list_cutouts,
    read_photo,
    read_picture,
)
from training.errors import DataError
from training.pictures import Annotation, Picture, Polygon, Split
from training.sources import Source, read
from training.sources.base import resolve

Part = Literal["train", "val", "test"]
PEOPLE_FILE = "people.jsonl"

_JPEG_QUALITY = 95  # the camera has compressed already
_SPECK = 12  # pixels; smaller pieces of a person make polygons of nothing
_STRIPS = 3  # at most so many places in one panorama


class CrowdSettings(Settings):
    """How many crowds are made, and of what."""

    cutouts: str = Field(
        description="folder with images/ and masks/; ${VARIABLES} of the environment are filled in"
    )
    licence: str = Field(description="of the cutouts, for the manifest")
    limit: int | None = Field(
        default=None, ge=20, description="use only the first cutouts, to try things"
    )
    train: int = Field(default=2500, ge=1, description="pictures to train on")
    val: int = Field(default=100, ge=1, description="pictures to choose settings by")
    test: int = Field(default=200, ge=1, description="pictures that nothing is chosen by")
    sizes: tuple[tuple[int, int], ...] = Field(
        default=((640, 384), (640, 384), (640, 384), (384, 640), (640, 640)),
        description="width, height of the pictures, one drawn for each",
    )
    most_people: int = Field(default=16, ge=1, le=100, description="in one picture")
    annotated: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="share of the training pictures that have an annotated picture as background",
    )
    turned: float = Field(
        default=0.0, ge=0, le=1, description="share of the people who lie or are upside down"
    )
    huddled: float = Field(
        default=0.0, ge=0, le=1, description="share of the pictures in which people hug"
    )
    lifelike: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the people that are cut out of annotated training pictures",
    )
    people: tuple[Source, ...] = Field(
        default=(),
        description="annotated pictures of which only people are cut out, as not everybody in "
        "them is annotated",
    )
    cluttered: float = Field(
        default=0.35, ge=0, le=1, description="share with things in front of people"
    )
    smallest: int = Field(
        default=60, ge=1, description="who shows fewer pixels is not told as a person"
    )
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of people.jsonl."""

    image: str
    people: tuple[Hidden, ...]


_LINE = TypeAdapter(_Line)


def make_crowds(
    settings: CrowdSettings,
    folder: Path,
    segmenter: Segmenter,
    annotated: Sequence[Picture] = (),
) -> dict[Part, Path]:
    """Make the three parts in `folder`; no cutout and no place is in two of them.

    Args:
        segmenter: tells the places that show passers-by, see `strips_beside`.
        annotated: backgrounds for a share of the training pictures; their people stay
            annotated, and are cut out as well. Those with crowds are left out.

    Returns:
        The folder of each part: images/NAME.jpg, persons/NAME.png (uint8, pixel = id of the
        person, 0 nobody) and people.jsonl. A part that is there complete is left as it is.

    Raises:
        DataError: no cutouts, or damaged ones.
        ConfigError: the path of the cutouts names an unset variable.
    """
    parts = _parted(list_cutouts(resolve(settings.cutouts, Path()))[: settings.limit])
    usable = [picture for picture in annotated if not any(p.crowd for p in picture.people)]
    for number, (part, files) in enumerate(parts.items()):
        if (folder / part / PEOPLE_FILE).is_file():
            continue
        rng = np.random.default_rng((settings.seed, number))
        stage = _Stage.of(files, segmenter)
        if part == "train":
            if settings.lifelike:
                shown = [picture for source in settings.people for picture in read(source, Path())]
                stage.invite([*annotated, *shown], settings.lifelike)
            stage.annotated = usable
        count: int = getattr(settings, part)
        _write(folder / part, part, stage.scenes(count, settings, rng))
    return {part: folder / part for part in parts}


def read_crowds(folder: Path, source: str, licence: str, split: Split) -> Iterator[Picture]:
    """The pictures of one part, their people as polygons.

    Raises:
        DataError: a file is absent or damaged.
    """
    for name, people in read_people(folder):
        ids = read_ids(folder / "persons" / f"{Path(name).stem}.png")
        yield Picture(
            key=f"{source}/{folder.name}/{name}",
            path=folder / "images" / name,
            width=ids.shape[1],
            height=ids.shape[0],
            people=tuple(_annotation(person, ids) for person in people),
            source=source,
            licence=licence,
            split=split,
        )


def read_people(folder: Path) -> Iterator[tuple[str, tuple[Hidden, ...]]]:
    """Name of each picture in `folder`, and its people.

    Raises:
        DataError: people.jsonl is absent or damaged.
    """
    path = folder / PEOPLE_FILE
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            parsed = _LINE.validate_json(line)
            yield parsed.image, parsed.people
    except OSError as error:
        raise DataError(f"can't read {path}: {error}", "Make the crowds again.") from error
    except ValidationError as error:
        raise DataError(f"{path}: {error}", "Make the crowds again.") from error


def read_ids(path: Path) -> Ids:
    """uint8 [H, W], whose pixel each is.

    Raises:
        DataError: absent or damaged.
    """
    ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if ids is None or ids.ndim != 2 or ids.dtype != np.uint8:
        raise DataError(f"{path} is no picture of one byte a pixel", "Make the crowds again.")
    return ids.astype(np.uint8, copy=False)


def polygons_of(bits: Bits) -> tuple[Polygon, ...]:
    """The outlines of the pieces of a silhouette, through the centres of its border pixels."""
    outlines, _ = cv2.findContours(
        bits.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1
    )
    pieces = [
        outline[:, 0, :].astype(np.float64) + 0.5
        for outline in outlines
        if cv2.contourArea(outline) >= _SPECK
    ]
    return tuple(piece for piece in pieces if len(piece) >= 3)


def _annotation(person: Hidden, ids: Ids) -> Annotation:
    return Annotation(str(person.id), polygons_of(ids == person.id))


def _parted(files: Sequence[CutoutFile]) -> dict[Part, Sequence[CutoutFile]]:
    """Neighbours in the series may show one person, so that the parts are contiguous.

    A photo that is in an earlier part too is left out.
    """
    first, second = round(len(files) * 0.8), round(len(files) * 0.87)
    part = np.digitize(np.arange(len(files)), [first, second])
    prints = []
    for file in files:
        with Image.open(file.photo) as photo:
            prints.append(fingerprint(photo))
    again = {pair.b for pair in pairs(prints, CleaningSettings()) if part[pair.a] != part[pair.b]}
    chosen = [
        [file for index, file in enumerate(files) if part[index] == number and index not in again]
        for number in range(3)
    ]
    return {"train": chosen[0], "val": chosen[1], "test": chosen[2]}


@dataclass(slots=True, eq=False)
class _Stage:
    """What one part's scenes are made of.

    Attributes:
        cutouts: the people, some several times if they are to be met more often.
        places: of each photo, the strips beside its person.
        annotated: backgrounds whose people stay annotated.
    """

    cutouts: list[Cutout]
    places: list[list[Rgb]]
    annotated: Sequence[Picture] = ()

    @classmethod
    def of(cls, files: Sequence[CutoutFile], segmenter: Segmenter) -> _Stage:
        """Raises: DataError: nothing shows a place without people."""
        cutouts: list[Cutout] = []
        places: list[list[Rgb]] = []
        for file in files:
            rgb, person = read_photo(file)
            if not person.any():
                continue  # some masks of Clothing Co-Parsing are empty
            cutouts.append(cut_out(rgb, person))
            if strips := strips_beside(rgb, person, segmenter):
                places.append(strips)
        if not places:
            raise DataError(f"no place without people among {len(files)} cutouts", "Give more.")
        return cls(cutouts, places)

    def invite(self, pictures: Sequence[Picture], share: float) -> None:
        """Let the people of `pictures` be `share` of all who are met."""
        guests = [cutout for picture in pictures for cutout in cut_people(picture)]
        if guests:
            times = share / (1 - share) * len(self.cutouts) / len(guests)
            self.cutouts += guests * max(1, round(times))

    def scenes(
        self, count: int, settings: CrowdSettings, rng: np.random.Generator
    ) -> Iterator[Scene]:
        for _ in range(count):
            width, height = settings.sizes[int(rng.integers(len(settings.sizes)))]
            place = _place(self.places, width, height, rng)
            if self.annotated and rng.random() < settings.annotated:
                picture = self.annotated[int(rng.integers(len(self.annotated)))]
                canvas = _annotated_canvas(picture, rng)
            else:
                canvas = Canvas(place)
            self._populate(canvas, 1 + int(rng.integers(settings.most_people)), settings, rng)
            if rng.random() < settings.cluttered:
                clutter(canvas, _place(self.places, *canvas.size, rng), rng)
                self._populate(canvas, int(rng.integers(3)), settings, rng)
            yield canvas.scene(rng, settings.smallest)

    def _populate(
        self, canvas: Canvas, people: int, settings: CrowdSettings, rng: np.random.Generator
    ) -> None:
        populate(canvas, self.cutouts, people, rng, settings.turned, settings.huddled)


def _place(places: list[list[Rgb]], width: int, height: int, rng: np.random.Generator) -> Rgb:
    chosen = rng.integers(len(places), size=int(rng.integers(1, _STRIPS + 1)))
    return panorama([strip for i in chosen for strip in places[i]], width, height, rng)


def _annotated_canvas(picture: Picture, rng: np.random.Generator) -> Canvas:
    rgb = read_picture(picture)
    people = [person.bits(rgb.shape[1], rgb.shape[0]) for person in picture.people]
    if rng.random() < 0.5:
        rgb, people = rgb[:, ::-1], [bits[:, ::-1] for bits in people]
    return Canvas(np.ascontiguousarray(rgb), people)


def _write(folder: Path, name: str, scenes: Iterator[Scene]) -> None:
    """people.jsonl comes last: a folder that has it is complete."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("images", "persons"):
        (folder / part).mkdir(parents=True)
    lines = []
    for number, scene in enumerate(scenes):
        file = f"{name}-{number:05d}"
        bgr = cv2.cvtColor(scene.rgb, cv2.COLOR_RGB2BGR)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        cv2.imwrite(str(folder / "images" / f"{file}.jpg"), bgr, quality)
        cv2.imwrite(str(folder / "persons" / f"{file}.png"), scene.ids)
        people = [asdict(person) for person in scene.people]
        lines.append(json.dumps({"image": f"{file}.jpg", "people": people}))
    partial = folder / f"{PEOPLE_FILE}.part"
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(partial, folder / PEOPLE_FILE)
