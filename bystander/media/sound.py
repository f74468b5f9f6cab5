"""A file's audio streams -> what becomes of each in the output: copied, encoded, or left out."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream

from bystander.media.demux import has_decoder, open_media, read_packets
from bystander.media.hidden import hidden_sound

# What players take in an MP4 file; the muxer itself would accept more.
_MP4_AUDIO: Final = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})
_MOV_AUDIO: Final = _MP4_AUDIO - {"opus", "flac"} | {
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le"
}  # fmt: skip
_PLAYED: Final = {"mp4": _MP4_AUDIO, "mov": _MOV_AUDIO}
_TELEPHONE: Final = frozenset({"pcm_alaw", "pcm_mulaw", "pcm_vidc"})  # no longer linear


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
    """Every audio stream of a file, and what becomes of it."""

    tracks: tuple[SoundTrack, ...]

    def summary(self) -> dict[str, list[dict[str, object]]]:
        """For people and programs: `kept`, `transcoded` and `left_out` streams."""
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


def plan_sound(source: Path, muxer: str) -> SoundPlan:
    """What becomes of the sound of `source` in a file that FFmpeg's `muxer` writes.

    Raises:
        NotAVideo: the source can't be opened.
    """
    hidden = hidden_sound(source)
    with open_media(source) as container:
        tracks = [_plan(source, muxer, stream, hidden) for stream in container.streams.audio]
    return SoundPlan(tuple(tracks))


def _plan(
    source: Path, muxer: str, stream: AudioStream, hidden: dict[int, int | None]
) -> SoundTrack:
    if not has_decoder(stream):
        return SoundTrack(stream.index, None, None, why="its codec isn't known here")
    codec = codec_name(stream)
    played = codec in _PLAYED.get(muxer, {codec})
    takes = played and _takes(source, muxer, stream.index)
    if takes and stream.index not in hidden:
        return SoundTrack(stream.index, codec, codec, copied=True)
    becomes = _codec_for(muxer, stream, takes)
    if takes:
        why = "what players skip of it is left out"
        return SoundTrack(stream.index, codec, becomes, why=why, end=hidden[stream.index])
    why = f"{muxer.replace('matroska', 'mkv')} files don't hold it"
    return SoundTrack(stream.index, codec, becomes, why=why, end=hidden.get(stream.index))


def _codec_for(muxer: str, stream: AudioStream, takes: bool) -> str:
    """The codec that a stream is encoded with: without loss if it was and can be, else AAC."""
    codec = codec_name(stream)
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
