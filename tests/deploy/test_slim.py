"""What is taken out of the images is used by nobody in them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.docker.slim import APP, IMAGES, PACKAGES, SERVICE, left_out, main
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.long

CODE = {"service": ("bystander", "bentos", "service.py"), "app": ("frontend",)}


def imported(image: str) -> Iterator[str]:
    """Every top-level package that the code of an image imports, anywhere in it."""
    for name in CODE[image]:
        place = REPOSITORY / name
        for path in [place] if place.is_file() else place.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.partition(".")[0]


@pytest.mark.parametrize("image", IMAGES)
def test_no_code_of_an_image_imports_what_was_taken_out(image: str) -> None:
    places = [pattern.removeprefix(f"{PACKAGES}/") for pattern in IMAGES[image]]
    gone = {place.rstrip("*") for place in places if "/" not in place}
    assert gone
    assert not gone & set(imported(image))


def test_dlib_keeps_the_networks_that_it_loads() -> None:
    source = (REPOSITORY / "bystander/models/face_packs.py").read_text()
    models = [pattern for pattern in SERVICE if "face_recognition_models" in pattern]
    names = [pattern.rpartition("/")[2].partition("*")[0] for pattern in models]
    assert names
    assert [name for name in names if f'"{name}' in source] == []


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_keeps_what_runs_an_onnx_file_on_a_processor() -> None:
    environment = Path(sys.prefix)
    rows = [pattern for pattern in SERVICE if "/openvino/" in pattern]
    gone = {path.name for row in rows for path in environment.glob(row)}
    assert all(any(environment.glob(row)) for row in rows)
    assert {"libopenvino_intel_gpu_plugin.so", "include", "pytorch"} <= gone
    libs = next(environment.glob(f"{PACKAGES}/openvino/libs"))
    left = {path.name.partition(".")[0] for path in libs.iterdir() if path.name not in gone}
    needed = {"", "_intel_cpu_plugin", "_onnx_frontend", "_ir_frontend"}
    assert {f"libopenvino{part}" for part in needed} <= left
    assert not {"frontend.py", "onnx", "__init__.py"} & gone


def test_it_is_removed_with_its_metadata_and_nothing_else(tmp_path: Path) -> None:
    packages = tmp_path / "lib/python3.11/site-packages"
    for pattern in APP:
        place = tmp_path / pattern.replace("python3*", "python3.11").rstrip("*")
        place.mkdir(parents=True)
        (place / "data").write_text("x")
    (packages / "pandas-3.1.dist-info").mkdir()
    (packages / "numpy").mkdir()
    (packages / "streamlit/runtime").mkdir()
    main("app", tmp_path)
    left = sorted(str(path.relative_to(packages)) for path in packages.rglob("*"))
    assert left == ["numpy", "streamlit", "streamlit/runtime"]


def test_a_row_that_finds_nothing_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.11/site-packages/streamlit").mkdir(parents=True)
    with pytest.raises(LookupError, match="pyarrow"):
        list(left_out("app", tmp_path))
