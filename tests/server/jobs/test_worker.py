"""A worker does its order in a folder, whatever happens to it meanwhile."""

from __future__ import annotations

import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bystander.choices import EffectName, ProfileName
from bystander.editing.digest import edited_digest
from bystander.editing.document import Box, Edits, Key, MaskEdit, VerdictEdit
from bystander.errors import ConfigError, InvalidTimeline, ModelError, NotAVideo, PhotoError
from bystander.media.probe import probe
from bystander.redaction.effects import EffectSettings
from bystander.server.bentos import job_worker
from bystander.server.bentos.children import ServiceChildren
from bystander.server.jobs.spec import (
    AUDIT_FILE,
    AUDIT_PAGE_FILE,
    CAST_FOLDER,
    CHECKPOINTS_FOLDER,
    EARLIER_AUDIT_FILE,
    EARLIER_TIMELINE_FILE,
    PREVIEW_FILE,
    RENDERED_FILE,
    RESULT_FILE,
    SPEC_FILE,
    TIMELINE_FILE,
    VIDEO_FILE,
    CastPhotoSpec,
    CastSpec,
    ClickSpec,
    JobSpec,
)
from bystander.server.models import JobKind
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision
from tests.conftest import REPOSITORY, sampled, shared
from tests.support.drawn import GREEN, RED, Figure, Scene, pictures, standing, walking
from tests.support.drawn_worker import LOOKED, NO_NETWORKS, RENDERING
from tests.support.street import Street
from tests.support.videos import remuxed
from tests.support.waiting import HANGS_AFTER_SECONDS, alive, until
from tests.support.work import Work, told

pytestmark = pytest.mark.long

FRAMES, SEGMENT = 48, 12
HALF = FRAMES // 2
AT_EVERY_FRAME = 1e-6
"""Seconds between two checkpoints: there is one before any frame that a worker is held at."""
GREY = EffectSettings(name=EffectName.SOLID, color="#808080")
COLOURFUL = 70
"""Between the channels of a pixel: only people are, and only where they show."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One who stands and one who walks, so that no two frames are the same."""
    figures = [Figure(RED, standing(20)), Figure(GREEN, walking(100, 1.5))]
    return Scene(figures, FRAMES).video(tmp_path_factory.mktemp("video") / "video.mp4")


def order(kind: JobKind = JobKind.MASK, **more: Any) -> JobSpec:
    settings = {
        "profile": ProfileName.FAST,
        "effect": GREY,
        "segment_frames": SEGMENT,
        "in_flight": 2,
    }
    return JobSpec.model_validate({"kind": kind, **settings, **more})


@pytest.fixture
def work(tmp_path: Path, video: Path) -> Work:
    return Work(tmp_path / "work", video, order(checkpoint_seconds=AT_EVERY_FRAME))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, video: Path) -> Work:
    """A job that nothing happened to."""
    work = Work(tmp_path_factory.mktemp("undisturbed") / "work", video, order())
    events, code, complaints = work.done()
    assert (code, events[-1]["event"]) == (0, "done"), complaints
    return work


def same(one: Work, other: Work) -> bool:
    """Whether results show the same, to the bit, and timelines are the same file."""
    results = [pictures(work.folder / RESULT_FILE) for work in (one, other)]
    timelines = [(work.folder / TIMELINE_FILE).read_bytes() for work in (one, other)]
    return np.array_equal(results[0], results[1]) and timelines[0] == timelines[1]


def test_a_job_tells_what_it_does_from_the_beginning_to_the_end(
    tmp_path: Path, video: Path
) -> None:
    work = Work(tmp_path / "work", video, order(audit=True))
    events, code, complaints = work.done()
    assert code == 0, complaints
    progress = [event for event in events if event["event"] == "progress"]
    stages = list(dict.fromkeys(event["stage"] for event in progress))
    assert stages == ["analyze", "decide", "render", "audit"]
    for stage in stages:
        done = [event["done"] for event in progress if event["stage"] == stage]
        assert done == sorted(done)
        assert done[-1] == progress[-1]["total"] or stage == "audit"
    assert [event["event"] for event in events].count("done") == 1
    assert not [event for event in events if event["event"] in ("resumed", "failed")]
    assert events[-1]["event"] == "done"
    summary = events[-1]["summary"]
    assert (summary["frames"], summary["people"], summary["kept"]) == (FRAMES, 2, 0)
    assert summary["findings"] >= 0
    assert summary["sound"] == {"kept": [], "transcoded": [], "left_out": [], "treated": ["keep"]}
    for name in (
        TIMELINE_FILE,
        RENDERED_FILE,
        RESULT_FILE,
        AUDIT_PAGE_FILE,
        AUDIT_FILE,
        PREVIEW_FILE,
    ):
        assert (work.folder / name).stat().st_size > 0
    assert len(pictures(work.folder / RESULT_FILE)) == FRAMES
    # What libraries print is not lost.
    assert "found somebody" in complaints
    assert "from below Python" in complaints


@pytest.mark.long
def test_an_analysis_looks_at_each_frame_once_and_renders_nothing(
    tmp_path: Path, video: Path
) -> None:
    work = Work(tmp_path / "work", video, order(JobKind.ANALYZE))
    events, code, _ = work.done()
    assert (code, events[-1]["summary"]["people"]) == (0, 2)
    looked = work.looked()
    assert len(looked) == len(set(looked)) == FRAMES
    assert not (work.folder / RESULT_FILE).exists()


@pytest.mark.long
def test_rendering_looks_at_nothing_again_and_follows_decisions(
    tmp_path: Path, video: Path, undisturbed: Work
) -> None:
    people = Timeline.load(undisturbed.folder / TIMELINE_FILE).header.persons
    work = Work(tmp_path / "work", video, order(JobKind.RENDER, keep=(people[0].id,), codec="hevc"))
    os.link(undisturbed.folder / TIMELINE_FILE, work.folder / TIMELINE_FILE)
    events, code, complaints = work.done(NO_NETWORKS)  # without networks
    assert code == 0, complaints
    assert events[-1]["summary"]["kept"] == 1
    assert work.looked() == []
    assert probe(work.folder / RESULT_FILE).codec == "hevc"
    shown = [colourful(picture) for picture in pictures(work.folder / RESULT_FILE)]
    assert min(shown[5:-5]) > 500  # one of them is there to be seen
    assert (work.folder / TIMELINE_FILE).read_bytes() == (
        undisturbed.folder / TIMELINE_FILE
    ).read_bytes()


def test_rendering_follows_edits_and_leaves_the_analysis_as_it_was(
    tmp_path: Path, video: Path, undisturbed: Work
) -> None:
    shape = Box(x=0, y=0, width=40, height=30)
    drawn = MaskEdit(keys=(Key(seconds=0.5, shape=shape),))
    clear = VerdictEdit(who="p1", decision=Decision.KEEP)
    work = Work(tmp_path / "work", video, order(JobKind.RENDER, edits=Edits(edits=(clear, drawn))))
    shutil.copyfile(undisturbed.folder / TIMELINE_FILE, work.folder / TIMELINE_FILE)
    analysis = Timeline.load(undisturbed.folder / TIMELINE_FILE)

    events, code, complaints = work.done(NO_NETWORKS)

    assert code == 0, complaints
    summary = events[-1]["summary"]
    assert summary["kept"] == 1
    edits = Edits(edits=(clear, drawn))
    assert summary["verdicts_digest"] == edited_digest(analysis.header, analysis.times(), edits)
    rendered = Timeline.load(work.folder / RENDERED_FILE)
    assert len(rendered.header.tracklets) == len(analysis.header.tracklets) + 1
    assert Timeline.load(work.folder / TIMELINE_FILE).digest() == analysis.digest()
    assert {event["stage"] for event in events if event["event"] == "progress"} == {
        "follow", "render",
    }  # fmt: skip


@pytest.mark.long
def test_an_audit_goes_on_from_that_of_the_result_before(tmp_path: Path, video: Path) -> None:
    before = Work(tmp_path / "before", video, order(audit=True))
    assert before.done()[1] == 0
    work = Work(tmp_path / "work", video, order(JobKind.RENDER, audit=True))
    os.link(before.folder / TIMELINE_FILE, work.folder / TIMELINE_FILE)
    os.link(before.folder / RENDERED_FILE, work.folder / EARLIER_TIMELINE_FILE)
    os.link(before.folder / AUDIT_FILE, work.folder / EARLIER_AUDIT_FILE)

    events, code, complaints = work.done()

    assert code == 0, complaints
    assert work.looked() == []  # nothing has changed
    reports = [json.loads((w.folder / AUDIT_FILE).read_text()) for w in (before, work)]
    assert reports[0]["findings"] == reports[1]["findings"]
    assert "passed" in events[-1]["summary"]


@pytest.mark.long
def test_who_was_clicked_is_kept(tmp_path: Path, video: Path) -> None:
    click = ClickSpec(seconds=1, x=40, y=160)
    work = Work(tmp_path / "work", video, order(clicks=(click,)))
    events, code, complaints = work.done()
    assert (code, events[-1]["summary"]["kept"]) == (0, 1), complaints


def test_nobody_shows_in_a_preview(work: Work) -> None:
    before = [colourful(np.asarray(picture)) for picture in pictures(work.folder / VIDEO_FILE)]
    assert min(before) > 2000
    seen = []
    with work.worker() as process:
        assert process.stdout
        for line in process.stdout:
            if json.loads(line)["event"] == "preview":
                content = (work.folder / PREVIEW_FILE).read_bytes()
                seen.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
    assert len(seen) >= 2
    assert max(map(colourful, seen)) < 40


def colourful(picture: Any) -> int:
    """Pixels that are."""
    return int((np.ptp(np.asarray(picture, int), axis=2) > COLOURFUL).sum())


def test_killed_in_the_analysis_it_goes_on_from_its_checkpoint(
    work: Work, undisturbed: Work
) -> None:
    first = work.interrupted(HALF, work.analysed, signal.SIGKILL)
    assert 0 < len(first) < FRAMES
    events, code, complaints = work.done()
    assert code == 0, complaints
    resumed = [event for event in events if event["event"] == "resumed"]
    assert [event["stage"] for event in resumed] == ["analyze"]
    frame = resumed[0]["frame"]
    assert 0 < frame <= len(first)
    second = work.looked()
    assert len(second) == FRAMES - frame  # nothing before the checkpoint was looked at again
    # All of them together, and twice those alone that came after the checkpoint.
    assert len({*first, *second}) == FRAMES
    assert len(set(first) & set(second)) == len(first) - frame
    assert same(work, undisturbed)


@pytest.mark.long
def test_killed_while_rendering_it_goes_on_from_its_last_segment(
    work: Work, undisturbed: Work
) -> None:
    first = work.interrupted(RENDERING, work.rendered, signal.SIGKILL)
    assert len(first) == FRAMES
    assert not (work.folder / RESULT_FILE).exists()
    events, code, complaints = work.done(NO_NETWORKS)  # without networks
    assert code == 0, complaints
    resumed = [event for event in events if event["event"] == "resumed"]
    assert [event["stage"] for event in resumed] == ["render"]
    assert resumed[0]["frame"] >= SEGMENT
    assert resumed[0]["frame"] % SEGMENT == 0
    assert same(work, undisturbed)


def test_how_much_is_filled_is_told_whoever_drew_it(tmp_path: Path) -> None:
    figures = [Figure(RED, standing(20)), Figure(GREEN, walking(-60, 8))]
    video = Street(figures, FRAMES).video(tmp_path / "video.mp4")
    wanted = order(effect=EffectSettings(name=EffectName.FILL), checkpoint_seconds=AT_EVERY_FRAME)

    def told_by(work: Work) -> float:
        events, code, complaints = work.done()
        assert code == 0, complaints
        return float(events[-1]["summary"]["filled"])

    alone = Work(tmp_path / "alone", video, wanted)
    share = told_by(alone)
    assert 0.1 < share < 0.9  # who walks is filled, who stands is blurred
    assert told_by(alone) == share  # its result is there already

    killed = Work(tmp_path / "killed", video, wanted)
    killed.interrupted(RENDERING, killed.rendered, signal.SIGKILL)
    assert told_by(killed) == share


@pytest.mark.long
def test_killed_again_and_again_it_gets_there(work: Work, undisturbed: Work) -> None:
    state = work.folder / CHECKPOINTS_FOLDER / "analysis" / "state"
    looked: list[str] = []
    for _ in range(2):
        before = time_of(state)
        looked += work.interrupted(FRAMES // 3, partial(newer, state, before), signal.SIGKILL)
    _, code, complaints = work.done()
    assert code == 0, complaints
    assert len({*looked, *work.looked()}) == FRAMES
    assert same(work, undisturbed)


def newer(state: Path, before: int) -> bool:
    return time_of(state) > before


def time_of(state: Path) -> int:
    return state.stat().st_mtime_ns if state.exists() else 0


@pytest.mark.long
def test_told_to_end_it_ends_and_its_checkpoints_stay(work: Work) -> None:
    # By the signal itself: nothing in it delays that.
    work.interrupted(HALF, work.analysed, signal.SIGTERM)
    assert work.analysed()
    assert not (work.folder / RESULT_FILE).exists()


PARENT = """
import signal, subprocess, sys
worker = subprocess.Popen(sys.argv[1:])
print(worker.pid, file=sys.stderr, flush=True)
signal.pause()
"""


def test_it_does_not_outlive_its_parent(work: Work) -> None:
    command = [sys.executable, "-m", "tests.support.drawn_worker", str(work.folder), "1"]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *command],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stderr
        worker = int(parent.stderr.readline())
        until(lambda: (work.folder / LOOKED).exists())
        parent.kill()
        try:
            until(lambda: not alive(worker))
        finally:
            if alive(worker):
                os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("early", sampled([True, False], 2))
def test_it_does_not_outlive_who_listens(work: Work, early: bool) -> None:
    """A parent that has died before the worker knew it: its end of the pipe is closed."""
    with work.worker(1) as process:  # it has nothing to say meanwhile
        if not early:
            until(lambda: (work.folder / LOOKED).exists())
        assert process.stdout
        process.stdout.close()
        until(lambda: process.poll() is not None)
        assert process.returncode == 1


def test_two_never_work_in_the_same_folder_at_once(work: Work, undisturbed: Work) -> None:
    with work.worker(HALF) as first:
        until(lambda: (work.folder / LOOKED).exists())
        with work.worker() as second:
            until(lambda: waits_for_a_lock(second.pid))
            until(work.analysed)
            assert second.stdout
            assert not select.select([second.stdout], [], [], 0)[0]  # not a word
            first.kill()
            output, complaints = second.communicate(timeout=HANGS_AFTER_SECONDS)
    assert second.returncode == 0, complaints
    events = told(output)
    assert "resumed" in [event["event"] for event in events]
    assert same(work, undisturbed)


def waits_for_a_lock(pid: int) -> bool:
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in lock and str(pid) in lock.split() for lock in locks)


def not_a_video(work: Work) -> None:
    (work.folder / VIDEO_FILE).unlink()
    (work.folder / VIDEO_FILE).write_bytes(b"moving words")


def a_photo_of_nobody(work: Work) -> None:
    (work.folder / CAST_FOLDER).mkdir()
    Image.new("RGB", (200, 200), (120, 120, 120)).save(work.folder / CAST_FOLDER / "0a.jpg")
    photo = CastPhotoSpec(file="0a.jpg", box=(10, 10, 90, 90))
    order(cast=(CastSpec(name="Anna", photos=(photo,)),)).save(work.folder)


def nothing_to_render(work: Work) -> None:
    order(JobKind.RENDER).save(work.folder)


def no_timeline(work: Work) -> None:
    order(JobKind.RENDER).save(work.folder)
    (work.folder / TIMELINE_FILE).write_bytes(b"once upon a time")


def no_order(work: Work) -> None:
    (work.folder / SPEC_FILE).unlink()


def a_damaged_order(work: Work) -> None:
    (work.folder / SPEC_FILE).write_bytes(b"\xff\xfe{")


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (not_a_video, NotAVideo),
        pytest.param(a_photo_of_nobody, PhotoError, marks=pytest.mark.long),
        pytest.param(nothing_to_render, InvalidTimeline, marks=pytest.mark.long),
        pytest.param(no_timeline, InvalidTimeline, marks=pytest.mark.long),
        pytest.param(no_order, ConfigError, marks=pytest.mark.long),
        pytest.param(a_damaged_order, ConfigError, marks=pytest.mark.long),
    ],
)
def test_what_can_not_be_done_is_told_once(
    work: Work, spoil: Callable[[Work], None], kind: type[Any]
) -> None:
    spoil(work)
    events, code, complaints = work.done()
    assert [event["event"] for event in events] == ["failed"], complaints
    assert code == kind.exit_code
    assert events[0]["what"]
    assert events[0]["type"] in {kind.__name__, *(one.__name__ for one in kind.__subclasses__())}
    assert work.looked() == []
    assert not (work.folder / RESULT_FILE).exists()


def test_a_network_that_fails_is_no_fault_of_the_job(work: Work) -> None:
    events, code, complaints = work.done(NO_NETWORKS)
    assert (events, code) == ([], ModelError.exit_code)  # to be tried again
    assert "no segmenter" in complaints


@pytest.mark.long
def test_a_real_video_is_masked_by_the_command_of_the_service(tmp_path: Path) -> None:
    clip = shared("clips", "hamilton")
    source = next(path for path in sorted(clip.iterdir()) if path.suffix == ".mp4")
    short = remuxed(source, tmp_path / "short.mp4", "-frames:v", "40")
    work = Work(tmp_path / "work", short, order())
    children = ServiceChildren("auto", {})
    ran = subprocess.run(
        children.command(work.folder, job_worker.__name__, str(work.folder)),
        env=children.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    events = told(ran.stdout)
    assert events[-1]["event"] == "done"
    assert events[-1]["summary"]["people"] > 0
    assert events[-1]["summary"]["frames"] == len(pictures(work.folder / RESULT_FILE))
    assert all(event.get("eta", 0) >= 0 for event in events)


def test_rendering_with_other_decisions_takes_over_what_they_do_not_change(
    undisturbed: Work, tmp_path: Path, video: Path
) -> None:
    work = Work(tmp_path / "work", video, order(JobKind.RENDER, keep=("p1",)))
    shutil.copyfile(undisturbed.folder / TIMELINE_FILE, work.folder / TIMELINE_FILE)
    earlier = work.folder / CHECKPOINTS_FOLDER / "earlier"
    earlier.parent.mkdir(exist_ok=True)
    shutil.copytree(undisturbed.folder / CHECKPOINTS_FOLDER / "render", earlier)
    events, code, complaints = work.done()

    assert (code, events[-1]["event"]) == (0, "done"), complaints
    assert not any(event["event"] == "resumed" for event in events)
    assert not earlier.exists()
    assert work.rendered()
