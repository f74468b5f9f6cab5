"""Smart render against encoding everything: time, and whether every frame is what it should be.

python -m benchmarks.smart_render [--folder FOLDER] [--browser]

Two films are made. One of a minute at 1280x720 has people in ten seconds of it: what lies
outside is to be the source's packets, and every frame right in two decoders. One of ten minutes
at 640x360 has two groups of people in turn, of whom the second is kept afterwards: only segments
with it are to be encoded again. People are insightface's group photo, moved over drawn patches;
the masks are where it is, as rendering alone is measured; no network is needed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import imageio_ffmpeg
import numpy as np
from av.video.stream import VideoStream
from insightface.data import get_image
from numpy.typing import NDArray

from benchmarks.measure import measure
from bystander.geometry.masks import Mask
from bystander.media.demux import fingerprint
from bystander.media.h264 import IDR_SLICE, SLICE, units_of_lengths
from bystander.media.probe import probe
from bystander.timeline.archive import TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Person,
    Shot,
    Sighting,
    Tracklet,
    Verdict,
)

RATE: Final = 25
GRID: Final = (640, 360)
GROUP_FRAMES: Final = 50
"""From one keyframe to the next, as cameras and messengers write them: two seconds."""
MIN_MASKED_CHANGE: Final = 4.0
"""Grey levels by which the people in a masked frame differ from the source's, at least."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Film:
    """A film to be made: people appear in some spans of frames, each span another person."""

    name: str
    size: tuple[int, int]
    frames: int
    people: tuple[tuple[int, int], ...]

    def place(self, number: int) -> tuple[int, int, int, int] | None:
        """x0, y0, x1, y1 of the people in a frame, grid pixels."""
        for start, stop in self.people:
            if start <= number < stop:
                x = 20 + 2 * ((number - start) % 100)
                return x, 60, x + 320, 320
        return None

    def pictures(self) -> Iterator[Picture]:
        """uint8 [H, W, 3] RGB each."""
        width, height = self.size
        scale = width / GRID[0]
        patches = np.random.default_rng(0).uniform(40, 200, (height // 20, width // 10, 3))
        large = cv2.resize(patches.astype(np.float32), (2 * width, height)).clip(0, 255)
        ground = large.astype(np.uint8)
        grain = np.random.default_rng(1).integers(0, 9, (height, 2 * width, 3), np.uint8)
        group = get_image("t1")[:, :, ::-1]
        for number in range(self.frames):
            left = number * 2 % width
            picture = ground[:, left : left + width] + grain[:, width - left : 2 * width - left]
            if (place := self.place(number)) is not None:
                x0, y0, x1, y1 = (round(v * scale) for v in place)
                picture[y0:y1, x0:x1] = cv2.resize(group, (x1 - x0, y1 - y0))
            yield picture


def made(film: Film, folder: Path) -> tuple[Path, Path]:
    """The film and its timeline, as files."""
    path = folder / f"{film.name}.mp4"
    with av.open(str(path), "w") as output:
        options = {
            "preset": "fast",
            "crf": "20",
            "g": str(GROUP_FRAMES),
            "x264-params": "scenecut=0",
        }
        stream = output.add_stream("libx264", rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = film.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_type = "AUTO"
        for picture in film.pictures():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
    timeline = folder / f"{film.name}.timeline"
    info = probe(path)
    tick = round(1 / (RATE * info.time_base))
    masked = Evidence(EvidenceKind.NONE)
    tracklets = tuple(
        Tracklet(
            number, 0, start, stop, stop - start, 260.0 * film.size[0] / GRID[0], None,
            (Verdict(start, stop, Decision.MASK, masked),),
        )
        for number, (start, stop) in enumerate(film.people)
    )  # fmt: skip
    persons = tuple(
        Person(f"p{t.id + 1}", None, (t.id,), (t.end - t.start) / RATE) for t in tracklets
    )
    facts = SourceVideo(
        *film.size, info.time_base.as_integer_ratio(), film.frames, RATE, fingerprint(path)
    )
    with TimelineWriter(timeline) as writer:
        for number in range(film.frames):
            place = film.place(number)
            seen: tuple[Sighting, ...] = ()
            if place is not None:
                (who,) = (t.id for t in tracklets if t.start <= number < t.end)
                bits = np.ones((place[3] - place[1], place[2] - place[0]), dtype=bool)
                box = (float(place[0]), float(place[1]), float(place[2]), float(place[3]))
                seen = (Sighting(who, box, 0.9, Mask(place[0], place[1], bits)),)
            writer.add_frame(FrameRecord(number, info.start_pts + tick * number, seen))
        writer.finish(Header(facts, GRID, (Shot(0, film.frames),), tracklets, persons, {}))
    return path, timeline


def timed(what: str, video: Path, timeline: Path, out: Path, *options: str) -> float:
    """Render by the command line, and tell what that took; seconds of processor time."""
    command = [sys.executable, "-m", "bystander", "render", str(video), str(timeline)]
    took = measure([*command, "-o", str(out), "--overwrite", *options])
    size = out.stat().st_size / 1e6
    print(f"{what:44} {took.wall:7.1f} s {took.cpu:7.1f} s CPU {size:7.1f} MB", flush=True)
    return took.cpu


def coded(path: Path) -> list[bytes]:
    """The slices of each frame, in the order in which they are shown."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    packets.sort(key=lambda packet: packet.pts or 0)
    return [
        b"".join(u for u in units_of_lengths(bytes(p), 4) if u[0] & 31 in (SLICE, IDR_SLICE))
        for p in packets
    ]


def decoded(path: Path) -> Iterator[tuple[int, Picture]]:
    """Timestamp, and planes as one array, of each frame."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.pts or 0, np.asarray(frame.to_ndarray(), dtype=np.uint8)


def decoded_by_ffmpeg(path: Path, size: tuple[int, int]) -> Iterator[Picture]:
    """The same by FFmpeg itself, which is of another version."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    shape = (size[1] * 3 // 2, size[0])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(shape[0] * shape[1]):
            yield np.frombuffer(block, np.uint8).reshape(shape)


def checked(film: Film, source: Path, out: Path) -> None:
    """Compare the result with the source, frame by frame, and tell what was found.

    Raises:
        AssertionError: a frame isn't what it should be.
    """
    before, after = coded(source), coded(out)
    assert len(before) == len(after) == film.frames
    copied = [a == b for a, b in zip(before, after, strict=True)]
    scale = film.size[0] / GRID[0]
    masked, least = 0, 255.0
    triples = zip(
        decoded(source), decoded(out), decoded_by_ffmpeg(out, film.size), copied, strict=True
    )
    for number, ((pts, old), (shown, new), other, same) in enumerate(triples):
        assert pts == shown, f"frame {number} is shown at {shown}, not {pts}"
        assert np.array_equal(new, other), f"frame {number} isn't decoded alike"
        assert np.array_equal(old, new) or not same, f"frame {number} is copied, and another"
        if (place := film.place(number)) is not None:
            assert not same, f"frame {number} shows people, and is copied"
            x0, y0, x1, y1 = (round(v * scale) for v in place)
            change = float(cv2.absdiff(old[y0:y1, x0:x1], new[y0:y1, x0:x1]).mean())
            masked, least = masked + 1, min(least, change)
    assert least >= MIN_MASKED_CHANGE, f"only {least:.1f} levels changed in a masked frame"
    print(f"  {sum(copied)} of {film.frames} frames have the source's slices, byte for byte, and")
    print("  pictures bit for bit, in PyAV and in FFmpeg; all times are the source's;")
    print(f"  {masked} masked, each changed by {least:.1f} levels and more")
    joints = [n for n in range(1, film.frames) if copied[n] != copied[n - 1]]
    print(f"  joints at frames {joints}: {sought(out, [0, *joints])} seeks gave the right picture")


def sought(out: Path, joints: Sequence[int]) -> int:
    """Seek to, before and behind each of some frames; how often that gave what playing gives."""
    wanted = sorted({n + d for n in joints for d in (-30, -1, 0, 1, 30) if n + d >= 0})
    played = {n: (pts, new) for n, (pts, new) in enumerate(decoded(out)) if n in set(wanted)}
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        for number in wanted:
            pts, picture = played[number]
            container.seek(pts, stream=stream)
            found = next(frame for frame in container.decode(stream) if frame.pts == pts)
            assert np.array_equal(found.to_ndarray(), picture), f"frame {number} sought is another"
    return len(wanted)


BROWSER_SCRIPT: Final = """async ([source, times]) => {
  const video = document.createElement('video');
  video.muted = true;
  video.src = source;
  document.body.append(video);
  await new Promise((done, failed) => { video.onloadeddata = done; video.onerror = failed; });
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const shown = [];
  for (const time of times) {
    await new Promise(done => { video.onseeked = done; video.currentTime = time; });
    context.drawImage(video, 0, 0);
    shown.push(Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data
      .filter((_, i) => i % 4 === 1).filter((_, i) => i % 997 === 0)));
  }
  video.currentTime = times[1] - 1.5;
  video.playbackRate = 2;
  await video.play();
  await new Promise(done => {
    video.ontimeupdate = () => video.currentTime > times[1] + 1 && done();
  });
  const quality = video.getVideoPlaybackQuality();
  return [shown, quality.totalVideoFrames, quality.corruptedVideoFrames, video.error === null];
}"""


def played_by_a_browser(out: Path, frames: Sequence[int]) -> None:
    """Seek in Chromium to some frames, and play over the first joint; tell what was seen.

    The colours of the films aren't tagged: large ones Chromium takes for BT.709, which makes a
    difference of a few levels to what is compared here.
    """
    from playwright.sync_api import sync_playwright

    times = [(number + 0.5) / RATE for number in frames]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--allow-file-access-from-files"]
        )
        page = browser.new_page()
        page.goto(out.parent.as_uri() + "/")
        shown, total, corrupt, fine = page.evaluate(BROWSER_SCRIPT, [out.as_uri(), times])
        version = browser.version
        browser.close()
    assert len({tuple(picture) for picture in shown}) == len(frames), "pictures sought are alike"
    worst = 0.0
    for number, (_, planes) in enumerate(decoded(out)):
        if number in frames:
            pixels = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)
            green = pixels[:, :, 1].ravel()[::997].astype(int)
            seen = np.array(shown[list(frames).index(number)])
            worst = max(worst, float(np.abs(green - seen[: len(green)]).mean()))
    print(f"  Chromium {version}: {len(frames)} frames sought differ by {worst:.1f} levels at most")
    print(
        f"  on average; played over a joint: {total} frames, {corrupt} corrupt, error: {not fine}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the films go; by default nowhere")
    parser.add_argument("--browser", action="store_true", help="also play the result in Chromium")
    parser.add_argument("--width", type=int, default=1280, help="of the first film, 16:9")
    parser.add_argument("--minutes", type=float, default=10, help="length of the second film")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        minute = Film(
            "minute", (given.width, given.width * 9 // 16), 60 * RATE, ((20 * RATE, 30 * RATE),)
        )
        video, timeline = made(minute, folder)
        out = folder / "smart.mp4"
        print(f"{minute.name}: {minute.size[0]}x{minute.size[1]}, {minute.frames} frames")
        whole = timed("  everything encoded", video, timeline, folder / "whole.mp4",
                      "--smart-render", "off")  # fmt: skip
        smart = timed("  smart render", video, timeline, out)
        print(f"  {whole / smart:.1f} x less processor time")
        checked(minute, video, out)
        if given.browser:
            played_by_a_browser(out, (0, 499, 500, 510, 749, 750, 751, 1000, 1499))
        count = round(given.minutes * 60 * RATE)
        turns = ((count // 10, count // 10 * 4), (count // 2, count // 2 + 30 * RATE))
        long = Film("long", (640, 360), count, turns)
        video, timeline = made(long, folder)
        print(f"{long.name}: {long.size[0]}x{long.size[1]}, {long.frames} frames; the second kept")
        for smart_render in ("off", "auto"):
            kept = ["--segments", str(folder / smart_render), "--smart-render", smart_render]
            first = timed(f"  smart render {smart_render}, first", video, timeline, out, *kept)
            again = timed(f"  smart render {smart_render}, p2 kept", video, timeline, out,
                          *kept, "--keep", "p2")  # fmt: skip
            print(f"  {first / again:.1f} x less processor time")


if __name__ == "__main__":
    main()
