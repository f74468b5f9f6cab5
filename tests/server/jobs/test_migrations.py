"""A job store of an older version is brought up, and what waited in it runs."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from bystander.errors import ConfigError
from bystander.server import database
from bystander.server.database import SQLiteDatabase, statements_in
from bystander.server.models import JobState
from bystander.server.store import ServiceStore
from tests.support.databases import sqlite_only
from tests.support.house import AT_ONCE, NAME, PICTURE, VIDEO, House

DUMP = Path(__file__).with_name("store_version_3.sql").read_text(encoding="utf-8")
PROJECT, JOB, PHOTO = "a" * 32, "c" * 32, "b" * 32
LATER_COLUMNS = re.compile(r", verdicts_digest TEXT .*? NOT NULL DEFAULT ''(?=\) STRICT)")
LATER_VALUES = ",'',NULL,NULL,'','')"


def store_of_version(version: int, path: Path) -> None:
    """Write the store that a program of that version has left."""
    dump = DUMP
    if version < 3:
        columns = LATER_COLUMNS.search(dump)
        assert columns is not None
        first, *_ = columns.group().split(", visitor")
        dump = dump.replace(columns.group(), first if version == 2 else "")
        dump = dump.replace(LATER_VALUES, ",'',NULL,NULL)" if version == 2 else ")")
        dump = dump.replace("user_version = 3", f"user_version = {version}")
    connection = sqlite3.connect(path)
    connection.executescript(dump)
    connection.close()


def shape_of(path: Path) -> dict[str, object]:
    """Tables and indices, however they came about: columns, types, defaults, keys."""
    connection = sqlite3.connect(path)
    shape: dict[str, object] = {}
    for kind, name in connection.execute("SELECT type, name FROM sqlite_master").fetchall():
        facts = ("table_info", "foreign_key_list") if kind == "table" else ("index_info",)
        shape[name] = [connection.execute(f"PRAGMA {fact}({name})").fetchall() for fact in facts]
    shape["version"] = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return shape


@sqlite_only
def test_a_job_that_waited_in_a_store_of_before_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "photos" / PROJECT).mkdir(parents=True)
    (data / "photos" / PROJECT / f"{PHOTO}.jpg").write_bytes(PICTURE)
    store_of_version(3, data / "bystander.sqlite")
    house = House(data)
    project = house.store.projects.get(PROJECT, "ann")
    assert project is not None
    assert [photo.person for photo in house.store.photos.list(PROJECT)] == [NAME]
    house.put(project, "video", VIDEO)
    job = house.store.jobs.get(PROJECT, JOB)
    assert job is not None
    assert job.state is JobState.QUEUED
    with house.running(AT_ONCE):
        ended = house.ended(job)
    assert (ended.state, ended.problem) == (JobState.DONE, None)
    assert house.result(PROJECT) == b"masked"
    assert house.store.photos.list(PROJECT) == ()
    house.close()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_old_store_ends_with_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    store_of_version(version, tmp_path / "old")
    for name in ("old", "new"):
        store = ServiceStore(tmp_path / name)
        store.close()
    assert shape_of(tmp_path / "old") == shape_of(tmp_path / "new")


def test_versions_are_numbered_without_a_gap() -> None:
    assert list(database.MIGRATIONS) == list(range(2, database.VERSION + 1))


def test_a_migration_that_fails_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    store_of_version(1, path)
    broken = tmp_path / "0003_broken.sql"
    broken.write_text("ALTER TABLE projects ADD COLUMN half TEXT;\nALTER TABLE nowhere ADD x;\n")
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", {**database.MIGRATIONS, 3: broken})
        with pytest.raises(ConfigError, match="nowhere"):
            ServiceStore(path)
    assert shape_of(path)["version"] == (2,)
    assert "half" not in str(shape_of(path)["projects"])
    ServiceStore(path).close()  # and the mended program goes on from there
    assert shape_of(path)["version"] == (database.VERSION,)


def test_a_store_of_a_newer_version_is_refused_and_keeps_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "store"
    ServiceStore(path).close()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE future (x)")
    other.execute("PRAGMA user_version = 99")
    other.close()
    before = shape_of(path)
    with pytest.raises(ConfigError, match=r"version 99, newer than this program \(version \d+\)"):
        ServiceStore(path)
    assert shape_of(path) == before


def test_a_database_of_another_program_is_refused_and_keeps_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "store"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(ConfigError, match="another program"):
        SQLiteDatabase(path)
    assert set(shape_of(path)) == {"recipes", "version"}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SELECT 1;\nSELECT\n 2;\n", ["SELECT 1;\n", "SELECT\n 2;\n"]),
        ("-- it's a note; really\nSELECT 1;\n", ["-- it's a note; really\nSELECT 1;\n"]),
        ("SELECT ';\n';\n", ["SELECT ';\n';\n"]),
        ("SELECT 1", ["SELECT 1"]),  # not lost
    ],
)
def test_a_script_is_taken_statement_by_statement(script: str, expected: list[str]) -> None:
    assert list(statements_in(script)) == expected
