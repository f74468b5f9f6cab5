"""What a document of edits may hold, and what is said of one that may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bystander.editing.document import (
    MAX_EDITS,
    MAX_POINTS,
    Box,
    Edits,
    Key,
    MaskEdit,
    VerdictEdit,
    schema,
)
from bystander.errors import InvalidEdits
from bystander.timeline.types import Decision

BOX = {"kind": "box", "x": 1, "y": 2, "width": 3, "height": 4}
EVERYTHING: dict[str, Any] = {
    "format": "bystander-edits",
    "version": 1,
    "edits": [
        {"kind": "verdict", "who": "p2", "decision": "keep", "start": 2, "end": 6},
        {"kind": "mask", "keys": [{"seconds": 1.5, "shape": BOX}], "start": 1, "follow": False},
        {"kind": "zone", "decision": "mask", "shape": {**BOX, "kind": "ellipse"}},
        {
            "kind": "zone",
            "decision": "keep",
            "shape": {"kind": "polygon", "points": [[0, 0], [5, 0], [5, 5]]},
        },
        {"kind": "erase", "who": "t17"},
        {"kind": "merge", "persons": ["p1", "p4"]},
        {"kind": "split", "who": "p1", "tracklets": ["t17", "t18"]},
        {"kind": "own", "who": "p1", "keys": [{"seconds": 1.5, "shape": BOX}], "end": 3},
        {
            "kind": "accept",
            "finding": {"kind": "visible person", "seconds": 2, "box": [1, 2, 3, 4]},
        },
        {"kind": "accept", "finding": {"kind": "cut", "seconds": 2}},
    ],
}


def text(*edits: Any) -> str:
    return json.dumps({"edits": edits})


def test_every_kind_of_edit_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    edits = Edits.parsed(json.dumps(EVERYTHING))
    assert [edit.kind for edit in edits.edits] == [
        "verdict", "mask", "zone", "zone", "erase", "merge", "split", "own", "accept", "accept",
    ]  # fmt: skip
    path = tmp_path / "edits.json"
    path.write_text(edits.save_text())
    assert Edits.load(path) == edits


def test_the_published_schema_takes_what_is_read() -> None:
    jsonschema.validate(EVERYTHING, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"edits": [{"kind": "erase", "who": "anna"}]}, schema())


def test_undoing_takes_the_last_one_away() -> None:
    first = VerdictEdit(who="p1", decision=Decision.KEEP)
    second = MaskEdit(keys=(Key(seconds=1, shape=Box(x=0, y=0, width=5, height=5)),))
    both = Edits().with_one(first).with_one(second)
    assert both.undone() == Edits().with_one(first)
    assert Edits().undone() == Edits()


@pytest.mark.parametrize(
    "document",
    [
        "",
        "null",
        "[]",
        '{"version": 2}',
        '{"format": "bystander-timeline"}',
        '{"edit": []}',
        text({"kind": "blur"}),
        text({"kind": "verdict", "who": "anna", "decision": "keep"}),
        text({"kind": "verdict", "who": "p1", "decision": "maybe"}),
        text({"kind": "verdict", "who": "p1", "decision": "keep", "start": 3, "end": 3}),
        text({"kind": "verdict", "who": "p1", "decision": "keep", "start": -1}),
        text({"kind": "erase", "who": "t17; DROP TABLE jobs"}),
        text({"kind": "merge", "persons": ["p1"]}),
        text({"kind": "split", "who": "p1", "tracklets": []}),
        text({"kind": "split", "who": "t1", "tracklets": ["t1"]}),
        text({"kind": "split", "who": "p1", "tracklets": ["p2"]}),
        text({"kind": "own", "keys": [{"seconds": 1, "shape": BOX}]}),
        text({"kind": "own", "who": "p1", "keys": []}),
        text({"kind": "accept", "finding": {"kind": "A'; --", "seconds": 1}}),
        text({"kind": "accept", "finding": {"kind": "cut", "seconds": 1, "box": [3, 2, 1, 4]}}),
        text({"kind": "accept", "finding": {"kind": "cut", "seconds": 1, "box": [1e9, 2, 3, 4]}}),
        text({"kind": "mask", "keys": []}),
        text({"kind": "mask", "keys": [{"seconds": n, "shape": BOX} for n in (2, 1)]}),
        text({"kind": "mask", "keys": [{"seconds": 1, "shape": {**BOX, "width": 0}}]}),
        text({"kind": "mask", "keys": [{"seconds": 1, "shape": {**BOX, "x": 1e300}}]}),
        '{"edits": [{"kind": "mask", "keys": [{"seconds": NaN, "shape": '
        + json.dumps(BOX)
        + "}]}]}",
        '{"edits": [{"kind": "mask", "keys": [{"seconds": 1, "shape": {"kind": "box", "x": '
        'Infinity, "y": 0, "width": 1, "height": 1}}]}]}',
        text(
            {
                "kind": "zone",
                "decision": "mask",
                "shape": {"kind": "polygon", "points": [[0, 0]] * (MAX_POINTS + 1)},
            }
        ),
        text(*[{"kind": "erase", "who": "t1"}] * (MAX_EDITS + 1)),
    ],
)
def test_anything_else_is_refused_with_a_reason(document: str) -> None:
    with pytest.raises(InvalidEdits, match=r"document of edits: .{5,}"):
        Edits.parsed(document)


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidEdits, match="can't be read"):
        Edits.load(tmp_path / "none.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidEdits, match="can't be read"):
        Edits.load(binary)


def test_a_file_of_megabytes_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(InvalidEdits, match="larger"):
        Edits.load(large)


def test_what_has_no_end_is_not_read_to_it() -> None:
    with pytest.raises(InvalidEdits, match="larger"):
        Edits.load(Path("/dev/zero"))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "edits.json"
    path.write_text(json.dumps(EVERYTHING), encoding="utf-8-sig")
    assert Edits.load(path) == Edits.model_validate(EVERYTHING)
