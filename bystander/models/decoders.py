"""How each kind of network that finds people takes frames, and what its outputs say.

YOLO proposes boxes, each with a score per class and a few mask coefficients; a weighted sum of
its prototypes is the logit of the silhouette (YOLACT, Bolya et al. 2019). RF-DETR (Robinson et
al. 2025) answers a fixed number of queries, each with a box, a logit per class and the logits of
a silhouette.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from bystander.errors import ModelContract
from bystander.models.letterbox import Letterbox, Stretch
from bystander.models.sessions import Session, Tensor
from bystander.models.silhouettes import (
    LOGIT_STRIDE,
    Candidate,
    Floats,
    Logits,
    SegmenterSettings,
    candidate_of,
)

_BOX_VALUES: Final = 4  # the first channels of a proposal: centre x, centre y, width, height
_PERSON: Final = 0  # the class of people, in YOLO's COCO and in networks with that one class
_COEFFICIENTS: Final = 32
_MAX_PROPOSALS: Final = 1000  # more boxes than this are noise, and would make suppression slow
_END_TO_END: Final = _BOX_VALUES + 2 + _COEFFICIENTS  # with the score of a class, and its number

_DETR_OUTPUTS: Final = ("dets", "labels", "masks")
_COCO_SLOTS: Final = 91  # of classes: COCO's own numbers, with gaps
_COCO_PERSON: Final = 1
_MAX_LOGIT: Final = 88.0  # exp of more overflows a float32


class Decoder(Protocol):
    """What is particular to a kind of network."""

    def fit(self, width: int, height: int) -> Letterbox | Stretch:
        """How frames of this size, pixels, lie in the network's input."""
        ...

    def fit_half(self, width: int, height: int) -> Letterbox | None:
        """The same at half their size; None if the network takes pictures of one size."""
        ...

    def candidates(
        self, outputs: Sequence[Floats], fit: Letterbox | Stretch, settings: SegmenterSettings
    ) -> list[list[Candidate]]:
        """Who may be in each frame of a batch, the most certain first.

        Args:
            outputs: the network's, in its order.

        Raises:
            ModelContract: they aren't of the form that is expected.
        """
        ...


def decoder_of(session: Session) -> Decoder:
    """What can read the answers of a network.

    Raises:
        ModelContract: it isn't of a kind that is known here.
    """
    if len(session.inputs) != 1 or len(session.inputs[0].shape) != 4:
        raise _unknown("it doesn't take one batch of images")
    names = [output.name for output in session.outputs]
    if set(_DETR_OUTPUTS) <= set(names):
        return _RfDetr(session.inputs[0], [names.index(name) for name in _DETR_OUTPUTS])
    return _Yolo(session.inputs[0])


@dataclass(frozen=True, slots=True)
class _Yolo:
    """A YOLO segmentation export, of one class (person) or of COCO's 80.

    Its outputs are proposals [B, 4 + classes + 32, N] and prototypes [B, 32, H/4, W/4]. With an
    end-to-end head, or suppression built in, they are [B, N, 38]: corners, score, class and
    coefficients of those that are left.
    """

    input: Tensor

    def fit(self, width: int, height: int) -> Letterbox:
        _, _, canvas_height, canvas_width = self.input.shape
        if canvas_width and canvas_height:
            return Letterbox.into(width, height, canvas_width, canvas_height)
        return Letterbox.around(width, height)

    def fit_half(self, width: int, height: int) -> Letterbox | None:
        if any(self.input.shape[2:]):
            return None
        return Letterbox.into(width, height, *Letterbox.around(width // 2, height // 2).canvas)

    def candidates(
        self, outputs: Sequence[Floats], fit: Letterbox | Stretch, settings: SegmenterSettings
    ) -> list[list[Candidate]]:
        assert isinstance(fit, Letterbox)
        proposals, prototypes = _check_yolo(outputs, fit)
        likely = _end_to_end if proposals.shape[2] == _END_TO_END else _raw
        return [
            self._of_frame(likely(*pair, fit, settings), pair[1], fit, settings)
            for pair in zip(proposals, prototypes, strict=True)
        ]

    def _of_frame(
        self,
        likely: tuple[Floats, Floats, Floats],
        prototypes: Floats,
        fit: Letterbox,
        settings: SegmenterSettings,
    ) -> list[Candidate]:
        """Decode one frame: `likely` as `_raw` gives them, prototypes [32, H/4, W/4]."""
        return [
            candidate_of(box, float(score), _weighted(prototypes, weights), fit, settings)
            for box, score, weights in zip(*likely, strict=True)
        ]


def _weighted(prototypes: Floats, weights: Floats) -> Logits:
    _, height, width = prototypes.shape
    # einsum and not BLAS: as fast on idle cores, and steady on busy ones, where OpenBLAS's
    # threads were seen to wait for each other.
    return Logits(
        height,
        width,
        lambda rows, columns: np.einsum("n,nhw->hw", weights, prototypes[:, rows, columns]),
    )


def _raw(
    proposals: Floats, prototypes: Floats, fit: Letterbox, settings: SegmenterSettings
) -> tuple[Floats, Floats, Floats]:
    """Boxes [n, 4] in frame pixels, scores [n] and coefficients [n, 32] of the likely people."""
    scores = _numbers(proposals[_BOX_VALUES + _PERSON])
    likely = np.flatnonzero(scores >= settings.confidence)
    scores = scores[likely]
    best = np.argsort(-scores, kind="stable")[:_MAX_PROPOSALS]
    likely, scores = likely[best], scores[best]
    boxes = _numbers(fit.to_frame(_corners(proposals[:_BOX_VALUES, likely])))
    kept = suppress(boxes, settings.nms_iou)[: settings.max_instances]
    return boxes[kept], scores[kept], proposals[-len(prototypes) :, likely[kept]].T


def _end_to_end(
    proposals: Floats, prototypes: Floats, fit: Letterbox, settings: SegmenterSettings
) -> tuple[Floats, Floats, Floats]:
    """As `_raw`, of [N, 38]; nothing is suppressed, the network has done it."""
    scores, classes = _numbers(proposals[:, _BOX_VALUES : _BOX_VALUES + 2]).T
    likely = np.flatnonzero((scores >= settings.confidence) & (np.round(classes) == _PERSON))
    kept = likely[np.argsort(-scores[likely], kind="stable")][: settings.max_instances]
    boxes = _numbers(fit.to_frame(proposals[kept, :_BOX_VALUES]))
    return boxes, scores[kept], proposals[kept, -len(prototypes) :]


def _check_yolo(outputs: Sequence[Floats], fit: Letterbox) -> tuple[Floats, Floats]:
    """Proposals and prototypes, see `_Yolo`, or ModelContract."""
    if [output.ndim for output in outputs] != [3, 4]:
        raise _unknown(f"its outputs have the shapes {[output.shape for output in outputs]}")
    proposals, prototypes = outputs
    width, height = fit.canvas
    anchors = sum((width // stride) * (height // stride) for stride in (8, 16, 32))
    classes = proposals.shape[1] - _BOX_VALUES - prototypes.shape[1]
    raw = proposals.shape[2] == anchors and classes in (1, 80)
    ended = proposals.shape[2] == _END_TO_END and prototypes.shape[1] == _COEFFICIENTS
    if not raw and not ended:
        raise _unknown(f"its proposals have the shape {proposals.shape}")
    if prototypes.shape[2:] != (height // LOGIT_STRIDE, width // LOGIT_STRIDE):
        raise _unknown(f"its prototypes have the shape {prototypes.shape}")
    return proposals, prototypes


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


@dataclass(frozen=True, slots=True)
class _RfDetr:
    """An RF-DETR-Seg export: `dets` [B, Q, 4] centres and sizes as shares of the input's sides,
    `labels` [B, Q, C] and `masks` [B, Q, H/4, W/4] logits.

    With COCO's 91 classes a person is number 1. A network that was fine-tuned has its own, the
    last one background: person has to be the first.

    Nothing is suppressed: each query answers for one person, and two whose boxes overlap are two.
    """

    input: Tensor
    order: Sequence[int]

    def fit(self, width: int, height: int) -> Stretch:
        _, _, canvas_height, canvas_width = self.input.shape
        if not canvas_width or not canvas_height:
            raise _unknown("an RF-DETR takes pictures of one size")
        return Stretch((width, height), (canvas_width, canvas_height))

    def fit_half(self, width: int, height: int) -> Letterbox | None:
        return None

    def candidates(
        self, outputs: Sequence[Floats], fit: Letterbox | Stretch, settings: SegmenterSettings
    ) -> list[list[Candidate]]:
        boxes, labels, masks = _check_detr([outputs[at] for at in self.order], fit)
        person = _COCO_PERSON if labels.shape[2] == _COCO_SLOTS else _PERSON
        logits = np.clip(_numbers(labels[:, :, person]), -_MAX_LOGIT, _MAX_LOGIT)
        return [
            self._of_frame(*frame, fit, settings)
            for frame in zip(boxes, 1 / (1 + np.exp(-logits)), masks, strict=True)
        ]

    def _of_frame(
        self,
        boxes: Floats,
        scores: Floats,
        masks: Floats,
        fit: Letterbox | Stretch,
        settings: SegmenterSettings,
    ) -> list[Candidate]:
        """Decode one frame: boxes [Q, 4], scores [Q] from 0 to 1, masks [Q, H/4, W/4] logits."""
        best = np.argsort(-scores, kind="stable")[: settings.max_instances]
        kept = best[scores[best] >= settings.confidence]
        corners = _numbers(_corners(boxes[kept].T)) * np.array(fit.frame * 2, dtype=np.float32)
        return [
            candidate_of(box, float(scores[query]), _plane(masks[query]), fit, settings)
            for box, query in zip(corners, kept, strict=True)
        ]


def _plane(mask: Floats) -> Logits:
    height, width = mask.shape
    return Logits(height, width, lambda rows, columns: np.ascontiguousarray(mask[rows, columns]))


def _check_detr(
    outputs: Sequence[Floats], fit: Letterbox | Stretch
) -> tuple[Floats, Floats, Floats]:
    """Boxes, labels and masks, see `_RfDetr`, or ModelContract."""
    boxes, labels, masks = outputs
    width, height = fit.canvas
    queries = boxes.shape[:2]
    if (
        boxes.shape != (*queries, _BOX_VALUES)
        or labels.ndim != 3
        or labels.shape[:2] != queries
        or labels.shape[2] < 2
        or masks.shape != (*queries, height // LOGIT_STRIDE, width // LOGIT_STRIDE)
    ):
        shapes = dict(zip(_DETR_OUTPUTS, (output.shape for output in outputs), strict=True))
        raise _unknown(f"its outputs have the shapes {shapes}")
    return boxes, labels, masks


def _numbers(values: Floats) -> Floats:
    """`values`, if they are numbers: of a broken network's nobody would be found, or masked."""
    if not np.isfinite(values).all():
        raise ModelContract(
            "the network that finds people answers infinities or no numbers",
            "Run it in fp32 (--precision fp32), or get it again.",
        )
    return values


def _corners(boxes: Floats) -> Floats:
    """[4, N] centre x, centre y, width, height to [N, 4] x0, y0, x1, y1."""
    centres, halves = boxes[:2].T, boxes[2:].T / 2
    return np.concatenate((centres - halves, centres + halves), axis=1)


def _unknown(why: str) -> ModelContract:
    return ModelContract(
        f"this network is neither a YOLO nor an RF-DETR segmentation export: {why}",
        "Export a YOLO-seg with 1 or COCO's 80 classes, or an RF-DETR-Seg (docs/networks.md).",
    )
