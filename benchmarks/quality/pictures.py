"""Pictures to look at: the worst frames, and a scene at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.material import frames
from benchmarks.quality.people import Rgb
from benchmarks.quality.truth import Truth

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (160, 160, 160)
TINT = (120, 0, 120)
SHEET = (3, 4)
"""Rows and columns of frames of a sheet."""
SHEET_WIDTH = 400


def outlined(picture: Rgb, truth: Truth, index: int) -> Rgb:
    """A copy with everybody's outline and regions: the kept green, bystanders red, either grey."""
    drawn = picture.copy()
    ids = truth.ids(index) if index < truth.map_count else None
    for person in np.unique(ids[ids > 0]) if ids is not None else ():
        inside = (ids == person).astype(np.uint8)
        outline, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        colour = GREEN if person in truth.kept else GREY if person in truth.either else RED
        cv2.drawContours(drawn, outline, -1, colour, 2)
    for face in (truth.faces or {}).get(index, ()):
        cv2.rectangle(drawn, face.box[:2], face.box[2:], (255, 255, 0), 1)
    for region in truth.regions:
        if region.frame == index:
            colour = GREEN if region.expect == "keep" else RED
            cv2.rectangle(drawn, region.box[:2], region.box[2:], colour, 1)
    return drawn


def picked(video: Path, indices: set[int]) -> dict[int, Rgb]:
    """The frames of `video` with these indices."""
    return {index: frame for index, (_, frame) in enumerate(frames(video)) if index in indices}


def save_worst(folder: Path, pairs: Mapping[int, tuple[Rgb, Rgb]], truth: Truth) -> None:
    """Source and output of some frames side by side, as `folder`/worst-INDEX.png.

    Args:
        pairs: by frame, both in the source's size.
    """
    for old in folder.glob("worst-*.png"):
        old.unlink()
    for index, pictures in pairs.items():
        pair = np.hstack([outlined(picture, truth, index) for picture in pictures])
        cv2.imwrite(str(folder / f"worst-{index:05d}.png"), pair[:, :, ::-1])


def painted(picture: Rgb, masked: NDArray[np.bool_]) -> Rgb:
    """The picture, uint8 [H, W, 3] RGB, with what is `masked` (bool, of any size) tinted."""
    size = picture.shape[1], picture.shape[0]
    bits = cv2.resize(masked.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    tinted = picture.copy()
    tinted[bits] = tinted[bits] // 3 + np.array(TINT, dtype=np.uint8)
    return tinted


def save_sheet(folder: Path, truth: Truth) -> None:
    """Frames spread over the scene, with outlines, as `folder`/sheet.png."""
    total = truth.map_count
    rows, columns = SHEET
    indices = [round(n) for n in np.linspace(0, total - 1, rows * columns)]
    chosen = picked(folder / "video.mp4", set(indices))
    small = []
    for index in indices:
        drawn = outlined(chosen[index], truth, index)
        height = round(SHEET_WIDTH * drawn.shape[0] / drawn.shape[1])
        small.append(cv2.resize(drawn, (SHEET_WIDTH, height), interpolation=cv2.INTER_AREA))
    lines = [np.hstack(small[row * columns : (row + 1) * columns]) for row in range(rows)]
    cv2.imwrite(str(folder / "sheet.png"), np.vstack(lines)[:, :, ::-1])
