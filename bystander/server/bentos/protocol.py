"""Arguments and results of the networks <-> what crosses to and from a model service.

The one place that both sides agree on. A message is a JSON head and the raw buffers of the arrays
in it, one after the other:

    "BYS1" | length of the head, uint32 | length of the buffers, uint64 | head | buffers

(little-endian). The head is a value as JSON. What JSON doesn't have is an object with the key
"$", which names its kind: "array" with dtype and shape, whose buffer comes next in the order of
the head; "error" with the name of a class in `bystander.errors`; a class of `_RECORDS` with its
fields. Never a pickle: whoever made a decoder run their code would have the model services run
it, too. So nothing is built but these kinds, every length is checked, and every field.

The body of a call is one message, its arguments by name. That of an answer is one message for each
item of the call, made where the item was looked at: one that fails takes nobody else's down with
it, and BentoML, which validates what its APIs return, only ever sees bytes.
"""

from __future__ import annotations

import json
import logging
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from bystander import errors
from bystander.errors import BystanderError, ModelContract, ModelError
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Mask
from bystander.models.face_model import FaceThresholds
from bystander.models.store import Variant

_log = logging.getLogger(__name__)

PERSON_SEGMENTER: Final = "PersonSegmenter"
FACE_EMBEDDER: Final = "FaceEmbedder"
SEGMENT: Final[Mapping[Variant, str]] = {"float": "segment", "int8": "segment_int8"}
"""The API of each variant: two networks can't share a batch."""

MEDIA_TYPE: Final = "application/vnd.bystander.arrays"
MAX_BODY_BYTES: Final = 512 * 2**20
"""Of a call: a picture of 8192x8192 pixels has 192 MiB."""
MAX_HEAD_BYTES: Final = 8 * 2**20

_MAGIC: Final = b"BYS1"
_PREFIX: Final = struct.Struct("<4sIQ")
_DTYPES: Final = {name: np.dtype(name) for name in ("bool", "uint8", "float32")}
_MAX_DIMENSIONS: Final = 4
_KIND: Final = "$"


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """What a `FaceModel` knows of itself, and the SHA-256 of its files by their names."""

    name: str
    thresholds: FaceThresholds
    min_face: int
    checksums: dict[str, str]


def encode(arguments: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a call."""
    return {"Content-Type": MEDIA_TYPE}, packed(dict(arguments))


def decode_call(body: bytes) -> dict[str, Any]:
    """The arguments of a call by name, from its body. Arrays are views of it, not to be changed.

    Raises:
        ModelContract: it isn't a call, or holds what no call does.
    """
    arguments = _unpacked(body, copy=False)
    if len(arguments) != 1 or not isinstance(arguments[0], dict):
        _refuse("a call is one message with arguments by name")
    found: dict[str, Any] = arguments[0]
    return found


def decode(body: bytes) -> list[Any]:
    """The results of a call from the body of its answer, one an item.

    Raises:
        BystanderError: what one of the items met with.
        ModelContract: it isn't an answer.
    """
    results = _unpacked(body, copy=True)
    for result in results:
        if isinstance(result, BystanderError):
            raise result
    return results


def packed(result: object) -> bytes:
    """The message of a value: arguments; a result, or the error that is there instead.

    Raises:
        TypeError: it holds what has no form in a message.
    """
    arrays: list[NDArray[Any]] = []
    head = json.dumps(_plain(result, arrays), separators=(",", ":")).encode()
    prefix = _PREFIX.pack(_MAGIC, len(head), sum(array.nbytes for array in arrays))
    return b"".join([prefix, head, *(array.reshape(-1).view(np.uint8).data for array in arrays)])


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


def _plain(value: object, arrays: list[NDArray[Any]]) -> object:
    """`value` as JSON has it; `arrays` gets those in it, contiguous."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(item, arrays) for item in value]
        case dict():
            if _KIND in value or not all(isinstance(key, str) for key in value):
                raise TypeError("a dictionary with such keys has no form in a message")
            return {key: _plain(item, arrays) for key, item in value.items()}
        case np.ndarray():
            if value.dtype.name not in _DTYPES:
                raise TypeError(f"an array of {value.dtype} has no form in a message")
            arrays.append(np.ascontiguousarray(value))
            return {_KIND: "array", "dtype": value.dtype.name, "shape": list(value.shape)}
        case BystanderError():
            kind = type(value).__name__
            return {_KIND: "error", "type": kind, "what": value.what, "advice": value.advice}
    kind = type(value).__name__
    if kind not in _RECORDS:
        raise TypeError(f"a {kind} has no form in a message")
    fields = {name: _plain(getattr(value, name), arrays) for name in _RECORDS[kind].checks}
    return {_KIND: kind, **fields}


def _unpacked(body: bytes, *, copy: bool) -> list[Any]:
    """The values of all messages in `body`; `copy`: arrays may be changed."""
    values, rest = [], memoryview(body)
    while rest:
        if len(rest) < _PREFIX.size:
            _refuse("a message ends early")
        magic, head_bytes, buffer_bytes = _PREFIX.unpack(rest[: _PREFIX.size])
        end = _PREFIX.size + head_bytes + buffer_bytes
        if magic != _MAGIC or head_bytes > MAX_HEAD_BYTES or end > len(rest):
            _refuse("a message ends early, or is none")
        head = rest[_PREFIX.size : _PREFIX.size + head_bytes]
        reader = _Reader(rest[_PREFIX.size + head_bytes : end], copy=copy)
        try:
            value = json.loads(bytes(head))
            values.append(reader.value(value))
        except (ValueError, RecursionError):
            _refuse("the head of a message isn't JSON")
        reader.finish()
        rest = rest[end:]
    return values


class _Reader:
    """Builds the value of one message."""

    def __init__(self, buffers: memoryview, *, copy: bool) -> None:
        self._rest, self._copy = buffers, copy

    def value(self, plain: Any) -> Any:
        match plain:
            case list():
                return [self.value(item) for item in plain]
            case {"$": "array", **fields}:
                return self._array(fields.get("dtype"), fields.get("shape"))
            case {"$": "error", **fields}:
                return _error(fields.get("type"), fields.get("what"), fields.get("advice"))
            case {"$": str(kind), **fields} if kind in _RECORDS:
                record = _RECORDS[kind]
                if set(fields) != set(record.checks):
                    _refuse(f"a {kind} has other fields")
                # In their own order, which is that of the buffers.
                return record.make({name: self.value(fields[name]) for name in record.checks})
            case dict() if _KIND in plain:
                _refuse("a message has a value of an unknown kind")
            case dict():
                return {name: self.value(item) for name, item in plain.items()}
        return plain

    def _array(self, name: object, shape: object) -> NDArray[Any]:
        dtype = _DTYPES.get(str(name))
        if dtype is None or not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
            _refuse("an array of another dtype, or of too many dimensions")
        if not all(type(side) is int and side >= 0 for side in shape):
            _refuse("an array without a shape")
        size = dtype.itemsize * math.prod(shape)
        if size > len(self._rest):
            _refuse("an array is larger than what came of it")
        raw, self._rest = self._rest[:size], self._rest[size:]
        if dtype == np.bool_ and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
            _refuse("an array of bool has other bytes than 0 and 1")
        array = np.frombuffer(raw, dtype).reshape(shape)
        return array.copy() if self._copy or not array.flags.aligned else array

    def finish(self) -> None:
        if self._rest:
            _refuse("a message has more bytes than arrays")


def _error(name: object, what: object, advice: object) -> BystanderError:
    if not (isinstance(what, str) and isinstance(advice, str)):
        _refuse("an error without words")
    kind = getattr(errors, str(name), None)
    if isinstance(kind, type) and issubclass(kind, BystanderError):
        return kind(what, advice)
    return ModelError(what, advice)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_bitmap(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.bool_ and value.ndim == 2


def _is_landmarks(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32 and value.shape == (5, 2)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_checksums(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


@dataclass(frozen=True, slots=True)
class _Record:
    """A class that may be in a message, and what each of its fields has to be."""

    kind: Callable[..., object]
    checks: Mapping[str, Callable[[object], bool]]

    def make(self, fields: Mapping[str, Any]) -> object:
        for name, check in self.checks.items():
            if not check(fields[name]):
                _refuse(f"a field {name} isn't what it has to be")
        box = {"box": tuple(fields["box"])} if "box" in fields else {}
        return self.kind(**{**fields, **box})


_RECORDS: Final[Mapping[str, _Record]] = {
    "Mask": _Record(Mask, {"x": _is_whole, "y": _is_whole, "bits": _is_bitmap}),
    "Instance": _Record(
        Instance,
        {"box": _is_box, "score": _is_number, "mask": lambda value: isinstance(value, Mask)},
    ),
    "Face": _Record(Face, {"box": _is_box, "score": _is_number, "landmarks": _is_landmarks}),
    "FaceThresholds": _Record(FaceThresholds, {"same": _is_number, "different": _is_number}),
    "FaceFacts": _Record(
        FaceFacts,
        {
            "name": _is_text,
            "thresholds": lambda value: isinstance(value, FaceThresholds),
            "min_face": _is_whole,
            "checksums": _is_checksums,
        },
    ),
}


def _refuse(what: str) -> NoReturn:
    raise ModelContract(
        f"what came from another process isn't in the form that it has to be: {what}",
        "Both must be of one version of Bystander.",
    )
