"""A copy of a video that every browser plays, with the same frames at the same times."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from bystander.errors import Cancelled, NotAVideo, VideoError
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.sandbox import ClipFacts, Limits, make_proxy, proxy_bytes
from tests.conftest import REPOSITORY, sampled
from tests.support.videos import Clip, Sound, make_video
from tests.support.waiting import alive, until

pytestmark = pytest.mark.long

LIMITS = Limits()
UNEVEN = [0, 1, 2, 3, 10, 11, 12, 60, 61, 120]


def proxy_of(path: Path, shares: list[float] | None = None) -> tuple[Path, ClipFacts]:
    target = path.with_name("proxy.mp4")
    hear = (shares if shares is not None else []).append
    return target, make_proxy(path, LIMITS, 1.0, target, hear, lambda: False)


def times_of(path: Path) -> list[Fraction]:
    """When a player shows each frame, seconds."""
    info = probe(path)
    return [(frame.pts - info.origin_pts) * info.time_base for frame in VideoReader(path, info)]


@pytest.mark.parametrize("suffix", sampled([".mkv", ".ts", ".avi", ".mov"], 4))
@pytest.mark.parametrize(
    "clip",
    [
        Clip(size=(160, 120)),
        Clip(
            size=(160, 120),
            pts=[1001 * step for step in range(20)],
            time_base=Fraction(1, 30_000),
        ),
        Clip(
            size=(160, 120),
            pts=[100 * step for step in UNEVEN],
            time_base=Fraction(1, 24_000),
            sounds=[Sound()],
        ),
    ],
    ids=["even", "ntsc", "uneven"],
)
@pytest.mark.sampled(6)
def test_every_frame_is_there_when_a_player_shows_it(
    tmp_path: Path, suffix: str, clip: Clip
) -> None:
    if suffix == ".avi" and clip.sounds:
        pytest.skip("AVI has no uneven frames")
    path = make_video(tmp_path / f"v{suffix}", clip)
    proxy, facts = proxy_of(path)
    assert times_of(proxy) == times_of(path)
    assert facts.frames == len(clip.pts)


def test_it_shows_the_same_pictures(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv")
    proxy, _ = proxy_of(path)
    shown = [frame.rgb() for frame in VideoReader(proxy, probe(proxy))]
    for frame, picture in zip(VideoReader(path, probe(path)), shown, strict=True):
        assert np.abs(frame.rgb().astype(int) - picture).mean() < 4


def test_browsers_play_it_and_it_is_small_silent_and_quick_to_seek(tmp_path: Path) -> None:
    clip = Clip(
        size=(1600, 800), sounds=[Sound()], metadata={"title": "Annas birthday"}, rotation=90,
        codec="libx265", options={"preset": "ultrafast"},
    )  # fmt: skip
    shares: list[float] = []
    proxy, facts = proxy_of(make_video(tmp_path / "v.mov", clip), shares)
    assert (facts.width, facts.height) == (640, 1280)
    with av.open(str(proxy)) as container:
        (stream,) = container.streams
        video = container.streams.video[0]
        assert (stream.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (640, 1280)
        packets = [packet for packet in container.demux(video) if packet.size]
    keyframes = [n for n, packet in enumerate(packets) if packet.is_keyframe]
    assert max(after - before for before, after in pairwise([*keyframes, len(packets)])) <= 12
    assert all(packet.pts == packet.dts for packet in packets)
    content = proxy.read_bytes()
    assert b"birthday" not in content
    assert content.index(b"moov") < content.index(b"mdat")
    assert shares == sorted(shares)
    assert shares
    assert 0 < shares[0] <= 1


def test_one_that_nobody_wants_any_more_leaves_nothing(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv")
    with pytest.raises(Cancelled):
        make_proxy(path, LIMITS, 1.0, tmp_path / "p.mp4", lambda _: None, lambda: True)
    assert os.listdir(tmp_path) == ["v.mkv"]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    path.write_text("nothing")
    with pytest.raises(NotAVideo, match=r"^the video can't be read"):
        proxy_of(path)
    assert os.listdir(tmp_path) == ["v.mkv"]


def test_one_that_grows_too_large_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    clip = Clip(pts=range(0, 80 * 512, 512), size=(640, 480), options={"preset": "ultrafast"})
    path = make_video(tmp_path / "v.mkv", clip, lambda n, *_: np.roll(noise, 97 * n, (0, 1)))
    limits = Limits(output=2**20)
    with pytest.raises(VideoError, match="within the limits"):
        make_proxy(path, limits, 0.0, tmp_path / "p.mp4", lambda _: None, lambda: False)
    assert os.listdir(tmp_path) == ["v.mkv"]
    # In proportion to its length it may be as large as what it is encoded with makes it.
    make_proxy(path, limits, 3.2, tmp_path / "p.mp4", lambda _: None, lambda: False)
    assert 2**20 < (tmp_path / "p.mp4").stat().st_size < 2**20 + proxy_bytes(3.2)


MAKING = """
import sys
from pathlib import Path
from bystander.sandbox import Limits, make_proxy
path = Path(sys.argv[1])
tell = lambda share: print(share, flush=True)
make_proxy(path, Limits(), 60.0, path.with_name("p.mp4"), tell, lambda: False)
"""


def test_it_ends_with_the_service_that_makes_it(tmp_path: Path) -> None:
    clip = Clip(pts=range(0, 1500 * 512, 512), options={"preset": "ultrafast"})
    path = make_video(tmp_path / "v.mkv", clip)
    command = [sys.executable, "-c", MAKING, str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        assert service.stdout.readline()  # it is at it, and confined
        (child,) = psutil.Process(service.pid).children()
        service.kill()
    until(lambda: not alive(child.pid))
