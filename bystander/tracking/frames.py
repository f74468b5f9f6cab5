"""A frame as the networks get it, and what they find in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Face, Instance
from bystander.tracking.appearance import Lab
from bystander.tracking.motion import Flow


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisFrame:
    """One frame as the networks get it.

    Attributes:
        grid: uint8 [h, w, 3] RGB at grid size.
        cut: a new shot begins here.
        detail: uint8 [H, W, 3] RGB, larger, on frames where faces are looked for.
    """

    index: int
    pts: int
    grid: NDArray[np.uint8]
    cut: bool
    detail: NDArray[np.uint8] | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the grid."""
        height, width = self.grid.shape[:2]
        return width, height


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What is to be seen in one frame.

    Attributes:
        instances: people; grid pixels.
        faces: in pixels of `view.detail`.
        lab: the frame in CIELAB, uint8 [h, w, 3] at grid size.
        flow: from it to the frame before; None in a shot's first frame.
    """

    view: AnalysisFrame
    instances: list[Instance]
    faces: list[Face]
    lab: Lab
    flow: Flow | None
