"""Edits of a video -> those of a part of it, by the part's own clock."""

from __future__ import annotations

from collections.abc import Iterator

from bystander.editing.document import (
    AcceptEdit,
    DrawnEdit,
    Edit,
    Edits,
    MergeEdit,
    SplitEdit,
)
from bystander.errors import InvalidEdits

_ROUNDING_SECONDS = 1e-6


def edits_within(edits: Edits, offset: float, seconds: float) -> Edits:
    """Edits as ones of a part; those of other times are left out.

    Args:
        edits: of the whole video.
        offset: seconds from the video's first frame to the part's.
        seconds: how long the part is.

    Raises:
        InvalidEdits: something is drawn beside the part, from where it can't be followed.
    """
    return Edits(edits=tuple(_within(edits, offset, seconds)))


def _within(edits: Edits, offset: float, seconds: float) -> Iterator[Edit]:
    for number, edit in enumerate(edits.edits):
        if isinstance(edit, MergeEdit | SplitEdit):
            yield edit
        elif isinstance(edit, AcceptEdit):
            if 0 <= (at := edit.finding.seconds - offset) < seconds:
                finding = edit.finding.model_copy(update={"seconds": at})
                yield edit.model_copy(update={"finding": finding})
        else:
            start = None if edit.start is None else max(0.0, edit.start - offset)
            end = None if edit.end is None else edit.end - offset
            if (start or 0.0) >= seconds or (end is not None and end <= 0):
                continue
            moved: dict[str, object] = {"start": start, "end": end}
            if isinstance(edit, DrawnEdit):
                where = f"edit {number + 1} ({edit.kind})"
                times = [_moved(where, key.seconds, offset, seconds) for key in edit.keys]
                moved["keys"] = tuple(
                    key.model_copy(update={"seconds": at})
                    for key, at in zip(edit.keys, times, strict=True)
                )
            yield edit.model_copy(update=moved)


def _moved(where: str, at: float, offset: float, seconds: float) -> float:
    if not -_ROUNDING_SECONDS <= at - offset < seconds:
        raise InvalidEdits(
            f"{where} is drawn at {at:g} s, beside the part that is masked",
            "Draw it at a time within that part.",
        )
    return max(0.0, at - offset)
