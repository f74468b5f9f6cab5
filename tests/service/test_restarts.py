"""Whatever dies in the middle of a job, the job ends as if nothing had happened."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.service.server import ENTRY, Server
from bystander.client import Client, RemoteJob
from bystander.pipeline.checkpoints import STATE_FILE
from tests.service.conftest import FRAMES, SEGMENT_FRAMES, Material, Undisturbed, begin
from tests.service.pictures import same
from tests.support.waiting import HANGS_AFTER_SECONDS, until

pytestmark = pytest.mark.long

PATIENCE = HANGS_AFTER_SECONDS
ENOUGH = 10
"""Frames behind a checkpoint that would be missed."""


def kill_worker(service: Server, job: RemoteJob) -> None:
    worker = service.worker(job.id)
    assert worker
    worker.kill()
    worker.wait(PATIENCE)


def nothing(service: Server) -> None:
    """The service sees to it."""


def kill_entry(service: Server, job: RemoteJob) -> None:
    worker, entry = service.worker(job.id), service.service(ENTRY)
    assert worker
    entry.kill()
    _, alive = psutil.wait_procs([worker, entry], PATIENCE)
    assert not alive


def kill_master(service: Server, _: RemoteJob) -> None:
    # Neither its services nor the worker of a job stays, nor their hold on the port.
    assert not service.kill_master()


@dataclass(frozen=True)
class Disturbance:
    """What ends work, and what lets it go on; `counted`: as an attempt of the job; `kills`: the
    worker, too, which has no say in it."""

    stop: Callable[[Server, RemoteJob], None]
    go_on: Callable[[Server], None]
    counted: bool = False
    kills: bool = False


DISTURBANCES = {
    "worker killed": Disturbance(kill_worker, nothing, counted=True, kills=True),
    "entry service killed": Disturbance(kill_entry, Server.wait_until_ready),
    "server terminated": Disturbance(lambda service, _: service.terminate(), Server.start),
    "master killed": Disturbance(kill_master, Server.start),
    "server killed": Disturbance(lambda service, _: service.kill(), Server.start, kills=True),
}


@dataclass(frozen=True)
class Outcome:
    """Attributes:
    left: the last checkpoint of the work that was ended.
    looked: frames that the segmenter looked at afterwards.
    shown: the progress that a client saw afterwards.
    """

    facts: dict[str, Any]
    result: Path
    left: int
    looked: int
    shown: list[dict[str, Any]]


def disturbed(
    service: Server,
    material: Material,
    disturbance: Disturbance,
    checkpoint: Callable[[Path], int],
    folder: Path,
) -> Outcome:
    """A job that is disturbed once a checkpoint has `ENOUGH`, while a client waits for it."""
    with Client(service.url, service.tokens[0]) as client, ThreadPoolExecutor(1) as threads:
        project, job = begin(client, material)
        work = service.data / "work" / job.id
        seen: list[dict[str, Any]] = []
        waiting = threads.submit(job.wait, seen.append, 0.1)
        until(lambda: service.worker(job.id))
        worker = service.worker(job.id)
        assert worker
        until(lambda: checkpoint(work) >= ENOUGH)
        if disturbance.kills:
            worker.suspend()  # however long it takes to find and kill it
        disturbance.stop(service, job)
        left = checkpoint(work)
        disturbance.go_on(service)
        looked, resumed = service.segmented()[0], len(seen)
        facts = waiting.result(PATIENCE)
        shown = [found["progress"] for found in seen[resumed:] if found["resumed"]]
        with Client(service.url, service.tokens[0]) as another:
            project = another.project(project.id)
            project.download("result", folder / "result.mp4")
            project.delete()
        return Outcome(facts, folder / "result.mp4", left, service.segmented()[0] - looked, shown)


def analysed(work: Path) -> int:
    """Frames that the checkpoint of an analysis has behind it."""
    try:
        with gzip.open(work / "checkpoints" / "analysis" / STATE_FILE) as file:
            _, state = pickle.load(file)
    except FileNotFoundError:
        return 0
    return int(state.standing.index) + 1


def rendered(work: Path) -> int:
    """Frames in the segments of a rendering."""
    return SEGMENT_FRAMES * len(list((work / "checkpoints" / "render").glob("*.segment")))


@pytest.mark.parametrize("what", DISTURBANCES)
def test_an_analysis_goes_on_from_its_last_checkpoint(
    service: Server, material: Material, undisturbed: Undisturbed, what: str, tmp_path: Path
) -> None:
    disturbance = DISTURBANCES[what]
    outcome = disturbed(service, material, disturbance, analysed, tmp_path)
    assert ENOUGH <= outcome.left < FRAMES
    assert outcome.looked > 0
    assert outcome.facts["resumed"] == 1  # a worker that begins anew doesn't say so
    assert outcome.facts["attempts"] == 1 + disturbance.counted
    assert same(outcome.result, undisturbed.result)


@pytest.mark.parametrize("what", ["worker killed", "server killed"])
def test_a_rendering_goes_on_from_its_last_segment(
    service: Server, material: Material, undisturbed: Undisturbed, what: str, tmp_path: Path
) -> None:
    outcome = disturbed(service, material, DISTURBANCES[what], rendered, tmp_path)
    assert ENOUGH <= outcome.left < FRAMES
    assert outcome.looked == 0  # nothing was analysed again
    assert outcome.facts["resumed"] == 1
    assert all(
        progress["stage"] == "render" and progress["done"] >= outcome.left
        for progress in outcome.shown
    )
    assert same(outcome.result, undisturbed.result)
