"""Groups of pictures in which nobody is masked are the source's; all others are encoded."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.choices import SmartRender
from bystander.errors import Cancelled
from bystander.files import StrPath
from bystander.media.demux import fingerprint
from bystander.media.encoder import Encoder, EncoderSettings, Encoding, encoding_of
from bystander.media.facts import VideoInfo
from bystander.media.h264 import IDR_SLICE, SLICE, units_of_lengths
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.media.resuming import RenderCheckpoints
from bystander.media.stream_copy import CopyableStream, NotCopyable
from bystander.pipeline.audit import audit
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import with_decisions
from tests.benchmarks.test_transcode import packets
from tests.support.drawn import (
    BLUE,
    MAGENTA,
    RED,
    Figure,
    Masked,
    Scene,
    cast_of,
    drawn_models,
    is_magenta,
    mask_scene,
    pictures,
    standing,
)
from tests.support.videos import Clip, Sound, damaged, joined, remuxed, with_edits

pytestmark = pytest.mark.long

FRAMES = 200
CLEAR = EncoderSettings(preset="ultrafast", crf=5)
GROUPS = "keyint=20:scenecut=0:open-gop=0"
REORDERED = {"preset": "veryfast", "bf": "3", "crf": "14", "x264-params": GROUPS}
UNEVEN = [512 * n + (n * n * 37) % 400 for n in range(FRAMES)]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """A friend throughout, and a stranger in the middle; 20 frames a group, with B-frames."""
    folder = tmp_path_factory.mktemp("street")
    figures = [
        Figure(BLUE, standing(20)),
        Figure(RED, standing(200), present=range(95, 105)),
    ]
    scene = Scene(figures, frames=FRAMES)
    source = scene.video(folder / "source.mp4", clip_of(scene))
    return mask_scene(scene, folder, cast=cast_of(folder, anna=BLUE), source=source)


def clip_of(scene: Scene, **changes: object) -> Clip:
    clip = Clip(
        pts=range(0, 512 * FRAMES, 512), size=scene.size, options=REORDERED, sounds=[Sound()]
    )
    return replace(clip, **changes)  # type: ignore[arg-type]


def of_another_file(street: Masked, source: Path, path: Path) -> Masked:
    """The same film in another file: its timeline, at that file's times."""
    info = probe(source)
    times = [frame.pts for frame in VideoReader(source, info)]
    facts = replace(
        street.timeline.header.video,
        fingerprint=fingerprint(source),
        time_base=info.time_base.as_integer_ratio(),
        frames=len(times),
    )
    with TimelineWriter(path) as writer:
        for record, pts in zip(street.timeline.frames(), times, strict=False):
            writer.add_frame(replace(record, pts=pts))
        writer.finish(replace(street.timeline.header, video=facts))
    return replace(street, source=source, timeline=Timeline.load(path), output=path)


def rendered(film: Masked, output: Path, **given: object) -> Masked:
    wanted = {"effect": MAGENTA, "encoder": CLEAR, "overwrite": True, **given}
    render(film.source, film.timeline, output, **wanted)  # type: ignore[arg-type]
    return replace(film, output=output)


def planes(path: StrPath) -> list[NDArray[np.uint8]]:
    """Every picture as it is decoded."""
    with av.open(str(path)) as container:
        return [np.asarray(picture.to_ndarray()) for picture in container.decode(video=0)]


def planes_of_ffmpeg(path: Path, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """The same, by the tool itself, which is of another version."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-xerror", "-i", str(path)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    found = subprocess.run(command, capture_output=True, check=True)
    assert b"h264" not in found.stderr
    shape = (-1, size[1] * 3 // 2, size[0])
    return list(np.frombuffer(found.stdout, np.uint8).reshape(shape))


def slices(path: Path) -> dict[Fraction, bytes]:
    """What is coded of each picture, by the time at which it is shown."""
    found = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                units = units_of_lengths(bytes(packet), 4)
                coded = [unit for unit in units if unit[0] & 31 in (SLICE, IDR_SLICE)]
                found[packet.pts * packet.time_base] = b"".join(coded)
    return found


def copied(film: Masked) -> list[int]:
    """The frames of which the output has the source's very packets."""
    before, after = slices(film.source), slices(film.output)
    times = sorted(before)
    assert sorted(after) == times
    return [number for number, time in enumerate(times) if before[time] == after[time]]


def assert_right(film: Masked) -> None:
    """Copied frames are the source's bit for bit, in two decoders; all others are masked."""
    same, before = set(copied(film)), planes(film.source)
    masked = {record.index for record in film.timeline.frames() if has_stranger(film, record.index)}
    assert not same & masked
    for after in (planes(film.output), planes_of_ffmpeg(film.output, film.scene.size)):
        assert len(after) == len(before)
        for number in same:
            np.testing.assert_array_equal(after[number], before[number], err_msg=f"{number}")
    stranger = film.scene.figures[1]
    for number in masked:
        assert film.covered(stranger, number) >= 0.99, f"frame {number}"
    expected, found = packets(film.source, "video"), packets(film.output, "video")
    assert found.times == expected.times
    with av.open(str(film.output)) as container:
        order = [p.dts for p in container.demux(video=0) if p.size and p.dts is not None]
    assert all(a < b for a, b in pairwise(order))


def has_stranger(film: Masked, number: int) -> bool:
    return bool(film.scene.silhouette(film.scene.figures[1], number).any())


def test_what_shows_nobody_to_be_masked_is_copied_and_the_rest_masked(
    tmp_path: Path, street: Masked
) -> None:
    film = rendered(street, tmp_path / "out.mp4")
    same = copied(film)
    assert {*range(60), *range(140, 200)} <= set(same) <= {*range(80), *range(120, 200)}
    assert_right(film)
    whole = rendered(
        street, tmp_path / "w.mp4", encoder=CLEAR.changed({"smart_render": SmartRender.OFF})
    )
    assert copied(whole) == []
    assert packets(film.output, "audio") == packets(whole.output, "audio")
    ours, theirs = packets(film.output, "video"), packets(whole.output, "video")
    assert (ours.times, ours.end) == (theirs.times, theirs.end)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "w.mp4"]


def test_the_audit_finds_nothing_in_it(tmp_path: Path, street: Masked) -> None:
    film = rendered(street, tmp_path / "out.mp4")
    found = audit(
        film.source,
        film.output,
        tmp_path / "report.html",
        models=drawn_models(),
        timeline=film.timeline,
        effect=MAGENTA,
    )
    assert found.passed, found.findings


def test_a_rendering_that_is_stopped_while_it_copies_leaves_nothing(
    tmp_path: Path, street: Masked
) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled("stopped by the test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bystander.progress.ProgressMeter.step", lambda meter: meter.report())
        with pytest.raises(Cancelled):
            rendered(street, tmp_path / "out.mp4", report=stop)
    assert list(tmp_path.iterdir()) == []


def test_every_part_can_be_sought(tmp_path: Path, street: Masked) -> None:
    film = rendered(street, tmp_path / "out.mp4")
    expected = planes(film.output)
    with av.open(str(film.output)) as container:
        stream = container.streams.video[0]
        for number in (0, 30, 59, 79, 80, 95, 110, 119, 120, 140, 199):
            container.seek(512 * number, stream=stream)
            found = next(f for f in container.decode(stream) if f.pts == 512 * number)
            np.testing.assert_array_equal(found.to_ndarray(), expected[number], err_msg=f"{number}")


def test_a_kept_stranger_lets_everything_be_copied(tmp_path: Path, street: Masked) -> None:
    everybody = [person.id for person in street.timeline.header.persons]
    film = rendered(street, tmp_path / "out.mp4", keep=everybody)
    assert len(copied(film)) == FRAMES


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["out.mov", "out.mkv"])
def test_other_containers(tmp_path: Path, street: Masked, name: str) -> None:
    film = rendered(street, tmp_path / name)
    after, before = planes(film.output), planes(film.source)
    for number in (*range(60), *range(140, 200)):
        np.testing.assert_array_equal(after[number], before[number])
    stranger = street.scene.figures[1]
    assert all(film.covered(stranger, number) >= 0.99 for number in range(95, 105))
    assert len(planes_of_ffmpeg(film.output, street.scene.size)) == FRAMES


def uneven(street: Masked, folder: Path) -> Path:
    return street.scene.video(folder / "v.mp4", clip_of(street.scene, pts=UNEVEN))


def from_mkv(street: Masked, folder: Path) -> Path:
    return remuxed(street.source, folder / "v.mkv")


def full_range(street: Masked, folder: Path) -> Path:
    clip = clip_of(street.scene, pixel_format="yuvj420p", colors=(1, 1, 1, 2))
    return street.scene.video(folder / "v.mp4", clip)


def main_profile_of_a_high_level(street: Masked, folder: Path) -> Path:
    options = {**REORDERED, "profile": "main", "level": "5.1"}
    return street.scene.video(folder / "v.mp4", clip_of(street.scene, options=options))


def sliced(street: Masked, folder: Path) -> Path:
    options = {**REORDERED, "x264-params": f"{GROUPS}:slices=4:aud=1"}
    return street.scene.video(folder / "v.mp4", clip_of(street.scene, options=options))


def cropped_by_macroblocks(street: Masked, folder: Path) -> Path:
    """Height 216 is stored as 224."""
    assert street.scene.size[1] % 16
    return street.source


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "make",
    [uneven, from_mkv, full_range, main_profile_of_a_high_level, sliced, cropped_by_macroblocks],
)
def test_these_are_copied(
    tmp_path: Path, street: Masked, make: Callable[[Masked, Path], Path]
) -> None:
    film = of_another_file(street, make(street, tmp_path), tmp_path / "timeline")
    film = rendered(film, tmp_path / "out.mp4")
    after, before = planes(film.output), planes(film.source)
    for number in (*range(60), *range(140, 200)):
        np.testing.assert_array_equal(after[number], before[number], err_msg=f"{number}")
    if make is not from_mkv:  # whose clock counts in milliseconds
        assert_right(film)


def recoded(name: str, **changes: object) -> Callable[[Masked, Path], Path]:
    def make(street: Masked, folder: Path) -> Path:
        return street.scene.video(folder / name, clip_of(street.scene, **changes))

    return make


def with_open_groups(street: Masked, folder: Path) -> Path:
    """After the first picture none is an IDR picture."""
    options = {**REORDERED, "x264-params": "keyint=20:scenecut=0:open-gop=1"}
    return street.scene.video(folder / "v.mp4", clip_of(street.scene, options=options))


def with_hidden_frames(street: Masked, folder: Path) -> Path:
    """Players begin with the eleventh frame."""
    plain = street.scene.video(folder / "plain.mp4", clip_of(street.scene, sounds=()))
    shown = (FRAMES - 10) * 512
    return with_edits(plain, folder / "v.mp4", b"vide", [(shown, 10 * 512 + 1024)])


def cropped_in_the_stream(street: Masked, folder: Path) -> Path:
    """32 lines are coded, and not shown."""
    larger = replace(street.scene, size=(384, 248))
    plain = larger.video(folder / "plain.mp4", clip_of(larger, sounds=()))
    return remuxed(plain, folder / "v.mp4", "-bsf:v", "h264_metadata=crop_bottom=32")


SMALL = Clip(pts=range(0, 25 * 512, 512), options=REORDERED)


def changed_midway(street: Masked, folder: Path) -> Path:
    other = replace(SMALL, options={**REORDERED, "refs": "1"})
    return joined(folder / "v.mp4", SMALL, other)


def in_fields(street: Masked, folder: Path) -> Path:
    options = {**REORDERED, "flags": "+ilme+ildct", "x264-params": f"{GROUPS}:tff=1"}
    return recoded("v.mp4", options=options)(street, folder)


def in_a_transport_stream(street: Masked, folder: Path) -> Path:
    return remuxed(street.source, folder / "v.ts")


HEVC = {"preset": "ultrafast", "x265-params": "log-level=error"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "make",
    [
        with_open_groups,
        with_hidden_frames,
        cropped_in_the_stream,
        changed_midway,
        in_fields,
        in_a_transport_stream,
        recoded("v.mp4", codec="libx265", options=HEVC, pts=SMALL.pts),
        recoded("v.mp4", codec="libx264", pixel_format="yuv420p10le", pts=SMALL.pts),
        recoded("v.mp4", codec="libx264", pixel_format="yuv444p", pts=SMALL.pts),
        recoded("v.mp4", codec="libsvtav1", options={"preset": "10"}, pts=SMALL.pts, sounds=()),
        recoded("v.webm", codec="libvpx-vp9", options={}, pts=SMALL.pts, sounds=()),
        recoded("v.mp4", codec="mpeg4", options={}, pts=SMALL.pts),
        recoded("v.mp4", rotation=180, pts=SMALL.pts),
        recoded("v.mp4", mirrored=True, pts=SMALL.pts),
    ],
)  # fmt: skip
def test_these_are_not_copied_but_for_groups_that_are_closed(
    tmp_path: Path, street: Masked, make: Callable[[Masked, Path], Path]
) -> None:
    source = make(street, tmp_path)
    info = probe(source)
    found = CopyableStream.of(source, info, encoding(info, source))
    groups = [] if found is None else [group for group in found.groups if group.copyable]
    if make is with_open_groups:
        assert [(group.start, group.stop) for group in groups] == [(0, FRAMES)]
    elif make is with_hidden_frames:
        assert all(group.start >= 10 for group in groups)
    else:
        assert groups == []


def encoding(info: VideoInfo, source: Path) -> Encoding:
    return encoding_of(info, source, EncoderSettings())


def test_what_is_damaged_is_encoded(tmp_path: Path, street: Masked) -> None:
    source = damaged(street.source, tmp_path / "v.mp4", [25, 150])
    film = of_another_file(street, source, tmp_path / "timeline")
    film = rendered(film, tmp_path / "out.mp4")
    same = set(copied(film))
    assert not same & {*range(20, 40), *range(140, 160)}
    assert same >= {*range(20), *range(40, 60), *range(160, 200)} - {*range(20)}
    assert len(planes(film.output)) == FRAMES
    stranger = film.scene.figures[1]
    assert all(film.covered(stranger, number) >= 0.99 for number in range(95, 105))


def flipped(source: Path, path: Path, number: int) -> Path:
    """`source` with some bits within a packet changed, so that its headers stay whole."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packet = [p for p in container.demux(video=0) if p.size][number]
    assert packet.pos is not None
    for at in range(packet.pos + packet.size - 300, packet.pos + packet.size - 4, 3):
        data[at] ^= 0x5A
    path.write_bytes(data)
    return path


def test_what_does_not_decode_without_errors_is_encoded(tmp_path: Path, street: Masked) -> None:
    """What players make of it may show what the analysis didn't see."""
    source = flipped(street.source, tmp_path / "v.mp4", 160)
    film = of_another_file(street, source, tmp_path / "timeline")
    info = probe(source)
    found = CopyableStream.of(source, info, encoding(info, source))
    assert found is not None
    assert len(list(found.packets(140, 160))) == 20
    with pytest.raises(NotCopyable):
        list(found.packets(160, 180))

    film = rendered(film, tmp_path / "out.mp4")
    assert not set(copied(film)) & set(range(160, 180))
    assert len(planes(film.output)) == FRAMES


def test_captions_and_other_messages_are_not_copied(tmp_path: Path, street: Masked) -> None:
    words = "086f3693-b7b3-4f2c-9653-21492feee5b8+AnnaWasHere"
    source = remuxed(
        street.source, tmp_path / "v.mp4", "-bsf:v", f"h264_metadata=sei_user_data={words}"
    )
    assert b"AnnaWasHere" in source.read_bytes()
    film = of_another_file(street, source, tmp_path / "timeline")
    film = rendered(film, tmp_path / "out.mp4")
    assert copied(film)
    assert b"AnnaWasHere" not in film.output.read_bytes()


class Encoded:
    """Counts the frames that are encoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames = 0
        encode = Encoder.encode

        def counted(encoder: Encoder, *args: object) -> object:
            self.frames += 1
            return encode(encoder, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(Encoder, "encode", counted)


@pytest.mark.parametrize("smart", [SmartRender.OFF, SmartRender.AUTO])
def test_another_verdict_encodes_what_it_changes_and_no_more(
    tmp_path: Path, street: Masked, monkeypatch: pytest.MonkeyPatch, smart: SmartRender
) -> None:
    encoder = CLEAR.changed({"smart_render": smart})
    (tmp_path / "kept").mkdir()
    checkpoints = RenderCheckpoints(tmp_path / "kept", 20, keep=True)
    rendered(street, tmp_path / "out.mp4", encoder=encoder, checkpoints=checkpoints)
    everybody = [person.id for person in street.timeline.header.persons]
    header = with_decisions(street.timeline.header, keep=everybody, mask=())
    other = replace(street, timeline=Timeline(street.timeline.path, header))

    count = Encoded(monkeypatch)
    again = rendered(other, tmp_path / "again.mp4", encoder=encoder, checkpoints=checkpoints)
    assert count.frames == 0 if smart is SmartRender.AUTO else 0 < count.frames <= 80
    (tmp_path / "anew").mkdir()
    anew = rendered(
        other,
        tmp_path / "anew.mp4",
        encoder=encoder,
        checkpoints=RenderCheckpoints(tmp_path / "anew", 20),
    )
    for one, two in zip(pictures(again.output), pictures(anew.output), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not any(is_magenta(picture).any() for picture in pictures(again.output))

    count.frames = 0
    back = rendered(street, tmp_path / "back.mp4", encoder=encoder, checkpoints=checkpoints)
    assert 0 < count.frames <= 80
    stranger = back.scene.figures[1]
    assert all(back.covered(stranger, number) >= 0.99 for number in range(95, 105))
