"""Small masked pictures of what a job is at, for people who wait for it.

They are drawn from what the pipeline holds anyway, a few of them a minute. While a video is
being analysed nobody is known yet: everyone that was found in the frame is masked, coarsely.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bystander.files import replacing
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.masks import Mask
from bystander.geometry.types import Box
from bystander.tracking.frames import Detections

INTERVAL_SECONDS: Final = 2.0
"""Between two pictures."""
LONG_SIDE_PX: Final = 640
GREY_LEVEL: Final = 128
"""What people are covered with during the analysis: nothing of them is left."""
GROWTH_SHARE: Final = 0.03
"""Of the picture's height, by which masks of the analysis are grown."""


class PreviewWriter:
    """Writes a picture now and then.

    Args:
        path: a JPEG, replaced atomically.
        tell: called after each.
        clock: seconds.
    """

    def __init__(
        self, path: Path, tell: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._tell, self._clock = path, tell, clock
        self._due = clock()

    @property
    def due(self) -> bool:
        """Whether it is time for the next picture."""
        return self._clock() >= self._due

    def analysed(self, seen: Detections) -> None:
        """A frame has been through the networks."""
        if self.due:
            masks = [instance.mask for instance in seen.instances]
            self._write(_painted(seen.view.grid, masks, _face_boxes(seen)))

    def found(self, frame: NDArray[np.uint8], masks: Sequence[Mask]) -> None:
        """Everyone in a frame, uint8 [h, w, 3] RGB at grid size, has been found."""
        if self.due:
            self._write(_painted(frame, masks, ()))

    def rendered(self, display: DisplaySize, number: int, picture: av.VideoFrame) -> None:
        """Frame `number` of a video that is shown at the size `display` has been masked."""
        if self.due:
            scale = min(1.0, LONG_SIDE_PX / max(display))
            size = [max(2, round(side * scale)) for side in display]
            small = picture.to_ndarray(format="rgb24", width=size[0], height=size[1])
            self._write(small.astype(np.uint8, copy=False))

    def _write(self, picture: NDArray[np.uint8]) -> None:
        """Args:
        picture: uint8 [H, W, 3] RGB.
        """
        jpeg = io.BytesIO()
        Image.fromarray(picture).save(jpeg, "JPEG", quality=80)
        with replacing(self._path) as part:
            part.write_bytes(jpeg.getvalue())
        self._tell()
        self._due = self._clock() + INTERVAL_SECONDS


def _face_boxes(seen: Detections) -> list[Box]:
    """Grid pixels."""
    if seen.view.detail is None:
        return []
    scale = seen.view.size[0] / seen.view.detail.shape[1]
    return [tuple(scale * side for side in face.box) for face in seen.faces]


def _painted(
    frame: NDArray[np.uint8], masks: Sequence[Mask], boxes: Sequence[Box]
) -> NDArray[np.uint8]:
    """The frame with everyone found in it painted over: uint8 [H, W, 3] RGB."""
    height, width = frame.shape[:2]
    people = np.zeros((height, width), dtype=np.uint8)
    for mask in masks:
        clipped = mask.clipped(width, height)
        x0, y0, x1, y1 = clipped.box
        people[y0:y1, x0:x1] |= clipped.bits
    for box in boxes:
        left, top, right, bottom = map(round, box)
        people[max(0, top) : bottom, max(0, left) : right] = 1
    reach = 2 * max(1, round(GROWTH_SHARE * height)) + 1
    people = cv2.dilate(people, np.ones((reach, reach), dtype=np.uint8)).astype(np.uint8)
    return np.where(people[..., None] > 0, np.uint8(GREY_LEVEL), frame)
