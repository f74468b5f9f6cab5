"""How long it will take, told before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


def test_a_range_is_told_for_each_profile(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(b"-")
    project = stage.project(tmp_path / "video")
    with stage.client() as client:
        answers = {
            profile: client.get(f"/projects/{project.id}/estimate", params={"profile": profile})
            for profile in ("fast", "balanced", "thorough")
        }
        default = client.get(f"/projects/{project.id}/estimate").json()

    for profile, answer in answers.items():
        estimate = answer.json()
        assert estimate["profile"] == profile
        assert 0 < estimate["low"] <= estimate["seconds"] <= estimate["high"]
    assert default == answers[stage.context.settings.profile].json()


def test_there_is_none_without_a_video_nor_for_others(stage: Stage) -> None:
    project = stage.project()
    with stage.client() as client, stage.client(1) as stranger:
        assert client.get(f"/projects/{project.id}/estimate").status_code == 409
        assert stranger.get(f"/projects/{project.id}/estimate").status_code == 404
        wrong = client.get(f"/projects/{project.id}/estimate", params={"profile": "hasty"})
        assert wrong.status_code == 422
