"""Tracks and detections -> which detection shows whom, by one matrix of log-likelihoods.

A detection may be a whole person, a part of one, somebody new, or two people drawn as one; in
the last case it is matched with the likelier one, and `ownership` shares out its pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bystander.geometry.instances import as_boxes, box_areas, centre, overlaps
from bystander.geometry.masks import Mask, intersection
from bystander.tracking.appearance import similarity
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.track import COAST_FRAMES, KNOWN_HITS, Detection, State, Track

IMPOSSIBLE_LOG_RATIO: Final = -1e3
NEUTRAL_COLOUR_SIMILARITY: Final = 0.85
"""Colour similarity that speaks neither for nor against one person."""
MAX_COLOUR_SIMILARITY: Final = 0.95
"""More of it doesn't speak for one person any more."""
MAX_REACH_SECONDS: Final = 1.5
"""Somebody out of sight is looked for farther away for so long, and no farther then."""
EXPECTED_SECONDS: Final = 2.0
"""So long whoever is lost is as likely to come back as just now; ..."""
RETURN_RATE_PER_SECOND: Final = 0.8
"""... then each second makes it less likely by so much, as log-likelihood."""
RETURN_PROBABILITY: Final = 0.8
"""Probability that whoever comes back out of sight is who was lost there."""
EXPECTED_HEIGHTS: Final = 0.2
"""At this distance from where somebody was heading, in their heights, all the doubt is said."""
MIN_ALIKE_SIMILARITY: Final = 0.9
"""Colour similarity of two people from which their colours don't tell whose a pixel is."""


@dataclass(frozen=True, slots=True, eq=False)
class Likelihoods:
    """Of each pair of track and detection, float64 [T, D].

    Attributes:
        log: log-likelihood that the detection shows the track's person.
        place: the same by place alone, without colours.
        heading: log-likelihood by how far the detection is from where the person was heading:
            says which of several people it shows, not whether it shows any of them.
        inside: share of the detection that was the person's a moment ago.
    """

    log: NDArray[np.float64]
    place: NDArray[np.float64]
    heading: NDArray[np.float64]
    inside: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SwapRisk:
    """From `frame` on, `track` may be showing whom `other` showed, or anybody (None).

    Attributes:
        probability: that it still shows the same person by its place, 0 to 1.
    """

    track: int
    other: int | None
    frame: int
    probability: float


def likelihoods(
    tracks: Sequence[Track],
    detections: Sequence[Detection],
    frame: int,
    fps: float,
    settings: TrackingSettings,
) -> Likelihoods:
    """How well each detection fits each track, by place and by colours.

    Whoever was visible a frame ago is where flow has moved their mask. Who was hidden may come
    out around where they were last, the farther the longer it is ago.
    """
    shape = len(tracks), len(detections)
    log, places = np.full(shape, IMPOSSIBLE_LOG_RATIO), np.full(shape, IMPOSSIBLE_LOG_RATIO)
    heading, inside = np.zeros(shape), np.zeros(shape)
    boxes = as_boxes(detection.box for detection in detections)
    overlap = _overlaps(tracks, detections, boxes, inside)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    returning = np.array([d.score >= settings.new_track for d in detections], dtype=bool)
    colours = np.sqrt([detection.histogram for detection in detections])
    for row, track in enumerate(tracks):
        by_place = places[row]
        seen = overlap[row] > 0
        by_place[seen] = np.log(np.maximum(overlap[row, seen], 1e-3))
        gap = frame - track.frame
        if gap > 1:
            place = np.array(track.place(frame))
            away_seconds = min(gap / fps, MAX_REACH_SECONDS)
            reach = settings.reach * (place[3] - place[1]) * (0.5 + away_seconds)
            returns = settings.hidden_log_likelihood
            if track.state is not State.HIDDEN:
                returns -= RETURN_RATE_PER_SECOND * max(0.0, gap / fps - EXPECTED_SECONDS)
            away = np.hypot(*((place[:2] + place[2:]) / 2 - centres).T) / max(reach, 1.0)
            near = returning & (away <= 1.5)
            by_place[near] = np.maximum(by_place[near], returns - np.square(away[near]))
        likely = np.flatnonzero(by_place > IMPOSSIBLE_LOG_RATIO)
        if likely.size:
            alike = np.minimum(colours[likely] @ np.sqrt(track.histogram), MAX_COLOUR_SIMILARITY)
            log[row, likely] = by_place[likely] + settings.colour_weight * (
                alike - NEUTRAL_COLOUR_SIMILARITY
            )
            if gap == 1 and track.hits >= KNOWN_HITS:
                height = max(track.box[3] - track.box[1], track.whole[3] - track.whole[1], 1.0)
                off = centres[likely] - np.array(centre(track.expected))
                doubt = np.square(np.hypot(*off.T) / (EXPECTED_HEIGHTS * height))
                heading[row, likely] = -settings.heading_weight * np.minimum(doubt, 1.0)
    return Likelihoods(log, places, heading, inside)


def assign(
    fit: Likelihoods, detections: Sequence[Detection], settings: TrackingSettings
) -> dict[int, int]:
    """The likeliest matching: row of the track -> column of the detection.

    Confident detections come first; those that fit nobody better than somebody new stay out.
    """
    columns = range(len(detections))
    strong = [c for c in columns if detections[c].score >= settings.confident]
    weak = [c for c in columns if detections[c].score < settings.confident]
    matches: dict[int, int] = {}
    for chosen, least in (
        (strong, settings.new_log_likelihood),
        (weak, settings.weak_log_likelihood),
    ):
        rows = [row for row in range(len(fit.log)) if row not in matches]
        if not rows or not chosen:
            continue
        fits = fit.log[np.ix_(rows, chosen)]
        heading = fit.heading[np.ix_(rows, chosen)]
        # Who fits well enough without it stays above `least`: it tells only between several.
        part = np.where(fits > least, np.maximum(fits + heading, np.nextafter(least, 0)), least)
        for i, j in zip(*linear_sum_assignment(part, maximize=True), strict=True):
            if part[i, j] > least:
                matches[rows[i]] = chosen[j]
    return matches


def swap_risks(
    tracks: Sequence[Track],
    fit: Likelihoods,
    matches: dict[int, int],
    frame: int,
    settings: TrackingSettings,
) -> list[SwapRisk]:
    """Whom of the people in contact the matching may have mixed up.

    Whether they may is asked of place and colours, how probably of the place alone: the
    identity graph compares looks itself.
    """
    risks = []
    rows = {track.id: row for row, track in enumerate(tracks)}
    for a, column in matches.items():
        track = tracks[a]
        if track.predicted_mask is None and frame - track.frame > COAST_FRAMES:
            risks.append(SwapRisk(track.id, None, frame, RETURN_PROBABILITY))
        for other in sorted(track.contacts & rows.keys()):
            b = rows[other]
            theirs = matches.get(b)
            cost = _swap_cost(fit.log, (a, column), (b, theirs))
            by_place = _swap_cost(fit.place, (a, column), (b, theirs))
            if _look_alike_meet(track, tracks[b], theirs, frame):
                cost = by_place = 0.0
            if cost < settings.swap_margin:
                sure = 1 / (1 + math.exp(-float(np.clip(by_place, -4, 4))))
                since = track.frame + 1 if theirs is not None else frame
                risks.append(SwapRisk(track.id, other, since, sure))
    return risks


def _look_alike_meet(track: Track, other: Track, theirs: int | None, frame: int) -> bool:
    """Whether one of two who look alike disappears or comes back beside the other: then their
    places say nothing, as colours decided whose each pixel is."""
    vanishes = theirs is None and other.frame == frame - 1
    returns = track.frame < frame - 1 or (theirs is not None and other.frame < frame - 1)
    return (vanishes or returns) and similarity(
        track.histogram, other.histogram
    ) >= MIN_ALIKE_SIMILARITY


def _swap_cost(log: NDArray[np.float64], a: tuple[int, int], b: tuple[int, int | None]) -> float:
    """What swapping the matches of two tracks would cost: `a` and `b` are row and column.

    If `b` has no match, it isn't seen, and the one that is might be either.
    """
    (row_a, column_a), (row_b, column_b) = a, b
    cost = log[row_a, column_a] - log[row_b, column_a]
    if column_b is not None:
        cost += log[row_b, column_b] - log[row_a, column_b]
    return float(cost)


def _overlaps(
    tracks: Sequence[Track],
    detections: Sequence[Detection],
    boxes: NDArray[np.float64],
    inside: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weighted IoU of masks and boxes: where flow has moved each track's, and each detection's.

    Args:
        boxes: float64 [D, 4], the detections'.
        inside: gets the share of each detection inside each prediction, float64 [T, D].

    Returns:
        float64 [T, D].
    """
    result = np.zeros(inside.shape)
    rows = [row for row, track in enumerate(tracks) if track.predicted_mask is not None]
    predicted = as_boxes(_mask(tracks[row]).box for row in rows)
    both = overlaps(predicted, boxes)
    ious = both / np.maximum(box_areas(predicted)[:, None] + box_areas(boxes)[None] - both, 1e-6)
    for place, column in zip(*ious.nonzero(), strict=True):
        mask, detection = _mask(tracks[rows[place]]), detections[column]
        common = intersection(mask, detection.mask)
        if common:
            iou = common / (mask.area + detection.area - common)
            result[rows[place], column] = 0.7 * iou + 0.3 * ious[place, column]
            inside[rows[place], column] = common / max(1, detection.area)
    return result


def _mask(track: Track) -> Mask:
    assert track.predicted_mask is not None
    return track.predicted_mask
