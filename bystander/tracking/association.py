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

from bystander.geometry.instances import box_iou
from bystander.geometry.masks import Mask, intersection
from bystander.geometry.types import Box
from bystander.tracking.appearance import similarity
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.track import Detection, State, Track

IMPOSSIBLE_LOG_RATIO: Final = -1e3
COAST_FRAMES: Final = 5
"""Frames for which motion is believed in."""
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
MIN_ALIKE_SIMILARITY: Final = 0.9
"""Colour similarity of two people from which their colours don't tell whose a pixel is."""


@dataclass(frozen=True, slots=True, eq=False)
class Likelihoods:
    """Of each pair of track and detection, float64 [T, D].

    Attributes:
        log: log-likelihood that the detection shows the track's person.
        place: the same by place alone, without colours.
        inside: share of the detection that was the person's a moment ago.
    """

    log: NDArray[np.float64]
    place: NDArray[np.float64]
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
    inside = np.zeros(shape)
    for row, track in enumerate(tracks):
        place = track.place(frame, COAST_FRAMES)
        gap = frame - track.frame
        away_seconds = min(gap / fps, MAX_REACH_SECONDS)
        reach = settings.reach * (place[3] - place[1]) * (0.5 + away_seconds)
        returns = settings.hidden_log_likelihood
        if track.state is not State.HIDDEN:
            returns -= RETURN_RATE_PER_SECOND * max(0.0, gap / fps - EXPECTED_SECONDS)
        for column, detection in enumerate(detections):
            by_place = IMPOSSIBLE_LOG_RATIO
            if track.predicted_mask is not None:
                overlap, inside[row, column] = _overlap(track.predicted_mask, detection)
                if overlap > 0:
                    by_place = math.log(max(overlap, 1e-3))
            if gap > 1 and detection.score >= settings.new_track:
                away = _distance(place, detection.box) / max(reach, 1.0)
                if away <= 1.5:
                    by_place = max(by_place, returns - away * away)
            if by_place > IMPOSSIBLE_LOG_RATIO:
                colours = min(
                    similarity(track.histogram, detection.histogram), MAX_COLOUR_SIMILARITY
                )
                places[row, column] = by_place
                log[row, column] = by_place + settings.colour_weight * (
                    colours - NEUTRAL_COLOUR_SIMILARITY
                )
    return Likelihoods(log, places, inside)


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
        part = np.maximum(fit.log[np.ix_(rows, chosen)], least)
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


def _overlap(predicted: Mask, detection: Detection) -> tuple[float, float]:
    """Mean IoU of masks and boxes, and the share of the detection inside the prediction."""
    boxes = box_iou(_floats(predicted.box), detection.box)
    if boxes == 0.0:
        return 0.0, 0.0
    both = intersection(predicted, detection.mask)
    if not both:
        return 0.0, 0.0
    area = predicted.area
    iou = both / (area + detection.area - both)
    return 0.7 * iou + 0.3 * boxes, both / max(1, detection.area)


def _distance(a: Box, b: Box) -> float:
    return math.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / 2


def _floats(box: tuple[int, int, int, int]) -> Box:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])
