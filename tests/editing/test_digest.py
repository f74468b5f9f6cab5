"""What names a rendering: alike for what comes to the same, different for all else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from bystander.editing.digest import edited_digest
from bystander.editing.document import Edits
from bystander.timeline.header import verdicts_digest, with_decisions
from tests.editing.test_apply import FRAMES, RATE, header

TIMES = np.arange(FRAMES + 1) / RATE
BOX = {"kind": "box", "x": 10, "y": 10, "width": 50, "height": 50}
KEEP = {"kind": "verdict", "who": "p2", "decision": "keep"}
DRAWN = {"kind": "mask", "keys": [{"seconds": 1, "shape": BOX}]}


def digest(*edits: Mapping[str, object]) -> str:
    return edited_digest(header(), TIMES, Edits.model_validate({"edits": edits}))


def test_verdicts_alone_are_named_as_verdicts() -> None:
    assert digest() == verdicts_digest(header())
    assert digest(KEEP) == verdicts_digest(with_decisions(header(), ["p2"], []))


def test_what_was_decided_back_and_forth_leaves_no_trace() -> None:
    assert digest(KEEP, {**KEEP, "decision": "mask"}) == digest()


def test_merging_alone_changes_nothing_in_the_picture() -> None:
    assert digest({"kind": "merge", "persons": ["p2", "p3"]}) == digest()


@pytest.mark.parametrize("who", ["erase", "own", "look"])
def test_whom_an_id_means_is_in_the_name(who: str) -> None:
    merge = {"kind": "merge", "persons": ["p2", "p3"]}
    drawn = {**DRAWN, "kind": "own"} if who == "own" else {"kind": who}

    both, first_alone = digest(merge, {**drawn, "who": "p2"}), digest({**drawn, "who": "p2"}, merge)

    assert both != first_alone
    # An appearance is the same whoever's it is.
    assert digest(merge, {**drawn, "who": "t2"}) == digest({**drawn, "who": "t2"}, merge)


def test_a_look_is_in_the_name_until_it_is_undone() -> None:
    look = {"kind": "look", "who": "p2", "color": "#ffcc00"}
    assert len({digest(), digest(look), digest({**look, "color": "#000000"})}) == 3
    assert digest(KEEP, look) != digest(look)


@pytest.mark.parametrize("kind", ["mask", "zone"])
def test_a_box_and_an_ellipse_in_it_have_two_names(kind: str) -> None:
    def named(shape: Mapping[str, object]) -> str:
        if kind == "zone":
            return digest({"kind": "zone", "decision": "mask", "shape": shape})
        return digest({"kind": "mask", "keys": [{"seconds": 1, "shape": shape}]})

    assert named(BOX) != named({**BOX, "kind": "ellipse"})


@pytest.mark.parametrize(
    "edit",
    [
        DRAWN,
        {**DRAWN, "follow": False},
        {**DRAWN, "end": 2},
        {"kind": "zone", "decision": "mask", "shape": BOX},
        {"kind": "zone", "decision": "keep", "shape": BOX},
        {"kind": "erase", "who": "p2"},
        KEEP,
        {**KEEP, "start": 1},
    ],
)
def test_what_changes_the_picture_changes_the_name(edit: dict[str, object]) -> None:
    others = {digest(), digest(DRAWN, KEEP)}

    assert digest(edit) not in others
    assert digest(edit) == digest(dict(edit))
