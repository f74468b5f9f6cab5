"""An ONNX file -> a network that runs here, by ONNX Runtime or OpenVINO."""

from __future__ import annotations

import ctypes
import gc
import importlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bystander.config import Settings
from bystander.errors import ConfigError, ModelContract, ModelCorrupt, ModelError

log = logging.getLogger(__name__)
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_MAX_COMPILED_SHAPES = 4  # of one network; a video needs one, its last batch another
_UNREADABLE = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented")
_REFUSED = ("InvalidArgument", "Fail", "RuntimeException")


def release_memory() -> None:
    """Return what is free to the system, where the C library can (glibc).

    glibc keeps what the networks freed, scattered over its arenas; the encoder would
    take as much again on top of it (opera: a peak of 790 MiB instead of 600).
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError) as error:  # another C library
        log.debug("memory can't be given back: %s", error)


Array = NDArray[Any]

_log = logging.getLogger(__name__)


class SessionSettings(Settings):
    """How networks are run."""

    backend: Literal["onnxruntime", "openvino"] = "onnxruntime"
    providers: Literal["auto"] | tuple[str, ...] = Field(
        default="auto",
        description="onnxruntime: cpu, cuda or tensorrt in order of preference, or ONNX Runtime's "
        "own names; auto is cuda where it is available and cpu otherwise. TensorRT is never "
        "chosen by itself: building its engines takes minutes",
    )
    threads: int = Field(
        default=1,
        ge=0,
        le=256,
        description="per network; 0 is one a core. An analysis looks at several frames at once "
        "instead, which wastes less",
    )
    spinning: bool = Field(
        default=False,
        description="idle inference threads wait in a busy loop; it starves decoding and encoding",
    )
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        default="fp32", description="fp16 with tensorrt or openvino, bf16 with openvino"
    )


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network.

    Attributes:
        shape: None where the network takes any size.
        dtype: ONNX's name of the type, e.g. "tensor(float)".
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of `shape` fits."""
        return len(shape) == len(self.shape) and all(
            side in (None, given) for side, given in zip(self.shape, shape, strict=True)
        )


class Session(Protocol):
    """A network that is ready to run. `run` may be called from several threads."""

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...

    @property
    def outputs(self) -> tuple[Tensor, ...]: ...

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs, in the order of `outputs`.

        Args:
            feeds: every input by name, of the dtype and shape in `inputs`.

        Raises:
            ModelContract: the network refuses the feeds.
        """
        ...


def onnx_runtime() -> Any:
    """The module `onnxruntime`, imported here for the first time, unless the host has done so.

    ONNX Runtime reports to its maker from its import on, if nothing forbids it: nothing is sent
    anywhere. Nobody else in this package imports it.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return importlib.import_module("onnxruntime")


def open_session(
    path: Path, settings: SessionSettings | None = None, content: bytes | None = None
) -> Session:
    """Load the ONNX file at `path`.

    Args:
        content: what is loaded instead of the file's, where that was changed.

    Raises:
        ModelCorrupt: truncated, or not ONNX.
        ConfigError: the backend or a provider is unknown or not installed here.
        ModelError: the file can't be read.
    """
    settings = settings or SessionSettings()
    if content is None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"can't read the model {path}: {error}") from error
    if settings.backend == "openvino":
        return _OpenVinoSession(path, content, settings)
    return _OnnxSession(path, content, settings)


class _OnnxSession:
    def __init__(self, path: Path, content: bytes, settings: SessionSettings) -> None:
        runtime = onnx_runtime()
        providers = _providers(settings, runtime.get_available_providers())
        options = runtime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: they reach the caller as exceptions too
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", str(int(settings.spinning))
        )
        # The memory arena stays on: without it YOLO11n-seg at 384x640 is no faster, and its
        # peak memory is higher (129 to 146 MB against 109 to 112 MB).
        try:
            self._session = runtime.InferenceSession(content, options, providers=providers)
        except _errors(_UNREADABLE) as error:
            raise ModelCorrupt(
                f"{path} is not a complete ONNX file: {error}", "Get it again."
            ) from error
        self._path = path
        running = self._session.get_providers()[0]
        if running != _name_of(providers[0]):
            # ONNX Runtime falls back to the CPU with no more than a line in its log.
            if settings.providers != "auto":
                raise ConfigError(
                    f"{_name_of(providers[0])} can't run {path.name}, {running} would",
                    "Check the driver and its libraries, or choose the provider cpu.",
                )
            _log.warning("%s runs on %s, slower", path.name, running)
        self.inputs = tuple(_tensor(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        try:
            outputs: list[Array] = self._session.run(None, dict(feeds))
        except _errors(_REFUSED, ValueError) as error:
            raise _refused(self._path, feeds, error) from error
        return outputs


class _OpenVinoSession:
    """OpenVINO is fastest for fixed shapes, so each shape of input is compiled once."""

    def __init__(self, path: Path, content: bytes, settings: SessionSettings) -> None:
        try:
            openvino = importlib.import_module("openvino")
        except ImportError as error:
            raise ConfigError(
                "the backend openvino is not installed",
                "Run `pip install openvino`, or choose the backend onnxruntime.",
            ) from error
        self._core = openvino.Core()
        self._path = path
        self._content = content
        precision = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}[settings.precision]
        self._options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if settings.threads:
            self._options["INFERENCE_NUM_THREADS"] = str(settings.threads)
        self._lock = threading.Lock()
        self._compiled: OrderedDict[tuple[tuple[int, ...], ...], Any] = OrderedDict()
        try:
            model = self._core.read_model(content, b"")
        except RuntimeError as error:
            raise ModelCorrupt(
                f"{path} is not a complete ONNX file: {error}", "Get it again."
            ) from error
        self.inputs = tuple(_openvino_tensor(port) for port in model.inputs)
        self.outputs = tuple(_openvino_tensor(port) for port in model.outputs)

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        for tensor in self.inputs:  # OpenVINO would reshape the network to anything
            if not tensor.takes(feeds[tensor.name].shape):
                raise _refused(self._path, feeds, f"{tensor.name} is {tensor.shape}")
        try:
            # A request for each run, because one request serves one thread at a time.
            results = self._network(feeds).create_infer_request().infer(dict(feeds))
        except (RuntimeError, TypeError, ValueError) as error:
            raise _refused(self._path, feeds, error) from error
        return [np.array(value) for value in results.to_tuple()]

    def _network(self, feeds: Mapping[str, Array]) -> Any:
        shapes = tuple(feed.shape for feed in feeds.values())
        with self._lock:
            if shapes not in self._compiled:
                model = self._core.read_model(self._content, b"")
                model.reshape({name: list(feed.shape) for name, feed in feeds.items()})
                self._compiled[shapes] = self._core.compile_model(model, "CPU", self._options)
                if len(self._compiled) > _MAX_COMPILED_SHAPES:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(shapes)
            return self._compiled[shapes]


def _errors(names: Sequence[str], *others: type[Exception]) -> tuple[type[Exception], ...]:
    """Exceptions of ONNX Runtime by name, and `others`."""
    module = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return (*(getattr(module, name) for name in names), *others)


def _providers(
    settings: SessionSettings, available: Sequence[str]
) -> list[str | tuple[str, dict[str, str]]]:
    if settings.providers == "auto":
        wanted = [name for name in (_PROVIDERS["cuda"],) if name in available]
    else:
        wanted = [_PROVIDERS.get(name.lower(), name) for name in settings.providers]
    unknown = [name for name in wanted if name not in available]
    if unknown:
        raise ConfigError(
            f"ONNX Runtime has no provider {', '.join(unknown)} here",
            f"Available: {', '.join(available)}.",
        )
    if _PROVIDERS["cpu"] not in wanted:
        wanted.append(_PROVIDERS["cpu"])  # runs what the others can't
    if settings.precision == "fp32":
        return [*wanted]
    if settings.precision == "fp16" and wanted[0] == _PROVIDERS["tensorrt"]:
        return [(wanted[0], {"trt_fp16_enable": "1"}), *wanted[1:]]
    raise ConfigError(
        f"onnxruntime on {wanted[0]} has no setting for {settings.precision}",
        "Choose fp32, or fp16 with the provider tensorrt, or the backend openvino.",
    )


def _name_of(provider: str | tuple[str, dict[str, str]]) -> str:
    return provider if isinstance(provider, str) else provider[0]


def _tensor(node: Any) -> Tensor:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    return Tensor(node.name, shape, node.type)


def _openvino_tensor(port: Any) -> Tensor:
    shape = tuple(
        side.get_length() if side.is_static else None for side in port.get_partial_shape()
    )
    kinds = {"f32": "float", "f16": "float16", "u8": "uint8", "i64": "int64"}
    kind = port.get_element_type().get_type_name()
    return Tensor(port.get_any_name(), shape, f"tensor({kinds.get(kind, kind)})")


def _refused(path: Path, feeds: Mapping[str, Array], why: object) -> ModelContract:
    given = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in feeds.items())
    return ModelContract(
        f"{path} refuses {given}: {why}", "Check its input contract in configs/models.yaml."
    )
