"""What the experiments vary and by which rule they choose thresholds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bystander.config import Settings

Share = Annotated[float, Field(gt=0, lt=1)]


class FaceExperimentSettings(Settings):
    """Levels, rules and how clips are looked at."""

    far: Share = Field(
        1e-3, description="'same' lets at most this share of strangers' pairs pass, in every pool."
    )
    tar: Share = Field(
        0.99, description="'different' leaves at least this share of one person's pairs above it."
    )
    splits: int = Field(
        60, ge=1, le=1000, description="Ways in which the people are halved to test thresholds."
    )
    widths: tuple[int, ...] = Field(
        (112, 80, 64, 48, 39, 32, 24, 20, 16), description="Face widths that photos are scaled to."
    )
    blurs: tuple[float, ...] = Field(
        (1, 2, 3, 4), description="Sigmas of a Gaussian blur, pixels of a face as it is."
    )
    motions: tuple[int, ...] = Field(
        (5, 9, 15, 21), description="Lengths of a horizontal smear, pixels of a face as it is."
    )
    jpegs: tuple[int, ...] = Field((75, 50, 25, 10), description="JPEG qualities.")
    video_width: int = Field(
        39, ge=8, description="Face width at which JPEG is tried too: what is small in a video."
    )
    looks_per_second: float = Field(
        15, gt=0, le=60, description="How often faces are looked for in a clip."
    )
    long_side: int = Field(832, ge=256, description="Of the frame that faces are looked for in.")
    link_iou: float = Field(
        0.3, ge=0, le=1, description="Overlap from which two looks at a face are linked."
    )
    rival_iou: float = Field(
        0.1, ge=0, le=1, description="A second candidate at this overlap ends the track instead."
    )
    gap: float = Field(0.4, ge=0, description="Longest time a track may go unseen, seconds.")
    apart: float = Field(
        1.0, ge=0, description="Seconds between two faces of a track that make a genuine pair."
    )
    counts: tuple[int, ...] = Field((1, 3, 5, 9), description="How many faces make one score.")
    draws: int = Field(
        8, ge=1, le=100, description="Choices of faces for each track and reference."
    )
    references: int = Field(5, ge=1, le=50, description="Faces of a track taken as its photo.")
    seed: int = Field(7, description="Of all random choices.")
