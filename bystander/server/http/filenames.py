"""What a client calls its video -> a name to show, and names for downloads.

Such a name is hostile: it is shown and handed back, and never becomes a path.
"""

from __future__ import annotations

import os
import unicodedata
from typing import Final
from urllib.parse import quote

from bystander.server.http.errors import ApiError
from bystander.server.http.tus import decode_metadata

MAX_NAME_CHARS: Final = 120
"""Characters of a name that are kept; with what is added, file systems take three bytes each."""
MAX_SUFFIX_CHARS: Final = 8
SEPARATORS: Final = str.maketrans("\\", "/")
UNSAFE: Final = frozenset('"*:<>?|\\/%')
"""What file systems, or headers, would take for something else."""
INVISIBLE: Final = ("C", "Zl", "Zp")
"""Unicode's categories of what has no shape: controls, marks that turn the direction of writing,
private characters, separators of lines."""
UNRESERVED: Final = "!#$&+-.^_`|~"
"""What RFC 8187 lets stand beside letters and digits."""


def video_name(metadata: str) -> str:
    """The name in an upload's metadata, as it may be shown: its last part, on one line.

    Args:
        metadata: `Upload-Metadata` of tus; `filename`, or `name` of some clients, counts.

    Returns:
        "" where there is none.
    """
    try:
        told = decode_metadata(metadata)
    except ApiError:  # of before it was looked at
        return ""
    return shown_name(told.get("filename") or told.get("name") or b"")


def shown_name(raw: bytes) -> str:
    """UTF-8 of anything -> at most `MAX_NAME_CHARS` characters that can be seen."""
    text = unicodedata.normalize("NFC", raw.decode("utf-8", "ignore"))
    last = text.translate(SEPARATORS).rstrip("/").rpartition("/")[2]
    seen = "".join(c for c in last if not unicodedata.category(c).startswith(INVISIBLE))
    name = " ".join(seen.split()).strip(". ")
    stem, suffix = os.path.splitext(name)
    if len(suffix) > MAX_SUFFIX_CHARS:
        stem, suffix = name, ""
    return stem[: MAX_NAME_CHARS - len(suffix)] + suffix


def result_name(name: str, *, stale: bool = False) -> str:
    """ "holiday.mov" -> "holiday-masked.mp4"; "masked.mp4" without a name.

    Args:
        name: of the source, see `video_name`.
        stale: it is the video as it was before changes, and says so.
    """
    end = "masked-before-changes.mp4" if stale else "masked.mp4"
    stem = "".join("_" if c in UNSAFE else c for c in os.path.splitext(name)[0]).strip(". ")
    return f"{stem}-{end}" if stem else end


def content_disposition(kind: str, filename: str) -> str:
    """The header (RFC 6266): plain where the name is ASCII, else also in UTF-8 (RFC 8187).

    Args:
        kind: "attachment" or "inline".
        filename: whatever is in it stays within the quotes.
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in UNSAFE else "_"
                    for c in filename)  # fmt: skip
    header = f'{kind}; filename="{plain}"'
    if plain == filename:
        return header
    return f"{header}; filename*=UTF-8''{quote(filename, safe=UNRESERVED)}"
