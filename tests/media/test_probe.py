from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from bystander.errors import NotAVideo, TruncatedVideo, UnsupportedVideo, VideoError
from bystander.media.display import UPRIGHT, Orientation
from bystander.media.probe import ProbeLimits, probe
from tests.conftest import shared
from tests.support.videos import (
    Clip,
    Sound,
    make_audio,
    make_cover_only,
    make_encrypted,
    make_frameless,
    make_tell_tale_video,
    make_video,
    remuxed,
    truncated,
)

Maker = Callable[[Path], Path]


def test_it_tells_what_a_plain_video_holds(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "v.mp4", Clip(sounds=[Sound("aac"), Sound("ac3")])))

    assert (info.codec, info.pixel_format, info.bit_depth) == ("h264", "yuv420p", 8)
    assert (info.width, info.height, info.orientation) == (320, 240, UPRIGHT)
    assert (info.frame_count, info.frame_count_exact) == (24, True)
    assert (info.time_base, info.average_rate) == (Fraction(1, 12_800), Fraction(25))
    assert (info.start_pts, info.end_pts, info.duration) == (0, 24 * 512, 0.96)
    assert not info.variable_frame_rate
    assert not info.is_hdr
    tracks = [(t.index, t.codec, t.channels, t.sample_rate) for t in info.audio]
    assert tracks == [(1, "aac", 2, 48_000), (2, "ac3", 2, 48_000)]


def test_uneven_timestamps_are_a_variable_frame_rate(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "v.mp4", Clip(pts=[100, 200, 250, 900], last_duration=70)))

    assert info.variable_frame_rate
    assert (info.start_pts, info.end_pts) == (100, 970)


def test_milliseconds_that_round_a_constant_rate_are_no_variable_rate(tmp_path: Path) -> None:
    thirds = Clip(
        pts=[round(n * 100 / 3) for n in range(12)], time_base=Fraction(1, 1000), last_duration=33
    )
    assert not probe(make_video(tmp_path / "v.mkv", thirds)).variable_frame_rate


@pytest.mark.parametrize(
    ("rotation", "size"), [(90, (240, 320)), (180, (320, 240)), (270, (240, 320))]
)
def test_the_displayed_size_has_the_rotation_applied(
    tmp_path: Path, rotation: int, size: tuple[int, int]
) -> None:
    clip = Clip(rotation=rotation, aspect=Fraction(4, 3))
    info = probe(make_video(tmp_path / "v.mp4", clip))

    assert info.orientation == Orientation(rotation)
    assert (info.width, info.height) == size
    assert info.sample_aspect_ratio == (Fraction(4, 3) if rotation == 180 else Fraction(3, 4))


def test_colour_tags_and_depth_tell_hdr(tmp_path: Path) -> None:
    info = probe(make_video(tmp_path / "v.mp4", hlg_clip()))

    assert info.is_hdr
    assert info.bit_depth == 10
    colors = (info.color_primaries, info.color_transfer, info.color_matrix, info.color_range)
    assert colors == (9, 18, 9, 1)


def hlg_clip() -> Clip:
    return Clip(
        codec="libx265",
        pixel_format="yuv420p10le",
        colors=(9, 18, 9, 1),
        options={"preset": "ultrafast", "x265-params": "log-level=error"},
    )


def test_cover_art_beside_a_video_is_not_taken_for_it(tmp_path: Path) -> None:
    info = probe(make_tell_tale_video(tmp_path / "v.mp4", tmp_path))

    assert (info.width, info.frame_count) == (320, 24)


def text(content: str) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / "bad.mp4"
        path.write_text(content.format(other=folder / "other.mp4"))
        return path

    return make


def clip_then(change: Callable[[Path, Path], Path], suffix: str = ".mp4") -> Maker:
    def make(folder: Path) -> Path:
        source = remuxed(make_video(folder / "v.mp4"), folder / f"source{suffix}")
        return change(source, folder / f"bad{suffix}")

    return make


def still(folder: Path) -> Path:
    Image.new("RGB", (64, 64)).save(folder / "still.png")
    return folder / "still.png"


def with_size(size: tuple[int, int]) -> Maker:
    clip = Clip(size=size, codec="ffv1", options={}, time_base=Fraction(1, 1000))
    return lambda folder: make_video(folder / "v.mkv", clip)


def cut(source: Path, path: Path) -> Path:
    return truncated(source, path, 0.7)


def index_first(folder: Path) -> Path:
    video = make_video(folder / "v.mp4")
    whole = remuxed(video, folder / "whole.mp4", "-movflags", "faststart")
    return truncated(whole, folder / "bad.mp4", 0.8)


def without_index(folder: Path) -> Path:
    data = make_video(folder / "v.mp4").read_bytes()
    (folder / "bad.mp4").write_bytes(data[: data.rindex(b"moov") - 4])
    return folder / "bad.mp4"


BAD_INPUT: list[tuple[str, Maker, type[VideoError], str]] = [
    ("missing", lambda folder: folder / "no.mp4", NotAVideo, "doesn't exist"),
    ("folder", lambda folder: folder, NotAVideo, "not a regular file"),
    ("empty", text(""), NotAVideo, "is empty"),
    ("text", text("Dear diary"), NotAVideo, "can't be read as a video"),
    ("HLS playlist", text("#EXTM3U\n#EXTINF:1,\n{other}\n"), NotAVideo, "playlists"),
    ("concat playlist", text("ffconcat version 1.0\nfile {other}\n"), NotAVideo, "playlists"),
    ("still picture", still, NotAVideo, "can't be read as a video"),
    ("audio", lambda folder: make_audio(folder / "a.m4a"), NotAVideo, "no picture"),
    ("cover", lambda folder: make_cover_only(folder / "a.m4a", folder), NotAVideo, "still picture"),
    ("frameless", lambda folder: make_frameless(folder / "v.mp4"), NotAVideo, "no video stream"),
    ("cut MP4", clip_then(cut), TruncatedVideo, "missing"),
    ("cut MP4, index first", index_first, TruncatedVideo, "missing"),
    ("MP4 without index", without_index, TruncatedVideo, "never written"),
    ("cut MKV", clip_then(cut, ".mkv"), TruncatedVideo, "missing"),
    ("cut AVI", clip_then(cut, ".avi"), TruncatedVideo, "missing"),
    ("encrypted", clip_then(lambda v, bad: make_encrypted(bad, v)), UnsupportedVideo, "encrypted"),
    ("tiny", with_size((8, 64)), UnsupportedVideo, "8x64"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [row[1:] for row in BAD_INPUT],
    ids=[row[0] for row in BAD_INPUT],
)
def test_bad_input_is_refused_with_its_reason(
    tmp_path: Path, make: Maker, error: type[VideoError], reason: str
) -> None:
    path = make(tmp_path)

    with pytest.raises(error, match=reason) as caught:
        probe(path)
    assert str(path) in caught.value.what


@pytest.mark.parametrize("frames", [4, 24])
@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_pieces_joined_on_one_clock_are_refused(tmp_path: Path, suffix: str, frames: int) -> None:
    clip = Clip(pts=range(0, frames * 512, 512), options={"preset": "ultrafast", "bf": "2"})
    codec = ["-c:v", "mpeg2video", "-bf", "2"] if suffix == ".mpg" else []
    video = make_video(tmp_path / "v.mp4", clip)
    first = remuxed(video, tmp_path / f"first{suffix}", *codec).read_bytes()
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(first + first)

    with pytest.raises(UnsupportedVideo, match=f"jumps back at frame {frames}\\. It was joined"):
        probe(joined)


def test_the_drawn_join_is_refused() -> None:
    with pytest.raises(UnsupportedVideo, match="jumps back at frame 50"):
        probe(shared("bugs", "ts-joined-same-clock-drawn.ts"))


def test_a_playlist_is_refused_although_the_video_it_names_is_good(tmp_path: Path) -> None:
    video = make_video(tmp_path / "other.ts")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video.name}\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(NotAVideo, match="playlists"):
        probe(playlist)


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4").rename(tmp_path / "concat:a|b.mp4")

    assert probe(path).frame_count == 24


def test_a_picture_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVideo, match="320x240"):
        probe(make_video(tmp_path / "v.mp4"), ProbeLimits(max_side=319))


@pytest.mark.parametrize(
    ("clip", "frames", "rate"),
    [
        ("hamilton/video.mp4", 275, Fraction(2997, 100)),
        ("opera/video.mp4", 105, Fraction(25)),
        ("plaza/video.avi", 795, Fraction(10)),
    ],
)
def test_real_clips(clip: str, frames: int, rate: Fraction) -> None:
    info = probe(shared("clips", clip))

    assert (info.frame_count, info.average_rate) == (frames, rate)
