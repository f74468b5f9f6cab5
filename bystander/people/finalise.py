"""Frames as they were tracked -> frames of the timeline: one sighting a person, with the mask
that is drawn if they are to be masked.

Silhouettes flicker: an arm is there, gone for a frame, and there again. So a mask also covers
what was carried on from the frames before and the person's silhouette in the next frame, moved
along, but not where somebody else is. Pixels that two people may share are in both their masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bystander.instances import shift
from bystander.masks import Mask, union
from bystander.people.vocabulary import FrameRecord, Origin, Sighting

PARTS: Final = (Origin.SHARED, Origin.CARRIED)
"""Origins of what goes into somebody's mask and is no sighting of its own."""
GUESSES: Final = (Origin.FILLED, Origin.EXTENDED)


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
    """The frame with one sighting a person, in the order in which they are first there.

    Args:
        record: tracked and filled, with the parts that tracking tells apart (`PARTS`).
        following: the next frame, if there is one.
    """
    people: dict[int, list[Sighting]] = {}
    for sighting in record.sightings:
        people.setdefault(sighting.tracklet, []).append(sighting)
    ahead = {
        sighting.tracklet: sighting
        for sighting in (following.sightings if following else ())
        if sighting.origin not in PARTS
    }
    finals = []
    for tracklet, own in people.items():
        others = [
            sighting.mask
            for sighting in record.sightings
            if sighting.tracklet != tracklet and sighting.origin not in PARTS
        ]
        finals.append(_final(own, others, ahead.get(tracklet)))
    return replace(record, sightings=tuple(finals))


def _final(own: Sequence[Sighting], others: Sequence[Mask], ahead: Sighting | None) -> Sighting:
    """One person's sighting with the final mask."""
    shared = [sighting for sighting in own if sighting.origin is Origin.SHARED]
    whole = next((sighting for sighting in own if sighting.origin not in PARTS), None)
    if whole is None:
        first, *_ = own
        return replace(first, mask=union(s.mask for s in own), origin=Origin.SEEN)
    reach = [sighting.mask for sighting in own if sighting.origin is Origin.CARRIED]
    if ahead is not None:
        reach.append(ahead.mask.moved(*shift(ahead.box, whole.box)))
    sure = [sighting.mask for sighting in shared]
    if shared and whole.origin in GUESSES:
        # Pixels that may be seen make it a sighting: what is guessed beside them gives way.
        reach.append(whole.mask)
        whole = replace(whole, origin=Origin.SEEN)
    else:
        sure.append(whole.mask)
    return replace(whole, mask=union((*sure, *(mask.without(others) for mask in reach))))
