"""The model services as seen by a job: the protocols of `bystander.models`, over a socket.

The process of a job is no BentoML service, and doesn't import BentoML, which would take it a
second to begin: it sends messages of its own (`protocol`).
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np

from bystander.choices import LicenceUse
from bystander.errors import ConfigError, ModelError
from bystander.geometry.instances import Face, Instance
from bystander.geometry.types import Rgb
from bystander.models import Models, ModelSettings
from bystander.models.bodies import HistogramBodies, OSNetBodies
from bystander.models.face_model import Embeddings, face_region
from bystander.models.licences import licence_use
from bystander.models.segmenter import SegmenterSettings
from bystander.models.sessions import SessionSettings
from bystander.models.store import Catalogue, ModelStore, Variant, sha256
from bystander.server.bentos.protocol import (
    FACE_EMBEDDER,
    PERSON_SEGMENTER,
    SEGMENT,
    FaceFacts,
    decode,
    encode,
)

_log = logging.getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds that a model service may take to come back."""
ANSWER: Final = 180.0
"""Seconds after which a call that was taken is given up: three times what it may wait for a
batch, see `ModelServiceSettings.max_latency_ms`."""

_IDLE = 2.0  # seconds that a connection is kept: the service closes it after 5
_POLL = 0.2  # seconds between looks whether a service is back
_STOPPING = 503  # answered by a service that is shutting down


def open_models(services: Mapping[str, str], settings: ModelSettings) -> Models:
    """The networks that the model services run, and a body model in this process.

    Args:
        services: url by service name, from `services_here` of the entry process.
        settings: the variant of the segmenter and the body model are taken from it; everything
            else is the services' own and must be as they have it.

    Raises:
        ConfigError: a service is missing, or the settings ask for what the services don't do.
        ModelError: a service can't be reached.
    """
    segmenter = RemoteSegmenter(_service(services, PERSON_SEGMENTER), settings.segmenter.variant)
    faces = RemoteFaces(_service(services, FACE_EMBEDDER))
    _check(settings, faces.name)
    bodies = _bodies(settings)
    checksums = segmenter.checksums | faces.checksums
    checksums |= {path.name: sha256(path) for path in bodies.files}
    return Models(segmenter, faces, bodies, checksums, segmenter.backend)


def services_here() -> dict[str, str]:
    """The model services by name, for `open_models` in a child of this entry process.

    Empty where BentoML runs them within this process, as `bentoml serve --development` does.
    """
    from bentoml._internal.configuration.containers import (
        BentoMLContainer,  # not needed by, and slow for, a job
    )

    known: Mapping[str, str] = BentoMLContainer.remote_runner_mapping.get()
    return {name: known[name] for name in (PERSON_SEGMENTER, FACE_EMBEDDER) if name in known}


class RemoteSegmenter:
    """A `Segmenter` that lives in a model service."""

    def __init__(self, service: ModelService, variant: Variant) -> None:
        self._service = service
        self._api = SEGMENT[variant]
        [facts] = service.call("describe")
        name, checksum, self.backend = facts[variant]
        self.checksums: dict[str, str] = {name: checksum}

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        return self._service.call(self._api, frames=list(frames)) if frames else []


class RemoteFaces:
    """A `FaceModel` that lives in a model service."""

    def __init__(self, service: ModelService) -> None:
        self._service = service
        facts: FaceFacts
        [facts] = service.call("describe")
        self.name = facts.name
        self.thresholds = facts.thresholds
        self.min_face = facts.min_face
        self.checksums = facts.checksums

    def detect(self, image: Rgb) -> list[Face]:
        found: list[Face]
        [found] = self._service.call("detect", images=[image])
        return found

    def embed(self, image: Rgb, faces: Sequence[Face]) -> Embeddings:
        vectors: Embeddings
        crops = [face_region(image, face) for face in faces]
        crops = [(np.ascontiguousarray(crop), face) for crop, face in crops]
        [vectors] = self._service.call("embed", groups=[crops])
        return vectors


class ModelService:
    """A model service; may be called from several threads at once.

    Args:
        name: of the service.
        url: file:///path/of/a.socket, tcp://host:port or http://host:port.
        patience: seconds that it may take to come back after it went away.
    """

    def __init__(self, name: str, url: str, patience: float = PATIENCE) -> None:
        self._name = name
        self._patience = patience
        parts = urlsplit(url)
        socket = unquote(parts.path) if parts.scheme == "file" else None
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(
                uds=socket, limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE)
            ),
            base_url=f"http://{parts.netloc or 'localhost'}",
            timeout=ANSWER,
        )
        # The protocols of `bystander.models` know no end: the last who lets go closes it.
        weakref.finalize(self, self._client.close)

    def call(self, api: str, **arguments: object) -> list[Any]:
        """What `api` makes of the arguments: one result for each item.

        Raises:
            ModelError: the service can't be reached, or an item can't be processed.
        """
        headers, body = encode(arguments)
        try:
            return self._send(api, headers, body)
        except _WentAway as error:
            # Once more: an idle connection may be closed just as it is used, and a service
            # that crashed is started again. Networks remember nothing, so asking twice is safe.
            _log.warning("the model service %s went away (%s)", self._name, error)
        self._await()
        try:
            return self._send(api, headers, body)
        except _WentAway as error:
            raise ModelError(
                f"the model service {self._name} went away twice during one call ({error})",
                "Its log says why; a machine short of memory kills it.",
            ) from error

    def _send(self, api: str, headers: Mapping[str, str], body: bytes) -> list[Any]:
        try:
            answer = self._client.post(f"/{api}", content=body, headers=headers)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise _WentAway(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise ModelError(
                f"the model service {self._name} gave no answer in {ANSWER:g} s",
                "It is overloaded or stuck: run fewer jobs at once, or start it again.",
            ) from error
        if answer.status_code == _STOPPING:
            raise _WentAway("it is shutting down or overloaded")
        if answer.is_error:
            raise ModelError(
                f"the model service {self._name} answered {api} with {answer.status_code}",
                "Its log says why.",
            )
        return decode(answer.content)

    def _await(self) -> None:
        """Wait until the service is there again."""
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            try:
                if self._client.get("/readyz", timeout=1.0).is_success:
                    return
            except httpx.HTTPError:
                pass  # not there yet
            time.sleep(_POLL)
        raise ModelError(
            f"the model service {self._name} is gone, and didn't come back in {self._patience:g} s",
            "Start the server again; its log says what ended it.",
        )


class _WentAway(Exception):
    """The service dropped the call without an answer."""


def _service(services: Mapping[str, str], name: str) -> ModelService:
    if name not in services:
        raise ConfigError(
            f"no model service {name} is known, only {', '.join(services) or 'none'}",
            "The entry service must depend on it.",
        )
    return ModelService(name, services[name])


def _check(settings: ModelSettings, face_model: str) -> None:
    """Refuse settings that the services, which have their own, would not follow."""
    own = SegmenterSettings(variant=settings.segmenter.variant)
    refused = [
        name
        for name, differs in (
            ("segmenter", settings.segmenter != own),
            ("segmenter_file", settings.segmenter_file is not None),
            ("faces", settings.faces not in ("auto", face_model)),
            ("licence", settings.licence not in (LicenceUse.ANY, licence_use())),
        )
        if differs
    ]
    if refused:
        raise ConfigError(
            f"the model services have their own settings for {', '.join(refused)}",
            "Only the segmenter's variant can be chosen for a job.",
        )


def _bodies(settings: ModelSettings) -> OSNetBodies | HistogramBodies:
    store = ModelStore.from_environment(Catalogue.load())
    names = store.catalogue.bodies
    here = next(filter(store.has, names), None)
    if settings.bodies == "histogram" or (settings.bodies == "auto" and here is None):
        return HistogramBodies()
    return OSNetBodies(store.find(here or names[0]), SessionSettings(providers=("cpu",)))
