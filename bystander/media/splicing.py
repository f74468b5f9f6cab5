"""AAC packets, some of which are replaced by others; all else stays bit for bit.

A packet of AAC-LC holds 2048 windowed samples, of which a decoder adds the first half to the second
half of the packet before. So the samples of a span are in the packets that begin in it and in the
one before; replacing these leaves every other packet as it was. The two frames at the joins are
made of halves that weren't meant for each other: they fade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import Flags2
from av.packet import Packet
from av.stream import Stream

from bystander.choices import SoundTreatment
from bystander.media.sound_effects import (
    Samples,
    SampleSpan,
    SoundChanger,
    frame_of,
    ramp_samples,
    samples_of,
)
from bystander.media.sound_spans import SoundSpan

AAC_FRAME: Final = 1024
"""Samples by which AAC-LC goes on with each packet."""
AAC_BITS_PER_CHANNEL: Final = 96_000
"""A second; transparent for AAC-LC."""
_LEAD_FRAMES: Final = 3  # encoded before the first that is used
_SETTLED: Final = 4  # packets after which an encoder of silence says nothing but that


def can_splice(stream: AudioStream) -> bool:
    """Whether packets of the encoder here may stand among those of the stream."""
    context = stream.codec_context
    if context.codec.canonical_name != "aac" or len(context.extradata or b"") < 2:
        return False
    try:
        encoder = _encoder(stream.sample_rate, stream.layout.name, 0)
        encoder.open()
    except (ValueError, av.error.FFmpegError):
        return False
    # AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1): object type, rate, channels, frame length.
    # What follows may say that there is more, of HE-AAC, which `profile` knows.
    same = bytes(context.extradata or b"")[:2] == bytes(encoder.extradata or b"")[:2]
    return same and context.profile in (None, "LC")


class Silencer:
    """Replaces what AAC packets hold of muted spans by silence, to the sample.

    Args:
        spans: see `sound_spans`.
        rate: samples a second.
        layout: FFmpeg's name of the channels' order.
        slack: seconds by which the file's timestamps may be wrong.
    """

    def __init__(self, spans: Sequence[SoundSpan], rate: int, layout: str, slack: Fraction) -> None:
        self._spans = [
            SampleSpan.of(span, rate, slack)
            for span in spans
            if span.treatment is SoundTreatment.MUTE
        ]
        self._rate = rate
        self._silence = _silent_packet(rate, layout)

    def mutes(self, packet: Packet[Stream]) -> bool:
        """Whether the packet is heard in a muted span; its clock begins at the first frame."""
        start = _sample(packet, self._rate)
        return any(span.touches(start, start + 2 * AAC_FRAME) for span in self._spans)

    def silenced(self, packet: Packet[Stream], other: Packet[Stream]) -> Packet[Stream]:
        """`other` with silence in it if `packet` is heard in a muted span; else `other`."""
        return self.silence(other) if self.mutes(packet) else other

    def silence(self, packet: Packet[Stream]) -> Packet[Stream]:
        return with_data(packet, self._silence)


@dataclass(slots=True)
class _Waiting:
    """A packet that is held until it is known what becomes of it."""

    packet: Packet[Stream]
    number: int
    treated: bool


class Splicer:
    """Treats a stream of AAC packets (see `can_splice`) by replacing those that spans touch.

    Args:
        stream: where they are from.
        spans: see `sound_spans`.
        slack: seconds by which the file's timestamps may be wrong.
    """

    def __init__(self, stream: AudioStream, spans: Sequence[SoundSpan], slack: Fraction) -> None:
        self._stream, self._spans, self._slack = stream, spans, slack
        self._rate, self._layout = stream.sample_rate, stream.layout.name
        self._channels = stream.channels
        self._silencer = Silencer(spans, self._rate, self._layout, slack)
        ramp = ramp_samples(self._rate)
        changes = [
            SampleSpan.of(span, self._rate, slack)
            for span in spans
            if span.treatment is not SoundTreatment.MUTE
        ]
        self._touched = [SampleSpan(span.start - ramp, span.end + ramp) for span in changes]
        bits = AAC_BITS_PER_CHANNEL * self._channels
        self._bit_rate = max(bits, stream.bit_rate or 0)
        if self._touched:
            stream.codec_context.flags2 |= Flags2.skip_manual
        self._count = 0
        self._lead: deque[tuple[Samples, int]] = deque(maxlen=_LEAD_FRAMES)
        self._waiting: deque[_Waiting] = deque()
        self._passage: _Passage | None = None

    def push(self, source: Packet[Stream], copy: Packet[Stream]) -> list[Packet[Stream]]:
        """What is known to be in the output now.

        Args:
            source: the next packet.
            copy: what of it goes to the output if nothing touches it; its clock begins at the
                video's first frame.
        """
        if not self._touched:
            return [self._silencer.silenced(copy, copy)]
        start = _sample(copy, self._rate)
        samples = self._decoded(source)
        muted = self._silencer.mutes(copy)
        touched = not muted and any(
            span.touches(start, start + 2 * AAC_FRAME) for span in self._touched
        )
        if muted:
            copy = self._silencer.silence(copy)
        self._waiting.append(_Waiting(copy, self._count, touched))
        if touched and self._passage is None:
            self._passage = self._new_passage()
            for lead, at in self._lead:
                self._replace(self._passage.push(lead, at))
        if self._passage is not None:
            self._replace(self._passage.push(samples, start))
        self._lead.append((samples, start))
        self._count += 1
        if self._passage is not None and not any(one.treated for one in self._waiting):
            self._passage = None
        return self._known()

    def flush(self) -> list[Packet[Stream]]:
        """What is left."""
        if self._passage is not None:
            self._replace(self._passage.flush())
            self._passage = None
        for one in self._waiting:  # of these nothing is known
            if one.treated:
                one.packet, one.treated = self._silencer.silence(one.packet), False
        return self._known()

    def _new_passage(self) -> _Passage:
        changer = SoundChanger(
            self._spans, self._rate, self._layout, self._channels, AAC_FRAME, self._slack
        )
        encoder = _encoder(self._rate, self._layout, self._bit_rate)
        return _Passage(changer, encoder, self._count - len(self._lead))

    def _decoded(self, packet: Packet[Stream]) -> Samples:
        """Its 1024 samples; silence for what can't be decoded."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            frames = []
        if len(frames) == 1 and frames[0].samples == AAC_FRAME:
            samples = samples_of(frames[0])
            if samples.shape[0] == self._channels:
                return samples
        return np.zeros((self._channels, AAC_FRAME))

    def _replace(self, encoded: list[tuple[int, bytes]]) -> None:
        for number, data in encoded:
            for one in self._waiting:
                if one.number == number and one.treated:
                    one.packet, one.treated = with_data(one.packet, data), False

    def _known(self) -> list[Packet[Stream]]:
        found = []
        while self._waiting and not self._waiting[0].treated:
            found.append(self._waiting.popleft().packet)
        return found


class _Passage:
    """Packets in a row that are encoded anew, each for one of the source.

    Args:
        first: the number of the packet whose samples it is given first.
    """

    def __init__(self, changer: SoundChanger, encoder: AudioCodecContext, first: int) -> None:
        self._changer, self._encoder = changer, encoder
        self._number = first - 1  # the encoder's first packet leads up to the first samples
        self._fed = 0

    def push(self, samples: Samples, at: int) -> list[tuple[int, bytes]]:
        """The packets that are done, and which of the source they stand for."""
        return self._encoded(self._changer.push(samples, at))

    def flush(self) -> list[tuple[int, bytes]]:
        return self._encoded(self._changer.flush()) + self._numbered(self._encoder.encode(None))

    def _encoded(self, chunks: list[Samples]) -> list[tuple[int, bytes]]:
        found = []
        for samples in chunks:
            context = self._encoder
            frame = frame_of(samples, "fltp", context.layout.name, context.sample_rate, self._fed)
            self._fed += samples.shape[1]
            found += self._numbered(context.encode(frame))
        return found

    def _numbered(self, packets: Sequence[Packet[Stream]]) -> list[tuple[int, bytes]]:
        found = []
        for packet in packets:
            found.append((self._number, bytes(packet)))
            self._number += 1
        return found


def _encoder(rate: int, layout: str, bit_rate: int) -> AudioCodecContext:
    context = AudioCodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = rate, layout, "fltp"
    context.time_base = Fraction(1, rate)
    if bit_rate:
        context.bit_rate = bit_rate
    return context


def _silent_packet(rate: int, layout: str) -> bytes:
    """A packet of AAC-LC that holds nothing; it decodes to zeros."""
    encoder = _encoder(rate, layout, 0)
    channels = encoder.layout.nb_channels
    silence = np.zeros((channels, AAC_FRAME))
    packets: list[bytes] = []
    for number in range(2 * _SETTLED):
        frame = frame_of(silence, "fltp", layout, rate, number * AAC_FRAME)
        packets += map(bytes, encoder.encode(frame))
    return packets[_SETTLED]


def with_data(packet: Packet[Stream], data: bytes) -> Packet[Stream]:
    """A packet with other contents, shown when and skipped where this one is."""
    other: Packet[Stream] = Packet(data)
    other.time_base, other.duration, other.is_keyframe = packet.time_base, packet.duration, True
    other.pts, other.dts = packet.pts, packet.dts
    if packet.has_sidedata("skip_samples"):
        other.set_sidedata(packet.get_sidedata("skip_samples"))
    if packet.stream is not None:
        other.stream = packet.stream
    return other


def _sample(packet: Packet[Stream], rate: int) -> int:
    return round((packet.pts or 0) * packet.time_base * rate)
