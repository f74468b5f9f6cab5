"""Odd sizes: stored as even ones in 4:2:0, of which the container hides an edge."""

from __future__ import annotations

import logging
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.transcode import transcode
from bystander.choices import Codec
from bystander.media.cropping import hide_padding, read_padding
from bystander.media.encoder import EncoderSettings
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from tests.benchmarks.test_transcode import packets
from tests.conftest import shared
from tests.support.videos import Clip, Sound, make_video

SIZES = [(321, 240), (320, 241), (321, 241)]
GOOD = EncoderSettings(preset="ultrafast", crf=10)


def edged(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Grey, the last column and line white: what is lost or seen twice shows."""
    pixels = np.full((height, width, 3), 60 + number, np.uint8)
    pixels[:, -1] = pixels[-1] = 220
    return pixels


def odd(folder: Path, size: tuple[int, int], pixel_format: str = "yuv444p") -> Path:
    clip = Clip(
        size=size, codec="ffv1", pixel_format=pixel_format, options={"strict": "-2"},
        time_base=Fraction(1, 1000), pts=range(0, 480, 40), last_duration=40, sounds=[Sound()],
    )  # fmt: skip
    return make_video(folder / "v.mkv", clip, edged)


def rgb(path: Path) -> list[NDArray[np.uint8]]:
    return [frame.rgb() for frame in VideoReader(path, probe(path))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC, Codec.AV1])
@pytest.mark.sampled(4)
def test_an_odd_size_is_kept_in_colours_that_every_player_takes(
    tmp_path: Path,
    size: tuple[int, int],
    codec: Codec,
    suffix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if codec is Codec.AV1 and suffix == ".mov":
        pytest.skip("AV1 isn't put into .mov")
    source, out = odd(tmp_path, size), tmp_path / f"out{suffix}"
    with caplog.at_level(logging.INFO):
        transcode(source, out, GOOD.changed({"codec": codec}))

    info = probe(out)
    assert "an edge is hidden" in caplog.text
    assert (info.width, info.height, info.pixel_format) == (*size, "yuv420p")
    assert info.padding == (size[0] % 2, size[1] % 2)
    assert info.sample_aspect_ratio == 1
    for before, after in zip(rgb(source), rgb(out), strict=True):
        assert after.shape == before.shape
        assert np.abs(before.astype(int) - after).mean() < 3  # swscale rounds in many ways
    with av.open(str(out)) as container:  # what is stored: the edge, again
        context = container.streams.video[0].codec_context
        picture = next(container.decode(video=0))
        stored = size[0] + size[0] % 2, size[1] + size[1] % 2
        assert (context.width, context.height) == stored
        luma = picture.to_ndarray(format="gray").astype(int)
    if size[0] % 2:
        assert np.abs(luma[:200, -1] - luma[:200, -2]).mean() < 8
    if size[1] % 2:
        assert np.abs(luma[-1, :200] - luma[-2, :200]).mean() < 8


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_nothing_else_in_the_file_is_changed(tmp_path: Path, suffix: str) -> None:
    """All samples are where the index says; players that look at the crop find it."""
    source, out = odd(tmp_path, (321, 241)), tmp_path / f"out{suffix}"
    transcode(source, out, GOOD)

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-i", str(out)]
    played = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True)
    assert (played.returncode, played.stderr) == (0, "")
    shown = subprocess.run(
        [*command[:2], "info", "-i", str(out)], capture_output=True, text=True, check=False
    ).stderr
    assert "Frame Cropping: 0/1/0/1" in shown
    sound = packets(source, "audio").data
    kept = [data for data in packets(out, "audio").data if data in sound]
    assert len(kept) >= len(sound) - 1  # the first one fills the codec's memory
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, "v.mkv"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_of_an_even_size_hides_nothing(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    transcode(make_video(tmp_path / "v.mp4"), out, GOOD)

    assert read_padding(out, 320, 240) == (0, 0)
    assert probe(out).padding == (0, 0)


def test_what_hides_more_than_an_edge_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    transcode(odd(tmp_path, (321, 241)), out, GOOD)
    data = out.read_bytes()
    place = data.index(b"clap") + 4
    for hidden in (2, 100):
        width = (322 - hidden).to_bytes(4, "big")
        out.write_bytes(data[:place] + width + data[place + 4 :])
        assert (probe(out).width, probe(out).padding) == (322, (0, 0))


def test_a_file_without_a_place_for_it_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("v.mp4", "v.mkv"):
        path = tmp_path / name
        path.write_bytes(b"\x1aE\xdf\xa3\x80" if name == "v.mkv" else b"\0\0\0\x08ftyp")
        before = path.read_bytes()
        assert not hide_padding(path, 322, 242, (1, 1))
        assert path.read_bytes() == before


def test_ten_bits_of_odd_size(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    transcode(odd(tmp_path, (321, 241), "yuv444p10le"), out, GOOD)

    info = probe(out)
    assert (info.width, info.height, info.pixel_format) == (321, 241, "yuv420p10le")


def test_webm_of_odd_size_keeps_size_and_aspect(tmp_path: Path) -> None:
    source, out = shared("bugs", "odd-drawn.webm"), tmp_path / "out.mp4"
    transcode(source, out, GOOD)

    before, after = probe(source), probe(out)
    assert (after.width, after.height) == (before.width, before.height) == (321, 239)
    assert (after.sample_aspect_ratio, after.pixel_format) == (
        before.sample_aspect_ratio,
        "yuv420p",
    )
