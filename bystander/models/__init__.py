"""The networks: what they are, where they are found, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from bystander.config import Settings
from bystander.geometry.instances import Instance
from bystander.geometry.types import Rgb
from bystander.models.bodies import BodyModel, HistogramBodies, OSNetBodies
from bystander.models.face_model import FaceModel
from bystander.models.face_packs import open_faces
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import SessionSettings, open_session
from bystander.models.store import Catalogue, ModelStore, sha256

__all__ = [
    "BodyModel",
    "FaceModel",
    "ModelSettings",
    "Models",
    "Segmenter",
    "load_models",
]


class Segmenter(Protocol):
    """Finds people and their silhouettes, see `PersonSegmenter.segment`."""

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]: ...


@dataclass(frozen=True, slots=True)
class Models:
    """The networks that an analysis needs.

    Attributes:
        checksums: of the files they were loaded from, by file name.
    """

    segmenter: Segmenter
    faces: FaceModel
    bodies: BodyModel
    checksums: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, str]:
        """File name to the first 12 digits of its SHA-256, for the timeline."""
        return {name: checksum[:12] for name, checksum in self.checksums.items()}


class ModelSettings(Settings):
    """Which networks are used, and how."""

    segmenter: SegmenterSettings = SegmenterSettings()
    segmenter_file: Path | None = Field(
        default=None, description="a YOLO segmentation ONNX of your own, instead of the catalogue's"
    )
    faces: str = Field(
        default="auto",
        description="a face pack of models.yaml, or insightface, dlib or auto: the first found",
    )
    bodies: Literal["auto", "osnet", "histogram"] = Field(
        default="auto", description="auto is osnet where its file is found"
    )
    sessions: SessionSettings = SessionSettings()


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
    store = store or ModelStore.from_environment(Catalogue.load())
    network = _first(
        store,
        store.catalogue.segmenters_of(settings.segmenter.variant),
        settings.segmenter_file or store.segmenter,
    )
    with ThreadPoolExecutor(1) as pool:  # while InsightFace imports half of SciPy
        opening = pool.submit(_segmenter, network, settings)
        faces = open_faces(settings.faces, store, settings.sessions)
        bodies = _bodies(settings, store)
        segmenter = opening.result()
    files = (network, *faces.files, *bodies.files)
    return Models(
        segmenter=segmenter,
        faces=faces,
        bodies=bodies,
        checksums={path.name: sha256(path) for path in files},
    )


def _segmenter(network: Path, settings: ModelSettings) -> PersonSegmenter:
    return PersonSegmenter(open_session(network, settings.sessions), settings.segmenter)


def _bodies(settings: ModelSettings, store: ModelStore) -> OSNetBodies | HistogramBodies:
    names = store.catalogue.bodies
    here = any(store.has(name) for name in names)
    if settings.bodies == "histogram" or (settings.bodies == "auto" and not here):
        return HistogramBodies()
    return OSNetBodies(_first(store, names), settings.sessions)


def _first(store: ModelStore, names: Sequence[str], explicit: Path | None = None) -> Path:
    """The first of `names` whose file is here; where none is, `find` says so of the first."""
    found = (name for name in names if store.has(name))
    return store.find(next(found, names[0]), explicit)
