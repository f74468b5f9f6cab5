"""Leaks planted in videos that were masked well.

Every one is planted by rendering from a timeline that was tampered with, or by editing the
file. Several lie in one video, seconds apart.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av
import cv2
import imageio_ffmpeg
import numpy as np

from bystander.geometry.masks import intersection, resized
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision, FrameRecord, Origin, Sighting

APART: Final = 1.2
"""Seconds between leaks of one video: the audit joins what is nearer than one."""
DROPPED: Final = 3
"""Frames for which a person's mask is left out or moved."""
SHIFTS: Final = (0.10, 0.15, 0.20)
"""Of the mask's width or height, in turn."""
UNCOVERED: Final = 8
"""Grey levels by which a pixel differs that a moved mask no longer covers."""

Tamper = Callable[[FrameRecord], FrameRecord]


@dataclass(frozen=True)
class Masked:
    """A clip that was masked well."""

    name: str
    source: Path
    timeline: Timeline
    output: Path


@dataclass(frozen=True)
class Planted:
    """One leak: between these frames, of this person; None for everybody."""

    start: int
    end: int
    person: int | None


class Tampered(Timeline):
    """A timeline whose frames are changed as they are read."""

    def __init__(self, timeline: Timeline, tamper: Tamper) -> None:
        super().__init__(timeline.path, timeline.header)
        self._tamper = tamper

    def frames(self, start: int = 0) -> Iterator[FrameRecord]:
        return map(self._tamper, super().frames(start))


def planned(masked: Masked, anybody: bool) -> list[Planted]:
    """Where to plant: at even distances, each time of whoever would be seen best."""
    header = masked.timeline.header
    apart = round(APART * header.video.rate)
    plan = []
    for record in masked.timeline.frames():
        if record.index % apart != apart // 2 or record.index + DROPPED > header.video.frames:
            continue
        person = best_seen(record, masked.timeline)
        if person is not None:
            end = record.index + (1 if anybody else DROPPED)
            plan.append(Planted(record.index, end, None if anybody else person.tracklet))
    return plan


def best_seen(record: FrameRecord, timeline: Timeline) -> Sighting | None:
    """The largest person who is masked, was really seen, and mostly stands alone."""
    header = timeline.header
    masked = [
        sighting
        for sighting in record.sightings
        if header.tracklet(sighting.tracklet).decision_at(record.index) is Decision.MASK
    ]
    alone = [
        sighting
        for sighting in masked
        if sighting.origin is Origin.SEEN
        and sighting.score > 0.5
        and sum(intersection(sighting.mask, o.mask) for o in masked if o is not sighting)
        < 0.3 * sighting.mask.area
    ]
    return max(alone, key=lambda sighting: sighting.mask.area, default=None)


def dropped(plan: Sequence[Planted]) -> Tamper:
    """Leave out the planned people, or everybody."""

    def tamper(record: FrameRecord) -> FrameRecord:
        leaks = [p for p in plan if p.start <= record.index < p.end]
        if not leaks:
            return record
        gone = {leak.person for leak in leaks}
        left = tuple(s for s in record.sightings if None not in gone and s.tracklet not in gone)
        return replace(record, sightings=left)

    return tamper


def shifted(plan: Sequence[Planted]) -> Tamper:
    """Move the planned people's masks, sideways and down in turn."""

    def moved(sighting: Sighting, number: int) -> Sighting:
        x0, y0, x1, y1 = sighting.box
        shift = SHIFTS[number % len(SHIFTS)]
        dx, dy = (shift * (x1 - x0), 0.0) if number % 2 else (0.0, shift * (y1 - y0))
        box = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        return replace(sighting, box=box, mask=sighting.mask.moved(dx, dy))

    def tamper(record: FrameRecord) -> FrameRecord:
        sightings = list(record.sightings)
        for number, leak in enumerate(plan):
            if leak.start <= record.index < leak.end:
                sightings = [
                    moved(s, number) if s.tracklet == leak.person else s for s in sightings
                ]
        return replace(record, sightings=tuple(sightings))

    return tamper


def uncovered(masked: Masked, tampered: Path, leak: Planted) -> float:
    """Share of the person that a moved mask shows, in the worst of the frames.

    Pixels of the silhouette that differ from the video that was masked well, and are nearer
    to the source.
    """
    header = masked.timeline.header
    videos = [VideoReader(path, probe(path)) for path in (masked.source, masked.output, tampered)]
    worst = 0.0
    for *frames, record in zip(*videos, masked.timeline.frames(), strict=True):
        if not leak.start <= record.index < leak.end:
            continue
        source, proper, moved = (frame.rgb().astype(np.int16) for frame in frames)
        apart = np.abs(moved - proper).max(axis=2)
        shows = (apart > UNCOVERED) & (np.abs(moved - source).max(axis=2) < apart)
        size = shows.shape[1], shows.shape[0]
        for sighting in record.sightings:
            if sighting.tracklet == leak.person:
                within = resized(sighting.mask.on_grid(*header.grid), size)
                worst = max(worst, float(shows[within].mean()) if within.any() else 0.0)
    return worst


def weakly_blurred(masked: Masked, sigma: float, output: Path) -> None:
    """The source with its masked people blurred too little."""
    info, header = probe(masked.source), masked.timeline.header
    size = info.width, info.height
    with av.open(str(output), "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=info.average_rate, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = info.time_base
        frames = zip(VideoReader(masked.source, info), masked.timeline.frames(), strict=True)
        for frame, record in frames:
            picture = frame.rgb()
            result = picture.copy()
            for sighting in record.sightings:
                tracklet = header.tracklet(sighting.tracklet)
                if tracklet.decision_at(record.index) is Decision.KEEP:
                    continue
                # Cells are at least a twentieth of the person, or 12 pixels.
                cell = max(tracklet.height / 20, 12.0)
                bits = sighting.mask.grown(3).on_grid(*header.grid).view(np.uint8)
                alpha = cv2.resize(bits, size, interpolation=cv2.INTER_LINEAR).astype(bool)
                result[alpha] = cv2.GaussianBlur(picture, (0, 0), sigma * cell)[alpha]
            shown = av.VideoFrame.from_ndarray(np.asarray(result, dtype=np.uint8), "rgb24")
            shown.pts, shown.time_base = frame.pts, info.time_base
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


def files_with_extras(masked: Masked, work: Path) -> Iterator[tuple[str, Path]]:
    """The masked video with one thing added that doesn't belong in it."""
    words = work / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nAnna was here\n")
    chapters = work / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=Anna arrives\n"
    )
    cover = work / "cover.png"
    cv2.imwrite(str(cover), np.full((64, 64, 3), 90, dtype=np.uint8))
    tags = {
        "place": ("-metadata", "location=+48.2082+016.3738/"),
        "title": ("-metadata", "title=Holiday of Anna"),
        "creation time": ("-metadata", "creation_time=2024-05-01T10:00:00Z"),
        "comment": ("-metadata", "comment=IMG_2031"),
        "artist": ("-metadata", "artist=Anna"),
        "phone": (
            *("-movflags", "use_metadata_tags"),
            *("-metadata", "com.apple.quicktime.model=iPhone 15"),
        ),
        "name of a stream": ("-metadata:s:v:0", "handler_name=Anna's phone"),
        "language of sound": ("-metadata:s:a:0", "language=fin"),
    }
    for name, options in tags.items():
        yield (
            name,
            _edited(masked.output, work / f"{masked.name}-edited.mp4", "-map", "0", *options),
        )
    added: dict[str, tuple[str | Path, ...]] = {
        "chapter": ("-i", chapters, "-map", "0", "-map_chapters", "1"),
        "subtitle": ("-i", words, "-map", "0", "-map", "1", "-c:s", "mov_text"),
        "cover": ("-i", cover, "-map", "0", "-map", "1", "-disposition:v:1", "attached_pic"),
        "unmasked second video": ("-i", masked.source, "-map", "0", "-map", "1:v"),
    }
    for name, arguments in added.items():
        yield name, _edited(masked.output, work / f"{masked.name}-edited.mp4", *arguments)
    message = "sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+48.2082 16.3738"
    yield (
        "message in a frame",
        _edited(
            masked.output,
            work / f"{masked.name}-edited.mp4",
            *("-map", "0", "-bsf:v", f"h264_metadata={message}"),
        ),
    )
    whole = masked.output.read_bytes()
    tail = work / f"{masked.name}-edited.mp4"
    tail.write_bytes(whole + b"\0\0\0\x20uuid" + bytes(16) + b"<x:xmp/>")
    yield "maker's box", tail


def _edited(video: Path, output: Path, *arguments: str | Path) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(video)]
    command += [*map(str, arguments), "-c:v", "copy", "-c:a", "copy", str(output)]
    subprocess.run(command, check=True)
    return output
