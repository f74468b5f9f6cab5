"""Looks of single people: where they hold, and which are refused."""

from __future__ import annotations

import base64
import json

import pytest

from bystander.editing.apply import EditedTimeline
from bystander.editing.document import Edits, LookEdit
from bystander.errors import InvalidEdits
from bystander.redaction.pictures import MAX_PICTURE_BYTES
from bystander.timeline.header import check_header, dump_header, parse_header
from bystander.timeline.types import Look
from tests.editing.test_apply import FRAMES, TIMES, header

HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (8).to_bytes(4, "big") * 2


def png(size: int = 100) -> str:
    return base64.b64encode(HEAD + bytes(size - len(HEAD))).decode()


def looks(*edits: LookEdit) -> dict[int, list[Look | None]]:
    """Of each tracklet in each frame."""
    found = EditedTimeline(header(), TIMES, Edits(edits=edits)).header
    check_header(found)
    found = parse_header(__file__, dump_header(found))  # type: ignore[arg-type]
    names = {t.id: [t.look_at(n) for n in range(FRAMES)] for t in found.tracklets}
    return {
        number: [None if n is None else found.looks[n] for n in numbers]
        for number, numbers in names.items()
    }


def test_a_look_holds_for_whom_and_when_it_is_asked_for_and_the_last_counts() -> None:
    first, second = Look("#202020", png()), Look("#ff0000")
    found = looks(
        LookEdit(who="p2", picture=png(), start=1),
        LookEdit(who="t2", color="#ff0000", start=2, end=3),
    )
    assert found[1] == found[3] == [None] * FRAMES
    assert found[2] == [None] * 10 + [first] * 10 + [second] * 10 + [first] * 10


@pytest.mark.parametrize(
    ("look", "said"),
    [
        ({"who": "p9"}, "p9 is nobody"),
        ({"who": "p2", "start": 100}, "after the end"),
        ({"who": "p2", "color": "red"}, "pattern"),
        ({"who": "p2", "picture": "R0lGODlh"}, "no PNG"),
        ({"who": "p2", "picture": "<b>"}, "no base64"),
        ({"who": "p2", "picture": png(MAX_PICTURE_BYTES + 1)}, "512 KiB"),
        ({"who": "p2", "effect": "blur", "strength": 0.1}, "effect"),
    ],
)
def test_looks_that_can_not_be_are_refused(look: dict[str, object], said: str) -> None:
    def apply() -> None:
        edits = Edits.parsed(json.dumps({"edits": [{"kind": "look", **look}]}))
        EditedTimeline(header(), TIMES, edits)

    with pytest.raises(InvalidEdits, match=said):
        apply()


def test_all_pictures_together_are_bounded() -> None:
    edits = Edits()
    for _ in range(4):
        edits = edits.with_one(LookEdit(who="p2", picture=png(MAX_PICTURE_BYTES)))
    with pytest.raises(InvalidEdits, match="3 MiB together"):
        edits.with_one(LookEdit(who="p3", picture=png(MAX_PICTURE_BYTES)))
    assert Edits.parsed(edits.save_text()) == edits
