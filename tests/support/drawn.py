"""Drawn people, and networks that find them: the whole pipeline without any weights.

A figure is one saturated colour on a grey background, so that colour alone tells where
it is. Its face is a white plate with two dark eyes (E) over a patch (#) in the face's own
colour, and that colour is who it is; a letter is a fifth of the plate's side:

    . . . . .
    . E . E .
    . # # # .
    . # # # .
    . . . . .

`DrawnSegmenter`, `DrawnFaces` and `DrawnBodies` look at nothing but the pixels. A figure
that is drawn grey is one they miss.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.choices import EffectName
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Mask
from bystander.geometry.types import Rgb
from bystander.identity.cast import CastMember, load_cast
from bystander.media.cropping import read_padding
from bystander.media.encoder import EncoderSettings
from bystander.models import Models
from bystander.models.bodies import Silhouette
from bystander.models.face_model import FaceThresholds, normalised
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.redaction.effects import EffectSettings
from bystander.settings import AnalysisSettings
from bystander.timeline.archive import Timeline
from bystander.tracking.clicks import Click
from tests.support.videos import Clip, make_video

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]
Bits = NDArray[np.bool_]

RED: Colour = (220, 30, 30)
YELLOW: Colour = (220, 220, 30)
GREEN: Colour = (30, 200, 30)
CYAN: Colour = (30, 200, 200)
BLUE: Colour = (40, 40, 220)
COLOURS = (RED, YELLOW, GREEN, CYAN, BLUE)
"""Hues 60 degrees apart; the one left, magenta, is for what is drawn over people."""

SIZE = (384, 216)
WIDTH, HEIGHT, PLATE = 40, 110, 20
SATURATED, DARK, WHITE = 110, 60, 185
SMALLEST = 60
"""Grid pixels: smaller patches of colour are nobody."""
GAP = 15
"""Grid pixels: a little more than a face is wide."""

# A grid smaller than the video, as it always is; few pixels are few milliseconds.
SETTINGS = AnalysisSettings(long_side=256)
MAGENTA = EffectSettings(name=EffectName.SOLID, color="#ff00ff")
LOSSLESS = EncoderSettings(preset="ultrafast", crf=0)
"""What nothing is drawn over comes out bit by bit as it went in."""

Place = Callable[[int], tuple[float, float]]
"""Left and top edge of a figure in frame n, source pixels."""


def standing(x: float, y: float = 80) -> Place:
    return lambda _: (x, y)


def walking(x: float, step: float, y: float = 80) -> Place:
    """From `x`, `step` pixels a frame to the right."""
    return lambda number: (x + step * number, y)


@dataclass(frozen=True)
class Figure:
    """One drawn person.

    Attributes:
        clothes: what the segmenter sees.
        place: where they are; outside of the picture they are not there.
        face: colour of the face, that of the clothes if None.
        turned: frames in which they turn their back, and show no face.
        unseen: frames in which body and face are grey, and every network misses them.
        bodiless: frames in which the body is grey, and only the face can be found.
        present: frames in which they exist at all.
    """

    clothes: Colour
    place: Place
    face: Colour | None = None
    turned: Collection[int] = ()
    unseen: Collection[int] = ()
    bodiless: Collection[int] = ()
    present: Collection[int] = range(10**6)


@dataclass(frozen=True)
class Scene:
    """Figures before a grey background that changes at every cut.

    Attributes:
        figures: from back to front.
        cuts: frames with which another place begins.
        size: width, height as displayed.
    """

    figures: Sequence[Figure]
    frames: int = 40
    cuts: Sequence[int] = ()
    size: tuple[int, int] = SIZE

    def picture(self, number: int) -> Pixels:
        """Frame `number`, upright: uint8 [H, W, 3] RGB."""
        canvas = self._places[sum(cut <= number for cut in self.cuts)].copy()
        for figure in self.figures:
            if number in figure.present:
                _draw(canvas, figure, number)
        return canvas

    def silhouette(self, figure: Figure, number: int) -> Bits:
        """The figure's pixels that nobody stands before: bool [H, W]."""
        shape = self.size[::-1]
        bits = np.zeros(shape, dtype=bool)
        for other in self.figures[self.figures.index(figure) :]:
            if number not in other.present:
                continue
            if other is figure:
                bits = _outline(other, number, shape)
            else:
                bits &= ~_outline(other, number, shape)
        return bits

    def video(self, path: Path, clip: Clip | None = None) -> Path:
        """Film the scene, by default at 25 frames a second without sound."""
        clip = clip or Clip(pts=range(0, 512 * self.frames, 512), size=self.size)

        def coded(number: int, width: int, height: int) -> Pixels:
            picture = clip.stored(self.picture(number))
            assert picture.shape == (height, width, 3)
            return picture

        return make_video(path, clip, coded)

    @cached_property
    def _places(self) -> list[Pixels]:
        """Soft grey patches, others after each cut: uint8 [H, W, 3]."""
        places = []
        for seed in range(len(self.cuts) + 1):
            patches = np.random.default_rng(seed).uniform(60, 160, (4, 6)).astype(np.float32)
            grey = cv2.resize(patches, self.size, interpolation=cv2.INTER_CUBIC)
            places.append(np.repeat(grey.clip(40, 170).astype(np.uint8)[..., None], 3, axis=2))
        return places


def _draw(canvas: Pixels, figure: Figure, number: int) -> None:
    hidden = number in figure.unseen
    outline = _outline(figure, number, canvas.shape[:2])
    canvas[outline] = (30, 30, 30) if hidden or number in figure.bodiless else figure.clothes
    if hidden or number in figure.turned:
        return
    x, y = (round(v) for v in figure.place(number))
    left, top, unit = x + (WIDTH - PLATE) // 2, y + 8, PLATE // 5

    def fill(column: int, row: int, columns: int, rows: int, colour: Colour) -> None:
        x0, y0 = max(0, left + column * unit), max(0, top + row * unit)
        x1, y1 = max(0, left + (column + columns) * unit), max(0, top + (row + rows) * unit)
        canvas[y0:y1, x0:x1] = colour

    fill(0, 0, 5, 5, (240, 240, 240))
    fill(1, 1, 1, 1, (10, 10, 10))
    fill(3, 1, 1, 1, (10, 10, 10))
    fill(1, 2, 3, 2, figure.face or figure.clothes)


def _outline(figure: Figure, number: int, shape: tuple[int, ...]) -> Bits:
    """Head, trunk and legs: bool [H, W]."""
    x, y = (round(v) for v in figure.place(number))
    canvas = np.zeros(shape[:2], dtype=np.uint8)
    head, radius = (x + WIDTH // 2, y + 18), WIDTH // 2 - 3
    cv2.circle(canvas, head, radius, (1,), cv2.FILLED)
    cv2.rectangle(canvas, (x, y + 32), (x + WIDTH - 1, y + HEIGHT - 1), (1,), cv2.FILLED)
    return canvas.astype(bool)


class DrawnSegmenter:
    """Finds patches of one hue; a face in them, or a gap as narrow, belongs to them."""

    def segment(self, frames: Sequence[Pixels]) -> list[list[Instance]]:
        return [self._instances(frame) for frame in frames]

    def _instances(self, frame: Pixels) -> list[Instance]:
        hue, saturation, value = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2HSV))
        coloured = (saturation > SATURATED) & (value > DARK)
        sextant = (hue.astype(int) + 15) // 30 % 6  # OpenCV's hue counts to 180
        found = []
        for number in range(6):
            patch = (coloured & (sextant == number)).astype(np.uint8)
            closed = cv2.morphologyEx(patch, cv2.MORPH_CLOSE, np.ones((GAP, GAP), np.uint8))
            count, labels = cv2.connectedComponents(closed)
            for label in range(1, count):
                mask = Mask.from_frame(labels == label)
                if mask.area >= SMALLEST:
                    x0, y0, x1, y1 = (float(v) for v in mask.box)
                    found.append(Instance((x0, y0, x1, y1), 0.9, mask))
        return found


class DrawnFaces:
    """Finds white plates with a coloured patch; the patch's hue is the embedding.

    Of two hues 60 degrees apart the cosine is 0.5, of equal ones 1.
    """

    name = "drawn"
    thresholds = FaceThresholds(same=0.9, different=0.6)
    min_face = 10
    smallest = 10
    """Pixels; smaller ones aren't found."""

    def detect(self, image: Pixels) -> list[Face]:
        white = (image.min(axis=2) > WHITE).astype(np.uint8)
        contours, _ = cv2.findContours(white, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        faces = []
        for contour in contours:
            x, y, width, height = cv2.boundingRect(contour)
            side = (width + height) / 2
            if side < self.smallest or not 0.7 < width / height < 1.4:
                continue
            points = np.array([(1.5, 1.5), (3.5, 1.5), (2.5, 2.5), (1.7, 3.5), (3.3, 3.5)])
            landmarks = (points * side / 5 + (x, y)).astype(np.float32)
            face = Face((x, y, x + width, y + height), 0.9, landmarks)
            if np.ptp(self._patch(image, face)) > SATURATED:  # else white, but no face
                faces.append(face)
        return faces

    def embed(self, image: Pixels, faces: Sequence[Face]) -> NDArray[np.float32]:
        patches = [self._patch(image, face) for face in faces]
        return hues(np.array(patches).reshape(-1, 3))

    def _patch(self, image: Pixels, face: Face) -> NDArray[np.float64]:
        """Mean colour of the middle of the patch: float64 [3] RGB."""
        x0, y0, x1, y1 = face.box
        middle_x, middle_y = round((x0 + x1) / 2), round(y0 + 0.6 * (y1 - y0))
        part = image[middle_y - 2 : middle_y + 2, middle_x - 2 : middle_x + 2]
        return np.asarray(part.reshape(-1, 3).mean(axis=0), dtype=np.float64)


class DrawnBodies:
    """The hue of the clothes, which may be trusted over a cut."""

    name = "drawn"
    across_shots = True

    def embed(
        self, crops: Sequence[Rgb], masks: Sequence[Silhouette] | None = None
    ) -> NDArray[np.float32]:
        # The lower half is all clothes.
        halves = [crop[len(crop) // 2 :].reshape(-1, 3).mean(axis=0) for crop in crops]
        return hues(np.array(halves).reshape(-1, 3))


def hues(colours: NDArray[np.float64]) -> NDArray[np.float32]:
    """What is left of colours, float64 [N, 3] RGB, without their grey: float32 [N, 3], length 1."""
    return normalised(colours - colours.mean(axis=1, keepdims=True))


def drawn_models() -> Models:
    return Models(DrawnSegmenter(), DrawnFaces(), DrawnBodies())


def use_models(patch: pytest.MonkeyPatch, load: Callable[..., Models]) -> None:
    """Have `load` called wherever networks are opened by default."""
    # The last is where commands import it from, when they run.
    for module in ("bystander.pipeline.analyze", "bystander.pipeline.audit", "bystander.models"):
        patch.setattr(import_module(module), "load_models", load)


def cast_of(folder: Path, **faces: Colour) -> tuple[CastMember, ...]:
    """People to keep, from drawn photos of them under their names."""
    photos = []
    for name, face in faces.items():
        scene = Scene([Figure((90, 90, 90), standing(20, 20), face)], size=(80, 80))
        photos.append(folder / f"{name}.png")
        cv2.imwrite(str(photos[-1]), scene.picture(0)[:, :, ::-1])
    return load_cast(photos, DrawnFaces())


def pictures(path: Path) -> list[Pixels]:
    """Every frame of an upright video, what is shown of it: uint8 [H, W, 3] RGB each."""
    with av.open(str(path)) as container:
        stored = container.streams.video[0].codec_context
        right, bottom = read_padding(path, stored.width, stored.height)
        rows, columns = slice(stored.height - bottom), slice(stored.width - right)
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return [np.asarray(frame, dtype=np.uint8)[rows, columns] for frame in frames]


def shows(picture: Pixels, colour: Colour, tolerance: float = 20) -> Bits:
    """Where a picture has the hue of `colour` and is as saturated: bool [H, W]."""
    hue = round(180 * colorsys.rgb_to_hsv(*(v / 255 for v in colour))[0])
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(int)
    away = np.abs((hsv[..., 0] - hue + 90) % 180 - 90)
    return np.asarray((away < tolerance / 2) & (hsv[..., 1] > SATURATED) & (hsv[..., 2] > DARK))


@dataclass(frozen=True)
class Masked:
    """A scene that went through analysis and rendering, in magenta and without loss."""

    scene: Scene
    source: Path
    timeline: Timeline
    output: Path

    def covered(self, figure: Figure, number: int) -> float:
        """Share of the figure's visible pixels that are drawn over, 1 where there are none."""
        seen = self.scene.silhouette(figure, number)
        return float(is_magenta(self.after[number])[seen].mean()) if seen.any() else 1.0

    def change(self, figure: Figure, number: int) -> float:
        """Mean absolute difference that masking made to the figure's pixels, 0 to 255."""
        seen = self.scene.silhouette(figure, number)
        difference = cv2.absdiff(self.before[number], self.after[number])
        return float(difference[seen].mean()) if seen.any() else 0.0

    @cached_property
    def before(self) -> list[Pixels]:
        return pictures(self.source)

    @cached_property
    def after(self) -> list[Pixels]:
        return pictures(self.output)


def mask_scene(
    scene: Scene,
    folder: Path,
    *,
    cast: Sequence[CastMember] = (),
    clicks: Sequence[Click] = (),
    source: Path | None = None,
    settings: AnalysisSettings = SETTINGS,
) -> Masked:
    """Film (unless `source` is that film), analyse and render a scene."""
    source = source or scene.video(folder / "source.mp4")
    timeline = analyze(
        source,
        folder / "timeline",
        models=drawn_models(),
        settings=settings,
        cast=cast,
        clicks=clicks,
    )
    render(source, timeline, folder / "masked.mp4", effect=MAGENTA, encoder=LOSSLESS)
    return Masked(scene, source, timeline, folder / "masked.mp4")


def is_magenta(picture: Pixels, tolerance: int = 12) -> Bits:
    """Where the effect is all that is left: bool [H, W]."""
    away = np.abs(picture.astype(int) - (255, 0, 255)).max(axis=2)
    return np.asarray(away < tolerance)
