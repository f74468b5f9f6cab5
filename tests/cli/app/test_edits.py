"""Mending by hand on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bystander.timeline.archive import Timeline
from tests.support.commands import call, events, magenta, nothing_in, refused, succeeded

SOLID = ("--effect", "solid", "--color", "#ff00ff")
CORNER = {"kind": "box", "x": 0, "y": 0, "width": 40, "height": 30}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Masks a corner for the first half, and shows p2 from there on."""
    path = tmp_path / "edits.json"
    edits = [
        {"kind": "zone", "decision": "mask", "shape": CORNER, "end": 0.48},
        {"kind": "verdict", "who": "p2", "decision": "keep", "start": 0.48},
    ]
    path.write_text(json.dumps({"edits": edits}))
    return path


def test_a_box_is_masked(drawn: Path, review: Path, output: Path, scratch: Path) -> None:
    box = ("--mask-box", "0.2:4,4,30,20")
    told = succeeded(call("render", drawn, review, "-o", output, *SOLID, *box))
    assert "masked" in told
    assert magenta(output)[:, 8:20, 8:30].all()
    assert nothing_in(scratch)


def test_a_box_may_have_an_end(drawn: Path, review: Path, output: Path) -> None:
    box = ("--mask-box", "0.24-0.48:4,4,30,20")
    succeeded(call("render", drawn, review, "-o", output, *SOLID, *box))
    assert [bool(frame[8:20, 8:30].all()) for frame in magenta(output)] == [
        6 <= n < 12 for n in range(24)
    ]


def test_zones_are_masked_and_clear(drawn: Path, review: Path, output: Path) -> None:
    zones = ("--zone", "mask:0,0,40,30@0.48-0.72", "--zone", "clear:200,0,120,240")
    result = call("render", drawn, review, "-o", output, *SOLID, *zones)
    succeeded(result)
    frames = magenta(output)
    assert [bool(frame[2:28, 2:38].all()) for frame in frames] == [12 <= n < 18 for n in range(24)]
    assert not frames[:, :, 204:].any()  # p2 stands at 250
    assert "whoever is in it may be seen" in result.stderr


def test_a_document_is_applied_by_render_and_by_edit(
    drawn: Path, review: Path, output: Path, document: Path, tmp_path: Path
) -> None:
    succeeded(call("render", drawn, review, "-o", output, *SOLID, "--edits", document))
    directly = magenta(output)
    assert directly[0, 2:28, 2:38].all()
    assert not directly[12].any()
    assert directly[0, :, 240:260].any()

    edited, again = tmp_path / "edited", output.with_name("again.mp4")
    result = call("edit", drawn, review, document, "-o", edited, "--json")
    (told,) = [event for event in events(succeeded(result)) if event["event"] == "result"]
    assert told["timeline"] == str(edited)
    assert len(Timeline.load(edited).header.tracklets) == 3
    succeeded(call("render", drawn, edited, "-o", again, *SOLID))
    assert (magenta(again) == directly).all()


def test_the_schema_is_printed() -> None:
    schema = json.loads(succeeded(call("edit", "--schema")))
    assert {"edits", "format", "version"} == set(schema["properties"])


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--mask-box", "1:2,3"),
        ("--mask-box", "soon:1,2,3,4"),
        ("--mask-box", "0.1:1,2,-3,4"),
        ("--mask-box", "nan:1,2,3,4"),
        ("--mask-box", "0.5-0.2:1,2,3,4"),
        ("--mask-box", "0.2:900,900,5,5"),
        ("--mask-box", "77:1,2,3,4"),
        ("--zone", "hide:1,2,3,4"),
        ("--zone", "mask:1,2,3,4@5"),
        ("--zone", "mask:1,2,3,inf"),
    ],
)
def test_what_can_t_be_read_is_refused(
    drawn: Path, review: Path, output: Path, option: str, text: str
) -> None:
    refused(call("render", drawn, review, "-o", output, option, text), 8)
    assert nothing_in(output.parent)


def test_a_document_that_is_none_is_refused(
    drawn: Path, review: Path, output: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"edits": [{"kind": "erase", "who": "everyone"}]}')
    refused(call("render", drawn, review, "-o", output, "--edits", wrong), 8, wrong)
    refused(call("edit", drawn, review, tmp_path / "none", "-o", output), 8, tmp_path / "none")


def test_edit_wants_all_it_needs(drawn: Path) -> None:
    assert call("edit", drawn).exit_code == 2
