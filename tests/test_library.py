"""The library's face: what `import bystander` gives, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import bystander
from bystander import errors
from bystander.errors import BystanderError
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.sampled(4)

HEAVY = {"numpy", "cv2", "av", "onnxruntime", "pydantic", "requests", "scipy", "PIL"}


def ran(script: str, home: Path) -> object:
    """What a script prints as JSON, run in a fresh interpreter with nothing in its environment."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_it_changes_nothing_and_loads_nothing(tmp_path: Path) -> None:
    script = """
import json, logging, os, signal, sys, warnings

def state():
    return [
        dict(os.environ),
        sys.path,
        logging.root.level,
        len(logging.root.handlers),
        len(warnings.filters),
        str(signal.getsignal(signal.SIGINT)),
    ]

before = state()
import bystander
assert state() == before
print(json.dumps(sorted(sys.modules)))
"""
    loaded = ran(script, tmp_path)
    assert isinstance(loaded, list)
    assert not HEAVY & set(loaded)
    assert [module for module in loaded if module.startswith("bystander.")] == ["bystander.errors"]


@pytest.mark.parametrize("first", ["", "import bystander.pipeline.render", "import bystander.cli"])
def test_its_functions_are_functions_whatever_was_imported_before(
    first: str, tmp_path: Path
) -> None:
    script = f"""
import json
{first}
from bystander import mask_video, render, audit, analyze
import bystander.client
from bystander import Client, Timeline
print(json.dumps([callable(f) for f in (mask_video, render, audit, analyze, Client, Timeline)]))
"""
    assert ran(script, tmp_path) == [True] * 6


def test_a_client_needs_no_networks(tmp_path: Path) -> None:
    script = """
import json, sys
from bystander import Client, ServiceError
print(json.dumps(sorted(sys.modules)))
"""
    loaded = ran(script, tmp_path)
    assert isinstance(loaded, list)
    assert not {"numpy", "cv2", "av", "onnxruntime"} & set(loaded)


def test_a_network_is_opened_without_a_report_to_its_runtime_s_maker(tmp_path: Path) -> None:
    """ONNX Runtime makes a device id and a database in the home folder when it is to report."""
    network = REPOSITORY / "bystander/weights/person-seg-n-int8.onnx"
    script = f"""
import json
from pathlib import Path
from bystander.models.sessions import open_session
print(json.dumps(len(open_session(Path({str(network)!r})).outputs)))
"""
    assert ran(script, tmp_path) == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_is_imported_without_a_report_to_its_maker(tmp_path: Path) -> None:
    """Its import, by itself, makes a client id in the home folder, and sends an event."""
    script = """
import json, socket, sys

def refuse(*args):
    raise AssertionError("a connection")

socket.socket.connect = refuse
from bystander.models.sessions import openvino_runtime
devices = openvino_runtime().Core().available_devices
print(json.dumps([devices, sorted(m for m in sys.modules if m.startswith("openvino_telemetry"))]))
"""
    assert ran(script, tmp_path) == [["CPU"], []]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_its_names_are_sorted() -> None:
    assert bystander.__all__ == sorted(bystander.__all__)
    assert dir(bystander) == bystander.__all__


@pytest.mark.long
def test_everything_it_names_is_there(tmp_path: Path) -> None:
    script = """
import json
import bystander
print(json.dumps([name for name in bystander.__all__ if not hasattr(bystander, name)]))
"""
    assert ran(script, tmp_path) == []


def test_every_error_is_among_them() -> None:
    family: set[type[BaseException]] = {BystanderError, *_descendants(BystanderError)}
    ours = {error.__name__ for error in family if error.__module__ == errors.__name__}
    assert ours <= set(bystander.__all__)


def _descendants(error: type[BaseException]) -> set[type[BaseException]]:
    children = set(error.__subclasses__())
    return children.union(*(_descendants(child) for child in children))


def test_what_it_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'mask_photo'"):
        _ = bystander.mask_photo  # type: ignore[attr-defined]
