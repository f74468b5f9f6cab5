from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from bystander.geometry.types import Rgb
from bystander.models.sessions import Array, Session, open_session
from bystander.models.store import sha256
from tests.training.export.networks import tiny
from training.errors import CheckpointError, DataError
from training.export import Exported, ExportSettings, ParitySettings, export_network

pytestmark = pytest.mark.sampled(2)

# Scores of random weights lie close together: whom rounding to fp16 decides about differs from
# processor to processor.
PARITY = ParitySettings(recall=0.8, mask_iou=0.9)
SETTINGS = ExportSettings(name="tiny", version="1.2.3", parity=PARITY)
FACTS = {"classes": "person", "date": "2026-11-22", "source_sha256": "0" * 64}


def frames(seed: int, count: int) -> list[Rgb]:
    drawn = np.random.default_rng(seed)
    return [drawn.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(count)]


def original(folder: Path) -> Session:
    onnx.save(tiny(), folder / "original.onnx")
    return open_session(folder / "original.onnx")


def exported(folder: Path, reference: Session) -> Exported:
    return export_network(
        tiny(), folder / "out", SETTINGS, frames(1, 3), frames(2, 3), reference, FACTS
    )


class Shifted:
    """A network whose scores are off, as if the export had mixed its channels up."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs, self.outputs = session.inputs, session.outputs

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        proposals, prototypes = self._session.run(feeds)
        proposals = proposals.copy()
        proposals[:, 4] = 1 - proposals[:, 4]
        return [proposals, prototypes]


def test_the_folder_holds_three_variants_and_how_they_differ(tmp_path: Path) -> None:
    made = exported(tmp_path, original(tmp_path))

    names = ["parity.json", "tiny-fp16.onnx", "tiny-fp32.onnx", "tiny-int8.onnx"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    report = json.loads(made.report.read_text())
    assert report["version"] == "1.2.3"
    for path in (made.fp32, made.fp16, made.int8):
        assert report["files"][path.name]["sha256"] == sha256(path)
        assert report["files"][path.name]["bytes"] == path.stat().st_size
        assert report["files"][path.name]["compared_with"]["checkpoint"]["frames"] == 3
    assert made.parities["fp32"]["checkpoint"].scores.largest < 1e-6
    assert made.parities["int8"]["fp32"].scores.largest > 0


def test_every_file_carries_its_papers(tmp_path: Path) -> None:
    made = exported(tmp_path, original(tmp_path))

    for variant, path in (("fp32", made.fp32), ("fp16", made.fp16), ("int8", made.int8)):
        facts = {fact.key: fact.value for fact in onnx.load(path).metadata_props}
        assert facts == {
            **FACTS,
            "name": "tiny",
            "version": "1.2.3",
            "licence": "AGPL-3.0-or-later",
            "variant": variant,
        }


@pytest.mark.long
def test_exporting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    reference = original(tmp_path)
    first = {p.name: p.read_bytes() for p in exported(tmp_path, reference).fp32.parent.iterdir()}

    second = {p.name: p.read_bytes() for p in exported(tmp_path, reference).fp32.parent.iterdir()}

    assert first == second


def test_an_export_that_answers_otherwise_is_refused_and_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="fp32 export answers otherwise"):
        exported(tmp_path, Shifted(original(tmp_path)))

    assert list((tmp_path / "out").iterdir()) == []


def test_parity_needs_frames(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="measure parity"):
        export_network(tiny(), tmp_path, SETTINGS, frames(1, 3), [], original(tmp_path), FACTS)
