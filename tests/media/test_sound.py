"""Sound keeps its time and length in every container, and what was cut off stays cut off."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.transcode import transcode
from bystander.media.encoder import EncoderSettings
from bystander.media.sound import hidden_sound, hides_pictures, plan_sound
from tests.conftest import shared
from tests.support.videos import run_ffmpeg, with_edits

pytestmark = pytest.mark.sampled(2)

FAST = EncoderSettings(preset="ultrafast")
SUFFIXES = (".mp4", ".mov", ".mkv")
BURST = 0.4
"""Seconds after which the made sound, silent until then, is a loud tone."""


@dataclass(frozen=True)
class Heard:
    """What a player plays of a file's first audio stream.

    Attributes:
        codec: FFmpeg's name.
        seconds: how long all its samples last.
        onset: seconds from the first picture to the first loud sample.
        loud: seconds during which it is loud.
    """

    codec: str
    seconds: float
    onset: float
    loud: float


def hear(path: Path) -> Heard:
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        assert first.pts is not None
        assert first.time_base is not None
        picture = float(first.pts * first.time_base)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts: list[NDArray[np.float64]] = []
        start = None
        for frame in container.decode(stream):
            if start is None:
                assert frame.pts is not None
                assert frame.time_base is not None
                start = float(frame.pts * frame.time_base)
            samples = frame.to_ndarray()
            if not frame.format.is_planar:
                samples = samples.reshape(-1, frame.layout.nb_channels).T
            full = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.itemsize - 1)
            centre = 128 if samples.dtype == np.uint8 else 0
            parts.append(np.abs(samples[0].astype(np.float64) - centre) / full)
        wave, rate = np.concatenate(parts), stream.sample_rate
    assert start is not None
    loud = np.flatnonzero(wave > 0.1)
    return Heard(
        stream.codec_context.codec.canonical_name,
        len(wave) / rate,
        start - picture + loud[0] / rate if loud.size else float("inf"),
        (loud[-1] - loud[0]) / rate if loud.size else 0.0,
    )


def make_sounding(path: Path, *encoding: str, rate: int = 48_000, channels: int = 2) -> Path:
    """One second at 25 frames, its sound silent until `BURST`."""
    tone = f"aevalsrc=0.5*sin(2*PI*440*t)*gte(t\\,{BURST}):s={rate}:d=1"
    video = {
        ".flv": "flv1", ".wmv": "wmv2", ".vob": "mpeg2video", ".mpg": "mpeg2video",
        ".3gp": "mpeg4", ".webm": "libvpx",
    }.get(path.suffix, "libx264")  # fmt: skip
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=1", "-f", "lavfi", "-i", tone),
        *("-c:v", video, "-ac", str(channels), "-ar", str(rate), "-strict", "-2"),
        *encoding,
        path,
    )
    return path


CODECS = {
    # name: suffix, encoder, rate, channels, what it becomes in .mp4, .mov, .mkv
    "aac": (".mp4", "aac", 48_000, 2, ("aac", "aac", "aac")),
    "aac of a transport stream": (".ts", "aac", 48_000, 2, ("aac", "aac", "aac")),
    "opus": (".webm", "libopus", 48_000, 2, ("opus", "aac", "opus")),
    "vorbis": (".webm", "libvorbis", 44_100, 2, ("aac", "aac", "vorbis")),
    "ac3": (".vob", "ac3", 48_000, 2, ("ac3", "ac3", "ac3")),
    "eac3": (".ts", "eac3", 48_000, 2, ("eac3", "eac3", "eac3")),
    "dts": (".mkv", "dca", 48_000, 2, ("aac", "aac", "dts")),
    "truehd": (".mkv", "truehd", 48_000, 2, ("aac", "aac", "truehd")),
    "flac": (".mkv", "flac", 44_100, 2, ("flac", "aac", "flac")),
    "alac": (".mov", "alac", 44_100, 2, ("alac", "alac", "alac")),
    # MP4 has one name for all layers of MPEG audio.
    "mp2": (".mpg", "mp2", 48_000, 2, ("mp3", "mp2", "mp2")),
    "mp3": (".mp4", "libmp3lame", 44_100, 2, ("mp3", "mp3", "mp3")),
    "mp3 at 11 kHz": (".flv", "libmp3lame", 11_025, 2, ("aac", "mp3", "mp3")),
    "wma 1": (".wmv", "wmav1", 44_100, 2, ("aac", "aac", "aac")),
    "wma 2": (".wmv", "wmav2", 44_100, 2, ("aac", "aac", "aac")),
    "amr": (".3gp", "libopencore_amrnb", 8000, 1, ("aac", "aac", "aac")),
    "a-law": (".mov", "pcm_alaw", 8000, 1, ("aac", "aac", "aac")),
    "mu-law": (".avi", "pcm_mulaw", 8000, 1, ("aac", "aac", "aac")),
    "lpcm of dvd": (".vob", "pcm_dvd", 48_000, 2, ("aac", "pcm_s24le", "pcm_s24le")),
    "lpcm of blu-ray": (".m2ts", "pcm_bluray", 48_000, 2, ("aac", "pcm_s24le", "pcm_s24le")),
    "pcm, 24 bit": (".mov", "pcm_s24be", 48_000, 2, ("aac", "pcm_s24be", "pcm_s24be")),
    "pcm, 8 bit": (".avi", "pcm_u8", 22_050, 1, ("aac", "pcm_s16le", "pcm_u8")),
    "adpcm of microsoft": (".avi", "adpcm_ms", 44_100, 2, ("aac", "aac", "aac")),
    "adpcm of ima": (".avi", "adpcm_ima_wav", 44_100, 2, ("aac", "aac", "aac")),
    "adpcm of flash": (".flv", "adpcm_swf", 44_100, 1, ("aac", "aac", "aac")),
    "nellymoser": (".flv", "nellymoser", 44_100, 1, ("aac", "aac", "aac")),
}


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.sampled(4)
def test_sound_keeps_its_time_and_length(tmp_path: Path, name: str) -> None:
    suffix, encoder, rate, channels, expected = CODECS[name]
    source = make_sounding(tmp_path / f"v{suffix}", "-c:a", encoder, rate=rate, channels=channels)
    before = hear(source)
    frame = 2048 / rate  # of the coarsest of these codecs, and of AAC's priming and padding

    for out_suffix, becomes in zip(SUFFIXES, expected, strict=True):
        out = tmp_path / f"out{out_suffix}"
        transcode(source, out, FAST)
        after = hear(out)
        assert after.codec == becomes, out_suffix
        assert abs(after.onset - before.onset) < 0.005, out_suffix
        assert abs(after.loud - before.loud) < 0.02, out_suffix
        assert -0.005 < after.seconds - before.seconds < 2 * frame, out_suffix


@dataclass(frozen=True)
class Cut:
    """A file of which a part was cut off without encoding: noise, then silence and a tone.

    The noise is what must not come out; the tone is still to begin at `onset`.
    """

    path: Path
    onset: float


def make_cut(folder: Path, suffix: str, encoder: str, seconds: float) -> Cut:
    """`seconds` of a file are hidden; 0.3 s of it are noise."""
    sound = (
        "aevalsrc=0.5*(random(0)*2-1)*lt(t\\,0.3)+0.5*sin(2*PI*440*t)*gte(t\\,0.7):s=48000:d=1.2"
    )
    whole = folder / f"whole{suffix}"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=1.2", "-f", "lavfi", "-i", sound),
        *("-c:v", "libx264", "-g", "100", "-bf", "0", "-c:a", encoder, "-ac", "2"),
        *("-movie_timescale", "48000", whole),
    )
    path = folder / f"cut{suffix}"
    run_ffmpeg("-ss", f"{seconds}", "-i", whole, "-c", "copy", "-movie_timescale", "48000", path)
    return Cut(path, 0.7 - seconds)


def raw_loudness(path: Path, seconds: float) -> float:
    """The greatest amplitude within the first `seconds` of all that the file holds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.flags2 |= av.codec.context.Flags2.skip_manual
        wave = np.concatenate(
            [
                frame.to_ndarray().astype(np.float64).ravel()[: frame.samples]
                / (1.0 if frame.format.name.startswith("fl") else 2**15)
                for frame in container.decode(stream)
            ]
        )
        return float(np.abs(wave[: round(seconds * stream.sample_rate)]).max())


@pytest.mark.parametrize(
    ("suffix", "encoder", "seconds"),
    [
        (".mp4", "aac", 0.32),  # at the border of two packets, nearly
        (".mp4", "aac", 0.3283),  # within one
        (".mov", "pcm_s16le", 0.31),
        (".mp4", "libopus", 0.31),
        (".mp4", "ac3", 0.31),
    ],
)
@pytest.mark.parametrize("out_suffix", SUFFIXES)
@pytest.mark.sampled(3)
def test_sound_that_was_cut_off_stays_cut_off(
    tmp_path: Path, suffix: str, encoder: str, seconds: float, out_suffix: str
) -> None:
    cut = make_cut(tmp_path, suffix, encoder, seconds)
    assert raw_loudness(cut.path, 0.3) > 0.3  # the noise is still in it
    out = tmp_path / f"out{out_suffix}"

    transcode(cut.path, out, FAST)

    assert raw_loudness(out, cut.onset - 0.05) < 0.1  # Opus's noise dies slowly
    assert abs(hear(out).onset - cut.onset) < 0.005
    assert hidden_sound(cut.path)
    assert not hidden_sound(out)
    assert not hides_pictures(out)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sound_that_was_cut_out_of_the_middle_stays_out(tmp_path: Path, suffix: str) -> None:
    sound = (
        "aevalsrc=0.5*(random(0)*2-1)*gte(t\\,0.301)*lt(t\\,0.69)+0.5*sin(2*PI*440*t)*gte(t\\,0.9)"
        ":s=48000:d=1.2"
    )
    whole = tmp_path / "whole.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=1.2", "-f", "lavfi", "-i", sound),
        *("-c:v", "libx264", "-g", "1", "-bf", "0", "-c:a", "aac", "-ac", "2"),
        *("-movie_timescale", "48000", whole),
    )
    # The middle, from 0.3 to 0.7 s, is left out; sound has 1024 samples of priming before it.
    half = with_edits(
        whole, tmp_path / "half.mp4", b"soun", [(14_400, 1024), (24_000, 1024 + 33_600)]
    )
    cut = with_edits(half, tmp_path / "cut.mp4", b"vide", [(14_400, 0), (24_000, 8960)])
    assert raw_loudness(cut, 0.6) > 0.3

    transcode(cut, tmp_path / f"out{suffix}", FAST)

    out = tmp_path / f"out{suffix}"
    assert raw_loudness(out, 0.45) < 0.1
    assert abs(hear(out).onset - 0.5) < 0.022  # FFmpeg begins the second part at a packet
    assert not hidden_sound(out)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_drawn_cut_stays_cut_off(tmp_path: Path, suffix: str) -> None:
    source, out = shared("bugs", "trimmed-sound-drawn.mp4"), tmp_path / f"out{suffix}"
    assert raw_loudness(source, 1.0) > 0.3
    assert hear(source).loud == 0.0

    transcode(source, out, FAST)

    assert abs(hear(out).seconds - 1.5) < 0.03
    assert raw_loudness(out, 2.0) < 0.01
    assert not hidden_sound(out)
    with av.open(str(out)) as container:
        first = next(container.decode(video=0))
        assert first.pts == 0  # the picture doesn't wait for what is skipped


def test_the_encoders_own_silence_is_nothing_hidden(tmp_path: Path) -> None:
    loud = ("-af", "volume=10dB")
    for suffix, encoder in ((".mp4", "aac"), (".mp4", "libmp3lame"), (".mkv", "aac"),
                            (".webm", "libopus"), (".webm", "libvorbis")):  # fmt: skip
        path = tmp_path / f"{encoder}{suffix}"
        run_ffmpeg(
            *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=1"),
            *("-f", "lavfi", "-i", "sine=f=440:r=48000:d=1.01"),
            *("-c:v", "libvpx" if suffix == ".webm" else "libx264", "-c:a", encoder, *loud),
            path,
        )
        with av.open(str(path)) as container:
            packets = container.demux(container.streams.audio[0])
            assert any(packet.has_sidedata("skip_samples") for packet in packets)
        assert hidden_sound(path) == {}, path.name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_track_that_nobody_knows_is_left_out_and_said_to_be(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain = make_sounding(tmp_path / "plain.mov", "-c:a", "aac", "-map", "0:v", "-map", "1:a",
                          "-map", "1:a", "-c:a:1", "pcm_s24be")  # fmt: skip
    source, out = tmp_path / "unknown.mov", tmp_path / f"out{suffix}"
    source.write_bytes(plain.read_bytes().replace(b"in24", b"apac").replace(b"lpcm", b"apac"))
    muxer = {".mkv": "matroska"}.get(suffix, suffix[1:])

    with caplog.at_level(logging.INFO, "bystander"):
        transcode(source, out, FAST)

    said = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert said == [
        f"{source}: audio stream 2 is left out: its codec isn't known here "
        "(what stays: stream 1 (aac))"
    ]
    assert plan_sound(source, muxer).summary() == {
        "kept": [{"stream": 1, "codec": "aac"}],
        "transcoded": [],
        "left_out": [{"stream": 2, "codec": None, "why": "its codec isn't known here"}],
        "treated": ["keep"],
    }
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1


def test_the_drawn_spatial_track_is_left_out() -> None:
    summary = plan_sound(shared("bugs", "apac-drawn.mov"), "mp4").summary()
    assert [track["stream"] for track in summary["kept"]] == [1]
    assert [track["stream"] for track in summary["left_out"]] == [2]


@pytest.mark.parametrize("name", ["wma-drawn.wmv", "mp3-11k-drawn.flv", "truehd-drawn.mkv"])
def test_the_drawn_codecs_keep_all_their_samples(tmp_path: Path, name: str) -> None:
    source = shared("bugs", name)
    before = hear(source)
    for suffix in SUFFIXES:
        out = tmp_path / f"out{suffix}"
        transcode(source, out, FAST)
        assert -0.001 < hear(out).seconds - before.seconds < 0.2, suffix


def test_sound_that_changes_its_form_midway_goes_on(tmp_path: Path) -> None:
    pieces = []
    for number, (channels, rate) in enumerate([(1, 32_000), (2, 48_000)]):
        piece = tmp_path / f"{number}.ts"
        options = ("-c:a", "dca", "-output_ts_offset", f"{number}", "-muxdelay", "0")
        pieces.append(make_sounding(piece, *options, rate=rate, channels=channels).read_bytes())
    joined, out = tmp_path / "joined.ts", tmp_path / "out.mp4"
    joined.write_bytes(b"".join(pieces))

    transcode(joined, out, FAST)

    heard = hear(out)
    assert heard.codec == "aac"
    assert abs(heard.onset - BURST) < 0.05
    assert abs(heard.loud - (2 - BURST)) < 0.05  # until the end of the second piece
    assert abs(heard.seconds - 2) < 0.1
