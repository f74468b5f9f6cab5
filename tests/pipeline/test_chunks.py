"""An analysis in chunks comes to the end that one in one go comes to."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import Cancelled, InvalidTimeline, ModelError, SelectionError
from bystander.geometry.masks import Mask
from bystander.media.demux import fingerprint
from bystander.media.facts import VideoInfo
from bystander.media.probe import probe
from bystander.pipeline.analyze import analyze
from bystander.pipeline.chunks import Chunk, ChunkAnalysis, LookTask, look_tasks, plan
from bystander.pipeline.join import JoinedVideo
from bystander.pipeline.tasks import FolderWorkspace, InProcess, Parallel, Task
from bystander.progress import Progress, ProgressMeter, Report
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import Decision, FrameRecord, Shot, Sighting
from bystander.tracking.clicks import Click
from bystander.tracking.evidence import EvidenceStore
from tests.support.drawn import (
    BLUE,
    GREEN,
    RED,
    SETTINGS,
    Figure,
    Scene,
    cast_of,
    drawn_models,
    standing,
    walking,
)

pytestmark = pytest.mark.sampled(4)

FRAMES, CUT = 160, 100
CHUNK, OVERLAP = 1.6, 1.2


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, two of whom cross; a cut in the midst of a chunk."""
    people = [
        Figure(RED, walking(-30, 2)),
        Figure(BLUE, walking(290, -2)),
        Figure(GREEN, standing(340)),
    ]
    folder = tmp_path_factory.mktemp("crossing")
    return Scene(people, frames=FRAMES, cuts=[CUT]).video(folder / "video.mp4")


@pytest.fixture(scope="module")
def info(crossing: Path) -> VideoInfo:
    return probe(crossing)


def in_chunks(
    video: Path, folder: Path, clicks: list[Click] | None = None, report: Report | None = None
) -> Timeline:
    folder.mkdir(exist_ok=True)
    return analyze(
        video,
        folder / "timeline",
        models=drawn_models(),
        settings=SETTINGS,
        cast=cast_of(folder, anna=BLUE),
        clicks=clicks or (),
        report=report,
        parallel=Parallel(InProcess(), FolderWorkspace(video, folder), CHUNK, OVERLAP),
    )


@pytest.fixture(scope="module")
def joined(crossing: Path, tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    return in_chunks(crossing, tmp_path_factory.mktemp("joined"))


@pytest.fixture(scope="module")
def whole(crossing: Path, tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    folder = tmp_path_factory.mktemp("whole")
    return analyze(
        crossing,
        folder / "timeline",
        models=drawn_models(),
        settings=SETTINGS,
        cast=cast_of(folder, anna=BLUE),
    )


def test_a_plan_leaves_nothing_out(info: VideoInfo) -> None:
    chunks = plan(info, CHUNK, OVERLAP)
    assert len(chunks) > 3
    assert (chunks[0].start, chunks[0].begin) == (None, None)
    assert (chunks[-1].stop, chunks[-1].end) == (None, None)
    for one, other in pairwise(chunks):
        assert one.stop == other.start
        assert other.begin is not None
        assert one.end is not None
        seconds = float((one.end - other.begin) * info.time_base)
        assert seconds == pytest.approx(OVERLAP, abs=0.01)


def test_a_plan_doesn_t_end_in_a_scrap(info: VideoInfo) -> None:
    seconds = float((info.end_pts - info.start_pts) * info.time_base)
    assert plan(info, 0.9 * seconds, 1) == [Chunk()]
    assert len(plan(info, 0.4 * seconds, 1)) in (2, 3)


@pytest.mark.parametrize(
    ("seconds", "count"), [(4, 1), (14, 1), (60, 6), (100, 8), (240, 8), (3600, 120)]
)
def test_a_short_video_has_short_chunks(info: VideoInfo, seconds: int, count: int) -> None:
    length = round(seconds / float(info.time_base))
    longer = replace(info, end_pts=info.start_pts + length)
    assert len(plan(longer, None, OVERLAP)) == count


def test_a_container_that_is_read_from_its_beginning_is_one_chunk(info: VideoInfo) -> None:
    assert plan(replace(info, container="avi"), CHUNK, OVERLAP) == [Chunk()]


def test_everybody_is_followed_over_the_joints(joined: Timeline, whole: Timeline) -> None:
    assert joined.header.shots == whole.header.shots
    assert len(joined.header.tracklets) == len(whole.header.tracklets)
    assert [p.name for p in joined.header.persons] == [p.name for p in whole.header.persons]


def shown(timeline: Timeline, decision: Decision) -> list[NDArray[np.bool_]]:
    """Everybody of one verdict in every frame: bool [h, w] on the grid."""
    known = {tracklet.id: tracklet for tracklet in timeline.header.tracklets}
    frames = []
    for record in timeline.frames():
        canvas = np.zeros(timeline.header.grid[::-1], dtype=bool)
        for sighting in record.sightings:
            if known[sighting.tracklet].decision_at(record.index) is decision:
                sighting.mask.paste(canvas)
        frames.append(canvas)
    return frames


@pytest.mark.parametrize("decision", Decision)
def test_masks_and_verdicts_are_those_of_one_go(
    joined: Timeline, whole: Timeline, decision: Decision
) -> None:
    pairs = [*zip(shown(joined, decision), shown(whole, decision), strict=True)]
    assert sum(bool(other.any()) for _, other in pairs) > FRAMES / 3
    # Whose a pixel is where people cross is told by a memory of them, which begins with a chunk.
    different = sum(int((one ^ other).sum()) for one, other in pairs)
    assert different < 0.05 * sum(int(other.sum()) for _, other in pairs)


@pytest.mark.long
def test_joining_and_deciding_are_told_and_can_be_cancelled(
    crossing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        if progress.stage == "decide" and progress.done > FRAMES // 4:
            raise Cancelled("enough")

    # However quick it is, each step is told.
    monkeypatch.setattr(ProgressMeter.__init__, "__defaults__", (time.monotonic, 0.0, 0))
    with pytest.raises(Cancelled):
        in_chunks(crossing, tmp_path, report=report)
    assert not (tmp_path / "timeline").exists()
    deciding = [progress for progress in told if progress.stage == "decide"]
    assert deciding[0].done == 0
    assert FRAMES // 4 < deciding[-1].done < FRAMES // 2  # while the parts are joined
    assert [progress.done for progress in deciding] == sorted(p.done for p in deciding)


def test_what_was_seen_and_pictured_is_told_once(joined: Timeline, whole: Timeline) -> None:
    one, other = (
        sorted(
            (t.shot, t.start, t.seen, t.height) for t in timeline.header.tracklets if t.seen > 20
        )
        for timeline in (joined, whole)
    )
    assert one == other
    long = {t.id for t in joined.header.tracklets if t.seen > 20}
    assert long <= dict(joined.pictures()).keys()


@pytest.mark.long
def test_a_click_counts_wherever_it_falls(crossing: Path, info: VideoInfo, tmp_path: Path) -> None:
    rate = float(info.average_rate)
    # In the midst of a chunk, in overlaps, in the last frame.
    for frame in (8, 38, 42, 44, 80, FRAMES - 1):
        click = Click(frame / rate, 340 + 20, 80 + 60)  # the green one, who stands
        timeline = in_chunks(crossing, tmp_path / str(frame), [click])
        (pointed,) = timeline.header.pointed_at
        assert pointed.frame == frame
        record = next(timeline.frames(frame))
        assert pointed.tracklet in [
            s.tracklet for s in record.sightings if s.mask.contains(360 * 2 / 3, 140 * 2 / 3)
        ]
        assert timeline.pointed_picture(0)
        (tracklet,) = [t for t in timeline.header.tracklets if t.id == pointed.tracklet]
        assert tracklet.decision_at(frame) is Decision.KEEP


@pytest.mark.long
@pytest.mark.parametrize("frame", [8, 40, 80])
def test_a_click_on_nobody_is_an_error(
    crossing: Path, info: VideoInfo, tmp_path: Path, frame: int
) -> None:
    with pytest.raises(SelectionError):
        in_chunks(crossing, tmp_path, [Click(frame / float(info.average_rate), 5, 5)])


def test_a_click_after_the_end_is_an_error(crossing: Path, tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="after the end"):
        in_chunks(crossing, tmp_path, [Click(500, 360, 140)])


def look_at(frames: range, doubt: int | None, folder: Path) -> ChunkAnalysis:
    """One person in some frames of a video, who may have been swapped in one of them."""
    folder.mkdir()
    store = EvidenceStore(1.0)
    mask = Mask(10, 10, np.ones((40, 20), dtype=bool))
    store.open(1, 0, 0).stretches[0].add_colours(np.array([1.0], np.float32))
    if doubt is not None:
        store.doubt(1, None, doubt - frames.start, 0.625)
    with TimelineWriter(folder / "timeline") as writer:
        for number, pts in enumerate(frames):
            sightings = (Sighting(1, (10, 10, 30, 50), 0.9, mask),)
            writer.add_frame(record := FrameRecord(number, pts, sightings))
            store.count(record)
        facts = SourceVideo(100, 60, (1, 20), len(frames), 20.0, "f")
        shots = (Shot(0, len(frames)),)
        writer.finish(Header(facts, (100, 60), shots, store.tracklets(), (), {}))
    return ChunkAnalysis(Timeline.load(folder / "timeline"), store, {}, ())


@pytest.mark.parametrize("doubt", [30, 32, 34])
@pytest.mark.parametrize("noted_by", ["earlier", "later", "both"])
def test_a_possible_swap_about_a_joint_counts_whoever_noted_it(
    info: VideoInfo, tmp_path: Path, doubt: int, noted_by: str
) -> None:
    earlier, later = (
        doubt if noted_by in (side, "both") else None for side in ("earlier", "later")
    )
    looks = [
        (Chunk(None, 30, None, 44), look_at(range(44), earlier, tmp_path / "one")),
        (Chunk(30, None, 14, None), look_at(range(14, 60), later, tmp_path / "other")),
    ]
    joined = JoinedVideo(looks, replace(info, average_rate=Fraction(20)), 0.2, ())
    assert [record.pts for record in joined.records()] == [*range(60)]
    (tracklet,) = joined.evidence.dossiers.values()
    assert tracklet.seen == 60
    assert min(segment.continuity for segment in tracklet.stretches) == 0.625
    segments, continuities = joined.evidence.segments()
    # Noted by both on either side of the joint, it counts twice: what is doubtful stays so.
    assert len(segments) in ((2, 3) if noted_by == "both" else (2,))
    assert all(link.probability < 0.65 for link in continuities)


@pytest.mark.parametrize("arrives", range(36, 54, 3))
def test_who_arrives_at_a_joint_is_masked_from_the_first_frame_on(
    tmp_path: Path, arrives: int
) -> None:
    newcomer = Figure(GREEN, standing(250), present=range(arrives, 999))
    scene = Scene([Figure(BLUE, standing(60)), newcomer], frames=80)
    video = scene.video(tmp_path / "video.mp4")
    timeline = in_chunks(video, tmp_path)
    assert len(timeline.header.tracklets) == 2
    for number, masked in enumerate(shown(timeline, Decision.MASK)):
        if number >= arrives:
            height, width = masked.shape
            seen = cv2.resize(scene.silhouette(newcomer, number).astype(np.uint8), (width, height))
            assert masked[seen > 0].mean() > 0.97


def tasks_of(video: Path, folder: Path, clicks: tuple[Click, ...] = ()) -> list[Task]:
    folder.mkdir(exist_ok=True)
    info = probe(video)
    workspace = FolderWorkspace(video, folder)
    chunks = plan(info, CHUNK, OVERLAP)
    return [
        *look_tasks(
            workspace, video, fingerprint(video), info, SETTINGS, clicks, drawn_models(), chunks
        )
    ]


def test_a_result_is_named_by_all_that_it_depends_on(crossing: Path, tmp_path: Path) -> None:
    tasks = tasks_of(crossing, tmp_path)
    assert len({task.name for task in tasks}) == len(tasks)
    assert [t.name for t in tasks_of(crossing, tmp_path / "b")] == [t.name for t in tasks]
    clicked = tasks_of(crossing, tmp_path, (Click(1, 2, 3),))
    assert {task.name for task in clicked}.isdisjoint(task.name for task in tasks)


def test_a_machine_with_other_networks_refuses(crossing: Path, tmp_path: Path) -> None:
    (task, *_) = tasks_of(crossing, tmp_path)
    assert isinstance(task, LookTask)
    other = replace(drawn_models(), checksums={"faces.onnx": "b" * 64})
    with pytest.raises(ModelError, match=r"different networks \(faces.onnx\)"):
        task.look(other, lambda frames: None)
    assert not task.workspace.has(task.name)


def test_another_backend_is_told(
    crossing: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (task, *_) = tasks_of(crossing, tmp_path)
    assert isinstance(task, LookTask)
    task.look(replace(drawn_models(), backend="onnxruntime:int8"), lambda frames: None)
    assert "onnxruntime:int8 here" in caplog.text
    assert task.workspace.has(task.name)


@pytest.mark.long
def test_what_is_there_is_not_looked_at_again(crossing: Path, tmp_path: Path) -> None:
    first = in_chunks(crossing, tmp_path)
    looks = {path: path.stat().st_mtime_ns for path in tmp_path.glob("look-*")}
    assert len(looks) > 3
    spoiled = sorted(looks)[1]
    spoiled.unlink()
    content = first.path.read_bytes()
    assert in_chunks(crossing, tmp_path).path.read_bytes() == content
    again = {path: path.stat().st_mtime_ns for path in tmp_path.glob("look-*")}
    assert {path for path in looks if again[path] != looks[path]} == {spoiled}


def test_a_look_that_is_damaged_or_another_s_is_refused(
    crossing: Path, whole: Timeline, tmp_path: Path
) -> None:
    in_chunks(crossing, tmp_path)
    look = next(tmp_path.glob("look-*"))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(look.read_bytes()[:-200])
    for path in (damaged, whole.path):  # a timeline has no evidence beside it
        with pytest.raises(InvalidTimeline):
            ChunkAnalysis.load(path, 1.5)


@pytest.mark.long
def test_progress_comes_to_its_end(crossing: Path, tmp_path: Path) -> None:
    counted = [0]
    for task in tasks_of(crossing, tmp_path):
        before = counted[0]

        def step(frames: int) -> None:
            counted[0] += frames

        InProcess().run([task], step)
        assert counted[0] - before == task.frames
