"""Interlaced video stays interlaced, or is deinterlaced and that is said."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.transcode import transcode
from bystander.choices import Codec, Deinterlace
from bystander.errors import UnsupportedVideo
from bystander.media.colour import planes_of, to_planar
from bystander.media.deinterlacing import deinterlaced
from bystander.media.encoder import Deinterlacing, EncoderSettings
from bystander.media.facts import FieldOrder
from bystander.media.probe import probe
from bystander.media.reader import VideoReader, frames_after
from tests.conftest import shared
from tests.support.field_coded import Shape, h264, write
from tests.support.videos import Clip, make_video

pytestmark = pytest.mark.sampled(4)

TOP, BOTTOM, PROGRESSIVE = FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST, FieldOrder.PROGRESSIVE
AUTO, ON, OFF = Deinterlace.AUTO, Deinterlace.ON, Deinterlace.OFF
WIDTH, HEIGHT, FRAMES, PACE = 320, 240, 12, 8


def combed(number: int, order: FieldOrder) -> NDArray[np.uint8]:
    """A bar that goes `PACE` pixels a field to the right, uint8 [H, W, 3]."""
    pixels = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for first, parity in ((0, order is BOTTOM), (1, order is TOP)):
        left = 20 + PACE * (2 * number + first)
        pixels[parity::2, left : left + 40] = 200
    return pixels


def filmed(path: Path, order: FieldOrder, codec: str = "libx264", rotation: int = 0) -> Path:
    """Interlaced, as x264 and FFmpeg's MPEG-2 encoder write it."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = stream.codec_context
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        context.field_order = 2 if order is TOP else 3
        context.bit_rate = 2_000_000
        if codec == "libx264":
            context.options = {"x264-params": "tff=1" if order is TOP else "bff=1"}
        if rotation:
            stream.set_display_rotation(-rotation)
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=WIDTH, height=HEIGHT, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25)
        )
        flags = graph.add("setfield", "tff" if order is TOP else "bff")
        graph.link_nodes(source, flags, graph.add("buffersink")).configure()
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(combed(number, order), "rgb24")
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            graph.push(picture)
            flagged: Any = graph.pull()
            flagged.pict_type = 0
            output.mux(stream.encode(flagged))
        output.mux(stream.encode(None))
    return path


def combing(path: Path) -> float:
    """How much neighbouring lines differ more than lines two apart: 0 without combs."""
    found = []
    for frame in VideoReader(path, probe(path)):
        luma = frame.rgb()[:, :, 1].astype(int)
        near, far = np.abs(luma[1:-1] - luma[:-2]), np.abs(luma[2:] - luma[:-2])
        found.append(np.maximum(near - far, 0).mean())
    return float(np.mean(found))


def flags(path: Path) -> set[bool]:
    return {frame.picture.interlaced_frame for frame in VideoReader(path, probe(path))}


@pytest.mark.parametrize("order", [TOP, BOTTOM])
@pytest.mark.parametrize(("codec", "name"), [("libx264", "v.mp4"), ("mpeg2video", "v.ts")])
def test_the_field_order_is_found(tmp_path: Path, order: FieldOrder, codec: str, name: str) -> None:
    assert probe(filmed(tmp_path / name, order, codec)).field_order is order


def test_a_progressive_video_has_no_field_order(tmp_path: Path) -> None:
    assert probe(make_video(tmp_path / "v.mp4")).field_order is PROGRESSIVE


@pytest.mark.parametrize("order", [TOP, BOTTOM])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_interlaced_pictures_stay_interlaced(
    tmp_path: Path, order: FieldOrder, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = filmed(tmp_path / "v.ts", order), tmp_path / f"out{suffix}"
    with caplog.at_level(logging.INFO):
        transcode(source, out, EncoderSettings(preset="ultrafast", crf=10))

    assert f"stay interlaced, {order}" in caplog.text
    assert (probe(out).field_order, flags(out)) == (order, {True})
    assert combing(out) == pytest.approx(combing(source), rel=0.1)
    assert probe(out).frame_count == FRAMES


@pytest.mark.parametrize(
    ("codec", "wanted"), [(Codec.AUTO, ON), (Codec.HEVC, AUTO), (Codec.AV1, AUTO)]
)
@pytest.mark.parametrize("order", [TOP, BOTTOM])
def test_interlaced_pictures_are_deinterlaced_where_that_is_asked_for_or_needed(
    tmp_path: Path,
    order: FieldOrder,
    codec: Codec,
    wanted: Deinterlace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, out = filmed(tmp_path / "v.ts", order), tmp_path / "out.mp4"
    settings = EncoderSettings(preset="ultrafast", crf=10, codec=codec, deinterlace=wanted)
    with caplog.at_level(logging.INFO):
        transcode(source, out, settings)

    assert "are deinterlaced" in caplog.text
    assert (probe(out).field_order, flags(out)) == (PROGRESSIVE, {False})
    assert probe(out).frame_count == FRAMES
    assert combing(out) < combing(source) / 10
    # Each is as its first field was filmed.
    for number, frame in enumerate(VideoReader(out, probe(out))):
        bright = np.flatnonzero(frame.rgb()[HEIGHT // 2 : HEIGHT // 2 + 8, :, 1].mean(0) > 130)
        assert bright[0] == pytest.approx(20 + 2 * PACE * number, abs=2)


def test_what_cannot_stay_interlaced_is_refused_if_it_must(tmp_path: Path) -> None:
    source = filmed(tmp_path / "v.ts", TOP)
    settings = EncoderSettings(codec=Codec.HEVC, deinterlace=OFF)

    with pytest.raises(UnsupportedVideo, match="interlaced"):
        transcode(source, tmp_path / "out.mp4", settings)


def test_pictures_that_are_turned_are_deinterlaced(tmp_path: Path) -> None:
    source, out = filmed(tmp_path / "v.mp4", TOP, rotation=90), tmp_path / "out.mp4"
    transcode(source, out, EncoderSettings(preset="ultrafast", crf=10))

    assert probe(out).field_order is PROGRESSIVE
    turned = [np.rot90(frame.rgb()) for frame in VideoReader(out, probe(out))]
    lines = turned[5][:, :, 1].astype(int)
    assert np.abs(lines[1:] - lines[:-1]).mean() < 1


def test_without_a_flag_only_asking_deinterlaces(tmp_path: Path) -> None:
    def picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
        return combed(number, TOP)

    source = make_video(tmp_path / "v.mp4", Clip(pts=range(0, 512 * FRAMES, 512)), picture)
    for wanted, most in ((AUTO, 1.1), (OFF, 1.1), (ON, 0.1)):
        settings = EncoderSettings(preset="ultrafast", crf=10, deinterlace=wanted)
        transcode(source, tmp_path / "out.mp4", settings, overwrite=True)
        assert combing(tmp_path / "out.mp4") < most * combing(source)


def test_interlaced_pictures_after_others_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "v.ts", h264([Shape.FRAME] * 8 + [Shape.TOP_FIRST] * 4))
    info = replace(probe(path), field_order=PROGRESSIVE)
    list(deinterlaced(iter(VideoReader(path, info)), info, Deinterlacing.NONE))

    assert caplog.text.count("from frame 8 on pictures are interlaced") == 1


@pytest.mark.parametrize("kind", ["yuv422p", "yuvj422p"])
def test_colours_of_two_fields_are_not_mixed(kind: str) -> None:
    picture = av.VideoFrame(WIDTH, HEIGHT, kind)
    luma, blue, red = planes_of(picture)
    luma[:], red[:] = 100, 128
    blue[0::2], blue[1::2] = 200, 60
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=WIDTH, height=HEIGHT, format=picture.format, time_base=Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    graph.vpush(picture)

    found = [plane.copy() for plane in planes_of(to_planar(graph.vpull(), "yuv420p"))]
    assert [plane.shape for plane in found] == [(240, 320), (120, 160), (120, 160)]
    assert (set(found[1][0::2].flat), set(found[1][1::2].flat)) == ({200}, {60})
    assert (set(found[0].flat), set(found[2].flat)) == ({100}, {128})


@pytest.mark.parametrize("done", [1, 5, 11])
def test_going_on_gives_the_same_pictures(tmp_path: Path, done: int) -> None:
    path = filmed(tmp_path / "v.mp4", TOP)
    info, every = probe(path), Deinterlacing.EVERY
    whole = list(deinterlaced(iter(VideoReader(path, info)), info, every))
    later = frames_after(path, info, done, whole[done - 1].pts, lead=True)
    rest = list(deinterlaced(later, info, every, lead=True))

    assert [frame.index for frame in rest] == list(range(done, FRAMES))
    for one, other in zip(rest, whole[done:], strict=True):
        assert (one.pts, one.duration) == (other.pts, other.duration)
        np.testing.assert_array_equal(one.picture.to_ndarray(), other.picture.to_ndarray())


def test_a_broadcast_stays_interlaced(tmp_path: Path) -> None:
    transcode(shared("bugs", "interlaced-drawn.mts"), tmp_path / "out.mp4")

    assert probe(tmp_path / "out.mp4").field_order is TOP
    assert flags(tmp_path / "out.mp4") == {True}


@pytest.mark.parametrize("shape", [Shape.TOP_FIRST, Shape.BOTTOM_FIRST])
def test_what_is_coded_in_fields_stays_interlaced(tmp_path: Path, shape: Shape) -> None:
    source, out = write(tmp_path / "v.ts", h264([shape] * 8)), tmp_path / "out.mp4"
    transcode(source, out)

    assert probe(out).field_order is (TOP if shape is Shape.TOP_FIRST else BOTTOM)
    assert flags(out) == {True}
