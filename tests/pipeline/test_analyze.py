"""Who is found, followed and judged, up to the pixels of the masked video."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import Cancelled, OutputUnwritable, SelectionError
from bystander.geometry.instances import Instance
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import Models
from bystander.pipeline.analyze import analyze
from bystander.pipeline.looking import begin, observe
from bystander.progress import Progress, Report
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision, EvidenceKind, Shot
from bystander.tracking.clicks import Click
from bystander.tracking.settings import KeyframeSettings
from tests.support.drawn import (
    BLUE,
    CYAN,
    GREEN,
    RED,
    SETTINGS,
    SIZE,
    YELLOW,
    DrawnFaces,
    DrawnSegmenter,
    Figure,
    Masked,
    Scene,
    cast_of,
    drawn_models,
    is_magenta,
    mask_scene,
    shows,
    standing,
    walking,
)
from tests.support.videos import Clip, damaged

pytestmark = pytest.mark.sampled(4)

WHOLE = 0.99
TOUCHING = 0.94
"""Beside someone kept nothing is grown, and the grid's pixels are larger than the video's."""


def assert_masked(
    result: Masked, figure: Figure, frames: Iterable[int] | None = None, share: float = WHOLE
) -> None:
    """The figure is drawn over in every frame."""
    numbers = range(result.scene.frames) if frames is None else frames
    shown = {n: round(s, 3) for n in numbers if (s := result.covered(figure, n)) < share}
    assert not shown, f"drawn over only in part, by frame: {shown}"


def assert_untouched(result: Masked, figure: Figure, frames: Iterable[int] | None = None) -> None:
    numbers = range(result.scene.frames) if frames is None else frames
    changed = {n: round(c, 2) for n in numbers if (c := result.change(figure, n)) > 1}
    assert not changed, f"changed by so much, by frame: {changed}"


def test_someone_never_recognised_is_masked_from_the_edge_they_enter_at_to_the_one_they_leave_at(
    tmp_path: Path,
) -> None:
    passer = Figure(RED, walking(-38, 9))
    result = mask_scene(Scene([passer], frames=50), tmp_path)

    assert result.scene.silhouette(passer, 0).any()
    assert not result.scene.silhouette(passer, 48).any()
    assert_masked(result, passer)


def test_only_the_cast_is_kept_and_nothing_of_them_changes(tmp_path: Path) -> None:
    friend, stranger = Figure(BLUE, walking(20, 2)), Figure(GREEN, standing(250))
    result = mask_scene(Scene([friend, stranger]), tmp_path, cast=cast_of(tmp_path, anna=BLUE))

    assert_untouched(result, friend)
    assert_masked(result, stranger)
    assert [person.name for person in result.timeline.header.persons] == ["anna", None]


def test_nothing_but_people_changes(tmp_path: Path) -> None:
    stranger = Figure(GREEN, standing(250))
    result = mask_scene(Scene([stranger], frames=10), tmp_path)

    for before, after in zip(result.before, result.after, strict=True):
        np.testing.assert_array_equal(before[:, :200], after[:, :200])


def test_without_a_cast_everyone_is_masked(tmp_path: Path) -> None:
    figures = [Figure(colour, standing(10 + 90 * i)) for i, colour in enumerate((RED, GREEN, CYAN))]
    result = mask_scene(Scene(figures, frames=20), tmp_path)

    for figure in figures:
        assert_masked(result, figure)


def test_someone_recognised_at_the_end_is_kept_from_the_start(tmp_path: Path) -> None:
    friend = Figure(BLUE, walking(40, 3), turned=range(40))
    result = mask_scene(Scene([friend], frames=60), tmp_path, cast=cast_of(tmp_path, anna=BLUE))

    assert_untouched(result, friend)


def test_someone_who_shows_their_face_for_a_moment_only_is_masked(tmp_path: Path) -> None:
    friend = Figure(BLUE, standing(100), turned=range(6, 60))
    result = mask_scene(Scene([friend], frames=60), tmp_path, cast=cast_of(tmp_path, anna=BLUE))

    assert_masked(result, friend)
    (tracklet,) = result.timeline.header.tracklets
    assert tracklet.verdicts[0].evidence.kind is EvidenceKind.DOUBT


def test_a_face_too_small_to_tell_people_apart_keeps_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = cast_of(tmp_path, anna=BLUE)
    friend = Figure(BLUE, standing(100))

    # It is found as ever; only comparing it is guesswork.
    monkeypatch.setattr(DrawnFaces, "min_face", 500)
    assert_masked(mask_scene(Scene([friend], frames=40), tmp_path, cast=cast), friend)


def test_a_detection_missed_for_some_frames_leaves_none_unmasked(tmp_path: Path) -> None:
    passer = Figure(RED, walking(20, 4), unseen=[*range(8, 11), *range(20, 38), 45])
    result = mask_scene(Scene([passer], frames=60), tmp_path)

    assert len(result.timeline.header.tracklets) == 1
    assert_masked(result, passer)


@pytest.mark.long
def test_someone_found_a_moment_late_and_lost_a_moment_early_is_masked_throughout(
    tmp_path: Path,
) -> None:
    passer = Figure(RED, walking(20, 4), unseen=[*range(5), *range(35, 40)])
    # How fast somebody went is told best by what the network found, frame by frame.
    every_frame = SETTINGS.model_copy(update={"keyframes": KeyframeSettings(seconds=0)})
    result = mask_scene(Scene([passer]), tmp_path, settings=every_frame)

    assert_masked(result, passer)


def test_someone_of_whom_only_the_face_is_found_has_head_and_shoulders_masked(
    tmp_path: Path,
) -> None:
    passer = Figure(RED, walking(100, 2), bodiless=range(100))
    scene = Scene([passer])
    result = mask_scene(scene, tmp_path)

    for number in range(scene.frames):
        head = scene.silhouette(passer, number)
        head[80 + 45 :] = False
        assert is_magenta(result.after[number])[head].mean() >= WHOLE, f"frame {number}"


@pytest.mark.parametrize("clothes", [GREEN, BLUE], ids=["other clothes", "the same clothes"])
@pytest.mark.sampled(2)
def test_after_a_cut_the_verdict_does_not_carry_to_whoever_stands_there(
    tmp_path: Path, clothes: tuple[int, int, int]
) -> None:
    friend = Figure(BLUE, standing(150), present=range(30))
    other = Figure(clothes, standing(150), face=YELLOW, present=range(30, 60))
    scene = Scene([friend, other], frames=60, cuts=[30])
    result = mask_scene(scene, tmp_path, cast=cast_of(tmp_path, anna=BLUE))

    assert result.timeline.header.shots == (Shot(0, 30), Shot(30, 60))
    assert_untouched(result, friend, range(30))
    assert_masked(result, other, range(30, 60))


def test_a_stranger_in_the_clothes_of_a_friend_is_masked_beside_them(tmp_path: Path) -> None:
    friend = Figure(BLUE, standing(60))
    twin = Figure(BLUE, standing(250), face=YELLOW)
    result = mask_scene(Scene([friend, twin]), tmp_path, cast=cast_of(tmp_path, anna=BLUE))

    assert_untouched(result, friend)
    assert_masked(result, twin)


@pytest.mark.parametrize("behind", [True, False], ids=["behind", "before"])
@pytest.mark.sampled(2)
def test_a_stranger_who_passes_a_friend_is_masked_all_the_way(tmp_path: Path, behind: bool) -> None:
    friend, stranger = Figure(BLUE, standing(170)), Figure(GREEN, walking(10, 5, 72))
    figures = [stranger, friend] if behind else [friend, stranger]
    result = mask_scene(Scene(figures, frames=60), tmp_path, cast=cast_of(tmp_path, anna=BLUE))

    assert_masked(result, stranger, share=TOUCHING)
    assert_untouched(result, friend, [*range(15), *range(50, 60)])


def test_a_click_keeps_the_one_it_points_at_and_nobody_else(tmp_path: Path) -> None:
    chosen, other = Figure(RED, walking(20, 3)), Figure(GREEN, standing(300))
    # In frame 25, a second after the start, they stand 95 to 135 pixels from the left.
    result = mask_scene(Scene([chosen, other]), tmp_path, clicks=[Click(1.0, 115, 150)])

    assert_untouched(result, chosen)
    assert_masked(result, other)


@pytest.mark.parametrize(
    ("click", "said"),
    [
        (Click(0.4, 350, 20), r"nobody was found at 350,20 at 0\.4 s \(frame 10\)"),
        (Click(60, 40, 150), r"60:40,150 lies after the end of the video \(1\.60 s\)"),
    ],
)
def test_a_click_at_nobody_says_where_it_went(tmp_path: Path, click: Click, said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        mask_scene(Scene([Figure(RED, standing(20))]), tmp_path, clicks=[click])

    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


def test_the_timeline_read_back_is_the_one_that_was_written(tmp_path: Path) -> None:
    result = mask_scene(Scene([Figure(RED, standing(20))], frames=30), tmp_path)

    read = Timeline.load(result.timeline.path)
    assert read.header == result.timeline.header
    assert (read.header.video.width, read.header.video.height) == SIZE
    assert [record.pts for record in read.frames()] == list(range(0, 30 * 512, 512))
    (tracklet,) = read.header.tracklets
    assert tracklet.decision_at(0) is Decision.MASK


def test_batches_change_nothing(tmp_path: Path) -> None:
    source = Scene([Figure(RED, walking(20, 4)), Figure(GREEN, standing(200))]).video(
        tmp_path / "v.mp4"
    )
    batched = SETTINGS.model_copy(update={"batch": 7})
    one = analyze(source, tmp_path / "one", models=drawn_models(), settings=SETTINGS)
    seven = analyze(source, tmp_path / "seven", models=drawn_models(), settings=batched)

    assert one.path.read_bytes() == seven.path.read_bytes()


@pytest.mark.parametrize("packets", [[13, 14], [0], [39], range(10, 30)], ids=str)
@pytest.mark.sampled(2)
def test_damaged_frames_show_nobody(
    tmp_path: Path, packets: Sequence[int], caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene([Figure(RED, walking(20, 4)), Figure(GREEN, standing(300))])
    options = {"preset": "veryfast", "crf": "10", "x264-params": "keyint=8:scenecut=0"}
    clip = Clip(pts=range(0, 512 * scene.frames, 512), size=SIZE, options=options)
    whole = scene.video(tmp_path / "whole.mp4", clip)
    source = damaged(whole, tmp_path / "source.mp4", packets)
    with caplog.at_level(logging.WARNING):
        result = mask_scene(scene, tmp_path, source=source)

    assert "damaged (first: " in caplog.text
    assert len(result.after) == scene.frames
    # What a damaged frame shows is the decoder's choice: whoever it is must be masked.
    with VideoReader(source, probe(source)) as reader:
        shown = [frame.rgb() for frame in reader]
    for number, (before, after) in enumerate(zip(shown, result.after, strict=True)):
        for colour in (RED, GREEN):
            people = shows(before, colour)
            assert people.any()
            assert is_magenta(after)[people].mean() >= WHOLE, f"frame {number}"


@dataclass
class FailingSegmenter:
    """Sees figures until its memory runs out."""

    frames: int
    seen: int = 0
    segmenter: DrawnSegmenter = field(default_factory=DrawnSegmenter)

    def segment(self, frames: Sequence[NDArray[np.uint8]]) -> list[list[Instance]]:
        self.seen += len(frames)
        if self.seen > self.frames:
            raise MemoryError(f"no memory for frame {self.seen}")
        return self.segmenter.segment(frames)


def cancel(_: Progress) -> None:
    raise Cancelled("stopped by the test")


def interrupt(_: Progress) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("report", "models", "error"),
    [
        (cancel, drawn_models(), Cancelled),
        (interrupt, drawn_models(), KeyboardInterrupt),
        (None, replace(drawn_models(), segmenter=FailingSegmenter(20)), MemoryError),
    ],
    ids=["cancelled", "Ctrl-C", "a network fails"],
)
def test_a_stopped_analysis_leaves_neither_file_nor_thread(
    tmp_path: Path, report: Report | None, models: Models, error: type[BaseException]
) -> None:
    source = Scene([Figure(RED, walking(20, 1))], frames=150).video(tmp_path / "source.mp4")
    threads = set(threading.enumerate())
    with pytest.raises(error):
        analyze(source, tmp_path / "t", models=models, settings=SETTINGS, report=report)

    assert set(threading.enumerate()) == threads
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


def test_a_folder_that_is_not_there_is_named_before_anything_is_analysed(tmp_path: Path) -> None:
    source = Scene([Figure(RED, standing(20))], frames=3).video(tmp_path / "source.mp4")
    with pytest.raises(OutputUnwritable, match="missing"):
        analyze(source, tmp_path / "missing" / "t", models=drawn_models(), settings=SETTINGS)


def test_someone_clicked_on_stays_kept_while_the_network_misses_them(tmp_path: Path) -> None:
    chosen = Figure(RED, walking(20, 3), unseen=range(10, 20))
    result = mask_scene(Scene([chosen]), tmp_path, clicks=[Click(0, 40, 150)])

    assert_untouched(result, chosen)


def test_a_video_of_nobody_comes_out_as_it_went_in(tmp_path: Path) -> None:
    result = mask_scene(Scene([], frames=10), tmp_path)

    assert result.timeline.header.persons == ()
    for before, after in zip(result.before, result.after, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_single_frame_is_a_video_too(tmp_path: Path) -> None:
    scene = Scene([Figure(RED, standing(20))], frames=1)
    source = scene.video(tmp_path / "source.mp4", Clip(pts=[0], size=SIZE))
    assert_masked(mask_scene(scene, tmp_path, source=source), scene.figures[0])


def test_what_is_kept_of_a_face_or_a_body_keeps_nobody_elses_in_memory(tmp_path: Path) -> None:
    """Networks give one array for everybody in a frame, and a row of it would keep all of it."""
    scene = Scene([Figure(RED, standing(60)), Figure(GREEN, standing(260))], frames=12)
    video = scene.video(tmp_path / "video.mp4")
    info, models = probe(video), drawn_models()
    analyzer = begin(info, models, SETTINGS)
    for seen, _ in observe(VideoReader(video, info), info, models, SETTINGS):
        list(analyzer.take(seen))

    stretches = [s for d in analyzer.evidence.dossiers.values() for s in d.stretches]
    kept = [face.embedding for s in stretches for face in s.faces]
    kept += [body for s in stretches for body in s.bodies]
    assert len(kept) >= 4
    assert [vector.shape for vector in kept if vector.base is not None] == []
