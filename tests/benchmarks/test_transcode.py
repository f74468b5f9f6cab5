"""What leaves the writer, compared with what entered the reader."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.transcode import transcode
from bystander.choices import Codec
from bystander.media.display import UPRIGHT
from bystander.media.encoder import EncoderSettings
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from tests.conftest import shared
from tests.media.test_probe import hlg_clip
from tests.media.test_reader import B_FRAMES, UNEVEN, ffmpegs_first_picture
from tests.support.videos import (
    RATE,
    Clip,
    Sound,
    damaged,
    make_tell_tale_video,
    make_video,
    remuxed,
)

pytestmark = pytest.mark.sampled(4)

FAST = EncoderSettings(preset="veryfast")


@dataclass(frozen=True)
class Packets:
    """One stream's packets: their times in seconds, and their bytes."""

    times: list[Fraction]
    data: list[bytes]
    end: Fraction


def packets(path: Path, kind: str, number: int = 0) -> Packets:
    """The packets of stream `number` of its `kind`, in order of presentation."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][number]
        found = [p for p in container.demux(stream) if p.size and not p.is_discard]
        times = [(p.pts if p.pts is not None else p.dts or 0) * p.time_base for p in found]
        order = sorted(range(len(found)), key=times.__getitem__)
        duration = stream.duration
        if duration is None or stream.time_base is None or stream.start_time is None:
            end = times[-1]
        else:
            end = (stream.start_time + duration) * stream.time_base
        return Packets([times[i] for i in order], [bytes(found[i]) for i in order], end)


CLOCKS = {
    "constant": Clip(options=B_FRAMES),
    "uneven": Clip(pts=UNEVEN, last_duration=777),
    "uneven, reordered": Clip(pts=UNEVEN, last_duration=777, options=B_FRAMES),
    "late": Clip(pts=[10_214 + pts for pts in UNEVEN], last_duration=777, options=B_FRAMES),
    "1/90000": Clip(
        pts=range(0, 24 * 3003, 3003), last_duration=3003, time_base=Fraction(1, 90_000)
    ),
    "1/30000, late": Clip(
        pts=range(7, 24 * 1001, 1001), last_duration=1001, time_base=Fraction(1, 30_000)
    ),
    "one frame": Clip(pts=[512], last_duration=5120),
}


@pytest.mark.parametrize("clip", CLOCKS.values(), ids=CLOCKS.keys())
def test_timestamps_and_duration_are_the_sources_to_the_tick(tmp_path: Path, clip: Clip) -> None:
    source = make_video(tmp_path / "v.mp4", replace(clip, sounds=[Sound(delay=Fraction(1, 10))]))
    out = tmp_path / "out.mp4"

    assert transcode(source, out, FAST) == len(clip.pts)

    before, after = packets(source, "video"), packets(out, "video")
    assert after.times == before.times == [pts * clip.time_base for pts in clip.pts]
    assert after.end == before.end
    assert probe(out).time_base == clip.time_base
    assert packets(out, "audio") == packets(source, "audio")


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("v.mkv", Clip(pts=range(0, 960, 40), last_duration=40, time_base=Fraction(1, 1000))),
        (
            "v.avi",
            Clip(codec="mpeg4", options={}, pts=range(24), time_base=Fraction(1001, 30_000)),
        ),
    ],
)
def test_the_clocks_of_other_containers_are_kept(tmp_path: Path, name: str, clip: Clip) -> None:
    source = make_video(tmp_path / name, clip)
    transcode(source, tmp_path / "out.mp4", FAST)

    assert packets(tmp_path / "out.mp4", "video").times == packets(source, "video").times


def test_a_transport_streams_clock_starts_at_zero_and_picture_and_sound_stay_together(
    tmp_path: Path,
) -> None:
    mp4 = make_video(tmp_path / "v.mp4", Clip(sounds=[Sound(delay=Fraction(1, 4))]))
    source, out = remuxed(mp4, tmp_path / "v.ts"), tmp_path / "out.mp4"
    transcode(source, out, FAST)

    origin = min(packets(source, "video").times[0], packets(source, "audio").times[0])
    assert origin > 1
    for kind in ("video", "audio"):
        expected = [time - origin for time in packets(source, kind).times]
        # Sound counts in samples, a transport stream in 1/90000 s.
        assert packets(out, kind).times == pytest.approx(expected, abs=1 / RATE)


def test_every_audio_stream_is_copied_byte_by_byte(tmp_path: Path) -> None:
    sounds = [Sound("aac", hertz=300), Sound("ac3", Fraction(1, 3), 500), Sound("libopus")]
    source = make_video(tmp_path / "v.mp4", Clip(sounds=sounds))
    transcode(source, tmp_path / "out.mp4", FAST)

    for number in range(3):
        assert packets(tmp_path / "out.mp4", "audio", number) == packets(source, "audio", number)


def test_sound_that_mp4_does_not_take_becomes_aac_and_keeps_its_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_video(
        tmp_path / "v.mov", Clip(sounds=[Sound(), Sound("pcm_s16le", Fraction(1, 4))])
    )
    with caplog.at_level(logging.INFO):
        transcode(source, tmp_path / "out.mp4", FAST)

    assert "pcm_s16le) becomes aac" in caplog.text
    assert "(aac) is encoded again" not in caplog.text
    assert [track.codec for track in probe(tmp_path / "out.mp4").audio] == ["aac", "aac"]
    before, after = onset(source, 1), onset(tmp_path / "out.mp4", 1)
    assert before == pytest.approx(0.25, abs=0.001)
    assert after == pytest.approx(before, abs=0.005)


def onset(path: Path, track: int) -> float:
    """When the tone begins, in seconds."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[track]):
            wave = np.abs(frame.to_ndarray().astype(float).reshape(-1, frame.samples)[0])
            if frame.format.name.startswith("s16"):
                wave = np.abs(frame.to_ndarray()[0, :: frame.layout.nb_channels] / 32768)
            loud = np.flatnonzero(wave > 0.1)
            if loud.size:
                assert frame.time is not None
                return frame.time + float(loud[0]) / frame.sample_rate
    raise AssertionError("silence")


def test_mov_keeps_uncompressed_sound(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mov", Clip(sounds=[Sound("pcm_s16le")]))
    transcode(source, tmp_path / "out.mov", FAST)

    assert packets(tmp_path / "out.mov", "audio") == packets(source, "audio")


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_damaged_sound_does_not_stop_the_work(tmp_path: Path, codec: str) -> None:
    whole = make_video(tmp_path / "v.mov", Clip(sounds=[Sound(codec)]))
    source = damaged(whole, tmp_path / "d.mov", [10, 11], "audio")

    assert transcode(source, tmp_path / "out.mp4", FAST) == 24
    assert packets(tmp_path / "out.mp4", "audio").times[-1] > Fraction(9, 10)


def test_sound_and_picture_lie_together_in_the_file(tmp_path: Path) -> None:
    ticks = range(0, 400 * 512, 512)
    source = make_video(tmp_path / "v.mp4", Clip(pts=ticks, size=(64, 48), sounds=[Sound()]))
    transcode(source, tmp_path / "out.mp4", FAST)

    heard = seen = Fraction(0)
    with av.open(str(tmp_path / "out.mp4")) as container:
        every = [p for p in container.demux() if p.size and p.dts is not None]
        for packet in sorted(every, key=lambda p: p.pos or 0):
            time = (packet.dts or 0) * packet.time_base
            if packet.stream.type == "audio":
                heard = time
            else:
                seen = time
            assert abs(heard - seen) < 2


def test_nothing_else_of_the_source_is_left(tmp_path: Path) -> None:
    source = make_tell_tale_video(tmp_path / "v.mp4", tmp_path)
    assert b"Anna" in source.read_bytes()
    transcode(source, tmp_path / "out.mp4", FAST)

    with av.open(str(tmp_path / "out.mp4")) as out:
        assert [stream.type for stream in out.streams] == ["video", "audio"]
        assert out.chapters() == []
        assert set(out.metadata) == {"major_brand", "minor_version", "compatible_brands"}
        tags = [dict(stream.metadata) for stream in out.streams]
    assert tags == [
        {"language": "und", "handler_name": "VideoHandler"},
        {"language": "und", "handler_name": "SoundHandler"},
    ]
    data = (tmp_path / "out.mp4").read_bytes()
    for word in (b"Anna", b"+48.2082", b"Lavf", b"fin"):
        assert word not in data


def test_the_index_comes_first(tmp_path: Path) -> None:
    transcode(make_video(tmp_path / "v.mp4"), tmp_path / "out.mp4", FAST)

    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_video_looks_the_same_and_is_stored_upright(
    tmp_path: Path, rotation: int, mirrored: bool
) -> None:
    clip = Clip(rotation=rotation, mirrored=mirrored, aspect=Fraction(4, 3))
    source = make_video(tmp_path / "v.mp4", clip)
    transcode(source, tmp_path / "out.mp4", FAST)

    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert after.orientation == UPRIGHT
    assert (after.width, after.height) == (before.width, before.height)
    assert after.sample_aspect_ratio == before.sample_aspect_ratio
    difference = ffmpegs_first_picture(source).astype(int) - ffmpegs_first_picture(
        tmp_path / "out.mp4"
    )
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize("codec", [Codec.AUTO, Codec.HEVC, Codec.AV1])
def test_high_dynamic_range_is_kept(
    tmp_path: Path, codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    hdr10 = (
        "log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
        "WP(15635,16450)L(10000000,1):max-cll=1000,400"
    )
    options = {"preset": "ultrafast", "x265-params": hdr10}
    clip = replace(hlg_clip(), colors=(9, 16, 9, 1), options=options)
    source = make_video(tmp_path / "v.mp4", clip)
    with caplog.at_level(logging.INFO):
        transcode(source, tmp_path / "out.mp4", EncoderSettings(codec=codec, preset="ultrafast"))

    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert "10 bits" in caplog.text
    assert after.pixel_format == "yuv420p10le"
    for tag in ("color_primaries", "color_transfer", "color_matrix", "color_range"):
        assert getattr(after, tag) == getattr(before, tag)
    assert after.hdr.light_level == before.hdr.light_level == (1000, 400)
    assert before.hdr.display is not None
    assert after.hdr.display is not None
    # AV1 counts in binary fractions, and in 1/16384 cd/m2 at the dark end.
    finest = Fraction(1, 10_000) if codec is Codec.AV1 else 0
    for kept, given in zip(after.hdr.display, before.hdr.display, strict=True):
        assert abs(kept - given) <= finest


@pytest.mark.parametrize(
    ("pixel_format", "colors"),
    [
        ("yuv420p", (1, 1, 1, 1)),
        ("yuvj420p", (5, 6, 5, 2)),
        ("yuv444p", (1, 1, 1, 1)),
        ("yuv422p", (6, 6, 6, 1)),
    ],
)
def test_colours_and_their_tags_are_kept(
    tmp_path: Path, pixel_format: str, colors: tuple[int, int, int, int]
) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(pixel_format=pixel_format, colors=colors))
    transcode(source, tmp_path / "out.mp4", FAST)

    before, after = probe(source), probe(tmp_path / "out.mp4")
    for tag in ("color_primaries", "color_transfer", "color_matrix", "color_range"):
        assert getattr(after, tag) == getattr(before, tag)
    assert after.pixel_format.replace("yuvj", "yuv") == "yuv420p"
    assert first_rgb(tmp_path / "out.mp4") == pytest.approx(first_rgb(source), abs=3)


def first_rgb(path: Path) -> list[int]:
    with VideoReader(path, probe(path)) as reader:
        return [int(value) for value in next(iter(reader)).rgb()[20, 20]]


def test_av1_is_written(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(pts=UNEVEN, last_duration=777, sounds=[Sound()]))
    transcode(source, tmp_path / "out.mp4", EncoderSettings(codec=Codec.AV1, preset="ultrafast"))

    assert probe(tmp_path / "out.mp4").codec in ("av1", "libdav1d")
    assert packets(tmp_path / "out.mp4", "video").times == packets(source, "video").times
    assert packets(tmp_path / "out.mp4", "video").end == packets(source, "video").end


def test_a_damaged_video_keeps_all_its_frames(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "v.mp4", Clip(pts=UNEVEN, options=B_FRAMES, sounds=[Sound()]))
    source = damaged(whole, tmp_path / "d.mp4", [4, 11, 12])
    transcode(source, tmp_path / "out.mp4", FAST)

    assert packets(tmp_path / "out.mp4", "video").times == packets(whole, "video").times


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".m4v"])
def test_other_containers_can_be_written(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(options=B_FRAMES, sounds=[Sound()]))
    transcode(source, tmp_path / f"out{suffix}", FAST)

    before, after = probe(source), probe(tmp_path / f"out{suffix}")
    assert (after.frame_count, after.audio) == (before.frame_count, before.audio)
    assert after.duration == pytest.approx(before.duration, abs=0.001)


@pytest.mark.parametrize("clip", ["hamilton/video.mp4", "schoolgirls/video.mp4"])
def test_real_clips_keep_their_clock_and_sound(tmp_path: Path, clip: str) -> None:
    source, out = shared("clips", clip), tmp_path / "out.mp4"
    transcode(source, out, EncoderSettings(preset="ultrafast"))

    before, after = packets(source, "video"), packets(out, "video")
    assert (after.times, after.end) == (before.times, before.end)
    if probe(source).audio:
        assert packets(out, "audio") == packets(source, "audio")
