"""A miss is mended with one stroke: drawn once, followed, and rendered."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bystander.editing.document import Box, Edit, Edits, Key, MaskEdit, OwnEdit, ZoneEdit
from bystander.errors import Cancelled, InvalidEdits, TimelineMismatch
from bystander.pipeline.edit import edit, edited_timeline
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision
from tests.support.drawn import (
    BLUE,
    GREEN,
    HEIGHT,
    LOSSLESS,
    MAGENTA,
    RED,
    WIDTH,
    Figure,
    Masked,
    Scene,
    cast_of,
    mask_scene,
    standing,
    walking,
)

pytestmark = pytest.mark.sampled(4)

FRAMES, CUT, RATE = 70, 50, 25.0
MISSED = Figure(BLUE, walking(40, 3, 90), unseen=range(999))
"""No network finds them."""


@pytest.fixture(scope="module")
def missed(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    scene = Scene([MISSED, Figure(RED, standing(320))], frames=FRAMES, cuts=[CUT])
    return mask_scene(scene, tmp_path_factory.mktemp("missed"))


def box_at(frame: int) -> Key:
    x, y = MISSED.place(frame)
    shape = Box(x=x - 3, y=y - 23, width=WIDTH + 6, height=HEIGHT + 26)
    return Key(seconds=frame / RATE, shape=shape)


def mended(scene: Masked, folder: Path, *edits: Edit) -> Masked:
    result = edit(scene.source, scene.timeline, Edits(edits=edits), folder / "edited")
    output = folder / "mended.mp4"
    render(scene.source, result.timeline, output, effect=MAGENTA, encoder=LOSSLESS)
    return Masked(scene.scene, scene.source, result.timeline, output)


def test_the_scene_is_a_miss(missed: Masked) -> None:
    assert max(missed.covered(MISSED, n) for n in range(FRAMES)) < 0.3


@pytest.mark.parametrize("drawn_at", [0, 22, 49])
def test_one_box_masks_somebody_through_their_shot(
    missed: Masked, tmp_path: Path, drawn_at: int
) -> None:
    after = mended(missed, tmp_path, MaskEdit(keys=(box_at(drawn_at),)))
    assert min(after.covered(MISSED, n) for n in range(CUT)) > 0.93
    assert after.covered(MISSED, CUT + 1) < 0.3  # of another shot it says nothing


def test_a_mask_ends_where_it_is_told_to(missed: Masked, tmp_path: Path) -> None:
    after = mended(missed, tmp_path, MaskEdit(keys=(box_at(20),), start=0.4, end=1.2))
    covered = [after.covered(MISSED, n) > 0.9 for n in range(CUT)]
    assert covered == [10 <= n < 30 for n in range(CUT)]


def test_it_passes_through_every_key(missed: Masked, tmp_path: Path) -> None:
    after = mended(missed, tmp_path, MaskEdit(keys=(box_at(5), box_at(25), box_at(45))))
    assert min(after.covered(MISSED, n) for n in range(CUT)) > 0.93


def test_what_is_a_kept_person_s_is_seen_through_a_bystander_s_mask(tmp_path: Path) -> None:
    """It is followed, and they are masked around it."""
    other = Figure(RED, walking(200, 2))
    scene = Scene([Figure(GREEN, standing(40)), other], frames=24)
    before = mask_scene(scene, tmp_path, cast=cast_of(tmp_path, anna=GREEN))
    x, y = other.place(12)
    key = Key(seconds=12 / RATE, shape=Box(x=x + 6, y=y + 4, width=28, height=28))
    face = OwnEdit(who="p1", keys=(key,), end=20 / RATE)
    after = mended(before, tmp_path, face)
    for number in (0, 12, 19):
        left, top = (round(v) for v in other.place(number))
        shown = slice(top + 9, top + 27), slice(left + 11, left + 29)
        assert (after.after[number][shown] == after.before[number][shown]).all()
        assert after.covered(other, number) > 0.75
    assert after.covered(other, 20) == 1


def test_the_timeline_before_stays_as_it_was(missed: Masked, tmp_path: Path) -> None:
    content = missed.timeline.path.read_bytes()
    mended(missed, tmp_path, MaskEdit(keys=(box_at(3),)))
    assert missed.timeline.path.read_bytes() == content


def test_without_edits_frames_and_header_are_the_same(missed: Masked, tmp_path: Path) -> None:
    result = edit(missed.source, missed.timeline, Edits(), tmp_path / "edited")
    assert Timeline.load(tmp_path / "edited").header == missed.timeline.header
    assert result.timeline.digest() == missed.timeline.digest()
    with edited_timeline(missed.source, missed.timeline, None) as same:
        assert same.timeline is missed.timeline


def test_what_may_be_seen_now_is_said(
    missed: Masked, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clear = ZoneEdit(decision=Decision.KEEP, shape=Box(x=300, y=0, width=84, height=216))
    with caplog.at_level(logging.WARNING):
        after = mended(missed, tmp_path, clear)
    assert "whoever is in it may be seen" in caplog.text
    figure = missed.scene.figures[1]
    assert max(after.covered(figure, n) for n in range(FRAMES)) < 0.1


def test_a_mask_that_is_drawn_when_it_is_not_there_is_refused(
    missed: Masked, tmp_path: Path
) -> None:
    with pytest.raises(InvalidEdits, match=r"edit 1 .*isn't there"):
        mended(missed, tmp_path, MaskEdit(keys=(box_at(20),), start=2))
    assert not (tmp_path / "edited").exists()


def test_another_video_is_refused(missed: Masked, tmp_path: Path) -> None:
    other = Scene([Figure(RED, standing(20))], frames=9).video(tmp_path / "other.mp4")
    with pytest.raises(TimelineMismatch):
        edit(other, missed.timeline, Edits(), tmp_path / "edited")


def test_following_tells_its_progress_and_can_be_cancelled(missed: Masked, tmp_path: Path) -> None:
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        raise Cancelled("enough")

    edits = Edits(edits=(MaskEdit(keys=(box_at(10),)),))
    with pytest.raises(Cancelled):
        edit(missed.source, missed.timeline, edits, tmp_path / "edited", report=report)
    assert told[0].stage == "follow"
    assert not list(tmp_path.iterdir())
