"""Display pixels: what people and clients point with, whatever the pixels' shape."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from bystander.errors import SelectionError
from bystander.geometry.coordinates import DisplayPoint, DisplaySize, GridTransform, display_size
from bystander.media.probe import probe
from bystander.models.segmenter import analysis_size
from bystander.tracking.clicks import Click, check_clicks
from tests.support.videos import Clip, make_video


@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [
        ((1920, 1080), Fraction(1), (1920, 1080)),
        ((480, 360), Fraction(4, 3), (640, 360)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),  # HDV
        ((1080, 1440), Fraction(3, 4), (1080, 1920)),  # the same, filmed upright
        ((720, 576), Fraction(64, 45), (1024, 576)),  # PAL DVD, 16:9
        ((720, 480), Fraction(8, 9), (720, 540)),  # NTSC DVD, 4:3: height grows
        ((720, 480), Fraction(0), (720, 480)),
        ((320, 240), Fraction(1000), (320, 240)),  # a damaged header
        ((320, 240), Fraction(1, 1000), (320, 240)),
    ],
)
def test_a_picture_is_shown_in_square_pixels_and_never_smaller(
    stored: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    assert display_size(*stored, aspect) == shown


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_size_is_turned_with_the_picture(tmp_path: Path, rotation: int) -> None:
    clip = Clip(size=(240, 180), aspect=Fraction(4, 3), rotation=rotation)
    info = probe(make_video(tmp_path / "v.mp4", clip))
    assert info.display_size == ((320, 180) if rotation in (0, 180) else (180, 320))


def test_a_place_is_in_the_same_part_of_the_grid_as_of_the_picture() -> None:
    transform = GridTransform(DisplaySize((1024, 576)), analysis_size(1024, 576))
    assert transform.grid == (640, 360)
    assert transform.to_grid(DisplayPoint(512, 144)) == (320, 90)
    assert transform.to_display((320, 90, 640, 360)) == (512, 144, 1024, 576)


def test_a_click_may_be_anywhere_in_what_is_shown_and_nowhere_beside_it(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(size=(240, 180), aspect=Fraction(4, 3)))
    check_clicks([Click(0, 319, 179)], path, probe(path))
    with pytest.raises(SelectionError, match="shown as 320x180 pixels"):
        check_clicks([Click(0, 320, 90)], path, probe(path))


def test_the_container_tells_the_shape_of_pixels_where_the_codec_does_not(tmp_path: Path) -> None:
    square, stretched = make_video(tmp_path / "v.mp4", Clip(size=(240, 180))), tmp_path / "v.mkv"
    copy = ("-i", str(square), "-c", "copy", "-aspect", "16:9", str(stretched))
    subprocess.run([get_ffmpeg_exe(), "-v", "error", *copy], check=True)
    assert probe(stretched).display_size == (320, 180)
