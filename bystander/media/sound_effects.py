"""Samples in, the same number of samples out, treated where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, inf
from typing import Any, Final, Protocol, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from bystander.choices import SoundTreatment
from bystander.media.audio_filters import drained, linked
from bystander.media.sound_spans import SoundSpan

Samples = NDArray[np.float64]
"""Float64 [channels, samples], -1 to 1."""

LOW_PASS_HZ: Final = 250.0
"""Vowels are told apart by what lies above, consonants wholly."""
_LOW_PASS_ORDER: Final = 8  # 48 dB an octave: at 500 Hz 48 dB are gone
PITCH_FACTOR: Final = 0.74
"""Times all frequencies, formants too: 5.2 semitones lower, where no speaker moves their own."""
RAMP_SECONDS: Final = 0.01
"""Over which a treatment other than silence sets in and ceases, beside its span."""


@dataclass(frozen=True, slots=True)
class SampleSpan:
    """From `start` to before `end`, samples counted from the video's first frame; may be endless.

    Whatever is rounded is rounded outwards.
    """

    start: float
    end: float

    @classmethod
    def of(cls, span: SoundSpan, rate: int, slack: Fraction) -> SampleSpan:
        """Args:
        rate: samples a second.
        slack: seconds by which the file's timestamps may be wrong.
        """
        start = -inf if span.start is None else floor((Fraction(span.start) - slack) * rate)
        end = inf if span.end is None else ceil((Fraction(span.end) + slack) * rate)
        return cls(start, end)

    def touches(self, start: float, end: float) -> bool:
        return self.start < end and start < self.end


class _Processor(Protocol):
    """Treats samples one after another; gives as many as it got, some of them later."""

    def push(self, samples: Samples) -> Samples: ...

    def flush(self) -> Samples: ...


class _Silence:
    def push(self, samples: Samples) -> Samples:
        return np.zeros_like(samples)

    def flush(self) -> Samples:
        return np.zeros((0, 0))


class _LowPass:
    """A Butterworth filter, as SciPy designs it."""

    def __init__(self, rate: int, channels: int) -> None:
        from scipy.signal import butter

        self._sections = butter(_LOW_PASS_ORDER, LOW_PASS_HZ, fs=rate, output="sos")
        self._state = np.zeros((len(self._sections), channels, 2))

    def push(self, samples: Samples) -> Samples:
        from scipy.signal import sosfilt

        found, self._state = sosfilt(self._sections, samples, axis=1, zi=self._state)
        return cast(Samples, found)

    def flush(self) -> Samples:
        return np.zeros((0, 0))


class _Pitch:
    """Played slower, then as fast as before by overlapping pieces (FFmpeg's atempo, a WSOLA)."""

    def __init__(self, rate: int, layout: str) -> None:
        self._rate, self._layout, self._count = rate, layout, 0
        slower = round(rate * PITCH_FACTOR)
        self._graph = Graph()
        self._clock = Fraction(1, rate)
        source = self._graph.add_abuffer(
            sample_rate=rate, format="fltp", layout=layout, time_base=self._clock
        )
        steps = [
            self._graph.add("asetrate", str(slower)),
            self._graph.add("aresample", str(rate)),
            self._graph.add("atempo", repr(rate / slower)),
            self._graph.add("aformat", f"sample_fmts=fltp:channel_layouts={layout}"),
        ]
        linked(self._graph, source, *steps)

    def push(self, samples: Samples) -> Samples:
        frame = frame_of(samples, "fltp", self._layout, self._rate, self._count)
        self._count += samples.shape[1]
        self._graph.push(frame)
        return self._drained()

    def flush(self) -> Samples:
        self._graph.push(None)
        return self._drained()

    def _drained(self) -> Samples:
        found = [frame.to_ndarray().astype(np.float64) for frame in drained(self._graph)]
        return np.concatenate(found, axis=1) if found else np.zeros((0, 0))


class _Stage:
    """One treatment, mixed in where its spans are."""

    def __init__(self, processor: _Processor, spans: Sequence[SampleSpan], ramp: int) -> None:
        self._processor, self._spans, self._ramp = processor, spans, ramp
        self._plain: list[Samples] = []
        self._weights: list[NDArray[np.float64]] = []
        self._treated: list[Samples] = []

    def push(self, samples: Samples, at: int) -> Samples:
        self._plain.append(samples)
        self._weights.append(self._weight(at, samples.shape[1]))
        self._treated.append(self._processor.push(samples))
        return self._mixed()

    def flush(self) -> Samples:
        self._treated.append(self._processor.flush())
        waiting = sum(part.shape[1] for part in self._plain)
        missing = waiting - sum(part.shape[1] for part in self._treated)
        if waiting and missing > 0:
            self._treated.append(np.zeros((self._plain[0].shape[0], missing)))
        return self._mixed()

    def _mixed(self) -> Samples:
        """What both are there of."""
        plain, weights = _joined(self._plain), np.concatenate(self._weights or [np.zeros(0)])
        treated = _joined(self._treated)
        count = min(plain.shape[1], treated.shape[1])
        self._plain, self._weights = [plain[:, count:]], [weights[count:]]
        self._treated = [treated[:, count:]]
        if not count:
            return plain[:, :0]
        weight = weights[:count]
        return plain[:, :count] * (1 - weight) + treated[:, :count] * weight

    def _weight(self, at: int, count: int) -> NDArray[np.float64]:
        """How much of the treatment there is of each sample, 0 to 1."""
        weight = np.zeros(count)
        place = np.arange(at, at + count, dtype=np.float64)
        ramp = self._ramp
        for span in self._spans:
            if not span.touches(at - ramp, at + count + ramp):
                continue
            if ramp:
                rises = np.clip((place - span.start) / ramp + 1, 0, 1)
                falls = np.clip((span.end - 1 - place) / ramp + 1, 0, 1)
                np.maximum(weight, np.minimum(rises, falls), out=weight)
            else:
                weight[(place >= span.start) & (place < span.end)] = 1
        return weight


class SoundChanger:
    """Treats the sound of one stream, in chunks of one size.

    Args:
        spans: what is asked for, of which no two overlap; see `sound_spans`.
        rate: samples a second.
        layout: FFmpeg's name of the channels' order.
        channels: how many.
        chunk: samples that are given at once.
        slack: seconds by which the file's timestamps may be wrong.
    """

    def __init__(
        self,
        spans: Sequence[SoundSpan],
        rate: int,
        layout: str,
        channels: int,
        chunk: int,
        slack: Fraction,
    ) -> None:
        self._chunk = chunk
        self._muted = [
            SampleSpan.of(span, rate, slack)
            for span in spans
            if span.treatment is SoundTreatment.MUTE
        ]
        self._rest: list[Samples] = []
        self._stages = []
        for treatment in (SoundTreatment.LOW_PASS, SoundTreatment.PITCH, SoundTreatment.MUTE):
            wanted = [
                SampleSpan.of(span, rate, slack) for span in spans if span.treatment is treatment
            ]
            if not wanted:
                continue
            processor: _Processor
            match treatment:
                case SoundTreatment.LOW_PASS:
                    processor = _LowPass(rate, channels)
                case SoundTreatment.PITCH:
                    processor = _Pitch(rate, layout)
                case _:
                    processor = _Silence()
            ramp = 0 if treatment is SoundTreatment.MUTE else ramp_samples(rate)
            self._stages.append(_Stage(processor, wanted, ramp))
        # Each stage gives its samples later than it takes them: where they belong.
        self._given = [_Places() for _ in self._stages]

    def push(self, samples: Samples, at: int) -> list[Samples]:
        """Chunks that are done, in order.

        Args:
            samples: those that follow what was given last.
            at: the first one's number, from the video's first frame.
        """
        if any(span.touches(at, at + samples.shape[1]) for span in self._muted):
            # Other treatments may carry samples a little way, out of what is muted.
            place = np.arange(at, at + samples.shape[1])
            samples = samples.copy()
            for span in self._muted:
                samples[:, (place >= span.start) & (place < span.end)] = 0
        for stage, places in zip(self._stages, self._given, strict=True):
            if samples.shape[1]:
                places.add(at, samples.shape[1])
                samples = stage.push(samples, at)
                at = places.take(samples.shape[1])
        self._rest.append(samples)
        return self._chunks(everything=False)

    def flush(self) -> list[Samples]:
        """What is left, the last chunk being shorter if it has to be."""
        carried: list[tuple[int, Samples]] = []
        for stage, places in zip(self._stages, self._given, strict=True):
            outs: list[tuple[int, Samples]] = []
            for at, samples in carried:
                if not samples.shape[1]:
                    continue
                places.add(at, samples.shape[1])
                done = stage.push(samples, at)
                outs.append((places.take(done.shape[1]), done))
            last = stage.flush()
            outs.append((places.take(last.shape[1]), last))
            carried = outs
        self._rest += [samples for _, samples in carried]
        return self._chunks(everything=True)

    def _chunks(self, everything: bool) -> list[Samples]:
        rest = _joined(self._rest)
        whole = rest.shape[1] // self._chunk * self._chunk
        chunks = [rest[:, i : i + self._chunk] for i in range(0, whole, self._chunk)]
        if everything and rest.shape[1] > whole:
            chunks.append(rest[:, whole:])
            whole = rest.shape[1]
        self._rest = [rest[:, whole:]]
        return chunks


class _Places:
    """Where samples belong that come out of a stage, in the order they went in."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, int]] = []

    def add(self, at: int, count: int) -> None:
        if count:
            self._blocks.append((at, count))

    def take(self, count: int) -> int:
        """Of the next `count` samples, the number of the first."""
        first = self._blocks[0][0] if self._blocks else 0
        while count and self._blocks:
            at, length = self._blocks.pop(0)
            if length > count:
                self._blocks.insert(0, (at + count, length - count))
                break
            count -= length
        return first


def ramp_samples(rate: int) -> int:
    return ceil(RAMP_SECONDS * rate)


def _joined(parts: Sequence[Samples]) -> Samples:
    parts = [part for part in parts if part.shape[1]] or list(parts[:1])
    return np.concatenate(parts, axis=1) if parts else np.zeros((1, 0))


def samples_of(frame: AudioFrame) -> Samples:
    """The samples of a frame; exact, whatever their format."""
    samples = frame.to_ndarray()
    values = samples.astype(np.float64)
    if samples.dtype == np.uint8:
        values = (values - 128) / 128
    elif samples.dtype.kind == "i":
        values /= 2.0 ** (8 * samples.dtype.itemsize - 1)
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    return np.asarray(values)


def frame_of(samples: Samples, sample_format: str, layout: str, rate: int, at: int) -> AudioFrame:
    """The inverse of `samples_of`: a frame whose first sample is the number `at`."""
    kind = sample_format.removesuffix("p")
    values: NDArray[Any]
    if kind in ("flt", "dbl"):
        values = samples.astype(np.float32 if kind == "flt" else np.float64)
    elif kind == "u8":
        values = np.clip(np.rint(samples * 128) + 128, 0, 255).astype(np.uint8)
    else:
        dtype = {"s16": np.int16, "s32": np.int32}[kind]
        full = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        values = np.clip(np.rint(samples * full), -full, full - 1).astype(dtype)
    if not sample_format.endswith("p"):
        values = values.T.reshape(1, -1)
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(values), sample_format, layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame
