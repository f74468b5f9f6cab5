"""Everything about the analysis that a person may change, with bounds and reasons.

`configs/pipeline.yaml` holds the profiles; each overrides the defaults below.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bystander.config import config_path
from bystander.errors import ConfigError
from bystander.identity.segments import IdentitySettings
from bystander.media.encoder import EncoderSettings
from bystander.models.segmenter import SegmenterSettings
from bystander.tracking.interpolation import GapFillerSettings
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.shots import ShotSettings
from bystander.tracking.tiled_inference import TiledInferenceSettings


class ProfileName(StrEnum):
    FAST = "fast"
    BALANCED = "balanced"
    THOROUGH = "thorough"


class AnalysisSettings(BaseModel):
    """How a video is analysed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_side: int = Field(
        640,
        ge=256,
        le=2048,
        description="Longer side of the analysis grid, pixels. Larger finds smaller people; "
        "time grows with its square.",
    )
    face_long_side: int = Field(
        832,
        ge=256,
        le=4096,
        description="Longer side at which faces are looked for. Larger finds smaller faces.",
    )
    detail_long_side: int = Field(
        1920,
        ge=256,
        le=4096,
        description="Longer side at which faces and bodies are recognised, never above the "
        "source's own.",
    )
    faces_per_second: float = Field(
        5.0,
        gt=0,
        le=60,
        description="How often faces are looked for in the first second of a shot. They decide "
        "who is kept.",
    )
    later_faces: float = Field(
        5.0,
        gt=0,
        le=60,
        description="... and afterwards. Keep filler.face_extension above the time between looks.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Frames looked at at once, each by networks of one thread; 0 is one a core. "
        "On a processor that beats one frame at a time on all cores; on a GPU take 1 or 2.",
    )
    batch: int = Field(
        1, ge=1, le=64, description="Frames a call of the segmenter; larger pays off on a GPU."
    )
    shots: ShotSettings = ShotSettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    second_look: TiledInferenceSettings = TiledInferenceSettings()
    tracking: TrackingSettings = TrackingSettings()
    filler: GapFillerSettings = GapFillerSettings()
    identity: IdentitySettings = IdentitySettings()


class Profile(BaseModel):
    """One answer to 'how thorough, how fast'."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    analysis: AnalysisSettings = AnalysisSettings()
    encoder: EncoderSettings = EncoderSettings()


def load_profile(name: ProfileName, path: Path | None = None) -> Profile:
    """Read a profile from `configs/pipeline.yaml` or another file of the same form.

    Raises:
        ConfigError: the file can't be read, or a setting in it is unknown or out of bounds.
    """
    path = path or config_path("pipeline.yaml")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Profile.model_validate(document["profiles"][name.value])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(
            f"profile '{name}' can't be read from {path} ({error})", "Mend or remove that file."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path}, profile '{name}', setting '{where}': {first['msg']}", "Mend that setting."
        ) from error
