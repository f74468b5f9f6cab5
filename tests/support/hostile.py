"""Files that somebody may upload to harm or to steal, made at run time, small on the disk.

`VIDEOS` is what may come in as a video, `PHOTOS` as a photo. Most can't be read and must be
refused with a reason; those marked `readable` are odd, but honest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.sandbox import hostile_photos, hostile_videos
from tests.sandbox.hostile_playlists import LISTENER, PLAYLISTS
from tests.sandbox.making import Holes, Maker


@dataclass(frozen=True)
class Hostile:
    """One hostile file.

    Attributes:
        name: a word or two, safe as a file name.
        attacks: what it is after.
        suffix: of its name, as an attacker would choose it.
        make: its content.
        readable: it is to be accepted.
    """

    name: str
    attacks: str
    suffix: str
    make: Maker
    readable: bool = False

    def write(self, folder: Path, port: int = 9) -> Path:
        """Write it into `folder`; addresses in it lead to `port` of this machine."""
        path = folder / f"{self.name}{self.suffix}"
        content = self.make()
        if isinstance(content, Holes):
            with path.open("wb") as file:
                for offset, piece in content.pieces:
                    file.seek(offset)
                    file.write(piece)
                file.truncate(content.size)
        else:
            # Of the same length: boxes around it keep their sizes.
            address = LISTENER.replace("00000", f"{port:05d}")
            path.write_bytes(content.replace(LISTENER.encode(), address.encode()))
        return path


def asked_for(request: pytest.FixtureRequest) -> set[Hostile]:
    """The files that the tests of the fixture's own module take, of those that are to be run."""
    return {
        file
        for item in request.session.items
        if item.path == request.path and isinstance(file := _parameter(item, "file"), Hostile)
    }


def _parameter(item: pytest.Item, name: str) -> object:
    call = getattr(item, "callspec", None)
    return call.params.get(name) if call else None


def _all(rows: Iterable[tuple[str, str, str, Maker]], readable: Iterable[str]) -> list[Hostile]:
    files = [Hostile(*row) for row in rows]
    names = set(readable)
    assert names <= {file.name for file in files}
    return [replace(file, readable=file.name in names) for file in files]


def _text(content: str) -> Maker:
    return content.encode


_PLAYLISTS = [
    (name, "opening other files or addresses", suffix, _text(content))
    for name, (suffix, content) in PLAYLISTS.items()
]

VIDEOS = _all([*hostile_videos.ROWS, *_PLAYLISTS], hostile_videos.READABLE)
PHOTOS = _all(hostile_photos.ROWS, hostile_photos.READABLE)
