from __future__ import annotations

import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import run

import pytest

from bystander.errors import ConfigError
from bystander.server.database import SQLiteDatabase
from bystander.server.models import (
    JobKind,
    Photo,
    PhotoFace,
    Problem,
    Project,
    Video,
    VideoState,
    new_id,
)
from bystander.server.store import ServiceStore, open_database
from tests.support.databases import database_at, sqlite_only
from tests.support.facts import FACTS

NAME = "Annabel Quartermain"
SECRET = "zebra-crossing"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[ServiceStore]:
    made = ServiceStore(database_at(tmp_path / "bystander.sqlite"), clock)
    yield made
    made.close()


def photo_of(project: Project, person: str = NAME) -> Photo:
    faces = (PhotoFace((1.5, 2, 30, 40), 0.9), PhotoFace((50, 2, 60, 14), 0.1))
    return Photo(new_id(), project.id, person, 640, 480, faces, 0)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@sqlite_only
def test_nobody_else_on_the_machine_may_read_it(store: ServiceStore, tmp_path: Path) -> None:
    store.projects.create("ann", 60)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [
        "bystander.sqlite",
        "bystander.sqlite-shm",
        "bystander.sqlite-wal",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_is_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    first = ServiceStore(database_at(tmp_path / "store"))
    project = first.projects.create("ann", 60)
    video = Video(VideoState.REFUSED, 10, 10, FACTS, 2, Problem("NotAVideo", "no", "else"))
    assert first.projects.set_video(project.id, video)
    assert first.projects.set_decisions(project.id, ["p2"], ["t17", "p1"], "d1")
    photo = photo_of(project)
    assert first.photos.add(photo)
    job = first.jobs.add(project.id, JobKind.MASK, {"effect": {"name": "blur"}}, expected=7.5)
    first.close()
    second = ServiceStore(database_at(tmp_path / "store"))
    found = second.projects.get(project.id, "ann")
    assert found is not None
    assert (found.video, found.keep, found.mask) == (video, ("p2",), ("t17", "p1"))
    assert second.photos.list(project.id) == (photo,)
    assert job is not None
    assert second.jobs.get(project.id, job.id) == job
    assert (job.order, job.expected) == ({"effect": {"name": "blur"}}, 7.5)
    second.close()


@sqlite_only
def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_bytes(b"a letter to grandmother " * 100)
    with pytest.raises(ConfigError, match="can't be opened"):
        ServiceStore(path)
    assert path.read_bytes() == b"a letter to grandmother " * 100


def test_someone_elses_project_is_as_if_it_did_not_exist(store: ServiceStore) -> None:
    project = store.projects.create("ann", 60)
    assert store.projects.get(project.id, "ann") == project
    assert store.projects.get(project.id, "bob") is None
    assert store.projects.get(new_id(), "bob") is None
    assert store.projects.list("bob") == ()
    assert store.projects.list("ann") == (project,)


def test_a_job_and_a_photo_are_found_only_in_their_own_project(store: ServiceStore) -> None:
    mine, other = store.projects.create("ann", 60), store.projects.create("ann", 60)
    job, photo = store.jobs.add(mine.id, JobKind.MASK, {}), photo_of(mine)
    store.photos.add(photo)
    assert job is not None
    assert store.jobs.get(other.id, job.id) is None
    assert store.photos.get(other.id, photo.id) is None
    assert not store.photos.update(replace(photo, project=other.id, person="Bob"))
    assert store.photos.delete(other.id, photo.id) == 0
    assert store.photos.get(mine.id, photo.id) == photo


def test_a_project_lives_on_while_it_is_used(store: ServiceStore, clock: Clock) -> None:
    project = store.projects.create("ann", 60)
    clock.now += 50
    store.projects.touch(project.id)
    clock.now += 50
    assert store.projects.expired(clock()) == ()
    clock.now += 10
    assert store.projects.expired(clock()) == (project.id,)


def test_a_project_does_not_expire_under_its_job(store: ServiceStore, clock: Clock) -> None:
    project = store.projects.create("ann", 60)
    job = store.jobs.add(project.id, JobKind.MASK, {})
    assert job is not None
    clock.now += 1000
    assert store.projects.expired(clock()) == ()
    store.jobs.request_cancel(job.id)
    assert store.projects.expired(clock()) == ()
    assert store.projects.expired(clock() + 60) == (project.id,)


def test_nothing_is_added_to_a_project_that_is_being_deleted(store: ServiceStore) -> None:
    project = store.projects.create("ann", 60)
    store.projects.condemn(project.id)
    assert store.projects.get(project.id, "ann") is None
    assert store.projects.list("ann") == ()
    assert not store.projects.set_video(project.id, Video())
    assert not store.projects.set_decisions(project.id, [], [], "")
    assert not store.photos.add(photo_of(project))
    assert store.jobs.add(project.id, JobKind.MASK, {}) is None
    assert store.projects.expired(0) == (project.id,)


def test_photos_keep_their_order_and_can_be_changed(store: ServiceStore) -> None:
    project = store.projects.create("ann", 60)
    photos = [photo_of(project, name) for name in ("Zoe", "Ann", "Mia")]
    for photo in photos:
        store.photos.add(photo)
    changed = replace(photos[1], chosen=None, problem=Problem("AmbiguousFace", "two faces"))
    assert store.photos.update(changed)
    assert store.photos.list(project.id) == (photos[0], changed, photos[2])
    assert store.photos.delete(project.id, photos[0].id) == 1
    assert store.photos.delete(project.id) == 2


def test_bytes_that_uploads_announced_count_until_they_came(store: ServiceStore) -> None:
    for size, received in ((100, 30), (50, 50), (None, 10)):
        project = store.projects.create("ann", 60)
        store.projects.set_video(project.id, Video(VideoState.UPLOADING, size, received))
    assert store.projects.announced() == 70


@sqlite_only
def test_no_byte_of_a_deleted_project_is_left(store: ServiceStore, tmp_path: Path) -> None:
    kept = store.projects.create("bob", 60)
    project = store.projects.create("ann", 60)
    for _ in range(50):
        store.photos.add(photo_of(project))
    store.jobs.add(project.id, JobKind.MASK, {"secret": SECRET})
    assert NAME.encode() in on_disk(tmp_path)
    store.projects.delete(project.id)
    left = on_disk(tmp_path)
    assert not [part for part in (NAME, SECRET, project.id) if part.encode() in left]
    assert store.projects.get(kept.id, "bob") == kept


@sqlite_only
def test_no_byte_of_a_deleted_or_renamed_photo_is_left(store: ServiceStore, tmp_path: Path) -> None:
    project = store.projects.create("ann", 60)
    renamed, deleted = photo_of(project), photo_of(project)
    store.photos.add(renamed)
    store.photos.add(deleted)
    store.photos.update(replace(renamed, person="A"))
    store.photos.delete(project.id, deleted.id)
    assert NAME.encode() not in on_disk(tmp_path)


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = open_database(database_at(tmp_path / "store"), 2)

    def served_and_failing() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO served VALUES ('ann', 1)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        served_and_failing()
    assert database.rows("SELECT * FROM served") == []
    database.close()


@sqlite_only
def test_another_process_reads_while_this_one_writes(store: ServiceStore, tmp_path: Path) -> None:
    store.projects.create("ann", 60)
    code = (
        "import sys; from pathlib import Path; from bystander.server.store import ServiceStore;"
        "print(len(ServiceStore(Path(sys.argv[1])).projects.list('ann')))"
    )
    database = SQLiteDatabase(tmp_path / "bystander.sqlite")
    reader = sqlite3.connect(tmp_path / "bystander.sqlite", timeout=0)
    with database.transaction() as connection:
        connection.execute("DELETE FROM projects")
        assert reader.execute("SELECT COUNT(*) FROM projects").fetchone()[0] == 1
    reader.close()
    database.close()
    path = str(tmp_path / "bystander.sqlite")
    other = run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "0"


def test_writes_of_many_threads_all_arrive(store: ServiceStore) -> None:
    def write() -> None:
        for _ in range(20):
            store.learn("speed", 1.0)
            store.projects.create("ann", 60)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.projects.list("ann")) == 160


def test_speeds_are_learnt_as_a_mean_that_follows_what_is_new(store: ServiceStore) -> None:
    assert store.speed("analyze") is None
    store.learn("analyze", 10)
    store.learn("analyze", 20)
    assert store.speed("analyze") == pytest.approx(15)
    for _ in range(50):
        store.learn("analyze", 40)
    assert store.speed("analyze") == pytest.approx(40, rel=0.01)
    assert store.speed("render") is None
