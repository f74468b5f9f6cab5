"""Whether a file ends before what its own header announces.

A copy that was interrupted, a full memory card or a camera that lost power leave a
file whose outermost structure promises more bytes than there are. FFmpeg reads such
a file up to the gap and says nothing, so the structure is checked here: ISO base
media boxes (ISO/IEC 14496-12, section 4.2), RIFF chunks, EBML elements (RFC 8794).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_ISO_FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_ISO_ESSENTIAL_BOXES = {b"moov", b"mdat", b"moof"}
_EBML_HEADER = bytes.fromhex("1a45dfa3")
_EBML_SEGMENT = bytes.fromhex("18538067")
_RIFF_SIZE_UNKNOWN = {0, 0xFFFFFFFF}


def truncation(path: Path) -> str | None:
    """What is missing from the file's end, as a clause; None if nothing is.

    Files of other formats (transport streams, Ogg, ...) announce no length: None.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[4:8] in _ISO_FIRST_BOXES:
            return _iso_truncation(file, size)
        if head[:4] == b"RIFF":
            return _riff_truncation(head, size)
        if head[:4] == _EBML_HEADER:
            return _ebml_truncation(file, size)
    return None


def _iso_truncation(file: BinaryIO, size: int) -> str | None:
    position, has_index = 0, False
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # the last box reaches to the end of the file
            length = size - position
        if length < 8:  # no box: what a camera may append after the last one
            break
        has_index |= kind in (b"moov", b"moof")
        # Only the boxes that hold frames or their index: a trailing scrap of anything
        # else costs no picture.
        if kind in _ISO_ESSENTIAL_BOXES and position + length > size:
            return f"the last {position + length - size:,} bytes are missing"
        position += length
    return None if has_index else "its index (the 'moov' box) was never written"


def _riff_truncation(head: bytes, size: int) -> str | None:
    length = int.from_bytes(head[4:8], "little")
    if length in _RIFF_SIZE_UNKNOWN or 8 + length <= size:
        return None
    return f"the last {8 + length - size:,} bytes are missing"


def _ebml_truncation(file: BinaryIO, size: int) -> str | None:
    file.seek(len(_EBML_HEADER))
    header_length = _ebml_length(file)
    if header_length is None:
        return None
    file.seek(header_length, 1)
    if file.read(4) != _EBML_SEGMENT:
        return None
    length = _ebml_length(file)
    if length is None or file.tell() + length <= size:
        return None
    return f"the last {file.tell() + length - size:,} bytes are missing"


def _ebml_length(file: BinaryIO) -> int | None:
    """The variable-length integer at the file's position; None if it says "unknown"."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    extra_bytes = 8 - first[0].bit_length()
    value_bits = 7 * (extra_bytes + 1)
    value = int.from_bytes(first + file.read(extra_bytes), "big") & ((1 << value_bits) - 1)
    return None if value == (1 << value_bits) - 1 else value
