"""The person segmenter as a service: the frames of all jobs, in common batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import bentoml

from bystander.errors import BystanderError
from bystander.geometry.instances import Instance
from bystander.geometry.types import Rgb
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import open_session
from bystander.models.store import Catalogue, ModelStore, Variant, sha256
from bystander.server.bentos.batching import (
    SERVICE,
    OneByOne,
    batched,
    check_picture,
    network_choice,
    on_gpu,
    positions_by,
    single,
    take_arrays,
)
from bystander.server.bentos.lifeline import end_with_supervisor
from bystander.server.bentos.protocol import PERSON_SEGMENTER, SEGMENT, packed
from bystander.server.http.observability import hide_client_errors

_log = logging.getLogger(__name__)


@bentoml.service(name=PERSON_SEGMENTER, **SERVICE)
class PersonSegmenterService:
    """Finds people and their silhouettes.

    Both variants of the network are open from the start: together they are 40 MB, and a call
    never waits for one to be loaded. Each has an API of its own, because a batch is looked at
    by one network.

    Raises:
        ConfigError, ModelError: a network can't be found or opened here.
    """

    def __init__(self) -> None:
        end_with_supervisor()
        hide_client_errors()
        store = ModelStore.from_environment(Catalogue.load())
        self._networks: dict[Variant, PersonSegmenter] = {}
        self._facts: dict[Variant, tuple[str, str, str]] = {}
        on_gpus: list[bool] = []
        for variant in SEGMENT:
            path, choice = network_choice(variant, store)
            settings = SegmenterSettings(variant=choice.variant)
            self._networks[variant] = PersonSegmenter(open_session(path, choice.sessions), settings)
            self._facts[variant] = path.name, sha256(path), choice.name
            on_gpus.append(on_gpu(choice.sessions))
            _log.info("the variant %s of the segmenter runs by %s", variant, choice.name)
        self._one_by_one = OneByOne(PERSON_SEGMENTER)
        self._gpu = all(on_gpus)

    @batched
    def segment(self, frames: list[Any]) -> list[bytes]:
        """Who is in each frame.

        Args:
            frames: uint8 [H, W, 3] RGB at analysis size; sizes may differ.

        Returns:
            For each frame a list of `Instance`, see `protocol.packed`.
        """
        return self._segment(frames, "float")

    @batched
    def segment_int8(self, frames: list[Any]) -> list[bytes]:
        """As `segment`, with the faster network."""
        return self._segment(frames, "int8")

    @single
    def describe(self) -> list[bytes]:
        """File name and SHA-256 of the network, and what runs it, by variant."""
        return [packed(self._facts)]

    def _segment(self, frames: Sequence[object], variant: Variant) -> list[bytes]:
        network = self._networks[variant]

        def look(frame: object) -> list[Instance]:
            return network.segment([check_picture(frame)])[0]

        if self._gpu:
            try:
                return list(map(packed, _by_shape([*map(check_picture, frames)], network)))
            except BystanderError as error:
                # One by one: whoever's frame it was is told, the others get their answer.
                _log.warning("a batch of %d frames failed: %s", len(frames), error)
        return self._one_by_one(look, frames)


def _by_shape(frames: Sequence[Rgb], network: PersonSegmenter) -> list[list[Instance]]:
    """Who is in each frame, those of one shape looked at in one run of the network."""
    found: list[list[Instance]] = [[] for _ in frames]
    for positions in positions_by([frame.shape for frame in frames]).values():
        batch = network.segment([frames[position] for position in positions])
        for position, instances in zip(positions, batch, strict=True):
            found[position] = instances
    return found


take_arrays(PersonSegmenterService)
