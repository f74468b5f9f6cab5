"""What else a masked file carries: anything beyond picture, sound and their plain tags."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from av.stream import Disposition

from bystander.auditing.findings import Finding, Kind, in_file
from bystander.media.demux import find_video_stream, open_media

# What FFmpeg's muxers write by themselves.
_PLAIN_TAGS: Final = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id"}
)
_PLAIN_VALUES: Final = {
    "language": frozenset({"und", "eng"}),
    "handler_name": frozenset({"VideoHandler", "SoundHandler", ""}),
}
_PICTURES: Final = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_MP4_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"wide"})


def carried(path: Path) -> list[Finding]:
    """A finding for every tag, stream, chapter or box that masking wouldn't write.

    Raises:
        NotAVideo: the file can't be opened.
    """
    findings: list[Finding] = []
    with open_media(path) as container:
        findings += _tags(container.metadata, "the file")
        main = find_video_stream(container)
        for stream in container.streams:
            name = f"stream {stream.index} ({stream.type})"
            findings += _tags(stream.metadata, name)
            if stream.type not in ("video", "audio"):
                findings.append(in_file(Kind.STREAM, name, f"{name} is neither picture nor sound"))
            elif stream.type == "video" and stream is not main:
                what = "a still picture" if stream.disposition & _PICTURES else "a second video"
                findings.append(in_file(Kind.STREAM, name, f"{name} is {what}, which isn't masked"))
        findings += [
            in_file(Kind.METADATA, "chapter", f"there is a chapter {_quoted(chapter['metadata'])}")
            for chapter in container.chapters()
        ]
        is_mp4 = "mp4" in container.format.name
    if is_mp4:
        findings += [
            in_file(Kind.METADATA, f"box {name}", f"the file has a box {name} beside its video")
            for name in _boxes(path)
        ]
    return findings


def _tags(tags: Mapping[str, str], where: str) -> Iterator[Finding]:
    for key, value in tags.items():
        name = key.lower()
        if name in _PLAIN_TAGS or value in _PLAIN_VALUES.get(name, ()):
            continue
        shown = value if len(value) <= 60 else value[:57] + "..."
        yield in_file(Kind.METADATA, f"{where}: {key}", f"{where} says {key} = {shown!r}")


def _quoted(tags: Mapping[str, str]) -> str:
    return repr(tags.get("title", "without a title"))


def _boxes(path: Path) -> list[str]:
    """Top-level boxes (ISO/IEC 14496-12) that masking doesn't write: XMP, maker notes, a tail."""
    size = path.stat().st_size
    unknown = []
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            length, name = struct.unpack(">I4s", file.read(8))
            if length == 1:
                wide = file.read(8)
                length = struct.unpack(">Q", wide)[0] if len(wide) == 8 else 0
            if name not in _MP4_BOXES:
                unknown.append(name.decode("latin-1"))
            if length < 8:  # 0: to the end of the file
                break
            at += length
    return unknown
