"""Small masked pictures of what a job is at, for people who wait for it.

They are drawn from what the pipeline holds anyway, a few of them a minute. While a video is
being analysed nobody is known yet: everyone that was found in the frame is masked, coarsely.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bystander.files import replacing
from bystander.geometry.coordinates import DisplaySize
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

    def analysed(self, seen: Detections) -> None:
        """A frame has been through the networks."""
        if self._clock() >= self._due:
            self._write(_painted(seen))

    def rendered(self, display: DisplaySize, number: int, picture: av.VideoFrame) -> None:
        """Frame `number` of a video that is shown at the size `display` has been masked."""
        if self._clock() >= self._due:
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


def _painted(seen: Detections) -> NDArray[np.uint8]:
    """The frame with everyone found in it painted over: uint8 [H, W, 3] RGB."""
    frame = seen.view.grid
    height, width = frame.shape[:2]
    people = np.zeros((height, width), dtype=np.uint8)
    for instance in seen.instances:
        mask = instance.mask.clipped(width, height)
        x0, y0, x1, y1 = mask.box
        people[y0:y1, x0:x1] |= mask.bits
    if seen.view.detail is not None:
        scale = width / seen.view.detail.shape[1]
        for face in seen.faces:
            left, top, right, bottom = (round(side * scale) for side in face.box)
            people[max(0, top) : bottom, max(0, left) : right] = 1
    reach = 2 * max(1, round(GROWTH_SHARE * height)) + 1
    people = cv2.dilate(people, np.ones((reach, reach), dtype=np.uint8)).astype(np.uint8)
    return np.where(people[..., None] > 0, np.uint8(GREY_LEVEL), frame)
