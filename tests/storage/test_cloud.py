"""What only holds for a bucket: access, damage, outages, and what it is opened with."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest

from bystander.errors import ConfigError, NotStored, StorageError
from bystander.storage import LocalStorage, Storage, open_storage
from tests.storage.conftest import BUCKET

pytest.importorskip("gcsfs")

from bystander.storage.cloud import REQUEST_BYTES, CloudStorage

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs tries six times, but doesn't wait in between."""

    async def no_wait(_: float) -> None:
        pass

    monkeypatch.setattr("gcsfs.retry.asyncio", SimpleNamespace(sleep=no_wait))


def source_in(folder: Path, data: bytes = b"video") -> Path:
    source = folder / "source"
    source.write_bytes(data)
    return source


def test_an_interrupted_upload_leaves_the_file_and_shows_nothing(
    cloud: Storage, folder: Path
) -> None:
    data = os.urandom(2 * REQUEST_BYTES)
    source = source_in(folder, data)

    with pytest.raises(StorageError, match="refused access while storing p/halfway"):
        cloud.put(source, "p/halfway")
    assert source.read_bytes() == data
    assert list(cloud.keys("")) == []
    with pytest.raises(NotStored):
        cloud.size("p/halfway")


def test_a_damaged_upload_is_taken_back(cloud: Storage, folder: Path) -> None:
    source = source_in(folder)

    with pytest.raises(StorageError, match="p/damaged arrived damaged"):
        cloud.put(source, "p/damaged")
    assert source.read_bytes() == b"video"
    assert list(cloud.keys("")) == []


def test_a_bucket_that_gives_no_access_is_told(cloud: Storage, folder: Path) -> None:
    with pytest.raises(StorageError, match="refused access"):
        cloud.put(source_in(folder), "forbidden/video")
    assert (folder / "source").exists()


def test_a_missing_bucket_is_told(emulator: str, folder: Path) -> None:
    attempts: list[Callable[[Storage], object]] = [
        lambda storage: storage.put(source_in(folder), "p/video"),
        lambda storage: storage.put(source_in(folder, b""), "p/video"),
        lambda storage: storage.keys("p/"),
        lambda storage: storage.delete("p/"),
        lambda storage: storage.used(),
    ]
    with closing(CloudStorage("nowhere", "", None, emulator)) as storage:
        for attempt in attempts:
            with pytest.raises(StorageError, match="no such bucket"):
                attempt(storage)
    assert (folder / "source").exists()


def test_an_outage_is_told_without_the_host(impatient: None, folder: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with closing(CloudStorage(BUCKET, "", None, f"http://127.0.0.1:{port}")) as storage:
            with pytest.raises(StorageError, match="could not be reached") as put:
                storage.put(source_in(folder), "p/video")
            with pytest.raises(StorageError, match="could not be reached while looking"):
                storage.size("p/video")
    assert "127.0.0.1" not in str(put.value)
    assert (folder / "source").exists()


def test_a_fetch_into_no_folder_is_the_disks_trouble(cloud: Storage, folder: Path) -> None:
    cloud.put(source_in(folder), "p/video")

    with pytest.raises(StorageError, match="No such file or directory") as told:
        cloud.fetch("p/video", folder / "missing" / "video")
    assert str(folder) not in str(told.value)


def test_storages_under_two_prefixes_share_nothing(emulator: str, folder: Path) -> None:
    with (
        closing(CloudStorage(BUCKET, "a", None, emulator)) as one,
        closing(CloudStorage(BUCKET, "a/b", None, emulator)) as inner,
        closing(CloudStorage(BUCKET, "ab", None, emulator)) as other,
    ):
        for storage in (inner, other):
            storage.put(source_in(folder), "p/video")
        one.delete("p/")

        assert list(one.keys("p/")) == []
        assert list(other.keys("")) == ["p/video"]
        assert list(inner.keys("")) == ["p/video"]


def test_the_object_lies_where_the_url_says(emulator: str, folder: Path, tmp_path: Path) -> None:
    environ = {"STORAGE_EMULATOR_HOST": emulator.removeprefix("http://")}
    storage = open_storage(f"gs://{BUCKET}/service/eu/", tmp_path, environ)
    with closing(storage):
        storage.put(source_in(folder), "p/video")

        with urlopen(f"{emulator}/{BUCKET}/service/eu/p/video") as answer:
            assert answer.read() == b"video"
            assert answer.headers["Content-Type"] == "application/octet-stream"
        storage.delete("p/")


def test_local_is_a_folder_of_the_data(tmp_path: Path, folder: Path) -> None:
    storage = open_storage("local", tmp_path)
    storage.put(source_in(folder), "p/video")

    assert isinstance(storage, LocalStorage)
    assert (tmp_path / "objects" / "p" / "video").is_file()


@pytest.mark.parametrize(
    "url", ["", "Local", "s3://bucket", "gs://", "gs://a", "gs://Bucket", "gs:bucket", "/srv"]
)
def test_what_names_no_storage_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither local nor gs"):
        open_storage(url, tmp_path)


@pytest.mark.parametrize("prefix", ["/x", "x//y", "../x", "x/../y", ".x", "x y"])
def test_a_hostile_prefix_is_refused(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="key"):
        open_storage(f"gs://{BUCKET}/{prefix}", tmp_path, {"STORAGE_EMULATOR_HOST": "localhost:1"})


@pytest.mark.parametrize("content", [None, "", "{}", '{"type": "service_account"}'])
def test_credentials_that_are_none_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "account.json").write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))

    with pytest.raises(StorageError, match="no credentials for the bucket bystander") as told:
        open_storage(f"gs://{BUCKET}", tmp_path, {})
    assert str(tmp_path) not in str(told.value)
