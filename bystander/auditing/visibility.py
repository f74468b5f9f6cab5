"""output, source -> whom a stranger sees in the masked video: people and faces in it.

A network finds people behind masks, too (a mosaic in the shape of a person is one), and between
them it takes a bag for somebody; and whom it misses in one picture it sees in another. So looks
go to the output and to the source, mirrored and larger, by turns. What one finds counts only
where the source's detail is still in the output, where no kept person is, and where the other
picture shows somebody too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bystander.auditing.findings import AuditSettings, Finding, FindingKind, Severity, in_frame
from bystander.auditing.pairs import FrameComparison
from bystander.geometry.coordinates import DisplayBox
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Bits, Mask
from bystander.geometry.types import Box, Rgb
from bystander.models import Segmenter
from bystander.models.face_model import FaceModel

MIN_VISIBLE_SHARE: Final = 0.6
"""Share of someone's detail that makes them visible: less is a hand or the edge of a mask."""
MIN_SAME_PERSON_IOU: Final = 0.3
"""IoU of two silhouettes, one from each picture, from which they are one person's."""
MIN_OWN_SHARE: Final = 0.5
"""Share of a silhouette, or of a face's box, in the area of the kept that makes it theirs."""
CERTAIN_SCORE: Final = 0.8
"""Scores from which a single frame is enough; below, another one has to show the same."""
MIN_MEAN_SCORE: Final = 0.65
"""Mean score of both looks at somebody in the area of the kept: less may be a part of them."""
MIN_PART_SHARE: Final = 0.3
"""Share of the smaller of two silhouettes in the other from which they may be one person's."""
MIN_PERSON_PIXELS: Final = 100
MIN_FACE_PIXELS: Final = 40
"""Clear pixels (as compared) below which nobody could be made out."""
CHANCE_SIMILARITY_MARGIN: Final = 0.4
"""Above `same` by less, likeness is chance: a frame is compared with itself, in the same pose and
light. Masked faces of three clips reached 0.46, 0.58 and, once behind a mosaic encoded poorly,
0.72 against `same` of 0.42."""


@dataclass(frozen=True, slots=True, eq=False)
class _Detected:
    """Somebody in one of the two pictures.

    Attributes:
        outline: bool [H, W] as compared.
        kept: they are among those who may be seen.
    """

    box: DisplayBox
    score: float
    outline: Bits
    kept: bool


def visible_people(
    compared: FrameComparison, segmenter: Segmenter, settings: AuditSettings, severity: Severity
) -> list[Finding]:
    """People in the output whom nothing hides."""
    view = compared.view
    if view.people is None:
        return []
    looks = [_in_mirror, _as_it_is] if view.in_source else [_as_it_is, _in_mirror]
    first = looks[0](compared, segmenter)
    crowd = _beside_kept(compared, first)
    kept = _together(compared, (seen for seen in first if seen.kept))
    # The second look only answers for somebody: mostly it needn't be taken.
    likely = [
        seen
        for seen in first
        if not seen.kept
        and (seen.score + 1) / 2 >= settings.confidence
        and _sign(compared, seen, seen.outline & ~kept, severity)
    ]
    if not likely and not crowd:
        return []
    second = looks[1](compared, segmenter)
    signs = _of_crowd(compared, crowd, second, severity)
    kept |= _together(compared, (seen for seen in second if seen.kept))
    for seen in likely:
        both = _agreement(seen, (twin for twin in second if not twin.kept))
        if both >= settings.confidence:
            signs += _sign(compared, seen, seen.outline & ~kept, severity, both)
    return signs


def _beside_kept(compared: FrameComparison, people: Sequence[_Detected]) -> list[_Detected]:
    """Where more people show in the area of the kept than are kept: all of them, else none.

    A kept silhouette that swallows a stranger shows two.
    """
    kept = compared.view.kept
    if kept is None:
        return []
    sure = [
        seen
        for seen in people
        if seen.kept and seen.score >= MIN_MEAN_SCORE and _shows(compared, seen)
    ]
    apart: list[_Detected] = []
    for seen in sorted(sure, key=lambda seen: -np.count_nonzero(seen.outline)):
        if not any(_shared(seen.outline, other.outline) >= MIN_PART_SHARE for other in apart):
            apart.append(seen)
    return apart if len(apart) > kept.people else []


def _of_crowd(
    compared: FrameComparison,
    crowd: Sequence[_Detected],
    second: Sequence[_Detected],
    severity: Severity,
) -> list[Finding]:
    """A finding about a crowd in the area of the kept, if the second look sees it, too.

    Its box is around all of them: who of them is kept isn't told here.
    """
    agreed = [seen.box for seen in crowd if _agreement(seen, second) >= MIN_MEAN_SCORE]
    if compared.view.kept is None or len(agreed) <= compared.view.kept.people:
        return []
    x0, y0 = (min(box[side] for box in agreed) for side in (0, 1))
    x1, y1 = (max(box[side] for box in agreed) for side in (2, 3))
    at, box = compared.view.at, DisplayBox((x0, y0, x1, y1))
    detail = "more people can be seen here than are to be kept"
    return [in_frame(FindingKind.VISIBLE_PERSON, severity, at, box, 1.0, detail, certain=False)]


def _agreement(seen: _Detected, others: Iterable[_Detected]) -> float:
    """Mean score of both looks at somebody; 0 where the other one sees nobody there."""
    twins = [
        other.score for other in others if _iou(other.outline, seen.outline) >= MIN_SAME_PERSON_IOU
    ]
    return (seen.score + max(twins)) / 2 if twins else 0.0


def _shows(compared: FrameComparison, seen: _Detected) -> bool:
    detailed, clear = compared.likeness.counts(seen.outline)
    return clear >= max(MIN_PERSON_PIXELS, MIN_VISIBLE_SHARE * detailed)


def _shared(a: Bits, b: Bits) -> float:
    smaller = min(np.count_nonzero(a), np.count_nonzero(b))
    return np.count_nonzero(a & b) / smaller if smaller else 0.0


def visible_faces(
    compared: FrameComparison, faces: FaceModel, settings: AuditSettings, severity: Severity
) -> list[Finding]:
    """Faces that nothing hides, and those that a recogniser still knows.

    For the latter the attacker who is assumed knows where every face is, from the source: the
    same landmarks cut the face out of source and output.
    """
    if compared.view.details is None:
        return []
    picture = compared.view.details[0 if compared.view.in_source else 1]
    scale = compared.size[0] / picture.shape[1]
    signs, hidden = [], []
    for face in faces.detect(picture):
        box = scaled(face.box, scale)
        region = compared.boxed(box)
        if _is_kept(compared, region):
            continue
        detailed, clear = compared.likeness.counts(region)
        if clear < MIN_VISIBLE_SHARE * detailed:
            hidden.append(face)
        elif face.score >= settings.face_confidence:
            seen = _Detected(box, face.score, region, kept=False)
            signs += _sign(compared, seen, region, severity, face.score, FindingKind.VISIBLE_FACE)
    if compared.view.in_source and compared.allowed is not None:
        signs += _recognisable(compared, faces, hidden)
    return signs


def scaled(box: Box, scale: float) -> DisplayBox:
    """The box of a picture of which a pixel is `scale` display pixels wide and high."""
    x0, y0, x1, y1 = (value * scale for value in box)
    return DisplayBox((x0, y0, x1, y1))


def _recognisable(
    compared: FrameComparison, faces: FaceModel, hidden: Sequence[Face]
) -> list[Finding]:
    assert compared.view.details is not None
    source, output = compared.view.details
    large = [face for face in hidden if face.box[2] - face.box[0] >= faces.min_face]
    before, after = faces.embed(source, large), faces.embed(output, large)
    scale, at = compared.size[0] / source.shape[1], compared.view.at
    detail = "a face recogniser knows the face behind the mask"
    return [
        in_frame(
            FindingKind.RECOGNISABLE,
            Severity.LEAK,
            at,
            scaled(face.box, scale),
            float(one @ other),
            detail,
            certain=False,
        )
        for face, one, other in zip(large, before, after, strict=True)
        if float(one @ other) >= faces.thresholds.same + CHANCE_SIMILARITY_MARGIN
    ]


def _as_it_is(compared: FrameComparison, segmenter: Segmenter) -> list[_Detected]:
    """Everybody in the output."""
    assert compared.view.people is not None
    picture = compared.view.people[1]
    (found,) = segmenter.segment([picture])
    return [_seen(compared, instance, picture) for instance in found]


def _in_mirror(compared: FrameComparison, segmenter: Segmenter) -> list[_Detected]:
    """Everybody in the source, as the network sees them in a mirror."""
    assert compared.view.people is not None
    picture = compared.view.people[0]
    (found,) = segmenter.segment([np.ascontiguousarray(picture[:, ::-1])])
    width = picture.shape[1]
    return [_seen(compared, _mirrored(instance, width), picture) for instance in found]


def _mirrored(instance: Instance, width: int) -> Instance:
    x0, y0, x1, y1 = instance.box
    mask = instance.mask
    left = width - mask.x - mask.bits.shape[1]
    flipped = Mask(left, mask.y, np.ascontiguousarray(mask.bits[:, ::-1]))
    return Instance((width - x1, y0, width - x0, y1), instance.score, flipped)


def _seen(compared: FrameComparison, instance: Instance, picture: Rgb) -> _Detected:
    height, width = picture.shape[:2]
    outline = compared.enlarged(instance.mask.on_grid(width, height))
    box = scaled(instance.box, compared.size[0] / width)
    return _Detected(box, instance.score, outline, _is_kept(compared, outline))


def _is_kept(compared: FrameComparison, region: Bits) -> bool:
    """Whether a part of the frame, bool [H, W], is mostly one of those who are kept."""
    if compared.allowed is None:
        return False
    return bool(
        np.count_nonzero(region & compared.allowed) >= MIN_OWN_SHARE * np.count_nonzero(region)
    )


def _together(compared: FrameComparison, people: Iterator[_Detected]) -> Bits:
    bits = np.zeros(compared.likeness.clear.shape, dtype=bool)
    for seen in people:
        bits |= seen.outline
    return bits


def _iou(a: Bits, b: Bits) -> float:
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def _sign(
    compared: FrameComparison,
    seen: _Detected,
    region: Bits,
    severity: Severity,
    score: float = 0.0,
    kind: FindingKind = FindingKind.VISIBLE_PERSON,
) -> list[Finding]:
    """A finding about somebody if enough of `region` (bool [H, W]) shows; else none."""
    least = MIN_FACE_PIXELS if kind is FindingKind.VISIBLE_FACE else MIN_PERSON_PIXELS
    detailed, clear = compared.exposed(region)
    if clear < least or clear < MIN_VISIBLE_SHARE * detailed:
        return []
    what = "a face" if kind is FindingKind.VISIBLE_FACE else "somebody"
    detail = f"{what} can be seen who isn't to be kept"
    if compared.allowed is None:
        detail = f"{what} can be seen; without a timeline it isn't known who may be"
    certain = score >= CERTAIN_SCORE
    share = clear / detailed
    return [in_frame(kind, severity, compared.view.at, seen.box, share, detail, certain=certain)]
