"""What else a masked file carries: anything beyond picture, sound and their plain tags.

Frames carry things, too: closed captions, time codes, and messages of whoever encoded them
(supplemental enhancement information).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import av
from av.sidedata.sidedata import SideData
from av.stream import Disposition

from bystander.auditing.findings import Finding, FindingKind, in_file
from bystander.media.demux import find_video_stream, open_media
from bystander.media.sound import hidden_sound, hides_pictures

# What FFmpeg's muxers write by themselves.
_PLAIN_TAGS: Final = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id"}
)
_PLAIN_VALUES: Final = {
    "language": frozenset({"und", "eng"}),
    "handler_name": frozenset({"VideoHandler", "SoundHandler", ""}),
}
_PICTURES: Final = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
# How a picture is to be shown: what masking passes on, and what decoders make up.
_SHOWING: Final = frozenset({"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DISPLAYMATRIX"})
_NAMES: Final = {"A53_CC": "closed captions", "SEI_UNREGISTERED": "a message"}
# The encoder's own name and options, which it leaves in its first frame.
_OWN_MESSAGES: Final = (
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef") + b"x264 - core ",
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e") + b"x265 (build ",
)
_MP4_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"wide"})


def carried(path: Path) -> list[Finding]:
    """A finding for every tag, stream, chapter, box or hidden part that masking wouldn't write.

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
                findings.append(
                    in_file(FindingKind.STREAM, name, f"{name} is neither picture nor sound")
                )
            elif stream.type == "video" and stream is not main:
                what = "a still picture" if stream.disposition & _PICTURES else "a second video"
                findings.append(
                    in_file(FindingKind.STREAM, name, f"{name} is {what}, which isn't masked")
                )
        findings += [
            in_file(
                FindingKind.METADATA,
                "chapter",
                f"there is a chapter {_quoted(chapter['metadata'])}",
            )
            for chapter in container.chapters()
        ]
        is_mp4 = "mp4" in container.format.name
    if hides_pictures(path):
        detail = "pictures that players skip are in the file"
        findings.append(in_file(FindingKind.HIDDEN, "hidden pictures", detail))
    findings += [
        in_file(FindingKind.HIDDEN, f"hidden sound of stream {index}", detail)
        for index in hidden_sound(path)
        for detail in [f"stream {index} (audio) holds sound that players skip"]
    ]
    if is_mp4:
        findings += [
            in_file(
                FindingKind.METADATA, f"box {name}", f"the file has a box {name} beside its video"
            )
            for name in _boxes(path)
        ]
    return findings


def carried_in_frame(picture: av.VideoFrame) -> frozenset[str]:
    """What a decoded frame carries beside its pixels that masking wouldn't write."""
    entries = cast(Sequence[SideData], list(picture.side_data))
    return frozenset(
        _NAMES.get(entry.type.name, entry.type.name.lower().replace("_", " "))
        for entry in entries
        if entry.type.name not in _SHOWING and not bytes(entry).startswith(_OWN_MESSAGES)
    )


def _tags(tags: Mapping[str, str], where: str) -> Iterator[Finding]:
    for key, value in tags.items():
        name = key.lower()
        if name in _PLAIN_TAGS or value in _PLAIN_VALUES.get(name, ()):
            continue
        shown = value if len(value) <= 60 else value[:57] + "..."
        yield in_file(FindingKind.METADATA, f"{where}: {key}", f"{where} says {key} = {shown!r}")


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
