"""The sound of a video, moved to another file beside its new pictures."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.filter.context import FilterContext
from av.packet import Packet, PktSideDataT
from av.stream import Stream

from bystander.media.demux import open_media, read_packets
from bystander.media.sound import SoundTrack, plan_sound
from bystander.progress import Tally

log = logging.getLogger(__name__)

_AAC_BITS_PER_CHANNEL = 96_000  # per second; transparent for AAC-LC
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
    """

    def __init__(
        self,
        source: Path,
        output: OutputContainer,
        origin: Fraction = Fraction(0),
        span: tuple[Fraction, Fraction] | None = None,
    ) -> None:
        self._span = span
        self._source: InputContainer = open_media(source)
        self._output = output
        self._tracks: dict[int, _Copy | _Transcode] = {}
        plan = plan_sound(source, output.format.name)
        for loss, remark in plan.remarks():
            log.log(logging.WARNING if loss else logging.INFO, "%s: %s", source, remark)
        streams = {stream.index: stream for stream in self._source.streams.audio}
        for track in plan.tracks:
            stream = streams[track.stream]
            if track.copied:
                self._tracks[stream.index] = _Copy(stream, output, origin)
            elif track.becomes is not None:
                self._tracks[stream.index] = _Transcode(stream, output, origin, track)
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


class _Copy:
    """One stream whose packets are passed on as they are."""

    def __init__(self, stream: AudioStream, output: OutputContainer, origin: Fraction) -> None:
        self._target = output.add_stream_from_template(stream)
        self._origin = origin
        # Matroska counts milliseconds, of which short packets share one.
        self._least_step = 0 if output.format.name == "matroska" else 1
        assert stream.time_base is not None
        self._max_jitter = ceil(_MAX_JITTER_SECONDS / stream.time_base)
        self._last_dts: int | None = None

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
        copy.stream = self._target
        return [copy]

    def flush(self) -> list[Packet[Stream]]:
        return []


class _Transcode:
    """One stream decoded and encoded again, gaps filled with silence, hidden parts left out."""

    def __init__(
        self, stream: AudioStream, output: OutputContainer, origin: Fraction, track: SoundTrack
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
            context.bit_rate = _AAC_BITS_PER_CHANNEL * self._target.channels
        context.time_base = Fraction(1, rate)
        # Ticks of a stream that hides something, which begins its clock at zero.
        self._heard = "" if track.end is None else f"end_pts={track.end}"
        # What is decoded may change midway, from mono to stereo; what is encoded doesn't.
        self._form = (context.format.name, layout, rate)
        self._decoded_form: tuple[str, str, int] | None = None
        self._converter: Graph | None = None
        self._clock = _clock_keeper(*self._form)
        self._held: AudioFrame | None = None

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
        return packets + self._encode_all([]) + list(self._target.encode(None))

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
        return self._encode_all(frames + _drained(self._converter))

    def _encode_all(self, converted: list[AudioFrame]) -> list[Packet[Stream]]:
        for frame in converted:
            self._clock.push(frame)
        return [out for frame in _drained(self._clock) for out in self._target.encode(frame)]

    def _change_form(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """Convert what is like `frame` from now on; gives what is left of what came before."""
        rest: list[AudioFrame] = []
        if self._converter is not None:
            self._converter.push(None)
            rest = _drained(self._converter)
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
    return _linked(graph, source, *trim, graph.add("aformat", form), clock)


def _clock_keeper(sample_format: str, layout: str, rate: int) -> Graph:
    """Fills gaps with silence and cuts overlaps, so that timestamps stay true; AAC's frames."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=rate, format=sample_format, layout=layout, time_base=Fraction(1, rate)
    )
    steps = graph.add("aresample", "async=1"), graph.add("asetnsamples", "n=1024:p=0")
    return _linked(graph, source, *steps)


def _linked(graph: Graph, *steps: FilterContext) -> Graph:
    for step, following in pairwise((*steps, graph.add("abuffersink"))):
        step.link_to(following)
    graph.configure()
    return graph


def _drained(graph: Graph) -> list[AudioFrame]:
    frames: list[AudioFrame] = []
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames
        assert isinstance(frame, AudioFrame)
        frames.append(frame)


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
