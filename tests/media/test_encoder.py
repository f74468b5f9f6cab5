"""What codec and pixel format a video is written in, read back from what was written."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from benchmarks.transcode import transcode
from bystander.choices import Codec
from bystander.errors import OutputUnwritable, UnsupportedVideo
from bystander.media.encoder import EncoderSettings
from bystander.media.facts import VideoInfo
from bystander.media.probe import probe
from tests.conftest import shared
from tests.support.videos import Clip, make_video

QUIET = {"preset": "ultrafast", "x265-params": "log-level=error"}
SDR, HLG, PQ = (1, 1, 1, 1), (9, 18, 9, 1), (9, 16, 9, 1)


def written(
    source: Path, out: Path, codec: Codec = Codec.AUTO
) -> tuple[VideoInfo, str | None, str | None]:
    """What is found in the result: facts, profile and the container's four letters."""
    transcode(source, out, EncoderSettings(codec=codec, preset="ultrafast"))
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        return probe(out), context.profile, context.codec_tag


def source_of(folder: Path, pixel_format: str, colors: tuple[int, int, int, int]) -> Path:
    if pixel_format in ("yuv420p", "yuv420p10le"):
        clip = Clip(codec="libx265", pixel_format=pixel_format, colors=colors, options=QUIET)
        return make_video(folder / "v.mp4", clip)
    clip = Clip(codec="ffv1", pixel_format=pixel_format, colors=colors, options={"strict": "-2"})
    return make_video(folder / "v.mkv", clip)


@pytest.mark.parametrize(
    ("pixel_format", "colors", "codec", "expected"),
    [
        ("yuv420p", SDR, Codec.AUTO, ("h264", "High", "avc1", "yuv420p")),
        ("yuv420p", SDR, Codec.HEVC, ("hevc", "Main", "hvc1", "yuv420p")),
        ("yuv420p", HLG, Codec.AUTO, ("hevc", "Main 10", "hvc1", "yuv420p10le")),
        ("yuv420p10le", SDR, Codec.AUTO, ("hevc", "Main 10", "hvc1", "yuv420p10le")),
        ("yuv420p10le", SDR, Codec.H264, ("h264", "High", "avc1", "yuv420p")),
        ("yuv420p10le", HLG, Codec.AUTO, ("hevc", "Main 10", "hvc1", "yuv420p10le")),
        ("yuv420p10le", PQ, Codec.AUTO, ("hevc", "Main 10", "hvc1", "yuv420p10le")),
        ("yuv422p12le", SDR, Codec.AUTO, ("hevc", "Main 10", "hvc1", "yuv420p10le")),
        ("yuv444p10le", SDR, Codec.AUTO, ("hevc", "Main 10", "hvc1", "yuv420p10le")),
        ("yuv420p10le", SDR, Codec.AV1, ("libdav1d", "Main", "av01", "yuv420p10le")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.sampled(4)
def test_ten_bits_become_hevc_and_eight_h264_unless_asked_for_otherwise(
    tmp_path: Path,
    pixel_format: str,
    colors: tuple[int, int, int, int],
    codec: Codec,
    expected: tuple[str, str, str, str],
    suffix: str,
) -> None:
    if codec is Codec.AV1 and suffix == ".mov":
        pytest.skip("refused, see below")
    source = source_of(tmp_path, pixel_format, colors)
    info, profile, tag = written(source, tmp_path / f"out{suffix}", codec)

    if profile is not None and expected[1] == "High":  # ultrafast does without its tools
        assert profile in ("High", "Main", "Constrained Baseline")
        profile = "High"
    found = (info.codec.replace("av1", "libdav1d"), profile, tag, info.pixel_format)
    assert found == (expected[0].replace("av1", "libdav1d"), *expected[1:])
    kept = (info.color_primaries, info.color_transfer, info.color_matrix, info.color_range)
    assert kept == colors


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_hlg_as_phones_film_it_stays_hlg(tmp_path: Path, suffix: str) -> None:
    info, profile, _ = written(shared("bugs", "hlg-drawn.mov"), tmp_path / f"out{suffix}")

    assert (info.codec, profile, info.pixel_format) == ("hevc", "Main 10", "yuv420p10le")
    assert (info.color_primaries, info.color_transfer, info.color_matrix) == (9, 18, 9)
    assert info.is_hdr


@pytest.mark.parametrize("colors", [HLG, PQ])
def test_high_dynamic_range_is_refused_as_h264(
    tmp_path: Path, colors: tuple[int, int, int, int]
) -> None:
    source = source_of(tmp_path, "yuv420p10le", colors)
    settings = EncoderSettings(codec=Codec.H264)

    with pytest.raises(UnsupportedVideo, match="HDR"):
        transcode(source, tmp_path / "out.mp4", settings)
    assert not (tmp_path / "out.mp4").exists()


def test_av1_is_refused_where_the_container_does_not_take_it(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mp4")

    with pytest.raises(OutputUnwritable, match="AV1"):
        transcode(source, tmp_path / "out.mov", EncoderSettings(codec=Codec.AV1))


def test_av1_is_refused_where_it_would_lose_the_aspect(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(aspect=Fraction(4, 3)))
    settings = EncoderSettings(codec=Codec.AV1, preset="ultrafast")

    with pytest.raises(OutputUnwritable, match="square"):
        transcode(source, tmp_path / "out.mkv", settings)
    transcode(source, tmp_path / "out.mp4", settings)
    assert probe(tmp_path / "out.mp4").sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's schedulers")
def test_no_encoder_goes_before_everything_else(tmp_path: Path) -> None:
    """SVT-AV1 of root would, and so would every process begun afterwards."""
    source = make_video(tmp_path / "v.mp4")

    transcode(source, tmp_path / "out.mp4", EncoderSettings(codec=Codec.AV1, preset="ultrafast"))

    threads = {int(thread) for thread in os.listdir("/proc/self/task")}
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
def test_colour_for_every_pixel_only_on_request(tmp_path: Path, codec: Codec) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(pixel_format="yuv444p"))
    for chroma in ("420", "444"):
        settings = EncoderSettings(codec=codec, preset="ultrafast", chroma=chroma)
        transcode(source, tmp_path / "out.mp4", settings, overwrite=True)
        assert probe(tmp_path / "out.mp4").pixel_format == f"yuv{chroma}p"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC, Codec.AV1])
def test_a_video_of_one_or_two_frames_is_written(tmp_path: Path, codec: Codec, suffix: str) -> None:
    if codec is Codec.AV1 and suffix == ".mov":
        pytest.skip("refused, see above")
    for count in (1, 2):
        source = make_video(tmp_path / "v.mp4", Clip(pts=range(0, 512 * count, 512)))
        out = tmp_path / f"{count}{suffix}"
        transcode(source, out, EncoderSettings(codec=codec, preset="ultrafast"))

        assert probe(out).frame_count == count
        assert probe(out).duration == pytest.approx(count / 25)
