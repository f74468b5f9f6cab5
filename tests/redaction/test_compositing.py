from __future__ import annotations

from typing import Any, get_args

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.choices import EffectName
from bystander.errors import UnsupportedVideo
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.masks import Mask
from bystander.media.colour import PixelFormat, planes_of, ycbcr
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.edges import INTO_MASKED_PX
from bystander.redaction.effects import EffectSettings
from tests.conftest import shared
from tests.redaction.pictures import GRID, SIZE, figure, in_source, noise, rectangle, samples

FORMATS = pytest.mark.parametrize("pixel_format", get_args(PixelFormat))
EFFECTS = pytest.mark.parametrize("name", list(EffectName))
PINK = EffectSettings(name=EffectName.SOLID, color="#ff00ff")
SCALE = SIZE[0] // GRID[0]


def compositor(
    settings: EffectSettings = PINK, pixel_format: PixelFormat = "yuv420p"
) -> Compositor:
    return Compositor(GRID, SIZE, DisplaySize(SIZE), settings, pixel_format)


def pink(pixel_format: PixelFormat = "yuv420p") -> tuple[int, int, int]:
    return ycbcr("#ff00ff", "bt709", full_range=False, bits=10 if "10" in pixel_format else 8)


def person(x: int = 60, top: int = 10, height: int = 70, **more: Any) -> Region:
    return Region(figure(x, top, height), height * SCALE, **more)


def changed(before: list[NDArray[Any]], picture: av.VideoFrame) -> list[NDArray[np.bool_]]:
    return [a != b for a, b in zip(before, planes_of(picture), strict=True)]


@FORMATS
@EFFECTS
def test_pixels_away_from_the_masked_are_bit_identical(
    name: EffectName, pixel_format: PixelFormat
) -> None:
    picture = noise(pixel_format=pixel_format)
    before = samples(picture)
    region = person()
    result = compositor(EffectSettings(name=name), pixel_format).apply(picture, [region])
    reach = region.mask.grown(8)  # grown 2 and soft 1.05 grid pixels, interpolated
    for plane, difference in zip(before, changed(before, result), strict=True):
        assert difference.any()
        assert not difference[~in_source(reach, plane)].any()


@FORMATS
@EFFECTS
def test_the_decoded_picture_is_not_touched(name: EffectName, pixel_format: PixelFormat) -> None:
    picture = noise(pixel_format=pixel_format)
    before = samples(picture)
    result = compositor(EffectSettings(name=name), pixel_format).apply(picture, [person()])
    assert result is not picture
    assert (result.pts, result.time_base) == (picture.pts, picture.time_base)
    assert not any(difference.any() for difference in changed(before, picture))


@FORMATS
def test_a_solid_silhouette_is_exactly_the_colour_in_luma_and_chroma(
    pixel_format: PixelFormat,
) -> None:
    region = person()
    result = compositor(PINK, pixel_format).apply(noise(pixel_format=pixel_format), [region])
    for plane, level in zip(planes_of(result), pink(pixel_format), strict=True):
        assert np.unique(plane[in_source(region.mask, plane)]).tolist() == [level]


@pytest.mark.parametrize("seed", range(20))
def test_no_pixel_of_any_silhouette_shows_whatever_its_shape(seed: int) -> None:
    random = np.random.default_rng(seed)
    bits = random.random((30, 40)) < random.choice([0.02, 0.2, 0.6])
    mask = Mask(int(random.integers(-20, 140)), int(random.integers(-10, 80)), bits)
    kept = Mask.from_frame(random.random(GRID[::-1]) < 0.7)
    result = compositor().apply(noise(), [Region(mask, 20.0)], [kept])
    for plane, level in zip(planes_of(result), pink(), strict=True):
        assert (plane[in_source(mask, plane)] == level).all()


@pytest.mark.parametrize("size", [(481, 271), (480, 270), (427, 240), (853, 479), (120, 66)])
@FORMATS
def test_any_size_of_source_is_covered_up_to_its_edges(
    size: tuple[int, int], pixel_format: PixelFormat
) -> None:
    corner = Region(rectangle(100, 50, *GRID), size[1] / 2)
    drawing = Compositor(GRID, size, DisplaySize(size), PINK, pixel_format)
    result = drawing.apply(noise(size, pixel_format), [corner])
    for plane, level in zip(planes_of(result), pink(pixel_format), strict=True):
        height, width = plane.shape
        assert (plane[-(-height * 50 // 90) :, -(-width * 100 // 160) :] == level).all()
        assert not (plane[: height // 3, : width // 3] == level).all()


@pytest.mark.parametrize("name", [EffectName.BLUR, EffectName.MOSAIC])
def test_inside_the_silhouette_no_detail_finer_than_a_cell_is_left(name: EffectName) -> None:
    settings = EffectSettings(name=name)
    one, two = noise(), noise()
    # Swapping pixels two by two changes every pixel, and the mean of no cell.
    for index, plane in enumerate(planes_of(two)):
        even = plane[:, : plane.shape[1] // 2 * 2]
        even[:] = (
            planes_of(one)[index][:, : even.shape[1]]
            .reshape(plane.shape[0], -1, 2)[:, :, ::-1]
            .reshape(even.shape)
        )
    region = person(80, 12, 60, face=30.0)
    drawn = [compositor(settings).apply(picture, [region]) for picture in (one, two)]
    for a, b in zip(*(planes_of(picture) for picture in drawn), strict=True):
        inside = in_source(region.mask, a)
        np.testing.assert_array_equal(a[inside], b[inside])


def test_the_edge_is_soft_only_outside_of_the_silhouette() -> None:
    picture = noise()
    for plane in planes_of(picture):
        plane[:] = 128
    region = Region(rectangle(60, 30, 100, 60), 270.0)
    white = EffectSettings(name=EffectName.SOLID, color="#ffffff", growth=0.02, softness=0.1)
    row = planes_of(compositor(white).apply(picture, [region]))[0][135].astype(int)
    assert (row[60 * SCALE : 100 * SCALE] == 235).all()
    falling = row[100 * SCALE :]
    assert (np.diff(falling) <= 0).all()
    assert falling[-1] == 128
    assert np.count_nonzero((falling > 128) & (falling < 235)) >= 15


def test_growth_and_softness_spare_the_kept() -> None:
    picture = noise()
    before = samples(picture)
    kept = rectangle(80, 0, 110, 90)
    wide = EffectSettings(name=EffectName.SOLID, growth=0.1, softness=0.1)
    result = compositor(wide).apply(picture, [Region(rectangle(50, 20, 78, 70), 270)], [kept])
    luma, *chroma = changed(before, result)
    # Noise tells nothing: along the silhouette's edge it is rather masked.
    inner = rectangle(82, 0, 108, 90)
    assert not luma[in_source(inner, luma)].any()
    assert not any(part[in_source(inner, part)].any() for part in chroma)
    # It was the kept mask that stopped it.
    alone = changed(
        before, compositor(wide).apply(picture, [Region(rectangle(50, 20, 78, 70), 270)])
    )
    assert alone[0][in_source(kept, luma)].any()


def test_pixels_that_both_claim_are_masked() -> None:
    masked, kept = rectangle(50, 20, 90, 70), rectangle(80, 20, 120, 70)
    result = compositor().apply(noise(), [Region(masked, 270)], [kept])
    inside = rectangle(50, 20, 90 - int(INTO_MASKED_PX), 70)
    for plane, level in zip(planes_of(result), pink(), strict=True):
        assert (plane[in_source(inside, plane)] == level).all()


def test_where_two_overlap_the_stronger_effect_stays() -> None:
    settings = EffectSettings(name=EffectName.MOSAIC)
    large = Region(rectangle(40, 10, 70, 80), 800.0)
    small = Region(rectangle(60, 30, 70, 60), 90.0)
    picture = noise()
    alone = samples(compositor(settings).apply(picture, [large]))
    for order in ([large, small], [small, large]):
        both = planes_of(compositor(settings).apply(picture, order))
        for ours, theirs in zip(both, alone, strict=True):
            inside = in_source(large.mask, ours)
            np.testing.assert_array_equal(ours[inside], theirs[inside])


def test_larger_people_get_larger_tiles_in_luma_and_chroma() -> None:
    settings = EffectSettings(name=EffectName.MOSAIC)
    ramp = noise()
    for plane in planes_of(ramp):
        plane[:] = np.linspace(0, 255, plane.shape[1]).astype(np.uint8)
    widths = []
    for height in (30, 88):
        region = Region(rectangle(40, 1, 120, 1 + height), height * SCALE, face=height * SCALE / 2)
        luma, cb, _ = planes_of(compositor(settings).apply(ramp, [region]))
        for plane, scale in ((luma, SCALE), (cb, SCALE / 2)):
            row = plane[int(15 * scale), int(40 * scale) : int(120 * scale)]
            edges = np.flatnonzero(np.diff(row.astype(int)))
            widths.append(int(np.median(np.diff(edges))))
    assert widths == [24, 12, 96, 48]


@FORMATS
@EFFECTS
def test_a_whole_picture_keeps_nothing(name: EffectName, pixel_format: PixelFormat) -> None:
    picture = noise(pixel_format=pixel_format)
    settings = EffectSettings(name=name)
    result = compositor(settings, pixel_format).apply(
        picture, [], [rectangle(0, 0, *GRID)], whole=True
    )
    for plane, original in zip(planes_of(result), planes_of(picture), strict=True):
        # Noise averages to almost nothing over cells of a fifth of the picture.
        assert plane.std() < original.std() / 20


@pytest.mark.parametrize(
    "masked",
    [
        [],
        [Region(Mask(5, 5, np.zeros((0, 0), dtype=bool)), 50.0)],
        [Region(rectangle(500, 20, 520, 40), 50.0)],
        [Region(rectangle(-50, 20, -30, 40), 50.0)],
    ],
    ids=["nobody", "empty", "right of the picture", "left of the picture"],
)
def test_a_picture_without_anyone_to_mask_is_returned_itself(masked: list[Region]) -> None:
    picture = noise()
    assert compositor().apply(picture, masked) is picture


@pytest.mark.parametrize("wrong", [noise((240, 136)), noise(pixel_format="yuv444p")])
def test_a_picture_of_another_size_or_format_is_refused(wrong: av.VideoFrame) -> None:
    with pytest.raises(UnsupportedVideo, match="the video began as 480x270 yuv420p"):
        compositor().apply(wrong, [person()])


def test_a_clip_in_the_solid_colour_shows_that_colour() -> None:
    with av.open(str(shared("clips", "opera", "video.mp4"))) as container:
        picture = next(container.decode(video=0))
        region = Region(figure(320, 60, 250, (640, 360)), 750.0)
        before = samples(picture)
        drawing = Compositor((640, 360), (1920, 1080), DisplaySize((1920, 1080)), PINK)
        result = drawing.apply(picture, [region])
        assert not any(difference.any() for difference in changed(before, picture))
    rgb = result.reformat(format="rgb24", src_colorspace=1, src_color_range=1, dst_color_range=2)
    assert rgb.to_ndarray()[540, 960].tolist() == pytest.approx([255, 0, 255], abs=3)


def test_a_mask_grows_alike_all_around_as_it_is_shown() -> None:
    size = GRID[0] * 3, GRID[1] * 4  # stored; pixels are 4/3 as wide as high
    display = DisplaySize((GRID[0] * 4, GRID[1] * 4))
    box = rectangle(60, 30, 100, 70)
    picture = noise(size)
    drawing = Compositor(GRID, size, display, PINK)
    result = drawing.apply(picture, [Region(box, 40 * 4)])
    luma = changed(samples(picture), result)[0]
    rows, columns = np.flatnonzero(luma.any(axis=1)), np.flatnonzero(luma.any(axis=0))
    across = (60 * 4 - columns[0] * 4 / 3, (columns[-1] + 1) * 4 / 3 - 100 * 4)
    down = (30 * 4 - rows[0], rows[-1] + 1 - 70 * 4)
    assert min(*across, *down) > 4  # it does grow
    assert max(*across, *down) - min(*across, *down) < 3
