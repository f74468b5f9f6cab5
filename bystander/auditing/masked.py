"""Whether everyone whom the timeline masks is masked, and well enough.

It needs no network, so that it also finds what no network would: one frame without a
mask, a mask that lies beside its person, a blur that leaves too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from bystander.auditing.findings import Finding, FindingKind, Severity, in_frame
from bystander.auditing.likeness import (
    MIN_DETAIL_GREY_LEVELS,
    Likeness,
    Luma,
    compare_softly,
    detail_kept,
    luma,
)
from bystander.auditing.pairs import FrameComparison
from bystander.auditing.redrawn import MIN_SOURCE_EVIDENCE, Redrawer, showing
from bystander.choices import EffectName
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.masks import Bits, Mask, resized
from bystander.redaction.effects import EffectSettings, cell_size
from bystander.redaction.regions import drawn
from bystander.timeline.types import Sighting, Tracklet

MAX_CLEAR_SHARE: Final = 0.06
"""Share of someone's detail that may be clear at most. In hamilton, masked well by each of
the effects, the worst was 0.043. A mask moved by 15 % exceeds it only where what it uncovers
has detail and no other mask lies over it."""
MIN_CLEAR_PIXELS: Final = 60
"""Clear pixels (as compared) below which there is nothing to see."""
MAX_CLEAR_SOFT_SHARE: Final = 0.15
"""The same for soft detail, which is more often alike by chance: the worst was 0.08, and
somebody left out in the dark showed 0.24 and more."""
MIN_SOFT_PIXELS: Final = 50
"""The same where soft detail is compared, at half the size."""
MAX_LEFT_OUT_SHARE: Final = 0.3
"""The same for both, where what was drawn is known and explains the output."""
MAX_FINE_DETAIL_SHARE: Final = 0.5
"""Share of the detail finer than a cell that may be left: the mosaic leaves 0.39 at most."""
MAX_CELL_DETAIL_SHARE: Final = 0.2
"""Share of the detail within the cells that may be left: the default blur leaves 0.09 at most, a
blur of a third of a cell 0.4 and more."""
MIN_CELL_PIXELS: Final = 600
"""Pixels of the video in a silhouette from which that can be told."""
CERTAIN_PX: Final = 64
"""Pixels of the video that show from which one frame is enough: of fewer, a window's size, poor
encoders repeat in single frames."""
PARTLY: Final = "somebody who is to be masked is not, or only partly"
TOO_WEAK: Final = "the mask leaves more detail than the weakest effect should"


def masked_badly(
    compared: FrameComparison,
    tracklets: Mapping[int, Tracklet],
    grid: tuple[int, int],
    redrawing: Redrawer | None = None,
    mosaic: Redrawer | None = None,
) -> list[Finding]:
    """Everyone masked by the timeline of whom the output shows too much.

    Args:
        compared: the frame.
        tracklets: by their ids.
        grid: width, height of the analysis grid.
        redrawing: draws the frame as it should look, where the effect is known.
        mosaic: draws it with the default mosaic, where the effect isn't known.
    """
    record, plan = compared.view.record, compared.view.plan
    if record is None:
        return []
    evidence = redrawing.evidence(plan) if redrawing and plan else None
    beyond = mosaic.beyond(plan) if mosaic and plan else None
    source, output = luma(compared.view.source), luma(compared.view.output)
    soft = compare_softly(source, output)
    # Where a guess masks nobody, what is filled in is the source itself: only the drawing tells.
    filled = redrawing is not None and redrawing.effect.name is EffectName.FILL
    signs: list[Finding | None] = []
    for sighting in drawn(record, tracklets).masked:
        tracklet = tracklets[sighting.tracklet]
        mask = sighting.mask.clipped(*grid)
        if mask.area == 0:
            continue
        if filled and evidence is not None:
            signs.append(_shows(compared, sighting, mask.on_grid(*grid), evidence))
            continue
        region = _within(mask, grid, compared.likeness.clear.shape)
        cell = _promised_cell(tracklet, mask, compared, grid) / compared.scale
        signs.append(
            _shows(compared, sighting, mask.on_grid(*grid), evidence)
            or _is_clear(compared, sighting, grid, soft, evidence is not None)
            or _is_weak(compared, sighting, grid, region, (source, output), cell)
            or _is_finer(compared, sighting, grid, beyond)
        )
    return [sign for sign in signs if sign is not None]


def _shows(
    compared: FrameComparison, sighting: Sighting, silhouette: Bits, evidence: Luma | None
) -> Finding | None:
    """Somebody who looks more like the source than like what was to be drawn."""
    if evidence is None:
        return None
    height, width = evidence.shape
    within = resized(silhouette, (width, height))
    place = showing(evidence, within)
    if place is None:
        return None
    box = GridTransform(compared.size, (width, height)).to_display(place)
    shows = evidence[within] >= MIN_SOURCE_EVIDENCE
    share, certain = float(np.mean(shows)), bool(np.count_nonzero(shows) >= CERTAIN_PX)
    return in_frame(
        FindingKind.UNMASKED,
        Severity.LEAK,
        compared.view.at,
        box,
        share,
        PARTLY,
        f"t{sighting.tracklet}",
        certain,
    )


def _is_clear(
    compared: FrameComparison,
    sighting: Sighting,
    grid: tuple[int, int],
    soft: Likeness,
    drawing_known: bool,
) -> Finding | None:
    """Somebody whose detail, sharp or soft, is still there.

    Where the drawing is known, only those who weren't drawn over at all: it has told already
    who shows in part, and some detail is always alike by chance.
    """
    share, soft_share = (
        _clear_share(likeness, _own(compared, sighting.mask, grid, likeness.clear.shape), least)
        for likeness, least in ((compared.likeness, MIN_CLEAR_PIXELS), (soft, MIN_SOFT_PIXELS))
    )
    least = (
        (MAX_LEFT_OUT_SHARE, MAX_LEFT_OUT_SHARE)
        if drawing_known
        else (MAX_CLEAR_SHARE, MAX_CLEAR_SOFT_SHARE)
    )
    if share < least[0] and soft_share < least[1]:
        return None
    return _sign(FindingKind.UNMASKED, compared, sighting, grid, max(share, soft_share), PARTLY)


def _is_weak(
    compared: FrameComparison,
    sighting: Sighting,
    grid: tuple[int, int],
    region: Mask,
    pictures: tuple[Luma, Luma],
    cell: float,
) -> Finding | None:
    """Somebody behind cells that are too small."""
    if not region.area:
        return None
    x0, y0, x1, y1 = region.box
    source, output = (picture[y0:y1, x0:x1] for picture in pictures)
    kept = detail_kept(source, output, region.bits, cell)
    if kept is None or kept < MAX_FINE_DETAIL_SHARE:
        return None
    return _sign(FindingKind.WEAK_MASK, compared, sighting, grid, min(kept, 1.0), TOO_WEAK)


def _is_finer(
    compared: FrameComparison,
    sighting: Sighting,
    grid: tuple[int, int],
    beyond: tuple[Luma, Luma] | None,
) -> Finding | None:
    """Somebody of whom more is left than the means of cells, behind an unknown effect."""
    if beyond is None:
        return None
    height, width = beyond[0].shape
    within = resized(sighting.mask.on_grid(*grid), (width, height))
    source, output = (part[within] for part in beyond)
    energy = float(source @ source)
    if source.size < MIN_CELL_PIXELS or energy < MIN_DETAIL_GREY_LEVELS**2 * source.size:
        return None
    kept = float(source @ output) / energy
    if kept < MAX_CELL_DETAIL_SHARE:
        return None
    return _sign(FindingKind.WEAK_MASK, compared, sighting, grid, min(kept, 1.0), TOO_WEAK)


def _within(mask: Mask, grid: tuple[int, int], shape: tuple[int, int]) -> Mask:
    """The silhouette in a comparison of `shape` = (H, W) pixels.

    What grid and comparison round differently along its edge is left out.
    """
    height, width = shape
    rows = np.arange(height) * grid[1] // height
    columns = np.arange(width) * grid[0] // width
    x0, y0, x1, y1 = mask.clipped(*grid).box
    # One pixel more on each side is outside the silhouette; beyond the picture nothing is.
    top, bottom = max(0, int(np.searchsorted(rows, y0)) - 1), int(np.searchsorted(rows, y1)) + 1
    left, right = (
        max(0, int(np.searchsorted(columns, x0)) - 1),
        int(np.searchsorted(columns, x1)) + 1,
    )
    around = np.pad(mask.clipped(*grid).bits, 1)
    inside = around[
        np.ix_(
            np.clip(rows[top:bottom] - y0 + 1, 0, around.shape[0] - 1),
            np.clip(columns[left:right] - x0 + 1, 0, around.shape[1] - 1),
        )
    ]
    eroded = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8))
    return Mask.from_frame(eroded.astype(bool), left, top)


def _own(
    compared: FrameComparison, mask: Mask, grid: tuple[int, int], shape: tuple[int, int]
) -> Mask:
    """As `_within`, without what is in the area of the kept: it may well be clear."""
    region = _within(mask, grid, shape)
    if compared.allowed is None:
        return region
    allowed = resized(compared.allowed, (shape[1], shape[0]))
    x0, y0, x1, y1 = region.box
    return Mask(x0, y0, region.bits & ~allowed[y0:y1, x0:x1])


def _clear_share(likeness: Likeness, region: Mask, least: int) -> float:
    """Share of the detail under `region` that is clear; 0 for fewer than `least` pixels."""
    detailed, clear = likeness.counts(region.bits, region.x, region.y)
    return clear / detailed if clear >= least else 0.0


def _sign(
    kind: FindingKind,
    compared: FrameComparison,
    sighting: Sighting,
    grid: tuple[int, int],
    share: float,
    detail: str,
) -> Finding:
    box = GridTransform(compared.size, grid).to_display(sighting.mask.clipped(*grid).box)
    who = f"t{sighting.tracklet}"
    return in_frame(kind, Severity.LEAK, compared.view.at, box, share, detail, who)


def _promised_cell(
    tracklet: Tracklet, mask: Mask, compared: FrameComparison, grid: tuple[int, int]
) -> int:
    """The least side of the cells that the weakest effect draws over this person, display
    pixels."""
    x0, y0, x1, y1 = GridTransform(compared.size, grid).to_display(mask.box)
    cut_off = mask.box[0] <= 0 or mask.box[2] >= grid[0]
    height = max(tracklet.height, y1 - y0)
    return cell_size(EffectSettings(), height, x1 - x0, tracklet.face, cut_off)
