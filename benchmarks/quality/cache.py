"""Models -> the same models, whose answers are kept in a folder: sweeps run no network twice.

What is kept of the segmenter are its network's raw outputs, so that whatever decodes them
(settings, prototypes, suppression) may change and is really run. Faces are kept as found, under
a digest of the code that finds them; bodies as embedded, crop by crop.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import bystander.models
from bystander.models import BodyModel, Models, ModelSettings, load_models
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import Array, Session, Tensor

Value = TypeVar("Value")

PERSON_CHANNEL = 4
"""Of YOLO's proposals, after the box."""
LEAST_SCORE = 0.01
"""Proposals below it are kept as zeros."""


def cached_models(folder: Path, segmenter: SegmenterSettings | None = None) -> Models:
    """The networks that are found here, with their answers kept in `folder`.

    Prototypes are kept as float16: masks may differ from the product's in single pixels.

    Raises:
        BystanderError: as `load_models`.
    """
    settings = segmenter or SegmenterSettings()
    models = load_models(ModelSettings(segmenter=settings))
    assert isinstance(models.segmenter, PersonSegmenter)
    store = Store(folder)
    # Its session is private, and nobody but this benchmark wants to come between.
    session = _CachedSession(models.segmenter._session, store, _digest(models.describe()))
    return replace(
        models,
        segmenter=PersonSegmenter(session, settings),
        faces=_Recorded(models.faces, store, ("detect", "embed", "embed_each")),
        bodies=_CachedBodies(models.bodies, store),
    )


class Store:
    """Values in a folder, under the digest of what they were made from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, kind: str, key: str, make: Callable[[], Value]) -> Value:
        path = self._folder / kind / key[:2] / key
        try:
            found: Value = pickle.loads(path.read_bytes())
            return found
        except (OSError, EOFError, pickle.UnpicklingError):
            value = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as unfinished:
            pickle.dump(value, unfinished, protocol=5)
        os.replace(unfinished.name, path)
        return value


class _CachedSession:
    """A network whose outputs are kept: of YOLO's proposals the likely ones exactly, the others as
    zeros."""

    def __init__(self, session: Session, store: Store, version: str) -> None:
        self._session, self._store = session, store
        names = [tensor.name for tensor in (*session.inputs, *session.outputs)]
        self._version = _digest(version, names)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return self._session.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return self._session.outputs

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        key = _digest(self._version, dict(feeds))
        packed = self._store.get(
            "segmenter", key, lambda: [_packed(output) for output in self._session.run(feeds)]
        )
        return [_unpacked(*entry) for entry in packed]


def _packed(output: Array) -> tuple[tuple[int, ...], Any]:
    """An output's shape, and float16 of it; of proposals the positions and values of the likely."""
    if output.ndim != 3:
        return output.shape, output.astype(np.float16)
    if output.shape[1] > output.shape[2]:  # a row a person: RF-DETR, or YOLO end to end
        return output.shape, output
    likely = np.flatnonzero(output[:, PERSON_CHANNEL].max(axis=0) >= LEAST_SCORE)
    return output.shape, (likely, output[:, :, likely])


def _unpacked(shape: tuple[int, ...], content: Any) -> Array:
    if not isinstance(content, tuple):
        return np.asarray(content, dtype=np.float32)
    likely, values = content
    output = np.zeros(shape, dtype=np.float32)
    output[:, :, likely] = values
    return output


class _Recorded:
    """Anything, some of whose methods answer from the store what they answered before."""

    def __init__(self, inner: Any, store: Store, methods: Sequence[str]) -> None:
        self._inner, self._store, self._methods = inner, store, frozenset(methods)
        files = {str(file.name): file.stat().st_size for file in inner.files}
        self._version = _digest(files, _code())

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in self._methods:
            return value

        def answer(*args: Any, **options: Any) -> Any:
            key = _digest(self._version, name, args, options)
            return self._store.get("faces", key, lambda: value(*args, **options))

        return answer


class _CachedBodies:
    """A body model, each of whose crops is looked up by itself."""

    def __init__(self, inner: BodyModel, store: Store) -> None:
        self._inner, self._store = inner, store

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def across_shots(self) -> bool:
        return self._inner.across_shots

    def embed(
        self, crops: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.bool_]] | None = None
    ) -> NDArray[np.float32]:
        if not crops:
            return self._inner.embed(crops, masks)
        inside: Sequence[NDArray[np.bool_] | None] = masks or [None] * len(crops)
        return np.concatenate([self._one(*pair) for pair in zip(crops, inside, strict=True)])

    def _one(self, crop: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        key = _digest(self._inner.name, crop, mask)
        masks = None if mask is None else [mask]
        return self._store.get("bodies", key, lambda: self._inner.embed([crop], masks))


def _code() -> str:
    """Digest of the library's code about faces."""
    files = sorted(Path(bystander.models.__file__).parent.glob("*.py"))
    return _digest([file.read_bytes() for file in files if "segmenter" not in file.name])


def _digest(*parts: Any) -> str:
    return hashlib.blake2b(pickle.dumps(parts, protocol=5), digest_size=20).hexdigest()
