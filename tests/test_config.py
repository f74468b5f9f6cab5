from __future__ import annotations

from pathlib import Path

import pytest

from bystander.config import Settings, config_path, cores, read_config
from bystander.errors import ConfigError


class Lamp(Settings):
    watts: int


def test_the_repository_carries_its_configs() -> None:
    assert config_path("models.yaml", {}).is_file()


def test_a_named_folder_goes_first(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").touch()
    environ = {"BYSTANDER_CONFIGS": str(tmp_path)}
    assert config_path("models.yaml", environ) == tmp_path / "models.yaml"


def test_a_missing_file_names_the_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        config_path("nothing.yaml", {"BYSTANDER_CONFIGS": str(tmp_path)})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "max 100000"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "900000 100000"}, 4),
        ({}, 4),
    ],
)
def test_a_containers_quota_of_cores_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(4)))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cores({}, tmp_path) == expected
    assert cores({"BYSTANDER_CORES": "6"}, tmp_path) == 6


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("watts: bright", "watts: Input should be a valid integer"),
        ("watts: 5\ncolour: red", "colour: Extra inputs"),
        ("watts: [", "can't read"),
        ("", r"lamp\.yaml: Input should be a valid dictionary"),
    ],
    ids=["wrong-type", "unknown-key", "not-yaml", "empty"],
)
def test_a_mistake_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "lamp.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_config(path, Lamp)
    assert "lamp.yaml" in str(caught.value)
