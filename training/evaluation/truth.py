"""Test sets: pictures at analysis size with the true silhouettes of the people in them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as coco_masks

from bystander.geometry.masks import Bits, Mask
from bystander.geometry.types import Box
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models.segmenter import analysis_size
from training.errors import DataError, InvalidAnnotation

Rgb = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""

Ids = NDArray[np.uint8]
"""uint8 [H, W]: the number of the person each pixel belongs to, 0 for nobody."""

Occlusion = Literal["clear", "half-hidden", "hidden", "apart", "overlapped"]
"""By the visible share of the body where that is known: over 0.65, between, under 0.35.
Elsewhere by whether other people's boxes cover 0.3 of the person's own."""

CLEAR, HIDDEN = 0.65, 0.35
OVERLAPPED = 0.3

_ALIKE = 6  # frames: less than half a second


@dataclass(frozen=True, slots=True, eq=False)
class TruePerson:
    mask: Mask
    occlusion: Occlusion


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One picture and what is truly in it.

    Attributes:
        name: of the file or frame.
        rgb: at analysis size.
        people: with at least one visible pixel each.
        crowds: regions full of people who aren't told apart: nothing is asked of them.
        boxes: of people of whom nothing else is known, hidden parts included.
    """

    name: str
    rgb: Rgb
    people: tuple[TruePerson, ...]
    crowds: tuple[Mask, ...] = ()
    boxes: tuple[Box, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


@dataclass(frozen=True, slots=True)
class TestSet:
    """Scenes that are read anew each time, so that few are in memory at once.

    Attributes:
        name: heads its rows in the table.
        count: number of scenes.
        files: those that its truth is in.
        scenes: reads them, always in the same order.
        alike: how many scenes in a row show much the same: 1, or more in a clip.
    """

    name: str
    count: int
    files: tuple[Path, ...]
    scenes: Callable[[], Iterator[Scene]]
    alike: int = 1


def coco_set(annotations: Path, folder: Path, exclude: Collection[str] = ()) -> TestSet:
    """People annotated in COCO's format, crowds as regions to ignore; some by a box alone.

    Args:
        annotations: the JSON file; category 1 is person.
        folder: its images.
        exclude: file names of images to leave out.

    Raises:
        DataError: the JSON can't be read; later, an image can't.
        InvalidAnnotation: it isn't in COCO's format.
    """
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        images: list[dict[str, Any]] = [
            image for image in content["images"] if image["file_name"] not in exclude
        ]
        by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            if annotation["category_id"] == 1:
                by_image[annotation["image_id"]].append(annotation)
    except OSError as error:
        raise _unreadable(annotations, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidAnnotation(
            f"{annotations} isn't in COCO's format: {error!r}", "Get it again."
        ) from error

    def scenes() -> Iterator[Scene]:
        for image in images:
            yield _coco_scene(folder / image["file_name"], by_image[image["id"]])

    name = folder.parent.name if folder.name == "images" else folder.name
    return TestSet(name, len(images), (annotations,), scenes)


def crowd_set(folder: Path) -> TestSet:
    """Composed crowds: `images/NAME.jpg`, `persons/NAME.png` and `people.jsonl`.

    A pixel of the PNG is the id of its person, and the list gives the visible share of
    each person's body.

    Raises:
        DataError: the list can't be read; later, a picture can't.
        InvalidAnnotation: a line of the list isn't what it should be.
    """
    listing = folder / "people.jsonl"
    shares: dict[str, dict[int, float]] = {}
    try:
        for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                entry = json.loads(line)
                people = {int(p["id"]): float(p["visible"]) for p in entry["people"]}
                shares[str(entry["image"])] = people
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidAnnotation(
                    f"line {number} of {listing} doesn't list an image's people: {error!r}",
                    "Compose the crowds again.",
                ) from error
    except OSError as error:
        raise _unreadable(listing, error) from error

    def scenes() -> Iterator[Scene]:
        for name, visible in shares.items():
            ids = _read_ids(folder / "persons" / f"{Path(name).stem}.png")
            rgb = at_analysis_size(_read_rgb(folder / "images" / name))
            yield Scene(name, rgb, people_in(ids, rgb.shape[:2], visible))

    return TestSet(folder.name, len(shares), (listing,), scenes)


def clip_set(folder: Path) -> TestSet:
    """A video of which every frame's people are marked: `video.*`, `persons/%05d.png`.

    `keep/%05d.png` instead marks one person: of the others nothing is asked.

    Raises:
        DataError: there is no video or no PNG; later, a PNG can't be read.
    """
    videos = sorted(folder.glob("video.*"))
    everybody = sorted((folder / "persons").glob("*.png"))
    truths = everybody or sorted((folder / "keep").glob("*.png"))
    if not videos or not truths:
        raise DataError(
            f"{folder} is no marked clip", "It needs video.* and persons/00000.png and so on."
        )
    scenes = partial(_frames, videos[0], truths, bool(everybody))
    return TestSet(folder.name, len(truths), (videos[0], *truths), scenes, alike=_ALIKE)


def at_analysis_size(rgb: Rgb) -> Rgb:
    """`rgb` scaled as the product scales what it analyses."""
    height, width = rgb.shape[:2]
    size = analysis_size(width, height)
    # Area interpolation is for shrinking: when enlarging it repeats pixels.
    method = cv2.INTER_AREA if size[0] <= width else cv2.INTER_LINEAR
    return cv2.resize(rgb, size, interpolation=method).astype(np.uint8, copy=False)


def people_in(
    ids: Ids, shape: tuple[int, ...], visible: Mapping[int, float] | None = None
) -> tuple[TruePerson, ...]:
    """The people of an id map, brought to the grid `shape` (H, W).

    Args:
        visible: share of each person's body that can be seen, by id; None if unknown.
    """
    scaled = _resized(ids, (shape[1], shape[0]))
    numbers = [int(number) for number in np.unique(scaled) if number]
    masks = [Mask.from_frame(scaled == number) for number in numbers]
    if visible is None:
        return _by_overlap(masks)
    return tuple(
        TruePerson(mask, _by_share(visible.get(number, 1.0)))
        for number, mask in zip(numbers, masks, strict=True)
    )


def _by_share(visible: float) -> Occlusion:
    if visible < HIDDEN:
        return "hidden"
    return "half-hidden" if visible <= CLEAR else "clear"


def _by_overlap(masks: list[Mask]) -> tuple[TruePerson, ...]:
    people = []
    for mask in masks:
        x0, y0, x1, y1 = mask.box
        others = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        for other in masks:
            if other is not mask:
                left, top, right, bottom = other.box
                columns = slice(max(left - x0, 0), max(right - x0, 0))
                others[max(top - y0, 0) : max(bottom - y0, 0), columns] = True
        overlapped = others.mean() >= OVERLAPPED
        people.append(TruePerson(mask, "overlapped" if overlapped else "apart"))
    return tuple(people)


def _coco_scene(path: Path, annotations: Iterable[Mapping[str, Any]]) -> Scene:
    picture = _read_rgb(path)
    rgb = at_analysis_size(picture)
    height, width = picture.shape[:2]
    people: list[Mask] = []
    crowds: list[Mask] = []
    boxes: list[Box] = []
    for annotation in annotations:
        if "segmentation" not in annotation:
            boxes.append(_scaled(annotation, rgb.shape[1] / width, path))
            continue
        bits = _rasterised(annotation, (height, width), rgb.shape[:2], path)
        (crowds if annotation.get("iscrowd") else people).append(Mask.from_frame(bits))
    visible = [mask for mask in people if mask.area]
    seen_crowds = tuple(mask for mask in crowds if mask.area)
    return Scene(path.name, rgb, _by_overlap(visible), seen_crowds, tuple(boxes))


def _scaled(annotation: Mapping[str, Any], scale: float, path: Path) -> Box:
    try:
        x, y, width, height = (scale * float(value) for value in annotation["bbox"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidAnnotation(
            f"annotation {annotation.get('id')} in {path} has neither silhouette nor box: "
            f"{error!r}",
            "Leave the annotation out, or mark it again.",
        ) from error
    return x, y, x + width, y + height


def _rasterised(
    annotation: Mapping[str, Any], source: tuple[int, int], grid: tuple[int, ...], path: Path
) -> Bits:
    """One COCO silhouette as bool [H, W] on `grid`; its coordinates are in a `source` (H, W)."""
    shape = annotation.get("segmentation")
    try:
        if isinstance(shape, dict):
            counts = shape["counts"]
            coded = coco_masks.frPyObjects(shape, *source) if isinstance(counts, list) else shape
            bits = coco_masks.decode(coded)
            size = grid[1], grid[0]
            return _resized(bits, size).astype(bool)
        scale = np.array([grid[1] / source[1], grid[0] / source[0]])
        if not shape:
            return np.zeros(grid, dtype=bool)
        parts = [(np.reshape(part, (-1, 2)) * scale).ravel().tolist() for part in shape]
        coded = coco_masks.merge(coco_masks.frPyObjects(parts, grid[0], grid[1]))
        return np.asarray(coco_masks.decode(coded), dtype=bool)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidAnnotation(
            f"the segmentation of annotation {annotation.get('id')} in {path} isn't COCO's: "
            f"{error!r}",
            "Leave the annotation out, or mark it again.",
        ) from error


def _resized(ids: Ids, size: tuple[int, int]) -> Ids:
    """`ids` at `size` (W, H) without mixing neighbours: each pixel is the nearest one's."""
    scaled = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return scaled.astype(np.uint8, copy=False)


def _frames(video: Path, truths: list[Path], everybody: bool) -> Iterator[Scene]:
    info = probe(video)
    with VideoReader(video, info) as reader:
        for frame, truth in zip_longest(reader, truths):
            if frame is None or truth is None:
                raise InvalidAnnotation(
                    f"{video} has another number of frames than its truth, {len(truths)}",
                    "There must be one PNG a frame.",
                )
            ids = _read_ids(truth)
            rgb = frame.rgb(analysis_size(ids.shape[1], ids.shape[0]))
            others = () if everybody else (Mask(0, 0, np.ones(rgb.shape[:2], dtype=bool)),)
            yield Scene(f"frame {frame.index}", rgb, people_in(ids, rgb.shape[:2]), others)


def _read_rgb(path: Path) -> Rgb:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise _unreadable(path, error) from error


def _read_ids(path: Path) -> Ids:
    # Not OpenCV: of a PNG with a palette it gives the colours.
    try:
        with Image.open(path) as image:
            ids = np.asarray(image)
    except (OSError, UnidentifiedImageError) as error:
        raise _unreadable(path, error) from error
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise InvalidAnnotation(
            f"{path} is no map of ids: {ids.dtype} of the shape {ids.shape}",
            "It must be a PNG of one channel, 8 bits a pixel.",
        )
    return ids


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"can't read {path}: {error}", "Check the path, or make the test set again.")
