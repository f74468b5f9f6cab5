"""video, timeline and edits -> the edited timeline: follows what was drawn, and applies it all."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bystander.editing.apply import EditedTimeline
from bystander.editing.document import DrawnEdit, Edits
from bystander.editing.drawn import MaskPath, Place
from bystander.editing.paths import Leg, MaskFollower, legs_of
from bystander.files import StrPath, work_folder
from bystander.media.demux import fingerprint
from bystander.media.probe import probe
from bystander.progress import ProgressMeter, Report
from bystander.timeline.archive import CHUNK_FRAMES, Timeline, TimelineWriter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EditResult:
    """An edited timeline.

    Attributes:
        loosened: sentences on what may be seen now that was masked before; they are logged, too.
    """

    timeline: Timeline
    loosened: tuple[str, ...]


def edit(
    video: StrPath,
    timeline: Timeline,
    edits: Edits,
    output: StrPath,
    *,
    report: Report | None = None,
) -> EditResult:
    """Apply edits to a timeline.

    Args:
        video: the file that the timeline was made from.
        timeline: stays as it is.
        edits: in the order in which they count.
        output: the edited timeline; appears only when it is whole.
        report: called with the progress of following; may raise `Cancelled`.

    Raises:
        VideoError: the video can't be read.
        TimelineMismatch: the timeline was made from another video.
        InvalidEdits: one of the edits doesn't fit this video or timeline.
        OutputUnwritable: the edited timeline can't be written.
    """
    video, output = Path(video), Path(output)
    timeline.check_video(video, fingerprint(video))
    times = timeline.times()
    plain = EditedTimeline(
        timeline.header, times, edits, sketch=True
    )  # refuses what can't be, at once
    legs = {
        number: legs_of(plain, f"edit {number + 1} ({one.kind})", one)
        for number, one in enumerate(edits.edits)
        if isinstance(one, DrawnEdit) and one.follow
    }
    total = sum(leg.steps for of_one in legs.values() for leg in of_one)
    meter = ProgressMeter("follow", total, report)
    if total:
        meter.report()
    paths: dict[int, MaskPath] = {}
    if legs:
        follower = MaskFollower(video, probe(video), timeline.header.grid, timeline.pts())
        paths = {number: _path(follower, of_one, meter) for number, of_one in legs.items()}
    edited = EditedTimeline(timeline.header, times, edits, paths)
    with TimelineWriter(output) as writer:
        for first, packed in timeline.chunks():
            if edited.changes(first, first + CHUNK_FRAMES):
                for record in edited.records(timeline.unpacked(first, packed)):
                    writer.add_frame(record)
            else:
                writer.add_chunk(packed)
        pointed = (
            timeline.pointed_picture(number) or b""
            for number in range(len(timeline.header.pointed_at))
        )
        writer.finish(edited.header, timeline.pictures(), pointed)
    for sentence in edited.loosened:
        log.warning("%s", sentence)
    return EditResult(Timeline(output, edited.header), tuple(edited.loosened))


@contextmanager
def edited_timeline(
    video: StrPath, timeline: Timeline, edits: Edits | None, report: Report | None = None
) -> Iterator[EditResult]:
    """`edit`, into a file that goes with the block; without edits the timeline itself."""
    if edits is None:
        yield EditResult(timeline, ())
        return
    with work_folder() as folder:
        yield edit(video, timeline, edits, folder / "edited", report=report)


def _path(follower: MaskFollower, legs: Sequence[Leg], meter: ProgressMeter) -> MaskPath:
    """Where a mask is in each frame."""
    path: dict[int, Place] = {}
    left = sum(leg.steps for leg in legs)
    for frame, place in follower.places(legs):
        path[frame] = place
        meter.step()
        left -= 1
    meter.step(left)  # it has left the picture
    return MaskPath.of(path)
