"""A video and a span of its frames -> the bytes of the file that reading those frames takes.

Which these are, only the demuxer knows: every container keeps its index elsewhere, transport
streams have none and are searched through, and FFmpeg reads a little of every stream to find out
what is in it. So the frames' packets are read here as `VideoReader` reads them, decoding nothing,
and what FFmpeg asks of the file is written down. Of a file with just these bytes the same FFmpeg
asks for the same ones again, and can't tell it from the whole one. Should it ask for others,
`partial_files` refuses them.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from bystander.errors import NotAVideo
from bystander.media.demux import END_BYTES, find_video_stream, open_media, read_packets
from bystander.media.facts import VideoInfo
from bystander.media.partial_files import RecordedFile, Spans, joined_spans
from bystander.media.reader import UNSEEKABLE, seek_keyframe

_PACKETS_BEHIND: Final = 40
"""That a decoder gets at most before it gives the last frame that is wanted: 15 for its
threads and 16 that are shown in another order; of fields, which have no such threads, 32."""
_GAP_BYTES: Final = 2**18
"""Fetched rather than left out between two spans: a request more takes longer."""

_MAX_SPANS: Final = 100
"""Of fragments without an index every head is read; then some of what lies between is, too."""


def bytes_of_frames(
    path: Path, info: VideoInfo, start_pts: int | None, end_pts: int | None
) -> Spans:
    """What a reader that begins at `start_pts` reads to give the frames shown before `end_pts`.

    The file's two ends are among it, for the fingerprint.

    Args:
        path: the whole video.
        start_pts: as in `VideoReader`; None for the beginning.
        end_pts: None for the end.

    Returns:
        One span of everything where nothing can be left out.

    Raises:
        NotAVideo: the file is gone or has changed.
    """
    size = path.stat().st_size
    ends = [(0, min(END_BYTES, size)), (max(0, size - END_BYTES), size)]
    if info.container == "webp":  # decoded by Pillow, which isn't asked
        return ((0, size),)
    if info.container in UNSEEKABLE:  # `frames_after` begins at the beginning
        start_pts = None
    with closing(RecordedFile(path)) as file:
        found = _read(path, file, start_pts, end_pts)
        spans = list(file.spans)
    if not found:  # no keyframe there: the reader begins anew, at the beginning
        with closing(RecordedFile(path)) as file:
            _read(path, file, None, end_pts)
            spans.extend(file.spans)
    gap, joined = _GAP_BYTES, joined_spans([*ends, *spans], _GAP_BYTES)
    while len(joined) > _MAX_SPANS:
        gap = 2 * gap + 1
        joined = joined_spans(joined, gap)
    return joined


def _read(path: Path, file: RecordedFile, start_pts: int | None, end_pts: int | None) -> bool:
    """Read the packets; False if the index names no keyframe to begin at."""
    with open_media(path, file) as container:
        stream = find_video_stream(container)
        if stream is None:
            raise NotAVideo(f"{path} has no video any more", "Probe it again.")
        if start_pts is not None and not seek_keyframe(container, stream, start_pts):
            return False
        behind = 0
        for packet in read_packets(container, [stream]):
            pts = packet.dts if packet.pts is None else packet.pts
            if end_pts is not None and pts is not None:
                behind = 0 if pts < end_pts else behind + 1
            if behind > _PACKETS_BEHIND:
                break
    return True
