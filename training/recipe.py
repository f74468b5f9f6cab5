"""A recipe: everything that makes one network, in one YAML file."""

from __future__ import annotations

from pydantic import Field

from bystander.config import Settings
from training.cleaning import CleaningSettings
from training.crowds.make import CrowdSettings
from training.export import ExportSettings
from training.settings import FineTuningSettings
from training.sources import Source


class Recipe(Settings):
    """The whole of `configs/training/NAME.yaml`. Relative paths are relative to the caller."""

    sources: tuple[Source, ...] = Field(min_length=1, description="any mix of data sets")
    cleaning: CleaningSettings = CleaningSettings()
    overrides: str | None = Field(
        default=None, description="YAML with findings of cleaning that a person decided otherwise"
    )
    crowds: CrowdSettings | None = Field(
        default=None, description="synthetic crowds; none where it is left out"
    )
    training: FineTuningSettings = FineTuningSettings()
    export: ExportSettings = ExportSettings()
    evaluation: str | None = Field(
        default=None, description="YAML with the test sets, see configs/training/evaluation.yaml"
    )
