"""What `configs/models.yaml` says of networks, and what somebody registered beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from bystander.config import Settings, config_path, read_config
from bystander.errors import ConfigError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Similarity = Annotated[float, Field(ge=-1, le=1)]
Role = Literal["segmenter", "face-detector", "face-embedder", "body"]
Variant = Literal["float", "int8"]
OWN_FILE: Final = "networks.yaml"


class Download(Settings):
    """Where a file's publisher offers it."""

    url: str = Field(description="https address of the file, or of a zip that holds it")
    archive_sha256: Sha256 | None = Field(
        default=None, description="checksum of the zip; absent when `url` is the file itself"
    )


class ModelFile(Settings):
    """One network's file."""

    file: str = Field(pattern=r"^[^/\\.][^/\\]*$", description="file name, without folders")
    role: Role
    sha256: Sha256
    variant: Variant = Field(default="float", description="of its arithmetic")
    licence: str
    source: str = Field(description="who made it and from what")
    input: str = Field(description="the input contract: shape, colour order, scaling")
    download: Download | None = None


class FacePackEntry(Settings):
    """A face detector and an embedder that belong together, with their thresholds."""

    runtime: Literal["insightface", "dlib"]
    detector: str | None = Field(
        default=None, description="name in `files`; dlib: a wheel holds it"
    )
    embedder: str | None = Field(
        default=None, description="name in `files`; dlib: a wheel holds it"
    )
    same: Similarity = Field(description="cosine similarity that speaks for the same person")
    different: Similarity = Field(description="cosine similarity below which it speaks against")
    min_face: int = Field(ge=1, description="narrowest face worth comparing, in pixels")
    licence: str | None = Field(
        default=None, description="of what a wheel holds; `files` have their own"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.different > self.same:
            raise ValueError("`different` must not be above `same`")
        if self.runtime == "insightface" and not (self.detector and self.embedder):
            raise ValueError("an insightface pack names a detector and an embedder")
        return self


class Catalogue(Settings):
    """The whole of `configs/models.yaml`. Lists and mappings are in order of preference."""

    files: dict[str, ModelFile]
    segmenters: Annotated[tuple[str, ...], Field(min_length=1)]
    bodies: Annotated[tuple[str, ...], Field(min_length=1)]
    faces: dict[str, FacePackEntry]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        used: list[tuple[str | None, Role]] = [(name, "segmenter") for name in self.segmenters]
        used += [(name, "body") for name in self.bodies]
        for pack in self.faces.values():
            used += [(pack.detector, "face-detector"), (pack.embedder, "face-embedder")]
        for name, role in used:
            if name is not None and (name not in self.files or self.files[name].role != role):
                raise ValueError(f"`files` has no {role} called {name}")
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> Catalogue:
        """Read `path`, by default the `models.yaml` that `config_path` finds.

        Raises:
            ConfigError: absent, not YAML, or not of this form.
        """
        return read_config(path or config_path("models.yaml"), cls)

    def segmenters_of(self, variant: Variant) -> list[str]:
        """Names of the person segmenters whose files are of this variant, in order.

        Raises:
            ConfigError: there is none.
        """
        names = [name for name in self.segmenters if self.files[name].variant == variant]
        if not names:
            raise ConfigError(
                f"`segmenters` of models.yaml has no {variant} network", "Choose another variant."
            )
        return names

    def entry(self, name: str) -> ModelFile:
        """The file called `name`.

        Raises:
            ConfigError: there is none; the message lists those there are.
        """
        if name not in self.files:
            raise ConfigError(f"no model is called {name}", f"Known: {', '.join(self.files)}.")
        return self.files[name]

    def with_own(self, own: Mapping[str, ModelFile]) -> Catalogue:
        """This and somebody's own networks, which never stand for one that is here already."""
        added = {name: entry for name, entry in own.items() if name not in self.files}
        return self.model_copy(update={"files": {**self.files, **added}})


class OwnNetworks(Settings):
    """The whole of `networks.yaml` in the user's data folder: what `bystander models add` keeps."""

    files: dict[str, ModelFile] = Field(default_factory=dict)
    used: str | None = Field(
        default=None, description="the segmenter that goes first, here or in models.yaml"
    )

    @classmethod
    def load(cls, folder: Path) -> OwnNetworks:
        """Those of a folder; none where nothing was registered.

        Raises:
            ConfigError: its file is damaged.
        """
        path = folder / OWN_FILE
        return read_config(path, cls) if path.is_file() else cls()
