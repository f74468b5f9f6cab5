"""timeline -> what other programs take: mattes, annotations, markers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bystander.choices import ExportFormat
from bystander.errors import ConfigError, OutputExists, OutputUnwritable, SelectionError
from bystander.files import StrPath, check_file, check_name, named_after, temporary_beside
from bystander.media.deinterlacing import deinterlaced
from bystander.media.demux import fingerprint
from bystander.media.encoder import EncoderSettings, encoding_of
from bystander.media.muxer import disk_errors
from bystander.media.prefetch import prefetch
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.pipeline.annotations import CocoWriter, write_mot, write_mot_json
from bystander.pipeline.drawing import QUEUE_FRAMES, FrameMasker
from bystander.pipeline.markers import markers_of, write_markers
from bystander.pipeline.matte_files import MatteWriter, open_mattes
from bystander.progress import ProgressMeter, Report
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, Person

SUFFIXES: Final = {
    ExportFormat.FFV1: ".mkv",
    ExportFormat.PRORES: ".mov",
    ExportFormat.PNG: "",
    ExportFormat.COCO: ".json",
    ExportFormat.MOT: ".txt",
    ExportFormat.MOT_JSON: ".json",
    ExportFormat.EDL: ".edl",
    ExportFormat.FCPXML: ".fcpxml",
    ExportFormat.CSV: ".csv",
}
"""What an output's name ends in; a folder's in nothing."""
MATTES: Final = frozenset({ExportFormat.FFV1, ExportFormat.PRORES, ExportFormat.PNG})
FROM_PIXELS: Final = MATTES | {ExportFormat.COCO}
"""Formats that need the video: edges follow its pixels."""
MAX_OPEN: Final = 8
"""Mattes that are written at once; of more people the video is read again."""
_OURS: Final = re.compile(r"\d{8}\.png")


def export(
    timeline: Timeline,
    output: StrPath,
    format: ExportFormat | str,
    *,
    video: StrPath | None = None,
    persons: Sequence[str] | None = None,
    audit: StrPath | None = None,
    effect: EffectSettings | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> list[Path]:
    """Write what other programs take.

    Mattes and masks are what `render` draws with the same timeline and effect, pixel by pixel.
    Files appear when they are whole; memory doesn't grow with the video's length.

    Args:
        timeline: with the edits and verdicts that count.
        output: the file; of `png` a folder. With `persons` of mattes its name gets the person's id
            before the suffix, a file each.
        format: see `ExportFormat`. A `prores` file shows everybody unmasked.
        video: the file that the timeline was made from; mattes and `coco` need it.
        persons: whose mattes, a file each: ids, or "all" for all who are masked anywhere. None for
            everybody's in one.
        audit: JSON of an audit, whose findings become markers, too.
        effect: what is drawn; its shape, growth and softness count.
        overwrite: replace what exists.
        report: called with the progress; may raise `Cancelled`.

    Returns:
        The files, or folders, that were written.

    Raises:
        ConfigError: there is no such format, or an argument that it needs is missing.
        SelectionError: a person is unknown, or masked nowhere.
        VideoError: the video can't be read.
        TimelineMismatch: the timeline was made from another video.
        OutputError: something can't be written.
    """
    output, wanted = Path(output), _format(format)
    if output.suffix.lower() != SUFFIXES[wanted] and wanted is not ExportFormat.PNG:
        raise OutputUnwritable(
            f"{output}: {wanted} isn't written as '{output.suffix}'",
            f"Name it with {SUFFIXES[wanted]}.",
        )
    if persons and wanted not in MATTES:
        raise ConfigError(f"{wanted} is one file for everyone", "Leave --person out.")
    if wanted in FROM_PIXELS and video is None:
        raise ConfigError(f"{wanted} is drawn from the video", "Name it (--video).")
    others = [Path(path) for path in (video, audit, timeline.path) if path is not None]
    if wanted not in FROM_PIXELS:
        check_file(output, overwrite, *others)
        with disk_errors(output):
            if wanted is ExportFormat.MOT:
                write_mot(timeline, output)
            elif wanted is ExportFormat.MOT_JSON:
                write_mot_json(timeline, output)
            else:
                found = markers_of(timeline, None if audit is None else Path(audit))
                write_markers(found, timeline.header.video, wanted, output)
        return [output]
    assert video is not None
    targets = _targets(timeline.header, output, persons)
    for path, _ in targets:
        _check(path, wanted, overwrite, *others)
    for at in range(0, len(targets), MAX_OPEN):
        _from_pixels(Path(video), timeline, wanted, targets[at : at + MAX_OPEN], effect, report)
    return [path for path, _ in targets]


Shows = Callable[[int, int], bool]
"""Whether a tracklet shows somebody in a frame, by their numbers."""


def _format(given: ExportFormat | str) -> ExportFormat:
    try:
        return ExportFormat(given)
    except ValueError as error:
        raise ConfigError(
            f"there is no format {given!r}", f"Choose one of {', '.join(ExportFormat)}."
        ) from error


def _targets(
    header: Header, output: Path, persons: Sequence[str] | None
) -> list[tuple[Path, Shows | None]]:
    """The files to write, and whose mattes go into each; None for everybody's."""
    if not persons:
        return [(output, None)]
    known = {person.id: person for person in header.persons}
    masked = {person.id: person for person in header.persons if _is_masked(header, person)}
    chosen = list(masked) if "all" in persons else list(dict.fromkeys(persons))
    for one in chosen:
        if one not in masked:
            why = "is masked nowhere" if one in known else "isn't in the timeline"
            raise SelectionError(
                f"the person {one} {why}", f"There are {', '.join(masked) or 'none'} to choose."
            )
    ending = output.suffix
    return [
        (named_after(output.with_suffix(""), f".{one}{ending}"), _shows(masked[one]))
        for one in chosen
    ]


def _is_masked(header: Header, person: Person) -> bool:
    return any(verdict.decision is Decision.MASK for _, verdict in header.verdicts_of(person))


def _shows(person: Person) -> Shows:
    def shows(tracklet: int, frame: int) -> bool:
        if person.spans:
            return any(t == tracklet and start <= frame < end for t, start, end in person.spans)
        return tracklet in person.tracklets

    return shows


def _check(path: Path, wanted: ExportFormat, overwrite: bool, *others: Path) -> None:
    if wanted is not ExportFormat.PNG:
        check_file(path, overwrite, *others)
        return
    check_name(path)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"{path}: its folder can't be written to", "Choose another one.")
    if not path.exists():
        return
    if not path.is_dir() or any(not _OURS.fullmatch(one.name) for one in path.iterdir()):
        raise OutputUnwritable(f"{path} holds something else", "Choose another name.")
    if not overwrite:
        raise OutputExists(
            f"{path} exists already", "Choose another name, or allow it (--overwrite)."
        )


def _from_pixels(
    video: Path,
    timeline: Timeline,
    wanted: ExportFormat,
    targets: Sequence[tuple[Path, Shows | None]],
    effect: EffectSettings | None,
    report: Report | None,
) -> None:
    timeline.check_video(video, fingerprint(video))
    info = probe(video)
    encoding = encoding_of(info, video, EncoderSettings())
    drawing = FrameMasker(timeline, info, effect or EffectSettings(), encoding)
    frames = deinterlaced(iter(VideoReader(video, info)), info, encoding.deinterlacing)
    meter = ProgressMeter("export", timeline.header.video.frames, report)
    with ExitStack() as resources:
        parts: list[tuple[Path, Path]] = []
        writers: list[tuple[MatteWriter | CocoWriter, Shows | None]] = []
        resources.callback(_remove, parts)
        for path, shows in targets:
            part = temporary_beside(path)
            parts.append((part, path))
            with disk_errors(path):
                if wanted is ExportFormat.COCO:
                    writer: MatteWriter | CocoWriter = CocoWriter(part, timeline.header, info)
                else:
                    writer = open_mattes(wanted, part, info, encoding)
            resources.callback(writer.close)
            writers.append((writer, shows))
        with closing(prefetch(drawing.mattes(frames), QUEUE_FRAMES)) as ahead:
            for frame, mattes in ahead:
                for writer, shows in writers:
                    with disk_errors(targets[0][0]):
                        writer.add(frame, mattes, shows)
                meter.step()
        for (writer, _), (path, _) in zip(writers, targets, strict=True):
            with disk_errors(path):
                writer.finish()
        for part, path in parts:
            with disk_errors(path):
                if path.is_dir():
                    shutil.rmtree(path)
                os.replace(part, path)


def _remove(parts: Sequence[tuple[Path, Path]]) -> None:
    for part, _ in parts:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
