"""Whether everyone whom the timeline masks is masked, and well enough.

It needs no network, so that it also finds what no network would: one frame without a
mask, a mask that lies beside its person, a blur that leaves too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from bystander.auditing.findings import Finding, Kind, Severity, in_frame
from bystander.auditing.likeness import Likeness, compare_softly, detail_kept, luma
from bystander.auditing.views import Compared
from bystander.instances import Box
from bystander.masks import Bits, Mask
from bystander.people.vocabulary import Decision, FrameRecord, Sighting, Tracklet
from bystander.redaction.effects import EffectSettings, cell_size

UNMASKED: Final = 0.06
"""Share of someone's detail that may be clear at most. In hamilton, masked well by each of
the effects, the worst was 0.043. A mask moved by 15 % exceeds it only where what it uncovers
has detail and no other mask lies over it."""
LEAST_CLEAR: Final = 60
"""Clear pixels (as compared) below which there is nothing to see."""
UNMASKED_SOFT: Final = 0.15
"""The same for soft detail, which is more often alike by chance: the worst was 0.08, and
somebody left out in the dark showed 0.24 and more."""
LEAST_SOFT: Final = 50
"""The same where soft detail is compared, at half the size."""
WEAK: Final = 0.5
"""Share of the detail finer than a cell that may be left: the mosaic leaves 0.39 at most."""
BESIDE_KEPT: Final = 3
"""Grid pixels around those who are kept that count as theirs: hair, and what they hold."""


def allowed(record: FrameRecord, tracklets: Mapping[int, Tracklet], grid: tuple[int, int]) -> Bits:
    """Where somebody may be seen who is kept: bool [H, W] over the grid."""
    bits = np.zeros(grid[::-1], dtype=bool)
    for sighting in record.sightings:
        if tracklets[sighting.tracklet].decision_at(record.index) is Decision.KEEP:
            sighting.mask.grown(BESIDE_KEPT).paste(bits)
    return bits


def masked_badly(
    compared: Compared, tracklets: Mapping[int, Tracklet], grid: tuple[int, int]
) -> list[Finding]:
    """Everyone masked by the timeline of whom the output shows too much."""
    record = compared.view.record
    if record is None:
        return []
    source, output = luma(compared.view.source), luma(compared.view.output)
    soft = compare_softly(source, output)
    signs = []
    for sighting in record.sightings:
        tracklet = tracklets[sighting.tracklet]
        if tracklet.decision_at(record.index) is not Decision.MASK:
            continue
        mask = sighting.mask.clipped(*grid)
        if mask.area == 0:
            continue
        region = _within(mask, grid, compared.likeness)
        if not region.any():
            continue
        fine_share = _clear_share(compared.likeness, region, LEAST_CLEAR)
        soft_share = _clear_share(soft, _within(mask, grid, soft), LEAST_SOFT)
        if fine_share >= UNMASKED or soft_share >= UNMASKED_SOFT:
            share = max(fine_share, soft_share)
            detail = "somebody whom the timeline masks is not, or only partly, masked"
            signs.append(_sign(Kind.UNMASKED, compared, sighting, grid, share, detail))
            continue
        rows, columns = _around(region)
        cell = _promised_cell(tracklet, mask, compared, grid)
        part = source[rows, columns], output[rows, columns], region[rows, columns]
        kept = detail_kept(*part, cell / compared.scale)
        if kept is not None and kept >= WEAK:
            detail = "the mask leaves more detail than the weakest effect should"
            signs.append(_sign(Kind.WEAK_MASK, compared, sighting, grid, min(kept, 1.0), detail))
    return signs


def _within(mask: Mask, grid: tuple[int, int], likeness: Likeness) -> Bits:
    """The silhouette's pixels as compared: bool [H, W].

    What grid and comparison round differently along its edge is left out.
    """
    height, width = likeness.clear.shape
    bits = mask.on_grid(*grid).view(np.uint8)
    scaled = cv2.resize(bits, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.erode(scaled, np.ones((3, 3), np.uint8)).astype(bool)


def _clear_share(likeness: Likeness, region: Bits, least: int) -> float:
    """Share of the detail under `region` that is clear; 0 for fewer than `least` pixels."""
    detailed, clear = likeness.counts(region)
    return clear / detailed if clear >= least else 0.0


def _sign(
    kind: Kind,
    compared: Compared,
    sighting: Sighting,
    grid: tuple[int, int],
    share: float,
    detail: str,
) -> Finding:
    box, who = box_in_video(sighting.box, compared.size, grid), f"t{sighting.tracklet}"
    return in_frame(kind, Severity.LEAK, compared.view.at, box, share, detail, who)


def box_in_video(box: Box, size: tuple[int, int], grid: tuple[int, int]) -> Box:
    """A box from grid pixels to pixels of the displayed video."""
    across, down = size[0] / grid[0], size[1] / grid[1]
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def _promised_cell(
    tracklet: Tracklet, mask: Mask, compared: Compared, grid: tuple[int, int]
) -> int:
    """The side of the cells that the weakest effect draws over this person, source pixels."""
    x0, y0, x1, y1 = box_in_video(mask.box, compared.size, grid)
    cut_off = mask.box[0] <= 0 or mask.box[2] >= grid[0]
    height = max(tracklet.height, y1 - y0)
    return cell_size(EffectSettings(), height, x1 - x0, tracklet.face, cut_off)


def _around(region: Bits) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
