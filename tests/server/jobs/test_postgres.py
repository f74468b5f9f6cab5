"""PostgreSQL as the store's database: the SQL it is given, its versions, its locks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bystander.errors import ConfigError
from bystander.server import database
from bystander.server.settings import ServiceSettings, StoreSettings
from bystander.server.store import ServiceStore, open_database, open_store
from tests.support.databases import database_at, postgres_only
from tests.support.waiting import until

postgres = pytest.importorskip("bystander.server.postgres")
SECRET = "zebra-crossing"


@pytest.mark.parametrize(
    ("sql", "expected", "order"),
    [
        ("SELECT ? + ?", "SELECT %s + %s", (0, 1)),
        ("?2 IS NULL OR id = ?2 AND owner = ?1", "%s IS NULL OR id = %s AND owner = %s", (1, 1, 0)),
        ("SELECT 5 % 2", "SELECT 5 %% 2", ()),
        ("json_extract(video, '$.state') = ?", "(video::json ->> 'state') = %s", (0,)),
    ],
)
def test_placeholders_are_numbered_as_sqlite_does(
    sql: str, expected: str, order: tuple[int, ...]
) -> None:
    assert postgres.placeholders(sql) == (expected, order)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}@127.0.0.1:1/store",
        f"postgresql://ann:{SECRET}@127.0.0.1:port/store",
        f"postgresql://ann:{SECRET}/@127.0.0.1/store?{SECRET}",
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_the_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError) as told:
        open_database(url, 2)
    assert SECRET not in f"{told.value} {told.value.__cause__} {caplog.text}"
    assert SECRET not in repr(ServiceSettings(store=StoreSettings(database=url)))


def url_of(path: Path) -> str:
    return str(database_at(path))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_of(tmp_path / "store")


def run(url: str, statement: str) -> Any:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else None


@postgres_only
def test_services_that_start_at_once_make_the_tables_once(url: str) -> None:
    start = threading.Barrier(6)

    def opened(_: int) -> ServiceStore:
        start.wait()
        return ServiceStore(url, connections=2)

    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(opened, range(6)))
    project = stores[0].projects.create("ann", 60)
    assert all(store.projects.get(project.id, "ann") == project for store in stores)
    for store in stores:
        store.close()
    assert run(url, "SELECT version FROM schema_version") == [(database.VERSION,)]


@postgres_only
def test_an_older_store_is_brought_up_by_one_of_those_that_start(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ServiceStore(url).close()
    newer = tmp_path / "9999_more.sql"
    newer.write_text("ALTER TABLE projects ADD COLUMN more REAL NOT NULL DEFAULT 1.5;\n")
    monkeypatch.setattr(
        database, "MIGRATIONS", {**database.MIGRATIONS, database.VERSION + 1: newer}
    )
    monkeypatch.setattr(database, "VERSION", database.VERSION + 1)
    with ThreadPoolExecutor(4) as threads:
        for store in threads.map(lambda _: ServiceStore(url, connections=2), range(4)):
            store.close()
    assert run(url, "SELECT version FROM schema_version") == [(database.VERSION,)]
    found = run(
        url,
        "SELECT data_type FROM information_schema.columns WHERE column_name = 'more' "
        "AND table_schema = current_schema()",
    )
    assert found == [("double precision",)]


@postgres_only
def test_a_newer_store_and_anothers_tables_are_refused(tmp_path: Path) -> None:
    newer, others = url_of(tmp_path / "newer"), url_of(tmp_path / "others")
    ServiceStore(newer).close()
    run(newer, "UPDATE schema_version SET version = 99")
    with pytest.raises(ConfigError, match=r"version 99, newer than this program"):
        ServiceStore(newer)
    run(others, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(ConfigError, match="another program"):
        ServiceStore(others)
    assert run(others, "SELECT COUNT(*) FROM recipes") == [(0,)]


@postgres_only
def test_times_are_stored_to_the_bit(url: str) -> None:
    now = 1_795_000_000.123456
    store = ServiceStore(url, lambda: now)
    assert store.projects.list("ann") == ()
    project = store.projects.create("ann", 0.1)
    assert store.projects.list("ann") == (project,)
    assert store.projects.list("ann")[0].created == now
    store.close()


@postgres_only
def test_what_is_asked_for_with_a_null_character_is_not_there(url: str) -> None:
    store = ServiceStore(url)
    assert store.projects.get("a\0", "ann\0") is None
    store.projects.create("ann\0", 60)
    assert len(store.projects.list("ann\0")) == 1
    store.close()


@pytest.fixture
def stores(url: str) -> Iterator[list[ServiceStore]]:
    made = [ServiceStore(url) for _ in range(2)]
    yield made
    for store in made:
        store.close()


@postgres_only
def test_a_lock_is_one_services_until_it_lets_go_or_ends(stores: list[ServiceStore]) -> None:
    first, second = stores
    with first.hold("upload/1") as mine:
        assert mine
        with first.hold("upload/1") as again, second.hold("upload/1") as other:
            assert (again, other) == (False, False)
        assert second.held("upload/1")
        assert not second.held("upload/2")
        for number in range(2, 12):  # keys of either sign
            with second.hold(f"upload/{number}") as another:
                assert another
                assert first.held(f"upload/{number}")
    assert not second.held("upload/1")
    kept = first.hold("upload/1")
    assert kept.__enter__()
    first._database.close()  # as when its process dies
    until(lambda: not second.held("upload/1"))
    with second.hold("upload/1") as mine:
        assert mine


@postgres_only
def test_locks_are_taken_up_again_after_the_connection_broke(stores: list[ServiceStore]) -> None:
    first, second = stores
    with first.hold("upload/1"):
        locks = first._database._locks  # type: ignore[attr-defined]
        locks.close()
        with first.hold("upload/2"):
            assert second.held("upload/1")


@postgres_only
def test_a_database_that_went_away_for_a_moment_is_used_again(url: str) -> None:
    store = ServiceStore(url)
    project = store.projects.create("ann", 60)
    with store.hold("upload/1"):
        pass
    run(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'bystander' AND state = 'idle' AND pid <> pg_backend_pid()",
    )
    assert store.projects.get(project.id, "ann") == project
    with store.hold("upload/1") as mine:
        assert mine
    store.close()


@postgres_only
def test_a_data_folder_that_is_not_the_databases_is_refused(url: str, tmp_path: Path) -> None:
    """What is to be deleted is written down as paths in the folder: they would be looked for, and
    not found, in another one."""
    folders = [tmp_path / name for name in ("shared", "other")]
    for folder in folders:
        folder.mkdir()
    settings = [
        ServiceSettings(data=folder, store=StoreSettings(database=url)) for folder in folders
    ]
    first, beside = open_store(settings[0]), open_store(settings[0])
    with pytest.raises(ConfigError, match="other isn't that of the database"):
        open_store(settings[1])
    first.close()
    beside.close()
