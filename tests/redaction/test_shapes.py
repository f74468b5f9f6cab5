"""Shapes that hide the outline: they cover all of it, and nothing of the kept."""

from __future__ import annotations

from fractions import Fraction
from math import sin

import numpy as np
import pytest

from bystander.choices import EffectName, ShapeName
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.masks import Mask
from bystander.media.colour import planes_of
from bystander.redaction.compositing import Compositor
from bystander.redaction.effects import EffectSettings
from bystander.redaction.regions import drawn
from bystander.redaction.shapes import covered, steady
from bystander.timeline.types import FrameRecord, Origin, Sighting
from tests.redaction.pictures import GRID, SIZE, figure, in_source, noise, rectangle
from tests.redaction.test_regions import FRIEND, JUDGED, STRANGER, record, sighted

SHAPES = pytest.mark.parametrize("shape", ShapeName)
HIDING = pytest.mark.parametrize("shape", [ShapeName.BLOB, ShapeName.BOX])
RATE = 25


@SHAPES
@pytest.mark.parametrize("seed", range(8))
def test_all_of_the_silhouette_is_covered_whatever_the_box(shape: ShapeName, seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = Mask(20, 10, random.random((30, 40)) < random.choice([0.02, 0.2, 0.6]))
    kept = [Mask.from_frame(random.random(GRID[::-1]) < 0.5)]
    x, y = random.uniform(-10, 60, 2)
    cover = covered(mask, (x, y, x + 20, y + 30), shape, kept)
    silhouette = mask.on_grid(*GRID)
    shown = cover.on_grid(*GRID)
    assert shown[silhouette].all()
    assert not (shown & ~silhouette & kept[0].on_grid(*GRID)).any()


@HIDING
def test_two_outlines_in_one_box_look_the_same(shape: ShapeName) -> None:
    box = (40.0, 5.0, 80.0, 85.0)
    one, other = (covered(figure(60, 12, h), box, shape, ()) for h in (66, 58))
    assert one.area > 1.5 * figure(60, 12, 66).area
    assert one.box == other.box
    assert (one.bits == other.bits).all()


def walk(frames: int = 60) -> list[FrameRecord]:
    """Somebody crosses the picture, swinging arms and legs, two steps a second."""
    found = []
    for index in range(frames):
        swing = round(8 * abs(sin(index * 2 * np.pi / RATE)))
        x = 30 + index
        mask = rectangle(x - 8 - swing, 20, x + 8 + swing, 80)
        found.append(FrameRecord(index, index, (Sighting(STRANGER, mask.box, 0.9, mask),)))
    return found


def test_steady_boxes_hold_the_silhouette_and_tell_no_gait() -> None:
    raw = walk()
    smooth = list(steady(raw, EffectSettings(shape=ShapeName.BLOB), Fraction(1, RATE)))
    assert [one.index for one in smooth] == [one.index for one in raw]
    for before, after in zip(raw, smooth, strict=True):
        x0, y0, x1, y1 = before.sightings[0].mask.box
        box = after.sightings[0].box
        beyond = np.subtract((x0, y0, -x1, -y1), (box[0], box[1], -box[2], -box[3]))
        assert (beyond >= -1e-9).all()
    widths = [
        np.std([one.sightings[0].box[2] - one.sightings[0].box[0] for one in records[20:40]])
        for records in (raw, smooth)
    ]
    assert widths[1] < widths[0] / 5


def test_boxes_depend_on_no_frame_beyond_what_is_looked_ahead() -> None:
    raw = walk()
    whole = list(steady(raw, EffectSettings(shape=ShapeName.BOX), Fraction(1, RATE)))
    part = list(steady(raw[10:], EffectSettings(shape=ShapeName.BOX), Fraction(1, RATE)))
    assert part[19].sightings[0].box == whole[29].sightings[0].box  # 0.75 s later


def test_a_silhouette_takes_no_boxes() -> None:
    raw = walk(5)
    assert list(steady(raw, EffectSettings(shape=ShapeName.SILHOUETTE), Fraction(1, RATE))) == raw


@HIDING
@pytest.mark.parametrize("origin", [Origin.SEEN, Origin.FILLED, Origin.FACE])
def test_what_a_shape_adds_never_covers_somebody_kept(shape: ShapeName, origin: Origin) -> None:
    stranger = Sighting(STRANGER, (20.0, 10.0, 120.0, 80.0), 0.9, rectangle(30, 15, 60, 75))
    friend = sighted(FRIEND, 80, 100, origin)
    here = drawn(record(stranger, friend), JUDGED, EffectSettings(shape=shape))
    settings = EffectSettings(name=EffectName.SOLID, color="#ff00ff", growth=0.0, softness=0.0)
    picture = noise()
    before = planes_of(picture)[0].copy()
    result = Compositor(GRID, SIZE, DisplaySize(SIZE), settings).apply(
        picture, here.regions, here.kept
    )
    luma = planes_of(result)[0]
    level = luma[in_source(rectangle(40, 30, 50, 60), luma)][0]
    clear, hidden, between = (
        in_source(rectangle(left, 20, right, 70), luma)
        for left, right in ((80, 100), (30, 60), (64, 74))
    )
    assert (luma[clear] == before[clear]).all()
    assert (luma[hidden] == level).all()
    assert (luma[between] == level).all()  # the shape, beside the silhouette
