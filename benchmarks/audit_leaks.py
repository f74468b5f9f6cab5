"""Does the audit find leaks? Plants some in videos that were masked well, and audits them.

python -m benchmarks.audit_leaks                    all clips
python -m benchmarks.audit_leaks demo hamilton      some of them
python -m benchmarks.audit_leaks --work DIR         keep what is made there, and use it again

Every leak is planted by rendering from a timeline that was tampered with, or by editing the
file; the audit gets the true timeline. Several lie in one video, seconds apart.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import av
import cv2
import imageio_ffmpeg
import numpy as np

from benchmarks.material import Clip, use_shared_models
from bystander.audit import audit
from bystander.auditing.findings import Finding
from bystander.auditing.report import Result
from bystander.auditing.streams import carried
from bystander.masks import intersection
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import Models, load_models
from bystander.people.timeline import Timeline
from bystander.people.vocabulary import Decision, FrameRecord, Origin, Sighting
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.render import render

CLIPS: Final = ("demo", "hamilton", "opera")
APART: Final = 1.2
"""Seconds between leaks of one video: the audit joins what is nearer than one."""
DROPPED: Final = 3
"""Frames for which a person's mask is left out or moved."""
SHIFTS: Final = (0.10, 0.15, 0.20)
"""Of the mask's width or height, in turn."""
WEAK: Final = (0.15, 0.3)
"""Standard deviation of a weak blur, in cells of the proper one: see `redaction.effects`."""

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


@dataclass
class Score:
    """What came of one kind of leak in one clip; false alarms are leaks nobody planted."""

    clip: str
    kind: str
    planted: int
    found: int
    false_alarms: int

    def __str__(self) -> str:
        numbers = f"{self.planted:7d} {self.found:6d} {self.false_alarms:12d}"
        return f"{self.clip:10} {self.kind:28} {numbers}"


class Tampered(Timeline):
    """A timeline whose frames are changed as they are read."""

    def __init__(self, timeline: Timeline, tamper: Tamper) -> None:
        super().__init__(timeline.path, timeline.header)
        self._tamper = tamper

    def frames(self) -> Iterator[FrameRecord]:
        return map(self._tamper, super().frames())


def prepared(name: str, work: Path) -> Masked:
    """Mask a clip with the program's defaults, unless it was."""
    if name == "demo":
        folder = work / "demo"
        source, timeline, output = (folder / n for n in ("source.mp4", "timeline", "masked.mp4"))
        command = ["demo", "-o", str(folder)]
    else:
        clip = Clip(name)
        source, timeline, output = clip.video, work / f"{name}.timeline", work / f"{name}.mp4"
        command = ["mask", str(source), "-o", str(output), "--timeline", str(timeline)]
        (cast, *_) = sorted((clip.folder / "cast").iterdir(), reverse=True)
        command += ["--cast", str(cast)]
    if not output.exists() or not timeline.exists():
        subprocess.run([sys.executable, "-m", "bystander", *command], check=True)
    return Masked(name, source, Timeline.load(timeline), output)


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
    whole = masked.output.read_bytes()
    tail = work / f"{masked.name}-edited.mp4"
    tail.write_bytes(whole + b"\0\0\0\x20uuid" + bytes(16) + b"<x:xmp/>")
    yield "maker's box", tail


def _edited(video: Path, output: Path, *arguments: str | Path) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(video)]
    command += [*map(str, arguments), "-c:v", "copy", "-c:a", "copy", str(output)]
    subprocess.run(command, check=True)
    return output


def score_tampered(
    masked: Masked, kind: str, plan: Sequence[Planted], tamper: Tamper, models: Models, work: Path
) -> Score:
    """Render from the tampered timeline, audit against the true one."""
    output = work / f"{masked.name}-{kind}.mp4".replace(" ", "-")
    render(masked.source, Tampered(masked.timeline, tamper), output, overwrite=True)
    result = audited(masked, output, models)
    return Score(masked.name, kind, len(plan), *_matched(plan, result, masked))


def _matched(plan: Sequence[Planted], result: Result, masked: Masked) -> tuple[int, int]:
    """How many leaks were found, and how many findings are none of them."""
    rate = masked.timeline.header.video.rate

    def about(finding: Finding, leak: Planted) -> bool:
        return finding.end * rate > leak.start - 1 and finding.start * rate < leak.end

    found = [leak for leak in plan if any(about(f, leak) for f in result.leaks)]
    alarms = [f for f in result.leaks if not any(about(f, leak) for leak in plan)]
    for leak in plan:
        if leak not in found:
            print(f"  missed: {masked.name} {leak}")
    for alarm in alarms:
        print(f"  false alarm: {masked.name} {alarm}")
    return len(found), len(alarms)


def audited(masked: Masked, output: Path, models: Models) -> Result:
    page = output.with_suffix(".html")
    return audit(masked.source, output, page, models=models, timeline=masked.timeline)


def scores(masked: Masked, models: Models, work: Path) -> Iterator[Score]:
    for effect in EffectName:
        output = work / f"{masked.name}-clean-{effect}.mp4"
        settings = EffectSettings(name=effect)
        render(masked.source, masked.timeline, output, effect=settings, overwrite=True)
        yield Score(
            masked.name,
            f"clean, {effect}",
            0,
            *_matched((), audited(masked, output, models), masked),
        )
    everybody, one = planned(masked, True), planned(masked, False)
    for kind, plan, tamper in (
        ("frame unmasked", everybody, dropped(everybody)),
        ("person dropped, 3 frames", one, dropped(one)),
        ("mask shifted, 3 frames", one, shifted(one)),
    ):
        yield score_tampered(masked, kind, plan, tamper, models, work)
    whole = [Planted(0, masked.timeline.header.video.frames, None)]
    for sigma in WEAK:
        output = work / f"{masked.name}-weak-{sigma}.mp4"
        weakly_blurred(masked, sigma, output)
        result = audited(masked, output, models)
        yield Score(masked.name, f"blur of {sigma} cells", 1, *_matched(whole, result, masked))


def score_extras(masked: Masked, work: Path) -> Score:
    """Metadata and streams; the pictures are the masked video's own."""
    names, missed = [], []
    for name, path in files_with_extras(masked, work):
        names.append(name)
        if not carried(path):
            missed.append(name)
    for name in missed:
        print(f"  missed: {masked.name} {name}")
    found = len(names) - len(missed)
    return Score(masked.name, "tags and streams", len(names), found, len(carried(masked.output)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("clips", nargs="*", default=CLIPS, choices=CLIPS)
    parser.add_argument("--work", type=Path, help="where videos and reports stay")
    arguments = parser.parse_args()
    use_shared_models()
    models = load_models()
    with tempfile.TemporaryDirectory(prefix="audit-leaks-") as temporary:
        work = arguments.work or Path(temporary)
        table: list[Score] = []
        for name in arguments.clips:
            masked = prepared(name, work)
            for score in chain([score_extras(masked, work)], scores(masked, models, work)):
                print(score, flush=True)
                table.append(score)
    planted, found = sum(s.planted for s in table), sum(s.found for s in table)
    print("\nclip       leak                         planted  found false alarms")
    print(*table, sep="\n")
    print(Score("all", "", planted, found, sum(s.false_alarms for s in table)))


if __name__ == "__main__":
    main()
