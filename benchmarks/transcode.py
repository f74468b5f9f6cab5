"""Re-encodes a video without masking anything: the least that rendering can cost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bystander.media.deinterlacing import deinterlaced
from bystander.media.encoder import EncoderSettings
from bystander.media.muxer import VideoWriter
from bystander.media.prefetch import prefetch
from bystander.media.probe import probe
from bystander.media.reader import VideoReader

_FRAMES_AHEAD = 4  # enough to keep the encoder fed while a keyframe is decoded


def transcode(
    source: Path, out: Path, settings: EncoderSettings | None = None, *, overwrite: bool = False
) -> int:
    """Re-encode `source` to `out`: the same pictures, times and sound. Returns the frames.

    Raises:
        VideoError: the source can't be read.
        OutputError: the result can't be written.
    """
    info = probe(source)
    frames = 0
    with (
        VideoReader(source, info) as reader,
        VideoWriter(out, info, source, settings or EncoderSettings(), overwrite) as writer,
        closing(
            prefetch(deinterlaced(iter(reader), info, writer.encoding.deinterlacing), _FRAMES_AHEAD)
        ) as ahead,
    ):
        for frame in ahead:
            writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
            frames += 1
    return frames
