"""A video of which only some bytes are here -> those bytes, and never zeros in place of the others.

A machine that looks at a tenth of a video fetches a tenth of it (`byte_spans`) into a file of the
full size with holes. The file system reads a hole as zeros, and not every decoder complains of
zeros: what they hide wouldn't be noticed. So a list of what is there lies beside such a file, and
whatever else FFmpeg asks for is an error (`demux.open_media`).
"""

from __future__ import annotations

import io
import json
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from bystander.errors import NotFetched
from bystander.files import is_file, replacing

Spans = tuple[tuple[int, int], ...]
"""Of bytes: of each the first, and one past the last; in order, apart from each other."""

FILE_PREFIX: Final = "file:"
"""Of a file's name, for FFmpeg."""
_LIST_ENDING: Final = ".spans"


def joined_spans(spans: Iterable[tuple[int, int]], gap: int = 0) -> Spans:
    """The same bytes in as few spans as can be.

    Args:
        gap: bytes between two spans for which those become one.
    """
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + gap:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return tuple(found)


def list_of(path: Path) -> Path:
    """Where it says of what bytes the file `path` consists, if not of all."""
    return path.with_name(path.name + _LIST_ENDING)


def mark_partial(path: Path, spans: Iterable[tuple[int, int]]) -> None:
    """Let nothing but `spans` be read of `path`. To be called before the file is there.

    Raises:
        OSError: it can't be written down.
    """
    with replacing(list_of(path)) as part:
        part.write_text(json.dumps(joined_spans(spans)))


def partial_file(path: Path) -> PartialFile | None:
    """What FFmpeg is to read instead of `path`; None where the whole file is there.

    Raises:
        NotFetched: the list of what is there can't be read.
    """
    try:
        text = list_of(path).read_text()
    except (OSError, ValueError):
        # A name that can't be, a folder that may not be looked into: the video's own trouble.
        if not is_file(list_of(path)):
            return None
        text = ""
    try:
        spans = joined_spans((int(start), int(end)) for start, end in json.loads(text))
    except (TypeError, ValueError) as error:
        raise NotFetched(
            f"of {path} only a part is here, and which is unknown", f"Delete {list_of(path)}."
        ) from error
    return PartialFile(path, spans)


class _SeekableFile(io.RawIOBase):
    """A file as FFmpeg reads one through PyAV: `read`, `seek`, `tell`, `name`."""

    def __init__(self, path: Path) -> None:
        self.name = f"{FILE_PREFIX}{path}"
        self._file: BinaryIO = path.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class RecordedFile(_SeekableFile):
    """A whole file that remembers what was read of it.

    Attributes:
        spans: what was.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._reads: list[tuple[int, int]] = []

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        data = self._file.read(size)
        if self._reads and self._reads[-1][1] == start:
            self._reads[-1] = (self._reads[-1][0], start + len(data))
        else:
            self._reads.append((start, start + len(data)))
        return data

    @property
    def spans(self) -> Spans:
        return joined_spans(self._reads)


class PartialFile(_SeekableFile):
    """A file of which nothing but `spans` may be read."""

    def __init__(self, path: Path, spans: Spans) -> None:
        super().__init__(path)
        self._spans = spans
        self._size = path.stat().st_size
        self._missed = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, fewer where a span ends; none at the file's end.

        Raises:
            NotFetched: what comes next isn't there; PyAV raises it when FFmpeg returns. From then
                on the file is at its end, so that FFmpeg steps over nothing until then.
        """
        start = self.tell()
        if self._missed or start >= self._size:
            return b""
        place = bisect_right(self._spans, (start, self._size)) - 1
        end = self._spans[place][1] if place >= 0 else 0
        if start < end:
            return self._file.read(end - start if size < 0 else min(size, end - start))
        self._missed = True
        raise NotFetched(
            f"byte {start} of {self.name.removeprefix(FILE_PREFIX)} isn't here",
            "Fetch the whole file.",
        )
