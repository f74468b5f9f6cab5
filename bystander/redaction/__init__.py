"""What is done to the pixels of masked people."""

from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.planes import Matrix, PixelFormat, Rotation, to_planar

__all__ = [
    "Compositor",
    "EffectSettings",
    "Matrix",
    "PixelFormat",
    "Region",
    "Rotation",
    "to_planar",
]
