"""The networks of `configs/models.yaml`, and where their files are found or downloaded."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bystander.config import Settings, config_path, read_config
from bystander.errors import ConfigError, ModelCorrupt, ModelError, ModelNotFound

MODELS_VARIABLE = "BYSTANDER_MODELS"
SEGMENTER_VARIABLE = "BYSTANDER_SEGMENTER"
Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes expected, None if unknown."""

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0  # seconds without a byte before a download is given up


@dataclass(frozen=True)
class ModelStore:
    """The places where networks may lie on this machine, searched in this order.

    Attributes:
        catalogue: what may be looked for.
        folders: from BYSTANDER_MODELS, then the weights shipped in the package.
        bentoml: home of the BentoML model store; a model is found under its catalogue name.
        cache: where `pull` puts downloads.
        segmenter: someone's own weights, from BYSTANDER_SEGMENTER, instead of the catalogue's.
    """

    catalogue: Catalogue
    folders: tuple[Path, ...]
    bentoml: Path
    cache: Path
    segmenter: Path | None = None

    @classmethod
    def from_environment(
        cls, catalogue: Catalogue, environ: Mapping[str, str] = os.environ
    ) -> ModelStore:
        """The store that BYSTANDER_MODELS, BYSTANDER_SEGMENTER, BENTOML_HOME and
        XDG_CACHE_HOME describe."""
        own = environ.get(SEGMENTER_VARIABLE)
        named = [part for part in environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part]
        shipped = Path(__file__).resolve().parents[1] / "weights"
        return cls(
            catalogue=catalogue,
            folders=(*(Path(part).expanduser() for part in named), shipped),
            bentoml=Path(environ.get("BENTOML_HOME") or Path.home() / "bentoml"),
            cache=Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bystander",
            segmenter=Path(own).expanduser() if own else None,
        )

    def find(self, name: str, explicit: Path | None = None) -> Path:
        """The file of the model called `name`.

        Args:
            name: a key of the catalogue's `files`.
            explicit: taken as it is, without a checksum: someone's own weights.

        Raises:
            ConfigError: the catalogue has no such model.
            ModelNotFound: it lies in none of the places; the message names each.
            ModelCorrupt: the file found has another checksum than the catalogue says.
        """
        if explicit is not None:
            if not explicit.is_file():
                raise ModelNotFound(f"no model file at {explicit}", "Check the path.")
            return explicit
        entry = self.catalogue.entry(name)
        places = self._places(name, entry.file)
        for path in places:
            if path.is_file():
                _check(path, entry.sha256)
                return path
        own = (
            f", or name any YOLO segmentation export in {SEGMENTER_VARIABLE} (README, Networks)"
            if entry.role == "segmenter"
            else ""
        )
        raise ModelNotFound(
            f"the model {name} is in none of: {', '.join(str(path) for path in places)}",
            f"{f'Run `bystander models pull {name}`, or put' if entry.download else 'Put'} "
            f"{entry.file} in a folder and name the folder in {MODELS_VARIABLE}{own}.",
        )

    def has(self, name: str) -> bool:
        """Whether a file for `name` lies in one of the places (it may be corrupt)."""
        return any(p.is_file() for p in self._places(name, self.catalogue.entry(name).file))

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """Download `name` into the cache, unless an intact copy is there.

        The file appears under its name only once it is complete and its checksum is right.

        Raises:
            ConfigError: the catalogue has no such model.
            ModelNotFound: its publisher offers no download.
            ModelCorrupt: what arrived has another checksum, or the zip doesn't hold the file.
            ModelError: the network or the disk failed.
        """
        entry = self.catalogue.entry(name)
        target = self.cache / entry.file
        if target.is_file() and sha256(target) == entry.sha256:
            return target
        if entry.download is None:
            raise ModelNotFound(
                f"the model {name} can't be downloaded ({entry.source})",
                f"Put {entry.file} in a folder and name the folder in {MODELS_VARIABLE}.",
            )
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            with _temporary(self.cache) as arrived:
                _fetch(entry.download, entry.file, arrived, progress)
                _check(arrived, entry.sha256)
                os.replace(arrived, target)
        except (OSError, urllib.error.URLError) as error:
            raise ModelError(
                f"can't download {entry.download.url} to {target}: {error}",
                "Check the network and the free space, then pull again.",
            ) from error
        return target

    def _places(self, name: str, file: str) -> list[Path]:
        places = [folder / file for folder in self.folders]
        # BentoML keeps models/NAME/VERSION/ and the current VERSION in a file `latest`:
        # reading that spares importing bentoml, which takes seconds.
        latest = self.bentoml / "models" / name / "latest"
        version = latest.read_text(encoding="utf-8").strip() if latest.is_file() else "latest"
        return [*places, latest.with_name(version) / file, self.cache / file]


def sha256(path: Path) -> str:
    """Checksum of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(path: Path, expected: str) -> None:
    if (found := sha256(path)) != expected:
        raise ModelCorrupt(
            f"{path} has the checksum {found}, not {expected}",
            "Delete it and get it again; to use weights of your own, pass their path.",
        )


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    # In the target's own folder, because a rename is atomic only inside a file system.
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _fetch(download: Download, file: str, target: Path, progress: Progress | None) -> None:
    if download.archive_sha256 is None:
        _download(download.url, target, progress)
        return
    with _temporary(target.parent) as archive:
        _download(download.url, archive, progress)
        _check(archive, download.archive_sha256)
        _extract(archive, file, target, download.url)


def _download(url: str, target: Path, progress: Progress | None) -> None:
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response,
        target.open("wb") as stream,
    ):
        length = response.headers.get("Content-Length")
        total = int(length) if length else None
        done = 0
        while chunk := response.read(_CHUNK_BYTES):
            stream.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)


def _extract(archive: Path, file: str, target: Path, url: str) -> None:
    try:
        with zipfile.ZipFile(archive) as members:
            # Some of InsightFace's zips hold a folder, some don't: only the name counts.
            inside = [name for name in members.namelist() if Path(name).name == file]
            if len(inside) != 1:
                raise ModelCorrupt(f"{url} holds {len(inside)} files called {file}, not one")
            with members.open(inside[0]) as source, target.open("wb") as stream:
                shutil.copyfileobj(source, stream, _CHUNK_BYTES)
    except zipfile.BadZipFile as error:
        raise ModelCorrupt(f"{url} is not a zip: {error}") from error


def import_model(store: ModelStore, name: str) -> str:
    """Copy the file of `name` into the model store in BENTOML_HOME.

    The version is the beginning of the file's checksum: importing the same file again
    changes nothing.

    Returns:
        The tag, NAME:VERSION.

    Raises:
        ConfigError: BentoML isn't installed, or the catalogue has no such model.
        ModelNotFound, ModelCorrupt: there is no intact file to import.
    """
    # Imported late: it takes seconds, and a plain install doesn't have it.
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    try:
        bentoml = importlib.import_module("bentoml")
    except ImportError as error:
        raise ConfigError(
            "BentoML is not installed", "Run `pip install 'bystander[serve]'`."
        ) from error
    entry = store.catalogue.entry(name)
    file = store.find(name)
    tag = f"{name}:{entry.sha256[:12]}"
    if not any(str(model.tag) == tag for model in bentoml.models.list()):
        facts = {"sha256": entry.sha256, "licence": entry.licence, "source": entry.source}
        with bentoml.models.create(tag, labels={"role": entry.role}, metadata=facts) as model:
            shutil.copyfile(file, Path(model.path) / entry.file)
    return tag


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Similarity = Annotated[float, Field(ge=-1, le=1)]
Role = Literal["segmenter", "face-detector", "face-embedder", "body"]
Variant = Literal["float", "int8"]


class Download(Settings):
    """Where a file's publisher offers it."""

    url: str = Field(description="https address of the file, or of a zip that holds it")
    archive_sha256: Sha256 | None = Field(
        default=None, description="checksum of the zip; absent when `url` is the file itself"
    )


class ModelFile(Settings):
    """One network's file."""

    file: str = Field(description="file name, without folders")
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
