"""What the services do with a batch on a GPU, done on a processor: the order of things is the
same, and which item fails."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import ModelContract
from bystander.geometry.instances import Face, Instance
from bystander.models.face_model import face_region
from bystander.server.bentos.protocol import decode

ASTRONAUT: NDArray[np.uint8] = pytest.importorskip("skimage.data").astronaut()
FRAMES = [ASTRONAUT[:384, :384], ASTRONAUT[:, :384], ASTRONAUT[32:416, :384], ASTRONAUT[:, 96:480]]
"""Of two shapes, in turn."""


def outcomes(items: list[bytes]) -> list[object]:
    found: list[object] = []
    for item in items:
        try:
            found += decode(item)
        except ModelContract as error:
            found.append(error)
    return found


def on_gpu(module: str, service: str) -> Any:
    """The service, in this process, that takes the processor for a GPU."""
    with warnings.catch_warnings():
        # BentoML uses a name that pathspec has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        pytest.importorskip("bentoml", reason="needs the extra serve")
        made = getattr(importlib.import_module(module), service).inner()
    made._gpu = True
    return made


@pytest.fixture(scope="module")
def segmenter() -> Any:
    return on_gpu("bystander.server.bentos.person_segmenter", "PersonSegmenterService")


@pytest.fixture(scope="module")
def embedder() -> Any:
    return on_gpu("bystander.server.bentos.face_embedder", "FaceEmbedderService")


def test_frames_of_one_shape_run_together_and_come_back_in_order(
    segmenter: Any,
) -> None:
    found = outcomes(segmenter.segment(FRAMES))
    for frame, instances in zip(FRAMES, found, strict=True):
        [expected] = outcomes(segmenter.segment([frame]))
        assert isinstance(instances, list)
        assert isinstance(expected, list)
        assert boxes(instances) == pytest.approx(boxes(expected), abs=0.5)


def boxes(instances: list[Instance]) -> NDArray[np.float64]:
    certain = [instance.box for instance in instances if instance.score > 0.5]
    assert certain
    return np.array(certain)


def test_a_frame_that_is_none_fails_alone(segmenter: Any) -> None:
    grey = ASTRONAUT[:, :, 0]
    found = outcomes(segmenter.segment([FRAMES[0], grey, FRAMES[1]]))
    assert [isinstance(one, ModelContract) for one in found] == [False, True, False]


def test_the_faces_of_several_calls_are_embedded_in_one_run(embedder: Any) -> None:
    [[face]] = decode(b"".join(embedder.detect([ASTRONAUT])))
    assert isinstance(face, Face)
    sight = face_region(ASTRONAUT, face)
    found = outcomes(embedder.embed([[sight], [], [sight, sight], [(0, face)], 7]))
    one, none, two, refused, nonsense = found
    assert isinstance(one, np.ndarray)
    assert isinstance(none, np.ndarray)
    assert isinstance(two, np.ndarray)
    assert isinstance(refused, ModelContract)
    assert isinstance(nonsense, ModelContract)
    assert (len(one), len(none), len(two)) == (1, 0, 2)
    together = decode(b"".join(embedder.embed([[sight], [sight, sight]])))
    np.testing.assert_allclose(np.concatenate(together), np.repeat(one, 3, axis=0), atol=1e-5)
