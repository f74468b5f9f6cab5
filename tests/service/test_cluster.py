"""A service whose jobs a Ray cluster does: by a client from the upload to the masked video."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.service.server import Server
from bystander.client import Client
from tests.service.conftest import CHANGES, Material, Undisturbed, use_shipped_models
from tests.service.pictures import same
from tests.support.ray_cluster import Nodes, ray_cluster

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves its logs open
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@pytest.fixture
def clustered(tmp_path: Path) -> Iterator[tuple[Server, Nodes]]:
    with pytest.MonkeyPatch.context() as patch:
        use_shipped_models(patch, tmp_path)
        with ray_cluster() as nodes:
            nodes.be(2)
            jobs = {"executor": "ray", "cluster": nodes.client_address}
            with Server(tmp_path, {**CHANGES, "jobs": {**CHANGES["jobs"], **jobs}}) as server:
                yield server, nodes


def test_a_client_has_a_video_masked_by_a_cluster(
    clustered: tuple[Server, Nodes], material: Material, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    server, nodes = clustered
    with Client(server.url, server.tokens[0]) as client:
        project = client.create_project()
        project.send_photo("friend", material.photo)
        project.send_video(material.video)
        clip = client.request("GET", f"/projects/{project.id}/preview/clip?at=0")
        project.start("analyze").wait()
        job = project.start("render")
        at_work, seen = set[int](), set[str]()
        for name, _ in job.events():
            seen.add(name)
            at_work.update(nodes.at_work())
        assert job.wait()["state"] == "done"
        project.download("result", tmp_path / "result.mp4")
    assert clip.headers["content-type"] == "video/mp4"
    assert at_work
    assert "preview" in seen
    assert same(tmp_path / "result.mp4", undisturbed.result)
    assert not list((server.data / "work").iterdir())
