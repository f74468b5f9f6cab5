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

from bystander.auditing.findings import Finding, Kind, Severity, in_frame
from bystander.auditing.settings import AuditSettings
from bystander.auditing.views import Compared, Picture
from bystander.coordinates import DisplayBox
from bystander.instances import Box, Face, Instance
from bystander.masks import Bits, Mask
from bystander.models import Segmenter
from bystander.models.faces import FaceModel

VISIBLE: Final = 0.6
"""Share of someone's detail that makes them visible: less is a hand or the edge of a mask."""
SAME: Final = 0.3
"""IoU of two silhouettes, one from each picture, from which they are one person's."""
OWN: Final = 0.5
"""Share of a silhouette, or of a face's box, in the area of the kept that makes it theirs."""
CERTAIN: Final = 0.8
"""Scores from which a single frame is enough; below, another one has to show the same."""
SURE: Final = 0.65
"""Mean score of both looks at somebody in the area of the kept: less may be a part of them."""
PART: Final = 0.3
"""Share of the smaller of two silhouettes in the other from which they may be one person's."""
LEAST_PERSON: Final = 100
LEAST_FACE: Final = 40
"""Clear pixels (as compared) below which nobody could be made out."""
BY_CHANCE: Final = 0.4
"""Above `same` by less, likeness is chance: a frame is compared with itself, in the same pose and
light. Masked faces of three clips reached 0.46, 0.58 and, once behind a mosaic encoded poorly,
0.72 against `same` of 0.42."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
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
    compared: Compared, segmenter: Segmenter, settings: AuditSettings, severity: Severity
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


def _beside_kept(compared: Compared, people: Sequence[_Seen]) -> list[_Seen]:
    """Where more people show in the area of the kept than are kept: all of them, else none.

    A kept silhouette that swallows a stranger shows two.
    """
    kept = compared.view.kept
    if kept is None:
        return []
    sure = [seen for seen in people if seen.kept and seen.score >= SURE and _shows(compared, seen)]
    apart: list[_Seen] = []
    for seen in sorted(sure, key=lambda seen: -np.count_nonzero(seen.outline)):
        if not any(_shared(seen.outline, other.outline) >= PART for other in apart):
            apart.append(seen)
    return apart if len(apart) > kept.people else []


def _of_crowd(
    compared: Compared, crowd: Sequence[_Seen], second: Sequence[_Seen], severity: Severity
) -> list[Finding]:
    """A finding about a crowd in the area of the kept, if the second look sees it, too.

    Its box is around all of them: who of them is kept isn't told here.
    """
    agreed = [seen.box for seen in crowd if _agreement(seen, second) >= SURE]
    if compared.view.kept is None or len(agreed) <= compared.view.kept.people:
        return []
    x0, y0 = (min(box[side] for box in agreed) for side in (0, 1))
    x1, y1 = (max(box[side] for box in agreed) for side in (2, 3))
    at, box = compared.view.at, DisplayBox((x0, y0, x1, y1))
    detail = "more people can be seen here than are to be kept"
    return [in_frame(Kind.VISIBLE_PERSON, severity, at, box, 1.0, detail, certain=False)]


def _agreement(seen: _Seen, others: Iterable[_Seen]) -> float:
    """Mean score of both looks at somebody; 0 where the other one sees nobody there."""
    twins = [other.score for other in others if _iou(other.outline, seen.outline) >= SAME]
    return (seen.score + max(twins)) / 2 if twins else 0.0


def _shows(compared: Compared, seen: _Seen) -> bool:
    detailed, clear = compared.likeness.counts(seen.outline)
    return clear >= max(LEAST_PERSON, VISIBLE * detailed)


def _shared(a: Bits, b: Bits) -> float:
    smaller = min(np.count_nonzero(a), np.count_nonzero(b))
    return np.count_nonzero(a & b) / smaller if smaller else 0.0


def visible_faces(
    compared: Compared, faces: FaceModel, settings: AuditSettings, severity: Severity
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
        if clear < VISIBLE * detailed:
            hidden.append(face)
        elif face.score >= settings.face_confidence:
            seen = _Seen(box, face.score, region, kept=False)
            signs += _sign(compared, seen, region, severity, face.score, Kind.VISIBLE_FACE)
    if compared.view.in_source and compared.allowed is not None:
        signs += _recognisable(compared, faces, hidden)
    return signs


def scaled(box: Box, scale: float) -> DisplayBox:
    """The box of a picture of which a pixel is `scale` display pixels wide and high."""
    x0, y0, x1, y1 = (value * scale for value in box)
    return DisplayBox((x0, y0, x1, y1))


def _recognisable(compared: Compared, faces: FaceModel, hidden: Sequence[Face]) -> list[Finding]:
    assert compared.view.details is not None
    source, output = compared.view.details
    large = [face for face in hidden if face.box[2] - face.box[0] >= faces.min_face]
    before, after = faces.embed(source, large), faces.embed(output, large)
    scale, at = compared.size[0] / source.shape[1], compared.view.at
    detail = "a face recogniser knows the face behind the mask"
    return [
        in_frame(
            Kind.RECOGNISABLE,
            Severity.LEAK,
            at,
            scaled(face.box, scale),
            float(one @ other),
            detail,
            certain=False,
        )
        for face, one, other in zip(large, before, after, strict=True)
        if float(one @ other) >= faces.thresholds.same + BY_CHANCE
    ]


def _as_it_is(compared: Compared, segmenter: Segmenter) -> list[_Seen]:
    """Everybody in the output."""
    assert compared.view.people is not None
    picture = compared.view.people[1]
    (found,) = segmenter.segment([picture])
    return [_seen(compared, instance, picture) for instance in found]


def _in_mirror(compared: Compared, segmenter: Segmenter) -> list[_Seen]:
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


def _seen(compared: Compared, instance: Instance, picture: Picture) -> _Seen:
    height, width = picture.shape[:2]
    outline = compared.enlarged(instance.mask.on_grid(width, height))
    box = scaled(instance.box, compared.size[0] / width)
    return _Seen(box, instance.score, outline, _is_kept(compared, outline))


def _is_kept(compared: Compared, region: Bits) -> bool:
    """Whether a part of the frame, bool [H, W], is mostly one of those who are kept."""
    if compared.allowed is None:
        return False
    return bool(np.count_nonzero(region & compared.allowed) >= OWN * np.count_nonzero(region))


def _together(compared: Compared, people: Iterator[_Seen]) -> Bits:
    bits = np.zeros(compared.likeness.clear.shape, dtype=bool)
    for seen in people:
        bits |= seen.outline
    return bits


def _iou(a: Bits, b: Bits) -> float:
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def _sign(
    compared: Compared,
    seen: _Seen,
    region: Bits,
    severity: Severity,
    score: float = 0.0,
    kind: Kind = Kind.VISIBLE_PERSON,
) -> list[Finding]:
    """A finding about somebody if enough of `region` (bool [H, W]) shows; else none."""
    least = LEAST_FACE if kind is Kind.VISIBLE_FACE else LEAST_PERSON
    detailed, clear = compared.exposed(region)
    if clear < least or clear < VISIBLE * detailed:
        return []
    what = "a face" if kind is Kind.VISIBLE_FACE else "somebody"
    detail = f"{what} can be seen who isn't to be kept"
    if compared.allowed is None:
        detail = f"{what} can be seen; without a timeline it isn't known who may be"
    certain = score >= CERTAIN
    share = clear / detailed
    return [in_frame(kind, severity, compared.view.at, seen.box, share, detail, certain=certain)]
