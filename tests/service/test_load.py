"""Several jobs at once, and a video that is larger than what memory may be used for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.service.memory import MIB, Watch, fetch, padded
from benchmarks.service.server import ENTRY, Server
from bystander.client import Client
from tests.service.conftest import Material, Undisturbed, begin
from tests.service.pictures import same

pytestmark = pytest.mark.long

LARGE = 300_000_000
LITTLE = 50 * MIB


def test_jobs_at_once_fill_batches_and_give_what_each_gives_alone(
    client: Client, service: Server, material: Material, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    looked, batches = service.segmented()
    both = [begin(client, material) for _ in range(2)]
    for number, (project, job) in enumerate(both):
        job.wait()
        result = tmp_path / f"{number}.mp4"
        project.download("result", result)
        assert same(result, undisturbed.result)
        project.delete()
    now, ran = service.segmented()
    assert now - looked == 2 * undisturbed.looked
    assert ran - batches < now - looked, "no batch held more than one frame"


def test_a_large_video_goes_in_and_out_without_being_held_in_memory(
    client: Client, service: Server, material: Material, tmp_path: Path
) -> None:
    large = padded(material.video, tmp_path / "large.mp4", LARGE)
    project = client.create_project()
    with Watch(service.service(ENTRY)) as sent:
        found = project.send_video(large)
    with Watch(service.service(ENTRY)) as fetched:
        assert fetch(client, project) == LARGE
    project.delete()
    assert found["state"] == "ready"
    assert sent.growth < LITTLE
    assert fetched.growth < LITTLE
