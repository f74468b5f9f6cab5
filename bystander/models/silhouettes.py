"""What a network proposes in a frame -> the people in it, each with the pixels that are theirs.

A decoder (`bystander.models.decoders`) says who may be there; what is done about several
proposals of one person, and about pixels that several claim, is the same for all networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bystander.config import Settings
from bystander.geometry.instances import Instance, box_area, box_iou
from bystander.geometry.masks import Bits, Mask, intersection
from bystander.geometry.types import Box
from bystander.models.letterbox import Letterbox, Stretch
from bystander.models.store import Variant

Floats = NDArray[np.float32]

LOGIT_STRIDE = 4  # input pixels per pixel of a silhouette's logits, of all networks here


class SegmenterSettings(Settings):
    """Which network looks, what counts as a person and as part of a silhouette."""

    variant: Variant = Field(
        default="float",
        description="of the network's file; int8 is faster on a CPU and finds a little less",
    )
    confidence: float = Field(
        default=0.1, gt=0, lt=1, description="least score; tracking decides about the doubtful"
    )
    nms_iou: float = Field(
        default=0.6, gt=0, lt=1, description="boxes that overlap more are one person's"
    )
    mask_threshold: float = Field(
        default=0.35, gt=0, lt=1, description="least probability of a silhouette's pixel"
    )
    max_instances: int = Field(default=300, ge=1, description="people in one frame")
    box_growth: float = Field(
        default=0.05, ge=0, le=1, description="how far limbs may reach out of the box, of its sides"
    )
    duplicate_containment: float = Field(
        default=0.85,
        gt=0,
        le=1,
        description="of two silhouettes, one lying in the other by this share may be one person",
    )
    duplicate_confidence: float = Field(
        default=0.5, ge=0, le=1, description="from this score on, the inner one is a person anyway"
    )
    duplicate_growth: float = Field(
        default=1.7, ge=1, description="how much larger the outer one may be if it is less certain"
    )
    overlap_margin: float = Field(
        default=1.0,
        ge=0,
        description="of two silhouettes that claim a pixel, the one whose logit is higher by this "
        "has it; otherwise it stays with both",
    )
    large_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="whose box covers more of the frame, and meets somebody else's, is looked at "
        "again at half the size: networks learn from smaller people; 1 never",
    )
    claim_confidence: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="instances below this score take no pixel from others: if tracking drops "
        "them, nothing is missing",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """The logits of one proposal's silhouette, at a quarter of the network's input's size.

    Attributes:
        height, width: of all of them.
        within: rows, columns -> float32 [h, w], those there. A network whose logits are a sum
            calculates no more of it than is asked for.
    """

    height: int
    width: int
    within: Callable[[slice, slice], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One proposal on the frame: its logits around its box, and the pixels it claims.

    Attributes:
        box: float32 [4] x0, y0, x1, y1 in the frame's pixels.
        x, y: the frame's pixel at the top left of the next two.
        logits: float32 [h, w], at the frame's size.
        claimed: bool [h, w].
    """

    box: Floats
    score: float
    x: int
    y: int
    logits: Floats
    claimed: Bits

    @property
    def mask(self) -> Mask:
        return Mask.from_frame(self.claimed, self.x, self.y)

    @property
    def corners(self) -> Box:
        """Those of the box."""
        x0, y0, x1, y1 = (float(value) for value in self.box)
        return x0, y0, x1, y1

    @property
    def region(self) -> tuple[slice, slice]:
        height, width = self.logits.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


def candidate_of(
    box: Floats,
    score: float,
    logits: Logits,
    fit: Letterbox | Stretch,
    settings: SegmenterSettings,
) -> Candidate:
    """A proposal's logits, brought to the frame's pixels in the surroundings of its box.

    Args:
        box: float32 [4] x0, y0, x1, y1 in the frame's pixels.
        fit: how the frame lies in the network's input.
    """
    limits = np.array(fit.frame * 2) - (1, 1, 0, 0)  # at least a pixel lies in the frame
    growth = settings.box_growth * np.tile(box[2:] - box[:2], 2) + 1
    x0, y0, x1, y1 = np.clip(np.round(box + growth * (-1, -1, 1, 1)), 0, limits).astype(int)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    across, down = (scale / LOGIT_STRIDE for scale in fit.scales)
    columns, u = _under(x0, x1, across, fit.left, logits.width)
    rows, v = _under(y0, y1, down, fit.top, logits.height)
    found = cv2.warpAffine(
        logits.within(rows, columns),
        np.array([[across, 0, u], [0, down, v]]),
        (int(x1 - x0), int(y1 - y0)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32, copy=False)
    claimed = _claimed(found, settings)
    if not claimed.any():
        # Somebody is there, and no silhouette: rather too much than nothing.
        claimed = np.ones_like(claimed)
    return Candidate(box, score, int(x0), int(y0), found, claimed)


def _claimed(logits: Floats, settings: SegmenterSettings) -> Bits:
    return logits >= math.log(settings.mask_threshold / (1 - settings.mask_threshold))


def _under(start: int, stop: int, scale: float, padding: int, count: int) -> tuple[slice, float]:
    """Which pixels of the logits interpolate the frame pixels from `start` to `stop` on one axis.

    Returns:
        Their slice, and where in it the centre of frame pixel `start` lies. Pixel centres
        are at .5, in the frame as in the logits.
    """
    offset = padding / LOGIT_STRIDE - 0.5
    first = (start + 0.5) * scale + offset
    last = (stop - 0.5) * scale + offset
    begin = min(max(0, math.floor(first)), count - 1)
    return slice(begin, min(math.floor(last) + 2, count)), first - begin


def in_close_contact(
    candidates: list[Candidate], size: tuple[int, int], settings: SegmenterSettings
) -> bool:
    """Whether somebody who fills much of a frame (width, height) touches somebody else: then a
    smaller look pays."""
    return any(
        other is not one
        and other.score >= settings.claim_confidence
        and box_iou(one.corners, other.corners) > 0
        for one in candidates
        if _is_large(one, size, settings)
        for other in candidates
    )


def _is_large(candidate: Candidate, size: tuple[int, int], settings: SegmenterSettings) -> bool:
    (x0, y0, x1, y1), (width, height) = candidate.corners, size
    # A box may reach out of the frame: with a share of 1 it would be large.
    within = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    return box_area(within) > settings.large_share * width * height


def refined(
    candidates: list[Candidate],
    smaller: list[Candidate],
    size: tuple[int, int],
    settings: SegmenterSettings,
) -> list[Candidate]:
    """Whoever is large, with the mean of their logits in both looks at a frame.

    Args:
        smaller: of the look at the smaller copy, in the frame's pixels.
        size: width, height of the frame.
    """
    result = []
    for candidate in candidates:
        if _is_large(candidate, size, settings):
            ious = [box_iou(candidate.corners, other.corners) for other in smaller]
            if max(ious, default=0.0) > settings.nms_iou:
                candidate = _averaged(candidate, smaller[int(np.argmax(ious))], settings)
        result.append(candidate)
    return result


def _averaged(candidate: Candidate, other: Candidate, settings: SegmenterSettings) -> Candidate:
    left, top = max(candidate.x, other.x), max(candidate.y, other.y)
    right = min(one.x + one.logits.shape[1] for one in (candidate, other))
    bottom = min(one.y + one.logits.shape[0] for one in (candidate, other))
    mine, theirs = (
        (slice(top - one.y, bottom - one.y), slice(left - one.x, right - one.x))
        for one in (candidate, other)
    )
    logits = candidate.logits.copy()
    logits[mine] = (logits[mine] + other.logits[theirs]) / 2
    claimed = _claimed(logits, settings)
    return replace(candidate, logits=logits, claimed=claimed) if claimed.any() else candidate


def instances_of(
    candidates: list[Candidate], size: tuple[int, int], settings: SegmenterSettings
) -> list[Instance]:
    """The people of a frame.

    Args:
        candidates: the most certain first; several may be of one person.
        size: width, height of the frame.
    """
    people = _without_duplicates(candidates, settings)
    return [_instance(candidate) for candidate in _shared_out(people, size, settings)]


def _without_duplicates(
    candidates: list[Candidate], settings: SegmenterSettings
) -> list[Candidate]:
    """Leave one candidate of each person, the largest of them with the best of their scores."""
    kept: list[tuple[Candidate, Mask]] = []
    for candidate in candidates:  # the most certain first
        mask = candidate.mask
        twins = (
            i for i, (_, other) in enumerate(kept) if _same_person(candidate, mask, other, settings)
        )
        twin = next(twins, None)
        if twin is None:
            kept.append((candidate, mask))
        elif mask.area > kept[twin][1].area:
            kept[twin] = replace(candidate, score=kept[twin][0].score), mask
    return [candidate for candidate, _ in kept]


def _same_person(
    candidate: Candidate, mask: Mask, certain_mask: Mask, settings: SegmenterSettings
) -> bool:
    """Whether `candidate` shows the person of a more certain one, or a part of that person.

    A child in front of an adult must not pass for a part of the adult. The limits were set
    by hand: in 40 frames of schoolgirls, against its true silhouettes, no two people's
    contained each other by more than 0.79, while second candidates of one person reached from
    0.5 to 1; below the limit a second candidate stays an instance of its own.
    """
    both = intersection(mask, certain_mask)
    if both == 0:
        return False
    area, certain_area = mask.area, certain_mask.area
    if both <= settings.duplicate_containment * min(area, certain_area):
        return False
    if area <= certain_area:
        return candidate.score < settings.duplicate_confidence
    return area <= settings.duplicate_growth * certain_area


def _shared_out(
    candidates: list[Candidate], size: tuple[int, int], settings: SegmenterSettings
) -> list[Candidate]:
    """Give each pixel that several claim to the one whose logit is clearly highest."""
    width, height = size
    highest = np.full((height, width), -np.inf, dtype=np.float32)
    for candidate in candidates:
        if candidate.score >= settings.claim_confidence:
            there = highest[candidate.region]
            np.maximum(there, candidate.logits, out=there, where=candidate.claimed)
    shared = []
    for candidate in candidates:
        own = candidate.claimed & (
            candidate.logits >= highest[candidate.region] - settings.overlap_margin
        )
        # Who would be left with nothing keeps all: an empty silhouette masks nobody.
        shared.append(replace(candidate, claimed=own) if own.any() else candidate)
    return shared


def _instance(candidate: Candidate) -> Instance:
    mask = candidate.mask
    x0, y0, x1, y1 = candidate.corners
    if mask.area:
        left, top, right, bottom = mask.box
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
    box: Box = (x0, y0, x1, y1)
    return Instance(box, candidate.score, mask)
