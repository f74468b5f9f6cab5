"""What a command loads: the program says at once how it is used, and rendering needs no network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bystander.errors import OutputExists, UnreadablePhoto

NETWORKS = {"onnx", "onnxruntime", "openvino", "insightface", "dlib"}
# Not pydantic: Typer loads it to read a command's options.
HEAVY = NETWORKS | {"av", "cv2", "jinja2", "numpy", "PIL", "scipy", "yaml"}
SCRIPT = """
import atexit, json, runpy, sys
atexit.register(lambda: print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
runpy.run_module("bystander", run_name="__main__")
"""


def loaded_by(*arguments: str | Path, code: int = 0) -> set[str]:
    """The packages that a command has loaded when it ends, in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["mask", "--help"], ["models", "pull", "--help"]]
)
def test_saying_how_it_is_used_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by(*arguments) & HEAVY == set()


@pytest.mark.parametrize("command", ["mask", "analyze", "render"])
def test_an_output_that_is_there_is_refused_before_anything_heavy_is_loaded(
    command: str, drawn: Path, output: Path
) -> None:
    output.write_bytes(b"mine")
    timeline = [output] if command == "render" else []
    arguments: list[str | Path] = [command, drawn, *timeline, "-o", output]

    assert loaded_by(*arguments, code=OutputExists.exit_code) & HEAVY == set()
    assert output.read_bytes() == b"mine"


def test_photos_that_are_not_there_are_told_before_anything_heavy_is_loaded(
    drawn: Path, output: Path, tmp_path: Path
) -> None:
    nobody = tmp_path / "nobody"
    loaded = loaded_by(
        "mask", drawn, "-o", output, "--cast", nobody, code=UnreadablePhoto.exit_code
    )
    assert loaded & HEAVY == set()


def test_rendering_loads_neither_networks_nor_what_finds_people(
    drawn: Path, review: Path, output: Path
) -> None:
    loaded = loaded_by("render", drawn, review, "-o", output)

    assert output.exists()
    assert "av" in loaded  # what it loads is seen
    assert loaded & (NETWORKS | {"scipy", "jinja2"}) == set()


@pytest.mark.long
def test_what_attacks_a_result_is_loaded_for_an_audit_only() -> None:
    script = "import sys, bystander.pipeline.mask; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert not {b"jinja2", b"bystander.pipeline.audit"} & set(done.stdout.split())
