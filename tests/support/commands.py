"""Running commands as a terminal does, and judging what they say."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from bystander.cli.app import app
from bystander.media.demux import fingerprint
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
from tests.support.videos import Clip, make_video
from tests.support.waiting import HANGS_AFTER_SECONDS
from tests.tracking.figures import figure

COMMANDS = [
    "mask",
    "analyze",
    "people",
    "render",
    "edit",
    "estimate",
    "doctor",
    "demo",
    "models list",
    "models pull",
]


def make_timeline(path: Path, video: Path, people: dict[str, Decision]) -> Path:
    """Made by hand: people stand still at x = 180, 250, ... for the whole video."""
    info = probe(video)
    frames = info.frame_count
    step = round(1 / (info.average_rate * info.time_base))
    spots = [figure(180 + 70 * number) for number in range(len(people))]
    evidence = Evidence(EvidenceKind.FACE, None, 0.625, 9, "9 of 9 face samples over 3.8 s match")
    with TimelineWriter(path) as writer:
        for index in range(frames):
            sightings = tuple(
                Sighting(number, spot.box, 0.9, spot.mask) for number, spot in enumerate(spots, 1)
            )
            writer.add_frame(FrameRecord(index, index * step, sightings))
        tracklets = tuple(
            Tracklet(n, 0, 0, frames, frames, 80.0, None, (Verdict(0, frames, choice, evidence),))
            for n, choice in enumerate(people.values(), 1)
        )
        persons = tuple(Person(name, None, (n,), 0.96) for n, name in enumerate(people, 1))
        size, clock = (info.width, info.height), info.time_base.as_integer_ratio()
        rate = float(info.average_rate)
        facts = SourceVideo(*size, clock, frames, rate, fingerprint(video))
        writer.finish(Header(facts, size, (Shot(0, frames),), tracklets, persons, {}))
    return path


def call(*arguments: str | Path) -> Result:
    """Run a command within this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def events(stdout: str) -> list[dict[str, Any]]:
    """Every line of standard output, each of which must be a JSON object with an event."""
    found = [json.loads(line) for line in stdout.splitlines()]
    assert all(isinstance(event["event"], str) for event in found)
    return found


def succeeded(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result, code: int, *words: str | Path) -> None:
    """It ended with `code` and two lines: what happened, naming `words`, and what to do."""
    assert result.exit_code == code, result.output
    check_message(result.stderr, *words)
    assert result.stdout == ""


def check_message(stderr: str, *words: str | Path) -> None:
    assert "Traceback" not in stderr
    what, advice = stderr.splitlines()
    assert what.startswith("error: ")
    assert advice.startswith("       ")
    assert advice.strip().endswith(".")
    for word in words:
        assert str(word) in what + advice


def nothing_in(*folders: Path) -> bool:
    return not any(entry for folder in folders for entry in folder.iterdir())


# Tools.


def magenta(video: Path) -> NDArray[np.bool_]:
    """Where a video is the solid colour: bool [F, H, W]."""
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    pixels = np.stack(frames).astype(int)
    return np.asarray(np.abs(pixels - [255, 0, 255]).max(axis=3) < 60)


def noise(path: Path, frames: int, size: tuple[int, int]) -> Path:
    """A video that is hard to encode."""
    rng = np.random.default_rng(0)

    def picture(_: int, width: int, height: int) -> NDArray[np.uint8]:
        return rng.integers(0, 255, (height, width, 3), np.uint8)

    return make_video(path, Clip(pts=range(0, 512 * frames, 512), size=size), picture)


def process(
    *arguments: str | Path, prefix: Sequence[str] = (), limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own, its files no larger than `limit` bytes."""

    def prepare() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [*prefix, sys.executable, "-m", "bystander", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
        preexec_fn=prepare,
    )


def on_a_full_disk(
    folder: Path, *arguments: str | Path, room: int = 8192
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run a command with `folder` on a disk of `room` bytes; also what was left there.

    The disk is a tmpfs that only the command sees. Where that isn't allowed, no file
    may become larger than `room`.
    """
    folder.mkdir()
    listing = folder.with_suffix(".listing")
    script = (
        f'mount -t tmpfs -o size={room} tmpfs "$0" || exit 99; shift 0; '
        'listing=$1; shift; "$@"; code=$?; ls -A "$0" >"$listing"; exit $code'
    )
    mounted = ["unshare", "-rm", "sh", "-c", script, str(folder), str(listing)]
    try:
        able = subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if able:
        ended = process(*arguments, prefix=mounted)
        return ended, listing.read_text().split()
    return process(*arguments, limit=room), os.listdir(folder)


@dataclass(frozen=True)
class Stopped:
    """How a program ended on a signal."""

    code: int
    stdout: str
    stderr: str


def stop_when(
    due: Callable[[dict[str, Any]], bool],
    number: signal.Signals,
    *arguments: str | Path,
) -> Stopped:
    """Send a signal to a command once it has told of a certain event."""

    def hear() -> None:  # what starts the tests may have told them to ignore Ctrl-C
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-m", "bystander", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear
    ) as started:
        assert started.stdout is not None
        lines = []
        for line in started.stdout:
            lines.append(line)
            if due(json.loads(line)):
                break
        started.send_signal(number)
        rest, stderr = started.communicate(timeout=HANGS_AFTER_SECONDS)
    return Stopped(started.returncode, "".join(lines) + rest, stderr)
