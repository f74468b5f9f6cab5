"""A video to be shown to everyone: an astronaut before a café, and two men who walk past her.

People and things are photographs that scikit-image carries, the astronaut in the public domain,
the others CC0, cut out by the project's own network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from bystander.models import Models

Picture = NDArray[np.float32]
"""float32 [H, W, 3], RGB of 0 to 255."""
WIDTH: Final = 640
HEIGHT: Final = 360
RATE: Final = 25
FRAMES: Final = 150
STREET_PX: Final = 900
"""How wide the street is, over which the camera pans."""
NOISE: Final = 2.0
"""Standard deviation of the sensor's, levels."""


@dataclass(frozen=True)
class Cutout:
    """Somebody without what is behind them.

    Attributes:
        picture: what they look like; beyond their outline it tells nothing.
        alpha: float32 [H, W] of the picture's size, 0 to 1.
    """

    picture: Picture
    alpha: NDArray[np.float32]

    def turned(self) -> Cutout:
        """Looking the other way."""
        return Cutout(self.picture[:, ::-1], self.alpha[:, ::-1])

    def tinted(self, red: float, green: float, blue: float) -> Cutout:
        lit = 255 * (self.picture / 255) ** 0.8 * np.array([red, green, blue], np.float32)
        return Cutout(np.clip(lit, 0, 255), self.alpha)

    def drawn(self, street: Picture, x: float, height: float, bottom: float) -> Picture:
        """The street with them in it, their left edge at `x`, so many pixels high."""
        size = round(self.picture.shape[1] * height / self.picture.shape[0]), round(height)
        place = np.array([[1, 0, x], [0, 1, bottom - size[1]]], np.float32)
        there = street.shape[1], street.shape[0]
        picture, alpha = (
            cv2.warpAffine(cv2.resize(one, size, interpolation=cv2.INTER_AREA), place, there)
            for one in (self.picture, self.alpha)
        )
        share = np.asarray(alpha)[..., None]
        return np.asarray(street * (1 - share) + picture * share, dtype=np.float32)


def make_street(video: Path, photo: Path, models: Models) -> None:
    """Write the video, H.264 without sound, and the astronaut's photo.

    Args:
        models: the segmenter cuts the people out.
    """
    astronaut = _photo("astronaut")
    cv2.imwrite(str(photo), cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR))
    friend = _cut_out(astronaut, models)
    man = _cut_out(np.dstack([_photo("camera")] * 3), models)
    first, second = man.tinted(1.1, 0.97, 0.86), man.tinted(0.88, 0.93, 1.1).turned()
    empty = _empty_street()
    noise = np.random.default_rng(1)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "17"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            now = number / RATE
            street = second.drawn(empty, 700 - 95 * now, 215, 345 + 2 * np.sin(9 * now))
            street = first.drawn(street, 60 + 62 * now, 262, 362 + 2 * np.sin(8 * now))
            street = friend.drawn(street, 330 + 10 * np.sin(1.3 * now), 292, 362)
            pan = np.array([[1, 0, -130 - 70 * np.sin(0.8 * now - 0.6)], [0, 1, 0]], np.float32)
            seen = np.asarray(cv2.warpAffine(street, pan, (WIDTH, HEIGHT)))
            levels = np.clip(seen + noise.normal(0, NOISE, seen.shape), 0, 255)
            frame = av.VideoFrame.from_ndarray(levels.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _photo(name: str) -> NDArray[np.uint8]:
    """One of scikit-image's, uint8 [H, W] or [H, W, 3] RGB."""
    found: NDArray[np.uint8] = getattr(data, name)()
    return np.ascontiguousarray(found)


def _cut_out(photo: NDArray[np.uint8], models: Models) -> Cutout:
    """The largest piece of the surest person on a photo."""
    person = models.segmenter.segment([photo])[0][0]
    whole = 0, 0, photo.shape[1], photo.shape[0]
    bits = person.mask.on_window(whole).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bits)
    piece = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.float32)
    inner = cv2.erode(piece, np.ones((3, 3), np.uint8))
    alpha = np.asarray(cv2.GaussianBlur(inner, (0, 0), 1.0), dtype=np.float32)
    rows, columns = np.nonzero(piece)
    there = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return Cutout(photo.astype(np.float32)[there], alpha[there])


def _empty_street() -> Picture:
    """A wall, a pavement, and the sign of a café."""
    wall = _tiled(np.rot90(_photo("brick")), 256, 270)
    stones = _tiled(_photo("gravel"), 300, HEIGHT - 270)
    street = np.zeros((HEIGHT, STREET_PX, 3), np.uint8)
    street[:270] = wall[..., None] * np.array([0.63, 0.53, 0.44]) + 55
    street[262:270] = 92, 84, 78
    street[270:] = stones[..., None] * np.array([0.35, 0.35, 0.37]) + 70
    street[58:148, 520:646] = 60, 44, 36
    coffee = cv2.resize(_photo("coffee"), (110, 74), interpolation=cv2.INTER_AREA)
    street[66:140, 528:638] = coffee
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(street, "CAFE", (542, 176), font, 0.9, (70, 40, 30), 2, cv2.LINE_AA)
    return street.astype(np.float32)


def _tiled(texture: NDArray[np.uint8], side: int, height: int) -> NDArray[np.float32]:
    """float32 [height, STREET_PX], 0 to 255, of tiles of `side` pixels."""
    tile = np.asarray(cv2.resize(texture, (side, side), interpolation=cv2.INTER_AREA))
    rows, columns = -(-height // side), -(-STREET_PX // side)
    return np.tile(tile, (rows, columns))[:height, :STREET_PX].astype(np.float32)
