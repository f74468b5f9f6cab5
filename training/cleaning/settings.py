"""What cleaning takes for wrong. The report shows what each limit finds."""

from __future__ import annotations

from pydantic import Field

from bystander.config import Settings


class CleaningSettings(Settings):
    """Limits of the checks; lengths and areas are in pixels of the picture."""

    hash_distance: int = Field(
        default=14,
        ge=0,
        le=20,
        description="bits of 64 by which two pictures' perceptual hashes may differ for them to "
        "be compared closely; more finds stronger crops, and takes longer",
    )
    likeness: float = Field(
        default=0.87,
        gt=0,
        le=1,
        description="correlation of two thumbnails, laid over each other as well as possible, "
        "from which they are one picture. Of 1189 real pictures, crops and recompressions of "
        "one reached 0.887 and more, and different ones 0.821 and less",
    )
    crowd_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="of a picture that may be greyed out; above it the picture is removed",
    )
    min_area: float = Field(default=16, ge=0, description="square pixels of a silhouette")
    min_thickness: float = Field(
        default=1.0, ge=0, description="mean thickness of a silhouette; thinner is a sliver"
    )
    overhang: float = Field(
        default=1.0,
        ge=0,
        description="how far a corner may lie outside the picture, as rounding puts it there",
    )
    twin_iou: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="silhouettes that overlap more are one person's; those of different people "
        "reached 0.11 in 184 pictures of COCO",
    )
    box_iou: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="least overlap of the stated box with the one around the silhouette",
    )
    min_fill: float = Field(
        default=0.05, ge=0, le=1, description="share of its own box that a silhouette covers"
    )
    missing_score: float = Field(
        default=0.6, gt=0, le=1, description="from which an unlabelled person is worth a look"
    )
    missing_overlap: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="share of a silhouette found that annotations may cover, for the person to "
        "pass as unlabelled",
    )
    workers: int = Field(default=2, ge=1, le=64, description="threads that decode pictures")
