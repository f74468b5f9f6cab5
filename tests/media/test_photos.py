from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bystander.errors import UnreadablePhoto
from bystander.media.photos import PhotoLimits, load_photo, photo_files
from tests.support.videos import picture_array


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.jpg", "JPEG"),
        ("a.jfif", "JPEG"),
        ("a.png", "PNG"),
        ("a.webp", "WEBP"),
        ("a.heic", "HEIF"),
        ("a.avif", "AVIF"),
        ("a.bmp", "BMP"),
        ("a.tif", "TIFF"),
    ],
)
def test_every_format_gives_the_same_picture(tmp_path: Path, name: str, format_: str) -> None:
    pixels = picture_array(3, 320, 240)
    Image.fromarray(pixels).save(tmp_path / name, format_, quality=95)

    loaded = load_photo(tmp_path / name)

    assert loaded.shape == (240, 320, 3)
    assert loaded.dtype == np.uint8
    assert np.abs(loaded.astype(int) - pixels).mean() < 4
    assert photo_files(tmp_path) == [tmp_path / name]


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored under each EXIF orientation (JEITA CP-3451, 4.6.4)."""


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_turned_or_mirrored_photo_is_made_upright(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    upright = Image.fromarray(picture_array(3, 320, 240))
    turn = TURNS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    (upright if turn is None else upright.transpose(turn)).save(path, exif=exif)

    loaded = load_photo(path)

    assert loaded.shape == (240, 320, 3)
    assert np.abs(loaded.astype(int) - np.asarray(upright)).mean() < 3


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(tmp_path: Path, name: str) -> None:
    ramp = np.linspace(0, 65_535, 256).round().astype(np.uint16)
    Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / name)
    loaded = load_photo(tmp_path / name)

    assert np.abs(loaded.astype(int) - np.arange(256)[:, None]).max() <= 1
    # A dark one stays dark.
    Image.fromarray(np.full((64, 64), 200, np.uint16)).save(tmp_path / name)
    assert load_photo(tmp_path / name).max() <= 1


def test_numbers_of_any_range_become_grey(tmp_path: Path) -> None:
    for dtype, top in ((np.float32, 1.0), (np.float32, 255.0), (np.int32, 65_535)):
        values = np.linspace(0, top, 256).astype(dtype)
        Image.fromarray(np.tile(values, (64, 1))).save(tmp_path / "a.tif")
        loaded = load_photo(tmp_path / "a.tif")
        assert np.abs(loaded.astype(int) - np.arange(256)[:, None]).max() <= 1


def test_sixteen_bits_of_colour_print_colours_and_palettes_look_as_they_do(
    tmp_path: Path,
) -> None:
    pixels = picture_array(3, 320, 240)
    deep = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    image = Image.fromarray(pixels)
    image.convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    for name in ("deep.png", "print.jpg", "palette.png"):
        assert np.abs(load_photo(tmp_path / name).astype(int) - pixels).mean() < 4, name


def test_black_and_white_is_averaged_when_it_is_made_smaller(tmp_path: Path) -> None:
    checkers = Image.fromarray(np.indices((3000, 3000)).sum(axis=0) % 2 == 0)
    checkers.save(tmp_path / "a.png")
    assert load_photo(tmp_path / "a.png")[5:-5, 5:-5].std() < 60


def test_grey_with_transparency_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("LA", (40, 40), (0, 0)).save(tmp_path / "a.png")
    assert (load_photo(tmp_path / "a.png") == 255).all()


def test_the_photo_is_turned_as_the_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise
    Image.fromarray(picture_array(0, 320, 240)).save(tmp_path / "a.jpg", exif=exif)

    loaded = load_photo(tmp_path / "a.jpg")

    assert loaded.shape == (320, 240, 3)
    assert loaded[20, 220, 0] > 150 > loaded[20, 20, 0]  # red went to the upper right


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (200, 0, 0, 0)).save(tmp_path / "a.png")

    assert (load_photo(tmp_path / "a.png") == 255).all()


def test_a_big_photo_is_made_smaller(tmp_path: Path) -> None:
    Image.new("RGB", (5000, 2500), "teal").save(tmp_path / "a.jpg")

    assert load_photo(tmp_path / "a.jpg").shape == (1024, 2048, 3)


def test_a_photo_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("L", (1000, 1000)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = (20_000).to_bytes(4, "big") * 2  # the size in the header, and its checksum
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)

    with pytest.raises(UnreadablePhoto, match="89 million"):
        load_photo(tmp_path / "a.png")


def test_the_pixel_limit_is_the_one_given(tmp_path: Path) -> None:
    Image.new("L", (400, 300)).save(tmp_path / "a.png")

    with pytest.raises(UnreadablePhoto, match=r"0\.1 million"):
        load_photo(tmp_path / "a.png", PhotoLimits(max_pixels=100_000))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"hello", "not a photo"), (b"", "not a photo"), (None, "not a file")]
)
def test_what_is_no_photo_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)

    with pytest.raises(UnreadablePhoto, match=reason):
        load_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_half_a_photo_is_refused(tmp_path: Path, format_: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole", format_)
    data = (tmp_path / "whole").read_bytes()
    (tmp_path / "half").write_bytes(data[: len(data) // 2])

    with pytest.raises(UnreadablePhoto):
        load_photo(tmp_path / "half")


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + bytes(2000))

    with pytest.raises(UnreadablePhoto, match="more than"):
        load_photo(tmp_path / "a.jpg", PhotoLimits(max_bytes=1000))


def test_a_folder_gives_its_photos_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.heic", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "c.png").mkdir()

    assert photo_files(tmp_path) == [tmp_path / "a.heic", tmp_path / "b.JPG"]
    assert photo_files(tmp_path / "b.JPG") == [tmp_path / "b.JPG"]


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhoto, match="no photos"):
        photo_files(tmp_path)
    with pytest.raises(UnreadablePhoto, match="doesn't exist"):
        photo_files(tmp_path / "nobody")
