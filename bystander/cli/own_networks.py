"""A network's file -> tried, copied and registered for this user."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bystander.choices import LicenceUse
from bystander.errors import BystanderError, ConfigError, ModelContract
from bystander.models.licences import permits
from bystander.models.registry import Registry
from bystander.sandbox.network_trial import NetworkTrial, try_network

_YOLO = "yolo export model={file} format=onnx dynamic=True"
_RF_DETR = """python -c "from rfdetr import RFDETRSegNano as Network; \
Network(pretrain_weights='{file}').export()" """.strip()
_OPSET = 17
_EXPORTER = "training.export.checkpoint"  # of a checkout; a wheel doesn't have it


@dataclass(frozen=True, slots=True)
class Added:
    """What was registered.

    Attributes:
        file: the copy.
        trial: what it found in the photo of six people.
    """

    name: str
    file: Path
    licence: str
    used: bool
    trial: NetworkTrial

    def facts(self) -> dict[str, object]:
        return {
            "model": self.name,
            "path": str(self.file),
            "takes": self.trial.contract,
            "people": f"{self.trial.people} of 6 found in the test picture",
            "ms": self.trial.milliseconds,
            "used": "from now on" if self.used else f"if chosen: bystander models use {self.name}",
        }

    def warnings(self) -> list[str]:
        """What whoever added it has to know."""
        told = []
        if not self.trial.people:
            told.append(
                f"{self.name} found nobody in the test picture, in which six people are, so it "
                "isn't used yet: masked with it, everybody might be seen. Are people its first "
                "class?"
            )
        if self.trial.told_licence and self.licence.lower() not in self.trial.told_licence.lower():
            told.append(f"the file itself says of its licence: {self.trial.told_licence}")
        if not permits(LicenceUse.COMMERCIAL, self.licence):
            told.append(f"under {self.licence} it isn't used with --licence commercial")
        return told


def add_network(file: Path, licence: str, name: str | None, source: str, use: bool) -> Added:
    """Try a network in a confined child, and register a copy of it.

    Args:
        source: who made it, and from what; by default the file's name.
        use: let it go first, if it finds anybody.

    Raises:
        ConfigError: the name is taken or none; or no licence is given.
        ModelError: the file can't be read, exported, or run; nothing is registered.
    """
    registry = Registry.of_user()
    if not licence:
        raise ConfigError("--licence is empty", "Give its SPDX identifier, or LicenseRef-unknown.")
    called = registry.free_name(file, name)
    with _as_onnx(file) as network, registry.arriving(network) as part:
        try:
            trial = try_network(part)
        except BystanderError as error:
            raise type(error)(error.what.replace(str(part), str(file)), error.advice) from error
        use = use and trial.people > 0
        said = source or f"added from {file.name}"
        target = registry.register(part, called, licence, said, trial.contract, use)
    return Added(called, target, licence, use, trial)


@contextmanager
def _as_onnx(file: Path) -> Iterator[Path]:
    """`file`, or what a checkpoint is exported to where that can be done here.

    Raises:
        ModelContract: it has to be exported first; the message says how.
    """
    if file.suffix not in (".pt", ".pth"):
        yield file
        return
    if file.suffix == ".pth" or not _can_export():
        raise _export_first(f"{file} is a checkpoint, not ONNX", file)
    exporter = importlib.import_module(_EXPORTER)
    try:
        exported = exporter.to_onnx(exporter.read_checkpoint(file), opset=_OPSET)
    except BystanderError as error:  # another kind of network than training/ makes
        raise _export_first(error.what, file) from error
    with TemporaryDirectory(prefix="bystander-export-") as folder:
        network = Path(folder) / f"{file.stem}.onnx"
        network.write_bytes(exported.SerializeToString())
        yield network


def _export_first(what: str, file: Path) -> ModelContract:
    commands = [_RF_DETR] if file.suffix == ".pth" else [_YOLO, _RF_DETR]
    told = ", or ".join(command.format(file=file.name) for command in commands)
    return ModelContract(
        what,
        f"Export it where it was trained, with the class of its size, and add the .onnx: {told}",
    )


def _can_export() -> bool:
    packages = ("torch", "ultralytics", _EXPORTER.partition(".")[0])
    return all(importlib.util.find_spec(package) for package in packages)
