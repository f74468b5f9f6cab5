"""How an audit looks. By default at other scales than the analysis did."""

from __future__ import annotations

from pydantic import Field

from bystander.config import Settings
from bystander.people.shots import ShotSettings


class AuditSettings(Settings):
    """How thoroughly a masked video is attacked."""

    compare_long_side: int = Field(
        default=960,
        ge=256,
        le=2048,
        description="longer side at which source and output are compared, never above their own",
    )
    people_long_side: int = Field(
        default=960,
        ge=256,
        le=2048,
        description="longer side at which people are looked for in the output",
    )
    source_long_side: int = Field(
        default=1280,
        ge=256,
        le=2048,
        description="the same in the source, mirrored; of seven people of a street whom no look of "
        "the analysis' size saw this one sees three",
    )
    face_long_side: int = Field(
        default=1920,
        ge=256,
        le=4096,
        description="longer side at which faces are looked for, never above the output's own",
    )
    every: int = Field(
        default=5,
        ge=1,
        le=100,
        description="networks look at every so manieth frame, and at those around each cut and "
        "at both ends; masks are compared in every frame",
    )
    confidence: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="least mean of a person's scores in output and mirrored source; a bag before a "
        "wall had 0.65 and 0.23",
    )
    face_confidence: float = Field(
        default=0.6, gt=0, lt=1, description="least score of a face in the output"
    )
    workers: int = Field(
        default=0, ge=0, le=64, description="frames looked at at once; 0 is one a core"
    )
    pictures: int = Field(default=12, ge=0, le=100, description="seconds shown in the report")
    shots: ShotSettings = ShotSettings()
