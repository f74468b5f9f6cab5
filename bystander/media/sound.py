"""A file's audio streams -> what becomes of each, and what of them players would hide.

Encoders hide their own silence: up to a few thousand samples of priming before the sound, and
what fills its last packet up. Cutting without encoding hides what was said there. Both look
alike in the file; the difference can be heard.
"""

from __future__ import annotations

import io
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags2
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from bystander.media.demux import has_decoder, open_media, read_packets
from bystander.media.sound_effects import samples_of
from bystander.media.sound_spans import SoundSpan, described
from bystander.media.splicing import can_splice

_EDITABLE_FORMATS: Final = ("mov", "matroska")
"""How FFmpeg's names of the formats begin whose files can say that players skip a part."""
MAX_PRIMING_SECONDS: Final = 0.15
"""More is no encoder's; the longest common one is HE-AAC's, 5186 samples at 44.1 kHz."""
MAX_PRIMING_DBFS: Final = -40.0
"""Root mean square of what may stay. Encoders' priming before an abrupt, loud tone has at most
-55, what fills the last packet -44; a loud sound that was cut off in the midst of a packet more."""
MIN_AUDIBLE_SECONDS: Final = 0.005
"""Less is no sound that anybody recognises; Vorbis hides so much, as loud as what follows."""
_EXTRAPOLATED: Final = frozenset({"vorbis", "opus"})
"""Codecs whose encoders fill the last packet up with what might have followed, not silence."""
_WARM_UP_PACKETS: Final = 8  # those before the last ones, for decoders that look back
_MAX_HEAD_PACKETS: Final = 400  # of a fortieth of a millisecond each, as TrueHD's


# What players take in an MP4 file; the muxer itself would accept more.
_MP4_AUDIO: Final = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})
_MOV_AUDIO: Final = _MP4_AUDIO - {"opus", "flac"} | {
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le"
}  # fmt: skip
_PLAYED: Final = {"mp4": _MP4_AUDIO, "mov": _MOV_AUDIO}
_LOSSLESS: Final = frozenset({"flac", "alac"})
_TELEPHONE: Final = frozenset({"pcm_alaw", "pcm_mulaw", "pcm_vidc"})  # no longer linear


def hidden_sound(path: Path) -> dict[int, int | None]:
    """The audio streams that hold what their players don't play, other than silence.

    Returns:
        The index of each, and the timestamp at which its audible part ends, ticks of the
        stream's time base; None where that is its last sample.

    Raises:
        NotAVideo: the file can't be opened.
    """
    with open_media(path) as container:
        if not container.format.name.startswith(_EDITABLE_FORMATS):
            return {}
        tracks = {s.index: _HiddenSpans(s) for s in container.streams.audio if has_decoder(s)}
        if not tracks:
            return {}
        for packet in read_packets(container, _streams(container, tracks)):
            tracks[packet.stream_index].take(packet)
        is_mov = container.format.name.startswith("mov")
        return {
            index: track.end if is_mov else None
            for index, track in tracks.items()
            if track.hides_sound(is_mov)
        }


def hides_pictures(path: Path) -> bool:
    """Whether players pass over some of a file's pictures.

    Raises:
        NotAVideo: the file can't be opened.
    """
    with open_media(path) as container:
        streams = [s for s in container.streams.video if has_decoder(s)]
        return bool(streams) and any(p.is_discard for p in read_packets(container, streams))


def _streams(container: InputContainer, tracks: dict[int, _HiddenSpans]) -> list[Stream]:
    return [stream for stream in container.streams if stream.index in tracks]


class _HiddenSpans:
    """The first and last packets of one stream, and what of them is hidden.

    Attributes:
        end: the timestamp at which the audible part ends; None if the file doesn't say.
    """

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        assert stream.time_base is not None
        self._samples_per_tick = stream.time_base * (stream.sample_rate or 1)
        self._head: list[Packet[Stream]] = []
        self._head_samples = 0
        self._tail: deque[Packet[Stream]] = deque(maxlen=_WARM_UP_PACKETS)
        self._hidden_before = self._hidden_after = 0  # samples
        self._begun = self._hides_within = False
        self.end: int | None = None
        if stream.start_time is not None and stream.duration is not None:
            self.end = stream.start_time + stream.duration

    def take(self, packet: Packet[Stream]) -> None:
        """Note the next packet, in file order."""
        samples = round((packet.duration or 0) * self._samples_per_tick)
        before, self._hidden_after = _skipped(packet)
        if packet.is_discard:
            self._hides_within |= self._begun
            self._hidden_before += 0 if self._begun else samples
        if not self._begun:
            self._hidden_before = max(self._hidden_before, before)
        self._begun |= not packet.is_discard
        if self._head_samples <= 2 * self._limit and len(self._head) < _MAX_HEAD_PACKETS:
            self._head.append(packet)
            self._head_samples += samples
        self._tail.append(packet)

    def hides_sound(self, timed: bool) -> bool:
        """Whether more than silence is hidden.

        Args:
            timed: the timestamps are exact, and `end` says how long the stream is heard.
        """
        if self._hides_within or self._hidden_before > self._limit:
            return True
        self._stream.codec_context.flags2 |= Flags2.skip_manual
        hidden = []
        if self._hidden_before:
            hidden += _first(self._decode(self._head), self._hidden_before)
        made_up = self._stream.codec_context.codec.canonical_name in _EXTRAPOLATED
        frames = [] if made_up else self._decode(self._tail)
        if timed and self.end is not None:
            hidden += self._from(frames, self.end)
        elif self._hidden_after:
            hidden += _last(frames, self._hidden_after)
        least = MIN_AUDIBLE_SECONDS * self._stream.sample_rate
        return any(
            _loudness(samples) > MAX_PRIMING_DBFS for samples in hidden if samples.shape[1] > least
        )

    @property
    def _limit(self) -> float:
        return MAX_PRIMING_SECONDS * self._stream.sample_rate

    def _decode(self, packets: list[Packet[Stream]] | deque[Packet[Stream]]) -> list[AudioFrame]:
        context = self._stream.codec_context
        frames: list[AudioFrame] = []
        if context.is_open:
            context.flush_buffers()
        for packet in [*packets, None]:
            try:
                frames += context.decode(packet)
            except av.error.FFmpegError:
                continue  # a damaged packet is heard by nobody
        return frames

    def _from(self, frames: list[AudioFrame], end: int) -> list[NDArray[np.float64]]:
        found = []
        for frame in frames:
            if frame.pts is None:
                continue
            heard = max(0, round((end - frame.pts) * self._samples_per_tick))
            found.append(samples_of(frame)[:, heard:])
        hidden = [np.concatenate(found, axis=1)] if found else []
        # Files in fragments may tell the length of their first one only.
        return [samples for samples in hidden if samples.shape[1] <= self._limit]


def _skipped(packet: Packet[Stream]) -> tuple[int, int]:
    """Samples that players skip at the packet's beginning (and go on skipping) and its end."""
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    before, after = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    return before, after


def _first(frames: list[AudioFrame], count: int) -> list[NDArray[np.float64]]:
    return [np.concatenate([samples_of(f) for f in frames], axis=1)[:, :count]] if frames else []


def _last(frames: list[AudioFrame], count: int) -> list[NDArray[np.float64]]:
    return [np.concatenate([samples_of(f) for f in frames], axis=1)[:, -count:]] if frames else []


def _loudness(samples: NDArray[np.float64]) -> float:
    """Root mean square against full scale, dB."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples))) + 1e-9))


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """What becomes of one audio stream.

    Attributes:
        stream: its index in the source.
        codec: FFmpeg's name; None for one that FFmpeg doesn't know.
        becomes: the codec in the output; None if it is left out.
        copied: its packets stay as they are.
        why: it isn't copied, in words; empty if it is.
        end: where a part is hidden, the timestamp at which the audible part ends, ticks of
            the stream's time base; None where that is its last sample.
    """

    stream: int
    codec: str | None
    becomes: str | None
    copied: bool = False
    why: str = ""
    end: int | None = None

    @property
    def name(self) -> str:
        return f"stream {self.stream} ({self.codec})" if self.codec else f"stream {self.stream}"


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """Every audio stream of a file, and what becomes of it.

    Attributes:
        treated: what else is done to all of them, see `sound_spans`; packets that are copied are
            so beside these spans only.
    """

    tracks: tuple[SoundTrack, ...]
    treated: tuple[SoundSpan, ...] = ()

    def summary(self) -> dict[str, Any]:
        """For people and programs: `kept`, `transcoded` and `left_out` streams, and how their
        sound is `treated`: `keep`, or spans as --sound takes them."""
        kept = [t for t in self.tracks if t.copied]
        transcoded = [t for t in self.tracks if t.becomes and not t.copied]
        left_out = [t for t in self.tracks if t.becomes is None]
        return {
            "kept": [{"stream": t.stream, "codec": t.codec} for t in kept],
            "transcoded": [
                {"stream": t.stream, "codec": t.codec, "becomes": t.becomes, "why": t.why}
                for t in transcoded
            ],
            "left_out": [{"stream": t.stream, "codec": t.codec, "why": t.why} for t in left_out],
            "treated": described(self.treated),
        }

    def remarks(self) -> Iterable[tuple[bool, str]]:
        """Sentences on what isn't copied; True with those that are a loss."""
        for track in self.tracks:
            if track.becomes is None:
                others = ", ".join(t.name for t in self.tracks if t.becomes) or "none"
                yield True, f"audio {track.name} is left out: {track.why} (what stays: {others})"
            elif track.copied:
                continue
            elif track.becomes == track.codec:
                yield False, f"audio {track.name} is encoded again: {track.why}"
            else:
                yield False, f"audio {track.name} becomes {track.becomes}: {track.why}"


def plan_sound(source: Path, muxer: str, treated: tuple[SoundSpan, ...] = ()) -> SoundPlan:
    """What becomes of the sound of `source` in a file that FFmpeg's `muxer` writes.

    Args:
        treated: spans in which it is changed, as `sound_spans` gives them.

    Raises:
        NotAVideo: the source can't be opened.
    """
    hidden = hidden_sound(source)
    with open_media(source) as container:
        tracks = [
            _plan(source, muxer, stream, hidden, bool(treated))
            for stream in container.streams.audio
        ]
    return SoundPlan(tuple(tracks), treated)


def _plan(
    source: Path, muxer: str, stream: AudioStream, hidden: dict[int, int | None], treated: bool
) -> SoundTrack:
    if not has_decoder(stream):
        return SoundTrack(stream.index, None, None, why="its codec isn't known here")
    codec = codec_name(stream)
    played = codec in _PLAYED.get(muxer, {codec})
    takes = played and _takes(source, muxer, stream.index)
    if takes and stream.index not in hidden and (not treated or can_splice(stream)):
        return SoundTrack(stream.index, codec, codec, copied=True)
    becomes = _codec_for(muxer, stream, takes)
    if takes and stream.index not in hidden:
        return SoundTrack(stream.index, codec, becomes, why="part of it is changed")
    if takes:
        why = "what players skip of it is left out"
        return SoundTrack(stream.index, codec, becomes, why=why, end=hidden[stream.index])
    why = f"{muxer.replace('matroska', 'mkv')} files don't hold it"
    return SoundTrack(stream.index, codec, becomes, why=why, end=hidden.get(stream.index))


def _codec_for(muxer: str, stream: AudioStream, takes: bool) -> str:
    """The codec that a stream is encoded with: without loss if it was and can be, else AAC."""
    codec = codec_name(stream)
    if takes and codec in _LOSSLESS:
        return codec
    linear = codec.startswith("pcm_") and codec not in _TELEPHONE
    if linear and muxer != "mp4":
        if takes:
            return codec
        return "pcm_s16le" if stream.format.bytes <= 2 else "pcm_s24le"
    return "aac"


def _takes(source: Path, muxer: str, index: int) -> bool:
    """Whether the muxer writes the stream as it is: asked by writing its beginning to memory."""
    with open_media(source) as container:
        stream = next(s for s in container.streams.audio if s.index == index)
        try:
            with av.open(io.BytesIO(), "w", format=muxer) as trial:
                target = trial.add_stream_from_template(stream)
                trial.start_encoding()
                packet = next(read_packets(container, [stream]), None)
                if packet is not None:
                    packet.stream = target
                    trial.mux_one(packet)
        except (ValueError, av.error.FFmpegError):
            return False
    return True


def codec_name(stream: AudioStream) -> str:
    """The codec's name, where the decoder's may be another ("mp3float")."""
    return stream.codec_context.codec.canonical_name
