"""Everything about the analysis that a person may change, with bounds and reasons.

`configs/pipeline.yaml` holds the profiles; each overrides the defaults below.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bystander.choices import Device, LicenceUse, Precision, ProfileName
from bystander.config import config_path
from bystander.errors import ConfigError
from bystander.identity.segments import IdentitySettings
from bystander.media.encoder import EncoderSettings
from bystander.models import ModelSettings
from bystander.models.segmenter import SegmenterSettings
from bystander.models.sessions import SessionSettings
from bystander.tracking.interpolation import GapFillerSettings
from bystander.tracking.settings import KeyframeSettings, TrackingSettings
from bystander.tracking.shots import ShotSettings
from bystander.tracking.tiled_inference import TiledInferenceSettings


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
    keyframes: KeyframeSettings = KeyframeSettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    sessions: SessionSettings = Field(
        SessionSettings(),
        description="How networks are run: on what, in which precision. By default the fastest "
        "way that this machine has and that agrees with fp32. The service's own is in "
        "configs/service.yaml.",
    )
    licence: LicenceUse = Field(
        LicenceUse.ANY,
        description="commercial: only networks that may be used commercially (docs/networks.md).",
    )
    second_look: TiledInferenceSettings = TiledInferenceSettings()
    tracking: TrackingSettings = TrackingSettings()
    filler: GapFillerSettings = GapFillerSettings()
    identity: IdentitySettings = IdentitySettings()

    def model_settings(self) -> ModelSettings:
        """Which networks such an analysis needs, and how they run."""
        return ModelSettings(segmenter=self.segmenter, sessions=self.sessions, licence=self.licence)


class Profile(BaseModel):
    """One answer to 'how thorough, how fast'."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    analysis: AnalysisSettings = AnalysisSettings()
    encoder: EncoderSettings = EncoderSettings()

    def on(
        self,
        device: Device | None,
        precision: Precision | None,
        licence: LicenceUse | None = None,
    ) -> Profile:
        """This with networks run on another device or in another precision, or those of other
        licences, where one is given."""
        changed: dict[str, object] = {
            "sessions": self.analysis.sessions.changed(device, precision),
            "licence": self.analysis.licence if licence is None else licence,
        }
        return self.model_copy(update={"analysis": self.analysis.model_copy(update=changed)})


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
