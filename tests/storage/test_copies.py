"""Copies of a bucket's videos: fetched once, never stale, bounded, gone with what they are of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bystander.errors import NotStored
from bystander.storage import LocalStorage
from bystander.storage.copies import CopyingStorage

KEY, OTHER = "p/video", "q/video"


class Counting(LocalStorage):
    """Counts what is fetched of it; its objects have no names beside their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fetched: list[str] = []

    def fetch(self, key: str, target: Path, spans: Sequence[tuple[int, int]] = ()) -> None:
        self.fetched.append(key)
        target.write_bytes(b"".join(self.read(key)))


class Clock:
    """Timers that go off when a test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def __call__(self, seconds: float, what: Callable[[], None]) -> threading.Timer:
        self.due.append(what)
        return threading.Timer(10**6, what)


class Place:
    def __init__(self, folder: Path, most_bytes: int = 100) -> None:
        self.bucket, self.clock = Counting(folder / "bucket"), Clock()
        self.storage = CopyingStorage(self.bucket, folder / "copies", most_bytes, self.clock)
        self._folder, self._number = folder, 0

    def put(self, content: bytes, key: str = KEY, by: LocalStorage | None = None) -> None:
        source = self._folder / "source"
        source.write_bytes(content)
        (by or self.storage).put(source, key)

    def get(self, key: str = KEY) -> bytes:
        self._number += 1
        target = self._folder / f"fetched-{self._number}"
        self.storage.fetch(key, target)
        return target.read_bytes()

    @property
    def copies(self) -> int:
        return len([path for path in self._folder.glob("copies/*/*") if path.name != ".lock"])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.put(b"a video")
    return made


def test_a_video_is_fetched_once(place: Place) -> None:
    assert [place.get() for _ in range(3)] == [b"a video"] * 3
    assert place.bucket.fetched == [KEY]


def test_what_another_service_stores_in_its_place_is_fetched(place: Place) -> None:
    place.get()
    place.put(b"another", by=place.bucket)
    assert place.get() == b"another"
    assert place.copies == 1


@pytest.mark.parametrize("by_another", [False, True])
def test_what_is_deleted_is_not_given_and_leaves_no_copy(place: Place, by_another: bool) -> None:
    place.get()
    (place.bucket if by_another else place.storage).delete("p/")
    with pytest.raises(NotStored):
        place.get()
    assert place.copies == 0


def test_a_copy_goes_when_nobody_asks_any_more(place: Place) -> None:
    place.get()
    place.bucket.delete("p/")  # by another service: nobody asks here
    place.clock.due[-1]()
    assert place.copies == 0


def test_copies_are_bounded_and_the_oldest_go(place: Place) -> None:
    place.put(b"x" * 60, OTHER)
    place.put(b"y" * 60)
    for key in (KEY, OTHER, OTHER, KEY):
        place.get(key)
    assert place.bucket.fetched == [KEY, OTHER, KEY]
    assert place.copies == 1
    place.put(b"z" * 101, "r/video")
    place.get("r/video")
    assert place.copies == 1, "too large to be kept: the other one stays"


def test_only_videos_are_copied(place: Place) -> None:
    place.put(b"who is where", "p/timeline")
    place.get("p/timeline")
    assert place.copies == 0


def test_nothing_is_left_in_the_end(place: Place) -> None:
    place.get()
    place.storage.close()
    assert place.copies == 0
