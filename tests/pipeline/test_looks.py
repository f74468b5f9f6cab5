"""A colour or a picture for one person: drawn over them alone, wherever they are masked."""

from __future__ import annotations

import base64
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from bystander.auditing.earlier import frame_digests
from bystander.editing.document import Edits, LookEdit, VerdictEdit
from bystander.media.probe import probe
from bystander.pipeline.edit import edit
from bystander.pipeline.reference_masks import ReferencePlan
from bystander.pipeline.render import render
from bystander.pipeline.render_plan import DrawnFrames
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision
from tests.support.commands import call, make_timeline, refused, succeeded
from tests.support.drawn import LOSSLESS
from tests.support.videos import Clip, make_video

FRAMES = 12
BLUR = EffectSettings()
GREEN, RED = (0, 200, 0), (230, 20, 20)
NEAR = 24  # grey levels: compression, and colours at half the resolution


def png(colour: tuple[int, int, int] = RED, side: int = 40) -> bytes:
    """A disc on nothing."""
    picture = np.zeros((side, side, 4), np.uint8)
    cv2.circle(picture, (side // 2, side // 2), side // 2 - 2, (*colour[::-1], 255), -1)
    return cv2.imencode(".png", picture)[1].tobytes()


PICTURE = base64.b64encode(png()).decode()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(pts=range(0, 512 * FRAMES, 512), size=(480, 240))
    return make_video(tmp_path_factory.mktemp("video") / "v.mp4", clip)


@pytest.fixture
def timeline(video: Path, tmp_path: Path) -> Timeline:
    """p1 and p3 are masked, p2 between them is kept."""
    people = {"p1": Decision.MASK, "p2": Decision.KEEP, "p3": Decision.MASK}
    return Timeline.load(make_timeline(tmp_path / "t", video, people))


def edited(
    video: Path, timeline: Timeline, folder: Path, *edits: LookEdit | VerdictEdit
) -> Timeline:
    return edit(video, timeline, Edits(edits=edits), folder / "edited").timeline


def shown(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def drawn_by(video: Path, timeline: Timeline, folder: Path, name: str) -> list[np.ndarray]:
    render(video, timeline, folder / name, effect=BLUR, encoder=LOSSLESS)
    return shown(folder / name)


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(np.abs(picture - colour).max(axis=2) <= NEAR)


def test_one_person_has_picture_and_colour_and_nobody_else_is_drawn_otherwise(
    video: Path, timeline: Timeline, tmp_path: Path
) -> None:
    look = LookEdit(who="p3", color="#00c800", picture=PICTURE)
    own = drawn_by(video, edited(video, timeline, tmp_path, look), tmp_path, "own.mp4")
    usual = drawn_by(video, timeline, tmp_path, "usual.mp4")
    third = next(timeline.frames()).sightings[2]
    silhouette = third.mask.on_grid(480, 240)
    for mine, other in zip(own, usual, strict=True):
        inside = mine[silhouette]
        # The picture's edge is a mixture of both; nothing else is in it.
        mixed = np.clip(inside[:, :1] / RED[0], 0, 1)
        assert np.abs(inside - (np.array(GREEN) * (1 - mixed) + np.array(RED) * mixed)).max() <= 60
        assert near(mine, RED).sum() > 200
        rest = np.abs(mine - other).max(axis=2)
        rest[:, int(third.box[0]) - 20 :] = 0
        assert rest.max() <= 2


def test_who_is_kept_stays_kept_and_a_later_verdict_masks_them_in_their_look(
    video: Path, timeline: Timeline, tmp_path: Path
) -> None:
    look = LookEdit(who="p2", color="#00c800")
    second = next(timeline.frames()).sightings[1].mask.on_grid(480, 240)
    before = shown(video)
    kept = drawn_by(video, edited(video, timeline, tmp_path, look), tmp_path, "kept.mp4")
    assert np.abs(kept[3][second] - before[3][second]).mean() < 6

    masked = VerdictEdit(who="p2", decision=Decision.MASK, start=0.2)
    again = edited(video, timeline, tmp_path, look, masked)
    late = drawn_by(video, again, tmp_path, "late.mp4")
    assert np.abs(late[3][second] - before[3][second]).mean() < 6
    assert near(late[7][second][None], GREEN).mean() > 0.97


def test_only_frames_of_a_look_are_drawn_again(
    video: Path, timeline: Timeline, tmp_path: Path
) -> None:
    info = probe(video)

    def digests(one: Timeline) -> list[bytes]:
        frames = DrawnFrames.of(one, None, BLUR, info.time_base)
        return [bytes(frames.digests[16 * n : 16 * n + 16]) for n in range(FRAMES)]

    look = LookEdit(who="p1", picture=PICTURE, start=0.16, end=0.32)  # frames 4 to 7
    own = edited(video, timeline, tmp_path, look)
    for before, after in ((digests(timeline), digests(own)),
                          (frame_digests(timeline), frame_digests(own))):  # fmt: skip
        assert [n for n in range(FRAMES) if before[n] != after[n]] == [4, 5, 6, 7]


def test_the_audit_expects_the_look(video: Path, timeline: Timeline, tmp_path: Path) -> None:
    look = LookEdit(who="p3", color="#00c800", picture=PICTURE)
    own = edited(video, timeline, tmp_path, look)
    render(video, own, tmp_path / "own.mp4", effect=BLUR, encoder=LOSSLESS)
    misfits = []
    for known in (own, timeline):
        infos = probe(video), probe(tmp_path / "own.mp4")
        plan = ReferencePlan.of(video, tmp_path / "own.mp4", infos, known, BLUR)
        assert plan is not None
        redrawer = plan.redrawing(BLUR)
        assert redrawer is not None
        misfits.append(max(redrawer.misfit(one) or 0 for one in plan._samples()))
    assert misfits[0] < 1 < misfits[1]


def test_a_picture_for_one_person_on_the_command_line(
    video: Path, timeline: Timeline, tmp_path: Path
) -> None:
    (tmp_path / "hat.png").write_bytes(png())
    out = tmp_path / "out.mp4"
    asked = ("render", video, timeline.path, "-o", out, "--picture-of")
    refused(call(*asked, "p3=nothing.png"), 9, "nothing.png")
    refused(call(*asked, f"nobody={tmp_path / 'hat.png'}"), 8, "--picture-of", "p3=hat.png")
    refused(call(*asked, "p3"), 8, "--picture-of p3: a file is missing", "p3=hat.png")
    refused(call(*asked, "p3="), 8, "--picture-of p3=: a file is missing", "p3=hat.png")
    refused(call(*asked, f"={tmp_path / 'hat.png'}"), 8, "an id is missing", "p3=hat.png")
    refused(call(*asked, f"p9={tmp_path / 'hat.png'}"), 8, "p9 is nobody", "bystander people")
    assert not out.exists()
    succeeded(call(*asked, f"p3={tmp_path / 'hat.png'}", "--color", "#00c800"))
    assert near(shown(out)[5], RED).sum() > 200
    assert near(shown(out)[5], GREEN).sum() > 200
