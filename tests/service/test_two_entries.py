"""Two whole services over one PostgreSQL and one data folder: one dies, the other goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.service.server import Server
from bystander.client import Client
from tests.service.conftest import CHANGES, Material, Undisturbed, begin, use_shipped_models
from tests.service.pictures import same
from tests.service.test_restarts import ENOUGH, analysed
from tests.support.databases import cluster
from tests.support.waiting import until

pytestmark = pytest.mark.long

LEASE_SECONDS = 10


@pytest.fixture
def services(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    made = []
    with cluster() as url, ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        use_shipped_models(patch, tmp_path)
        patch.setenv("BYSTANDER_DATABASE", url)
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            jobs = {"at_once": 1, "runner": name, "lease_seconds": LEASE_SECONDS}
            made.append(Server(folder, {**CHANGES, "jobs": {**CHANGES["jobs"], **jobs}}))
        first, second = made
        first.data.mkdir(mode=0o700)
        second.data.symlink_to(first.data)
        (tmp_path / "b" / "tokens").write_text("\n".join(first.tokens))
        for server in made:
            stack.enter_context(server)
        yield first, second


def test_a_job_goes_on_at_the_other_service_when_its_own_is_killed(
    services: tuple[Server, Server], material: Material, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    first, second = services
    token = first.tokens[0]
    with Client(first.url, token) as at_first, Client(second.url, token) as at_second:
        project, job = begin(at_first, material)
        until(lambda: first.worker(job.id) or second.worker(job.id))
        owner, client = (first, at_second) if first.worker(job.id) else (second, at_first)
        until(lambda: analysed(first.data / "work" / job.id) >= ENOUGH)
        owner.kill()
        there = client.project(project.id)
        facts = there.job(job.id).wait()
        assert (facts["state"], facts["attempts"], facts["resumed"]) == ("done", 1, 1)
        result = tmp_path / "result.mp4"
        there.download("result", result)
    assert same(result, undisturbed.result)
