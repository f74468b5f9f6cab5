"""Whatever changes within a video, its pictures keep the first one's shape."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.media.canvas import PictureShape, fitted
from bystander.media.colour import PixelFormat, RgbScaler, planes_of, to_planar
from bystander.media.display import UPRIGHT, Orientation
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from tests.support.videos import Clip, joined, make_video, picture_array, remuxed

SHORT = tuple(range(0, 6 * 512, 512))


def read(path: Path, **options: int) -> list[Frame]:
    with VideoReader(path, probe(path), **options) as reader:
        return list(reader)


def black(pixels: NDArray[np.uint8]) -> bool:
    return bool(pixels.max() < 12)


def is_red(pixel: NDArray[np.uint8]) -> bool:
    return bool(pixel[0] > 150 > 100 > max(pixel[1], pixel[2]))


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_narrower_picture_gets_bars_at_its_sides_and_that_is_said_once(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    clips = Clip(pts=SHORT), Clip(pts=SHORT, size=(120, 120))
    frames = read(joined(tmp_path / f"v{suffix}", *clips))

    assert {frame.rgb().shape for frame in frames} == {(240, 320, 3)}
    for number, frame in enumerate(frames):
        picture, later = frame.rgb(), number >= 6
        assert black(picture[:, :38]) == black(picture[:, -38:]) == later
        assert is_red(picture[10, 44])
        assert is_red(picture[110, 150])
        assert not is_red(picture[110, 170])
    (record,) = (r for r in caplog.records if r.levelno >= logging.WARNING)
    assert "from 0.24 s on its picture is 120x120" in record.getMessage()
    assert "320x240" in record.getMessage()


def test_both_ways_to_see_a_fitted_picture_agree_in_the_right_black(tmp_path: Path) -> None:
    for colors, least in (((1, 1, 1, 1), 16), ((1, 1, 1, 2), 0)):
        clips = (
            Clip(pts=SHORT, colors=colors),
            Clip(pts=SHORT, colors=colors, size=(320, 120)),
        )
        frame = read(joined(tmp_path / f"{least}.ts", *clips))[-1]
        planes = planes_of(frame.upright("yuv420p"))

        assert [np.unique(plane[:58]).tolist() for plane in planes[:1]] == [[least]]
        assert [np.unique(plane[:29]).tolist() for plane in planes[1:]] == [[128], [128]]
        shown = frame.upright("yuv420p").to_ndarray(format="rgb24").astype(int)
        assert np.abs(shown - frame.rgb()).mean() < 1.5


def test_the_same_aspect_fills_the_picture(tmp_path: Path) -> None:
    clips = Clip(pts=SHORT), Clip(pts=SHORT, size=(640, 480))
    frame = read(joined(tmp_path / "v.ts", *clips))[-1]

    expected = picture_array(5, 320, 240).astype(int)
    assert np.abs(frame.rgb() - expected).mean() < 4


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mpg"])
def test_broadcast_that_becomes_wide_gets_bars_from_that_very_frame_on(
    tmp_path: Path, suffix: str
) -> None:
    narrow = Clip(
        pts=range(24),
        last_duration=1,
        time_base=Fraction(1, 25),
        size=(360, 288),
        aspect=Fraction(16, 15),
        codec="mpeg2video",
        options={"qmin": "1", "qmax": "3", "bf": "2"},
    )
    wide = replace(narrow, aspect=Fraction(64, 45))
    path = joined(tmp_path / f"v{suffix}", narrow, wide, narrow)
    frames = read(path)

    assert len(frames) == 72
    bars = [black(frame.rgb()[:34]) and black(frame.rgb()[-34:]) for frame in frames]
    assert bars == [24 <= number < 48 for number in range(72)]
    # 16:9 in 4:3: a quarter of the lines is black.
    assert is_red(frames[30].rgb()[42, 10])
    # Reading from the middle finds the same.
    part = read(path, start_pts=frames[60].pts, start_index=60)
    assert [black(frame.rgb()[:34]) for frame in part] == [False] * 12


def test_a_change_of_pixel_format_and_range_keeps_the_colours(tmp_path: Path) -> None:
    clips = (
        Clip(pts=SHORT, colors=(1, 1, 1, 1)),
        Clip(pts=SHORT, pixel_format="yuv422p10le", colors=(1, 1, 1, 1)),
        Clip(pts=SHORT, colors=(6, 6, 6, 2)),
    )
    frames = read(joined(tmp_path / "v.ts", *clips))

    expected = picture_array(0, 320, 240).astype(int)[:110]
    for frame in (frames[0], frames[8], frames[14]):
        assert np.abs(frame.rgb()[:110] - expected).mean() < 4
        # What is written is tagged as the first picture is.
        planar = frame.upright("yuv420p")
        planar.colorspace, planar.color_range = 1, 1
        shown = RgbScaler().rgb(planar, (320, 240))[:110]
        assert np.abs(shown.astype(int) - expected).mean() < 4


SIDEWAYS = Orientation(90, mirrored=True)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p", "bgra"])
@pytest.mark.parametrize("orientation", [UPRIGHT, SIDEWAYS])
@pytest.mark.parametrize("size", [(320, 240), (321, 241)])
def test_every_kind_of_picture_is_fitted_into_every_kind(
    pixel_format: str, orientation: Orientation, size: tuple[int, int]
) -> None:
    stored = Clip(rotation=90, mirrored=True).stored(picture_array(0, 100, 200))
    picture = av.VideoFrame.from_ndarray(stored, "rgb24")
    found = PictureShape.of_picture(picture, SIDEWAYS, Fraction(2))
    shape = PictureShape(*orientation.size(*size), pixel_format, 1, False, orientation, Fraction(1))

    result, turn = fitted(picture, found, shape)

    planar: PixelFormat = "yuv444p"
    shown = RgbScaler().rgb(to_planar(result, planar, turn), size)
    # Square as displayed, in 4:3: 40 columns on either side are black.
    assert black(shown[:, :38])
    assert black(shown[:, -38:])
    assert is_red(shown[10, 46])
    assert is_red(shown[110, 150])
    assert not is_red(shown[110, 174])


def test_the_containers_aspect_counts_as_players_hold_it(tmp_path: Path) -> None:
    square = make_video(tmp_path / "v.mp4", Clip(pts=SHORT))
    for suffix in (".mp4", ".mkv"):
        wide = remuxed(square, tmp_path / f"wide{suffix}", "-aspect", "8:3")
        assert probe(wide).sample_aspect_ratio == 2
        assert {frame.rgb().shape for frame in read(wide)} == {(240, 320, 3)}
        assert is_red(read(wide)[-1].rgb()[10, 10])  # no bars


def test_what_is_transparent_is_white_and_never_what_is_stored_there(tmp_path: Path) -> None:
    path = tmp_path / "v.mov"
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[..., 1:3], pixels[:, 32:, 3], pixels[40:, :, 3] = 0, 0, 128
    with av.open(str(path), "w") as output:
        stream = output.add_stream("qtrle", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "argb"
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgba")))
        output.mux(stream.encode(None))

    for frame in read(path):
        assert frame.rgb()[10, 10].tolist() == [255, 0, 0]
        assert frame.rgb()[10, 50].tolist() == [255, 255, 255]
        assert frame.rgb()[50, 10].tolist() == pytest.approx([255, 127, 127], abs=1)
        luma = planes_of(frame.upright("yuv420p"))[0]
        assert luma[10, 50] == 235


@pytest.mark.parametrize("orientation", [Orientation(90), Orientation(0, mirrored=True)])
def test_matroska_says_how_it_is_turned_too(tmp_path: Path, orientation: Orientation) -> None:
    clip = Clip(pts=SHORT, rotation=orientation.rotation, mirrored=orientation.mirrored)
    path = remuxed(make_video(tmp_path / "v.mp4", clip), tmp_path / "v.mkv")

    assert probe(path).orientation == orientation
    corner = (10, -10) if orientation.rotation == 90 or orientation.mirrored else (10, 10)
    assert is_red(read(path)[0].rgb()[corner])


def test_what_is_turned_midway_is_turned_back_and_fitted_in(tmp_path: Path) -> None:
    plain = joined(tmp_path / "v.ts", Clip(pts=SHORT), Clip(pts=SHORT))
    parts = [tmp_path / f"v-{number}.ts" for number in range(2)]
    turn = "h264_metadata=display_orientation=insert:rotate=270"  # counterclockwise
    turned = remuxed(parts[1], tmp_path / "t.ts", "-copyts", "-bsf:v", turn, "-muxdelay", "0")
    plain.write_bytes(parts[0].read_bytes() + turned.read_bytes())
    frames = read(plain)

    assert [black(frame.rgb()[:, :60]) for frame in frames] == [False] * 6 + [True] * 6
    assert {frame.rgb().shape for frame in read(turned)} == {(320, 240, 3)}
    # The red upper left quarter has gone to the upper right of an upright picture.
    assert is_red(frames[9].rgb()[20, 240])
    assert not is_red(frames[9].rgb()[20, 80])
