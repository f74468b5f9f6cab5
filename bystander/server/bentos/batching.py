"""How a model service takes calls, and runs its networks: frame by frame on a processor, in
batches on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import bentoml
import numpy as np
from _bentoml_impl.serde import ALL_SERDE, Payload, Serde
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bystander.config import cores
from bystander.errors import ModelContract
from bystander.geometry.types import Rgb
from bystander.models import ModelSettings, choose_network
from bystander.models.backends import BackendChoice
from bystander.models.segmenter import SegmenterSettings
from bystander.models.sessions import SessionSettings
from bystander.models.store import ModelStore, Variant
from bystander.server.bentos.protocol import (
    MAX_BODY_BYTES,
    MEDIA_TYPE,
    decode_call,
    packed,
    packed_error,
)
from bystander.server.settings import ModelServiceSettings, load_service_settings

Item = TypeVar("Item")
ResultT = TypeVar("ResultT")
Function = TypeVar("Function", bound=Callable[..., object])

SETTINGS: Final[ModelServiceSettings] = load_service_settings().models
"""Read here, because BentoML takes the limits of a batch when a class is defined."""

SERVICE: Final[dict[str, Any]] = {
    # Calls wait for a place in a batch; who gives up on one is the caller.
    "traffic": {"timeout": 3600},
    # BentoML's client would close its connections every 100 calls, and kill those in flight.
    "runner_connection": {"max_requests": 10**9, "max_age": 1e9},
    # Each API dispatches one batch at a time; `describe` must not wait for them.
    "threads": 4,
    # A line for each frame of each job says nothing.
    "logging": {"access": {"enabled": False}},
}


def batched(function: Function) -> Function:
    """Make a method an API that takes a list, and looks at the lists of several calls at once."""
    api = bentoml.api(
        batchable=True,
        max_batch_size=SETTINGS.batch_size,
        max_latency_ms=SETTINGS.max_latency_ms,
    )
    return cast(Function, api(function))  # BentoML's decorators have no types


def single(function: Function) -> Function:
    """Make a method an API that is called for each call."""
    return cast(Function, bentoml.api(function))


class ArraySerde(Serde):  # type: ignore[misc]  # BentoML has no types
    """How BentoML reads calls and writes answers of `protocol.MEDIA_TYPE`."""

    media_type = MEDIA_TYPE

    def deserialize_model(self, payload: Payload, cls: type[BaseModel]) -> BaseModel:
        try:
            return cls.model_validate(decode_call(b"".join(payload.data)))
        except ModelContract as error:
            raise bentoml.exceptions.InvalidArgument(str(error)) from error

    def serialize_model(self, model: BaseModel) -> Payload:
        return Payload(model.model_dump())  # messages, one an item

    def serialize(self, obj: object, schema: dict[str, Any]) -> Payload:
        raise AssertionError("only BentoML's clients do that")

    def deserialize(self, payload: Payload, schema: dict[str, Any]) -> object:
        raise AssertionError("only BentoML's clients do that")


class OnlyArrays:
    """Refuses calls in any other form: BentoML would also unpickle, or fetch addresses.

    Whoever may connect to a model service is a process that decodes what strangers sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            headers = Headers(scope=scope)
            length = headers.get("content-length", "")
            if headers.get("content-type") != MEDIA_TYPE:
                await _refuse(415, f"a call is {MEDIA_TYPE}")(scope, receive, send)
                return
            if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
                await _refuse(413, f"a call has up to {MAX_BODY_BYTES} bytes, and says so")(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)


def _refuse(status: int, why: str) -> PlainTextResponse:
    return PlainTextResponse(why, status, {"Connection": "close"})


def take_arrays(service: object) -> None:
    """Have a model service take calls in the form of `protocol`, and in no other."""
    ALL_SERDE[MEDIA_TYPE] = ArraySerde
    cast(Any, service).add_asgi_middleware(OnlyArrays)


def network_choice(variant: Variant, store: ModelStore) -> tuple[Path, BackendChoice]:
    """The file of a variant, and how it is run here: as the command line would.

    Raises:
        ConfigError, ModelError: see `load_models`.
    """
    return choose_network(
        ModelSettings(segmenter=SegmenterSettings(variant=variant), sessions=SETTINGS.sessions()),
        store,
    )


def on_gpu(settings: SessionSettings) -> bool:
    """Whether these settings put networks on a GPU."""
    first = settings.providers[0].lower()  # never "auto": what was chosen has nothing left open
    return first.startswith(("cuda", "tensorrt"))


class OneByOne:
    """Looks at the items of a batch one by one, as many at once as there are cores.

    As the command line does: networks of one thread each, whose results don't depend on what
    else is looked at.

    Args:
        service: named in errors.
        threads: 0 is one a core.
    """

    def __init__(self, service: str, threads: int = 0) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(threads or cores(), "look")

    def __call__(self, look: Callable[[Item], ResultT], items: Iterable[Item]) -> list[bytes]:
        """The packed result, or error, of each item."""
        return list(self._pool.map(lambda item: self._outcome(look, item), items))

    def _outcome(self, look: Callable[[Item], ResultT], item: Item) -> bytes:
        try:
            return packed(look(item))
        except Exception as error:
            return packed_error(error, self._service)


def check_picture(picture: object) -> Rgb:
    """The picture, if it is one that networks take: uint8 [H, W, 3], not empty.

    Raises:
        ModelContract
    """
    if (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and picture.ndim == 3
        and picture.shape[2] == 3
        and picture.size
    ):
        return picture
    given = getattr(picture, "dtype", type(picture).__name__), getattr(picture, "shape", "")
    raise ModelContract(
        f"a picture must be uint8 [H, W, 3] RGB, not {given[0]} {given[1]}",
        "Convert it before it is sent.",
    )


def positions_by(keys: Sequence[Item]) -> dict[Item, list[int]]:
    """Where each key is in `keys`."""
    found: dict[Item, list[int]] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, []).append(position)
    return found
