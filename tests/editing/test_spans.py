"""Edits of a whole video, for a part of it."""

from __future__ import annotations

import pytest

from bystander.editing.document import (
    AcceptedFinding,
    AcceptEdit,
    Box,
    Edit,
    Edits,
    EraseEdit,
    Key,
    MaskEdit,
    MergeEdit,
    VerdictEdit,
    ZoneEdit,
)
from bystander.editing.spans import edits_within
from bystander.errors import InvalidEdits
from bystander.timeline.types import Decision

SHAPE = Box(x=0, y=0, width=9, height=9)


def within(*edits: Edit) -> tuple[Edit, ...]:
    """From 10 to 15 s."""
    return edits_within(Edits(edits=edits), 10.0, 5.0).edits


def test_times_are_those_of_the_part() -> None:
    keys = (Key(seconds=10, shape=SHAPE), Key(seconds=12.5, shape=SHAPE))
    assert within(MaskEdit(keys=keys, start=4, end=14)) == (
        MaskEdit(keys=(Key(seconds=0, shape=SHAPE), Key(seconds=2.5, shape=SHAPE)), start=0, end=4),
    )
    assert within(
        VerdictEdit(who="p1", decision=Decision.KEEP, start=11),
        EraseEdit(who="t1", end=11),
        ZoneEdit(decision=Decision.MASK, shape=SHAPE),
        AcceptEdit(finding=AcceptedFinding(kind="unmasked", seconds=12)),
    ) == (
        VerdictEdit(who="p1", decision=Decision.KEEP, start=1),
        EraseEdit(who="t1", end=1),
        ZoneEdit(decision=Decision.MASK, shape=SHAPE),
        AcceptEdit(finding=AcceptedFinding(kind="unmasked", seconds=2)),
    )


def test_what_is_of_other_times_is_left_out() -> None:
    merge = MergeEdit(persons=("p1", "p2"))
    assert within(
        VerdictEdit(who="p1", decision=Decision.KEEP, end=10),
        merge,
        EraseEdit(who="t1", start=15),
        AcceptEdit(finding=AcceptedFinding(kind="unmasked", seconds=9)),
    ) == (merge,)


@pytest.mark.parametrize("at", [9.9, 15, 20])
def test_a_mask_drawn_beside_the_part_is_refused(at: float) -> None:
    mask = MaskEdit(keys=(Key(seconds=at, shape=SHAPE),))
    with pytest.raises(InvalidEdits, match=r"edit 2 \(mask\) is drawn at .* beside"):
        within(EraseEdit(who="t1"), mask)
