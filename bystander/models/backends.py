"""The segmenter's files, this machine -> the fastest way to run it that agrees with fp32.

A self-test times each backend and precision that the processor has on a picture of people, and
compares who is found with ONNX Runtime in fp32. What came out is kept in the cache folder, by
processor, versions and weights: only the first process on a machine pays for it, once.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np

from bystander import __version__
from bystander.choices import Precision
from bystander.errors import BystanderError, ConfigError
from bystander.files import replacing
from bystander.geometry.instances import Instance
from bystander.geometry.masks import iou
from bystander.geometry.types import Rgb
from bystander.models.sample import group_picture
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import (
    Array,
    SessionSettings,
    onnx_runtime,
    open_session,
    openvino_runtime,
)
from bystander.models.store import Variant, sha256

try:
    import fcntl
except ImportError:  # Windows: two first processes would then both run the test
    fcntl = None  # type: ignore[assignment]

BACKEND_VARIABLE: Final = "BYSTANDER_BACKEND"
"""BACKEND or BACKEND:PRECISION, instead of `auto` in settings: openvino:bf16."""
ROUNDS: Final = 3
"""Timed runs of each network, of which the fastest counts. In turns, so that whatever else the
machine does meets all of them."""
TEST_SIZE_PX: Final = (640, 384)
MIN_GAIN: Final = 0.1
"""Share of ONNX Runtime's time in fp32 that another way must save: less is noise on a busy
machine, and OpenVINO takes half a second to compile and 60 MB."""

# Bounds of agreement with fp32. Over 36 frames of opera, schoolgirls and busking (371 people of a
# score of 0.25 or more; mean IoU of silhouettes, largest difference of scores, lost): OpenVINO in
# fp32 1.000, 0.000, 0; in bf16 0.990, 0.016, 0; int8 0.959, 0.213, 0. On the test's picture (24
# people): 1.000, 0.000, 0; 0.987, 0.008, 0; 0.960, 0.081, 0.
SURE_SCORE: Final = 0.25
"""People of this score or more, by either, must be found by both."""
MIN_SAME_IOU: Final = 0.5
"""From here on two silhouettes are of one person."""
MIN_MEAN_IOU: Final = 0.98
MAX_SCORE_DIFFERENCE: Final = 0.03

_FORMAT: Final = 1  # of what is kept
_ONLY: Final = "the only one here that the settings allow"

_log = logging.getLogger(__name__)

Provider = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class BackendCandidate:
    """One way to run the segmenter.

    Attributes:
        precision: int8 is that variant's file, the others are of the variant `float`.
    """

    backend: Literal["onnxruntime", "openvino"]
    provider: Provider
    precision: Precision

    @property
    def variant(self) -> Variant:
        return "int8" if self.precision is Precision.INT8 else "float"

    @property
    def name(self) -> str:
        """For people and for timelines: "openvino bf16", "onnxruntime cuda fp32"."""
        where = () if self.provider == "cpu" else (self.provider,)
        return " ".join((self.backend, *where, self.precision))

    def sessions(self, settings: SessionSettings) -> SessionSettings:
        """`settings`, run so."""
        return settings.model_copy(
            update={
                "backend": self.backend,
                "providers": (self.provider,),
                "precision": self.precision,
            }
        )


REFERENCE: Final = BackendCandidate("onnxruntime", "cpu", Precision.FP32)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the self-test found out about a candidate.

    Attributes:
        milliseconds: of the network on one frame of 640x384, one thread.
        mean_iou, score_difference: of people found by it and by the reference: the mean of the
            silhouettes' overlaps, the largest difference of scores.
        unmatched: people found by one of the two only.
        failed: why it can't run here.
    """

    candidate: BackendCandidate
    milliseconds: float = 0.0
    mean_iou: float = 0.0
    score_difference: float = 0.0
    unmatched: int = 0
    failed: str = ""

    @property
    def agrees(self) -> bool:
        """Within the bounds."""
        return (
            not self.failed
            and self.unmatched == 0
            and self.mean_iou >= MIN_MEAN_IOU
            and self.score_difference <= MAX_SCORE_DIFFERENCE
        )


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """How the segmenter is run.

    Attributes:
        name: of backend and precision, for people and for timelines.
        variant: of the file.
        sessions: with nothing left to choose.
        why: a short sentence.
    """

    name: str
    variant: Variant
    sessions: SessionSettings
    why: str


def choose(
    settings: SessionSettings,
    variant: Variant,
    networks: Mapping[Variant, Path],
    cache: Path,
    environ: Mapping[str, str] = os.environ,
) -> BackendChoice:
    """The fastest way to run the segmenter that the settings allow and that agrees with fp32.

    A given precision decides the variant. Where the variant `int8` is asked for and the precision
    isn't, the float network is taken if another precision makes it faster.

    Args:
        networks: the segmenter's files that are here, of the variant asked for at least.
        cache: where the self-test's results are kept, if it can be written.

    Raises:
        ConfigError: this machine lacks what the settings ask for.
        ModelError: the reference can't be run.
    """
    settings = _from_environment(settings, variant, environ)
    if settings.precision is not Precision.AUTO:
        variant = "int8" if settings.precision is Precision.INT8 else "float"
    device = "auto" if settings.providers == "auto" else settings.providers[0].lower()
    if device not in ("auto", "cpu"):
        return _on(device, variant, settings)
    wanted = [one for one in _candidates() if _allowed(one, settings, variant, networks)]
    if not wanted:
        raise _lacking(settings)
    if len(wanted) == 1:
        return BackendChoice(wanted[0].name, wanted[0].variant, wanted[0].sessions(settings), _ONLY)
    measured = {m.candidate: m for m in measurements(networks, cache)}
    best, why = _best([measured[one] for one in wanted if one in measured], variant)
    return BackendChoice(best.name, best.variant, best.sessions(settings), why)


def measurements(
    networks: Mapping[Variant, Path], cache: Path, again: bool = False
) -> tuple[Measurement, ...]:
    """What the self-test says of each candidate: from the cache, or by running it.

    Args:
        again: run it in any case.
    """
    path = cache / "backends" / f"{_machine(networks)}.json"
    if not again and (kept := _read(path)) is not None:
        return kept
    with _alone(path):
        # Another process may have run it meanwhile.
        if not again and (kept := _read(path)) is not None:
            return kept
        _log.info("trying how the networks run fastest on this machine: once, a few seconds")
        found = self_test(networks)
        with contextlib.suppress(OSError), replacing(path) as part:
            part.write_text(json.dumps([asdict(one) for one in found]), encoding="utf-8")
        return found


def self_test(networks: Mapping[Variant, Path]) -> tuple[Measurement, ...]:
    """Time every candidate, and compare what it finds with the reference."""
    picture = _picture()
    opened: dict[BackendCandidate, _TimedSegmenter] = {}
    failed: list[Measurement] = []
    for candidate in _candidates():
        if candidate.variant in networks:
            try:
                opened[candidate] = _TimedSegmenter(candidate, networks[candidate.variant])
            except BystanderError as error:
                failed.append(Measurement(candidate, failed=str(error)))
    found: dict[BackendCandidate, list[Instance]] = {}
    for _ in range(ROUNDS):
        for candidate, segmenter in opened.items():
            found[candidate] = segmenter.segment(picture)
    reference = found.get(REFERENCE, [])
    measured = [
        Measurement(one, round(1000 * opened[one].seconds, 1), *_compare(reference, instances))
        for one, instances in found.items()
    ]
    return (*measured, *failed)


class _TimedSegmenter:
    """The segmenter run as a candidate says.

    Attributes:
        seconds: the least that its network took for a picture.
    """

    def __init__(self, candidate: BackendCandidate, network: Path) -> None:
        sessions = candidate.sessions(SessionSettings(threads=1))
        self.seconds = float("inf")
        self._session = open_session(network, sessions)
        self.inputs, self.outputs = self._session.inputs, self._session.outputs
        self._segmenter = PersonSegmenter(self, SegmenterSettings(variant=candidate.variant))
        self.seconds = float("inf")  # what is timed begins after the first run

    def segment(self, picture: Rgb) -> list[Instance]:
        return self._segmenter.segment([picture])[0]

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        begun = time.perf_counter()
        outputs = self._session.run(feeds)
        self.seconds = min(self.seconds, time.perf_counter() - begun)
        return outputs


def _candidates() -> list[BackendCandidate]:
    """The ways to run the segmenter that this machine has, the reference first."""
    found = [REFERENCE, BackendCandidate("onnxruntime", "cpu", Precision.INT8)]
    if "CUDAExecutionProvider" in onnx_runtime().get_available_providers():
        found += [
            BackendCandidate("onnxruntime", "cuda", p) for p in (Precision.FP32, Precision.INT8)
        ]
    if importlib.util.find_spec("openvino") is None:
        return found
    try:
        core = openvino_runtime().Core()
        abilities = set(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    except (BystanderError, RuntimeError) as error:
        _log.debug("OpenVINO can't be used: %s", error)
        return found
    native = [p for p in (Precision.BF16, Precision.FP16) if p.upper() in abilities]
    return found + [BackendCandidate("openvino", "cpu", p) for p in (Precision.FP32, *native)]


def _allowed(
    candidate: BackendCandidate,
    settings: SessionSettings,
    variant: Variant,
    networks: Mapping[Variant, Path],
) -> bool:
    return (
        candidate.variant in networks
        and settings.backend in ("auto", candidate.backend)
        and (settings.providers == "auto" or candidate.provider == "cpu")
        and settings.precision in (Precision.AUTO, candidate.precision)
        and (candidate.variant == "float" or variant == "int8")
    )


def _best(measured: Sequence[Measurement], variant: Variant) -> tuple[BackendCandidate, str]:
    """The fastest that agrees; of the variant int8, which was asked for, its own file, too."""
    fit = [one for one in measured if _fits(one, variant)]
    if not fit:
        return REFERENCE, "nothing else agrees with it"
    usual = next((one for one in fit if one.candidate == REFERENCE), None)
    fastest = min(fit, key=lambda one: one.milliseconds)
    if usual is not None and fastest.milliseconds > (1 - MIN_GAIN) * usual.milliseconds:
        return REFERENCE, "nothing that agrees with it is a tenth faster"
    why = "the fastest" if fastest.candidate.variant == "int8" else "the fastest that agrees"
    return fastest.candidate, why


def _fits(measured: Measurement, variant: Variant) -> bool:
    if measured.candidate.variant == "int8":
        return variant == "int8" and not measured.failed
    return measured.agrees


def _on(device: str, variant: Variant, settings: SessionSettings) -> BackendChoice:
    """What was asked for, where there is nothing to compare it with."""
    if settings.backend == "openvino":
        raise ConfigError(
            f"the backend openvino doesn't run on {device}", "Choose the device cpu, or auto."
        )
    precision = settings.precision
    if precision is Precision.AUTO:
        precision = Precision.INT8 if variant == "int8" else Precision.FP32
    chosen = settings.model_copy(update={"backend": "onnxruntime", "precision": precision})
    return BackendChoice(f"onnxruntime {device} {precision}", variant, chosen, _ONLY)


def _lacking(settings: SessionSettings) -> ConfigError:
    """Why no candidate has what the settings ask for."""
    if importlib.util.find_spec("openvino") is None:
        return ConfigError(
            f"{settings.precision} on a processor needs the backend openvino",
            "Run `pip install openvino`, or choose the precision auto.",
        )
    has = ", ".join(one.name for one in _candidates())
    return ConfigError(
        f"this machine can't run the segmenter by {settings.backend} in {settings.precision}",
        f"Choose auto, or one of these: {has}.",
    )


def _from_environment(
    settings: SessionSettings, variant: Variant, environ: Mapping[str, str]
) -> SessionSettings:
    """The settings, with the environment's choice for what they leave open: of a float network.

    Raises:
        ConfigError: the environment names none.
    """
    named = environ.get(BACKEND_VARIABLE, "")
    if not named:
        return settings
    backend, _, precision = named.partition(":")
    if backend not in ("onnxruntime", "openvino") or precision not in ("", *Precision):
        raise ConfigError(
            f"{BACKEND_VARIABLE}={named} names no backend",
            "Write onnxruntime or openvino, with a precision where you want one: openvino:bf16.",
        )
    wanted: dict[str, object] = {}
    if settings.precision is Precision.AUTO and variant == "int8":
        wanted["precision"] = Precision.INT8
    elif settings.precision is Precision.AUTO and precision:
        wanted["precision"] = Precision(precision)
    if settings.backend == "auto" and variant == "float":
        wanted["backend"] = backend
    return settings.model_copy(update=wanted)


def _picture() -> Rgb:
    """24 people: a test picture of six, four times; uint8 [384, 640, 3] RGB."""
    size = TEST_SIZE_PX[0] // 2, TEST_SIZE_PX[1] // 2
    small = cv2.resize(group_picture(), size, interpolation=cv2.INTER_AREA)
    return np.tile(small.astype(np.uint8), (2, 2, 1))


def _compare(ours: Sequence[Instance], theirs: Sequence[Instance]) -> tuple[float, float, int]:
    """Mean IoU of matched silhouettes, largest difference of scores, how many were not matched."""
    left = list(theirs)
    overlaps: list[float] = []
    differences: list[float] = []
    unmatched = 0
    for person in ours:
        by_overlap = [(iou(person.mask, other.mask), at) for at, other in enumerate(left)]
        overlap, at = max(by_overlap, default=(0.0, -1))
        if overlap >= MIN_SAME_IOU:
            other = left.pop(at)
            if max(person.score, other.score) >= SURE_SCORE:
                overlaps.append(overlap)
                differences.append(abs(person.score - other.score))
        elif person.score >= SURE_SCORE:
            unmatched += 1
    unmatched += sum(other.score >= SURE_SCORE for other in left)
    if not overlaps:
        return 0.0, 1.0, unmatched
    return round(float(np.mean(overlaps)), 4), round(max(differences), 4), unmatched


def _machine(networks: Mapping[Variant, Path]) -> str:
    """A digest of what the self-test's results depend on."""
    facts = [
        _FORMAT,
        __version__,
        _processor(),
        [(name, _version(name)) for name in ("onnxruntime", "onnxruntime-gpu", "openvino")],
        onnx_runtime().get_available_providers(),
        sorted((variant, sha256(path)) for variant, path in networks.items()),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _processor() -> list[str]:
    """Model and instruction sets of the processor, where the system tells them."""
    facts = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "flags", "Features"):
                facts.append(value.strip())
            if not name.strip():  # the next core
                break
    return facts


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read(path: Path) -> tuple[Measurement, ...] | None:
    """What is kept there; None where nothing is that can be read."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_measurement(**row) for row in rows) or None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _measurement(candidate: Mapping[str, str], **measured: object) -> Measurement:
    one = BackendCandidate(**{**candidate, "precision": Precision(candidate["precision"])})  # type: ignore[arg-type]
    return Measurement(one, **measured)  # type: ignore[arg-type]


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time run the test; where nothing can be written, all at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w", encoding="utf-8")
    except OSError:
        yield
        return
    with lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the file is closed
        yield
