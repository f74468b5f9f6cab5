"""output, source -> whom a stranger sees in the masked video: people and faces in it.

A network finds people behind masks, too: a mosaic in the shape of a person is one. So what it
finds counts only where the source's detail is still there, where nobody who is kept is, and
where a second look, at the source and mirrored, sees somebody too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bystander.auditing.findings import Finding, Kind, Severity, in_frame
from bystander.auditing.settings import AuditSettings
from bystander.auditing.views import Compared, Picture
from bystander.coordinates import DisplayBox
from bystander.instances import Box, Instance
from bystander.masks import Bits, Mask, iou
from bystander.models import Models, Segmenter
from bystander.models.faces import FaceModel

VISIBLE: Final = 0.6
"""Share of someone's detail that makes them visible: less is a hand or the edge of a mask."""
SAME: Final = 0.3
"""IoU with somebody of the source from which somebody of the output is really there."""
OWN: Final = 0.5
"""Share of a silhouette, or of a face's box, in the area of the kept that makes it theirs."""
AGREEING: Final = 0.25
"""Least score of the second look at somebody."""
CERTAIN: Final = 0.8
"""Scores from which a single frame is enough; below, another one has to show the same."""
LEAST_PERSON: Final = 100
LEAST_FACE: Final = 40
"""Clear pixels (as compared) below which nobody could be made out."""


def visible_people(
    compared: Compared, models: Models, settings: AuditSettings, severity: Severity
) -> list[Finding]:
    """People in the output whom nothing hides."""
    if compared.view.people is None:
        return []
    source, output = compared.view.people
    (seen,) = models.segmenter.segment([output])
    strangers, kept = _told_apart(compared, seen, output)
    likely = [instance for instance in strangers if instance.score >= settings.confidence]
    shown = [i for i in likely if _sign(compared, _outline(compared, i, output) & ~kept, severity)]
    if not shown:
        return []
    # Between masks a network takes a chair for somebody. In the source, mirrored, it doesn't.
    again = mirrored_look(models.segmenter, source)
    others, kept_too = _told_apart(compared, again, source)
    signs = []
    for instance in shown:
        agreed = [other.score for other in others if iou(instance.mask, other.mask) >= SAME]
        score = min(instance.score, max(agreed, default=0.0))
        if score < AGREEING:
            continue
        region = _outline(compared, instance, output) & ~kept & ~kept_too
        box = scaled(instance.box, compared.size[0] / output.shape[1])
        signs += _sign(compared, region, severity, box, score)
    return signs


def visible_faces(
    compared: Compared, faces: FaceModel, settings: AuditSettings, severity: Severity
) -> list[Finding]:
    """Faces in the output that nothing hides."""
    if compared.view.details is None:
        return []
    picture = compared.view.details[1]
    scale = compared.size[0] / picture.shape[1]
    signs = []
    for face in faces.detect(picture):
        if face.score < settings.face_confidence:
            continue
        box = scaled(face.box, scale)
        region = compared.boxed(box)
        if not is_kept(compared, region):
            signs += _sign(compared, region, severity, box, face.score, Kind.VISIBLE_FACE)
    return signs


def mirrored_look(segmenter: Segmenter, picture: Picture) -> list[Instance]:
    """The people of a picture (uint8 [H, W, 3] RGB) as the network sees them in a mirror."""
    (found,) = segmenter.segment([np.ascontiguousarray(picture[:, ::-1])])
    return [_mirrored(instance, picture.shape[1]) for instance in found]


def is_kept(compared: Compared, region: Bits) -> bool:
    """Whether a part of the frame, bool [H, W], is mostly one of those who are kept."""
    if compared.allowed is None:
        return False
    return bool(np.count_nonzero(region & compared.allowed) >= OWN * np.count_nonzero(region))


def scaled(box: Box, scale: float) -> DisplayBox:
    """The box of a picture of which a pixel is `scale` display pixels wide and high."""
    x0, y0, x1, y1 = (value * scale for value in box)
    return DisplayBox((x0, y0, x1, y1))


def _told_apart(
    compared: Compared, instances: Sequence[Instance], picture: Picture
) -> tuple[list[Instance], Bits]:
    """Those who aren't kept, and the silhouettes of those who are: bool [H, W] as compared."""
    strangers, kept = [], np.zeros(compared.likeness.clear.shape, dtype=bool)
    for instance in instances:
        outline = _outline(compared, instance, picture)
        if is_kept(compared, outline):
            kept |= outline
        else:
            strangers.append(instance)
    return strangers, kept


def _outline(compared: Compared, instance: Instance, picture: Picture) -> Bits:
    height, width = picture.shape[:2]
    return compared.enlarged(instance.mask.on_grid(width, height))


def _mirrored(instance: Instance, width: int) -> Instance:
    x0, y0, x1, y1 = instance.box
    mask = instance.mask
    left = width - mask.x - mask.bits.shape[1]
    flipped = Mask(left, mask.y, np.ascontiguousarray(mask.bits[:, ::-1]))
    return Instance((width - x1, y0, width - x0, y1), instance.score, flipped)


def _sign(
    compared: Compared,
    region: Bits,
    severity: Severity,
    box: DisplayBox | None = None,
    score: float = 0.0,
    kind: Kind = Kind.VISIBLE_PERSON,
) -> list[Finding]:
    """A finding about `region` (bool [H, W]) if enough of it shows; else none."""
    least = LEAST_FACE if kind is Kind.VISIBLE_FACE else LEAST_PERSON
    detailed, clear = compared.exposed(region)
    if clear < least or clear < VISIBLE * detailed:
        return []
    share = clear / detailed
    what = "a face" if kind is Kind.VISIBLE_FACE else "somebody"
    detail = f"{what} can be seen who isn't to be kept"
    if compared.allowed is None:
        detail = f"{what} can be seen; without a timeline it isn't known who may be"
    certain = score >= CERTAIN
    return [in_frame(kind, severity, compared.view.at, box, share, detail, certain=certain)]
