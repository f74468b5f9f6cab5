from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.export.networks import tiny
from training.export.parity import Difference, Parity
from training.export.quantise import GROUPS
from training.export.sensitivity import Sensitivity, main, row, sensitivities

FRAMES = list(np.random.default_rng(4).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8))


@pytest.mark.long
def test_every_part_but_the_decoding_is_tried_alone_and_spared() -> None:
    found = {each.group: each for each in sensitivities(tiny(), FRAMES, FRAMES, confidence=0.25)}

    assert set(found) == set(GROUPS) - {"decoding"}
    # The stem feeds everything; what has no node in this network changes nothing.
    assert found["stem"].alone.prototypes.mean > 0
    assert found["neck"].alone.prototypes.mean == 0
    # The box output leaves the prototypes alone.
    assert found["box output"].alone.prototypes.mean == 0
    assert found["box output"].alone.boxes.mean > 0
    assert found["stem"].spared.prototypes.mean < found["neck"].spared.prototypes.mean


def test_a_line_tells_what_is_lost_by_a_part_alone_and_by_all_others() -> None:
    same = Difference(0, 0)
    alone = Parity(3, same, same, same, same, people=10, lost=1, new=2, mask_iou=0.9)
    spared = Parity(3, same, same, same, same, people=10, lost=5, new=0, mask_iou=0.8)

    line = row(Sensitivity("stem", alone, spared))

    assert line == "| stem | 0.900 | 2 | 0.900 | 0.500 | 0 | 0.800 |"


def test_what_is_no_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no network")

    pictures = ["--calibration", str(tmp_path), "--measuring", str(tmp_path)]
    assert main([str(tmp_path / "no.onnx"), *pictures]) == 6

    assert "not a complete ONNX file" in capsys.readouterr().err
