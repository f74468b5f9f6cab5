"""Silhouettes of the people in a frame, from any YOLO segmentation network.

Such a network proposes boxes, each with a score per class and a few mask
coefficients; a weighted sum of its prototypes at a quarter of the input's size is
the logit of the silhouette (YOLACT, Bolya et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bystander.config import Settings
from bystander.errors import ModelContract
from bystander.geometry.instances import Instance
from bystander.geometry.masks import Bits, Mask, intersection
from bystander.geometry.types import Box, Rgb
from bystander.models.letterbox import Letterbox
from bystander.models.sessions import Session
from bystander.models.store import Variant

Floats = NDArray[np.float32]

_BOX_VALUES = 4  # the first channels of a proposal: centre x, centre y, width, height
_PERSON_CLASS = 0  # the class of people, in COCO and in networks with that one class
_PROTOTYPE_STRIDE = 4  # input pixels per prototype pixel
_USUAL_SIZE_PX = (360, 640)  # height, width of 16:9 at analysis size
_MAX_PROPOSALS = 1000  # more boxes than this are noise, and would make suppression slow


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
    claim_confidence: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="instances below this score take no pixel from others: if tracking drops "
        "them, nothing is missing",
    )


def analysis_size(width: int, height: int, long_side: int = 640) -> tuple[int, int]:
    """The size at which a video of `width` x `height` is analysed.

    Returns:
        width, height: even, of the same aspect, the longer one `long_side`.
    """
    scale = long_side / max(width, height)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


class PersonSegmenter:
    """Finds people and their silhouettes.

    Args:
        session: a YOLO segmentation export, of one class (person) or of COCO's 80, of
            dynamic or fixed size and batch.
        settings: what counts as a person.

    Raises:
        ModelContract: the session holds something else.
    """

    def __init__(self, session: Session, settings: SegmenterSettings | None = None) -> None:
        self._session = session
        self._settings = settings or SegmenterSettings()
        if len(session.inputs) != 1 or len(session.inputs[0].shape) != 4:
            raise _no_yolo("it doesn't take one batch of images")
        self._input = session.inputs[0].name
        self._batch, _, self._height, self._width = session.inputs[0].shape
        # A first run here: a wrong network fails when it is opened, not in the middle of
        # a video, and the first frame isn't slower than the others: OpenVINO compiles for each
        # size, and most videos are analysed at this one.
        self.segment([np.zeros((*_USUAL_SIZE_PX, 3), dtype=np.uint8)])

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        """The people in each frame, the most certain first.

        Args:
            frames: uint8 [H, W, 3] RGB at analysis size, all of one size.

        Returns:
            For each frame its instances, in the frame's pixels.
        """
        step = self._batch or len(frames)
        found: list[list[Instance]] = []
        for start in range(0, len(frames), step or 1):
            found += self._segment_batch(frames[start : start + step])
        return found

    def _segment_batch(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        letterbox = self._letterbox(frames[0])
        blob = letterbox.blob(frames)
        if self._batch and len(frames) < self._batch:
            blob = np.pad(blob, ((0, self._batch - len(frames)), (0, 0), (0, 0), (0, 0)))
        outputs = self._session.run({self._input: blob})
        proposals, prototypes = _check_outputs(outputs, letterbox)
        return [
            self._instances(*pair, letterbox)
            for pair in zip(proposals[: len(frames)], prototypes[: len(frames)], strict=True)
        ]

    def _letterbox(self, frame: Rgb) -> Letterbox:
        height, width = frame.shape[:2]
        if self._width and self._height:
            return Letterbox.into(width, height, self._width, self._height)
        return Letterbox.around(width, height)

    def _instances(
        self, proposals: Floats, prototypes: Floats, letterbox: Letterbox
    ) -> list[Instance]:
        """Decode one frame: proposals [4 + classes + n, N], prototypes [n, h, w]."""
        settings = self._settings
        likely = np.flatnonzero(proposals[_BOX_VALUES + _PERSON_CLASS] >= settings.confidence)
        scores = proposals[_BOX_VALUES + _PERSON_CLASS, likely]
        best = np.argsort(-scores, kind="stable")[:_MAX_PROPOSALS]
        likely, scores = likely[best], scores[best]
        boxes = letterbox.to_frame(_corners(proposals[:_BOX_VALUES, likely]))
        kept = suppress(boxes, settings.nms_iou)[: settings.max_instances]
        coefficients = proposals[-len(prototypes) :, likely[kept]].T
        candidates = [
            _decode(box, float(score), weights, prototypes, letterbox, settings)
            for box, score, weights in zip(boxes[kept], scores[kept], coefficients, strict=True)
        ]
        candidates = _without_duplicates(candidates, settings)
        return [
            _instance(candidate) for candidate in _shared_out(candidates, letterbox.frame, settings)
        ]


def suppress(boxes: Floats, iou: float) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: float32 [N, 4] x0, y0, x1, y1, the most certain first.
        iou: boxes that overlap a kept one by more are dropped.

    Returns:
        Indices of the boxes kept, the most certain first.
    """
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while left.size:
        first, left = left[0], left[1:]
        kept.append(int(first))
        corner = np.maximum(boxes[first, :2], boxes[left, :2])
        sides = np.maximum(0, np.minimum(boxes[first, 2:], boxes[left, 2:]) - corner)
        both = sides[:, 0] * sides[:, 1]
        left = left[both <= iou * (areas[first] + areas[left] - both)]
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class _Proposal:
    """One proposal on the frame: its logits around its box, and the pixels it claims."""

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
    def region(self) -> tuple[slice, slice]:
        height, width = self.logits.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


def _check_outputs(outputs: list[Floats], letterbox: Letterbox) -> tuple[Floats, Floats]:
    """Proposals [B, 4 + classes + n, N] and prototypes [B, n, H/4, W/4], or ModelContract."""
    if [output.ndim for output in outputs] != [3, 4]:
        raise _no_yolo(f"its outputs have the shapes {[output.shape for output in outputs]}")
    proposals, prototypes = outputs
    width, height = letterbox.canvas
    anchors = sum((width // stride) * (height // stride) for stride in (8, 16, 32))
    classes = proposals.shape[1] - _BOX_VALUES - prototypes.shape[1]
    if proposals.shape[2] != anchors or classes not in (1, 80):
        raise _no_yolo(f"its proposals have the shape {proposals.shape}")
    if prototypes.shape[2:] != (height // _PROTOTYPE_STRIDE, width // _PROTOTYPE_STRIDE):
        raise _no_yolo(f"its prototypes have the shape {prototypes.shape}")
    return proposals, prototypes


def _no_yolo(why: str) -> ModelContract:
    return ModelContract(
        f"this network is no YOLO segmentation export: {why}",
        "Export with training/, with 1 or 80 classes and without built-in suppression.",
    )


def _corners(boxes: Floats) -> Floats:
    """[4, N] centre x, centre y, width, height to [N, 4] x0, y0, x1, y1."""
    centres, halves = boxes[:2].T, boxes[2:].T / 2
    return np.concatenate((centres - halves, centres + halves), axis=1)


def _decode(
    box: Floats,
    score: float,
    weights: Floats,
    prototypes: Floats,
    letterbox: Letterbox,
    settings: SegmenterSettings,
) -> _Proposal:
    """The logits of one proposal, in frame pixels, in the surroundings of its box."""
    limits = np.array(letterbox.frame * 2)
    growth = settings.box_growth * np.tile(box[2:] - box[:2], 2) + 1
    x0, y0, x1, y1 = np.clip(np.round(box + growth * (-1, -1, 1, 1)), 0, limits).astype(int)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    scale = letterbox.scale / _PROTOTYPE_STRIDE
    columns, u = _prototypes_under(x0, x1, scale, letterbox.left, prototypes.shape[2])
    rows, v = _prototypes_under(y0, y1, scale, letterbox.top, prototypes.shape[1])
    # einsum and not BLAS: as fast on idle cores, and steady on busy ones, where OpenBLAS's
    # threads were seen to wait for each other.
    logits = np.einsum("n,nhw->hw", weights, prototypes[:, rows, columns])
    logits = cv2.warpAffine(
        logits,
        np.array([[scale, 0, u], [0, scale, v]]),
        (int(x1 - x0), int(y1 - y0)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32, copy=False)
    claimed = logits >= math.log(settings.mask_threshold / (1 - settings.mask_threshold))
    if not claimed.any():
        # Somebody is there, and no silhouette: rather too much than nothing.
        claimed = np.ones_like(claimed)
    return _Proposal(box, score, int(x0), int(y0), logits, claimed)


def _prototypes_under(
    start: int, stop: int, scale: float, padding: int, count: int
) -> tuple[slice, float]:
    """Which prototype pixels interpolate the frame pixels from `start` to `stop` on one axis.

    Returns:
        Their slice, and where in it the centre of frame pixel `start` lies. Pixel centres
        are at .5, in the frame as in the prototypes.
    """
    offset = padding / _PROTOTYPE_STRIDE - 0.5
    first = (start + 0.5) * scale + offset
    last = (stop - 0.5) * scale + offset
    begin = min(max(0, math.floor(first)), count - 1)
    return slice(begin, min(math.floor(last) + 2, count)), first - begin


def _without_duplicates(
    candidates: list[_Proposal], settings: SegmenterSettings
) -> list[_Proposal]:
    """Leave one candidate of each person, the largest of them with the best of their scores."""
    kept: list[tuple[_Proposal, Mask]] = []
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
    candidate: _Proposal, mask: Mask, certain_mask: Mask, settings: SegmenterSettings
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
    candidates: list[_Proposal], size: tuple[int, int], settings: SegmenterSettings
) -> list[_Proposal]:
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


def _instance(candidate: _Proposal) -> Instance:
    mask = candidate.mask
    x0, y0, x1, y1 = (float(v) for v in candidate.box)
    if mask.area:
        left, top, right, bottom = mask.box
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
    box: Box = (x0, y0, x1, y1)
    return Instance(box, candidate.score, mask)
