"""What visitors choose from, and what they have chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from frontend.api_types import EffectName, JobState, ShapeName, SoundTreatment

SOUNDS: Final[tuple[SoundTreatment, ...]] = get_args(SoundTreatment)
EFFECTS: Final[tuple[EffectName, ...]] = get_args(EffectName)
SHAPES: Final[tuple[ShapeName, ...]] = get_args(ShapeName)
MAX_PICTURE_BYTES: Final = 512 * 1024
"""What the service takes as an effect's picture, a PNG file."""
WEAKEST, STRONGEST = 1.0, 8.0
"""What the service takes as an effect's strength."""
ACTIVE: Final[tuple[JobState, ...]] = ("queued", "running")
"""States of a job that hasn't ended."""


@dataclass(frozen=True)
class Effect:
    """What is drawn over people.

    Attributes:
        strength: of blur, mosaic and the blur of fill, from `WEAKEST` to `STRONGEST`.
        color: of the solid colour, and beneath a picture, #rrggbb.
        shape: what of a person is drawn over.
        picture: a PNG in base64; the service's answers leave it out.
    """

    name: EffectName = "blur"
    strength: float = WEAKEST
    color: str = "#202020"
    shape: ShapeName = "silhouette"
    picture: str | None = None
