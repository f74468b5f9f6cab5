"""Made scenes: coloured blocks as people, and segmenters that see their colours.

Blocks are aligned to 16 pixels, so that JPEG keeps their edges.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from training.evaluation.networks import Network
from training.evaluation.truth import Rgb

WIDTH, HEIGHT = 640, 384
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))

Block = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels."""


def block(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask(x0, y0, np.ones((y1 - y0, x1 - x0), dtype=bool))


def picture(blocks: Sequence[Block]) -> tuple[Rgb, NDArray[np.uint8]]:
    """The blocks as people 1 to 3, the later in front: pixels and id map."""
    rgb = np.full((HEIGHT, WIDTH, 3), 60, dtype=np.uint8)
    ids = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(blocks, start=1):
        rgb[y0:y1, x0:x1] = COLOURS[number - 1]
        ids[y0:y1, x0:x1] = number
    return rgb, ids


def write_crowds(folder: Path, pictures: Sequence[Sequence[tuple[Block, float]]]) -> None:
    """A folder of crowds; each person is a block and the visible share that is stated."""
    for name in ("images", "persons"):
        (folder / name).mkdir(parents=True)
    lines = []
    for number, people in enumerate(pictures):
        rgb, ids = picture([shape for shape, _ in people])
        cv2.imwrite(str(folder / "images" / f"{number}.jpg"), rgb[..., ::-1])
        cv2.imwrite(str(folder / "persons" / f"{number}.png"), ids)
        listed = [
            {"id": key, "visible": visible, "height": shape[3] - shape[1]}
            for key, (shape, visible) in enumerate(people, start=1)
        ]
        lines.append(json.dumps({"image": f"{number}.jpg", "people": listed}))
    (folder / "people.jsonl").write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Sees:
    """Finds blocks by their colours.

    Attributes:
        share: the upper part of each block that it sees.
        score: of what it finds.
        colours: how many of the colours it knows.
    """

    share: float = 1.0
    score: float = 0.9
    colours: int = len(COLOURS)

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        return [self._found(frame) for frame in frames]

    def _found(self, frame: Rgb) -> list[Instance]:
        found = []
        for channel in range(self.colours):
            mask = Mask.from_frame(frame[..., channel] > 150)
            rows = round(self.share * mask.bits.shape[0])
            seen = Mask(mask.x, mask.y, mask.bits[:rows])
            if seen.area:
                x0, y0, x1, y1 = map(float, seen.box)
                found.append(Instance((x0, y0, x1, y1), self.score, seen))
        return found


def network(segmenter: Sees) -> Network:
    return Network(segmenter, segmenter)
