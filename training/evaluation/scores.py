"""From silhouettes to figures: each is a sum over images, so that images can be resampled."""

from __future__ import annotations

import contextlib
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bystander.geometry.instances import Instance, box_iou
from bystander.geometry.masks import Mask, intersection, iou
from bystander.geometry.types import Box
from bystander.models.segmenter import SegmenterSettings
from bystander.tracking.settings import TrackingSettings
from training.evaluation.metrics import (
    SAME_PERSON,
    Floats,
    Matching,
    Ranking,
    Ratio,
    boundary_iou,
    covered,
    interval,
    match,
    precision,
    size_of,
    uncovered,
)
from training.evaluation.truth import Scene

OPERATING: Final = TrackingSettings().new_track
"""The score from which the product takes a detection for a person not seen before."""

FLOOR: Final = SegmenterSettings().confidence
"""The score below which the product forgets a detection; tracking decides above."""

SENSITIVE: Final = 0.01
"""The score down to which average precision is measured."""

GROWTH: Final = 4
"""Pixels by which a plain masking would dilate, as in the figure for YOLO11n-seg that the
test clips come with."""

EXPOSED: Final = 0.05
"""Someone of whom more than this share is left uncovered may be recognised by it."""

_DETECTIONS: Final = 100  # of one image, as in COCO's evaluation

Parts = dict[str, tuple[float, float]]
"""By figure: what one image adds to what is divided, and to what it is divided by."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, with the middle 95 % of what resampled images would have given.

    Attributes:
        value: nan where nothing was measured, e.g. no such people.
        low, high: the interval.
        whole: what the figure is a share of, e.g. the people of a recall; nan if of nothing.
        change: candidate minus start network over the same images; None for the start.
    """

    value: float
    low: float
    high: float
    whole: float = math.nan
    change: Figure | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What one network did on one test set, before it is summed up.

    Attributes:
        ratios: figures that are sums over images divided by sums over images.
        rankings: one for each of COCO's ten IoUs from 0.5 up.
    """

    ratios: Mapping[str, Ratio]
    rankings: tuple[Ranking, ...]

    def curve(self) -> Floats:
        """The precision-recall curve at IoU 0.5: float64 [101]."""
        return precision(self.rankings[0], np.ones_like(self.rankings[0].people))

    def mistakes(self) -> Floats:
        """People missed and false positives of each image: float64 [N]."""
        recall, false = self.ratios["recall"], self.ratios["false_positives"]
        return recall.wholes - recall.parts + false.parts

    def figures(self, weights: Floats, start: Scores | None) -> dict[str, Figure]:
        """Every figure with its interval.

        Args:
            weights: the bootstrap's resamples, float64 [B, N].
            start: of the network to compare with, over the same images.
        """
        values, samples = self._values(weights)
        before, samples_before = start._values(weights) if start else ({}, {})
        figures = {}
        for name, value in values.items():
            change = None
            if name in before:
                spread = interval(samples[name] - samples_before[name])
                change = Figure(value - before[name], *spread)
            ratio = self.ratios.get(name)
            whole = float(ratio.wholes.sum()) if ratio else math.nan
            figures[name] = Figure(value, *interval(samples[name]), whole, change)
        return figures

    def _values(self, weights: Floats) -> tuple[dict[str, float], dict[str, Floats]]:
        """Each figure, and its value in each resample: float64 [B]."""
        once = np.ones((1, self.rankings[0].people.size))
        values, samples = self._samples(once), self._samples(weights)
        return {name: float(value[0]) for name, value in values.items()}, samples

    def _samples(self, weights: Floats) -> dict[str, Floats]:
        precisions = np.array(
            [[precision(ranking, row).mean() for ranking in self.rankings] for row in weights]
        )
        return {
            "ap50": precisions[:, 0],
            "ap": precisions.mean(axis=1),
            **{name: ratio.values(weights) for name, ratio in self.ratios.items()},
        }


class Tally:
    """Collects what one network found in the scenes of one test set, in their order."""

    def __init__(self) -> None:
        self._parts: list[Parts] = []
        self._images: list[dict[str, int]] = []
        self._truth: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(self, scene: Scene, found: Sequence[Instance], sensitive: Sequence[Instance]) -> None:
        """Args:
        found: by the product's own settings.
        sensitive: down to the score `SENSITIVE`.
        """
        number = len(self._parts) + 1
        width, height = scene.size
        self._images.append({"id": number, "width": width, "height": height})
        self._parts.append(parts_of(scene, found))
        people = [person.mask for person in scene.people]
        for crowd, masks in enumerate((people, scene.crowds)):
            for mask in masks:
                self._truth.append(
                    {
                        **_coded(mask, scene, number, len(self._truth) + 1),
                        "iscrowd": crowd,
                        "area": mask.area,
                    }
                )
        for instance in sensitive:
            coded = _coded(instance.mask, scene, number, len(self._found) + 1)
            self._found.append({**coded, "score": instance.score, "area": instance.mask.area})

    def scores(self) -> Scores:
        names = sorted({name for parts in self._parts for name in parts})
        sums = {
            name: np.array([parts.get(name, (0.0, 0.0)) for parts in self._parts]) for name in names
        }
        ratios = {name: Ratio(both[:, 0], both[:, 1]) for name, both in sums.items()}
        rankings = _rankings(self._images, self._truth, self._found)
        return Scores(ratios, tuple(rankings))


def operating(found: Sequence[Instance], confidence: float = OPERATING) -> list[Instance]:
    return [instance for instance in found if instance.score >= confidence]


def parts_of(scene: Scene, found: Sequence[Instance]) -> Parts:
    """What one scene adds to each figure.

    Args:
        found: by the product's own settings, down to `FLOOR`.
    """
    certain = operating(found)
    people = [person.mask for person in scene.people]
    matching = match(people, scene.crowds, certain)
    parts = dict(_recalls(scene, matching))
    boxed = _boxed(scene.boxes, [certain[index] for index in matching.false])
    parts["recall_boxes"] = float(boxed), float(len(scene.boxes))
    parts["false_positives"] = float(len(matching.false) - boxed), 1.0
    boundaries = [
        boundary_iou(people[true], certain[index].mask, *scene.size)
        for true, index in matching.pairs
    ]
    parts["boundary_iou"] = sum(boundaries), float(len(boundaries))
    parts.update(_oracle(people, found))
    for suffix, instances, growth in (
        ("", certain, 0),
        ("_grown", certain, GROWTH),
        ("_floor", found, 0),
        ("_floor_grown", found, GROWTH),
    ):
        cover = covered([instance.mask for instance in instances], *scene.size, growth)
        left = [uncovered(person, cover) for person in people]
        areas = [person.area for person in people]
        exposed = any(part > EXPOSED * area for part, area in zip(left, areas, strict=True))
        parts[f"missed{suffix}"] = float(sum(left)), float(sum(areas))
        parts[f"exposed{suffix}"] = float(exposed), 1.0
    return parts


def _boxed(boxes: Sequence[Box], found: Sequence[Instance]) -> int:
    """How many of `boxes` are somebody found, each by the most certain one that fits best."""
    free = list(boxes)
    for instance in sorted(found, key=lambda instance: -instance.score):
        best = max(free, key=lambda box: box_iou(box, instance.box), default=None)
        if best is not None and box_iou(best, instance.box) >= SAME_PERSON:
            free.remove(best)
    return len(boxes) - len(free)


def _oracle(people: Sequence[Mask], found: Sequence[Instance]) -> Parts:
    """What somebody who knows the truth could make of the silhouettes: the best one of each
    person. Tracking comes close to it where people are apart; who shares theirs with another
    person is drawn as one with them, and nothing later can tell the two apart.
    """
    chosen: list[int] = []
    overlaps, shares = 0.0, 0.0
    for person in people:
        fits = [iou(person, instance.mask) for instance in found]
        if not any(fits):
            continue
        best = int(np.argmax(fits))
        chosen.append(best)
        overlaps += fits[best]
        shares += intersection(person, found[best].mask) / person.area
    everybody = float(len(people))
    return {
        "oracle_iou": (overlaps, everybody),
        "oracle_covered": (shares, everybody),
        "drawn_as_one": (float(len(chosen) - len(set(chosen))), everybody),
    }


def _recalls(scene: Scene, matching: Matching) -> Iterator[tuple[str, tuple[float, float]]]:
    hits = {true for true, _ in matching.pairs}
    counts: dict[str, list[bool]] = defaultdict(list)
    counts["recall"] = []
    for index, person in enumerate(scene.people):
        for name in ("recall", f"recall_{size_of(person.mask)}", f"recall_{person.occlusion}"):
            counts[name].append(index in hits)
    for name, found in counts.items():
        yield name, (float(sum(found)), float(len(found)))


def _coded(mask: Mask, scene: Scene, image: int, key: int) -> dict[str, Any]:
    bits = np.asfortranarray(mask.on_grid(*scene.size), dtype=np.uint8)
    code = coco_masks.encode(bits)
    return {"id": key, "image_id": image, "category_id": 1, "segmentation": code}


def _rankings(
    images: list[dict[str, int]], truth: list[dict[str, Any]], found: list[dict[str, Any]]
) -> Iterator[Ranking]:
    """COCO's own matching, at each of its IoUs."""
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress by print
        evaluation = COCOeval(_indexed(images, truth), _indexed(images, found), iouType="segm")
        evaluation.params.maxDets = [_DETECTIONS]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
    seen = [entry for entry in evaluation.evalImgs if entry is not None]
    people = np.zeros(len(images))
    for entry in seen:
        people[entry["image_id"] - 1] = np.count_nonzero(np.logical_not(entry["gtIgnore"]))
    image = np.concatenate([[e["image_id"] - 1] * len(e["dtScores"]) for e in seen] or [[]])
    scores = np.concatenate([e["dtScores"] for e in seen] or [[]])
    order = np.argsort(-scores, kind="stable")
    for index in range(len(evaluation.params.iouThrs)):
        right = np.concatenate([e["dtMatches"][index] > 0 for e in seen] or [[]])
        counts = np.concatenate([~e["dtIgnore"][index].astype(bool) for e in seen] or [[]])
        ranked = order[counts.astype(bool)[order]]
        yield Ranking(image[ranked].astype(np.int64), right[ranked].astype(bool), people)


def _indexed(images: list[dict[str, int]], annotations: list[dict[str, Any]]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": images,
        "categories": [{"id": 1, "name": "person"}],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
