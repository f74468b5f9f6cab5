"""What holds wherever the objects lie."""

from __future__ import annotations

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bystander.errors import NotStored, StorageError
from bystander.storage import Storage
from bystander.storage.base import CHUNK_BYTES

# gcsfs sends a part of an upload as bytes, and aiohttp warns that this may keep its event loop
# waiting; that loop is gcsfs's own, in a thread where nothing else runs.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

HOSTILE = [
    "",
    "/",
    "/etc/passwd",
    "p/",
    "p//video",
    "../p/video",
    "p/../q/video",
    "p/..",
    "p/.",
    ".p/video",
    "p/.video.part",
    "p/a..b",
    "p/video\n",
    "p\\..\\video",
    "p/vid\x00eo",
    "p/vídeo",
    "p/%2e%2e/video",
    "p/video#17",
    "p/video?generation=1",
    "gs://bucket/video",
    "p/" + "v" * 500,
]


def stored(storage: Storage, folder: Path, key: str, data: bytes) -> bytes:
    source = folder / "source"
    source.write_bytes(data)
    storage.put(source, key)
    return data


def content(storage: Storage, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(storage.read(key, start, end))


# Two parts of an upload and a rest; one part; and files that end an upload of gcsfs early.
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a",
        os.urandom(2 * 8 * CHUNK_BYTES + 1),
        os.urandom(8 * CHUNK_BYTES),
        b"early\n--==0==--\nend",
        b"\r\n--==0==\r\nContent-Type: text/html\r\n\r\n<script>",
    ],
    ids=["empty", "byte", "parts", "part", "boundary", "header"],
)
def test_what_comes_out_is_what_went_in(storage: Storage, folder: Path, data: bytes) -> None:
    stored(storage, folder, "p/video", data)
    storage.fetch("p/video", folder / "video")

    assert (folder / "video").read_bytes() == data
    assert content(storage, "p/video") == data
    assert storage.size("p/video") == len(data)


def test_a_stored_file_is_only_in_the_storage(storage: Storage, folder: Path) -> None:
    stored(storage, folder, "p/video", b"video")

    assert list(folder.iterdir()) == []


def test_storing_again_replaces(storage: Storage, folder: Path) -> None:
    stored(storage, folder, "p/video", b"the first, longer")
    stored(storage, folder, "p/video", b"second")

    assert content(storage, "p/video") == b"second"
    assert list(storage.keys("p/")) == ["p/video"]


def test_what_was_fetched_stays_when_the_object_goes(storage: Storage, folder: Path) -> None:
    stored(storage, folder, "p/video", b"first")
    storage.fetch("p/video", folder / "video")
    stored(storage, folder, "p/video", b"second")
    storage.delete("p/")

    assert (folder / "video").read_bytes() == b"first"


def test_fetching_twice_replaces_and_leaves_nothing_beside(storage: Storage, folder: Path) -> None:
    (folder / "video").write_bytes(b"of an earlier attempt")
    stored(storage, folder, "p/video", b"video")
    storage.fetch("p/video", folder / "video")
    storage.fetch("p/video", folder / "video")

    assert (folder / "video").read_bytes() == b"video"
    assert [file.name for file in folder.iterdir()] == ["video"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (3, 9), (9, None), (9, 99), (5, 5), (10, None), (99, 100)]
)
def test_a_span_is_what_a_slice_is(
    storage: Storage, folder: Path, start: int, end: int | None
) -> None:
    data = stored(storage, folder, "p/video", b"0123456789")

    assert content(storage, "p/video", start, end) == data[start:end]


def test_a_span_across_parts_comes_in_small_chunks(storage: Storage, folder: Path) -> None:
    data = stored(storage, folder, "p/video", os.urandom(10 * CHUNK_BYTES))
    chunks = list(storage.read("p/video", CHUNK_BYTES // 2, 9 * CHUNK_BYTES + 7))

    assert b"".join(chunks) == data[CHUNK_BYTES // 2 : 9 * CHUNK_BYTES + 7]
    assert max(map(len, chunks)) <= CHUNK_BYTES


@pytest.mark.parametrize(("start", "end"), [(-1, None), (-5, -1), (3, 2)])
def test_no_span_is_refused_at_once(
    storage: Storage, folder: Path, start: int, end: int | None
) -> None:
    stored(storage, folder, "p/video", b"0123456789")

    with pytest.raises(ValueError, match="span"):
        storage.read("p/video", start, end)


def test_what_is_not_stored_is_told_at_once(storage: Storage, folder: Path) -> None:
    stored(storage, folder, "p/posters/0.jpg", b"poster")

    for key in ("p/video", "p/posters", "q/posters/0.jpg"):
        with pytest.raises(NotStored, match=f"as {key}$"):
            storage.size(key)
        with pytest.raises(NotStored):
            storage.read(key)
        with pytest.raises(NotStored):
            storage.fetch(key, folder / "video")
    assert list(folder.iterdir()) == []


def test_keys_are_those_of_one_project(storage: Storage, folder: Path) -> None:
    for key in ("p/video", "p/posters/1.jpg", "p/posters/0.jpg", "p2/video", "q/p/video"):
        stored(storage, folder, key, b"12345")

    assert list(storage.keys("p/")) == ["p/posters/0.jpg", "p/posters/1.jpg", "p/video"]
    assert list(storage.keys("p/posters/")) == ["p/posters/0.jpg", "p/posters/1.jpg"]
    assert list(storage.keys("nobody/")) == []
    assert len(list(storage.keys(""))) == 5
    assert storage.used() == 25


def test_deleting_takes_one_project_and_no_other(storage: Storage, folder: Path) -> None:
    for key in ("p/video", "p/posters/0.jpg", "p2/video", "pp/p/video"):
        stored(storage, folder, key, b"12345")
    storage.delete("p/")
    storage.delete("p/")

    assert list(storage.keys("")) == ["p2/video", "pp/p/video"]
    assert storage.used() == 10


@pytest.mark.parametrize("prefix", ["", "/", "p", "../", "p/../", "./", "p//", "*/", "/p/"])
def test_only_a_whole_folder_is_deleted(storage: Storage, folder: Path, prefix: str) -> None:
    stored(storage, folder, "p/video", b"video")

    with pytest.raises(StorageError):
        storage.delete(prefix)
    assert list(storage.keys("")) == ["p/video"]


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_reaches_nothing(storage: Storage, folder: Path, key: str) -> None:
    source = folder / "source"
    source.write_bytes(b"video")

    with pytest.raises(StorageError, match="key"):
        storage.put(source, key)
    with pytest.raises(StorageError, match="key"):
        storage.fetch(key, folder / "video")
    with pytest.raises(StorageError, match="key"):
        storage.read(key)
    assert source.read_bytes() == b"video"
    assert list(storage.keys("")) == []
    assert [file.name for file in folder.iterdir()] == ["source"]


def test_only_a_plain_file_is_taken(storage: Storage, folder: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"secret")
    link = folder / "link"
    link.symlink_to(secret)

    for source in (link, folder, folder / "missing"):
        with pytest.raises(StorageError, match="no file"):
            storage.put(source, "p/video")
    assert list(storage.keys("")) == []


def test_of_many_who_store_at_once_one_is_there_whole(storage: Storage, folder: Path) -> None:
    videos = [bytes([number]) * (CHUNK_BYTES + number) for number in range(6)]
    sources = [folder / str(number) for number in range(6)]
    for source, video in zip(sources, videos, strict=True):
        source.write_bytes(video)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda source: storage.put(source, "p/video"), sources))

    assert content(storage, "p/video") in videos
    assert list(storage.keys("")) == ["p/video"]
    assert list(folder.iterdir()) == []


def test_a_long_video_takes_little_memory(storage: Storage, folder: Path) -> None:
    size = 64 * CHUNK_BYTES
    with (folder / "source").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(CHUNK_BYTES))

    tracemalloc.start()
    try:
        storage.put(folder / "source", "p/video")
        storage.fetch("p/video", folder / "video")
        assert sum(map(len, storage.read("p/video"))) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 2


def test_a_project_can_be_stored_anew_after_deleting(storage: Storage, folder: Path) -> None:
    stored(storage, folder, "p/posters/0.jpg", b"old")
    storage.delete("p/")
    stored(storage, folder, "p/video", b"new")

    assert list(storage.keys("")) == ["p/video"]


def test_a_file_that_is_to_be_kept_is_copied(storage: Storage, folder: Path) -> None:
    source = folder / "source"
    source.write_bytes(b"mine")
    source.chmod(0o644)
    storage.put(source, "p/video", keep=True)

    source.write_bytes(b"changed")
    assert content(storage, "p/video") == b"mine"
    assert source.stat().st_mode & 0o777 == 0o644


def test_spans_are_fetched_at_their_places(storage: Storage, folder: Path) -> None:
    data = stored(storage, folder, "p/video", os.urandom(2**20))
    spans = [(0, 5), (2**19, 2**19 + 70_000), (2**20 - 1, 2**20)]
    storage.fetch("p/video", folder / "part", spans)

    found = (folder / "part").read_bytes()
    assert len(found) == len(data)
    assert all(found[start:end] == data[start:end] for start, end in spans)


@pytest.mark.parametrize("span", [(-1, 2), (0, 6), (3, 3), (4, 2), (5, 6)])
def test_spans_beside_the_object_are_refused(
    storage: Storage, folder: Path, span: tuple[int, int]
) -> None:
    stored(storage, folder, "p/video", b"01234")

    with pytest.raises(StorageError, match="p/video has 5 bytes"):
        storage.fetch("p/video", folder / "part", [(0, 1), span])
    assert not (folder / "part").exists()
