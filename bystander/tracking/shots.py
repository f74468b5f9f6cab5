"""Hard cuts: where one shot ends and the next begins.

A cut changes the whole picture and keeps it changed. A flash changes it too, but
a few frames later the old picture is back; so a change counts only when none of
the next frames resembles the frame before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")
Thumbnail = NDArray[np.float32]


class ShotSettings(BaseModel):
    """When a change of picture is a cut."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    correlation: float = Field(
        0.55,
        ge=-1,
        le=1,
        description="Neighbouring frames whose layout correlates less than this are a cut. "
        "Over six real clips cuts gave at most 0.34, motion at least 0.78.",
    )
    doubtful_correlation: float = Field(
        0.8,
        ge=-1,
        le=1,
        description="Below this it is a cut too if the colours change with the layout ...",
    )
    colours: float = Field(
        0.75, ge=0, le=1, description="... so that their histograms overlap less than this."
    )
    flash_frames: int = Field(
        3,
        ge=1,
        le=15,
        description="Longest flash, in frames: how far ahead the old picture is looked for.",
    )


def thumbnail(frame: NDArray[np.uint8]) -> Thumbnail:
    """A frame (uint8 [H, W, 3] RGB) reduced to float32 [27, 48, 3], slightly blurred.

    Small and soft, so that camera shake and people walking hardly change it.
    """
    small = cv2.resize(frame, (48, 27), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), dtype=np.float32)


def layout_correlation(a: Thumbnail, b: Thumbnail) -> float:
    """Pearson correlation of two thumbnails' luma, -1 to 1; unmoved by brightness."""
    x, y = a.mean(axis=2).ravel(), b.mean(axis=2).ravel()
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale > 1e-3:
        return float(x @ y) / scale
    # A flat picture has no layout: it resembles another flat one, and nothing else.
    return 1.0 if x @ x + y @ y < 1e-3 else 0.0


def colour_overlap(a: Thumbnail, b: Thumbnail) -> float:
    """Intersection of two thumbnails' colour histograms (6x6x6 bins), 0 to 1."""
    return float(np.minimum(_histogram(a), _histogram(b)).sum())


def _histogram(thumb: Thumbnail) -> NDArray[np.float32]:
    bins = np.minimum(thumb * (6 / 256), 5).astype(np.int32).reshape(-1, 3)
    counts = np.bincount(bins @ np.array([36, 6, 1]), minlength=216)
    return (counts / len(bins)).astype(np.float32)


class CutDetector:
    """Finds the cuts of one video.

    Args:
        settings: when a change of picture is a cut.
        previous: what `previous` was after the frame before the first, where a video is gone
            on with; None at its beginning.

    Attributes:
        previous: what the next frame is compared with.
    """

    def __init__(
        self, settings: ShotSettings | None = None, previous: Thumbnail | None = None
    ) -> None:
        self.previous = previous
        self._settings = settings or ShotSettings()

    def mark(
        self, items: Iterable[Item], thumb: Callable[[Item], Thumbnail]
    ) -> Iterator[tuple[Item, bool]]:
        """Pass `items` on, each with whether a new shot begins there (True for the first).

        Looks `flash_frames` ahead, so that many items are held back.
        """
        ahead: deque[tuple[Item, Thumbnail]] = deque()
        for item in items:
            ahead.append((item, thumb(item)))
            if len(ahead) > self._settings.flash_frames:
                item, current = ahead.popleft()
                yield item, self._is_cut(current, ahead)
        while ahead:
            item, current = ahead.popleft()
            yield item, self._is_cut(current, ahead)

    def _is_cut(self, current: Thumbnail, ahead: Iterable[tuple[object, Thumbnail]]) -> bool:
        before = self.previous
        changed = before is None or self._differs(before, current)
        cut = changed and (before is None or all(self._differs(before, t) for _, t in ahead))
        if cut or not changed:
            self.previous = current  # and during a flash, what was there before it
        return cut

    def _differs(self, a: Thumbnail, b: Thumbnail) -> bool:
        return _differs(a, b, self._settings)


def detect_cuts(
    items: Iterable[Item],
    thumb: Callable[[Item], Thumbnail],
    settings: ShotSettings | None = None,
) -> Iterator[tuple[Item, bool]]:
    """`CutDetector.mark` for a whole video."""
    return CutDetector(settings).mark(items, thumb)


def _differs(a: Thumbnail, b: Thumbnail, settings: ShotSettings) -> bool:
    correlation = layout_correlation(a, b)
    return correlation < settings.correlation or (
        correlation < settings.doubtful_correlation and colour_overlap(a, b) < settings.colours
    )
