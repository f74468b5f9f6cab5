"""The networks: what they are, where they are found, and how they are run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from bystander.choices import LicenceUse, Precision
from bystander.config import Settings
from bystander.errors import ConfigError, ModelError
from bystander.geometry.instances import Instance
from bystander.geometry.types import Rgb
from bystander.models.backends import BackendChoice, choose
from bystander.models.bodies import BodyModel, HistogramBodies, OSNetBodies
from bystander.models.face_model import FaceModel
from bystander.models.face_packs import face_licences, open_faces
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import SessionSettings, open_session
from bystander.models.store import Catalogue, ModelStore, Variant, sha256

__all__ = [
    "BodyModel",
    "FaceModel",
    "ModelSettings",
    "Models",
    "Segmenter",
    "choose_network",
    "load_models",
    "segmenter_files",
    "used_networks",
]


class Segmenter(Protocol):
    """Finds people and their silhouettes, see `PersonSegmenter.segment`."""

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]: ...


@dataclass(frozen=True, slots=True)
class Models:
    """The networks that an analysis needs.

    Attributes:
        checksums: of the files they were loaded from, by file name.
        backend: what runs the segmenter, in which precision; empty if it isn't told.
    """

    segmenter: Segmenter
    faces: FaceModel
    bodies: BodyModel
    checksums: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""

    def describe(self) -> dict[str, str]:
        """File name to the first 12 digits of its SHA-256, and the backend: what results depend
        on, for the timeline."""
        told = {name: checksum[:12] for name, checksum in self.checksums.items()}
        return {**told, "backend": self.backend} if self.backend else told


class ModelSettings(Settings):
    """Which networks are used, and how."""

    segmenter: SegmenterSettings = SegmenterSettings()
    segmenter_file: Path | None = Field(
        default=None, description="a segmentation ONNX of your own, instead of the catalogue's"
    )
    faces: str = Field(
        default="auto",
        description="a face pack of models.yaml, or insightface, dlib or auto: the first found",
    )
    bodies: Literal["auto", "osnet", "histogram"] = Field(
        default="auto", description="auto is osnet where its file is found"
    )
    sessions: SessionSettings = SessionSettings()
    licence: LicenceUse = Field(
        default=LicenceUse.ANY,
        description="commercial: only networks that may be used commercially, see docs/networks.md",
    )


def load_models(settings: ModelSettings | None = None, store: ModelStore | None = None) -> Models:
    """Find and open the networks.

    Args:
        settings: which, and how they run.
        store: where files are looked for; by default the places that the environment names.

    Raises:
        ConfigError: a setting or a package that isn't there.
        ModelNotFound: a file is missing; the message names every place that was looked in.
        ModelCorrupt, ModelContract: a file is damaged, or holds another network.
    """
    settings = settings or ModelSettings()
    store = (store or ModelStore.from_environment(Catalogue.load())).under(settings.licence)
    network, choice = choose_network(settings, store)
    with ThreadPoolExecutor(1) as pool:  # while InsightFace imports half of SciPy
        opening = pool.submit(_segmenter, network, choice, settings.segmenter)
        detecting = choice if choice.variant == "float" else _for_faces(settings, store)
        faces = open_faces(settings.faces, store, detecting.sessions)
        bodies = _bodies(settings, store, choice.sessions)
        segmenter = opening.result()
    files = (network, *faces.files, *bodies.files)
    return Models(
        segmenter=segmenter,
        faces=faces,
        bodies=bodies,
        checksums={path.name: sha256(path) for path in files},
        backend=choice.name,
    )


def choose_network(settings: ModelSettings, store: ModelStore) -> tuple[Path, BackendChoice]:
    """The segmenter's file, and how it is run here.

    Raises:
        ConfigError, ModelNotFound, ModelCorrupt: see `load_models`.
    """
    wanted, found = segmenter_files(settings, store)
    choice = choose(settings.sessions, wanted, found, store.cache)
    return found[choice.variant], choice


def segmenter_files(
    settings: ModelSettings, store: ModelStore
) -> tuple[Variant, dict[Variant, Path]]:
    """The variant that is asked for, and the files of it and, if it is here, of the other one.

    Of a network of somebody's own there is one file, and it is the one.

    Raises:
        ConfigError, ModelNotFound, ModelCorrupt: the one that is asked for.
    """
    wanted = settings.segmenter.variant
    if settings.sessions.precision is not Precision.AUTO:
        wanted = "int8" if settings.sessions.precision is Precision.INT8 else "float"
    store = store.under(settings.licence)
    names = store.catalogue.segmenters_of(wanted)
    if explicit := settings.segmenter_file or store.segmenter:
        return wanted, {wanted: store.find(names[0], explicit)}
    if chosen := store.chosen(names):
        if settings.sessions.precision is Precision.AUTO:
            wanted = "float"  # whatever the profile prefers: there is one file
        return wanted, {wanted: store.find(chosen)}
    found = {wanted: _first(store, names)}
    other: Variant = "int8" if wanted == "float" else "float"
    with contextlib.suppress(ModelError, ConfigError):
        found[other] = _first(store, store.catalogue.segmenters_of(other))
    return wanted, found


def used_networks(settings: ModelSettings, store: ModelStore) -> dict[str, str]:
    """Names of the networks that would be used and are here, each with its licence.

    Raises:
        ConfigError: a setting names what isn't there.
    """
    store = store.under(settings.licence)
    names = store.catalogue.segmenters_of(settings.segmenter.variant)
    licences = {name: entry.licence for name, entry in store.catalogue.files.items()}
    used: dict[str, str] = {}
    if explicit := settings.segmenter_file or store.segmenter:
        used[explicit.name] = "not told"
    elif chosen := store.chosen(names) or next(filter(store.has, names), None):
        used[chosen] = licences[chosen]
    used |= face_licences(settings.faces, store)
    if body := next(filter(store.has, store.catalogue.bodies), None):
        used[body] = licences[body]
    return used


def _for_faces(settings: ModelSettings, store: ModelStore) -> BackendChoice:
    """What runs the face detector beside an int8 segmenter: the same as beside any other."""
    sessions = settings.sessions.model_copy(update={"precision": Precision.AUTO})
    return choose_network(ModelSettings(sessions=sessions), store)[1]


def _segmenter(
    network: Path, choice: BackendChoice, settings: SegmenterSettings
) -> PersonSegmenter:
    decoding = settings.model_copy(update={"variant": choice.variant})
    return PersonSegmenter(open_session(network, choice.sessions), decoding)


def _bodies(
    settings: ModelSettings, store: ModelStore, sessions: SessionSettings
) -> OSNetBodies | HistogramBodies:
    names = store.catalogue.bodies
    here = any(store.has(name) for name in names)
    if settings.bodies == "histogram" or (settings.bodies == "auto" and not here):
        return HistogramBodies()
    return OSNetBodies(_first(store, names), sessions)


def _first(store: ModelStore, names: Sequence[str]) -> Path:
    """The first of `names` whose file is here; where none is, `find` says so of the first."""
    found = (name for name in names if store.has(name))
    return store.find(next(found, names[0]))
