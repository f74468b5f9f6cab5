"""From a timeline to a masked video: what changes, what stays, and what fails closed."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from bystander.choices import Deinterlace
from bystander.errors import Cancelled, InvalidTimeline, TimelineMismatch
from bystander.geometry.masks import union
from bystander.media.display import UPRIGHT
from bystander.media.photos import load_photo
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import load_models
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.settings import AnalysisSettings
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import with_decisions
from bystander.tracking.clicks import Click
from tests.benchmarks.test_transcode import packets
from tests.conftest import REPOSITORY, shared
from tests.support.drawn import (
    BLUE,
    GREEN,
    LOSSLESS,
    MAGENTA,
    RED,
    SIZE,
    Figure,
    Masked,
    Pixels,
    Scene,
    cast_of,
    is_magenta,
    mask_scene,
    pictures,
    shows,
    standing,
    walking,
)
from tests.support.videos import Clip, Sound, joined, make_tell_tale_video, make_video

pytestmark = pytest.mark.sampled(4)

UNEVEN = [0, 512, 812, 1712, 2224, 2736, 2737, 6737, 6937, *range(7270, 13000, 333)]
EVEN = range(0, 24 * 512, 512)
TEN_BIT = {"preset": "ultrafast", "x265-params": "log-level=error"}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """A friend who is kept, and two strangers."""
    folder = tmp_path_factory.mktemp("street")
    figures = [
        Figure(BLUE, standing(20)),
        Figure(RED, walking(120, 1)),
        Figure(GREEN, standing(300)),
    ]
    return mask_scene(Scene(figures, frames=60), folder, cast=cast_of(folder, anna=BLUE))


def test_a_deinterlaced_frame_is_masked_where_people_were_in_the_frame_before_too(
    tmp_path: Path,
) -> None:
    """Its lines are mixed with that one's."""
    fast = Figure(RED, walking(20, 17))
    scene = Scene([fast], frames=20)
    masked = mask_scene(scene, tmp_path)
    shares = {}
    for wanted in (Deinterlace.OFF, Deinterlace.ON):
        output, encoder = tmp_path / f"{wanted}.mp4", LOSSLESS.changed({"deinterlace": wanted})
        render(masked.source, masked.timeline, output, effect=MAGENTA, encoder=encoder)
        shown = replace(masked, output=output)
        for number in range(2, 18):
            assert shown.covered(fast, number) >= 0.95
        shares[wanted] = min(
            is_magenta(shown.after[number])[scene.silhouette(fast, number - 1)].mean()
            for number in range(2, 18)
        )

    assert shares[Deinterlace.ON] >= 0.95
    assert shares[Deinterlace.OFF] < 0.9  # or this scene shows nothing


def person_in(masked: Masked, figure: Figure) -> str:
    """The id of whoever stands where the figure does in frame 0."""
    x, y = figure.place(0)
    grid = masked.timeline.header.grid
    at = (x + 20) * grid[0] / SIZE[0], (y + 70) * grid[1] / SIZE[1]
    record = next(iter(masked.timeline.frames()))
    (tracklet,) = (s.tracklet for s in record.sightings if s.mask.contains(*at))
    return next(p.id for p in masked.timeline.header.persons if tracklet in p.tracklets)


def rendered(masked: Masked, timeline: Timeline, output: Path) -> Masked:
    render(masked.source, timeline, output, effect=MAGENTA, encoder=LOSSLESS)
    return replace(masked, timeline=timeline, output=output)


def test_a_flipped_verdict_changes_that_person_and_nothing_else(
    tmp_path: Path, street: Masked
) -> None:
    friend, stranger, _ = street.scene.figures
    flipped = replace(street, output=tmp_path / "out.mp4")
    render(
        street.source,
        street.timeline,
        flipped.output,
        keep=[person_in(street, stranger)],
        mask=[person_in(street, friend)],
        effect=MAGENTA,
        encoder=LOSSLESS,
    )

    for number in range(street.scene.frames):
        assert flipped.covered(friend, number) >= 0.99
        assert flipped.change(stranger, number) == 0
        # The third person's quarter of the picture, and all of the background there.
        np.testing.assert_array_equal(flipped.after[number][:, 270:], street.after[number][:, 270:])


def test_rendering_loads_no_network(tmp_path: Path, street: Masked) -> None:
    edited = tmp_path / "edited"
    street.timeline.save(edited, with_decisions(street.timeline.header, keep=["p2"], mask=[]))
    program = f"""
import sys
for runtime in ("onnxruntime", "openvino", "insightface", "dlib", "torch", "bystander.models"):
    sys.modules[runtime] = None  # importing it fails
from pathlib import Path
from bystander.timeline.archive import Timeline
from bystander.pipeline.render import render
render(Path({str(street.source)!r}), Timeline.load(Path({str(edited)!r})), Path("out.mp4"))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=environment())
    assert probe(tmp_path / "out.mp4").frame_count == street.scene.frames


def environment() -> dict[str, str]:
    """For a Python that can import the library and the tests, and little else."""
    return {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}


def without(timeline: Timeline, frames: Collection[int], path: Path) -> Timeline:
    """A timeline that never saw some of the frames."""
    header = timeline.header
    facts = replace(header.video, frames=header.video.frames - len(frames))
    with TimelineWriter(path) as writer:
        for record in timeline.frames():
            if record.index not in frames:
                writer.add_frame(record)
        writer.finish(replace(header, video=facts))
    return Timeline.load(path)


def test_a_frame_that_was_not_analysed_borrows_its_neighbours_masks(
    tmp_path: Path, street: Masked, caplog: pytest.LogCaptureFixture
) -> None:
    missing = {0, 20, 21, 40, 59}
    timeline = without(street.timeline, missing, tmp_path / "gaps")
    with caplog.at_level(logging.WARNING):
        result = rendered(street, timeline, tmp_path / "out.mp4")

    _, *strangers = street.scene.figures
    for number in range(street.scene.frames):
        assert min(result.covered(stranger, number) for stranger in strangers) >= 0.99
        assert is_magenta(result.after[number]).mean() < 0.5
    said = [r.getMessage() for r in caplog.records if "not analysed" in r.getMessage()]
    assert len(said) == 1
    assert "5 frames were not analysed (first: 0); they borrow" in said[0]


def test_a_stretch_that_was_not_analysed_is_masked_whole(tmp_path: Path, street: Masked) -> None:
    timeline = without(street.timeline, range(15, 50), tmp_path / "gap")
    result = rendered(street, timeline, tmp_path / "out.mp4")

    # Half a second, 12 frames, may be borrowed from either side.
    for number in range(15 + 12, 50 - 13):
        assert is_magenta(result.after[number]).all(), f"frame {number}"
    _, *strangers = street.scene.figures
    for number in range(street.scene.frames):
        assert min(result.covered(stranger, number) for stranger in strangers) >= 0.99


def test_a_frame_beside_which_nobody_is_masked_has_nothing_to_borrow_and_is_masked_whole(
    tmp_path: Path,
) -> None:
    scene = Scene([Figure(BLUE, standing(20))], frames=30)
    friend = mask_scene(scene, tmp_path, clicks=[Click(0, 40, 150)])
    timeline = without(friend.timeline, {15}, tmp_path / "gap")
    result = rendered(friend, timeline, tmp_path / "out.mp4")

    assert [bool(is_magenta(picture).all()) for picture in result.after] == [
        number == 15 for number in range(30)
    ]


def test_frames_at_other_times_than_the_timelines_are_not_taken_for_its_own(
    tmp_path: Path, street: Masked
) -> None:
    path = tmp_path / "elsewhere"
    with TimelineWriter(path) as writer:
        for record in street.timeline.frames():
            writer.add_frame(replace(record, pts=record.pts + 10**6))
        writer.finish(street.timeline.header)
    result = rendered(street, Timeline.load(path), tmp_path / "out.mp4")

    assert all(is_magenta(picture).all() for picture in result.after)


def test_the_timeline_of_another_video_is_refused(tmp_path: Path, street: Masked) -> None:
    other = Scene([Figure(RED, standing(20))], frames=5).video(tmp_path / "other.mp4")
    with pytest.raises(TimelineMismatch, match=r"timeline was not made from .*other\.mp4"):
        render(other, street.timeline, tmp_path / "out.mp4")

    assert [path.name for path in tmp_path.iterdir()] == ["other.mp4"]


def cancel(_: Progress) -> None:
    raise Cancelled("stopped by the test")


def interrupt(_: Progress) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("report", "error"), [(cancel, Cancelled), (interrupt, KeyboardInterrupt)])
def test_a_stopped_rendering_leaves_neither_file_nor_thread(
    tmp_path: Path, street: Masked, report: Callable[[Progress], None], error: type[BaseException]
) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(error):
        render(street.source, street.timeline, tmp_path / "out.mp4", report=report)

    assert set(threading.enumerate()) == threads
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_timeline_leaves_neither_file_nor_thread(tmp_path: Path, street: Masked) -> None:
    broken = without(street.timeline, range(40, 60), tmp_path / "broken")
    timeline = Timeline(broken.path, street.timeline.header)  # which promises 60 frames
    threads = set(threading.enumerate())
    with pytest.raises(InvalidTimeline, match="holds 40 frames, its header says 60"):
        render(street.source, timeline, tmp_path / "out.mp4")

    assert set(threading.enumerate()) == threads
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_an_interrupted_rendering_leaves_an_older_result_as_it_was(
    tmp_path: Path, street: Masked
) -> None:
    older = tmp_path / "out.mp4"
    older.write_bytes(b"the older result")
    with pytest.raises(Cancelled):
        render(street.source, street.timeline, older, overwrite=True, report=cancel)

    assert older.read_bytes() == b"the older result"


SPECIAL = {
    "variable frame rate": Clip(pts=UNEVEN, last_duration=777, sounds=[Sound()]),
    "late start": Clip(pts=[10_214 + pts for pts in UNEVEN], last_duration=777, sounds=[Sound()]),
    "rotated by 90": Clip(pts=EVEN, rotation=90, sounds=[Sound()]),
    "mirrored": Clip(pts=EVEN, mirrored=True, sounds=[Sound()]),
    "mirrored, rotated by 90": Clip(pts=EVEN, mirrored=True, rotation=90),
    "rotated by 270, variable": Clip(pts=UNEVEN, last_duration=777, rotation=270),
    "odd size": Clip(
        size=(321, 241), codec="mjpeg", pixel_format="yuvj420p", options={}, sounds=[Sound()]
    ),
    "no sound": Clip(pts=EVEN),
    "two audio tracks": Clip(
        pts=EVEN, sounds=[Sound(hertz=300), Sound("ac3", Fraction(1, 5), 500)]
    ),
    "interlaced": Clip(
        pts=EVEN, options={"preset": "ultrafast", "flags": "+ildct", "x264-params": "tff=1"}
    ),
    "10 bits": Clip(pts=EVEN, codec="libx265", pixel_format="yuv420p10le", options=TEN_BIT),
    "10 bits, rotated": Clip(
        pts=UNEVEN,
        last_duration=777,
        codec="libx265",
        pixel_format="yuv420p10le",
        options=TEN_BIT,
        rotation=90,
        sounds=[Sound()],
    ),
}


def assert_clock_and_sound_are_the_sources(source: Path, output: Path) -> None:
    before, after = packets(source, "video"), packets(output, "video")
    assert after.times == before.times  # Fractions of seconds
    assert after.end == before.end
    assert probe(output).time_base == probe(source).time_base
    assert len(probe(output).audio) == len(probe(source).audio)
    for number in range(len(probe(source).audio)):
        before, after = packets(source, "audio", number), packets(output, "audio", number)
        assert (after.times, after.data) == (before.times, before.data)
        # The sources made here say how long their sound is in ticks of the picture's clock.
        assert abs(after.end - before.end) <= probe(source).time_base


def assert_nothing_else_is_left(output: Path) -> None:
    with av.open(str(output)) as container:
        kinds = [stream.type for stream in container.streams]
        assert kinds[0] == "video"
        assert set(kinds[1:]) <= {"audio"}
        assert container.chapters() == []
        assert set(container.metadata) == {"major_brand", "minor_version", "compatible_brands"}
        for stream in container.streams:
            assert set(stream.metadata) <= {"language", "handler_name"}
            assert stream.metadata["language"] == "und"


def displayed(path: Path) -> list[Pixels]:
    """Every frame with its rotation applied: uint8 [H, W, 3] RGB each."""
    with VideoReader(path, probe(path)) as reader:
        return [frame.rgb() for frame in reader]


@pytest.mark.parametrize("clip", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.sampled(4)
def test_a_special_video_is_masked_at_the_right_place_and_else_stays_as_it_was(
    tmp_path: Path, clip: Clip
) -> None:
    size = clip.orientation.size(*clip.size)
    stranger, friend = Figure(GREEN, walking(10, 2, 60)), Figure(BLUE, standing(180, 100))
    scene = Scene([stranger, friend], frames=len(clip.pts), size=size)
    source = scene.video(tmp_path / "source.mov", clip)
    result = mask_scene(scene, tmp_path, source=source, clicks=[Click(0, 200, 170)])

    info = probe(result.output)
    assert (info.width, info.height, info.orientation) == (*size, UPRIGHT)
    assert info.bit_depth == probe(source).bit_depth
    assert_clock_and_sound_are_the_sources(source, result.output)
    assert_nothing_else_is_left(result.output)
    shown = zip(displayed(source), displayed(result.output), strict=True)
    for number, (before, after) in enumerate(shown):
        assert result.covered(stranger, number) >= 0.95, f"frame {number}"
        # Turned chroma sits elsewhere between the luma, which shows along edges.
        assert cv2.absdiff(before, after)[scene.silhouette(friend, number)].mean() < 3


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_an_animation_is_masked_as_any_video(tmp_path: Path, suffix: str) -> None:
    stranger, friend = Figure(GREEN, walking(10, 2, 60)), Figure(BLUE, standing(180, 100))
    scene = Scene([stranger, friend], frames=12)
    delays = [40, 0, *[30] * 10]
    source = tmp_path / f"source{suffix}"
    images = [Image.fromarray(scene.picture(number)) for number in range(scene.frames)]
    lossless = {"lossless": True} if suffix == ".webp" else {}
    options: dict[str, Any] = {"save_all": True, "duration": delays, "loop": 0, **lossless}
    images[0].save(source, append_images=images[1:], **options)
    result = mask_scene(scene, tmp_path, source=source, clicks=[Click(0, 200, 170)])

    info = probe(result.output)
    assert (info.codec, info.frame_count, info.audio) == ("h264", 12, ())
    assert info.duration == pytest.approx(0.44)
    milliseconds = [0, 40, *range(140, 440, 30)]
    assert packets(result.output, "video").times == [Fraction(ms, 1000) for ms in milliseconds]
    for number in range(scene.frames):
        assert result.covered(stranger, number) >= 0.95
        assert result.covered(friend, number) < 0.05


def test_a_stranger_is_masked_where_the_picture_has_become_another(tmp_path: Path) -> None:
    stranger = Figure(GREEN, walking(40, 2, 60))
    scene = Scene([stranger], frames=12, size=(320, 240))
    clips = [Clip(pts=range(0, 6 * 512, 512), aspect=Fraction(aspect)) for aspect in (1, 2)]

    def picture(number: int, width: int, height: int) -> Pixels:
        return scene.picture(number)

    source = joined(tmp_path / "source.ts", *clips, picture=picture)
    result = mask_scene(scene, tmp_path, source=source)

    masked = pictures(result.output)
    assert {shown.shape for shown in masked} == {(240, 320, 3)}
    for number, (before, after) in enumerate(zip(displayed(source), masked, strict=True)):
        assert before[:50].max() < 12 if number >= 6 else before[:50].max() > 30
        there = shows(before, GREEN)
        assert there.sum() > 500
        assert is_magenta(after, tolerance=60)[there].mean() > 0.95


def test_place_chapters_subtitles_and_cover_art_are_gone(tmp_path: Path) -> None:
    stranger = Figure(GREEN, walking(10, 2, 60))
    scene = Scene([stranger], frames=24, size=(320, 240))
    source = tmp_path / "source.mp4"
    make_tell_tale_video(source, tmp_path, lambda number, *_: scene.picture(number))
    result = mask_scene(scene, tmp_path, source=source)

    assert_clock_and_sound_are_the_sources(source, result.output)
    assert_nothing_else_is_left(result.output)
    for word in (b"Anna", b"loci", b"chpl"):  # MP4's boxes for a place and chapters
        assert word in source.read_bytes()
        assert word not in result.output.read_bytes()
    for number in range(scene.frames):
        assert result.covered(stranger, number) >= 0.99


@pytest.mark.long
@pytest.mark.parametrize("name", ["10 bits, rotated", "odd size"])
def test_real_networks_find_real_people_in_a_special_video(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))
    models = load_models()
    clip = replace(
        SPECIAL[name], pts=EVEN[:6], size=(641, 481) if name == "odd size" else (640, 480)
    )
    size = clip.orientation.size(*clip.size)
    street = load_photo(shared("images", "bus.jpg"))
    photo: Pixels = cv2.resize(street, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    coded = clip.stored(photo)
    source = make_video(tmp_path / "source.mov", clip, lambda *_: coded)

    timeline = analyze(source, tmp_path / "t", models=models, settings=AnalysisSettings())
    render(source, timeline, tmp_path / "out.mp4", effect=MAGENTA)

    people = [found for found in models.segmenter.segment([photo])[0] if found.score > 0.5]
    assert len(people) >= 3
    everyone = union(found.mask for found in people).on_grid(*size)
    for picture in pictures(tmp_path / "out.mp4"):
        masked = is_magenta(picture, tolerance=60)  # room for the encoder's loss
        assert masked[everyone].mean() >= 0.97
        assert masked[~everyone].mean() < 0.2
    assert_clock_and_sound_are_the_sources(source, tmp_path / "out.mp4")


PEAK = """
import sys
from pathlib import Path
from tests.support.drawn import RED, Figure, Scene, mask_scene

frames, folder = int(sys.argv[1]), Path(sys.argv[2])
there_and_back = Figure(RED, lambda number: (abs(3 * number % 400 - 200), 20))
scene = Scene([there_and_back], frames=frames, size=(256, 144))
mask_scene(scene, folder)
status = Path("/proc/self/status").read_text().split()
print(status[status.index("VmHWM:") + 1])  # kB; ru_maxrss would count the parent's, too
"""


def peak_memory(folder: Path, frames: int) -> int:
    """Peak resident memory of masking a drawn video in a process of its own, in kB."""
    folder.mkdir()
    command = [sys.executable, "-c", PEAK, str(frames), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    return int(done.stdout)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    assert peak_memory(tmp_path / "long", 8 * 60) < 1.15 * peak_memory(tmp_path / "short", 60)
