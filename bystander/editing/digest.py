"""Verdicts and edits -> a name for what is rendered by them."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.editing.apply import EditedTimeline
from bystander.editing.document import Edits, EraseEdit, LookEdit, OwnEdit
from bystander.timeline.header import Header, verdicts_digest

OF_VERDICTS: Final = frozenset(("verdict", "merge", "split"))
"""Kinds of edits that come to nothing but verdicts."""
OF_NOTHING: Final = frozenset(("accept",))
"""... and to nothing at all in the picture."""


def edited_digest(header: Header, times: NDArray[np.float64], edits: Edits) -> str:
    """Names what a timeline and edits come to: SHA-256, hexadecimal.

    Without anything drawn, erased or given a look it is `verdicts_digest` of the verdicts that they
    come to, so that what is undone, or decided back and forth, leaves no trace in it.

    Args:
        header: of the timeline.
        times: `Timeline.times`.

    Raises:
        InvalidEdits: they don't fit the timeline.
    """
    judged = Edits(edits=tuple(e for e in edits.edits if e.kind in OF_VERDICTS))
    named = verdicts_digest(EditedTimeline(header, times, judged).header)
    drawn = tuple(e for e in edits.edits if e.kind not in OF_VERDICTS | OF_NOTHING)
    if not drawn:
        return named
    of_somebody = [e for e in drawn if isinstance(e, EraseEdit | LookEdit | OwnEdit)]
    if any(e.who.startswith("p") for e in of_somebody):
        # Whom an id means depends on what was merged and split before.
        drawn = tuple(e for e in edits.edits if e.kind not in OF_NOTHING | {"verdict"})
    # With defaults: a box and an ellipse are told apart by their kind alone.
    canonical = Edits(edits=drawn).model_dump_json()
    return hashlib.sha256(f"{named} {canonical}".encode()).hexdigest()
