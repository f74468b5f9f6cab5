"""Where the networks' files are found or downloaded, and which of them may be used."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bystander.choices import LicenceUse
from bystander.errors import ConfigError, ModelCorrupt, ModelError, ModelNotFound
from bystander.models.catalogue import (
    Catalogue,
    Download,
    FacePackEntry,
    ModelFile,
    OwnNetworks,
    Role,
    Variant,
)
from bystander.models.licences import licence_use, permits

__all__ = [
    "MODELS_VARIABLE",
    "SEGMENTER_VARIABLE",
    "Catalogue",
    "Download",
    "DownloadProgress",
    "FacePackEntry",
    "ModelFile",
    "ModelStore",
    "Role",
    "Variant",
    "import_model",
    "own_folder",
    "sha256",
]

MODELS_VARIABLE = "BYSTANDER_MODELS"
SEGMENTER_VARIABLE = "BYSTANDER_SEGMENTER"
DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes expected, None if unknown."""

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0  # seconds without a byte before a download is given up
_INSTEAD: Final[dict[Role, str]] = {
    "segmenter": "Register one that may be: `bystander models add FILE.onnx --licence Apache-2.0`, "
    "of an RF-DETR-Seg for example (docs/networks.md).",
    "face-detector": "Use the face pack dlib: CenterFace is under MIT, dlib's network under CC0.",
    "face-embedder": "Use the face pack dlib: CenterFace is under MIT, dlib's network under CC0.",
    "body": "Go without, by the setting `bodies: histogram`.",
}
"""What to do where a network of this role may not be used."""


@dataclass(frozen=True)
class ModelStore:
    """The places where networks may lie on this machine, searched in this order.

    Attributes:
        catalogue: what may be looked for, somebody's own networks among it.
        folders: from BYSTANDER_MODELS, then the weights shipped in the package.
        bentoml: home of the BentoML model store; a model is found under its catalogue name.
        cache: where `pull` puts downloads.
        segmenter: someone's own weights, from BYSTANDER_SEGMENTER, instead of the catalogue's.
        own: where the networks lie that somebody registered, and nothing else is looked for.
        registered: names of those.
        used: the segmenter that goes first.
        licence: which networks are found, from BYSTANDER_LICENCE.
    """

    catalogue: Catalogue
    folders: tuple[Path, ...]
    bentoml: Path
    cache: Path
    segmenter: Path | None = None
    own: Path | None = None
    registered: tuple[str, ...] = ()
    used: str | None = None
    licence: LicenceUse = LicenceUse.ANY

    @classmethod
    def from_environment(
        cls, catalogue: Catalogue, environ: Mapping[str, str] = os.environ
    ) -> ModelStore:
        """The store that BYSTANDER_MODELS, BYSTANDER_SEGMENTER, BYSTANDER_LICENCE, BENTOML_HOME,
        XDG_CACHE_HOME and XDG_DATA_HOME describe.

        Raises:
            ConfigError: BYSTANDER_LICENCE is no choice, or what was registered can't be read.
        """
        weights = environ.get(SEGMENTER_VARIABLE)
        folder = own_folder(environ)
        own = OwnNetworks.load(folder)
        named = [part for part in environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part]
        shipped = Path(__file__).resolve().parents[1] / "weights"
        return cls(
            catalogue=catalogue.with_own(own.files),
            folders=(*(Path(part).expanduser() for part in named), shipped),
            bentoml=Path(environ.get("BENTOML_HOME") or Path.home() / "bentoml"),
            cache=Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bystander",
            segmenter=Path(weights).expanduser() if weights else None,
            own=folder,
            registered=tuple(name for name in own.files if name not in catalogue.files),
            used=own.used,
            licence=licence_use(environ),
        )

    def under(self, licence: LicenceUse) -> ModelStore:
        """This, where only such networks are found; never more than this one finds."""
        return self if licence is LicenceUse.ANY else replace(self, licence=licence)

    def permits(self, name: str) -> bool:
        """Whether the licence of the model called `name` lets it be used."""
        return permits(self.licence, self.catalogue.entry(name).licence)

    def chosen(self, names: Sequence[str]) -> str | None:
        """The segmenter of somebody's own choice that is taken instead of `names`: the one that
        goes first, or, where none of `names` can be used, any that was registered.

        Raises:
            ConfigError: the one that goes first isn't known any more.
        """
        if self.used is not None and self.used not in self.catalogue.files:
            raise ConfigError(
                f"there is no network {self.used} any more, which is to go first",
                "Run `bystander models use auto`, or name another one.",
            )
        if self.used is not None and self.permits(self.used):
            return self.used
        return next(filter(self.has, [] if any(map(self.has, names)) else self.registered), None)

    def find(self, name: str, explicit: Path | None = None) -> Path:
        """The file of the model called `name`.

        Args:
            name: a key of the catalogue's `files`.
            explicit: taken as it is, without a checksum: someone's own weights.

        Raises:
            ConfigError: the catalogue has no such model.
            ModelNotFound: it lies in none of the places, the message names each; or its licence
                isn't one of those asked for.
            ModelCorrupt: the file found has another checksum than the catalogue says.
        """
        if explicit is not None:
            if not explicit.is_file():
                raise ModelNotFound(f"no model file at {explicit}", "Check the path.")
            if self.licence is not LicenceUse.ANY:
                raise ModelNotFound(
                    f"nobody says under which licence {explicit} is, and only what may be used "
                    "commercially is asked for",
                    "Register it: `bystander models add FILE.onnx --licence SPDX --use`.",
                )
            return explicit
        entry = self.catalogue.entry(name)
        if not self.permits(name):
            raise ModelNotFound(
                f"no {entry.role} that may be used commercially is here: {name} is under "
                f"{entry.licence}",
                _INSTEAD[entry.role],
            )
        places = self._places(name, entry.file)
        for path in places:
            if path.is_file():
                _check(path, entry.sha256)
                return path
        own = (
            f", or name an export of your own in {SEGMENTER_VARIABLE} (docs/networks.md)"
            if entry.role == "segmenter"
            else ""
        )
        raise ModelNotFound(
            f"the model {name} is in none of: {', '.join(str(path) for path in places)}",
            f"{f'Run `bystander models pull {name}`, or put' if entry.download else 'Put'} "
            f"{entry.file} in a folder and name the folder in {MODELS_VARIABLE}{own}.",
        )

    def has(self, name: str) -> bool:
        """Whether a file for `name` lies in one of the places (it may be corrupt), and its licence
        lets it be used."""
        places = self._places(name, self.catalogue.entry(name).file)
        return self.permits(name) and any(path.is_file() for path in places)

    def pull(self, name: str, progress: DownloadProgress | None = None) -> Path:
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
        if self.own is not None and name in self.registered:
            return [self.own / file]
        places = [folder / file for folder in self.folders]
        # BentoML keeps models/NAME/VERSION/ and the current VERSION in a file `latest`:
        # reading that spares importing bentoml, which takes seconds.
        latest = self.bentoml / "models" / name / "latest"
        version = latest.read_text(encoding="utf-8").strip() if latest.is_file() else "latest"
        return [*places, latest.with_name(version) / file, self.cache / file]


def own_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the networks lie that somebody registered."""
    data = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "bystander" / "networks"


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


def _fetch(download: Download, file: str, target: Path, progress: DownloadProgress | None) -> None:
    if download.archive_sha256 is None:
        _download(download.url, target, progress)
        return
    with _temporary(target.parent) as archive:
        _download(download.url, archive, progress)
        _check(archive, download.archive_sha256)
        _extract(archive, file, target, download.url)


def _download(url: str, target: Path, progress: DownloadProgress | None) -> None:
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
