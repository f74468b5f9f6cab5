"""Tracks, their detections and predictions -> whose each pixel is.

A pixel is claimed by whoever owned it a moment ago and by whoever is detected there. Where
several claim one, four witnesses add up as log-likelihoods: ownership a frame ago, moved by
flow; being in the silhouette; how near the pixel is to those remembered of each; and whether it
moves as each does.
Somebody hidden claims what is new in the silhouettes around them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits, Mask
from bystander.geometry.types import PixelBox
from bystander.tracking.appearance import SMOOTHING_PX, Lab, smoothed
from bystander.tracking.association import MAX_REACH_SECONDS
from bystander.tracking.motion import Flow, Window, widened
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.track import KNOWN_HITS, MIN_CLAIM_OWNERSHIP, State, Track

LEAST_CLAIM_PX: Final = 20
SPECK_PX: Final = 3
"""Grid pixels: narrower new parts are the edge's trembling."""
EMERGING_SECONDS: Final = 1.0
"""So long whoever is lost in the open may come out of anybody near."""
MIN_OWNERSHIP: Final = 0.1
"""Ownership down to which pixels that nobody detects any more are still somebody's: for four
frames."""
FASTEST_FPS: Final = 30.0
"""What is told a frame was fitted at 10 to 30 of them a second; faster ones count as shares of a
frame at this rate, or memories would last shorter."""
UNREMEMBERED_DISTANCE: Final = 0.75
"""Of somebody of whom nothing is remembered yet."""
MOTION_UNIT_PX: Final = 2.0
"""Grid pixels a frame by which a person's limbs move otherwise than the whole, and ..."""
MOTION_UNIT_SHARE: Final = 0.25
"""... the share of the whole's speed that is added to it."""
MAX_MOTION_DISTANCE: Final = 2.0
"""Units: what moves still more unlike somebody says no more."""
UNKNOWN_MOTION_DISTANCE: Final = 1.0
"""Where flow is lost."""


def frame_share(fps: float) -> float:
    """How much of a frame's change comes with a frame of `fps` a second: 1 at most."""
    return min(1.0, FASTEST_FPS / fps)


@dataclass(slots=True, eq=False)
class _Claim:
    """What a track may own: bool [h, w] of `box` each."""

    track: Track
    box: PixelBox
    detected: Bits
    owned: NDArray[np.float32]
    claimed: Bits
    evidence: NDArray[np.float32] | None = None


def share_out(
    tracks: Sequence[Track],
    coarse: Lab,
    grid: tuple[int, int],
    flow: Flow | None,
    frame: int,
    fps: float,
    settings: TrackingSettings,
) -> tuple[dict[int, Mask], Bits]:
    """Decide whose each pixel is.

    Args:
        tracks: all, with this frame's predictions and detections.
        coarse: the frame in CIELAB, uint8 [H / 2, W / 2, 3], see `halved`.
        grid: width W and height H of the analysis grid.
        flow: from the frame to the one before it in the shot, if there is one.

    Returns:
        By track id what is theirs, within the grid; and which pixels were contested,
        bool [H, W].
    """
    width, height = grid
    claims = [claim for track in tracks if (claim := _claim(track, flow, grid)) is not None]
    count = np.zeros((height, width), dtype=np.uint8)
    owned = np.zeros((height, width), dtype=bool)
    detected = np.zeros((height, width), dtype=bool)
    for claim in claims:
        count[_at(claim.box)] += claim.claimed
        owned[_at(claim.box)] |= claim.owned > MIN_CLAIM_OWNERSHIP
        if claim.track.hits >= KNOWN_HITS:
            detected[_at(claim.box)] |= claim.detected
    new = detected & ~owned
    visible = {claim.track.id: claim for claim in claims}
    for track in tracks:
        if track.detections or track.hits < KNOWN_HITS:
            continue
        if track.state is State.LOST and frame - track.frame > EMERGING_SECONDS * fps:
            continue
        emerging = _emerging_claim(track, new, frame, fps, grid, settings)
        if emerging is not None:
            known = visible.get(track.id)
            if known is not None:
                claims.remove(known)
                count[_at(known.box)] -= known.claimed
                emerging = _joined(known, emerging)
            claims.append(emerging)
            count[_at(emerging.box)] += emerging.claimed
    contested = count >= 2
    for claim in claims:
        _drop_unlike(claim, coarse, contested, settings)
        _weigh(claim, coarse, contested, flow, settings)
    masks = _won(claims, contested, settings)
    # Of whom hardly anything is left is hidden: what they'd have won is somebody else's.
    standing = [c for c in claims if masks[c.track.id].area >= c.track.least_area]
    if len(standing) < len(claims):
        masks = _won(standing, contested, settings)
    return masks, contested


def _won(claims: Sequence[_Claim], contested: Bits, settings: TrackingSettings) -> dict[int, Mask]:
    """By track id, the pixels for which its evidence is the best."""
    best = np.full(contested.shape, -np.inf, dtype=np.float32)
    for claim in claims:
        if claim.evidence is not None:
            there = best[_at(claim.box)]
            np.maximum(there, claim.evidence, out=there)
    masks = {}
    for claim in claims:
        mine = claim.claimed
        if claim.evidence is not None:
            won = claim.evidence >= best[_at(claim.box)] - settings.shared_margin
            mine = mine & (won | ~contested[_at(claim.box)])
        masks[claim.track.id] = Mask.from_frame(mine, *claim.box[:2])
    return masks


def update_ownership(
    track: Track,
    mask: Mask,
    contested: Bits,
    grid: tuple[int, int],
    fps: float,
    settings: TrackingSettings,
) -> None:
    """What is somebody's after this frame: what was decided, and what they lost just now."""
    if not mask.area:
        track.ownership = Window(0, 0, np.zeros((0, 0), dtype=np.float32))
        return
    box = widened(mask.box, 0, grid)
    inside = mask.on_window(box)
    before = track.predicted.within(box) if track.predicted is not None else None
    if before is None or not track.visible:
        weights = inside.astype(np.float32)
    elif track.detections:
        seen = np.zeros_like(inside)
        for detection in track.detections:
            seen |= detection.mask.on_window(box)
        memory = np.float32(settings.ownership_memory ** frame_share(fps))
        kept = memory * before
        weights = np.where(inside & seen, np.maximum(kept + (1 - memory), 0.4), kept)
    else:
        # Nobody detects them: they fade, in the open slower than against others who are seen.
        held = np.count_nonzero(contested[_at(box)] & inside)
        rate = settings.contested_fading if held > 0.5 * mask.area else settings.fading
        weights = before * np.float32(rate ** frame_share(fps))
    track.ownership = Window(
        box[0], box[1], np.where(inside, weights, 0).astype(np.float32, copy=False)
    )


def _claim(track: Track, flow: Flow | None, grid: tuple[int, int]) -> _Claim | None:
    """What a track claims by its ownership and its detections; None if nothing."""
    boxes = [detection.mask.box for detection in track.detections]
    if track.visible and track.predicted is not None:
        boxes.append(track.predicted.box)
    if not boxes:
        return None
    edges = np.array(boxes)
    x0, y0 = (int(v) for v in edges[:, :2].min(axis=0))
    x1, y1 = (int(v) for v in edges[:, 2:].max(axis=0))
    box = widened((x0, y0, x1, y1), 0, grid)
    detected = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=bool)
    for detection in track.detections:
        detected |= detection.mask.on_window(box)
    owned = np.zeros(detected.shape, dtype=np.float32)
    if track.predicted is not None and flow is not None:
        # Where something else came before them, or they have walked on.
        reliable = flow.reliable[_at(box)]
        lost = ~reliable | (flow.with_background(box, detected) & ~detected)
        owned = np.where(lost, np.float32(0), track.predicted.within(box))
    return _Claim(track, box, detected, owned, detected | (owned > MIN_OWNERSHIP))


def _emerging_claim(
    track: Track,
    new: Bits,
    frame: int,
    fps: float,
    grid: tuple[int, int],
    settings: TrackingSettings,
) -> _Claim | None:
    """What of others' silhouettes may be somebody who isn't detected, and comes out."""
    x0, y0, x1, y1 = track.place(frame)
    away_seconds = min((frame - track.frame) / fps, MAX_REACH_SECONDS)
    beside = settings.reach * (y1 - y0) * (0.5 + away_seconds) / 2
    box = widened((round(x0 - beside), round(y0), round(x1 + beside), round(y1)), 0, grid)
    claimed = new[_at(box)]
    if np.count_nonzero(claimed) >= LEAST_CLAIM_PX:
        claimed = _without_specks(claimed)
    if np.count_nonzero(claimed) < LEAST_CLAIM_PX:
        return None
    owned = np.zeros(claimed.shape, dtype=np.float32)
    return _Claim(track, box, np.zeros_like(claimed), owned, claimed)


def _joined(a: _Claim, b: _Claim) -> _Claim:
    """Two claims of one track as one."""
    x0, y0 = min(a.box[0], b.box[0]), min(a.box[1], b.box[1])
    x1, y1 = max(a.box[2], b.box[2]), max(a.box[3], b.box[3])
    joined = _Claim(
        a.track,
        (x0, y0, x1, y1),
        np.zeros((y1 - y0, x1 - x0), dtype=bool),
        np.zeros((y1 - y0, x1 - x0), dtype=np.float32),
        np.zeros((y1 - y0, x1 - x0), dtype=bool),
    )
    for claim in (a, b):
        there = (
            slice(claim.box[1] - y0, claim.box[3] - y0),
            slice(claim.box[0] - x0, claim.box[2] - x0),
        )
        joined.detected[there] |= claim.detected
        joined.claimed[there] |= claim.claimed
        np.maximum(joined.owned[there], claim.owned, out=joined.owned[there])
    return joined


def _drop_unlike(claim: _Claim, coarse: Lab, contested: Bits, settings: TrackingSettings) -> None:
    """Give up what only flow gives to somebody and doesn't look like them: the background over
    which they have gone."""
    carried = claim.claimed & ~claim.detected & ~contested[_at(claim.box)]
    if not claim.track.memory or not carried.any():
        return
    body = claim.track.place(claim.track.frame)
    distance = claim.track.memory.distance(coarse, carried, claim.box[:2], body)
    claim.claimed = claim.claimed & ~(carried & (distance > settings.carried_distance))


def _weigh(
    claim: _Claim, coarse: Lab, contested: Bits, flow: Flow | None, settings: TrackingSettings
) -> None:
    """Add up the witnesses for the contested pixels of a claim: `evidence`, -inf elsewhere."""
    everywhere = claim.claimed & contested[_at(claim.box)]
    inside = Mask.from_frame(everywhere)
    if not inside.bits.size:
        return
    part, where = _at(inside.box), inside.bits
    owned, detected = claim.owned[part][where], claim.detected[part][where]
    odds = np.clip(owned, 0.02, 0.98)
    likelihoods = settings.flow_weight * np.log(odds / (1 - odds))
    # Of whom no detection speaks, none speaks against them either.
    supported = detected | (not claim.track.detections)
    likelihoods += settings.detection_weight * claim.track.confidence * supported
    if not claim.track.detections:
        likelihoods[owned <= MIN_OWNERSHIP] = settings.emerging_log_likelihood
    corner = claim.box[0] + inside.x, claim.box[1] + inside.y
    distance: NDArray[np.float32] | float = UNREMEMBERED_DISTANCE
    if claim.track.memory and settings.memory_weight:
        body = claim.track.place(claim.track.frame)
        distance = claim.track.memory.distance(coarse, where, corner, body)[where]
    likelihoods -= settings.memory_weight * distance
    if flow is not None:
        likelihoods -= settings.motion_weight * _motion_distance(claim, flow, where, corner)
    values = np.zeros(where.shape, dtype=np.float32)
    values[where] = likelihoods
    claim.evidence = np.full(everywhere.shape, -np.inf, dtype=np.float32)
    np.copyto(claim.evidence[part], smoothed(values, where, SMOOTHING_PX), where=where)


def _motion_distance(
    claim: _Claim, flow: Flow, where: Bits, corner: tuple[int, int]
) -> NDArray[np.float32]:
    """How much otherwise than the claim's person each pixel moves.

    Args:
        where: bool [h, w], the pixels of the grid in question.
        corner: grid column and row of their top-left pixel.

    Returns:
        float32 [N], of each of them, in units, row by row.
    """
    surely = claim.owned > MIN_CLAIM_OWNERSHIP
    if np.count_nonzero(surely) < LEAST_CLAIM_PX:
        surely = claim.detected
    if np.count_nonzero(surely) >= LEAST_CLAIM_PX:
        own = cv2.mean(flow.vectors[_at(claim.box)], surely.view(np.uint8))[:2]
    else:  # hidden: they go on as they went
        own = -claim.track.velocity[0], -claim.track.velocity[1]
    unit = MOTION_UNIT_PX + MOTION_UNIT_SHARE * math.hypot(*own)
    (left, top), (height, width) = corner, where.shape
    there = _at((left, top, left + width, top + height))
    away = flow.vectors[there][where] - np.array(own, dtype=np.float32)
    distance = np.hypot(away[:, 0], away[:, 1]) / np.float32(unit)
    distance = np.minimum(distance, np.float32(MAX_MOTION_DISTANCE))
    return np.where(flow.reliable[there][where], distance, np.float32(UNKNOWN_MOTION_DISTANCE))


def _without_specks(bits: Bits) -> Bits:
    """Without what is narrower than `SPECK_PX`."""
    opened = cv2.morphologyEx(
        bits.astype(np.uint8), cv2.MORPH_OPEN, np.ones((SPECK_PX, SPECK_PX), np.uint8)
    )
    return np.asarray(opened, dtype=bool)


def _at(box: PixelBox) -> tuple[slice, slice]:
    return slice(box[1], box[3]), slice(box[0], box[2])
