"""Frames as they were tracked -> frames of the timeline: one sighting a person, with the mask
that is drawn if they are to be masked.

Silhouettes flicker: an arm is there, gone for a frame, and there again. So a mask also covers
what was carried on from the frames before and the person's silhouette in the next frame, moved
along, but not where somebody else is. Pixels that two people may share are in both their masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bystander.instances import shift
from bystander.masks import union
from bystander.people.vocabulary import FrameRecord


class Finaliser:
    """Completes frames, each when the next one is known.

    It can be pickled, to go on in another process.
    """

    def __init__(self) -> None:
        self._held: FrameRecord | None = None

    def push(self, record: FrameRecord) -> Iterator[FrameRecord]:
        """Add the next frame; gives back the one before it, completed."""
        if self._held is not None:
            yield final(self._held, record)
        self._held = record

    def flush(self) -> Iterator[FrameRecord]:
        """End the video; gives back its last frame."""
        if self._held is not None:
            yield final(self._held, None)
        self._held = None


def final(record: FrameRecord, following: FrameRecord | None) -> FrameRecord:
    """The frame with each mask reaching as far as the person's silhouette in the next one.

    Args:
        record: tracked and filled.
        following: the next frame, if there is one.
    """
    ahead = {sighting.tracklet: sighting for sighting in (following.sightings if following else ())}
    finals = []
    for sighting in record.sightings:
        after = ahead.get(sighting.tracklet)
        if after is None:
            finals.append(sighting)
            continue
        others = [other.mask for other in record.sightings if other is not sighting]
        reach = after.mask.moved(*shift(after.box, sighting.box)).without(others)
        finals.append(replace(sighting, mask=union((sighting.mask, reach))))
    return replace(record, sightings=tuple(finals))
