from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from bystander.errors import OutputUnwritable, StorageError
from bystander.server.models import JobState, Project, Video, VideoState
from bystander.server.retention import Janitor
from bystander.storage import LocalStorage
from tests.support.house import AT_ONCE, FOR_EVER, NAME, VIDEO, House
from tests.support.waiting import alive, until


def janitor_of(house: House) -> Janitor:
    return Janitor(house.store, house.storage, house.settings)


def traces(house: House, project: Project) -> list[Path]:
    """Files and folders that have the project's id in their path, or it or a name in them."""
    words = (project.id.encode(), NAME.encode())
    return [
        path
        for path in house.data.rglob("*")
        if project.id in str(path)
        or (path.is_file() and any(word in path.read_bytes() for word in words))
    ]


def upload(house: House, project: Project) -> None:
    folder = house.data / "uploads"
    folder.mkdir(exist_ok=True)
    (folder / project.id).write_bytes(b"half a video")
    (folder / f"{project.id}.posters").mkdir()


def test_after_a_purge_nothing_is_left(house: House) -> None:
    other, project = house.project(), house.project()
    house.store.photos.delete(other.id)
    upload(house, project)
    job = house.job(project)
    with house.running(FOR_EVER):
        house.at_work(job)
        (pid,) = house.pids(job)
        assert janitor_of(house).purge(project.id)
        assert not alive(pid)
    assert traces(house, project) == []
    assert house.store.projects.get(other.id, "ann") is not None
    assert house.result(other.id, "video") == VIDEO


def test_purging_twice_or_what_never_was_is_no_trouble(house: House) -> None:
    project = house.project()
    for _ in range(2):
        assert janitor_of(house).purge(project.id)
    assert traces(house, project) == []


def test_a_purge_that_was_interrupted_is_finished_by_the_next_sweep(house: House) -> None:
    class OutOfReach(LocalStorage):
        def delete(self, prefix: str) -> None:
            raise StorageError("the bucket can't be reached")

    project = house.project()
    interrupted = Janitor(house.store, OutOfReach(house.data / "objects"), house.settings)
    with pytest.raises(StorageError):
        interrupted.purge(project.id)
    assert house.store.projects.get(project.id, "ann") is None
    interrupted.sweep()
    assert traces(house, project)
    janitor_of(house).sweep()
    assert traces(house, project) == []


def test_a_sweep_deletes_what_has_expired_and_nothing_else(tmp_path: Path) -> None:
    house = House(tmp_path / "data", retention={"sweep_seconds": 0.05})
    expired, kept, busy = house.project(lifetime=0), house.project(), house.project(lifetime=0)
    job = house.job(busy)
    janitor = janitor_of(house)
    janitor.start()
    until(lambda: house.store.projects.find(expired.id) is None)
    until(lambda: not (house.data / "objects" / expired.id).exists())
    janitor.stop()
    assert house.store.projects.find(kept.id) is not None
    assert house.now(job).state is JobState.QUEUED
    house.close()


def test_a_waiting_job_of_a_purged_project_never_runs(house: House) -> None:
    project = house.project()
    job = house.job(project)
    assert janitor_of(house).purge(project.id)
    with house.running(AT_ONCE):
        assert house.ended(house.job()).state is JobState.DONE
    assert house.store.jobs.find(job.id) is None


def test_a_budget_lets_in_what_fits_and_no_byte_more(tmp_path: Path) -> None:
    house = House(tmp_path / "data", retention={"disk_bytes": 1000})
    janitor = janitor_of(house)
    janitor.room_for(1000)
    project = house.store.projects.create("ann", 60)
    house.put(project, "video", b"x" * 300)
    (house.data / "work").mkdir()
    house.storage.fetch(f"{project.id}/video", house.data / "work" / "video")  # the same bytes
    (house.data / "uploads").mkdir()
    (house.data / "uploads" / project.id).write_bytes(b"y" * 100)
    janitor.room_for(600)
    with pytest.raises(OutputUnwritable, match="may store") as refused:
        janitor.room_for(601)
    assert str(house.data) not in str(refused.value)
    house.close()


def test_what_uploads_have_announced_is_not_given_away_twice(tmp_path: Path) -> None:
    house = House(tmp_path / "data", retention={"disk_bytes": 1000})
    project = house.store.projects.create("ann", 60)
    house.store.projects.set_video(project.id, Video(VideoState.UPLOADING, 700, 0))
    janitor_of(house).room_for(300)
    with pytest.raises(OutputUnwritable):
        janitor_of(house).room_for(301)
    house.close()


def test_a_disk_keeps_some_room_free(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    house = House(tmp_path / "data", retention={"disk_bytes": 2 * free})
    with pytest.raises(OutputUnwritable, match="full"):
        janitor_of(house).room_for(free + 2**30)
    house.close()


def test_a_stopped_janitor_is_gone_before_its_next_sweep(house: House) -> None:
    janitor = janitor_of(house)
    janitor.start()
    janitor.stop()
    assert "janitor" not in {thread.name for thread in threading.enumerate()}
