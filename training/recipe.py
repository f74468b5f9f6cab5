"""A recipe: everything that makes one network, in one YAML file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bystander.config import Settings
from training.cleaning import CleaningSettings
from training.crowds.make import CrowdSettings
from training.evaluation.sets import SetPaths
from training.export import ExportSettings
from training.sources import Source


class FineTuningSettings(Settings):
    """How the network is trained."""

    start: str = Field(
        default="yolo11n-seg.pt",
        description="checkpoint to start from; ${VARIABLES} of the environment are filled in, and "
        "Ultralytics downloads the ones it published",
    )
    weights: str | None = Field(
        default=None,
        description="ONNX network of the same architecture with the one class person, as `export` "
        "writes them, whose weights training goes on from instead of the checkpoint's",
    )
    epochs: int = Field(default=4, ge=1, description="times every picture is seen")
    batch: int = Field(default=8, ge=1)
    long_side: int = Field(default=640, ge=64, multiple_of=32, description="pixels")
    learning_rate: float = Field(default=2e-4, gt=0, lt=1, description="of AdamW, at its highest")
    frozen_layers: int = Field(
        default=0, ge=0, le=22, description="layers from the input on that keep their weights"
    )
    scale: float = Field(default=0.35, ge=0, lt=1, description="pictures grow and shrink by this")
    keep_start: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the starting weights in the final ones (WiSE-FT): what fine-tuning "
        "on few pictures forgets comes back, what it taught mostly stays",
    )
    contested: float = Field(
        default=0.0,
        ge=0,
        description="how much more the pixels where people touch weigh in the silhouettes' loss",
    )
    bf16: bool = Field(default=False, description="compute in bfloat16")
    repeats: dict[str, int] = Field(
        default={}, description="sources whose pictures are seen several times an epoch"
    )
    workers: int = Field(default=2, ge=0, description="processes that load pictures")
    threads: int = Field(default=0, ge=0, description="on a CPU; 0 is one a core")
    seed: int = 0


class Recipe(Settings):
    """The whole of `configs/training/NAME.yaml`. Relative paths are relative to the caller."""

    sources: tuple[Source, ...] = Field(min_length=1, description="any mix of data sets")
    cleaning: CleaningSettings = CleaningSettings()
    overrides: Path | None = Field(
        default=None, description="YAML with findings of cleaning that a person decided otherwise"
    )
    crowds: CrowdSettings | None = Field(
        default=None, description="synthetic crowds; none where it is left out"
    )
    training: FineTuningSettings = FineTuningSettings()
    export: ExportSettings = ExportSettings()
    evaluation: SetPaths = Field(
        default=SetPaths(), description="test sets beside the crowds made for testing"
    )
