"""Which bytes of a file a client asks for: `Range` of RFC 9110, section 14, single ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SINGLE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(ValueError):
    """The range begins beyond the file's end: 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to before `end` of a file, never empty."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def content_range(self, size: int) -> str:
        """The value of the Content-Range header, for a file of `size` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that `header` asks for.

    Returns:
        None where the whole file is to be sent: there is no header, it is malformed, of
        another unit, or names several ranges. The standard lets a server ignore these.

    Raises:
        RangeNotSatisfiable: no byte of the file is in the range.
    """
    found = _SINGLE.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    if start >= end:
        raise RangeNotSatisfiable(f"{header} of {size} bytes")
    return ByteRange(start, end)
