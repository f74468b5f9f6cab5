from __future__ import annotations

from typing import get_args

import av
import numpy as np
import pytest

from bystander.errors import UnsupportedVideo
from bystander.media.colour import (
    Matrix,
    PixelFormat,
    copy_of,
    matrix_of,
    planes_of,
    to_planar,
    ycbcr,
)
from bystander.media.display import Orientation
from tests.conftest import shared
from tests.redaction.pictures import noise, samples

FORMATS = pytest.mark.parametrize("pixel_format", get_args(PixelFormat))


@FORMATS
@pytest.mark.parametrize("size", [(62, 46), (61, 47)])
def test_planes_leave_the_padding_of_rows_out(
    pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    width, height = size
    luma, cb, cr = planes_of(av.VideoFrame(width, height, pixel_format))
    halved = (-(-height // 2), -(-width // 2)) if "420" in pixel_format else (height, width)
    assert (luma.shape, cb.shape, cr.shape) == ((height, width), halved, halved)
    assert luma.dtype == (np.uint16 if "10" in pixel_format else np.uint8)


@FORMATS
def test_a_copy_has_the_same_samples_tags_and_time_in_memory_of_its_own(
    pixel_format: PixelFormat,
) -> None:
    picture = noise((61, 47), pixel_format)
    picture.colorspace, picture.color_range = 9, 2
    picture.color_primaries, picture.color_trc = 9, 16
    copy = copy_of(picture)
    for ours, theirs in zip(planes_of(copy), planes_of(picture), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert not np.shares_memory(ours, theirs)
    for tag in ("colorspace", "color_range", "color_primaries", "color_trc", "pts", "time_base"):
        assert getattr(copy, tag) == getattr(picture, tag), tag


@FORMATS
def test_a_picture_in_the_right_format_is_returned_itself(pixel_format: PixelFormat) -> None:
    picture = noise(pixel_format=pixel_format)
    assert to_planar(picture, pixel_format) is picture


def test_a_decoded_clip_is_taken_as_it_is() -> None:
    with av.open(str(shared("clips", "opera", "video.mp4"))) as container:
        picture = next(container.decode(video=0))
        assert to_planar(picture, "yuv420p") is picture


@FORMATS
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_picture_is_made_upright_bit_by_bit(
    pixel_format: PixelFormat, rotation: int, mirrored: bool
) -> None:
    picture = noise((64, 46), pixel_format)
    picture.color_range = 2
    before = samples(picture)
    orientation = Orientation(rotation, mirrored)
    upright = to_planar(picture, pixel_format, orientation)
    assert (upright.width, upright.height) == orientation.size(64, 46)
    assert (upright.pts, upright.color_range) == (picture.pts, 2)
    for ours, theirs in zip(planes_of(upright), before, strict=True):
        np.testing.assert_array_equal(ours, orientation.upright(theirs))


@pytest.mark.parametrize(("old", "new"), [("yuvj420p", "yuv420p"), ("yuvj444p", "yuv444p")])
def test_the_old_full_range_formats_only_change_their_name(old: str, new: PixelFormat) -> None:
    picture = noise((61, 47), old)
    renamed = to_planar(picture, new)
    assert (renamed.format.name, renamed.color_range) == (new, 2)
    for ours, theirs in zip(planes_of(renamed), planes_of(picture), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def plain(pixel_format: str, level: tuple[int, int, int]) -> av.VideoFrame:
    picture = av.VideoFrame(64, 48, pixel_format)
    for plane, value in zip(planes_of(picture), level, strict=True):
        plane[:] = value
    return picture


@pytest.mark.parametrize(
    ("source", "color_range", "expected_range"),
    [("yuv422p", 1, 1), ("yuv422p", 2, 2), ("yuvj422p", 0, 2), ("yuvj422p", 2, 2)],
)
def test_conversion_keeps_range_and_matrix(
    source: str, color_range: int, expected_range: int
) -> None:
    picture = plain(source, (250, 90, 200))  # brighter than limited range allows
    picture.colorspace, picture.color_range = 6, color_range
    converted = to_planar(picture, "yuv420p")
    assert [int(plane[9, 9]) for plane in planes_of(converted)] == [250, 90, 200]
    assert (converted.colorspace, converted.color_range) == (6, expected_range)


def test_more_bits_are_kept_as_levels() -> None:
    converted = to_planar(plain("yuv422p", (235, 90, 200)), "yuv420p10le")
    assert [int(plane[9, 9]) for plane in planes_of(converted)] == [940, 360, 800]


@pytest.mark.parametrize("source", ["rgb24", "gbrp", "bgra"])
def test_rgb_becomes_bt709_and_looks_the_same(source: str) -> None:
    color = np.full((48, 64, 3), (200, 60, 30), dtype=np.uint8)
    picture = av.VideoFrame.from_ndarray(color).reformat(format=source)
    picture.pts = 3
    converted = to_planar(picture, "yuv420p")
    assert (converted.colorspace, converted.color_range, converted.pts) == (1, 1, 3)
    expected = ycbcr("#c83c1e", "bt709", full_range=False, bits=8)
    found = [int(plane[9, 9]) for plane in planes_of(converted)]
    assert found == pytest.approx(expected, abs=1)


def test_what_swscale_cannot_read_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedVideo, match="rgb96le"):
        to_planar(av.VideoFrame(64, 48, "rgb96le"), "yuv420p")


COLORS = ("#000000", "#ffffff", "#ff00ff", "#00ff00", "#0000ff", "#ff0000", "#202020", "#1db954")


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize(("matrix", "code"), [("bt601", 5), ("bt709", 1), ("bt2020", 9)])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("pixel_format", "bits"), [("yuv420p", 8), ("yuv444p10le", 10)])
def test_swscale_reads_the_colour_back(
    color: str,
    matrix: Matrix,
    code: int,
    full_range: bool,
    pixel_format: str,
    bits: int,
) -> None:
    picture = plain(pixel_format, ycbcr(color, matrix, full_range, bits))
    rgb = picture.reformat(
        format="rgb24",
        src_colorspace=code,
        src_color_range=2 if full_range else 1,
        dst_color_range=2,
    ).to_ndarray()
    expected = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    assert rgb[20, 20].tolist() == pytest.approx(expected, abs=3)


@pytest.mark.parametrize(
    ("matrix", "color_range", "height", "expected"),
    [
        (1, 1, 480, ("bt709", False)),
        (6, 2, 1080, ("bt601", True)),
        (9, 1, 2160, ("bt2020", False)),
        (2, 0, 480, ("bt601", False)),
        (2, 0, 1080, ("bt709", False)),
    ],
)
def test_the_matrix_is_the_tagged_one_or_the_usual_one_for_the_size(
    matrix: int, color_range: int, height: int, expected: tuple[Matrix, bool]
) -> None:
    assert matrix_of(matrix, color_range, height) == expected
