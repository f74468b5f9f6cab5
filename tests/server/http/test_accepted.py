"""What is accepted is told before anybody tries, and what isn't by a name that stays."""

from __future__ import annotations

from pathlib import Path

from bystander.media.photos import PHOTO_SUFFIXES
from bystander.server.models import JobKind, JobState
from bystander.server.settings import LimitSettings, RetentionSettings, ServiceSettings
from tests.support.stage import staged

LIMITS = LimitSettings(
    video_bytes=1000, max_duration=60, photo_bytes=500, photos=7, projects=2, empty_projects=2
)
SETTINGS = ServiceSettings(limits=LIMITS, retention=RetentionSettings(hours=3))


def test_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    with staged(tmp_path, SETTINGS) as stage, stage.client() as client:
        assert client.get("/limits").json() == {
            "video_bytes": 1000,
            "max_duration": 60,
            "photo_bytes": 500,
            "photo_suffixes": list(PHOTO_SUFFIXES),
            "photos": 7,
            "hours": 3,
        }


def test_refusals_have_names(tmp_path: Path) -> None:
    with staged(tmp_path, SETTINGS) as stage, stage.client() as client:
        project = stage.project()
        stage.project()
        stage.job(project, JobKind.ANALYZE, JobState.QUEUED)
        photos = f"/projects/{project.id}/photos?person=Anna"
        answers = {
            "missing": client.get("/projects/nothing"),
            "too-many-projects": client.post("/projects"),
            "busy": client.post(photos, content=b"photo"),
            "body-too-large": client.post("/projects", content=b" " * 2**21),
            "no-token": client.get("/projects", headers={"Authorization": ""}),
        }
    assert {name: answer.json()["type"] for name, answer in answers.items()} == {
        name: f"urn:bystander:{name}" for name in answers
    }
