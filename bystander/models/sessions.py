"""An ONNX file -> a network that runs here, by ONNX Runtime or OpenVINO."""

from __future__ import annotations

import ctypes
import gc
import importlib
import logging
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bystander.choices import Device, Precision
from bystander.config import Settings, cores
from bystander.errors import ConfigError, ModelContract, ModelCorrupt, ModelError

log = logging.getLogger(__name__)
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_MAX_COMPILED_SHAPES = 4  # of one network; a video needs one, the service those of its jobs
_importing_openvino = threading.Lock()
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


class SessionSettings(Settings):
    """How networks are run.

    The segmenter runs by what is chosen here, or by what a self-test chose
    (`bystander.models.backends`), and face detectors as it does, in bf16 or fp32. Embedders decide
    who is kept: they always calculate in fp32.
    """

    backend: Literal["auto", "onnxruntime", "openvino"] = Field(
        default="auto",
        description="auto is the fastest here whose answers agree with ONNX Runtime's in fp32",
    )
    providers: Literal["auto"] | tuple[str, ...] = Field(
        default="auto",
        min_length=1,
        description="cpu, cuda or tensorrt in order of preference, or ONNX Runtime's "
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
    precision: Precision = Field(
        default=Precision.AUTO,
        description="of the segmenter: auto is the fastest that agrees with fp32; fp16 with "
        "tensorrt or openvino, bf16 with openvino; int8 is a network of its own, which finds a "
        "little less",
    )

    def changed(self, device: Device | None, precision: Precision | None) -> SessionSettings:
        """These with another device or precision, where one is given."""
        wanted: dict[str, object] = {}
        if device is not None:
            wanted["providers"] = "auto" if device is Device.AUTO else (device.value,)
        if precision is not None:
            wanted["precision"] = precision
        return SessionSettings.model_validate({**self.model_dump(), **wanted})

    def of_faces(self) -> SessionSettings:
        """These for face detectors: in bf16 or fp32.

        In bf16 nine in ten landmarks move by less than 0.2 % of a face (0.6 % of CenterFace's), and
        its vector by a cosine of 0.005 at most (0.03): from one frame to the next by 0.08.
        """
        if self.precision is Precision.BF16:
            return self
        return self.model_copy(update={"precision": Precision.FP32})

    def reference(self) -> SessionSettings:
        """ONNX Runtime in fp32: for embedders. OpenVINO is slower in fp32 (15 ms to 10 a face),
        and in bf16 vectors have cosines down to 0.990 to those in fp32."""
        return self.model_copy(update={"backend": "onnxruntime", "precision": Precision.FP32})


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


def openvino_runtime() -> Any:
    """The module `openvino`, imported here for the first time, unless the host has done so.

    Its import reports to its maker, unless a file in the home folder forbids it: without the
    package that does it, it takes a stub instead. Nobody else in this package imports it.

    Raises:
        ConfigError: it isn't installed, or can't be loaded here.
    """
    with _importing_openvino:
        telemetry = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # ImportError
        try:
            return importlib.import_module("openvino")
        except (ImportError, OSError) as error:
            raise ConfigError(
                f"the backend openvino can't be used: {error}",
                "Run `pip install openvino`, or choose the backend onnxruntime.",
            ) from error
        finally:
            del sys.modules["openvino_telemetry"]
            if telemetry is not None:
                sys.modules["openvino_telemetry"] = telemetry


def open_session(
    path: Path,
    settings: SessionSettings | None = None,
    content: bytes | None = None,
    any_shape: bool = False,
) -> Session:
    """Load the ONNX file at `path`.

    Args:
        settings: `auto` is ONNX Runtime here, and fp32; `bystander.models.backends` chooses.
        content: what is loaded instead of the file's, where that was changed.
        any_shape: inputs of many shapes are expected. Results may differ in the last bits.

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
        return _OpenVinoSession(path, content, settings, any_shape)
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
            log.warning("%s runs on %s, slower", path.name, running)
        self.inputs = tuple(_tensor(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())
        self._splits = running == _PROVIDERS["cpu"] and _takes_any_batch(self)

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        _check_shapes(self, self._path, feeds)
        return _one_by_one(self._run, feeds) if self._splits else self._run(feeds)

    def _run(self, feeds: Mapping[str, Array]) -> list[Array]:
        try:
            outputs: list[Array] = self._session.run(None, dict(feeds))
        except _errors(_REFUSED, ValueError) as error:
            raise _refused(self._path, feeds, error) from error
        return outputs


@dataclass
class _Compiled:
    """A network compiled by OpenVINO, and its requests that are idle: each serves one thread."""

    network: Any
    idle: list[Any] = field(default_factory=list)


class _OpenVinoSession:
    """Compiles a network for each shape of input, which is 5 % faster, or once."""

    def __init__(
        self, path: Path, content: bytes, settings: SessionSettings, any_shape: bool
    ) -> None:
        self._core = openvino_runtime().Core()
        self._path = path
        self._any_shape = any_shape
        precision = {Precision.FP16: "f16", Precision.BF16: "bf16"}.get(settings.precision, "f32")
        self._options = {"INFERENCE_PRECISION_HINT": precision, **_openvino_threads(settings)}
        self._lock = threading.Lock()
        self._compiled: OrderedDict[tuple[tuple[int, ...], ...], _Compiled] = OrderedDict()
        try:
            self._model = self._core.read_model(content, b"")
        except RuntimeError as error:
            raise ModelCorrupt(
                f"{path} is not a complete ONNX file: {error}", "Get it again."
            ) from error
        self.inputs = tuple(_openvino_tensor(port) for port in self._model.inputs)
        self.outputs = tuple(_openvino_tensor(port) for port in self._model.outputs)
        self._splits = _takes_any_batch(self)

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        _check_shapes(self, self._path, feeds)  # OpenVINO would reshape the network to anything
        return _one_by_one(self._run, feeds) if self._splits else self._run(feeds)

    def _run(self, feeds: Mapping[str, Array]) -> list[Array]:
        try:
            compiled = self._compiled_for(feeds)
            try:
                request = compiled.idle.pop()
            except IndexError:
                request = compiled.network.create_infer_request()
            results = request.infer(dict(feeds))
            outputs = [np.array(value) for value in results.to_tuple()]
        except (RuntimeError, TypeError, ValueError) as error:
            raise _refused(self._path, feeds, error) from error
        compiled.idle.append(request)
        return outputs

    def _compiled_for(self, feeds: Mapping[str, Array]) -> _Compiled:
        shapes = () if self._any_shape else tuple(feed.shape for feed in feeds.values())
        with self._lock:
            if shapes not in self._compiled:
                model = self._model.clone()
                if not self._any_shape:
                    model.reshape({name: list(feed.shape) for name, feed in feeds.items()})
                network = self._core.compile_model(model, "CPU", self._options)
                self._compiled[shapes] = _Compiled(network)
                if len(self._compiled) > _MAX_COMPILED_SHAPES:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(shapes)
            return self._compiled[shapes]


def _check_shapes(session: Session, path: Path, feeds: Mapping[str, Array]) -> None:
    for tensor in session.inputs:
        if tensor.name not in feeds or not tensor.takes(feeds[tensor.name].shape):
            raise _refused(path, feeds, f"{tensor.name} is {tensor.shape}")


def _takes_any_batch(session: Session) -> bool:
    ends = (*session.inputs, *session.outputs)
    return all(end.shape and end.shape[0] is None for end in ends)


def _one_by_one(
    run: Callable[[Mapping[str, Array]], list[Array]], feeds: Mapping[str, Array]
) -> list[Array]:
    """The items of a batch, each by itself: on a processor.

    Together they are no faster there, and 16 faces take 200 MiB instead of 15. A result never
    depends on what else is in a batch, either.
    """
    counts = {len(feed) for feed in feeds.values()}
    if len(counts) != 1 or counts <= {0, 1}:
        return run(feeds)
    items = [
        run({name: feed[at : at + 1] for name, feed in feeds.items()}) for at in range(counts.pop())
    ]
    return [np.concatenate(parts) for parts in zip(*items, strict=True)]


def _openvino_threads(settings: SessionSettings) -> dict[str, str]:
    """As many calls side by side as there are cores for.

    A network of one stream takes calls one after another. Pinned streams of all networks and
    processes share the first cores: two of one thread each took turns on one of two cores.
    """
    if not settings.threads:
        return {"PERFORMANCE_HINT": "LATENCY"}
    streams = max(1, cores() // settings.threads)
    return {
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": str(streams * settings.threads),
        "ENABLE_CPU_PINNING": "NO",
    }


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
    if settings.precision not in (Precision.FP16, Precision.BF16):
        return [*wanted]  # an int8 network says so itself
    if settings.precision is Precision.FP16 and wanted[0] == _PROVIDERS["tensorrt"]:
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
