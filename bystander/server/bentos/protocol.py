"""What crosses the hop between a job and a model service: the one place that both agree on.

Pickled Python objects over a Unix socket in a folder that only this user may enter, as BentoML
itself does between its services. A result crosses as bytes that were pickled for one item of a
batch, for two reasons: an item that fails takes nobody else's down with it, and BentoML
validates what its APIs return, which would turn dataclasses into dictionaries.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bystander.errors import BystanderError, ModelError
from bystander.models.catalogue import Variant
from bystander.models.faces import FaceThresholds

_log = logging.getLogger(__name__)

PERSON_SEGMENTER: Final = "PersonSegmenter"
FACE_EMBEDDER: Final = "FaceEmbedder"
SEGMENT: Final[Mapping[Variant, str]] = {"float": "segment", "int8": "segment_int8"}
"""The API of each variant: two networks can't share a batch."""

_MEDIA_TYPE: Final = "application/vnd.bentoml+pickle"
_PROTOCOL: Final = 5  # the first with buffers outside the pickle: frames aren't copied into it


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """What a `FaceModel` knows of itself, and the SHA-256 of its files by their names."""

    name: str
    thresholds: FaceThresholds
    min_face: int
    checksums: dict[str, str]


def encode(arguments: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a call, in the form that BentoML's `PickleSerde` reads."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(dict(arguments), protocol=_PROTOCOL, buffer_callback=buffers.append)
    parts: Sequence[bytes | memoryview] = [head, *(buffer.raw() for buffer in buffers)]
    lengths = ",".join(str(len(part)) for part in parts)
    return {"Content-Type": _MEDIA_TYPE, "Buffer-Lengths": lengths}, b"".join(parts)


def decode(body: bytes) -> list[Any]:
    """The results of a call from the body of its answer, one an item.

    Raises:
        BystanderError: what one of the items met with.
    """
    results = [pickle.loads(item) for item in pickle.loads(body)]
    for result in results:
        if isinstance(result, BystanderError):
            raise result
    return results


def packed(result: object) -> bytes:
    """A result, or the error that is there instead, for one item of a batch."""
    return pickle.dumps(result, protocol=_PROTOCOL)


def packed_error(error: Exception, service: str) -> bytes:
    """An error of a model service as one that tells whoever called what went wrong."""
    if isinstance(error, BystanderError):
        return packed(error)
    _log.error("%s failed", service, exc_info=error)
    return packed(
        ModelError(
            f"the model service {service} failed: {type(error).__name__}: {error}",
            "Its log says more.",
        )
    )
