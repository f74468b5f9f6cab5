"""A video encoded in segments, interrupted or not, against the same encoded in one go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.transcode import transcode
from bystander.choices import Codec
from bystander.errors import OutputExists, OutputUnwritable
from bystander.media.encoder import EncoderSettings
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from bystander.media.resuming import (
    RenderCheckpoints,
    SegmentedWriter,
    even_spans,
)
from tests.benchmarks.test_transcode import CLOCKS, packets
from tests.conftest import sampled
from tests.media.test_muxer import largest_file
from tests.media.test_probe import hlg_clip
from tests.media.test_reader import B_FRAMES, UNEVEN
from tests.support.videos import Clip, Sound, make_video, remuxed

pytestmark = pytest.mark.long

LENGTH = 10
FAST = EncoderSettings(preset="veryfast")
TEN_BIT = {"preset": "ultrafast", "x265-params": "log-level=error"}
LATE_SOUND = (Sound(delay=Fraction(1, 4)),)


class Stopped(Exception):
    """As if the machine had gone off, but the process lives on."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def segmented(
    source: Path,
    out: Path,
    folder: Path,
    settings: EncoderSettings = FAST,
    *,
    digest: str = "",
    length: int = LENGTH,
    keep: bool = False,
    stop_after: int | None = None,
) -> int:
    """Encode `source` in segments; returns how many frames were there already."""
    info = probe(source)
    plan = even_spans(info.frame_count, length, digest)
    checkpoints = RenderCheckpoints(folder, keep=keep)
    with SegmentedWriter(out, info, source, settings, checkpoints, plan, overwrite=True) as writer:
        done = writer.done
        for run in writer.missing():
            for frame in frames_from(source, run.start, run.stop):
                if frame.index == stop_after:
                    raise Stopped
                writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
            writer.end()
    return done


def frames_from(source: Path, start: int, stop: int | None) -> Iterator[Frame]:
    return islice(VideoReader(source, probe(source)), start, stop)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


def stopped(source: Path, folder: Path, after: int, settings: EncoderSettings = FAST) -> None:
    with pytest.raises(Stopped):
        segmented(source, folder.parent / "never.mp4", folder, settings, stop_after=after)
    assert not list(folder.parent.glob("*never*"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def planes(path: Path) -> list[NDArray[np.uint8]]:
    """Every picture as it is decoded."""
    with av.open(str(path)) as container:
        return [np.asarray(picture.to_ndarray()) for picture in container.decode(video=0)]


def likeness(one: Path, other: Path) -> float:
    """Mean absolute difference of the pictures, in levels."""
    pairs = zip(planes(one), planes(other), strict=True)
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))


def assert_same_clock_and_sound(out: Path, whole: Path) -> None:
    """Presentation times, durations, sound and everything that the header says."""
    expected, found = packets(whole, "video"), packets(out, "video")
    assert (found.times, found.end) == (expected.times, expected.end)
    assert replace(probe(out), pixel_format="") == replace(probe(whole), pixel_format="")
    for number in range(len(probe(whole).audio)):
        assert packets(out, "audio", number) == packets(whole, "audio", number)


def assert_can_be_decoded_in_order(out: Path) -> None:
    """Decoding timestamps increase, and none is after its picture is shown."""
    with av.open(str(out)) as container:
        times = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    for dts, pts in times:
        assert dts is not None
        assert pts is not None
        assert dts <= pts
    decoded = [dts for dts, _ in times if dts is not None]
    assert all(a < b for a, b in pairwise(decoded))


def assert_same_video(one: Path, other: Path) -> None:
    """Pictures bit for bit, and their times. Of packets x264 leaves a few last bits open."""
    for number, pair in enumerate(zip(planes(one), planes(other), strict=True)):
        np.testing.assert_array_equal(*pair, err_msg=f"frame {number}")
    assert_same_clock_and_sound(one, other)


MANY = range(0, 35 * 512, 512)
UNEVEN_MANY = [*UNEVEN, *(UNEVEN[-1] + 512 + 7 * n * n for n in range(23))]
CLIPS = {
    **CLOCKS,
    "three segments and a half": Clip(pts=MANY, options=B_FRAMES),
    "a last segment of one frame": Clip(pts=MANY[:31]),
    "two full segments": Clip(pts=MANY[:20]),
    "shorter than a segment": Clip(pts=MANY[:4]),
    "uneven, many": Clip(pts=UNEVEN_MANY, last_duration=4321, options=B_FRAMES),
    "odd size": Clip(size=(321, 241), codec="mjpeg", pixel_format="yuvj420p", options={}),
    "10 bits": Clip(pts=MANY, codec="libx265", pixel_format="yuv420p10le", options=TEN_BIT),
    "rotated": Clip(rotation=90, aspect=Fraction(4, 3)),
    "mirrored": Clip(mirrored=True),
    "no clock in common with the sound": Clip(
        pts=range(0, 24 * 1001, 1001), last_duration=1001, time_base=Fraction(1, 30_000)
    ),
}


@pytest.mark.parametrize(
    ("name", "codec"),
    [(name, codec) for name in CLIPS for codec in (Codec.H264, Codec.HEVC)],
)
@pytest.mark.sampled(4)
def test_segments_make_the_video_that_one_encoder_makes(
    tmp_path: Path, folder: Path, name: str, codec: Codec
) -> None:
    source = make_video(tmp_path / "v.mov", replace(CLIPS[name], sounds=LATE_SOUND))
    settings = EncoderSettings(codec=codec, preset="veryfast", crf=10)
    transcode(source, tmp_path / "whole.mp4", settings)
    segmented(source, tmp_path / "out.mp4", folder, settings)

    assert_same_clock_and_sound(tmp_path / "out.mp4", tmp_path / "whole.mp4")
    assert_can_be_decoded_in_order(tmp_path / "out.mp4")
    assert likeness(tmp_path / "out.mp4", tmp_path / "whole.mp4") < 1
    assert names(folder) == []


@pytest.mark.parametrize("suffix", [".mov", ".m4v", ".mkv"])
def test_every_container_can_be_joined(tmp_path: Path, folder: Path, suffix: str) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(pts=MANY, options=B_FRAMES, sounds=LATE_SOUND))
    out, whole = tmp_path / f"out{suffix}", tmp_path / f"whole{suffix}"
    transcode(source, whole, FAST)
    segmented(source, out, folder)

    assert_same_clock_and_sound(out, whole)
    assert likeness(out, whole) < 1


@pytest.mark.parametrize("name", ["uneven, many", "late", "one frame"])
def test_av1_can_be_joined(tmp_path: Path, folder: Path, name: str) -> None:
    source = make_video(tmp_path / "v.mp4", replace(CLIPS[name], sounds=[Sound()]))
    settings = EncoderSettings(codec=Codec.AV1, preset="ultrafast", crf=10)
    transcode(source, tmp_path / "whole.mp4", settings)
    segmented(source, tmp_path / "out.mp4", folder, settings)

    assert_same_clock_and_sound(tmp_path / "out.mp4", tmp_path / "whole.mp4")
    assert_can_be_decoded_in_order(tmp_path / "out.mp4")
    assert likeness(tmp_path / "out.mp4", tmp_path / "whole.mp4") < 1


def test_a_transport_streams_clock_starts_at_zero(tmp_path: Path, folder: Path) -> None:
    mp4 = make_video(tmp_path / "v.mp4", Clip(pts=MANY, sounds=LATE_SOUND))
    source = remuxed(mp4, tmp_path / "v.ts")
    assert probe(source).origin_pts > 0
    transcode(source, tmp_path / "whole.mp4", FAST)
    stopped(source, folder, after=25)
    assert segmented(source, tmp_path / "out.mp4", folder) == 20

    assert_same_clock_and_sound(tmp_path / "out.mp4", tmp_path / "whole.mp4")


@pytest.mark.parametrize("codec", [Codec.HEVC, Codec.AV1])
def test_high_dynamic_range_is_kept(tmp_path: Path, folder: Path, codec: Codec) -> None:
    hdr10 = (
        "log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
        "WP(15635,16450)L(10000000,1):max-cll=1000,400"
    )
    options = {"preset": "ultrafast", "x265-params": hdr10}
    clip = replace(hlg_clip(), colors=(9, 16, 9, 1), options=options)
    source = make_video(tmp_path / "v.mp4", clip)
    settings = EncoderSettings(codec=codec, preset="ultrafast")
    transcode(source, tmp_path / "whole.mp4", settings)
    segmented(source, tmp_path / "out.mp4", folder, settings)

    assert probe(tmp_path / "out.mp4") == probe(tmp_path / "whole.mp4")
    assert probe(tmp_path / "out.mp4").hdr.light_level == (1000, 400)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC, Codec.AV1])
@pytest.mark.sampled(3)
def test_an_interrupted_run_gives_the_very_pictures_of_an_undisturbed_one(
    tmp_path: Path, folder: Path, codec: Codec
) -> None:
    clip = Clip(pts=UNEVEN_MANY, options=B_FRAMES, sounds=[Sound()])
    source = make_video(tmp_path / "v.mp4", clip)
    settings = EncoderSettings(codec=codec, preset="ultrafast")
    segmented(source, tmp_path / "undisturbed.mp4", folder, settings)
    for after, left in [(5, 0), (14, 1), (33, 3)]:
        stopped(source, folder, after, settings)
        assert len(list(folder.glob("*.segment"))) == left

    assert segmented(source, tmp_path / "out.mp4", folder, settings) == 30
    assert_same_video(tmp_path / "out.mp4", tmp_path / "undisturbed.mp4")
    assert names(folder) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_video(tmp_path / "v.mp4", Clip(pts=MANY, options=B_FRAMES, sounds=[Sound()]))


def test_a_run_that_failed_while_joining_encodes_nothing_again(
    tmp_path: Path, source: Path, folder: Path
) -> None:
    stopped(source, folder, after=34)
    largest = max(path.stat().st_size for path in folder.glob("*.segment"))
    with pytest.raises(OutputUnwritable, match=r"out\.mp4 can't be written"):  # noqa: SIM117
        with largest_file(2 * largest):  # the video is three and a half segments
            segmented(source, tmp_path / "out.mp4", folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "v.mp4"]

    assert segmented(source, tmp_path / "out.mp4", folder) == len(MANY)
    assert packets(tmp_path / "out.mp4", "video").times == packets(source, "video").times


@pytest.mark.parametrize("size", [0, 500])
def test_a_full_disk_is_an_error_that_keeps_what_is_whole(
    tmp_path: Path, source: Path, folder: Path, size: int
) -> None:
    stopped(source, folder, after=25)
    with pytest.raises(OutputUnwritable, match=r"out\.mp4 can't be written"), largest_file(size):
        segmented(source, tmp_path / "out.mp4", folder)

    assert len(names(folder)) == len(segments(folder)) == 2
    assert segmented(source, tmp_path / "out.mp4", folder) == 20


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [cut_short, changed, emptied, deleted])
@pytest.mark.parametrize("number", sampled([0, 1, 2], 3))
def test_a_damaged_segment_alone_is_made_again(
    tmp_path: Path, source: Path, folder: Path, number: int, harm: Callable[[Path], None]
) -> None:
    segmented(source, tmp_path / "undisturbed.mp4", folder)
    stopped(source, folder, after=34)
    harm(segments(folder)[number])

    assert segmented(source, tmp_path / "out.mp4", folder) == 2 * LENGTH
    assert_same_video(tmp_path / "out.mp4", tmp_path / "undisturbed.mp4")


def test_what_belongs_to_something_else_is_discarded_and_said_so(
    tmp_path: Path, source: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(source, folder, after=34)
    (folder / "analysis").write_text("another's")
    with caplog.at_level(logging.INFO):
        assert segmented(source, tmp_path / "out.mp4", folder, digest="other verdicts") == 0

    assert "an earlier rendering" in caplog.text
    assert names(folder) == ["analysis"]


def test_another_segment_length_starts_anew(source: Path, folder: Path, tmp_path: Path) -> None:
    stopped(source, folder, after=34)
    assert segmented(source, tmp_path / "o.mp4", folder, length=LENGTH + 1) == 0
    assert probe(tmp_path / "o.mp4").frame_count == len(MANY)


def test_segments_that_are_kept_are_taken_over_by_the_next_run(
    source: Path, folder: Path, tmp_path: Path
) -> None:
    segmented(source, tmp_path / "first.mp4", folder, keep=True)
    kept = names(folder)
    assert len(kept) == 4
    segments(folder)[1].unlink()  # as if another digest were asked for there

    assert segmented(source, tmp_path / "out.mp4", folder, keep=True) == len(MANY) - LENGTH
    assert names(folder) == kept
    assert_same_video(tmp_path / "out.mp4", tmp_path / "first.mp4")


def test_fewer_frames_than_were_counted_end_the_video(
    source: Path, folder: Path, tmp_path: Path
) -> None:
    info = probe(source)
    for left in (0, 5):
        checkpoints = RenderCheckpoints(folder)
        plan = even_spans(5 * LENGTH, LENGTH, "")
        out = tmp_path / f"{left}.mp4"
        with SegmentedWriter(out, info, source, FAST, checkpoints, plan) as writer:
            for run in writer.missing():
                for frame in frames_from(source, run.start, 2 * LENGTH + left):
                    writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
                writer.end()
        assert probe(out).frame_count == 2 * LENGTH + left


def test_an_existing_output_is_refused_before_any_work(
    source: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "o.mp4").write_text("older")
    with pytest.raises(OutputExists):
        SegmentedWriter(
            tmp_path / "o.mp4", probe(source), source, FAST, RenderCheckpoints(folder), []
        )
    assert names(folder) == []
