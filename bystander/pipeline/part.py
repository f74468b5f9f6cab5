"""A span of a video -> what masking only this takes: its file, clicks, edits and timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bystander.editing.document import Edits
from bystander.editing.spans import edits_within
from bystander.errors import SelectionError
from bystander.files import sweep_work_folders, work_folder
from bystander.media.demux import fingerprint
from bystander.media.muxer import MUXERS, disk_errors
from bystander.media.probe import probe
from bystander.media.sound_spans import SoundSpan, sound_within
from bystander.media.trim import Trimmed, trim
from bystander.timeline.archive import Timeline
from bystander.timeline.slicing import sliced

if TYPE_CHECKING:
    from bystander.tracking.clicks import Click


@dataclass(frozen=True, slots=True)
class Part:
    """What of a video is masked.

    Attributes:
        video: a file that shows just this; the video itself where it is all of it.
        whole: the video.
        trimmed: how that was cut out of the video; None where it is all of it.
    """

    video: Path
    whole: Path
    trimmed: Trimmed | None = None

    @property
    def offset(self) -> float:
        """Seconds from the whole video's first frame to the part's."""
        return self.trimmed.offset if self.trimmed else 0.0

    def clicks(self, clicks: Sequence[Click]) -> list[Click]:
        """Clicks of the whole video as ones of the part.

        Raises:
            SelectionError: one lies beside it.
        """
        if self.trimmed is None:
            return list(clicks)
        moved = [replace(click, seconds=click.seconds - self.offset) for click in clicks]
        for click, after in zip(clicks, moved, strict=True):
            if not -1e-6 <= after.seconds < self.trimmed.seconds:
                end = self.offset + self.trimmed.seconds
                raise SelectionError(
                    f"{click.name} lies beside the part from {self.offset:.2f} to {end:.2f} s",
                    "Point at a moment within it: seconds are those of the whole video.",
                )
        return [replace(click, seconds=max(0.0, click.seconds)) for click in moved]

    def edits(self, edits: Edits | None) -> Edits | None:
        """Edits of the whole video as ones of the part.

        Raises:
            InvalidEdits: a mask is drawn beside it.
        """
        if self.trimmed is None or edits is None:
            return edits
        return edits_within(edits, self.offset, self.trimmed.seconds)

    def sound(self, spans: Sequence[SoundSpan]) -> Sequence[SoundSpan]:
        """What is done to the whole video's sound as what is done to the part's."""
        if self.trimmed is None:
            return spans
        return sound_within(spans, self.offset, self.trimmed.seconds)

    def timeline(self, timeline: Timeline, output: Path) -> Timeline:
        """The whole video's timeline as one of the part.

        Raises:
            TimelineMismatch: it was made from another video.
            InvalidTimeline: it is damaged.
            OutputUnwritable: it can't be written to `output`.
        """
        if self.trimmed is None:
            return timeline
        timeline.check_video(self.whole, fingerprint(self.whole))
        info = probe(self.video)
        facts = replace(
            timeline.header.video,
            time_base=info.time_base.as_integer_ratio(),
            frames=len(self.trimmed.pts),
            fingerprint=fingerprint(self.video),
            origin_pts=info.origin_pts,
        )
        pts = self.trimmed.pts.tolist()
        return sliced(timeline, self.trimmed.first, facts, pts, self.offset, output)


@contextmanager
def part_of(video: Path, output: Path, start: float | None, end: float | None) -> Iterator[Part]:
    """The part of a video that is shown from `start` to before `end`, seconds from its first frame.

    Its file lies beside `output` and goes with the block; it is as clear as the video. What a
    killed process left there of that kind is removed first.

    Raises:
        VideoError: the video can't be read, or not be cut.
        ConfigError: no frame is shown then.
        OutputUnwritable: there is no space beside `output`.
    """
    sweep_work_folders(output.parent)
    if start is None and end is None:
        yield Part(video, video)
        return
    with disk_errors(output):
        folder = work_folder(output.parent)
    with folder as path:
        muxer = MUXERS.get(output.suffix.lower(), "mov")
        with disk_errors(output):
            trimmed = trim(video, start, end, path, muxer)
        yield Part(trimmed.path, video, trimmed)
