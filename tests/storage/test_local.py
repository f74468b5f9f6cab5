"""What only holds for a folder: modes, links, full disks."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bystander.errors import StorageError
from bystander.storage import LocalStorage
from bystander.storage.base import disk_error


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    return tmp_path / "data" / "objects"


@pytest.fixture
def local(objects: Path) -> LocalStorage:
    return LocalStorage(objects)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than `tmp_path`."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def source_in(folder: Path, data: bytes = b"video") -> Path:
    source = folder / "source"
    source.write_bytes(data)
    source.chmod(0o664)
    return source


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_service_may_look(local: LocalStorage, objects: Path, folder: Path) -> None:
    local.put(source_in(folder), "p/posters/0.jpg")

    assert mode(objects / "p" / "posters" / "0.jpg") == 0o600
    for private in (objects, objects / "p", objects / "p" / "posters"):
        assert mode(private) == 0o700


def test_an_open_folder_is_closed(objects: Path) -> None:
    objects.mkdir(parents=True)
    objects.chmod(0o755)
    LocalStorage(objects)

    assert mode(objects) == 0o700


def test_nothing_is_copied_within_one_file_system(
    local: LocalStorage, objects: Path, folder: Path
) -> None:
    source = source_in(folder)
    number = source.stat().st_ino
    local.put(source, "p/video")
    local.fetch("p/video", folder / "video")

    assert (objects / "p" / "video").stat().st_ino == number
    assert (folder / "video").stat().st_ino == number


def test_another_file_system_makes_no_difference(
    local: LocalStorage, objects: Path, elsewhere: Path
) -> None:
    local.put(source_in(elsewhere), "p/video")
    assert list(elsewhere.iterdir()) == []
    assert mode(objects / "p" / "video") == 0o600

    local.fetch("p/video", elsewhere / "video")
    assert (elsewhere / "video").read_bytes() == b"video"
    assert [file.name for file in elsewhere.iterdir()] == ["video"]


def test_a_full_disk_leaves_everything_as_it_was(
    local: LocalStorage, objects: Path, folder: Path, elsewhere: Path
) -> None:
    local.put(source_in(folder, b"old"), "p/video")
    source = source_in(elsewhere, bytes(200_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files ends a copy half-way, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="full while storing p/video"):
            local.put(source, "p/video")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert b"".join(local.read("p/video")) == b"old"
    assert source.stat().st_size == 200_000
    assert [file.name for file in (objects / "p").iterdir()] == ["video"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "disk was full while storing p/video"),
        (errno.EDQUOT, "disk was full"),
        (errno.EACCES, "no permission for storing p/video"),
        (errno.EROFS, "no permission"),
        (errno.EIO, "storing p/video failed: Input/output error"),
    ],
)
def test_a_failure_is_told_without_a_path(number: int, said: str) -> None:
    error = OSError(number, os.strerror(number), "/srv/data/objects/p/video")
    told = str(disk_error(error, "storing p/video"))

    assert said in told
    assert "/srv" not in told


def test_reading_goes_on_with_the_old_object(local: LocalStorage, folder: Path) -> None:
    local.put(source_in(folder, b"a" * 3_000_000), "p/video")
    chunks = local.read("p/video")
    first = next(chunks)
    local.put(source_in(folder, b"b" * 3_000_000), "p/video")

    assert first + b"".join(chunks) == b"a" * 3_000_000


def test_deleting_leaves_no_file_and_no_folder(
    local: LocalStorage, objects: Path, folder: Path
) -> None:
    local.put(source_in(folder), "p/posters/0.jpg")
    # As a process leaves it that is killed while it copies.
    (objects / "p" / "posters" / ".0a1b.part").write_bytes(b"half a poster")
    assert list(local.keys("")) == ["p/posters/0.jpg"]
    local.delete("p/posters/")

    assert list(objects.iterdir()) == []


def test_deleting_follows_no_link(local: LocalStorage, objects: Path, folder: Path) -> None:
    local.put(source_in(folder), "p/video")
    (folder / "precious").write_bytes(b"precious")
    (objects / "p" / "link").symlink_to(folder)
    local.delete("p/")

    assert (folder / "precious").exists()
    assert list(objects.iterdir()) == []


def test_a_key_below_an_object_is_refused(local: LocalStorage, folder: Path) -> None:
    local.put(source_in(folder), "p/video")

    with pytest.raises(StorageError):
        local.put(source_in(folder), "p/video/0.jpg")
    assert b"".join(local.read("p/video")) == b"video"


def test_clients_come_through_the_service(local: LocalStorage) -> None:
    assert local.upload_url("p/video", 5, timedelta(hours=1)) is None
    assert local.download_url("p/video", "video.mp4", timedelta(hours=1)) is None
