"""A rendering that is interrupted, by whatever, and gone on with."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bystander.errors import Cancelled, OutputUnwritable
from bystander.media.demux import fingerprint
from bystander.media.encoder import EncoderSettings
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.media.resuming import RenderCheckpoints
from bystander.media.segments import Filled
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.redaction.compositing import Compositor
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import with_decisions
from tests.benchmarks.test_transcode import packets
from tests.conftest import REPOSITORY
from tests.support.drawn import (
    BLUE,
    LOSSLESS,
    MAGENTA,
    RED,
    Figure,
    Masked,
    Pixels,
    Scene,
    cast_of,
    is_magenta,
    mask_scene,
    pictures,
    standing,
    walking,
)
from tests.support.videos import Clip, Sound, damaged, remuxed

pytestmark = pytest.mark.long

FRAMES, LENGTH = 65, 10
REORDERED = {"preset": "ultrafast", "crf": "10", "bf": "3", "g": "24", "b-adapt": "0"}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """A friend who is kept and a stranger, with B-frames, few keyframes and sound."""
    folder = tmp_path_factory.mktemp("street")
    figures = [Figure(BLUE, standing(20)), Figure(RED, walking(120, 2))]
    scene = Scene(figures, frames=FRAMES)
    clip = Clip(pts=range(0, 512 * FRAMES, 512), size=scene.size, options=REORDERED)
    source = scene.video(folder / "source.mp4", replace(clip, sounds=[Sound()]))
    return mask_scene(scene, folder, cast=cast_of(folder, anna=BLUE), source=source)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def render_on(
    street: Masked,
    output: Path,
    folder: Path,
    *,
    timeline: Timeline | None = None,
    report: Callable[[Progress], None] | None = None,
    encoder: EncoderSettings = LOSSLESS,
) -> None:
    render(
        street.source,
        timeline or street.timeline,
        output,
        effect=MAGENTA,
        encoder=encoder,
        checkpoints=RenderCheckpoints(folder, LENGTH),
        report=report,
        overwrite=True,
    )


class Count:
    """Counts the pictures that are drawn on, and stops after some of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> None:
        self.drawn = 0
        draw = Compositor.draw

        def counted(*args: object, **kwargs: object) -> tuple[av.VideoFrame, Filled]:
            if self.drawn == stop_at:
                raise Cancelled("stopped by the test")
            self.drawn += 1
            return draw(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(Compositor, "draw", counted)


def stopped(
    street: Masked,
    folder: Path,
    at: int,
    timeline: Timeline | None = None,
    encoder: EncoderSettings = LOSSLESS,
) -> None:
    """A rendering that ends while frame `at` is drawn."""
    with pytest.MonkeyPatch.context() as patch:
        Count(patch, at)
        with pytest.raises(Cancelled):
            render_on(
                street, folder.parent / "never.mp4", folder, timeline=timeline, encoder=encoder
            )


def segments(folder: Path) -> int:
    return len(list(folder.glob("*.segment")))


def assert_same_pictures(one: Path, other: Path) -> None:
    for number, pair in enumerate(zip(pictures(one), pictures(other), strict=True)):
        np.testing.assert_array_equal(*pair, err_msg=f"frame {number}")


@pytest.mark.parametrize(
    "changes",
    [{"codec": "hevc"}, {"deinterlace": "on"}, {"codec": "hevc", "deinterlace": "on"}],
    ids=["hevc", "deinterlaced", "both"],
)
@pytest.mark.sampled(3)
def test_other_codecs_and_deinterlacing_go_on_to_the_same_pictures(
    tmp_path: Path, street: Masked, folder: Path, changes: dict[str, object]
) -> None:
    encoder = LOSSLESS.changed(changes)
    render_on(street, tmp_path / "undisturbed.mp4", folder, encoder=encoder)
    stopped(street, folder, 3 * LENGTH + 7, encoder=encoder)
    assert segments(folder) in (2, 3)
    render_on(street, tmp_path / "out.mp4", folder, encoder=encoder)

    assert_same_pictures(tmp_path / "out.mp4", tmp_path / "undisturbed.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        keyframes = sum(p.is_keyframe for p in container.demux(video=0) if p.size)
    assert keyframes >= -(-FRAMES // LENGTH)  # any segment can be begun at


KILLED = """
import os, signal, sys
from pathlib import Path
from bystander.media.resuming import RenderCheckpoints
from bystander.timeline.archive import Timeline
from bystander.progress import ProgressMeter
from bystander.redaction.compositing import Compositor
from bystander.pipeline.render import render
from tests.support.drawn import LOSSLESS, MAGENTA

source, timeline, output, folder = map(Path, sys.argv[1:5])
wanted, draw, drawn = int(sys.argv[5]), Compositor.draw, []

def counted(*args, **kwargs):
    drawn.append(None)
    return draw(*args, **kwargs)

def stepped(meter):
    if len(list(folder.glob("*.segment"))) >= wanted:
        os.kill(os.getpid(), signal.SIGKILL)

Compositor.draw, ProgressMeter.step = counted, stepped
render(source, Timeline.load(timeline), output, effect=MAGENTA, encoder=LOSSLESS,
       checkpoints=RenderCheckpoints(folder, 10))
print(len(drawn))
"""


def rendered_by_a_process_killed_at(
    street: Masked, output: Path, folder: Path, wanted: int
) -> subprocess.CompletedProcess[str]:
    """Render in a process that SIGKILL ends when so many segments are whole."""
    paths = map(str, (street.source, street.timeline.path, output, folder))
    return subprocess.run(
        [sys.executable, "-c", KILLED, *paths, str(wanted)],
        env={"PYTHONPATH": str(REPOSITORY), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_a_rendering_killed_twice_gives_the_frames_of_an_undisturbed_one(
    tmp_path: Path, street: Masked, folder: Path
) -> None:
    render_on(street, tmp_path / "undisturbed.mp4", folder)
    for wanted in (2, 4):
        killed = rendered_by_a_process_killed_at(street, tmp_path / "out.mp4", folder, wanted)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert segments(folder) == wanted
        assert not (tmp_path / "out.mp4").exists()

    done = rendered_by_a_process_killed_at(street, tmp_path / "out.mp4", folder, 1000)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == FRAMES - 4 * LENGTH
    assert_same_pictures(tmp_path / "out.mp4", tmp_path / "undisturbed.mp4")
    assert_same_pictures(tmp_path / "out.mp4", street.output)
    assert packets(tmp_path / "out.mp4", "audio") == packets(street.output, "audio")
    undisturbed, found = (packets(p, "video") for p in (street.output, tmp_path / "out.mp4"))
    assert (found.times, found.end) == (undisturbed.times, undisturbed.end)
    assert list(folder.iterdir()) == []


def test_a_rendering_stopped_in_every_segment_goes_on_alike(
    tmp_path: Path, street: Masked, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for done in range(5):
        assert segments(folder) == done
        stopped(street, folder, 13)
    count = Count(monkeypatch)
    render_on(street, tmp_path / "out.mp4", folder)

    assert count.drawn == FRAMES - 5 * LENGTH
    assert_same_pictures(tmp_path / "out.mp4", street.output)


def test_progress_counts_what_was_done_before_and_speed_does_not(
    tmp_path: Path, street: Masked, folder: Path
) -> None:
    stopped(street, folder, 35)
    done = segments(folder) * LENGTH
    told: list[Progress] = []
    render_on(street, tmp_path / "out.mp4", folder, report=told.append)

    assert (told[0].done, told[0].fps) == (done, 0)
    assert told[-1].done == told[-1].total == FRAMES
    assert told[-1].eta == 0


def test_a_cancelled_rendering_keeps_what_is_whole_and_says_so_when_it_goes_on(
    tmp_path: Path, street: Masked, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cancel(progress: Progress) -> None:
        if segments(folder) == 3:
            raise Cancelled("stopped by the test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bystander.progress.ProgressMeter.step", lambda meter: meter.report())
        with pytest.raises(Cancelled):
            render_on(street, tmp_path / "out.mp4", folder, report=cancel)
    assert len(list(folder.iterdir())) == segments(folder) == 3
    assert list(tmp_path.glob("*out*")) == []

    with caplog.at_level(logging.INFO):
        render_on(street, tmp_path / "out.mp4", folder)
    assert "30 frames are there already" in caplog.text
    assert_same_pictures(tmp_path / "out.mp4", street.output)


def test_other_verdicts_or_another_effect_begin_anew(
    tmp_path: Path, street: Masked, folder: Path
) -> None:
    stopped(street, folder, 35)
    people = [person.id for person in street.timeline.header.persons]
    header = with_decisions(street.timeline.header, keep=[], mask=people)
    render_on(street, tmp_path / "out.mp4", folder, timeline=Timeline(street.timeline.path, header))

    everyone = replace(street, output=tmp_path / "out.mp4")
    for number in range(FRAMES):
        for figure in street.scene.figures:
            assert everyone.covered(figure, number) >= 0.99, f"frame {number}"


def without(timeline: Timeline, frames: Collection[int], path: Path) -> Timeline:
    """A timeline that never saw some of the frames."""
    facts = replace(timeline.header.video, frames=timeline.header.video.frames - len(frames))
    with TimelineWriter(path) as writer:
        for record in timeline.frames():
            if record.index not in frames:
                writer.add_frame(record)
        writer.finish(replace(timeline.header, video=facts))
    return Timeline.load(path)


@pytest.mark.parametrize(
    "missing", [[20], [19, 20, 21], [*range(20, 25)], [0, 1, 2, 20], [*range(17, 25)]]
)
@pytest.mark.sampled(3)
def test_the_first_frame_of_a_segment_has_the_neighbours_it_would_have_had(
    tmp_path: Path, street: Masked, folder: Path, missing: list[int]
) -> None:
    """Not analysed, it borrows their masks, from either side of the cut."""
    timeline = without(street.timeline, missing, tmp_path / "gaps")
    render(street.source, timeline, tmp_path / "whole.mp4", effect=MAGENTA, encoder=LOSSLESS)
    stopped(street, folder, 24, timeline)
    assert segments(folder) in (1, 2)
    render_on(street, tmp_path / "out.mp4", folder, timeline=timeline)

    assert_same_pictures(tmp_path / "out.mp4", tmp_path / "whole.mp4")


def of_another_file(street: Masked, source: Path, path: Path) -> Masked:
    """The same film in another file: its timeline, at that file's times."""
    info = probe(source)
    times = [frame.pts for frame in VideoReader(source, info)]
    facts = replace(
        street.timeline.header.video,
        fingerprint=fingerprint(source),
        time_base=info.time_base.as_integer_ratio(),
    )
    with TimelineWriter(path) as writer:
        for record, pts in zip(street.timeline.frames(), times, strict=True):
            writer.add_frame(replace(record, pts=pts))
        writer.finish(replace(street.timeline.header, video=facts))
    return replace(street, source=source, timeline=Timeline.load(path))


def in_mkv(street: Masked, folder: Path) -> Path:
    return remuxed(street.source, folder / "v.mkv")


def in_a_transport_stream(street: Masked, folder: Path) -> Path:
    return remuxed(street.source, folder / "v.ts")


def with_a_damaged_keyframe(street: Masked, folder: Path) -> Path:
    """The one that a run which goes on at frame 50 begins to decode at, and some beside it."""
    return damaged(street.source, folder / "v.mp4", [*range(46, 56)])


def refreshed_bit_by_bit(street: Masked, folder: Path) -> Path:
    """After the first there are no keyframes."""
    options = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=20"}
    clip = Clip(pts=range(0, 512 * FRAMES, 512), size=street.scene.size, options=options)
    return street.scene.video(folder / "v.mp4", clip)


def in_avi(street: Masked, folder: Path) -> Path:
    """Without presentation timestamps, and with frames that need those before a keyframe."""
    order = "open-gop=1:keyint=20:bframes=3:b-adapt=0:scenecut=0"
    clip = Clip(
        pts=range(FRAMES),
        size=street.scene.size,
        time_base=Fraction(1, 25),
        options={"preset": "veryfast", "x264-params": order},
    )
    return street.scene.video(folder / "v.avi", clip)


@pytest.mark.long
@pytest.mark.parametrize(
    "make",
    [in_mkv, in_a_transport_stream, with_a_damaged_keyframe, refreshed_bit_by_bit, in_avi],
)
def test_files_in_which_it_is_hard_to_find_a_frame_give_the_same_pictures(
    tmp_path: Path, street: Masked, folder: Path, make: Callable[[Masked, Path], Path]
) -> None:
    film = of_another_file(street, make(street, tmp_path), tmp_path / "timeline")
    render(film.source, film.timeline, tmp_path / "whole.mp4", effect=MAGENTA, encoder=LOSSLESS)
    for _ in range(5):
        stopped(film, folder, 13)
    assert segments(folder) == 5
    render_on(film, tmp_path / "out.mp4", folder)

    assert_same_pictures(tmp_path / "out.mp4", tmp_path / "whole.mp4")
    assert packets(tmp_path / "out.mp4", "video").times == (
        packets(tmp_path / "whole.mp4", "video").times
    )


def test_a_run_with_everything_done_only_joins(
    tmp_path: Path, street: Masked, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_way(progress: Progress) -> None:
        if progress.done == FRAMES:
            (tmp_path / "out.mp4").mkdir()

    with pytest.raises(OutputUnwritable, match="not a regular file"):
        render_on(street, tmp_path / "out.mp4", folder, report=in_the_way)
    (tmp_path / "out.mp4").rmdir()
    count = Count(monkeypatch)
    render_on(street, tmp_path / "out.mp4", folder)

    assert count.drawn == 0
    assert_same_pictures(tmp_path / "out.mp4", street.output)


def test_a_watcher_sees_masked_pictures(tmp_path: Path, street: Masked) -> None:
    seen: dict[int, Pixels] = {}

    def watch(number: int, picture: av.VideoFrame) -> None:
        seen[number] = np.asarray(picture.to_ndarray(format="rgb24"), dtype=np.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bystander.pipeline.render.WATCH_SECONDS", 0.0)
        render(street.source, street.timeline, tmp_path / "out.mp4", effect=MAGENTA, watch=watch)

    assert list(seen) == list(range(FRAMES))
    _, stranger = street.scene.figures
    for number, picture in seen.items():
        inside = street.scene.silhouette(stranger, number)
        assert not inside.any() or is_magenta(picture, 16)[inside].mean() > 0.95
