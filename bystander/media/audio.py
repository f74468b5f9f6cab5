"""The sound of a video, moved to another file beside its new pictures."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.packet import Packet, PktSideDataT
from av.stream import Stream

from bystander.media.audio_filters import drained, linked
from bystander.media.demux import open_media, read_packets
from bystander.media.sound import SoundTrack, plan_sound
from bystander.media.sound_effects import Samples, SoundChanger, frame_of, samples_of
from bystander.media.sound_spans import SoundSpan
from bystander.media.splicing import AAC_BITS_PER_CHANNEL, AAC_FRAME, Silencer, Splicer
from bystander.progress import Tally

log = logging.getLogger(__name__)

_AAC_SAMPLE_RATES = frozenset(
    {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
)
# By number of channels, from one: those that every AAC decoder knows.
_AAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1", "7.1")
_MAX_JITTER_SECONDS = Fraction(1, 200)  # of recorders' clocks; beyond, packets are left out
_WARM_UP_SECONDS = Fraction(1, 10)  # Opus asks for 80 ms before what is heard, others for less
_PASSED_ON: tuple[PktSideDataT, ...] = ("skip_samples", "new_extradata", "param_change")
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.ENOENT}
)


class AudioCopier:
    """Carries every audio stream of a file into an output, a little at a time.

    Packets are copied unchanged where `plan_sound` says so, else decoded and encoded.
    Their timestamps stay as they are, less `origin`.

    Args:
        source: the file whose sound is wanted.
        output: where to; the streams are added at once, before its header is written.
        origin: seconds of the source's clock that become 0.
        span: of the sound that is wanted, start and end in seconds of the source's clock; what its
            packets hold beside it comes along. By default all of it.
        treated: what is done to it, when, as `sound_spans` gives it; seconds from `origin`.
    """

    def __init__(
        self,
        source: Path,
        output: OutputContainer,
        origin: Fraction = Fraction(0),
        span: tuple[Fraction, Fraction] | None = None,
        treated: tuple[SoundSpan, ...] = (),
    ) -> None:
        self._span = span
        self._source: InputContainer = open_media(source)
        self._output = output
        self._tracks: dict[int, _StreamCopy | _Transcode] = {}  # by the stream's index
        plan = plan_sound(source, output.format.name, treated)
        for loss, remark in plan.remarks():
            log.log(logging.WARNING if loss else logging.INFO, "%s: %s", source, remark)
        streams = {stream.index: stream for stream in self._source.streams.audio}
        for track in plan.tracks:
            stream = streams[track.stream]
            if track.copied:
                self._tracks[stream.index] = _StreamCopy(stream, output, origin, treated)
            elif track.becomes is not None:
                self._tracks[stream.index] = _Transcode(stream, output, origin, track, treated)
        self._left_out = Tally(
            source,
            "a damaged packet of sound is left out (at {first} s)",
            "{count} damaged packets of sound are left out (first: at {first} s)",
        )
        self._silenced = Tally(
            source,
            "a damaged packet of sound becomes silence (at {first} s)",
            "{count} damaged packets of sound become silence (first: at {first} s)",
        )
        self._packets = self._read()
        self._next = next(self._packets, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._source.close()

    def advance(self, until: Fraction) -> None:
        """Write the sound up to `until`, in seconds of the source's clock."""
        while self._next is not None and _start(self._next) <= until:
            seconds = f"{float(_start(self._next)):.2f}"
            try:
                self._write(self._tracks[self._next.stream_index].convert(self._next))
            except _LeftOut:
                self._left_out.add(seconds)
            except _Silenced:
                self._silenced.add(seconds)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write all that is left."""
        while self._next is not None:
            self.advance(_start(self._next))
        for track in self._tracks.values():
            self._write(track.flush())
        self._left_out.tell(log)
        self._silenced.tell(log)

    def _read(self) -> Iterator[Packet[Stream]]:
        streams = [s for s in self._source.streams if s.index in self._tracks]
        packets = read_packets(self._source, streams) if streams else iter(())
        if self._span is None:
            return packets
        first, end = self._span[0] - _WARM_UP_SECONDS, self._span[1]
        return (packet for packet in packets if first <= _start(packet) < end)

    def _write(self, packets: list[Packet[Stream]]) -> None:
        for packet in packets:
            try:
                self._output.mux_one(packet)
            except av.error.FFmpegError as error:
                if error.errno in DISK_ERRORS:
                    raise
                self._left_out.add(f"{float(_start(packet)):.2f}")


class _LeftOut(Exception):
    """A packet has no place among the others."""


class _Silenced(Exception):
    """A packet can't be decoded."""


class _StreamCopy:
    """One stream whose packets are passed on as they are, but for those that are treated."""

    def __init__(
        self,
        stream: AudioStream,
        output: OutputContainer,
        origin: Fraction,
        treated: tuple[SoundSpan, ...],
    ) -> None:
        self._target = output.add_stream_from_template(stream)
        self._origin = origin
        # Matroska counts milliseconds, of which short packets share one.
        self._least_step = 0 if output.format.name == "matroska" else 1
        assert stream.time_base is not None
        self._max_jitter = ceil(_MAX_JITTER_SECONDS / stream.time_base)
        self._last_dts: int | None = None
        self._splicer = Splicer(stream, treated, slack_of(stream, output)) if treated else None

    def convert(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is None or packet.pts is None:
            raise _LeftOut
        if self._last_dts is not None and packet.dts < self._last_dts + self._least_step:
            late = self._last_dts + self._least_step - packet.dts
            if late > self._max_jitter:
                raise _LeftOut
            packet.dts += late
            packet.pts = max(packet.pts, packet.dts)
        self._last_dts = packet.dts
        copy = _bare(packet)
        _shift(copy, self._origin)
        if self._splicer is None:
            return self._targeted([copy])
        return self._targeted(self._splicer.push(packet, copy))

    def flush(self) -> list[Packet[Stream]]:
        return [] if self._splicer is None else self._targeted(self._splicer.flush())

    def _targeted(self, packets: list[Packet[Stream]]) -> list[Packet[Stream]]:
        for packet in packets:
            packet.stream = self._target
        return packets


class _Transcode:
    """One stream decoded and encoded again, gaps filled with silence, hidden parts left out."""

    def __init__(
        self,
        stream: AudioStream,
        output: OutputContainer,
        origin: Fraction,
        track: SoundTrack,
        treated: tuple[SoundSpan, ...],
    ) -> None:
        self._stream = stream
        self._origin = origin
        assert track.becomes is not None
        rate, layout = stream.sample_rate, stream.layout.name
        if track.becomes == "aac":
            rate = rate if rate in _AAC_SAMPLE_RATES else 48_000
            channels = stream.channels
            layout = _AAC_LAYOUTS[channels - 1] if channels <= len(_AAC_LAYOUTS) else "stereo"
        target = output.add_stream(track.becomes, rate=rate)
        assert isinstance(target, AudioStream)
        self._target: AudioStream = target
        context = self._target.codec_context
        context.layout = layout
        if track.becomes == "aac":
            context.bit_rate = AAC_BITS_PER_CHANNEL * self._target.channels
        elif track.becomes in ("flac", "alac"):
            deep = stream.format.bytes > 2
            kind = "s32" if deep else "s16"
            context.format = AudioFormat(kind if track.becomes == "flac" else f"{kind}p")
            context.options = {"bits_per_raw_sample": "24"} if deep else {}
        context.time_base = Fraction(1, rate)
        # Ticks of a stream that hides something, which begins its clock at zero.
        self._heard = "" if track.end is None else f"end_pts={track.end}"
        # What is decoded may change midway, from mono to stereo; what is encoded doesn't.
        self._form = (context.format.name, layout, rate)
        self._decoded_form: tuple[str, str, int] | None = None
        self._converter: Graph | None = None
        self._clock = _clock_keeper(*self._form)
        self._held: AudioFrame | None = None
        self._changer: SoundChanger | None = None
        self._silencer: Silencer | None = None
        if treated:
            slack = slack_of(stream, output)
            self._changer = SoundChanger(
                treated, rate, layout, self._target.channels, AAC_FRAME, slack
            )
            if track.becomes == "aac":
                self._silencer = Silencer(treated, rate, layout, slack)
        self._given: int | None = None  # samples, of what was encoded last the end
        self._expected: int | None = None  # likewise, of what was converted last
        self._slack = round(slack_of(stream, output) * rate)

    def convert(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        _shift(packet, self._origin)
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            raise _Silenced from error
        return [out for frame in self._whole(frames) for out in self._encode(frame)]

    def flush(self) -> list[Packet[Stream]]:
        frames = self._whole(self._stream.codec_context.decode(None))
        frames += [] if self._held is None else [self._held]
        packets = [out for frame in frames for out in self._encode(frame)]
        packets += self._encode_all(self._change_form(None))
        self._clock.push(None)
        packets += self._encode_all([])
        if self._changer is not None:
            packets += self._encode_samples(self._changer.flush())
        return packets + self._silenced(list(self._target.encode(None)))

    def _whole(self, frames: list[AudioFrame]) -> list[AudioFrame]:
        """The frames, each ended where the next begins: there an edit list goes on elsewhere."""
        if not self._heard:
            return frames
        ended = []
        for frame in frames:
            if self._held is not None and (left := _until(self._held, frame)) is not None:
                ended.append(left)
            self._held = frame
        return ended

    def _encode(self, frame: AudioFrame) -> list[Packet[Stream]]:
        frames: list[AudioFrame] = []
        if self._decoded_form != (frame.format.name, frame.layout.name, frame.sample_rate):
            frames += self._change_form(frame)
        assert self._converter is not None
        self._converter.push(frame)
        return self._encode_all(frames + drained(self._converter))

    def _encode_all(self, converted: list[AudioFrame]) -> list[Packet[Stream]]:
        for frame in converted:
            if self._changer is not None:
                self._snap(frame)
            self._clock.push(frame)
        return [out for frame in drained(self._clock) for out in self._encode_one(frame)]

    def _snap(self, frame: AudioFrame) -> None:
        """Let it follow where that is as far as its timestamp can tell: what keeps the clock would
        make other samples of it."""
        known = frame.pts is not None and self._expected is not None
        if known and abs(frame.pts - self._expected) <= self._slack:  # type: ignore[operator]
            frame.pts = self._expected
        self._expected = None if frame.pts is None else frame.pts + frame.samples

    def _encode_one(self, frame: AudioFrame) -> list[Packet[Stream]]:
        if self._changer is None:
            return list(self._target.encode(frame))
        at = frame.pts or 0
        if self._given is None:
            self._given = at
        return self._encode_samples(self._changer.push(samples_of(frame), at))

    def _encode_samples(self, chunks: list[Samples]) -> list[Packet[Stream]]:
        packets: list[Packet[Stream]] = []
        for samples in chunks:
            frame = frame_of(samples, *self._form, self._given or 0)
            self._given = (self._given or 0) + samples.shape[1]
            packets += self._target.encode(frame)
        return self._silenced(packets)

    def _silenced(self, packets: list[Packet[Stream]]) -> list[Packet[Stream]]:
        """AAC spreads what it leaves out over a packet, also to where there is to be silence."""
        if self._silencer is None:
            return packets
        return [self._silencer.silenced(packet, packet) for packet in packets]

    def _change_form(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """Convert what is like `frame` from now on; gives what is left of what came before."""
        rest: list[AudioFrame] = []
        if self._converter is not None:
            self._converter.push(None)
            rest = drained(self._converter)
        if frame is not None:
            self._decoded_form = (frame.format.name, frame.layout.name, frame.sample_rate)
            self._converter = _converter(frame, *self._form, self._heard)
        return rest


def _converter(frame: AudioFrame, sample_format: str, layout: str, rate: int, heard: str) -> Graph:
    """Makes samples of another form of what is like `frame`, with timestamps in samples.

    Args:
        heard: an option of FFmpeg's filter atrim; empty for everything.
    """
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format,
        layout=frame.layout,
        time_base=frame.time_base,
    )
    form = f"sample_rates={rate}:sample_fmts={sample_format}:channel_layouts={layout}"
    trim = [graph.add("atrim", heard)] if heard else []
    clock = graph.add("asettb", f"expr=1/{rate}")
    return linked(graph, source, *trim, graph.add("aformat", form), clock)


def _clock_keeper(sample_format: str, layout: str, rate: int) -> Graph:
    """Fills gaps with silence and cuts overlaps, so that timestamps stay true; AAC's frames."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=rate, format=sample_format, layout=layout, time_base=Fraction(1, rate)
    )
    steps = graph.add("aresample", "async=1"), graph.add("asetnsamples", "n=1024:p=0")
    return linked(graph, source, *steps)


def slack_of(stream: AudioStream, output: OutputContainer) -> Fraction:
    """Seconds by which timestamps may be wrong, in files that count coarser than samples."""
    assert stream.time_base is not None
    tick = Fraction(1, 1000) if output.format.name == "matroska" else Fraction(0)
    coarse = stream.time_base * (stream.sample_rate or 1) > 1
    return max(tick, stream.time_base) if coarse else tick


def _until(frame: AudioFrame, following: AudioFrame) -> AudioFrame | None:
    """What of `frame` is heard before `following` begins; None if nothing is."""
    if frame.pts is None or following.pts is None or frame.time_base is None:
        return frame
    count = round((following.pts - frame.pts) * frame.time_base * frame.sample_rate)
    if count >= frame.samples:
        return frame
    if count <= 0:
        return None
    samples, planar = frame.to_ndarray(), frame.format.is_planar
    length = count if planar else count * frame.layout.nb_channels
    shorter = AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[:, :length]),  # type: ignore[arg-type]
        frame.format.name,
        frame.layout.name,
    )
    shorter.pts, shorter.time_base = frame.pts, frame.time_base
    shorter.sample_rate = frame.sample_rate
    return shorter


def _bare(packet: Packet[Stream]) -> Packet[Stream]:
    """The packet with nothing beside its data but what players need to decode and trim it."""
    copy: Packet[Stream] = Packet(bytes(packet))
    copy.time_base, copy.duration, copy.is_keyframe = packet.time_base, packet.duration, True
    copy.pts, copy.dts = packet.pts, packet.dts
    for kind in _PASSED_ON:
        if packet.has_sidedata(kind):
            copy.set_sidedata(packet.get_sidedata(kind))
    return copy


def _start(packet: Packet[Stream]) -> Fraction:
    ticks = packet.dts if packet.dts is not None else packet.pts or 0
    return ticks * packet.time_base


def _shift(packet: Packet[Stream], origin: Fraction) -> None:
    ticks = round(origin / packet.time_base)
    if packet.pts is not None:
        packet.pts -= ticks
    if packet.dts is not None:
        packet.dts -= ticks
