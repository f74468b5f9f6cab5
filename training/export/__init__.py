"""From a trained checkpoint to the files the product runs: float32, float16-stored, int8.

    python -m training.export CHECKPOINT FOLDER --calibration PICTURES --measuring PICTURES

Reading a checkpoint takes torch and ultralytics; everything after it, ONNX alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
from pydantic import Field

from bystander.config import Settings
from bystander.geometry.types import Rgb
from bystander.models.sessions import Session, open_session
from bystander.models.store import sha256
from training.errors import CheckpointError, DataError
from training.export.checkpoint import CheckpointSession, read_checkpoint, to_onnx
from training.export.files import LICENCE, save, save_json
from training.export.halves import store_halves
from training.export.parity import Parity, compare
from training.export.quantise import QuantiseSettings, quantise

__all__ = ["ExportSettings", "Exported", "ParitySettings", "export", "export_network"]


class ParitySettings(Settings):
    """How alike the float files must be to the checkpoint; int8 is measured, not judged."""

    confidence: float = Field(default=0.25, gt=0, lt=1, description="least score of a person")
    fp32_score_gap: float = Field(
        default=0.01, gt=0, le=1, description="most that any score of fp32 may differ"
    )
    fp16_score_gap: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="the same of fp16, whose weights are rounded. Raised from a guess of 0.05"
        " that COCO's YOLO11n-seg missed: on 92 pictures one person's score went from 0.266 to"
        " 0.325, the next largest gap was 0.021, and nobody was lost",
    )
    recall: float = Field(
        default=0.98, ge=0, le=1, description="least share of the checkpoint's people found"
    )
    mask_iou: float = Field(
        default=0.98, ge=0, le=1, description="least mean IoU of their silhouettes"
    )


class ExportSettings(Settings):
    """What the files are called and how they are made."""

    name: str = Field(
        default="yolo11n-seg-person",
        pattern=r"^[a-z0-9][a-z0-9.-]*$",
        description="of the network; the files are NAME-fp32.onnx, NAME-fp16.onnx, NAME-int8.onnx",
    )
    version: str = Field(default="0.1.0", description="of the weights")
    opset: int = Field(default=17, ge=17, le=20, description="of ONNX; 17 runs everywhere we do")
    quantise: QuantiseSettings = QuantiseSettings()
    parity: ParitySettings = ParitySettings()


@dataclass(frozen=True)
class Exported:
    """What an export left in its folder.

    Attributes:
        fp32, fp16, int8: the network; fp16 stores half as much and computes in float32.
        report: parity.json, how each file differs from the checkpoint and from fp32.
        parities: the same, by variant and by what it is compared with.
    """

    fp32: Path
    fp16: Path
    int8: Path
    report: Path
    parities: Mapping[str, Mapping[str, Parity]]


def export(
    checkpoint: Path,
    folder: Path,
    settings: ExportSettings,
    calibration_frames: Iterable[Rgb],
    measuring_frames: Sequence[Rgb],
) -> Exported:
    """Write every variant of a checkpoint, with its parity, to `folder`.

    Args:
        checkpoint: Ultralytics' .pt of a YOLO11-seg; see `read_checkpoint` on trusting it.
        calibration_frames: uint8 [H, W, 3] RGB, longer side at most 640; int8 learns from them.
        measuring_frames: of the same kind, and none of the former; what parity is measured on.

    Raises:
        CheckpointError: the file is something else, or a float variant answers otherwise
            than the checkpoint. Nothing is written then.
        DataError: there are no frames.
    """
    trained = read_checkpoint(checkpoint)
    facts = {
        "classes": ",".join(trained.classes),
        "date": trained.date,
        "source_sha256": trained.sha256,
    }
    network = to_onnx(trained, settings.opset)
    return export_network(
        network,
        folder,
        settings,
        calibration_frames,
        measuring_frames,
        reference=CheckpointSession(trained),
        facts=facts,
    )


def export_network(
    network: onnx.ModelProto,
    folder: Path,
    settings: ExportSettings,
    calibration_frames: Iterable[Rgb],
    measuring_frames: Sequence[Rgb],
    reference: Session,
    facts: Mapping[str, str],
) -> Exported:
    """`export` from the float32 network on.

    Args:
        network: float32, as `to_onnx` makes it.
        reference: what the float variants must answer like.
        facts: what is known of the weights, for the files' metadata.

    Raises:
        CheckpointError, DataError: as `export`.
    """
    if not measuring_frames:
        raise DataError(
            "there is no frame to measure parity on",
            "Give a folder of pictures that aren't among the calibration frames.",
        )
    facts = {
        **facts,
        "name": settings.name,
        "version": settings.version,
        "licence": LICENCE,
    }
    variants = {
        "fp32": network,
        "fp16": store_halves(network),
        "int8": quantise(network, calibration_frames, settings.quantise),
    }
    folder.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the files only have to be renamed when all is well.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as scratch:
        made = {variant: Path(scratch, f"{settings.name}-{variant}.onnx") for variant in variants}
        for variant, path in made.items():
            save(variants[variant], path, {**facts, "variant": variant})
        parities = _measure(made, reference, measuring_frames, settings.parity)
        _judge(parities, settings.parity)
        report = _report(made, parities, settings, facts)
        written = {variant: path.replace(folder / path.name) for variant, path in made.items()}
    save_json(report, folder / "parity.json")
    return Exported(**written, report=folder / "parity.json", parities=parities)


def _measure(
    paths: Mapping[str, Path],
    reference: Session,
    frames: Sequence[Rgb],
    settings: ParitySettings,
) -> dict[str, dict[str, Parity]]:
    """Each variant against the checkpoint and, but for itself, against fp32."""
    sessions = {variant: open_session(path) for variant, path in paths.items()}
    originals = {"checkpoint": reference, "fp32": sessions["fp32"]}
    return {
        variant: {
            name: compare(original, session, frames, settings.confidence)
            for name, original in originals.items()
            if original is not session
        }
        for variant, session in sessions.items()
    }


def _judge(parities: Mapping[str, Mapping[str, Parity]], settings: ParitySettings) -> None:
    for variant, gap in (("fp32", settings.fp32_score_gap), ("fp16", settings.fp16_score_gap)):
        parity = parities[variant]["checkpoint"]
        if (
            parity.scores.largest > gap
            or parity.recall < settings.recall
            or parity.mask_iou < settings.mask_iou
        ):
            raise CheckpointError(
                f"the {variant} export answers otherwise than its checkpoint: scores differ by"
                f" up to {parity.scores.largest:.3g}, {parity.lost} of {parity.people} people"
                f" are lost, silhouettes overlap by {parity.mask_iou:.3f}",
                "Check the versions of torch, ultralytics and onnxruntime, or whether the"
                " weights are sound.",
            )


def _report(
    paths: Mapping[str, Path],
    parities: Mapping[str, Mapping[str, Parity]],
    settings: ExportSettings,
    facts: Mapping[str, str],
) -> dict[str, object]:
    return {
        **facts,
        "confidence": settings.parity.confidence,
        "kept_float_in_int8": list(settings.quantise.kept_float),
        "files": {
            path.name: {
                "sha256": sha256(path),
                "bytes": path.stat().st_size,
                "compared_with": {
                    name: {**asdict(parity), "recall": parity.recall}
                    for name, parity in parities[variant].items()
                },
            }
            for variant, path in paths.items()
        },
    }
