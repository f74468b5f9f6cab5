"""Narrow gaps in a mask: what was to be drawn, against what is there."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.auditing.redrawn import ExpectedFrame, Redrawer, fitting, showing
from bystander.choices import EffectName
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.masks import Mask
from bystander.media.colour import copy_of, planes_of
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings
from bystander.timeline.types import Sighting

GRID, SIZE = (320, 240), (640, 480)
SMALL_GROWTH = EffectSettings(growth=0.0, softness=0.0)
BODY = Mask(120, 40, np.ones((160, 60), dtype=bool))
SILHOUETTE = np.zeros((480, 640), dtype=bool)
SILHOUETTE[80:400, 240:360] = True


def picture_of(luma: NDArray[np.float64]) -> av.VideoFrame:
    picture = av.VideoFrame(*SIZE, "yuv420p")
    planes = planes_of(picture)
    planes[0][:] = np.clip(luma, 0, 255).astype(np.uint8)
    planes[1][:] = planes[2][:] = 128
    return picture


def scene(contrast: float = 60, soft: float = 2, seed: int = 3) -> av.VideoFrame:
    """Blobs on dark grey."""
    chance = np.random.default_rng(seed)
    blobs = cv2.GaussianBlur(chance.normal(size=(480, 640)), (0, 0), soft)
    return picture_of(60 + contrast * blobs / blobs.std())


def noisy(picture: av.VideoFrame, noise: float = 1.0) -> av.VideoFrame:
    """What an encoder might make of it."""
    result = copy_of(picture)
    luma = planes_of(result)[0]
    grain = np.random.default_rng(8).normal(0, noise, luma.shape)
    luma[:] = np.clip(luma + grain, 0, 255).astype(np.uint8)
    return result


def drawn(source: av.VideoFrame, effect: EffectSettings, shift: int = 0) -> ExpectedFrame:
    """The frame with its mask `shift` grid pixels to the right of where it should be."""
    compositor = Compositor(GRID, SIZE, DisplaySize(SIZE), effect)
    output = compositor.apply(source, [Region(BODY.moved(shift, 0), 320)])
    sighting = Sighting(1, (120, 40, 180, 200), 0.9, BODY)
    return ExpectedFrame(source, noisy(output), [Region(BODY, 320)], [], [sighting])


def redrawing(effect: EffectSettings, size: tuple[int, int] = SIZE) -> Redrawer:
    return Redrawer(effect, GRID, size, DisplaySize(size), "yuv420p")


def shown(plan: ExpectedFrame, effect: EffectSettings) -> tuple[float, float, float, float] | None:
    return showing(redrawing(effect).evidence(plan), SILHOUETTE)


@pytest.mark.parametrize("name", EffectName)
def test_nothing_shows_where_everything_is_drawn_over(name: EffectName) -> None:
    effect = EffectSettings(name=name)
    assert shown(drawn(scene(), effect), effect) is None


@pytest.mark.parametrize("name", EffectName)
def test_a_mask_beside_its_person_shows_a_strip_of_them(name: EffectName) -> None:
    effect = EffectSettings(name=name, growth=0, softness=0)
    box = shown(drawn(scene(), effect, shift=6), effect)
    assert box is not None
    x0, _, x1, _ = box
    assert 240 <= x0 < x1 <= 265  # the strip is 12 pixels less the least growth, and a window


def test_a_dark_and_blurred_strip_counts_too() -> None:
    source = scene(contrast=8, soft=8)
    plan = drawn(source, SMALL_GROWTH, shift=8)
    assert shown(plan, SMALL_GROWTH) is not None
    assert shown(drawn(source, SMALL_GROWTH), SMALL_GROWTH) is None


def test_a_gap_before_a_plain_wall_gives_nothing_away() -> None:
    source = picture_of(np.full((480, 640), 90.0))
    assert shown(drawn(source, SMALL_GROWTH, shift=8), SMALL_GROWTH) is None


def test_a_whole_person_left_out_shows() -> None:
    source = scene()
    plan = drawn(source, SMALL_GROWTH)
    bare = ExpectedFrame(source, noisy(source), plan.masked, plan.kept, plan.silhouettes)
    box = shown(bare, SMALL_GROWTH)
    assert box == (240, 80, 360, 400)


def test_whoever_is_kept_before_a_masked_person_may_be_seen() -> None:
    """Only the masked silhouette is looked at, and not what grew over it."""
    kept = Mask(180, 40, np.ones((160, 40), dtype=bool))
    source, effect = scene(), EffectSettings()
    compositor = Compositor(GRID, SIZE, DisplaySize(SIZE), effect)
    output = compositor.apply(source, [Region(BODY, 320)], [kept])
    sighting = Sighting(1, (120, 40, 180, 200), 0.9, BODY)
    plan = ExpectedFrame(source, noisy(output), [Region(BODY, 320)], [kept], [sighting])
    assert shown(plan, effect) is None


@pytest.mark.parametrize("name", [EffectName.BLUR, EffectName.MOSAIC, EffectName.SOLID])
def test_the_effect_is_found_out(name: EffectName) -> None:
    candidates = [redrawing(EffectSettings(name=n)) for n in EffectName]
    effect = EffectSettings(name=name, color="#d02060")
    plans = [drawn(scene(soft=8, seed=seed), effect) for seed in (1, 2)]
    found = fitting(plans, candidates)
    assert found is not None
    assert found.effect.name is name


def test_an_effect_of_another_program_fits_none() -> None:
    candidates = [redrawing(EffectSettings(name=n)) for n in EffectName]
    plan = drawn(scene(), EffectSettings())
    luma = np.array(planes_of(plan.source)[0], dtype=np.float64)
    luma[80:400, 240:360] = cv2.GaussianBlur(luma, (0, 0), 3)[80:400, 240:360] + 20
    strange = ExpectedFrame(plan.source, picture_of(luma), plan.masked, plan.kept, plan.silhouettes)
    assert fitting([strange], candidates) is None


@pytest.mark.parametrize("name", EffectName)
def test_the_edge_of_somebody_kept_beside_a_mask_is_no_leak(name: EffectName) -> None:
    """The video's pixels don't divide the grid's: edges are rounded as drawing rounds them."""
    size = (854, 480)
    body, kept = Mask(62, 33, np.ones((150, 37), bool)), Mask(99, 33, np.ones((150, 41), bool))
    grain = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(480, 854)), (0, 0), 1)
    source = av.VideoFrame(*size, "yuv420p")
    luma, *chroma = planes_of(source)
    luma[:] = np.clip(120 + 300 * grain, 0, 255).astype(np.uint8)
    for plane in chroma:
        plane[:] = 128
    effect = EffectSettings(name=name)
    regions, sighting = [Region(body, 300)], Sighting(1, (62, 33, 99, 183), 0.9, body)
    output = Compositor(GRID, size, DisplaySize(size), effect).apply(source, regions, [kept])
    plan = ExpectedFrame(source, output, regions, [kept], [sighting])
    evidence = redrawing(effect, size).evidence(plan)
    assert showing(evidence, np.ones((480, 854), dtype=bool)) is None
