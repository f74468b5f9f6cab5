"""A file of options -> values for a command's options, checked.

    profile: thorough
    effect: solid
    color: "#202020"
    cast: photos/family
    audit: true
    zone: mask:0,0,200,60

YAML, or TOML where the name ends in .toml. Keys are the names of options; what a command has no
option for is left aside, so that one file serves `mask`, `render` and `analyze`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from bystander.choices import (
    Codec,
    Deinterlace,
    Device,
    EffectName,
    EncoderBackend,
    LicenceUse,
    Precision,
    ProfileName,
    ShapeName,
    SmartRender,
)
from bystander.config import Settings, describe
from bystander.errors import ConfigError


class Preset(Settings):
    """Options that make sense for more than one video."""

    cast: tuple[str, ...] = Field((), description="photos or folders; relative to the preset")
    zone: tuple[str, ...] = Field((), description="parts of the picture: mask|clear:X,Y,W,H[@A-B]")
    effect: EffectName | None = None
    shape: ShapeName | None = None
    color: str | None = None
    strength: float | None = Field(None, allow_inf_nan=False)
    picture: str | None = Field(None, description="a PNG; relative to the preset")
    allow_weak: bool | None = None
    audit: bool | None = None
    codec: Codec | None = None
    deinterlace: Deinterlace | None = None
    encoder: EncoderBackend | None = None
    smart_render: SmartRender | None = None
    sound: tuple[str, ...] = Field((), description="keep|mute|low-pass|pitch[:FROM-TO], seconds")
    profile: ProfileName | None = None
    device: Device | None = None
    precision: Precision | None = None
    licence: LicenceUse | None = None
    processes: int | None = Field(None, ge=1, le=256)
    cluster: str | None = None
    work: str | None = None
    overwrite: bool | None = None

    @field_validator("cast", "zone", "sound", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("deinterlace", "smart_render", mode="before")
    @classmethod
    def _yaml_s_on_and_off(cls, value: object) -> object:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    def options(self) -> dict[str, Any]:
        """What is given, by the names of parameters, as a command line would give it."""
        given = self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}


def load_preset(path: Path) -> Preset:
    """Read a file of options.

    Raises:
        ConfigError: it can't be read, or a key or value in it is none; the message says which.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content: Any = tomllib.loads(text) if _is_toml(path) else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"the preset {path} can't be read ({error})", "Give a file of YAML or TOML."
        ) from error
    try:
        if isinstance(content, dict):
            content = {str(key).replace("-", "_"): value for key, value in content.items()}
        preset = Preset.model_validate({} if content is None else content)
    except ValidationError as error:
        raise ConfigError(
            f"the preset {path}: {describe(error)}",
            f"Its keys are among {', '.join(Preset.model_fields)}.",
        ) from error
    files: dict[str, object] = {}
    if preset.cast:
        files["cast"] = tuple(str(path.parent / one) for one in preset.cast)
    if preset.picture is not None:
        files["picture"] = str(path.parent / preset.picture)
    return preset.model_copy(update=files)


def _is_toml(path: Path) -> bool:
    return path.suffix.lower() == ".toml"
