from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bystander.errors import ModelNotFound
from bystander.models import ModelSettings, load_models
from bystander.models.sessions import SessionSettings
from bystander.models.store import Catalogue, ModelStore
from tests.conftest import shared
from tests.models.networks import yolo


def store(tmp_path: Path, models: Path | None = None) -> ModelStore:
    environ = {"XDG_CACHE_HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path)}
    environ["XDG_DATA_HOME"] = str(tmp_path / "data")
    if models is not None:
        environ["BYSTANDER_MODELS"] = str(models)
    return ModelStore.from_environment(Catalogue.load(), environ)


def test_the_best_of_what_is_here_is_loaded_and_described(tmp_path: Path) -> None:
    settings = ModelSettings(sessions=SessionSettings(threads=1))
    models = load_models(settings, store(tmp_path, shared("models")))
    shipped = Catalogue.load().files["person-seg-n"]
    assert models.describe() == {
        shipped.file: shipped.sha256[:12],
        "scrfd_2.5g_bnkps.onnx": "bc24bb349491",
        "arcface_mobilefacenet.onnx": "a050f62d769b",
        "osnet_x0_25_msmt17.onnx": "dddd73c80b78",
        "backend": "onnxruntime fp32",
    }


def test_own_weights_and_wheels_are_enough(tmp_path: Path) -> None:
    own = yolo(tmp_path / "own.onnx", [])
    models = load_models(ModelSettings(segmenter_file=own), store(tmp_path))
    assert models.faces.name == "dlib"
    assert not models.bodies.across_shots
    assert models.segmenter.segment([np.zeros((64, 64, 3), dtype=np.uint8)]) == [[]]
    assert "own.onnx" in models.describe()


def test_a_body_model_that_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    own = yolo(tmp_path / "own.onnx", [])
    settings = ModelSettings(segmenter_file=own, bodies="osnet")
    with pytest.raises(ModelNotFound, match=r"osnet-x0\.25"):
        load_models(settings, store(tmp_path))
