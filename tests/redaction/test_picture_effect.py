"""A picture over people: it hides all of them, follows their box, and leaves the kept alone."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from bystander.choices import EffectName, ShapeName
from bystander.errors import ConfigError
from bystander.geometry.coordinates import DisplaySize
from bystander.media.colour import PixelFormat, planes_of, ycbcr
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.pictures import MAX_PICTURE_SIDE_PX, Sticker, read_picture
from bystander.redaction.regions import drawn
from bystander.timeline.types import Look, Sighting
from tests.redaction.pictures import GRID, SIZE, figure, in_source, noise, rectangle
from tests.redaction.test_regions import FRIEND, JUDGED, STRANGER, record, sighted

YELLOW, PINK = (255, 255, 0), "#ff00ff"


def png(side: int = 40, colour: tuple[int, ...] = YELLOW) -> str:
    """A disc of one colour on nothing, base64."""
    picture = np.zeros((side, side, 4), np.uint8)
    cv2.circle(picture, (side // 2, side // 2), side // 2 - 2, (*colour[::-1], 255), -1)
    return base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()


def effect(picture: str | None = None) -> EffectSettings:
    return EffectSettings(name=EffectName.PICTURE, picture=picture or png(), color=PINK)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_a_person_is_hidden_by_the_picture_and_the_colour_beneath(
    pixel_format: PixelFormat,
) -> None:
    mask = figure(80, 10, 70)
    stranger = Sighting(STRANGER, mask.box, 0.9, mask)
    here = drawn(record(stranger), JUDGED, effect())
    picture = noise(pixel_format=pixel_format)
    result = Compositor(GRID, SIZE, DisplaySize(SIZE), effect(), pixel_format).apply(
        picture, here.regions
    )
    again = Compositor(GRID, SIZE, DisplaySize(SIZE), effect(), pixel_format).apply(
        noise(pixel_format=pixel_format, seed=9), here.regions
    )
    bits = 10 if "10" in pixel_format else 8
    for index, (one, other) in enumerate(zip(planes_of(result), planes_of(again), strict=True)):
        inside = in_source(mask, one)
        assert (one[inside] == other[inside]).all()  # nothing of the person is in it
        found = {int(level) for level in np.unique(one[inside])}
        for colour in ("#ffff00", PINK):
            level = ycbcr(colour, "bt709", full_range=False, bits=bits)[index]
            assert any(abs(level - one) <= 2 for one in found)
    middle = planes_of(result)[0][SIZE[1] // 2, 240]
    assert abs(int(middle) - ycbcr("#ffff00", "bt709", False, bits)[0]) <= 2


@pytest.mark.parametrize("shape", ShapeName)
def test_the_picture_never_covers_somebody_kept(shape: ShapeName) -> None:
    settings = effect(png(colour=(255, 255, 255))).model_copy(update={"shape": shape})
    stranger = Sighting(STRANGER, (20.0, 10.0, 120.0, 80.0), 0.9, rectangle(30, 15, 60, 75))
    here = drawn(record(stranger, sighted(FRIEND, 70, 90)), JUDGED, settings)
    picture = noise()
    before = planes_of(picture)[0].copy()
    result = Compositor(GRID, SIZE, DisplaySize(SIZE), settings).apply(
        picture, here.regions, here.kept
    )
    luma = planes_of(result)[0]
    friend = in_source(rectangle(70, 20, 90, 70), luma)
    assert (luma[friend] == before[friend]).all()
    assert (luma[in_source(rectangle(62, 43, 66, 47), luma)] > 230).all()  # beside them it is


def test_it_keeps_its_proportions_as_they_are_displayed() -> None:
    mask = rectangle(40, 10, 60, 80)
    settings = effect(png(colour=(255, 255, 255)))
    here = drawn(record(Sighting(STRANGER, mask.box, 0.9, mask)), JUDGED, settings)
    wide = DisplaySize((SIZE[0] * 2, SIZE[1]))  # pixels twice as wide as they are tall
    result = Compositor(GRID, SIZE, wide, settings).apply(noise(), here.regions)
    white = planes_of(result)[0] > 230
    inside = in_source(mask, white) & white
    height = np.flatnonzero(inside[:, 150]).size
    width = np.flatnonzero(inside[135]).size
    assert height == pytest.approx(2 * width, rel=0.15)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"GIF89a", base64.b64decode(png())[:60]):
        path = tmp_path / "picture.png"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="picture"):
            read_picture(path)
    with pytest.raises(ConfigError, match="nowhere"):
        read_picture(tmp_path / "nowhere.png")


@pytest.mark.parametrize("picture", ["%", "aGVsbG8=", png(MAX_PICTURE_SIDE_PX + 1)])
def test_settings_take_nothing_but_a_png_of_bounded_size(picture: str) -> None:
    with pytest.raises(ValidationError, match="picture"):
        EffectSettings(name=EffectName.PICTURE, picture=picture)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_kind_of_png_is_taken(channels: int, kind: type) -> None:
    picture: NDArray[Any] = np.full((8, 12, channels), np.iinfo(kind).max, kind)
    encoded = base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()
    colours, alpha = Sticker(encoded).scaled(6, 4)
    assert colours.shape == (4, 6, 3)
    assert (colours == 255).all()
    assert (alpha == 255).all()


@pytest.mark.parametrize("taller", [0, 1])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p10le"])
def test_where_two_overlap_what_one_has_alone_lies_above_and_both_stay_hidden(
    pixel_format: PixelFormat, taller: int
) -> None:
    masks = figure(75, 10, 70), figure(85, 10, 70)
    extents = [210.0, 210.0]
    extents[taller] = 260.0
    own, other = (Region(mask, extent) for mask, extent in zip(masks, extents, strict=True))
    dressed = replace(own, look=0)
    compositor = Compositor(
        GRID, SIZE, DisplaySize(SIZE), EffectSettings(), pixel_format, looks=[Look(PINK)]
    )
    picture = noise(pixel_format=pixel_format)
    usual, made, turned = (
        planes_of(compositor.apply(picture, regions))
        for regions in ([own, other], [dressed, other], [other, dressed])
    )
    levels = ycbcr(PINK, "bt709", False, 10 if "10" in pixel_format else 8)
    for plain, one, same, level in zip(usual, made, turned, levels, strict=True):
        assert (one == same).all()
        assert (one[in_source(masks[0], one)] == level).all()
        beside = in_source(masks[1], one) & ~in_source(masks[0].grown(6), one)
        assert beside.any()
        assert (one[beside] == plain[beside]).all()


def test_a_look_gives_way_to_the_kept_and_is_drawn_with_its_picture() -> None:
    mask = figure(80, 10, 70)
    friend = rectangle(60, 40, 74, 80)
    looks = [Look(PINK, png())]
    tracklets = {**JUDGED, STRANGER: replace(JUDGED[STRANGER], looks=((0, 99, 0),))}
    stranger = Sighting(STRANGER, mask.box, 0.9, mask)
    here = drawn(record(stranger, Sighting(FRIEND, friend.box, 0.9, friend)), tracklets,
                 EffectSettings())  # fmt: skip
    picture = noise()
    made = Compositor(GRID, SIZE, DisplaySize(SIZE), EffectSettings(), looks=looks).apply(
        picture, here.regions, here.kept
    )
    for before, after in zip(planes_of(picture), planes_of(made), strict=True):
        apart = in_source(friend, after) & ~in_source(mask.grown(5), after)
        assert (before[apart] == after[apart]).all()
    luma = planes_of(made)[0][in_source(mask, planes_of(made)[0])]
    colours = [ycbcr(colour, "bt709", False, 8)[0] for colour in ("#ffff00", PINK)]
    assert all((luma == level).sum() > 300 for level in colours)


def test_a_look_whose_picture_is_none_is_refused_before_anything_is_drawn() -> None:
    for picture in ("<b>", base64.b64encode(b"GIF89a").decode()):
        with pytest.raises(ConfigError):
            Compositor(GRID, SIZE, DisplaySize(SIZE), EffectSettings(), looks=[Look(PINK, picture)])
