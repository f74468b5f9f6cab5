"""Detections of keyframes -> detections of the frames between, where both sides agree.

The network needn't look at every frame: what it found in two keyframes is moved to a frame between
them by optical flow, from before and from after. Where the two agree on everyone's silhouette,
that is what stands there; where they don't (somebody comes in, crosses, turns, or flow is lost) the
network looks at that frame as well, and it becomes a keyframe for the frames beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from bystander.geometry.instances import Instance, as_boxes, box_areas, overlaps
from bystander.geometry.masks import Bits, Mask, iou, union
from bystander.tracking.frames import AnalysisFrame
from bystander.tracking.motion import REACH_PX, Grey, Warp, Window, grey
from bystander.tracking.settings import KeyframeSettings

MIN_WEIGHT: Final = 0.5
"""Of a silhouette moved by flow, from which on a pixel is in it."""
MIN_PAIR_IOU: Final = 0.5
"""Two silhouettes that overlap by less aren't the same person's."""


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A frame that the network has looked at.

    Attributes:
        index: number of the frame in the video.
        picture: of it, see `bystander.tracking.motion.grey`.
        instances: everyone found.
    """

    index: int
    picture: Grey
    instances: Sequence[Instance]


def fill(
    before: Keyframe | None,
    views: Sequence[AnalysisFrame],
    after: Keyframe,
    look: Callable[[AnalysisFrame], list[Instance]],
    settings: KeyframeSettings,
) -> list[list[Instance]]:
    """Everyone in each frame between two keyframes of one shot.

    Args:
        before, after: the keyframes; without one before, the network looks at every frame.
        views: all frames between.
        look: the network.
    """
    if not views:
        return []
    middle = len(views) // 2
    found = between(before, after, views[middle], settings) if before is not None else None
    if found is None:
        view = views[middle]
        key = Keyframe(view.index, grey(view.grid), look(view))
        return [
            *fill(before, views[:middle], key, look, settings),
            list(key.instances),
            *fill(key, views[middle + 1 :], after, look, settings),
        ]
    assert before is not None
    result = []
    for view in views:
        there = found if view is views[middle] else between(before, after, view, settings)
        result.append(look(view) if there is None else there)
    return result


def between(
    before: Keyframe, after: Keyframe, view: AnalysisFrame, settings: KeyframeSettings
) -> list[Instance] | None:
    """Everyone in a frame between two keyframes of one shot; None where those disagree."""
    if _somebody_is_alone(before, after, settings) or _somebody_is_alone(after, before, settings):
        return None
    now = grey(view.grid)
    sides = []
    for key in (before, after):
        reach = REACH_PX * abs(view.index - key.index)
        warp = Warp.between(now, key.picture, view.size) if key.instances else None
        sides.append([_moved(instance, warp, reach) for instance in key.instances])
    share = (view.index - before.index) / (after.index - before.index)
    pairs = _pairs(*sides)
    result = []
    for i, j in pairs:
        a, b = before.instances[i], after.instances[j]
        if max(a.score, b.score) >= settings.score and not _agree(
            sides[0][i], sides[1][j], settings
        ):
            return None
        result.append(_joined(a, b, sides[0][i], sides[1][j], share))
    matched = {i for i, _ in pairs}, {j for _, j in pairs}
    for key, masks, known in zip((before, after), sides, matched, strict=True):
        for number, instance in enumerate(key.instances):
            if number in known:
                continue
            if instance.score >= settings.lone_score:
                return None
            if masks[number].area:
                box = as_boxes([masks[number].box])[0]
                result.append(Instance(tuple(box), instance.score, masks[number]))
    return sorted(result, key=lambda instance: -instance.score)


def _somebody_is_alone(here: Keyframe, there: Keyframe, settings: KeyframeSettings) -> bool:
    """Whether one side surely shows somebody and the other nobody near: known without flow."""
    sure = as_boxes(i.box for i in here.instances if i.score >= settings.lone_score)
    reach = np.array([-1, -1, 1, 1]) * REACH_PX * abs(here.index - there.index)
    near = overlaps(sure + reach, as_boxes(i.box for i in there.instances))
    return bool((~near.any(axis=1)).any())


def _moved(instance: Instance, warp: Warp | None, reach: int) -> Mask:
    """The silhouette where it is in the frame that `warp` begins in."""
    if warp is None or not instance.mask.area:
        return Mask(0, 0, np.zeros((0, 0), dtype=bool))
    mask = instance.mask.clipped(*warp.grid)
    moved = warp.moved(Window(mask.x, mask.y, mask.bits.astype(np.float32)), reach)
    if moved is None:
        return Mask(0, 0, np.zeros((0, 0), dtype=bool))
    return Mask.from_frame(moved.weights >= MIN_WEIGHT, moved.x, moved.y)


def _pairs(first: Sequence[Mask], second: Sequence[Mask]) -> list[tuple[int, int]]:
    """Who of both sides is the same person: each one's best match, best ones first."""
    a, b = as_boxes(mask.box for mask in first), as_boxes(mask.box for mask in second)
    both = overlaps(a, b)
    bound = both / np.maximum(np.minimum(box_areas(a)[:, None], box_areas(b)[None]), 1)
    found = []
    for i, j in zip(*(bound >= MIN_PAIR_IOU).nonzero(), strict=True):
        overlap = iou(first[i], second[j])
        if overlap >= MIN_PAIR_IOU:
            found.append((overlap, int(i), int(j)))
    pairs: list[tuple[int, int]] = []
    left, right = set(), set()
    for _, i, j in sorted(found, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if i not in left and j not in right:
            pairs.append((i, j))
            left.add(i)
            right.add(j)
    return sorted(pairs)


def _agree(a: Mask, b: Mask, settings: KeyframeSettings) -> bool:
    """Whether either silhouette lies within the other, grown by the tolerance."""
    margin = settings.tolerance
    x0, y0 = min(a.x, b.x) - margin, min(a.y, b.y) - margin
    x1, y1 = max(a.box[2], b.box[2]) + margin, max(a.box[3], b.box[3]) + margin
    box = (x0, y0, x1, y1)
    one, other = a.on_window(box), b.on_window(box)
    return _share_within(one, other, settings) and _share_within(other, one, settings)


def _share_within(inner: Bits, outer: Bits, settings: KeyframeSettings) -> bool:
    side = 2 * settings.tolerance + 1
    grown = cv2.dilate(outer.view(np.uint8), np.ones((side, side), np.uint8)).view(bool)
    within = int(np.count_nonzero(inner & grown))
    return within >= settings.agreement * int(np.count_nonzero(inner))


def _joined(before: Instance, after: Instance, a: Mask, b: Mask, share: float) -> Instance:
    """One person of both sides: whatever either shows of them."""
    mask = union((a, b))
    x0, y0, x1, y1 = (p + share * (q - p) for p, q in zip(before.box, after.box, strict=True))
    if mask.area:
        left, top, right, bottom = mask.box
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
    score = before.score + share * (after.score - before.score)
    return Instance((x0, y0, x1, y1), score, mask)
