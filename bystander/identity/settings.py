"""How much evidence it takes to keep someone."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IdentitySettings(BaseModel):
    """How much evidence it takes to keep someone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(
        3, ge=1, le=20, description="Face samples that must agree. More is safer and keeps less."
    )
    spread: float = Field(
        0.3, ge=0, le=10, description="Seconds between the first and the last agreeing sample."
    )
    support: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A sample agrees when its similarity lies this far from 'different' (0) to "
        "'same' (1), the face model's two thresholds.",
    )
    mean: float = Field(
        0.7,
        ge=0,
        le=1,
        description="... and all samples together agree when their mean lies this far. Higher "
        "is safer and keeps less: on five clips with 71 strangers' photos, means of three and "
        "more samples of ArcFace reached 0.21 at most, this asks for 0.35.",
    )
    quality: float = Field(
        0.15, ge=0, le=1, description="Face samples below this quality say nothing."
    )
    faint_quality: float = Field(
        0.05,
        ge=0,
        le=1,
        description="... but where the photos have that quality themselves, samples from this "
        "quality on speak for the same person, profiles among them (docs/faces.md).",
    )
    margin: float = Field(
        1.5,
        ge=0,
        le=20,
        description="How much likelier than anybody else's (natural logarithm of the ratio) "
        "somebody's identity must be to keep them. 1.5 is 4.5 to 1. Higher is safer and keeps "
        "less.",
    )
