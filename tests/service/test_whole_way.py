"""From photo and video to the masked video, as a client goes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.service.server import Server
from bystander.client import Client, RemoteProject
from bystander.errors import Cancelled, ServiceError
from tests.conftest import REPOSITORY
from tests.service.conftest import FRAMES, Material, use_shipped_models
from tests.service.pictures import blocks, sound
from tests.support.waiting import until

pytestmark = pytest.mark.long

NAME, ANOTHER = "Xanthippe", "Ermintrude"
"""Rare: they must be found nowhere afterwards."""
SAME, OTHER = 8.0, 40.0
"""Levels of grey between blocks: of two encodings of the same, and of a masked person."""

CURL = """
set -euo pipefail
auth="Authorization: Bearer $TOKEN"
field() { "$PYTHON" -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }

project=$URL/v1/projects/$(curl -sSf -H "$auth" -X POST $URL/v1/projects | field id)
curl -sSf -H "$auth" --data-binary @"$PHOTO" -H "Content-Type: image/jpeg" \
    "$project/photos?person=Xanthippe"
curl -sSf -H "$auth" -T "$VIDEO" "$project/video"
job=$project/jobs/$(curl -sSf -H "$auth" --json '{"kind": "mask"}' "$project/jobs" | field id)
curl -sSfN -H "$auth" "$job/events" > events
test "$(curl -sSf -H "$auth" "$job" | field state)" = done
curl -sSf -H "$auth" -o masked.mp4 "$project/result"
curl -sSf -H "$auth" -o timeline "$project/timeline"
curl -sSf -H "$auth" -X DELETE "$project"
"""


@dataclass(frozen=True)
class Finished:
    """A project after its first job.

    Attributes:
        photo: the picture that the service had made of what was sent.
        facts: of the job.
        seen: its events, in order.
    """

    project: RemoteProject
    photo: Path
    facts: dict[str, Any]
    seen: list[tuple[str, dict[str, Any]]]
    result: Path
    timeline: Path


@pytest.fixture(scope="module")
def finished(
    service: Server, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("finished")
    photo, result, timeline = folder / f"{NAME}.jpg", folder / "result.mp4", folder / "timeline"
    with Client(service.url, service.tokens[0]) as client:
        project = client.create_project()
        sent = project.send_photo(NAME, material.photo)
        picture = client.request("GET", f"/projects/{project.id}/photos/{sent['id']}/picture")
        photo.write_bytes(picture.content)
        project.send_video(material.video)
        job = project.start("mask")
        seen = list(job.events())
        facts = job.wait()
        project.download("result", result)
        project.download("timeline", timeline)
        yield Finished(project, photo, facts, seen, result, timeline)


@pytest.fixture(scope="module")
def alone(finished: Finished, material: Material) -> Path:
    """A folder with what `bystander mask` makes of the same video and photo."""
    folder = finished.photo.parent
    with pytest.MonkeyPatch.context() as patch:
        use_shipped_models(patch, folder)
        subprocess.run(
            [
                *(sys.executable, "-m", "bystander", "mask", str(material.video)),
                *("--cast", str(finished.photo), "-o", str(folder / "alone.mp4")),
                *("--timeline", str(folder / "alone.timeline")),
            ],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
        )
    return folder


def prepared(client: Client, material: Material) -> RemoteProject:
    project = client.create_project()
    project.send_photo(ANOTHER, material.photo)
    project.send_video(material.video)
    return project


def test_the_masks_are_those_of_the_command_line(finished: Finished, alone: Path) -> None:
    assert finished.timeline.read_bytes() == (alone / "alone.timeline").read_bytes()
    assert finished.facts["summary"] == {
        "frames": FRAMES,
        "people": len(finished.project.people()["people"]),
        "kept": 1,
        "unrecognised": 0,
        "verdicts_digest": finished.project.facts()["verdicts_digest"],
        "sound": {
            "kept": [{"stream": 1, "codec": "aac", "becomes": None}],
            "transcoded": [],
            "left_out": [],
            "treated": ["keep"],
        },
    }


def test_the_pictures_are_those_of_the_command_line(
    finished: Finished, alone: Path, material: Material
) -> None:
    ours, theirs = blocks(finished.result), blocks(alone / "alone.mp4")
    assert len(ours) == FRAMES
    assert np.abs(ours - theirs).max() < SAME
    assert np.abs(ours - blocks(material.video)).max((1, 2)).min() > OTHER  # in every frame


def test_the_sound_is_kept(finished: Finished, material: Material) -> None:
    assert sound(finished.result) == sound(material.video) != []


def test_the_events_tell_the_whole_job(finished: Finished) -> None:
    states = [facts["state"] for name, facts in finished.seen if name == "state"]
    progress = [facts for name, facts in finished.seen if name == "progress"]
    shares = [facts["share"] for facts in progress]
    assert states[-1] == "done"
    assert "analyze" in {facts["stage"] for facts in progress}
    assert all(facts["total"] == FRAMES for facts in progress)
    assert shares == sorted(shares)
    assert any(name == "preview" for name, _ in finished.seen)


def test_when_the_job_has_ended_its_photos_and_its_folder_are_gone(
    service: Server, finished: Finished
) -> None:
    assert not finished.project.facts()["photos"]
    assert not list((service.data / "photos" / finished.project.id).rglob("*.jpg"))
    assert not (service.data / "work" / finished.facts["id"]).exists()
    assert NAME not in service.log.read_text()


def test_another_verdict_is_rendered_without_analysing(
    service: Server, finished: Finished, material: Material, tmp_path: Path
) -> None:
    project = finished.project
    people, looked = project.people()["people"], service.segmented()
    masked = [person for person in people if person["verdict"] == "mask"]
    longest = max(masked, key=lambda person: float(person["seconds"]))
    project.decide(keep=[longest["id"]], mask=[])
    project.start("render").wait()
    project.download("result", tmp_path / "result.mp4")
    assert service.segmented() == looked
    source = blocks(material.video)
    first, now = blocks(finished.result), blocks(tmp_path / "result.mp4")
    cleared = (np.abs(first - source) > OTHER) & (np.abs(now - source) < SAME)
    assert cleared.any((1, 2)).sum() > FRAMES // 2


def test_a_job_is_cancelled_at_once_and_another_one_can_follow(
    client: Client, material: Material, service: Server
) -> None:
    project = prepared(client, material)
    job = project.start("mask")
    until(lambda: (job.facts()["progress"] or {}).get("done"))
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(poll=0.05)
    assert service.worker(job.id) is None
    assert project.start("analyze").wait()["summary"]["frames"] == FRAMES
    project.delete()


def test_a_deleted_project_leaves_nothing(
    client: Client, material: Material, service: Server
) -> None:
    project = prepared(client, material)
    job = project.start("analyze")
    until(lambda: (job.facts()["progress"] or {}).get("done"))
    inside = contents(service.data)
    assert any(ANOTHER.encode() in content for content in inside.values())
    project.delete()
    for path, content in contents(service.data).items():
        for trace in (project.id, job.id, ANOTHER):
            assert trace not in str(path)
            assert trace.encode() not in content, path
    with pytest.raises(ServiceError) as refused:
        project.facts()
    assert refused.value.status == 404


def contents(folder: Path) -> dict[Path, bytes]:
    found = {}
    for root, _, names in os.walk(folder):
        for path in (Path(root) / name for name in names):
            try:
                found[path] = path.read_bytes()
            except FileNotFoundError:
                continue  # a worker's
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_is_all_that_it_takes(
    service: Server, material: Material, finished: Finished, tmp_path: Path
) -> None:
    subprocess.run(
        ["bash", "-c", CURL],
        cwd=tmp_path,
        env={
            **os.environ,
            "no_proxy": "*",
            "PYTHON": sys.executable,
            "URL": service.url,
            "TOKEN": service.tokens[0],
            "VIDEO": str(material.video),
            "PHOTO": str(material.photo),
        },
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "timeline").read_bytes() == finished.timeline.read_bytes()
    assert (tmp_path / "masked.mp4").read_bytes() == finished.result.read_bytes()
    events = (tmp_path / "events").read_text().splitlines()
    told = [json.loads(line[5:]) for line in events if line.startswith("data:")]
    assert told[-1]["state"] == "done"
