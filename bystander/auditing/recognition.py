"""Whether a face recogniser still knows those who are masked.

The attacker who is assumed knows where every face is, from the source: the same landmarks
cut the face out of source and output.
"""

from __future__ import annotations

from typing import Final

from bystander.auditing.findings import Finding, Kind, Severity, in_frame
from bystander.auditing.sightings import VISIBLE, is_kept, scaled
from bystander.auditing.views import Compared
from bystander.models.faces import FaceModel

BY_CHANCE: Final = 0.4
"""Above `same` by less, likeness is chance: a frame is compared with itself, in the same pose and
light. Masked faces of three clips reached 0.46, 0.58 and, once behind a mosaic encoded poorly,
0.72 against `same` of 0.42."""


def recognisable_faces(compared: Compared, faces: FaceModel) -> list[Finding]:
    """Masked faces that are recognised as those of the source, frame by frame."""
    if compared.view.details is None:
        return []
    source, output = compared.view.details
    scale = compared.size[0] / source.shape[1]
    found = []
    for face in faces.detect(source):
        region = compared.boxed(scaled(face.box, scale))
        if face.box[2] - face.box[0] < faces.min_face or is_kept(compared, region):
            continue
        detailed, clear = compared.likeness.counts(region)
        if clear < VISIBLE * detailed:
            found.append(face)
    before, after = faces.embed(source, found), faces.embed(output, found)
    at, detail = compared.view.at, "a face recogniser knows the face behind the mask"
    signs = []
    for face, one, other in zip(found, before, after, strict=True):
        likeness = float(one @ other)
        if likeness >= faces.thresholds.same + BY_CHANCE:
            box = scaled(face.box, scale)
            signs.append(
                in_frame(Kind.RECOGNISABLE, Severity.LEAK, at, box, likeness, detail, certain=False)
            )
    return signs
