"""The images on which a network does worst, drawn so that one sees why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from training.evaluation.metrics import Floats, match
from training.evaluation.networks import Network
from training.evaluation.scores import operating
from training.evaluation.truth import Rgb, Scene, TestSet

FOUND: Final = (40, 200, 60)
MISSED: Final = (230, 40, 40)
FALSE: Final = (250, 220, 40)

_TINT = 0.45
_OUTLINE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """One image and what each network made of it, side by side.

    Attributes:
        rgb: uint8 [H, W, 3] RGB.
        caption: the image's name, and the mistakes of each network from left to right.
    """

    rgb: Rgb
    caption: str


def worst(mistakes: Floats, count: int, apart: int = 1) -> list[int]:
    """Numbers of the images with most mistakes, the worst first; none without any.

    Args:
        mistakes: float64 [N], how many each image has.
        count: of images, at most.
        apart: least distance between two of them, so that a clip doesn't show one moment
            over and over.
    """
    chosen: list[int] = []
    for index in map(int, np.argsort(-mistakes, kind="stable")):
        if len(chosen) == count or mistakes[index] == 0:
            break
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    return chosen


def failures(
    images: TestSet, numbers: Sequence[int], networks: Mapping[str, Network]
) -> list[Failure]:
    """The images `numbers` of a test set, in that order."""
    drawn = {}
    for number, scene in _chosen(images, set(numbers)):
        pictures, captions = [], []
        for name, network in networks.items():
            found = operating(network.product.segment([scene.rgb])[0])
            picture, caption = draw(scene, found)
            pictures.append(picture)
            captions.append(f"{name} {caption}")
        rgb = np.concatenate(pictures, axis=1)
        drawn[number] = Failure(rgb, f"{scene.name}: {'; '.join(captions)}")
    return [drawn[number] for number in numbers]


def draw(scene: Scene, found: Sequence[Instance]) -> tuple[Rgb, str]:
    """`scene` with missed people red, false positives yellow, found people green.

    Of people who are missed and of false positives the whole silhouette is tinted; of
    those found what the network says, and in red what of them it leaves out.

    Returns:
        uint8 [H, W, 3] RGB, and the counts in words.
    """
    people = [person.mask for person in scene.people]
    matching = match(people, scene.crowds, found)
    canvas = scene.rgb.copy()
    for true, index in matching.pairs:
        _tint(canvas, found[index].mask, FOUND)
        _tint(canvas, _rest(people[true], found[index].mask, scene.size), MISSED, outline=False)
    for index in matching.false:
        _tint(canvas, found[index].mask, FALSE)
    for true in matching.missed:
        _tint(canvas, people[true], MISSED)
    found_count, missed, false = map(len, (matching.pairs, matching.missed, matching.false))
    return canvas, f"{found_count} found, {missed} missed, {false} false"


def _chosen(images: TestSet, numbers: Collection[int]) -> Iterator[tuple[int, Scene]]:
    for number, scene in enumerate(images.scenes()):
        if number in numbers:
            yield number, scene


def _rest(person: Mask, found: Mask, size: tuple[int, int]) -> Mask:
    bits = person.on_grid(*size)
    found.clear(bits)
    return Mask.from_frame(bits)


def _tint(canvas: Rgb, mask: Mask, colour: tuple[int, int, int], outline: bool = True) -> None:
    height, width = canvas.shape[:2]
    bits = mask.on_grid(width, height)
    canvas[bits] = ((1 - _TINT) * canvas[bits] + _TINT * np.array(colour)).astype(np.uint8)
    if outline:
        outlines, _ = cv2.findContours(
            bits.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(canvas, outlines, -1, colour, _OUTLINE)
