"""What is read of a file with holes is what is read of the whole one, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import NotFetched
from bystander.media import byte_spans
from bystander.media.byte_spans import bytes_of_frames
from bystander.media.demux import fingerprint, open_media
from bystander.media.facts import VideoInfo
from bystander.media.partial_files import Spans, joined_spans, list_of, mark_partial
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader, frames_after
from tests.support.videos import Clip, Sound, make_video, remuxed

pytestmark = pytest.mark.sampled(4)

COUNT = 300
Shown = tuple[int, int, int | None, bool, bytes]
END_BYTES = 2**12


@pytest.fixture(autouse=True)
def short_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made videos are shorter than what a fingerprint is taken of, and than most gaps."""
    monkeypatch.setattr("bystander.media.demux.END_BYTES", END_BYTES)
    monkeypatch.setattr(byte_spans, "END_BYTES", END_BYTES)
    monkeypatch.setattr(byte_spans, "_GAP_BYTES", 0)


def noise(number: int, width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def make_noise(path: Path, codec: str = "libx264", **options: str) -> Path:
    """A video of which every frame takes tens of thousands of bytes, with sound."""
    clip = Clip(
        pts=range(0, COUNT * 512, 512),
        size=(160, 120),
        codec=codec,
        options=options,
        sounds=[Sound()],
    )
    return make_video(path, clip, noise)


@pytest.fixture(scope="module")
def reordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With B-frames, and groups of pictures that reach back over their keyframe."""
    parameters = "keyint=12:min-keyint=12:scenecut=0:open-gop=1"
    return make_noise(
        tmp_path_factory.mktemp("noise") / "source.mp4",
        preset="veryfast",
        bf="3",
        crf="20",
        **{"x264-params": parameters},
    )


def told(frames: Iterable[Frame]) -> list[Shown]:
    """Everything about them."""
    return [
        (f.index, f.pts, f.duration, f.damaged, f.picture.to_ndarray().tobytes()) for f in frames
    ]


def chunk_of(path: Path, info: VideoInfo, whole: list[Shown], first: int, end: int) -> list[Shown]:
    """The frames from number `first` to before `end`, as a chunk reads them."""
    shown = whole[first - 1][1] if first else None
    return told(islice(frames_after(path, info, first, shown), end - first))


def spans_of(path: Path, info: VideoInfo, whole: list[Shown], first: int, end: int) -> Spans:
    start = whole[first - 1][1] + 1 if first else None
    return bytes_of_frames(path, info, start, whole[end][1] if end < len(whole) else None)


def with_holes(source: Path, target: Path, spans: Spans) -> Path:
    """What a machine has that fetched nothing but `spans` of `source`."""
    mark_partial(target, spans)
    with source.open("rb") as whole, target.open("wb") as part:
        part.truncate(source.stat().st_size)
        for start, end in spans:
            whole.seek(start)
            part.seek(start)
            part.write(whole.read(end - start))
    return target


FORMATS: dict[str, tuple[str, Sequence[str], float]] = {
    "mp4": ("mp4", (), 0.4),
    "moov first": ("mp4", ("-movflags", "faststart"), 0.4),
    "mov": ("mov", (), 0.4),
    "fragments": ("mp4", ("-movflags", "frag_keyframe+empty_moov+default_base_moof"), 0.6),
    "mkv": ("mkv", (), 0.4),
    # What has no index is searched through.
    "transport stream": ("ts", (), 0.7),
    "flv": ("flv", (), 1),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_part_of_the_bytes_gives_the_same_frames_to_the_bit(
    name: str, reordered: Path, tmp_path: Path
) -> None:
    ending, options, most = FORMATS[name]
    video = remuxed(reordered, tmp_path / f"whole.{ending}", *options)
    info, size = probe(video), video.stat().st_size
    whole = told(VideoReader(video, info))
    assert len(whole) == COUNT

    for first, end in [(0, 30), (60, 90), (67, 80), (199, 210), (260, 300)]:
        spans = spans_of(video, info, whole, first, end)
        part = with_holes(video, tmp_path / f"{first}.{ending}", spans)

        assert chunk_of(part, info, whole, first, end) == whole[first:end]
        assert fingerprint(part) == fingerprint(video)
        if first == 60:  # a keyframe, which frames before it reach over
            assert sum(b - a for a, b in spans) <= most * size


@pytest.mark.parametrize(
    ("ending", "codec", "pixels"),
    [
        ("avi", "mpeg4", "yuv420p"),
        ("mkv", "rawvideo", "yuv420p"),
        ("mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_other_codecs_and_a_container_without_timestamps(
    ending: str, codec: str, pixels: str, tmp_path: Path
) -> None:
    clip = Clip(range(0, 200 * 512, 512), size=(96, 64), codec=codec, pixel_format=pixels)
    video = make_video(tmp_path / f"whole.{ending}", replace(clip, options={}), noise)
    info = probe(video)
    whole = told(VideoReader(video, info))
    part = with_holes(video, tmp_path / f"part.{ending}", spans_of(video, info, whole, 150, 160))

    assert chunk_of(part, info, whole, 150, 160) == whole[150:160]


def test_reading_what_is_not_there_is_an_error_and_never_a_black_picture(tmp_path: Path) -> None:
    """Uncompressed zeros are a picture like any other."""
    clip = Clip(range(0, 120 * 512, 512), size=(160, 120), codec="rawvideo", options={})
    video = make_video(tmp_path / "whole.mkv", clip, noise)
    info = probe(video)
    whole = told(VideoReader(video, info))
    size = video.stat().st_size
    part = with_holes(video, tmp_path / "part.mkv", ((0, size // 4), (size - END_BYTES, size)))

    frames = frames_after(part, info, 0, None)
    assert told(islice(frames, 20)) == whole[:20]
    with pytest.raises(NotFetched, match=r"part\.mkv isn't here"):
        list(frames)
    with pytest.raises(NotFetched):
        chunk_of(part, info, whole, 60, 70)
    list_of(part).unlink()
    assert not any(frame.damaged for frame in VideoReader(part, info)), "nothing else would tell"


@pytest.mark.parametrize("first", [67, 260])
def test_a_chunk_that_gets_another_ones_bytes_is_refused(
    first: int, reordered: Path, tmp_path: Path
) -> None:
    info = probe(reordered)
    whole = told(VideoReader(reordered, info))
    part = with_holes(reordered, tmp_path / "p.mp4", spans_of(reordered, info, whole, 150, 180))

    with pytest.raises(NotFetched):
        chunk_of(part, info, whole, first, first + 30)


@pytest.mark.parametrize("text", ["", "[", "{}", "[1, 2]", "[[1]]", '[["a", "b"]]', "\0"])
def test_a_list_that_says_nothing_opens_nothing(text: str, reordered: Path, tmp_path: Path) -> None:
    part = with_holes(reordered, tmp_path / "part.mp4", ((0, reordered.stat().st_size),))
    list_of(part).write_text(text)

    with pytest.raises(NotFetched, match=r"part\.mp4"):
        open_media(part)


def test_a_name_as_long_as_can_be_has_no_list(tmp_path: Path) -> None:
    video = make_video(tmp_path / ("v" * 251 + ".mp4"))

    with open_media(video) as container:
        assert container.streams.video


def test_an_animated_webp_is_fetched_whole(reordered: Path) -> None:
    info = replace(probe(reordered), container="webp")

    assert bytes_of_frames(reordered, info, 1, 2) == ((0, reordered.stat().st_size),)


@pytest.mark.parametrize(
    ("spans", "gap", "expected"),
    [
        ([], 0, ()),
        ([(5, 5)], 0, ()),
        ([(4, 6), (0, 2), (2, 3)], 0, ((0, 3), (4, 6))),
        ([(0, 9), (1, 2), (8, 12)], 0, ((0, 12),)),
        ([(0, 2), (4, 6), (9, 10)], 2, ((0, 6), (9, 10))),
    ],
)
def test_spans_are_joined(spans: list[tuple[int, int]], gap: int, expected: Spans) -> None:
    assert joined_spans(spans, gap) == expected
