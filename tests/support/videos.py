"""Small videos made at run time: drawn pictures, generated sound, odd clocks and damage.

Every picture has a red upper left quarter as displayed without rotation, and says its
number in the grey of its lower half: `(40 + 8 * number) % 200`.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.media.display import UPRIGHT, Orientation

RATE = 48_000

Picture = Callable[[int, int, int], NDArray[np.uint8]]
"""Number, width, height as coded -> uint8 [H, W, 3] RGB."""


@dataclass(frozen=True)
class Sound:
    """An audio stream: a tone, `delay` seconds after zero."""

    codec: str = "aac"
    delay: Fraction = Fraction(0)
    hertz: int = 440


@dataclass(frozen=True)
class Clip:
    """What `make_video` makes.

    Attributes:
        pts: timestamp of each frame, ticks of `time_base`.
        last_duration: how long the last frame is shown, ticks.
        rotation, mirrored: what makes the picture upright, as metadata; see `Orientation`.
    """

    pts: Sequence[int] = tuple(range(0, 24 * 512, 512))
    last_duration: int = 512
    time_base: Fraction = Fraction(1, 12_800)
    size: tuple[int, int] = (320, 240)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "ultrafast", "crf": "10"})
    rotation: int = 0
    mirrored: bool = False
    colors: tuple[int, int, int, int] = (2, 2, 2, 0)  # primaries, transfer, matrix, range
    aspect: Fraction = Fraction(1)
    sounds: Sequence[Sound] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def orientation(self) -> Orientation:
        return Orientation(self.rotation, self.mirrored)

    def stored(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An upright picture, uint8 [H, W, 3], as it has to be stored to be seen so."""
        turned = np.rot90(pixels, self.rotation // 90)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)


def picture_array(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Picture `number` as uint8 [H, W, 3] RGB."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[height // 2 :] = (40 + 8 * number) % 200
    pixels[: height // 2, : width // 2] = (200, 30, 30)
    return pixels


def make_video(path: Path, clip: Clip | None = None, picture: Picture = picture_array) -> Path:
    """Write `clip` (default: 24 frames, 25 per second, no sound) of `picture`s to `path`."""
    clip = clip or Clip()
    ticks = str(clip.time_base.denominator)
    # Without the second, FFmpeg rounds a late start to a millisecond.
    options = {"video_track_timescale": ticks, "movie_timescale": ticks}
    if path.suffix not in (".mp4", ".mov"):
        options = {}
    with av.open(str(path), "w", container_options=options) as output:
        output.metadata.update(clip.metadata)
        stream = _video_stream(output, clip)
        tracks = [(_audio_stream(output, sound), sound) for sound in clip.sounds]
        durations = _durations(clip)
        for number, pts in enumerate(clip.pts):
            frame = av.VideoFrame.from_ndarray(picture(number, *clip.size), "rgb24")
            _, _, matrix, color_range = clip.colors
            frame = frame.reformat(
                format=clip.pixel_format,
                dst_colorspace=matrix if matrix != 2 else 5,
                dst_color_range=color_range or 1,
            )
            frame.pts, frame.time_base = pts, clip.time_base
            _mux(output, stream.encode(frame), durations)
        _mux(output, stream.encode(None), durations)
        seconds = (clip.pts[-1] + clip.last_duration) * clip.time_base
        for audio, sound in tracks:
            _write_tone(output, audio, sound, seconds)
    return path


def _durations(clip: Clip) -> dict[int, int]:
    ends = [*clip.pts[1:], clip.pts[-1] + clip.last_duration]
    return {pts: end - pts for pts, end in zip(clip.pts, ends, strict=True)}


def _mux(
    output: OutputContainer,
    packets: Iterable[Packet[Stream]],
    durations: dict[int, int],
) -> None:
    for packet in packets:
        assert packet.pts is not None
        packet.duration = durations.get(packet.pts, 0)
        output.mux(packet)


def _video_stream(output: OutputContainer, clip: Clip) -> VideoStream:
    stream = output.add_stream(clip.codec, rate=25, options=dict(clip.options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = clip.size
    stream.pix_fmt = clip.pixel_format
    context = stream.codec_context
    context.time_base = clip.time_base
    context.sample_aspect_ratio = clip.aspect
    context.color_primaries, context.color_trc, context.colorspace, context.color_range = (
        clip.colors
    )
    if clip.orientation != UPRIGHT:
        # It counts counterclockwise, and mirrors what has been turned.
        degrees = clip.rotation if clip.mirrored else -clip.rotation
        stream.set_display_rotation(degrees, hflip=clip.mirrored)
    return stream


def _audio_stream(output: OutputContainer, sound: Sound) -> AudioStream:
    stream = output.add_stream(sound.codec, rate=RATE)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "stereo"
    stream.codec_context.time_base = Fraction(1, RATE)
    return stream


def _write_tone(
    output: OutputContainer, stream: AudioStream, sound: Sound, seconds: Fraction
) -> None:
    start = round(sound.delay * RATE)
    count = 1024
    resampler = av.AudioResampler(stream.codec_context.format, "stereo", RATE)
    for first in range(start, round(seconds * RATE), count):
        angle = np.arange(first, first + count) * (2 * np.pi * sound.hertz / RATE)
        wave = np.repeat((0.3 * np.sin(angle)).astype(np.float32)[None], 2, axis=0)
        frame = av.AudioFrame.from_ndarray(wave, "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
        for converted in resampler.resample(frame):
            output.mux(stream.encode(converted))
    output.mux(stream.encode(None))


def make_tell_tale_video(path: Path, folder: Path, picture: Picture = picture_array) -> Path:
    """An MP4 with a place, a title, chapters, a subtitle stream and cover art."""
    plain = make_video(folder / "plain.mp4", Clip(sounds=[Sound()]), picture)
    (folder / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nAnna was here\n")
    (folder / "chapters.txt").write_text(
        ";FFMETADATA1\ntitle=Holiday of Anna\nlocation=+48.2082+016.3738/\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=Anna arrives\n"
    )
    with av.open(str(folder / "cover.png"), "w", format="image2") as output:
        stream = output.add_stream("png", rate=1)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        frame = av.VideoFrame.from_ndarray(picture_array(0, 64, 64), "rgb24")
        output.mux([*stream.encode(frame), *stream.encode(None)])
    run_ffmpeg(
        *("-i", plain, "-i", folder / "words.srt", "-i", folder / "chapters.txt"),
        *("-i", folder / "cover.png"),
        *("-map", "0", "-map", "1", "-map", "3", "-map_metadata", "2", "-map_chapters", "2"),
        *("-c", "copy", "-c:s", "mov_text", "-disposition:v:1", "attached_pic"),
        *("-metadata:s:a:0", "language=fin", "-metadata:s:a:0", "handler_name=Anna's phone"),
        path,
    )
    return path


def make_audio(path: Path) -> Path:
    """A second of tone, no picture."""
    with av.open(str(path), "w") as output:
        _write_tone(output, _audio_stream(output, Sound()), Sound(), Fraction(1))
    return path


def make_cover_only(path: Path, folder: Path) -> Path:
    """Sound with cover art, as music players keep it."""
    make_tell_tale_video(folder / "source.mp4", folder)
    run_ffmpeg(
        *("-i", folder / "source.mp4", "-i", folder / "cover.png", "-map", "0:a", "-map", "1"),
        *("-c", "copy", "-disposition:v:0", "attached_pic", path),
    )
    return path


def make_encrypted(path: Path, source: Path) -> Path:
    """`source` under ISO common encryption, the key thrown away."""
    key = "00112233445566778899aabbccddeeff"
    run_ffmpeg(
        *("-i", source, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr"),
        *("-encryption_key", key, "-encryption_kid", key, path),
    )
    return path


def make_frameless(path: Path) -> Path:
    """An MP4 with a video track that has no samples."""
    run_ffmpeg(*("-f", "lavfi", "-i", "color=s=64x64:d=1", "-frames:v", "0", path))
    return path


def remuxed(source: Path, path: Path, *options: str) -> Path:
    """`source` in another container."""
    run_ffmpeg("-i", source, "-c", "copy", *options, path)
    return path


def joined(path: Path, *clips: Clip, picture: Picture = picture_array) -> Path:
    """`clips` one after the other in a transport stream, in which anything may change."""
    parts, start = [], 0
    for number, clip in enumerate(clips):
        later = replace(clip, pts=[start + pts for pts in clip.pts])
        part = make_video(path.with_name(f"{path.stem}-{number}.ts"), later, picture)
        parts.append(part.read_bytes())
        start = later.pts[-1] + clip.last_duration
    path.with_suffix(".ts").write_bytes(b"".join(parts))
    if path.suffix != ".ts":
        remuxed(path.with_suffix(".ts"), path)
    return path


def with_edits(source: Path, path: Path, kind: bytes, edits: Sequence[tuple[int, int]]) -> Path:
    """`source`, an MP4 whose index is its last box, with another edit list.

    Args:
        kind: b"soun" or b"vide": of the track.
        edits: how long each part is, ticks of the movie, and where in the media it begins,
            ticks of the media.
    """
    data = bytearray(source.read_bytes())
    moov = data.rindex(b"moov") - 4
    track = next(
        at - 4
        for at in range(moov, len(data))
        if data[at : at + 4] == b"trak"
        and data[(handler := data.index(b"hdlr", at)) + 12 : handler + 16] == kind
    )
    edts, elst = data.index(b"edts", track) - 4, data.index(b"elst", track) - 4
    table = struct.pack(">I4sII", 16 + 12 * len(edits), b"elst", 0, len(edits))
    table += b"".join(struct.pack(">IiI", *edit, 0x10000) for edit in edits)
    (before,) = struct.unpack_from(">I", data, elst)
    for box in (moov, track, edts):
        (size,) = struct.unpack_from(">I", data, box)
        struct.pack_into(">I", data, box, size + len(table) - before)
    data[elst : elst + before] = table
    path.write_bytes(data)
    return path


def truncated(source: Path, path: Path, keep: float) -> Path:
    """The first part of `source`, `keep` of its bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def damaged(source: Path, path: Path, packets: Sequence[int], kind: str = "video") -> Path:
    """`source`, an MP4, with all bytes of some packets of its first `kind` stream overwritten."""
    shutil.copyfile(source, path)
    with av.open(str(source)) as container, path.open("r+b") as file:
        stream = next(s for s in container.streams if s.type == kind)
        for number, packet in enumerate(container.demux(stream)):
            if number in packets:
                assert packet.pos is not None
                file.seek(packet.pos)
                # A NAL unit of a reserved type, as long as the packet.
                filler = struct.pack(">I", packet.size - 4) + b"\x1f" * (packet.size - 4)
                file.write(filler)
    return path


def run_ffmpeg(*arguments: str | Path) -> None:
    """The tool itself, for what PyAV doesn't write."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
