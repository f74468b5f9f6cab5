"""What an attacker does to masked pictures before a recogniser looks at them.

The attacker who is assumed knows everything but the person: which effect was drawn, the
grid and the side of its cells, and from the source where the face was in every frame.
Deconvolution after Wiener and after Richardson (1972) and Lucy (1974); putting together
frames in which the face lies differently on the grid is the oldest kind of super-resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from bystander.geometry.instances import Face

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB, its corner at a corner of the effect's grid."""
Attack = Callable[[Picture, int], Picture]
"""A masked picture and the side of its cells in pixels -> what may show more, same size."""

SHARPENING: Final = 2.0
"""How many times the detail that is left is added."""
NOISE_TO_SIGNAL: Final = 0.003
"""Of power, for the Wiener filter: what compression does at the usual quality."""
BOX: Final = 12**-0.5
"""Standard deviation of a box, in its sides: the blur that a cell's mean is."""
ROUNDS: Final = 15
"""Of Richardson and Lucy: more of them draw patterns of the cells, not of the person."""


def untouched(picture: Picture, cell: int) -> Picture:
    """The picture as it is."""
    return picture


def unsharp(picture: Picture, cell: int) -> Picture:
    """What is left of detail, made stronger."""
    soft = cv2.GaussianBlur(picture, (0, 0), cell / 2)
    return cv2.addWeighted(picture, 1 + SHARPENING, soft, -SHARPENING, 0).astype(np.uint8)


def upsampled(picture: Picture, cell: int) -> Picture:
    """The means of the cells with a smooth surface through them, instead of edges."""
    height, width = picture.shape[:2]
    across, down = -(-width // cell), -(-height // cell)
    padding = (0, down * cell - height, 0, across * cell - width)
    whole = cv2.copyMakeBorder(picture, *padding, borderType=cv2.BORDER_REPLICATE)
    means = cv2.resize(whole, (across, down), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(means, (across * cell, down * cell), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(smooth[:height, :width], dtype=np.uint8)


def wiener(picture: Picture, cell: int) -> Picture:
    """Deconvolved in one step, as if the cells were a smooth blur of their size."""
    height, width = picture.shape[:2]
    # A mirrored margin against ringing at the edges, and a size that is quickly transformed.
    sides = [next_fast_len(side + 4 * cell, real=True) for side in (height, width)]
    rest = sides[0] - height - 2 * cell, sides[1] - width - 2 * cell
    values = np.float32(
        cv2.copyMakeBorder(picture, 2 * cell, rest[0], 2 * cell, rest[1], cv2.BORDER_REFLECT)
    )
    kernel = np.outer(*(_gaussian(side, cell) for side in sides))
    spectrum = rfft2(kernel)[..., np.newaxis]
    inverse = spectrum.conj() / (np.abs(spectrum) ** 2 + NOISE_TO_SIGNAL)
    mean = values.mean(axis=(0, 1))
    sharp = irfft2(rfft2(values - mean, axes=(0, 1)) * inverse, s=sides, axes=(0, 1)) + mean
    return _as_picture(sharp[2 * cell : 2 * cell + height, 2 * cell : 2 * cell + width])


def richardson_lucy(picture: Picture, cell: int) -> Picture:
    """Deconvolved step by step, brightness staying positive."""
    observed = picture.astype(np.float32) + 1.0  # nothing is divided by zero
    estimate = observed
    for _ in range(ROUNDS):
        ratio = observed / cv2.GaussianBlur(estimate, (0, 0), cell * BOX)
        estimate = estimate * cv2.GaussianBlur(ratio, (0, 0), cell * BOX)
    return _as_picture(estimate - 1.0)


ATTACKS: Final[Mapping[str, Attack]] = MappingProxyType(
    {
        "untouched": untouched,
        "unsharp": unsharp,
        "upsampled": upsampled,
        "wiener": wiener,
        "richardson-lucy": richardson_lucy,
    }
)
"""By name; what follows puts several pictures together."""


def averaged_face(pictures: Sequence[Picture], faces: Sequence[Face]) -> tuple[Picture, Face]:
    """Pictures of one face laid over each other by its landmarks, and averaged.

    On a grid that is fixed in the frame, a face that moves is measured at ever new offsets;
    the average shows more than any one of them.

    Args:
        pictures: uint8 [H, W, 3] RGB each, at least one; sizes may differ.
        faces: where the face is in each, from the source.

    Returns:
        A picture of the size of the one with the largest face, and the face in it.
    """
    chosen = max(range(len(faces)), key=lambda index: _height(faces[index]))
    height, width = pictures[chosen].shape[:2]
    total = np.zeros((height, width, 3), dtype=np.float32)
    for picture, face in zip(pictures, faces, strict=True):
        matrix = _similarity(face.landmarks, faces[chosen].landmarks)
        total += cv2.warpAffine(
            picture,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return _as_picture(total / len(pictures)), faces[chosen]


def averaged_body(crops: Sequence[Picture]) -> Picture:
    """Crops of one person's box stretched to the first's size, and averaged."""
    height, width = crops[0].shape[:2]
    total = np.zeros((height, width, 3), dtype=np.float32)
    for crop in crops:
        total += cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR)
    return _as_picture(total / len(crops))


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]


def _similarity(here: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rotation, scale and shift that bring points nearest to others, float64 [2, 3].

    The least squares of `models.face_model.align`, towards any points.
    """
    a, b = (points[:, 0] + 1j * points[:, 1] for points in (here, there))
    spread = a - a.mean()
    turn = np.vdot(spread, b - b.mean()) / max(np.vdot(spread, spread).real, 1e-9)
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _gaussian(side: int, cell: int) -> NDArray[np.float32]:
    """As wide as a box of `cell` pixels, its centre at 0, wrapped around: float32 [side], sum 1."""
    distance = np.fft.fftfreq(side, 1 / side)
    values = np.exp(-0.5 * (distance / (cell * BOX)) ** 2).astype(np.float32)
    return np.asarray(values / values.sum())


def _as_picture(values: NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)
