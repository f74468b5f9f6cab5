"""Timeline or tracker against true boxes -> HOTA, IDF1 and people found (TrackEval's measures).

HOTA: Luiten et al. 2021; IDF1: Ristani et al. 2016. Computed by the package `trackers`, whose
ByteTrack and BoT-SORT are the reference. It is no dependency of the product: `pip install
bystander[benchmarks]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.truth import Truth
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Origin

Box = tuple[float, float, float, float]
Boxes = Mapping[int, Box]
"""x0, y0, x1, y1, source pixels, by id, of one frame."""

SEEN = (Origin.SEEN, Origin.FACE)
LEAST_FRAMES = 3
"""Who is seen in fewer frames doesn't count as a person found."""
REFERENCES = ("bytetrack", "botsort")


@dataclass(frozen=True)
class TrackingScore:
    """Attributes:
    hota, idf1: 0 to 1.
    found: people who were followed for a few frames.
    """

    hota: float
    idf1: float
    found: int


def timeline_boxes(timeline: Timeline) -> list[dict[int, Box]]:
    """Everybody seen in each frame, by the number of the person they were judged to be."""
    header = timeline.header
    person_of = {t: n for n, person in enumerate(header.persons) for t in person.tracklets}
    strangers = len(header.persons)  # tracklets of nobody, if there are
    # Of tracklets that show two people one after the other, who is where.
    parts = [(n, span) for n, person in enumerate(header.persons) for span in person.spans]
    across, down = header.video.width / header.grid[0], header.video.height / header.grid[1]
    frames = []
    for record in timeline.frames():
        boxes: dict[int, Box] = {}
        for sighting in record.sightings:
            if sighting.origin not in SEEN or not sighting.mask.area:
                continue
            x0, y0, x1, y1 = sighting.box
            person = person_of.get(sighting.tracklet, strangers + sighting.tracklet)
            for number, (tracklet, start, end) in parts:
                if tracklet == sighting.tracklet and start <= record.index < end:
                    person = number
            boxes[person] = (x0 * across, y0 * down, x1 * across, y1 * down)
        frames.append(boxes)
    return frames


def people_found(frames: Iterable[Boxes]) -> int:
    """How many ids are in more than a few frames."""
    counts: dict[int, int] = {}
    for boxes in frames:
        for person in boxes:
            counts[person] = counts.get(person, 0) + 1
    return sum(count >= LEAST_FRAMES for count in counts.values())


def tracking_score(frames: Sequence[Boxes], truth: Truth) -> TrackingScore | None:
    """HOTA and IDF1; None where the truth has no ids, or `trackers` isn't installed."""
    if truth.boxes is None and (truth.persons is None or not truth.complete):
        return None
    try:
        from trackers.eval import compute_hota_metrics, compute_identity_metrics
    except ImportError:
        return None
    true = [truth.visible_boxes(index) for index in range(len(frames))]
    similarities = [
        _ious(list(a.values()), list(b.values())) for a, b in zip(true, frames, strict=True)
    ]
    theirs, ours = _numbers(true), _numbers(frames)
    hota = compute_hota_metrics(theirs, ours, similarities)
    identity = compute_identity_metrics(theirs, ours, similarities)
    return TrackingScore(float(hota["HOTA"]), float(identity["IDF1"]), people_found(frames))


def reference_boxes(
    name: str,
    detections: Sequence[NDArray[np.float32]],
    pictures: Sequence[NDArray[np.uint8]],
    rate: float,
) -> list[dict[int, Box]]:
    """What a tracker of `trackers` makes of the same detections.

    Args:
        name: one of `REFERENCES`.
        detections: float32 [N, 5] x0, y0, x1, y1, score a frame.
        pictures: uint8 [h, w, 3] BGR a frame, in the same pixels; they tell the camera's motion.
        rate: frames per second.
    """
    import supervision
    from trackers import BoTSORTTracker, ByteTrackTracker

    make: Callable[..., Any] = {"bytetrack": ByteTrackTracker, "botsort": BoTSORTTracker}[name]
    tracker = make(frame_rate=rate)
    frames = []
    for found, picture in zip(detections, pictures, strict=True):
        given = supervision.Detections(
            xyxy=found[:, :4].reshape(-1, 4),
            confidence=found[:, 4],
            class_id=np.zeros(len(found), dtype=int),
        )
        tracked = tracker.update(given, *([picture] if name == "botsort" else []))
        numbers = tracked.tracker_id if tracked.tracker_id is not None else ()
        frames.append(
            {
                int(number): (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
                for number, box in zip(numbers, tracked.xyxy, strict=True)
                if number >= 0
            }
        )
    return frames


def _numbers(frames: Sequence[Boxes]) -> list[NDArray[np.int64]]:
    """Ids as numbers from 0 on, without gaps."""
    order = {person: n for n, person in enumerate(sorted({p for f in frames for p in f}))}
    return [np.array([order[person] for person in boxes], dtype=np.int64) for boxes in frames]


def _ious(one: Sequence[Box], other: Sequence[Box]) -> NDArray[np.float64]:
    a = np.array(one, dtype=np.float64).reshape(-1, 1, 4)
    b = np.array(other, dtype=np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.clip(sides, 0, None).prod(axis=2)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=2) for boxes in (a, b)]
    return np.asarray(both / np.maximum(areas[0] + areas[1] - both, 1e-9))
