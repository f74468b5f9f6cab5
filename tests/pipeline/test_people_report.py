"""Who was found, as a table and as a picture."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bystander.errors import OutputUnwritable
from bystander.pipeline.people_report import (
    CELL,
    COLUMNS,
    GREEN,
    PAPER,
    PICTURE,
    RED,
    contact_sheet,
    describe_people,
    pointed_people,
)
from bystander.timeline.archive import Timeline
from bystander.timeline.header import with_decisions
from bystander.timeline.types import Decision, Evidence, EvidenceKind, Verdict
from bystander.tracking.clicks import Click
from tests.support import drawn
from tests.support.drawn import COLOURS, Figure, Masked, Scene, cast_of, mask_scene, standing

FRAMES = 40
NUMBER = 6
"""People in the scene: one more than a line of the sheet holds."""


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """Six people: anna is recognised, the second is pointed at, the last comes late."""
    folder = tmp_path_factory.mktemp("party")
    colours = [drawn.BLUE, drawn.GREEN, drawn.RED, drawn.YELLOW, drawn.CYAN, drawn.RED]
    figures = [
        Figure(colour, standing(4 + 64 * i), present=range(20 if i == 5 else 0, FRAMES))
        for i, colour in enumerate(colours)
    ]
    return mask_scene(
        Scene(figures, frames=FRAMES),
        folder,
        cast=cast_of(folder, anna=drawn.BLUE),
        clicks=[Click(0.4, 4 + 64 + 20, 150)],
    )


def test_there_is_a_row_for_everyone_with_verdict_and_evidence(party: Masked) -> None:
    rows = describe_people(party.timeline.header)

    assert [row.id for row in rows] == [f"p{i}" for i in range(1, NUMBER + 1)]
    assert sorted(row.verdict for row in rows) == ["keep"] * 2 + ["mask"] * 4
    anna = next(row for row in rows if row.name == "anna")
    assert (anna.verdict, anna.evidence.kind, anna.first) == ("keep", "face", 0)
    assert anna.seconds == FRAMES / 25
    assert anna.evidence.similarity == pytest.approx(1, abs=0.02)
    clicked = next(row for row in rows if row.evidence.kind == "click")
    assert (clicked.verdict, clicked.name) == ("keep", "0.4 s at 88,150")
    assert rows[-1].seconds < anna.seconds
    assert rows[-1].first == pytest.approx(15 / 25)  # seen in frame 20, masked a bit before


def test_a_decision_by_hand_is_what_the_row_tells(party: Masked) -> None:
    row = describe_people(with_decisions(party.timeline.header, keep=[], mask=["p1"]))[0]

    assert (row.verdict, row.evidence.kind, row.evidence.reason) == (
        "mask",
        "user",
        "decided by hand",
    )


def test_someone_kept_for_a_part_of_the_time_is_both(party: Masked) -> None:
    header = party.timeline.header
    person = next(p for p in header.persons if p.name == "anna")
    anna = header.tracklet(person.tracklets[0])
    doubt = Evidence(EvidenceKind.DOUBT, reason="someone crossed")
    (kept,) = anna.verdicts
    both = (replace(kept, end=20), Verdict(20, FRAMES, Decision.MASK, doubt))
    tracklets = (replace(anna, verdicts=both), *(t for t in header.tracklets if t.id != anna.id))
    rows = describe_people(replace(header, tracklets=tracklets))

    row = next(row for row in rows if row.name == "anna")
    assert (row.verdict, row.evidence.kind) == ("mixed", "face")


def test_the_sheet_shows_everyone_once_framed_in_their_verdicts_colour(
    party: Masked, tmp_path: Path
) -> None:
    contact_sheet(party.timeline, tmp_path / "people.png")
    with Image.open(tmp_path / "people.png") as image:
        assert image.format == "PNG"
        sheet = np.asarray(image.convert("RGB"))

    assert sheet.shape == (2 * CELL[1], COLUMNS * CELL[0], 3)
    rows = describe_people(party.timeline.header)
    hues = []
    for position in range(2 * COLUMNS):
        x, y = position % COLUMNS * CELL[0], position // COLUMNS * CELL[1]
        cell = sheet[y : y + CELL[1], x : x + CELL[0]]
        if position >= NUMBER:
            assert (cell == PAPER).all()
            continue
        expected = GREEN if rows[position].verdict == "keep" else RED
        assert tuple(cell[8, 100]) == expected
        picture = cell[12 : 8 + PICTURE[1] - 4, 12 : 8 + PICTURE[0] - 4]
        share = [float(drawn.shows(picture, colour).mean()) for colour in COLOURS]
        assert max(share) > 0.05
        hues.append(int(np.argmax(share)))
    # One cell each; two wear red.
    assert sorted(hues) == [0, 0, 1, 2, 3, 4]


def test_people_appear_when_a_player_shows_them(party: Masked) -> None:
    rows = describe_people(party.timeline.header)
    late = describe_people(party.timeline.header, party.timeline.times() + 0.8)

    assert {str(row.first) for row in rows} == {"0.0", "0.6"}
    assert {str(row.first) for row in late} == {"0.8", "1.4"}


def test_a_sheet_of_nobody_is_an_empty_page(tmp_path: Path) -> None:
    timeline = mask_scene(Scene([], frames=2), tmp_path).timeline
    contact_sheet(timeline, tmp_path / "people.png")

    assert describe_people(timeline.header) == []
    with Image.open(tmp_path / "people.png") as image:
        assert image.getcolors() == [(image.width * image.height, PAPER)]


@pytest.mark.parametrize("name", ["people.xyz", "missing/people.png"])
def test_a_sheet_that_cannot_be_written_says_where(
    party: Masked, tmp_path: Path, name: str
) -> None:
    timeline = Timeline.load(party.timeline.path)
    with pytest.raises(OutputUnwritable, match=name):
        contact_sheet(timeline, tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_whom_a_click_chose_is_told_with_their_picture_of_that_moment(party: Masked) -> None:
    (chosen,) = pointed_people(party.timeline)
    rows = describe_people(party.timeline.header)
    (row,) = (row for row in rows if row.pointed_at)

    assert row.as_row()["pointed_at"] == [{"seconds": 0.4, "x": 88, "y": 150}]
    assert (chosen.person, row.verdict, row.evidence.kind) == (row.id, "keep", "click")
    assert str(chosen).startswith(f"0.4 s at 88,150: {row.id}, seen 0:00-0:0")
    assert chosen.picture is not None
    head, _, data = chosen.picture.partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        red, green, blue = picture.convert("RGB").getpixel(  # type: ignore[misc]
            (picture.width // 2, picture.height // 2)
        )
    assert green > max(red, blue) + 50  # the second, who is green
