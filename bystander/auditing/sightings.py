"""Whom a stranger sees in the masked video: people and faces found in it by networks.

A network finds people behind masks, too: a mosaic in the shape of a person is one. So
what it finds counts only where the source's detail is still there, and where it sees
somebody in the source, too.
"""

from __future__ import annotations

from typing import Final

from bystander.auditing.findings import Finding, Kind, Severity, in_frame
from bystander.auditing.settings import AuditSettings
from bystander.auditing.views import Compared
from bystander.coordinates import DisplayBox
from bystander.instances import Box, Instance
from bystander.masks import Bits, iou
from bystander.models import Models
from bystander.models.faces import FaceModel

VISIBLE: Final = 0.6
"""Share of someone's detail that makes them visible: less is a hand or the edge of a mask."""
SAME: Final = 0.3
"""IoU with somebody of the source from which somebody of the output is really there."""
LEAST_PERSON: Final = 100
LEAST_FACE: Final = 40
"""Clear pixels (as compared) below which nobody could be made out."""


def visible_people(
    compared: Compared, models: Models, settings: AuditSettings, severity: Severity
) -> list[Finding]:
    """People in the output whom nothing hides."""
    if compared.view.people is None:
        return []
    source, picture = compared.view.people
    height, width = picture.shape[:2]
    scale = compared.size[0] / width
    (found,) = models.segmenter.segment([picture])
    signs: list[tuple[Instance, Finding]] = []
    for instance in found:
        if instance.score < settings.confidence:
            continue
        silhouette = compared.enlarged(instance.mask.on_grid(width, height))
        box = scaled(instance.box, scale)
        for sign in _sign(compared, silhouette, box, Kind.VISIBLE_PERSON, LEAST_PERSON, severity):
            signs.append((instance, sign))
    if not signs:
        return []
    # Between masks a network takes a chair for somebody. In the source it doesn't.
    (there,) = models.segmenter.segment([source])
    return [
        sign
        for instance, sign in signs
        if any(iou(instance.mask, other.mask) >= SAME for other in there)
    ]


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
        signs += _sign(compared, region, box, Kind.VISIBLE_FACE, LEAST_FACE, severity)
    return signs


def _sign(
    compared: Compared, region: Bits, box: DisplayBox, kind: Kind, least: int, severity: Severity
) -> list[Finding]:
    detailed, clear = compared.exposed(region)
    if clear < least or clear < VISIBLE * detailed:
        return []
    share = clear / detailed
    what = "a face" if kind is Kind.VISIBLE_FACE else "somebody"
    detail = f"{what} can be seen who isn't to be kept"
    if compared.allowed is None:
        detail = f"{what} can be seen; without a timeline it isn't known who may be"
    return [in_frame(kind, severity, compared.view.at, box, share, detail)]


def scaled(box: Box, scale: float) -> DisplayBox:
    """The box of a picture of which a pixel is `scale` display pixels wide and high."""
    x0, y0, x1, y1 = (value * scale for value in box)
    return DisplayBox((x0, y0, x1, y1))
