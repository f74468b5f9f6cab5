"""What crosses to and from a model service comes back as it was, or is refused."""

from __future__ import annotations

import asyncio
import json
import pickle
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import AmbiguousFace, ModelContract, ModelError
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Mask
from bystander.models.face_model import FaceThresholds
from bystander.server.bentos.protocol import (
    MEDIA_TYPE,
    FaceFacts,
    decode,
    decode_call,
    encode,
    packed,
    packed_error,
)

BITS = np.array([[True, False, True], [False, True, True]])
FRAME = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
LANDMARKS = np.linspace(0, 3, 10, dtype=np.float32).reshape(5, 2)
FACE = Face((0.1, -2.0, 1e-7, 3.0), 1 / 3, LANDMARKS)
FACTS = FaceFacts("dlib", FaceThresholds(0.1, 0.7), 16, {"a.dat": "0" * 64})


def message(head: object, buffers: bytes = b"", /, **wrong: int) -> bytes:
    """A message written by hand."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    lengths = {"head": len(text), "buffers": len(buffers), **wrong}
    prefix = struct.pack("<4sIQ", b"BYS1", lengths["head"], lengths["buffers"])
    return prefix + text + buffers


def array(dtype: str = "uint8", shape: Any = (2, 2)) -> dict[str, Any]:
    return {"$": "array", "dtype": dtype, "shape": shape}


def facts_of(face: Face) -> tuple[object, ...]:
    return face.box, face.score, face.landmarks.dtype, face.landmarks.tobytes()


def test_instances_come_back_to_the_bit() -> None:
    given = [
        Instance((0.1, 0.2, 1 / 3, 4.0), 0.9, Mask(-3, 7, BITS)),
        Instance((1.0, 2.0, 3.0, 4.0), 2 / 3, Mask(0, 0, np.zeros((0, 0), dtype=bool))),
    ]
    [found] = decode(packed(given))
    for one, other in zip(found, given, strict=True):
        assert (one.box, one.score) == (other.box, other.score)
        assert (one.mask.x, one.mask.y) == (other.mask.x, other.mask.y)
        np.testing.assert_array_equal(one.mask.bits, other.mask.bits, strict=True)
        one.mask.bits[:] = False  # whoever gets it may change it


def test_faces_vectors_and_facts_come_back_to_the_bit() -> None:
    vectors = (np.arange(6, dtype=np.float32) / 7).reshape(2, 3)
    none = np.zeros((0, 128), dtype=np.float32)
    [found], same, empty, facts = decode(
        packed([FACE]) + packed(vectors) + packed(none) + packed(FACTS)
    )
    assert facts_of(found) == facts_of(FACE)
    assert same.tobytes() == vectors.tobytes()
    assert (empty.shape, empty.dtype) == ((0, 128), np.float32)
    assert facts == FACTS


@pytest.mark.parametrize(
    "frame",
    [FRAME, FRAME[::2], FRAME[:, ::-1], np.asfortranarray(FRAME), FRAME[:, :, 0], FRAME[:0]],
)
def test_a_call_brings_its_pictures_however_they_lie_in_memory(frame: NDArray[np.uint8]) -> None:
    headers, body = encode({"frames": [frame, FRAME], "groups": [[(frame, FACE)], []]})
    assert headers == {"Content-Type": MEDIA_TYPE}
    call = decode_call(body)
    np.testing.assert_array_equal(call["frames"][0], frame, strict=True)
    np.testing.assert_array_equal(call["frames"][1], FRAME, strict=True)
    [[(crop, face)], none] = call["groups"]
    np.testing.assert_array_equal(crop, frame, strict=True)
    assert facts_of(face) == facts_of(FACE)
    assert none == []


def test_an_error_comes_back_as_the_one_that_it_was() -> None:
    with pytest.raises(AmbiguousFace, match=r"two faces\. Choose one"):
        decode(packed(1) + packed_error(AmbiguousFace("two faces", "Choose one"), "Faces"))
    with pytest.raises(ModelError, match="the model service Faces failed: KeyError"):
        decode(packed_error(KeyError("x"), "Faces"))
    unknown = {"$": "error", "type": "SystemExit", "what": "no error of ours", "advice": ""}
    with pytest.raises(ModelError, match="no error of ours"):
        decode(message(unknown))


@dataclass
class Stranger:
    x: int = 0


@pytest.mark.parametrize(
    "value",
    [
        Stranger(),
        np.array([object()]),
        np.zeros(2, dtype=np.int64),
        np.float32(1),
        b"bytes",
        {1: 2},
        {"$": "array"},
    ],
)
def test_what_has_no_form_is_not_sent(value: object) -> None:
    with pytest.raises(TypeError, match="no form"):
        packed([value])


MASK = {"$": "Mask", "x": 0, "y": 0, "bits": array("bool")}


@pytest.mark.parametrize(
    "body",
    [
        pickle.dumps(FRAME),
        b"BYS1",
        packed(FRAME)[:-1],
        packed(FRAME) + b"x",
        message(b"{"),
        message(b"[" * 100_000),
        message(1, head=2**32 - 1),
        message(1, buffers=2**63),
        message(array(), bytes(3)),
        message(array(), bytes(5)),
        message(array(shape=[2**40, 2**40]), bytes(4)),
        message(array(shape=[-1, -4]), bytes(4)),
        message(array(shape=[True, 4]), bytes(4)),
        message(array(shape=[1] * 5), bytes(1)),
        message(array(shape="22"), bytes(4)),
        message(array("object"), bytes(32)),
        message(array("bool"), b"\0\1\2\1"),
        message({"$": "array"}),
        message({"$": "error", "type": "ModelError"}),
        message({"$": "Path", "path": "/etc/shadow"}),
        message({"$": ["Mask"]}),
        message({**MASK, "z": 0}, bytes(4)),
        message({**MASK, "x": 0.5}, bytes(4)),
        message({**MASK, "bits": array()}, bytes(4)),
        message({"$": "Instance", "box": [0, 0, 1], "score": 1, "mask": MASK}, bytes(4)),
        message({"$": "Instance", "box": [0, 0, 1, "1"], "score": 1, "mask": MASK}, bytes(4)),
        message({"$": "Instance", "box": [0, 0, 1, 1], "score": 1, "mask": None}),
        message(
            {"$": "Face", "box": [0, 0, 1, 1], "score": 1, "landmarks": array("float32")},
            bytes(16),
        ),
    ],
)
def test_what_is_not_in_the_form_is_refused(body: bytes) -> None:
    for read in (decode, decode_call):
        with pytest.raises(ModelContract):
            read(body)


@pytest.mark.parametrize("body", [b"", packed(1), packed([FRAME]), packed({}) * 2])
def test_a_call_is_one_message_with_arguments_by_name(body: bytes) -> None:
    with pytest.raises(ModelContract, match="by name"):
        decode_call(body)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # BentoML's import
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"content-type": "application/vnd.bentoml+pickle", "content-length": "9"}, 415),
        ("POST", {"content-type": "application/json", "content-length": "9"}, 415),
        ("POST", {"content-type": "multipart/form-data", "content-length": "9"}, 415),
        ("PUT", {"content-length": "9"}, 415),
        ("POST", {"content-type": MEDIA_TYPE, "content-length": "9"}, 200),
        ("POST", {"content-type": MEDIA_TYPE, "content-length": str(2**40)}, 413),
        ("POST", {"content-type": MEDIA_TYPE}, 413),
        ("GET", {}, 200),
    ],
)
def test_only_calls_in_that_form_get_through(
    method: str, headers: dict[str, str], status: int
) -> None:
    pytest.importorskip("bentoml", reason="needs the extra serve")
    from bystander.server.bentos.batching import OnlyArrays

    said: list[int] = []

    async def service(scope: Any, receive: Any, send: Any) -> None:
        said.append(200)

    async def send(answer: Any) -> None:
        said.extend(answer["status"] for _ in [0] if answer["type"] == "http.response.start")

    async def receive() -> Any:
        raise AssertionError("nothing is read of what is refused")

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/segment", "headers": raw}
    asyncio.run(OnlyArrays(service)(scope, receive, send))
    assert said == [status]
