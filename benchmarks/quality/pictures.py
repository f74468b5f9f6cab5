"""Pictures to look at: the worst frames, and a scene at a glance."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmarks.quality.people import Rgb
from benchmarks.quality.reel import Truth
from benchmarks.regions import picked
from benchmarks.scoring import person_ids

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (160, 160, 160)
SHEET = (3, 4)
"""Rows and columns of frames of a sheet."""
SHEET_WIDTH = 400


def outlined(picture: Rgb, truth: Truth, index: int) -> Rgb:
    """A copy with everybody's outline: the kept green, bystanders red, either grey."""
    drawn = picture.copy()
    ids = person_ids(truth.persons, index)
    for person in np.unique(ids[ids > 0]):
        inside = (ids == person).astype(np.uint8)
        outline, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        colour = GREEN if person in truth.kept else GREY if person in truth.either else RED
        cv2.drawContours(drawn, outline, -1, colour, 2)
    for face in (truth.faces or {}).get(index, ()):
        cv2.rectangle(drawn, face.box[:2], face.box[2:], (255, 255, 0), 1)
    return drawn


def save_worst(folder: Path, masked: Path, truth: Truth, indices: list[int]) -> None:
    """Source and output of these frames side by side, as `folder`/worst-INDEX.png."""
    for old in folder.glob("worst-*.png"):
        old.unlink()
    wanted = set(indices)
    before, after = picked(folder / "video.mp4", wanted), picked(masked, wanted)
    for index in indices:
        pair = np.hstack(
            [outlined(before[index], truth, index), outlined(after[index], truth, index)]
        )
        cv2.imwrite(str(folder / f"worst-{index:05d}.png"), pair[:, :, ::-1])


def save_sheet(folder: Path, truth: Truth) -> None:
    """Frames spread over the scene, with outlines, as `folder`/sheet.png."""
    total = len(list(truth.persons.glob("*.png")))
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
