from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from bystander.errors import ModelContract, ModelCorrupt
from bystander.sandbox.network_trial import try_network
from tests.conftest import REPOSITORY
from tests.models.networks import Drawn, Query, rf_detr, save, yolo

pytestmark = pytest.mark.long

SHIPPED = REPOSITORY / "bystander" / "weights" / "person-seg-n.onnx"


def test_the_shipped_network_finds_the_six(tmp_path: Path) -> None:
    trial = try_network(SHIPPED)
    assert trial.people == 6
    assert trial.milliseconds > 0


def test_an_rf_detr_is_told_by_its_input(tmp_path: Path) -> None:
    person = Query(box=(0.25, 0.25, 0.5, 0.75), score=0.9, filled=(4, 4, 8, 12))
    trial = try_network(rf_detr(tmp_path / "d.onnx", [person]))
    assert trial.people == 1
    assert trial.contract == "images tensor(float) [1, 3, 64, 64]"


def test_what_the_file_says_of_its_licence_is_told(tmp_path: Path) -> None:
    path = yolo(tmp_path / "y.onnx", [Drawn((16, 8, 48, 56), 0.9, (5, 3, 11, 13))])
    network = onnx.load_model(path)
    network.metadata_props.add(key="license", value="AGPL-3.0 License")
    onnx.save(network, path)
    assert try_network(path).told_licence == "AGPL-3.0 License"


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.onnx"
    path.write_bytes(b"JFIF" * 1000)
    with pytest.raises(ModelCorrupt, match=r"photo\.onnx"):
        try_network(path)


def test_a_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "e.onnx", (1, 3, 64, 64), [np.zeros((1, 512), np.float32)])
    with pytest.raises(ModelContract, match="neither a YOLO nor an RF-DETR"):
        try_network(path)
