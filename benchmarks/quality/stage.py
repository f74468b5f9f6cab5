"""Puts people into a place, moves them and films them, and knows whose every pixel is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.people import Layers, Look, Rgb
from bystander.geometry.types import Box

Ids = NDArray[np.uint8]
"""uint8 [H, W]: whose pixel it is, from 1; 0 is nobody's."""
Floats = NDArray[np.float32]

SHUTTER = 0.6
"""Share of a frame's time for which the shutter is open, where motion blurs."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where someone is.

    Attributes:
        x: of their middle, pixels of the frame.
        foot: y of their lowest point, pixels.
        size: times their own height.
        sway: degrees around the foot.
        turned: with their back to the camera.
    """

    x: float
    foot: float
    size: float = 1.0
    sway: float = 0.0
    turned: bool = False


Move = Callable[[float], Pose | None]
"""Time in frames (between frames, while the shutter is open) -> a pose, or None: not there."""


@dataclass(frozen=True, eq=False)
class Role:
    """Someone, or something, in a shot.

    Attributes:
        person: id from 1; 0 is a thing.
        look: scaled to the height at which it is filmed.
        back: its look from behind.
        acting: its look by time in frames, instead of these, and whether it is mirrored.
    """

    person: int
    look: Look
    back: Look
    move: Move
    acting: Callable[[float, bool], Look] | None = None

    def seen(self, time: float, turned: bool) -> Look:
        """What the camera sees: from the front, or turned."""
        if self.acting is not None:
            return self.acting(time, turned)
        return self.back if turned else self.look


@dataclass(frozen=True)
class Camera:
    """How it is filmed.

    Attributes:
        pan: pixels a frame by which the place moves to the left.
        zoom: growth of the place a frame, 0.002 is 0.2 %.
        shake: standard deviation in pixels by which every frame is off, people and place.
        gain: exposure.
        noise: standard deviation of the sensor's noise, of 255.
        samples: pictures averaged while the shutter is open; 1 is sharp.
    """

    pan: float = 1.5
    zoom: float = 0.0
    shake: float = 0.0
    gain: float = 1.0
    noise: float = 2.0
    samples: int = 1


@dataclass(frozen=True, eq=False)
class Shot:
    """Roles before a place, the farthest first.

    Attributes:
        place: uint8 [H, W, 3] RGB, larger than the frame.
        size: width, height of the frame.
    """

    place: Rgb
    roles: Sequence[Role]
    frames: int
    size: tuple[int, int]
    camera: Camera = field(default_factory=Camera)


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face that the camera sees: box x0, y0, x1, y1 in pixels of the frame."""

    person: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One frame, uint8 [H, W, 3] RGB, and the truth about it."""

    rgb: Rgb
    ids: Ids
    faces: tuple[SeenFace, ...]


def film(shot: Shot, rng: np.random.Generator) -> Iterator[Take]:
    """Every frame of a shot.

    A pixel is whose light it mostly is: of a blurred edge, and of a crossing within one
    exposure, the owner is whoever covers the pixel for most of the time.
    """
    for number in range(shot.frames):
        dx, dy = rng.normal(0, shot.camera.shake, 2) if shot.camera.shake else (0.0, 0.0)
        rgb, owners = _exposure(shot, number, float(dx), float(dy))
        noisy = rgb * shot.camera.gain + rng.normal(0, shot.camera.noise, rgb.shape)
        ids = np.array([0, *(role.person for role in shot.roles)], dtype=np.uint8)
        truth = ids[owners.argmax(axis=0)]
        faces = tuple(_faces(shot, number, float(dx), float(dy), truth))
        yield Take(np.clip(noisy, 0, 255).astype(np.uint8), truth, faces)


def _exposure(shot: Shot, number: int, dx: float, dy: float) -> tuple[Floats, Floats]:
    """RGB float32 [H, W, 3], and what covers each pixel: float32 [1 + roles, H, W]."""
    width, height = shot.size
    rgb = np.zeros((height, width, 3), dtype=np.float32)
    owners = np.zeros((1 + len(shot.roles), height, width), dtype=np.float32)
    for sample in range(shot.camera.samples):
        time = number + SHUTTER * sample / shot.camera.samples
        one, cover = _instant(shot, time, dx, dy)
        rgb += one / shot.camera.samples
        owners += cover / shot.camera.samples
    return rgb, owners


def _instant(shot: Shot, time: float, dx: float, dy: float) -> tuple[Floats, Floats]:
    width, height = shot.size
    rgb = _place(shot, time, dx, dy)
    owners = np.zeros((1 + len(shot.roles), height, width), dtype=np.float32)
    owners[0] = 1
    for position, role in enumerate(shot.roles, start=1):
        pose = role.move(time)
        if pose is None:
            continue
        look = role.seen(time, pose.turned)
        moved = _moved(look.layers, _matrix(look, pose, dx, dy), shot.size)
        if moved is None:
            continue
        (rows, columns), layers = moved
        alpha = layers[..., 3]
        rgb[rows, columns] += layers[..., :3] - alpha[..., None] * rgb[rows, columns]
        owners[:position, rows, columns] *= 1 - alpha
        owners[position, rows, columns] = alpha
    return rgb, owners


def _place(shot: Shot, time: float, dx: float, dy: float) -> Floats:
    """The part of the place that the camera sees: float32 [H, W, 3]."""
    width, height = shot.size
    zoom = 1 + shot.camera.zoom * time
    room = shot.place.shape[1] - width
    left = room / 2 + shot.camera.pan * (time - shot.frames / 2)
    top = (shot.place.shape[0] - height) / 2
    matrix = np.array([[zoom, 0, dx - left * zoom], [0, zoom, dy - top * zoom]])
    view = cv2.warpAffine(shot.place, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return view.astype(np.float32)


def _matrix(look: Look, pose: Pose, dx: float, dy: float) -> NDArray[np.float64]:
    """From pixels of the look to those of the frame: float64 [2, 3]."""
    height, width = look.layers.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height), pose.sway, pose.size)
    matrix[:, 2] += (pose.x + dx - width / 2, pose.foot + dy - height)
    return np.asarray(matrix, dtype=np.float64)


def _outline(box: Box, matrix: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The upright rectangle around `box` after `matrix`: x0, y0, x1, y1 pixels."""
    x0, y0, x1, y1 = box
    corners = np.array([(x0, y0, 1), (x1, y0, 1), (x0, y1, 1), (x1, y1, 1)]) @ matrix.T
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _clipped(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1)


def _moved(
    layers: Layers, matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[tuple[slice, slice], Layers] | None:
    """The layers where they fall into the frame, and which rows and columns those are."""
    height, width = layers.shape[:2]
    x0, y0, x1, y1 = _clipped(_outline((-1, -1, width + 1, height + 1), matrix), size)
    if x0 >= x1 or y0 >= y1:
        return None
    shifted = matrix.copy()
    shifted[:, 2] -= (x0, y0)
    warped = cv2.warpAffine(layers, shifted, (x1 - x0, y1 - y0))
    return (slice(y0, y1), slice(x0, x1)), np.asarray(warped, dtype=np.float32)


def _faces(shot: Shot, number: int, dx: float, dy: float, ids: Ids) -> Iterator[SeenFace]:
    """The faces of which the frame shows more than half."""
    for role in shot.roles:
        pose = role.move(number)
        if not role.person or role.acting is not None or pose is None or pose.turned:
            continue  # whoever acts has a face, but nobody knows where
        whole = _outline(role.look.face, _matrix(role.look, pose, dx, dy))
        x0, y0, x1, y1 = _clipped(whole, shot.size)
        if x0 >= x1 or y0 >= y1:
            continue
        own = np.count_nonzero(ids[y0:y1, x0:x1] == role.person)
        if own > 0.5 * (whole[2] - whole[0]) * (whole[3] - whole[1]):
            yield SeenFace(role.person, (x0, y0, x1, y1))
