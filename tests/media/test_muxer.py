from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from pydantic import ValidationError

from benchmarks.transcode import transcode
from bystander.choices import Codec
from bystander.errors import OutputExists, OutputUnwritable, UnsupportedVideo
from bystander.media.encoder import EncoderSettings
from bystander.media.muxer import VideoWriter, check_output
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from tests.support.videos import Clip, Sound, make_video

FAST = EncoderSettings(preset="ultrafast")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return make_video(folder / "v.mp4", Clip(sounds=[Sound()]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("frames", [0, 10, 24])
def test_an_interrupted_write_leaves_nothing(
    source: Path, folder: Path, error: type[BaseException], frames: int
) -> None:
    info = probe(source)
    with pytest.raises(error), VideoReader(source, info) as reader:  # noqa: PT012, SIM117
        with VideoWriter(folder / "o.mp4", info, source, FAST) as writer:
            for frame in reader:
                if frame.index == frames:
                    raise error
                writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
            raise error

    assert list(folder.iterdir()) == []


def test_an_interrupted_write_leaves_the_older_file_alone(source: Path, folder: Path) -> None:
    (folder / "o.mp4").write_text("older")
    info = probe(source)
    with (
        pytest.raises(KeyboardInterrupt),
        VideoWriter(folder / "o.mp4", info, source, FAST, overwrite=True),
    ):
        raise KeyboardInterrupt

    assert [path.name for path in folder.iterdir()] == ["o.mp4"]
    assert (folder / "o.mp4").read_text() == "older"


def test_nothing_has_its_name_until_it_is_complete(source: Path, folder: Path) -> None:
    info = probe(source)
    with (
        VideoReader(source, info) as reader,
        VideoWriter(folder / "o.mp4", info, source, FAST) as writer,
    ):
        for frame in reader:
            writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
            assert not (folder / "o.mp4").exists()
            assert all(path.name.startswith(".") for path in folder.iterdir())

    assert [path.name for path in folder.iterdir()] == ["o.mp4"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 3000, 24_000])
def test_a_full_disk_is_an_error_that_leaves_nothing(source: Path, folder: Path, size: int) -> None:
    transcode(source, folder / "whole.mp4", FAST)
    assert (folder / "whole.mp4").stat().st_size > 24_000

    with pytest.raises(OutputUnwritable, match=r"o\.mp4 can't be written"), largest_file(size):
        transcode(source, folder / "o.mp4", FAST)

    assert [path.name for path in folder.iterdir()] == ["whole.mp4"]


def test_an_existing_file_is_replaced_only_if_asked(source: Path, folder: Path) -> None:
    (folder / "o.mp4").write_text("older")

    with pytest.raises(OutputExists, match=r"o\.mp4 exists"):
        transcode(source, folder / "o.mp4", FAST)
    assert (folder / "o.mp4").read_text() == "older"

    transcode(source, folder / "o.mp4", FAST, overwrite=True)
    assert probe(folder / "o.mp4").frame_count == 24


def test_a_file_that_appears_meanwhile_is_not_replaced(source: Path, folder: Path) -> None:
    info = probe(source)
    with pytest.raises(OutputExists), VideoReader(source, info) as reader:  # noqa: PT012, SIM117
        with VideoWriter(folder / "o.mp4", info, source, FAST) as writer:
            for frame in reader:
                writer.write(frame.upright(writer.pixel_format), frame.pts, frame.duration)
            (folder / "o.mp4").write_text("another's")

    assert (folder / "o.mp4").read_text() == "another's"
    assert [path.name for path in folder.iterdir()] == ["o.mp4"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("o.webm", "'.webm'"), ("o", "''"), ("nowhere/o.mp4", "doesn't exist"), ("d.mp4", "regular")],
)
def test_an_output_that_can_not_be_is_refused_before_any_work(
    source: Path, folder: Path, name: str, reason: str
) -> None:
    (folder / "d.mp4").mkdir()

    with pytest.raises(OutputUnwritable, match=reason):
        check_output(folder / name, source, overwrite=True)


def test_a_folder_without_permission_is_refused(source: Path, folder: Path) -> None:
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(OutputUnwritable, match="can't be written to"):
        check_output(folder / "o.mp4", source)


@pytest.mark.parametrize("link", [False, True])
def test_the_source_is_never_overwritten(source: Path, folder: Path, link: bool) -> None:
    out = source
    if link:
        out = folder / "o.mp4"
        out.symlink_to(source)

    with pytest.raises(OutputUnwritable, match="source itself"):
        check_output(out, source, overwrite=True)


def test_a_size_the_encoder_does_not_take_is_refused(tmp_path: Path, folder: Path) -> None:
    source = make_video(tmp_path / "v.mp4")

    with pytest.raises(UnsupportedVideo, match="320x240"):
        transcode(source, folder / "o.mp4", EncoderSettings(codec=Codec.AV1, chroma="444"))
    assert list(folder.iterdir()) == []


def test_a_picture_that_does_not_fit_is_refused(source: Path, folder: Path) -> None:
    info = probe(source)
    with (
        pytest.raises(ValueError, match="expected a picture"),
        VideoWriter(folder / "o.mp4", info, source, FAST) as writer,
    ):
        writer.write(av.VideoFrame(64, 64, "yuv420p"), 0, 512)


@pytest.mark.parametrize(
    "wrong", [{"codec": "vp9"}, {"crf": 52}, {"crf": -1}, {"preset": "turbo"}, {"bitrate": 5}]
)
def test_settings_check_themselves(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EncoderSettings.model_validate(wrong)


def test_abandoning_a_file_says_nothing_alarming(
    source: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "bystander"),
        pytest.raises(KeyboardInterrupt),
        VideoWriter(folder / "o.mp4", probe(source), source, FAST),
    ):
        raise KeyboardInterrupt
    assert not caplog.records
