"""The rules of the house that no single file can keep: see docs/architecture.md."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bystander import __version__
from tests.conftest import REPOSITORY

FLOORS = {
    "errors": 0,
    "choices": 0,
    "files": 0,
    "geometry": 0,
    "config": 0,
    "progress": 0,
    "tracing": 0,
    "media": 1,
    "models": 1,
    "storage": 1,
    "timeline": 2,
    "tracking": 2,
    "identity": 2,
    "redaction": 2,
    "auditing": 2,
    "editing": 2,
    "settings": 3,
    "preset": 3,
    "pipeline": 3,
    "executors": 3,
    "sandbox": 3,
    "server": 4,
    "client_answers": 3,
    "client": 4,
    "cli": 4,
    "__main__": 5,
}
SECOND_FLOOR = ["timeline", "identity", "redaction", "tracking", "editing", "auditing"]
"""Each of these may import those before it, and not the other way round."""
SERVER_FLOORS = {
    "settings": 0,
    "models": 0,
    "database": 0,
    "jobs": 2,
    "http": 3,
    "service": 4,
}
"""Of what lies in `bystander/server/`; the rest of it may be imported from anywhere there."""
TRAINING_ONLY = {"torch", "torchvision", "ultralytics"}
LIBRARY = sorted((REPOSITORY / "bystander").rglob("*.py"))


def modules_imported(source: str, package: str) -> Iterator[str]:
    """Full names of everything that `source`, a module of `package`, imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> set[str]:
    package = ".".join(path.relative_to(REPOSITORY).parent.parts)
    return set(modules_imported(path.read_text(), package))


def room_of(path: Path) -> str:
    """The folder or module directly under `bystander/` that `path` belongs to."""
    return path.relative_to(REPOSITORY / "bystander").with_suffix("").parts[0]


def room_imported(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "bystander" and len(parts) > 1 else None


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import bystander.media.reader", {"bystander.media.reader"}),
        ("from bystander.media import reader", {"bystander.media.reader"}),
        ("from ..media import reader", {"bystander.media.reader"}),
        ("from . import shots", {"bystander.tracking.shots"}),
        ("def late():\n    import torch", {"torch"}),
    ],
)
def test_every_way_to_import_is_seen(source: str, expected: set[str]) -> None:
    assert set(modules_imported(source, "bystander.tracking")) == expected


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_imports_point_downwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":  # the public face shows every floor
        return
    assert room in FLOORS, f"{name(path)} is on no floor: give it one here and in docs/architecture"
    for module in imports_of(path):
        other = room_imported(module)
        if other is None or other == room or other not in FLOORS:
            continue
        if {room, other} <= set(SECOND_FLOOR):
            before = SECOND_FLOOR[: SECOND_FLOOR.index(room)]
            assert other in before, f"{name(path)} imports {module}, which builds on it"
        assert FLOORS[other] <= FLOORS[room], f"{name(path)} imports {module} from above"


SERVER = sorted((REPOSITORY / "bystander" / "server").rglob("*.py"))


@pytest.mark.parametrize("path", SERVER, ids=name)
def test_within_the_server_nothing_imports_from_above(path: Path) -> None:
    def part(module: str) -> int | None:
        parts = module.split(".")
        inside = parts[:2] == ["bystander", "server"] and len(parts) > 2
        return SERVER_FLOORS.get(parts[2]) if inside else None

    here = part(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    if here is None:
        return
    above = {m for m in imports_of(path) if (part(m) or 0) > here}
    assert not above, f"{name(path)} imports from above: {above}"


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_a_plain_install_needs_no_training_framework(path: Path) -> None:
    roots = {module.split(".")[0] for module in imports_of(path)}
    assert not roots & TRAINING_ONLY


FRONTEND = sorted((REPOSITORY / "frontend").rglob("*.py"))


@pytest.mark.parametrize("path", FRONTEND, ids=name)
def test_the_web_app_knows_the_service_by_its_api_alone(path: Path) -> None:
    roots = {module.split(".")[0] for module in imports_of(path)}
    assert not roots & {"bystander", "bentos", "service", "training"}


MADE = REPOSITORY / "frontend" / "api_types.py"
"""Its classes are the service's, by the service's names: see `deploy.api_types`."""


def test_no_class_name_stands_for_two_things() -> None:
    files = [path for folder in ("bystander", "frontend", "deploy") for path in
             sorted((REPOSITORY / folder).rglob("*.py")) if path != MADE]  # fmt: skip
    found: dict[str, list[str]] = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name(path))
    assert "Timeline" in found
    assert {one: where for one, where in found.items() if len(where) > 1} == {}


@pytest.mark.parametrize("folder", ["bystander", "benchmarks"])
def test_nothing_imports_training(folder: str) -> None:
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        assert not {m for m in imports_of(path) if m.split(".")[0] == "training"}, name(path)


def distribution(requirement: str) -> str:
    """The normalised name in a requirement such as `Av>=18,<19` (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def test_constraints_pin_every_direct_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", pin)] == []
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [
        line for extra in ("dev", "preparation", "serve", "training") for line in extras[extra]
    ]
    names = {distribution(line) for line in wanted} - {project["name"]}
    assert names <= {distribution(pin) for pin in pins}


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()
