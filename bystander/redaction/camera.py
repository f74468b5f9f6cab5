"""Two frames of one shot -> how the camera moved between them.

Corners in the background of one frame are found again in the other (Lucas and Kanade 1981, in
pyramids), there and back, and a motion that most of them agree on is fitted (RANSAC): none at all
where hardly anything moved, else a similarity, or a homography where that explains more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits

Homography = NDArray[np.float64]
"""float64 [3, 3], a homography: x, y, 1 of one frame to those of another, up to scale."""

MAX_CORNERS: Final = 200
CORNER_QUALITY: Final = 0.01
CORNER_DISTANCE_PX: Final = 8
LOOK_WINDOW_PX: Final = 15
LOOK_LEVELS: Final = 4
MAX_RETURN_PX: Final = 0.5
"""By which a corner that was found may miss itself on the way back."""
STILL_MEDIAN_PX: Final = 0.12
STILL_PX: Final = 0.5
STILL_SHARE: Final = 0.7
"""The camera stands still where the median motion is at most the first, and this share of the
corners moved by less than the second. A picture that isn't moved isn't interpolated."""
MAX_MISS_PX: Final = 1.0
"""By which a corner may miss the motion that is fitted."""
MIN_CORNERS: Final = 24
MIN_SHARE: Final = 0.6
"""Fewer corners, or a smaller share of them, that agree tell no motion."""
MIN_SPREAD_SHARE: Final = 0.1
"""Of the picture's sides: standard deviation of where they lie, both ways."""
HOMOGRAPHY_GAIN: Final = 0.05
"""Share of the corners by which a homography has to explain more than a similarity."""
MAX_ZOOM: Final = 2.0
STILL_GREY_LEVELS: Final = 2.0
"""Mean difference of two backgrounds without corners up to which nothing moved between them."""


@dataclass(frozen=True, eq=False)
class View:
    """A frame, to be registered with others.

    Attributes:
        grey: uint8 [H, W], at the analysis grid's size.
        free: bool [H, W], where nobody is.
    """

    grey: NDArray[np.uint8]
    free: Bits

    @cached_property
    def corners(self) -> NDArray[np.float32]:
        """float32 [N, 2], in the background."""
        found: Any = cv2.goodFeaturesToTrack(
            self.grey,
            MAX_CORNERS,
            CORNER_QUALITY,
            CORNER_DISTANCE_PX,
            mask=self.free.view(np.uint8),
        )
        return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)


def registered(one: View, other: View, guess: Homography | None = None) -> Homography | None:
    """The motion that takes grid pixels of `one` to those of `other`; None where none is told.

    Args:
        guess: near it; by default none.
    """
    corners = one.corners
    if len(corners) < MIN_CORNERS:
        return np.eye(3) if _looks_still(one, other) else None
    expected = corners if guess is None else moved(corners, guess)
    found, seen = _looked_for(one.grey, other.grey, corners, expected)
    back, again = _looked_for(other.grey, one.grey, found, corners)
    missed = np.abs(back - corners).max(axis=1)
    height, width = other.free.shape
    columns, rows = np.rint(found).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    free = other.free[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    good = seen & again & (missed < MAX_RETURN_PX) & inside & free
    if np.count_nonzero(good) < MIN_CORNERS:
        return None
    return _fitted(corners[good], found[good], (width, height))


def moved(points: NDArray[np.float32], motion: Homography) -> NDArray[np.float32]:
    """Points, float32 [N, 2], where a motion takes them."""
    there = cv2.perspectiveTransform(points.reshape(1, -1, 2).astype(np.float64), motion)
    return np.asarray(there.reshape(-1, 2), dtype=np.float32)


def is_still(motion: Homography) -> bool:
    """Whether nothing moves."""
    return bool(np.array_equal(motion, np.eye(3)))


def _looks_still(one: View, other: View) -> bool:
    there = (one.free & other.free).view(np.uint8)
    away = cv2.mean(cv2.absdiff(one.grey, other.grey), there)[0]
    return bool(there.any()) and away <= STILL_GREY_LEVELS


def _looked_for(
    one: Any, other: Any, points: NDArray[np.float32], guess: NDArray[np.float32]
) -> tuple[NDArray[np.float32], Bits]:
    """Where points of one picture are in another, and which were found."""
    found: Any
    status: Any
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        one,
        other,
        points.reshape(-1, 1, 2),
        guess.reshape(-1, 1, 2).copy(),
        winSize=(LOOK_WINDOW_PX, LOOK_WINDOW_PX),
        maxLevel=LOOK_LEVELS,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return found.reshape(-1, 2), status.reshape(-1).astype(bool)


def _fitted(
    here: NDArray[np.float32], there: NDArray[np.float32], size: tuple[int, int]
) -> Homography | None:
    away = there - here
    still = np.hypot(*away.T) < STILL_PX
    if np.hypot(*np.median(away, axis=0)) < STILL_MEDIAN_PX and still.mean() >= STILL_SHARE:
        return np.eye(3)
    agreed: Any
    similarity: Any
    homography: Any
    similarity, agreed = cv2.estimateAffinePartial2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=MAX_MISS_PX
    )
    fits: list[tuple[float, Homography, Bits]] = []
    if similarity is not None:
        inliers = agreed.reshape(-1).astype(bool)
        fits.append((float(inliers.mean()), np.vstack((similarity, (0, 0, 1))), inliers))
    homography, agreed = cv2.findHomography(here, there, cv2.RANSAC, MAX_MISS_PX)
    if homography is not None:
        inliers = agreed.reshape(-1).astype(bool)
        fits.append((float(inliers.mean()) - HOMOGRAPHY_GAIN, homography, inliers))
    if not fits:
        return None
    _, motion, inliers = max(fits, key=lambda fit: fit[0])
    zoom = float(np.linalg.det(motion[:2, :2]))
    spread = here[inliers].std(axis=0) >= np.multiply(size, MIN_SPREAD_SHARE)
    credible = (
        np.count_nonzero(inliers) >= MIN_CORNERS
        and inliers.mean() >= MIN_SHARE
        and spread.all()
        and MAX_ZOOM**-2 <= zoom <= MAX_ZOOM**2
    )
    return motion if credible else None
