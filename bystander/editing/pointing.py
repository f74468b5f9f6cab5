"""Points in the picture -> who is there, to be masked.

The mirror of `bystander.tracking.clicks`, where a wrong guess would show a stranger: here it would
leave one to be seen, so that everybody who may be meant is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from bystander.errors import SelectionError
from bystander.geometry.coordinates import GridTransform
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header, with_decisions
from bystander.timeline.types import FrameRecord
from bystander.tracking.clicks import REACH_PX, Click

log = logging.getLogger(__name__)


def people_at(timeline: Timeline, header: Header, clicks: Sequence[Click]) -> tuple[str, ...]:
    """Whom points mean: ids of persons ("p2"), and of tracklets that are no listed person's.

    Args:
        timeline: who is where.
        header: of the same video, whose persons count; edits may have changed them.
        clicks: seconds from the first frame, display pixels.

    Raises:
        SelectionError: nobody is known at one of them.
    """
    if not clicks:
        return ()
    times = timeline.times()
    transform = GridTransform(timeline.header.video.display_size, timeline.header.grid)
    found: dict[str, None] = {}
    for click in clicks:
        shown = np.searchsorted(times - times[0], click.seconds + 1e-6, side="right")
        frame = min(max(0, int(shown) - 1), timeline.header.video.frames - 1)
        record = next(iter(timeline.frames(frame)))
        tracklets = _there(record, *transform.to_grid(click.point))
        if not tracklets:
            raise SelectionError(
                f"nobody is known at {click.name} (frame {frame})",
                "Point at another moment, or mask what is there with --mask-box.",
            )
        ids = dict.fromkeys(_owner(header, tracklet, frame) for tracklet in tracklets)
        log.info("%s: %s is masked", click.name, " and ".join(ids))
        found |= ids
    return tuple(found)


def with_masked(edited: Timeline, found: Timeline, clicks: Sequence[Click]) -> Timeline:
    """A timeline in which those are masked who are pointed at.

    Args:
        edited: the timeline whose verdicts change.
        found: the same before any edits, in whose silhouettes people are looked for.

    Raises:
        SelectionError: nobody is known at one of the points.
    """
    ids = people_at(found, edited.header, clicks)
    return Timeline(edited.path, with_decisions(edited.header, (), ids)) if ids else edited


def _there(record: FrameRecord, x: float, y: float) -> list[int]:
    """The tracklets at a grid pixel, however they are known there; else the nearest ones."""
    for radius in range(REACH_PX + 1):
        there = [s.tracklet for s in record.sightings if s.mask.grown(radius).contains(x, y)]
        if there:
            return there
    return []


def _owner(header: Header, tracklet: int, frame: int) -> str:
    for person in header.persons:
        if any(t == tracklet and start <= frame < end for t, start, end in person.spans):
            return person.id
        if not person.spans and tracklet in person.tracklets:
            return person.id
    return f"t{tracklet}"
