"""The smallest entry service that depends on both model services, for `bentoml serve`."""

from __future__ import annotations

import os

import bentoml

from bystander.server.bentos.face_embedder import FaceEmbedderService
from bystander.server.bentos.person_segmenter import PersonSegmenterService
from bystander.server.bentos.remote import services_here


@bentoml.service
class Small:
    segmenter = bentoml.depends(PersonSegmenterService)
    faces = bentoml.depends(FaceEmbedderService)

    @bentoml.api
    def services(self) -> dict[str, str]:
        return services_here()

    @bentoml.api
    def parent(self) -> int:
        """The process that starts the model services."""
        return os.getppid()
