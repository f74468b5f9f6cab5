"""Sound that is muted, made unintelligible or lowered, for a while."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import ConfigError
from bystander.media.encoder import EncoderSettings
from bystander.media.muxer import VideoWriter
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.media.sound import plan_sound
from bystander.media.sound_effects import LOW_PASS_HZ, PITCH_FACTOR, Samples, samples_of
from bystander.media.sound_spans import SoundSpan, described, sound_spans, sound_within
from tests.support.videos import run_ffmpeg

pytestmark = pytest.mark.long

SECONDS = 4.0
TONE_HZ = 1000
FRAME = 1024 / 44_100
"""Of AAC, at the lowest rate here."""


def make_sounding(path: Path, *encoding: str, rate: int = 48_000) -> Path:
    """A tone and noise, silent in the first and last tenth of a second."""
    sound = f"(0.3*sin(2*PI*{TONE_HZ}*t)+0.2*random(0)-0.1)*gte(t\\,0.1)*lt(t\\,{SECONDS - 0.1})"
    run_ffmpeg(
        *("-f", "lavfi", "-i", f"color=s=64x64:r=25:d={SECONDS}"),
        *("-f", "lavfi", "-i", f"aevalsrc={sound}:s={rate}:d={SECONDS}"),
        *("-c:v", "libx264", "-ac", "2", "-ar", str(rate)),
        *encoding,
        path,
    )
    return path


def treated(source: Path, target: Path, *sound: str) -> Path:
    info = probe(source)
    with VideoWriter(target, info, source, EncoderSettings(), sound=sound_spans(sound)) as writer:
        for frame in VideoReader(source, info):
            writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
    return target


def heard(path: Path) -> tuple[Samples, int]:
    """Samples as a player plays them, which begin with the picture, and how many are a second."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        assert frames[0].pts == 0
        return np.concatenate([samples_of(frame) for frame in frames], axis=1), stream.sample_rate


def packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        found = container.demux(container.streams.audio[0])
        return [
            (float(p.pts * p.time_base), bytes(p)) for p in found if p.size and p.pts is not None
        ]


def differing(before: Samples, after: Samples, rate: int) -> tuple[float, float]:
    """Seconds of the first and the last sample that isn't the same."""
    assert abs(before.shape[1] - after.shape[1]) <= 2 * 1024
    count = min(before.shape[1], after.shape[1])
    found = np.flatnonzero(np.any(before[:, :count] != after[:, :count], axis=0))
    return float(found[0] / rate), float(found[-1] / rate)


def strength(samples: Samples, rate: int, hertz: float) -> float:
    """Of a frequency in all channels' mean, dB against full scale."""
    mean = samples.mean(axis=0) * np.hanning(samples.shape[1])
    place = np.arange(len(mean)) / rate
    return float(20 * np.log10(4 * abs(np.mean(mean * np.exp(-2j * np.pi * hertz * place))) + 1e-9))


SOURCES: dict[str, tuple[str, tuple[str, ...], int, bool]] = {
    # suffix, encoding, rate, whether samples beside a span are the very same
    "aac": (".mp4", ("-c:a", "aac"), 48_000, True),
    "aac in matroska": (".mkv", ("-c:a", "aac"), 44_100, True),
    "pcm": (".mov", ("-c:a", "pcm_s24le"), 48_000, True),
    "flac": (".mkv", ("-c:a", "flac", "-sample_fmt", "s16"), 44_100, True),
    "alac": (".mov", ("-c:a", "alac"), 44_100, True),
    "mp3": (".mp4", ("-c:a", "libmp3lame"), 44_100, False),
    "opus": (".mkv", ("-c:a", "libopus"), 48_000, False),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.sampled(3)
def test_a_muted_span_is_silent_to_the_sample_and_nothing_else_is(
    tmp_path: Path, name: str
) -> None:
    suffix, encoding, rate, exact = SOURCES[name]
    source = make_sounding(tmp_path / f"v{suffix}", *encoding, rate=rate)
    target = treated(source, tmp_path / f"o{suffix}", "mute:1.1234-2.5678")
    (before, _), (after, rate) = heard(source), heard(target)
    first, stop = int(1.1234 * rate), int(np.ceil(2.5678 * rate))
    assert np.abs(after[:, first:stop]).max() == 0
    assert np.abs(after[:, : first - 3 * 1024]).max() > 0.2
    assert np.abs(after[:, stop + 3 * 1024 :]).max() > 0.2
    if exact:
        begins, ends = differing(before, after, rate)
        assert 1.1234 - 2 * FRAME < begins < 1.124
        assert 2.567 < ends < 2.5678 + 2 * FRAME


@pytest.mark.parametrize("treatment", ["mute", "low-pass", "pitch"])
@pytest.mark.sampled(2)
def test_packets_beside_a_span_stay_as_they_are(tmp_path: Path, treatment: str) -> None:
    source = make_sounding(tmp_path / "v.mp4", "-c:a", "aac")
    assert plan_sound(source, "mp4", sound_spans([f"{treatment}:1.5-2"])).tracks[0].copied
    target = treated(source, tmp_path / "o.mp4", f"{treatment}:1.5-2")
    before, after = packets(source), packets(target)
    assert [at for at, _ in before] == [at for at, _ in after]
    changed = [at for (at, one), (_, other) in zip(before, after, strict=True) if one != other]
    assert 1.5 - 3 * FRAME < min(changed) < 1.5
    assert 2 - FRAME < max(changed) < 2 + 2 * FRAME
    assert len(changed) == pytest.approx(0.5 * 48_000 / 1024, abs=4)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_low_pass_takes_away_what_words_are_made_of(tmp_path: Path, suffix: str) -> None:
    encoding = ("-c:a", "aac" if suffix == ".mp4" else "pcm_s16le")
    source = make_sounding(tmp_path / f"v{suffix}", *encoding)
    after, rate = heard(treated(source, tmp_path / f"o{suffix}", "low-pass:1-3"))
    within, beside = after[:, rate : 3 * rate], after[:, 3 * rate + 2048 : int(3.8 * rate)]
    assert strength(within, rate, TONE_HZ) < strength(beside, rate, TONE_HZ) - 60
    power = np.abs(np.fft.rfft(within[0] * np.hanning(within.shape[1]))) ** 2
    hertz = np.fft.rfftfreq(within.shape[1], 1 / rate)
    assert power[hertz > 3 * LOW_PASS_HZ].sum() < 1e-4 * power.sum()


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_pitch_moves_every_frequency_by_the_same_factor(tmp_path: Path, suffix: str) -> None:
    encoding = ("-c:a", "aac" if suffix == ".mp4" else "pcm_s16le")
    source = make_sounding(tmp_path / f"v{suffix}", *encoding)
    after, rate = heard(treated(source, tmp_path / f"o{suffix}", "pitch:1-3"))
    within = after[:, rate : 3 * rate]
    assert strength(within, rate, TONE_HZ) < -40
    assert _loudest(within, rate) == pytest.approx(TONE_HZ * PITCH_FACTOR, abs=4)
    assert _loudest(after[:, 3 * rate + 2048 : int(3.8 * rate)], rate) == pytest.approx(
        TONE_HZ, abs=1
    )


def _loudest(samples: Samples, rate: int) -> float:
    count = 1 << 16
    power = np.abs(np.fft.rfft(samples[0] * np.hanning(samples.shape[1]), count))
    return float(np.argmax(power) * rate / count)


def test_pitch_keeps_in_step(tmp_path: Path) -> None:
    """Bursts stay where they were, from the first to the last."""
    source = tmp_path / "v.mp4"
    bursts = "0.6*sin(2*PI*700*t)*lt(mod(t\\,0.5)\\,0.1)*gte(t\\,0.4)*lt(t\\,8.9)"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=9"),
        *("-f", "lavfi", "-i", f"aevalsrc={bursts}:s=48000:d=9"),
        *("-c:v", "libx264", "-c:a", "aac"),
        source,
    )
    before, rate = heard(source)
    after, _ = heard(treated(source, tmp_path / "o.mp4", "pitch"))
    assert after.shape == before.shape
    late = [_lateness(before[0], after[0], at, rate) for at in (1, 6)]
    assert max(map(abs, late)) < 0.04


def _lateness(before: NDArray[np.float64], after: NDArray[np.float64], at: int, rate: int) -> float:
    """Seconds by which loudness comes later from `at` on, within two seconds."""
    step = rate // 200
    one, other = (
        np.abs(wave[at * rate : (at + 2) * rate]).reshape(-1, step).mean(axis=1)
        for wave in (before, after)
    )
    found = np.correlate(other - other.mean(), one - one.mean(), "full")
    return (int(np.argmax(found)) - len(one) + 1) * step / rate


def test_what_is_muted_is_not_heard_beside_it_either(tmp_path: Path) -> None:
    """The pieces that pitch overlaps are longer than a packet."""
    source = tmp_path / "v.mp4"
    tone = "0.6*sin(2*PI*3000*t)*between(t\\,2\\,2.5)+0.1*sin(2*PI*200*t)*gte(t\\,0.1)*lt(t\\,3.9)"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=4"),
        *("-f", "lavfi", "-i", f"aevalsrc={tone}:s=48000:d=4"),
        *("-c:v", "libx264", "-c:a", "aac"),
        source,
    )
    after, rate = heard(treated(source, tmp_path / "o.mp4", "pitch", "mute:1.9-2.6"))
    for start, end in ((1.0, 1.88), (2.63, 3.5)):
        part = after[:, int(start * rate) : int(end * rate)]
        assert strength(part, rate, 3000 * PITCH_FACTOR) < -70
        assert strength(part, rate, 200 * PITCH_FACTOR) > -30


def test_the_last_that_is_asked_for_counts() -> None:
    assert described(sound_spans(["mute", "keep:3-5", "pitch:4-6"])) == [
        "mute:-3",
        "pitch:4-6",
        "mute:6-",
    ]
    assert described(sound_spans("keep")) == ["keep"]
    assert described(sound_spans(["low-pass:1-2", "mute"])) == ["mute"]


def test_a_part_has_its_own_clock() -> None:
    spans = sound_spans(["mute:-3", "pitch:4-6", "mute:8-9"])
    assert described(sound_within(spans, 2, 5)) == ["mute:-1", "pitch:2-4"]
    assert described(sound_within(spans, 8.5, 5)) == ["mute:-0.5"]


@pytest.mark.parametrize(
    "text", ["loud", "mute:", "mute:3", "mute:5-3", "mute:a-b", "mute:-2-1", "pitch:nan-1"]
)
def test_what_can_not_be_read_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--sound .*") as caught:
        SoundSpan.parse(text)
    assert "mute:12.4-15" in str(caught.value.advice)


def test_what_is_wrong_with_both_times_is_said_plainly() -> None:
    with pytest.raises(ConfigError, match=r"^--sound mute:5-3: it ends before it begins"):
        SoundSpan.parse("mute:5-3")
