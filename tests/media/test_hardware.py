"""Hardware encoders, none of which this test needs: x264 stands in for one that works."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.transcode import transcode
from bystander.choices import Codec, EncoderBackend
from bystander.media import encoder, hardware
from bystander.media.encoder import Encoder, EncoderSettings, HardwareEncoderFailed, encoding_of
from bystander.media.hardware import ENCODERS, HardwareEncoder, trial, working_encoder
from bystander.media.probe import probe
from bystander.pipeline.render import render
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision
from tests.support.commands import make_timeline
from tests.support.videos import Clip, make_video

SIZE = (320, 240)
ABSENT = HardwareEncoder("h264_of_nobody", {"yuv420p": "yuv420p"}, "cq", {})
REFUSING = HardwareEncoder("libx264", {"yuv420p": "yuv420p"}, "crf", {"preset": "nonsense"})
WORKING = HardwareEncoder("libx264", {"yuv420p": "nv12"}, "crf", {"preset": "ultrafast"})
LOSSLESS = HardwareEncoder("libx264", {"yuv420p": "nv12"}, "cq", {"preset": "ultrafast", "qp": "0"})


def installed(
    monkeypatch: pytest.MonkeyPatch, backend: EncoderBackend, one: HardwareEncoder
) -> None:
    monkeypatch.setitem(ENCODERS, backend, {Codec.H264: one})


@pytest.fixture(autouse=True)
def no_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in ENCODERS:
        installed(monkeypatch, backend, ABSENT)


def test_one_that_ffmpeg_lacks_or_that_does_not_open_is_not_taken() -> None:
    assert trial(WORKING, "yuv420p", SIZE) is None
    for broken in (ABSENT, REFUSING):
        assert trial(broken, "yuv420p", SIZE) is not None


def test_one_that_draws_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = av.VideoFrame.from_ndarray(np.full((240, 320), 128, np.uint8), format="gray")
    monkeypatch.setattr(hardware, "_encoded_and_decoded", lambda *_: [grey] * 4)
    told = hardware.trial.__wrapped__(WORKING, "yuv420p", SIZE)
    assert told is not None
    assert "off" in told


def test_auto_takes_the_first_that_works_and_a_name_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert working_encoder(EncoderBackend.AUTO, Codec.H264, "yuv420p", SIZE) is None
    installed(monkeypatch, EncoderBackend.QSV, WORKING)

    assert working_encoder(EncoderBackend.AUTO, Codec.H264, "yuv420p", SIZE) is WORKING
    assert working_encoder(EncoderBackend.QSV, Codec.H264, "yuv420p", SIZE) is WORKING
    assert working_encoder(EncoderBackend.NVENC, Codec.H264, "yuv420p", SIZE) is None
    assert working_encoder(EncoderBackend.SOFTWARE, Codec.H264, "yuv420p", SIZE) is None
    assert working_encoder(EncoderBackend.AUTO, Codec.AV1, "yuv420p", SIZE) is None
    assert working_encoder(EncoderBackend.AUTO, Codec.H264, "yuv420p10le", SIZE) is None


def test_what_hardware_would_lose_is_left_to_the_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    formats = {"yuv420p": "yuv420p", "yuv420p10le": "p010le", "yuv444p": "yuv444p"}
    takes_all = HardwareEncoder("libx264", formats, "crf", {})
    takes_deep = HardwareEncoder("libx265", formats | {"yuv420p10le": "yuv420p10le"}, "crf", {})
    monkeypatch.setitem(
        ENCODERS, EncoderBackend.NVENC, {Codec.H264: takes_all, Codec.HEVC: takes_deep}
    )
    plain = make_video(tmp_path / "plain.mp4")
    deep = Clip(
        codec="libx265",
        pixel_format="yuv420p10le",
        options={"x265-params": "log-level=error"},
        colors=(9, 16, 9, 1),
    )
    hdr = make_video(tmp_path / "hdr.mp4", deep)
    settings = EncoderSettings(backend=EncoderBackend.NVENC)

    assert encoding_of(probe(plain), plain, settings).hardware is takes_all
    assert encoding_of(probe(plain), plain, settings.changed({"chroma": "444"})).hardware is None
    assert encoding_of(probe(hdr), hdr, settings).hardware is None


def planes(video: Path) -> NDArray[np.uint8]:
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    return np.asarray(frames, dtype=np.uint8)


def test_it_gets_the_same_samples_in_its_own_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source, out = make_video(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    installed(monkeypatch, EncoderBackend.NVENC, LOSSLESS)

    transcode(source, out, EncoderSettings(backend=EncoderBackend.NVENC))

    before, after = planes(source), planes(out)
    np.testing.assert_array_equal(before, after)


def test_where_none_works_it_is_said_and_the_processor_encodes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = make_video(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with caplog.at_level(logging.INFO, logger="bystander"):
        transcode(source, out, EncoderSettings(backend=EncoderBackend.AUTO))

    assert [r.levelname for r in caplog.records if "the processor does" in r.message] == ["WARNING"]
    assert probe(out).frame_count == probe(source).frame_count


class Failing:
    """A codec context whose hardware is gone after a few pictures."""

    def __init__(self, context: Any) -> None:
        self._context, self._left = context, 5

    def encode_lazy(self, picture: av.VideoFrame | None) -> Iterator[Packet[VideoStream]]:
        self._left -= 1
        if self._left < 0:
            raise av.error.ExternalError(errno.EIO, "the device is lost")
        yield from self._context.encode_lazy(picture)


def failing_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, EncoderBackend.NVENC, WORKING)
    begin = Encoder.__init__

    def begin_failing(self: Encoder, context: Any, info: Any, encoding: Any) -> None:
        given: Any = Failing(context) if encoding.hardware else context
        begin(self, given, info, encoding)

    monkeypatch.setattr(encoder.Encoder, "__init__", begin_failing)


def test_one_that_fails_midway_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing_hardware(monkeypatch)
    source, out = make_video(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with pytest.raises(HardwareEncoderFailed, match="the device is lost"):
        transcode(source, out, EncoderSettings(backend=EncoderBackend.NVENC))
    assert not out.exists()


def test_rendering_begins_again_on_the_processor_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_video(tmp_path / "source.mp4")
    timeline = Timeline.load(make_timeline(tmp_path / "t", source, {"p1": Decision.MASK}))
    settings = EncoderSettings(preset="ultrafast")
    render(source, timeline, tmp_path / "software.mp4", encoder=settings)
    failing_hardware(monkeypatch)

    with caplog.at_level(logging.INFO, logger="bystander"):
        wanted = settings.changed({"backend": EncoderBackend.NVENC})
        render(source, timeline, tmp_path / "out.mp4", encoder=wanted)

    assert len([r for r in caplog.records if "the device is lost" in r.message]) == 1
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "software.mp4").read_bytes()
