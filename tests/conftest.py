"""Where the tests find real clips, photos and weights, and how they are spread over processes."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# Tests import ONNX Runtime, too; see `bystander.models.sessions.onnx_runtime`.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# One arithmetic on every machine, and no self-test: tests/models/test_backends.py is about that.
os.environ["BYSTANDER_BACKEND"] = "onnxruntime:fp32"
# No network that whoever runs the tests has added, and none kept from them.
os.environ["XDG_DATA_HOME"] = str(Path(tempfile.gettempdir()) / "bystander-tests-add-nothing")
os.environ.pop("BYSTANDER_LICENCE", None)

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("BYSTANDER_SHARED", REPOSITORY.parent / "shared"))

TOGETHER: Final = (
    "tests/service/",
    "tests/frontend/browser/",
    "tests/frontend/components/",
    "tests/bentos/",
    "tests/deploy/",
)
"""Folders whose files share a server or a build: they run in one process, and begin first."""
LONG_FILE: Final = "\npytestmark = pytest.mark.long\n"
MAX_CASES: Final = 8
"""Of one test that `make test` tries; `make test-all` tries all of them."""


def shared(*parts: str) -> Path:
    """A file or folder of the shared test data; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the shared test data: {Path(*parts)}")
    return path


def sampled(values: Iterable[Any], every: int) -> list[Any]:
    """Parameters of which one in `every` is tried by `make test`, all by `make test-all`.

    For one parameter of several; the marker `sampled` is for all cases of a test.
    """
    return [
        value if number % every == 0 else pytest.param(value, marks=pytest.mark.long)
        for number, value in enumerate(values)
    ]


def together(nodeid: str) -> str:
    """What one process runs as a whole: a folder whose files share a server, or a file."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test` doesn't import what it doesn't try: reading all files takes half a minute."""
    if config.option.markexpr != "not long" or collection_path.suffix != ".py":
        return None
    return LONG_FILE in collection_path.read_text(encoding="utf-8") or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest in one piece begins first, so that no process waits for it in the end.

    What `make test` doesn't try is marked `long`: of a test marked `sampled(n)` all but one in n
    cases, of any other so many that `MAX_CASES` are left; of a file marked so, all but one in n
    of what is left then.
    """
    cases = Counter(item.nodeid.partition("[")[0] for item in items)
    number: Counter[str] = Counter()
    for item in items:
        file, test = item.nodeid.partition("::")[0], item.nodeid.partition("[")[0]
        every = {file: 1, test: ceil(cases[test] / MAX_CASES)}
        for node, marker in item.iter_markers_with_node("sampled"):
            every[file if isinstance(node, pytest.Module) else test] = marker.args[0]
        for group in (test, file):
            number[group] += 1
            if (number[group] - 1) % every[group]:
                item.add_marker(pytest.mark.long)
                break
    items.sort(key=lambda item: together(item.nodeid) not in TOGETHER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Where the tests run in several processes (`make test`), fixtures are made once a group."""
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Grouped(config, log)
