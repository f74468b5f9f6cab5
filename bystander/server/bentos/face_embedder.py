"""The face model as a service: finds faces, and turns each into a vector."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import bentoml
import numpy as np

from bystander.errors import BystanderError, ModelContract
from bystander.geometry.instances import Face
from bystander.geometry.types import Rgb
from bystander.models.face_model import Embeddings
from bystander.models.face_packs import open_faces
from bystander.models.store import Catalogue, ModelStore, sha256
from bystander.server.bentos.batching import (
    SERVICE,
    OneByOne,
    batched,
    check_picture,
    network_choice,
    on_gpu,
    single,
    take_arrays,
)
from bystander.server.bentos.lifeline import end_with_supervisor
from bystander.server.bentos.protocol import FACE_EMBEDDER, FaceFacts, packed
from bystander.server.http.observability import hide_client_errors

_log = logging.getLogger(__name__)

_BLANK = 128  # side of the picture that warms the networks up

FaceCrops = list[tuple[Rgb, Face]]


@bentoml.service(name=FACE_EMBEDDER, **SERVICE)
class FaceEmbedderService:
    """Finds faces and compares them, with the first face pack that is here.

    Raises:
        ConfigError, ModelError: no face pack can be found or opened here.
    """

    def __init__(self) -> None:
        end_with_supervisor()
        hide_client_errors()
        store = ModelStore.from_environment(Catalogue.load())
        sessions = network_choice("float", store)[1].sessions
        self._model = open_faces("auto", store, sessions)
        self._facts = FaceFacts(
            self._model.name,
            self._model.thresholds,
            self._model.min_face,
            {path.name: sha256(path) for path in self._model.files},
        )
        self._one_by_one = OneByOne(FACE_EMBEDDER)
        self._gpu = on_gpu(sessions)
        self._warm_up()

    @batched
    def detect(self, images: list[Any]) -> list[bytes]:
        """The faces in each picture.

        Args:
            images: uint8 [H, W, 3] RGB; sizes may differ.

        Returns:
            For each picture a list of `Face`, see `protocol.packed`.
        """
        return self._one_by_one(lambda image: self._model.detect(check_picture(image)), images)

    @batched
    def embed(self, groups: list[Any]) -> list[bytes]:
        """Vectors of faces.

        Args:
            groups: of one call each: pairs of a crop, uint8 [h, w, 3] RGB, and a `Face` in it
                (`bystander.models.face_model`).

        Returns:
            For each group float32 [N, D]. On a processor each group is a run of the network,
            as in a process of its own; on a GPU all of them are one run.
        """
        if self._gpu:
            try:
                return list(map(packed, self._together([*map(_checked, groups)])))
            except BystanderError as error:
                # One by one: whoever's crop it was is told, the others get their answer.
                _log.warning("a batch of %d calls failed: %s", len(groups), error)
        return self._one_by_one(lambda group: self._model.embed_each(_checked(group)), groups)

    @single
    def describe(self) -> list[bytes]:
        """One `FaceFacts`."""
        return [packed(self._facts)]

    def _together(self, groups: Sequence[FaceCrops]) -> list[Embeddings]:
        vectors = self._model.embed_each(list(chain.from_iterable(groups)))
        edges = accumulate((len(group) for group in groups), initial=0)
        return [vectors[start:stop] for start, stop in pairwise(edges)]

    def _warm_up(self) -> None:
        blank = np.full((_BLANK, _BLANK, 3), 127, dtype=np.uint8)
        landmarks = [(48, 50), (80, 50), (64, 66), (52, 82), (76, 82)]
        face = Face((32.0, 32.0, 96.0, 96.0), 1.0, np.array(landmarks, dtype=np.float32))
        self._model.detect(blank)
        self._model.embed(blank, [face])


def _checked(group: Any) -> FaceCrops:
    """Raises ModelContract: they aren't pairs of a picture and a face in it."""
    if not isinstance(group, list) or any(
        not isinstance(sight, list | tuple) or len(sight) != 2 or not isinstance(sight[1], Face)
        for sight in group
    ):
        raise ModelContract(
            "what is to be embedded must be pairs of a picture and a face in it",
            "Send a list of them.",
        )
    return [(check_picture(crop), face) for crop, face in group]


take_arrays(FaceEmbedderService)
