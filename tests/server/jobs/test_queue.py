from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bystander.server.models import Job, JobKind, JobProgress, JobState, Problem
from tests.support.databases import sqlite_only
from tests.support.house import NAME, House


def claimed(house: House) -> Job:
    job = house.store.jobs.claim()
    assert job is not None
    return job


def test_the_oldest_job_of_an_owner_comes_first(house: House) -> None:
    jobs = [house.job() for _ in range(3)]
    assert [claimed(house).id for _ in jobs] == [job.id for job in jobs]
    assert house.store.jobs.claim() is None


def test_an_owner_with_many_jobs_does_not_hold_up_another_one(house: House) -> None:
    for _ in range(4):
        house.job(house.project("ann"))
    for _ in range(2):
        house.job(house.project("bob"))
    assert [claimed(house).owner for _ in range(6)] == ["ann", "bob", "ann", "bob", "ann", "ann"]


def test_with_one_slot_owners_take_turns(house: House) -> None:
    for owner in ("ann", "ann", "ann", "bob", "bob", "cid"):
        house.job(house.project(owner))
    served = []
    for _ in range(6):
        job = claimed(house)
        house.store.jobs.finish(job.id, JobState.DONE)
        served.append(job.owner)
    assert served == ["ann", "bob", "cid", "ann", "bob", "ann"]


def test_deleting_projects_wins_no_place_in_the_queue(house: House) -> None:
    first = house.project("ann")
    house.job(first)
    house.store.jobs.finish(claimed(house).id, JobState.DONE)
    house.store.projects.delete(first.id)
    house.job(house.project("ann"))
    house.job(house.project("bob"))
    assert claimed(house).owner == "bob"


def test_jobs_of_one_project_run_one_after_another(house: House) -> None:
    project = house.project()
    first, second = house.job(project), house.job(project, JobKind.RENDER)
    assert claimed(house).id == first.id
    assert house.store.jobs.claim() is None
    house.store.jobs.finish(first.id, JobState.DONE)
    assert claimed(house).id == second.id


def test_a_job_that_pauses_holds_back_the_next_of_its_project(house: House) -> None:
    project = house.project()
    first = house.job(project)
    house.job(project)
    claimed(house)
    house.store.jobs.requeue(first.id, pause=3600)
    assert house.store.jobs.claim() is None


def test_every_job_is_claimed_once_however_many_ask(house: House) -> None:
    jobs = {house.job().id for _ in range(20)}
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: house.store.jobs.claim(), range(40)))
    assert Counter(job.id for job in found if job) == Counter(jobs)


def test_a_condemned_projects_job_never_starts(house: House) -> None:
    project = house.project()
    house.job(project)
    house.store.projects.condemn(project.id)
    assert house.store.jobs.claim() is None


def test_the_first_end_counts(house: House) -> None:
    job = house.job()
    claimed(house)
    ends = [JobState.DONE, JobState.CANCELLED, JobState.FAILED] * 4
    with ThreadPoolExecutor(12) as threads:
        told = list(threads.map(lambda end: house.store.jobs.finish(job.id, end), ends))
    assert told.count(True) == 1
    assert house.now(job).state is ends[told.index(True)]


def test_what_has_ended_stays_as_it_is(house: House) -> None:
    job, jobs = house.job(), house.store.jobs
    claimed(house)
    jobs.finish(job.id, JobState.FAILED, Problem("NotAVideo", "no video"))
    ended = house.now(job)
    assert not jobs.commit(job.id, {})
    assert jobs.request_cancel(job.id) == ended
    jobs.requeue(job.id)
    jobs.progress(job.id, JobProgress("render", 1, 2, 3.0, 0.5, 1.0))
    assert house.now(job) == ended
    assert ended.problem == Problem("NotAVideo", "no video")


def test_cancelling_a_queued_job_ends_it_at_once(house: House) -> None:
    job = house.job()
    cancelled = house.store.jobs.request_cancel(job.id)
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    assert house.store.jobs.claim() is None
    assert f"work/{job.id}" in house.store.litter()


def test_cancelling_a_running_job_is_a_wish(house: House) -> None:
    job = house.job()
    claimed(house)
    wished = house.store.jobs.request_cancel(job.id)
    assert wished is not None
    assert (wished.state, wished.cancelling) == (JobState.RUNNING, True)
    assert house.store.jobs.cancelling() == {job.id}
    assert not house.store.jobs.commit(job.id, {})


def test_work_that_is_done_is_not_cancelled(house: House) -> None:
    job = house.job()
    claimed(house)
    assert house.store.jobs.commit(job.id, {"people": 2})
    late = house.store.jobs.request_cancel(job.id)
    assert late is not None
    assert not late.cancelling
    house.store.jobs.finish(job.id, JobState.DONE)
    assert house.now(job).summary == {"people": 2}


def test_a_cancelled_job_does_not_go_back_into_the_queue(house: House) -> None:
    job = house.job()
    claimed(house)
    house.store.jobs.request_cancel(job.id)
    house.store.jobs.requeue(job.id)
    assert house.now(job).state is JobState.CANCELLED


@pytest.mark.parametrize(("counted", "attempts"), [(True, 2), (False, 1)])
def test_an_attempt_counts_unless_it_is_said_not_to(
    house: House, counted: bool, attempts: int
) -> None:
    job = house.job()
    begun = claimed(house)
    house.store.jobs.requeue(job.id, counted=counted)
    again = claimed(house)
    assert again.attempts == attempts
    assert again.started == begun.started


def test_what_ran_when_the_server_died_waits_again(house: House) -> None:
    running, wished, waiting = house.job(), house.job(), house.job()
    claimed(house)
    claimed(house)
    house.store.jobs.request_cancel(wished.id)
    assert house.store.jobs.requeue_orphans() == 2
    assert (house.now(running).state, house.now(running).attempts) == (JobState.QUEUED, 0)
    assert house.now(wished).state is JobState.CANCELLED
    assert house.now(waiting) == waiting


def test_with_a_job_that_is_done_the_photos_of_its_project_go(house: House) -> None:
    project, other = house.project(), house.project()
    (photo,) = house.store.photos.list(project.id)
    job = house.job(project)
    claimed(house)
    house.store.jobs.finish(job.id, JobState.DONE)
    assert house.store.photos.list(project.id) == ()
    assert len(house.store.photos.list(other.id)) == 1
    assert set(house.store.litter()) == {f"work/{job.id}", f"photos/{project.id}/{photo.id}.jpg"}


@pytest.mark.parametrize("end", [JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_came_to_nothing_leaves_the_photos_for_the_next_try(
    house: House, end: JobState
) -> None:
    project = house.project()
    photos = house.store.photos.list(project.id)
    job = house.job(project)
    claimed(house)
    house.store.jobs.finish(job.id, end)
    assert house.store.photos.list(project.id) == photos != ()
    assert house.store.litter() == (f"work/{job.id}",)
    again = house.job(project)
    claimed(house)
    house.store.jobs.finish(again.id, JobState.DONE)
    assert house.store.photos.list(project.id) == ()


def test_photos_stay_for_the_next_job_that_waits_for_them(house: House) -> None:
    project = house.project()
    first, second = house.job(project), house.job(project)
    claimed(house)
    house.store.jobs.finish(first.id, JobState.DONE)
    assert len(house.store.photos.list(project.id)) == 1
    claimed(house)
    house.store.jobs.finish(second.id, JobState.DONE)
    assert house.store.photos.list(project.id) == ()


@sqlite_only
def test_a_name_is_nowhere_once_the_job_has_ended(house: House) -> None:
    job = house.job(cast=[{"name": NAME, "photos": []}])
    assert job.order == {"kind": "mask"}
    claimed(house)
    assert NAME.encode() in _bytes(house.data)
    house.store.jobs.finish(job.id, JobState.DONE)
    assert NAME.encode() not in _bytes(house.data)


def _bytes(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data.glob("bystander.sqlite*"))


@pytest.mark.parametrize(("kind", "kept"), [(JobKind.RENDER, ("p2",)), (JobKind.ANALYZE, ())])
def test_decisions_hold_for_the_analysis_that_they_were_made_over(
    house: House, kind: JobKind, kept: tuple[str, ...]
) -> None:
    project = house.project()
    house.store.projects.set_decisions(project.id, ["p2"], [], "d1")
    job = house.job(project, kind)
    claimed(house)
    house.store.jobs.finish(job.id, JobState.DONE)
    found = house.store.projects.find(project.id)
    assert found is not None
    assert found.keep == kept


def test_jobs_are_counted_by_state(house: House) -> None:
    house.job(house.project("ann"))
    house.job(house.project("bob"))
    claimed(house)
    counts = house.store.jobs.counts()
    assert (counts[JobState.RUNNING], counts[JobState.QUEUED], counts[JobState.DONE]) == (1, 1, 0)
    assert house.store.jobs.counts("bob")[JobState.RUNNING] == 0


def test_progress_previews_and_resumptions_are_remembered(house: House) -> None:
    job, jobs = house.job(), house.store.jobs
    claimed(house)
    progress = JobProgress("analyze", 10, 100, 21.5, 0.05, None)
    jobs.progress(job.id, progress)
    jobs.previewed(job.id)
    jobs.previewed(job.id)
    jobs.resumed(job.id)
    found = house.now(job)
    assert (found.progress, found.preview, found.resumed) == (progress, 2, 1)
    assert replace(found, progress=None).state is JobState.RUNNING
