"""Damage, full disks, stops and closed pipes: told, and nothing left behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bystander.timeline.types import Decision
from tests.conftest import shared
from tests.support.commands import (
    call,
    check_message,
    events,
    make_timeline,
    noise,
    nothing_in,
    on_a_full_disk,
    stop_when,
    succeeded,
)
from tests.support.videos import damaged

pytestmark = pytest.mark.long


@pytest.mark.long
def test_damage_is_said_in_one_line_for_all_passes(
    networks: None, drawn: Path, tmp_path: Path, output: Path
) -> None:
    broken = damaged(drawn, tmp_path / "broken.mp4", [5, 6, 20])
    said = call("mask", broken, "-o", output, "--audit").stderr
    lines = [line for line in said.splitlines() if "damaged" in line]
    assert len(lines) == 1
    assert re.search(r"broken\.mp4: \d+ frames are damaged \(first: 5\)", lines[0])


@pytest.mark.long
def test_a_full_disk_leaves_no_half_of_a_video(tmp_path: Path, scratch: Path) -> None:
    video = noise(tmp_path / "noise.mp4", 24, (320, 240))
    timeline = make_timeline(tmp_path / "timeline", video, {"p1": Decision.KEEP})
    output = tmp_path / "full" / "masked.mp4"

    ended, left = on_a_full_disk(output.parent, "render", video, timeline, "-o", output)

    assert ended.returncode == 5, ended.stderr
    check_message(ended.stderr, output)
    assert left == []
    assert nothing_in(scratch)


@pytest.mark.long
def test_a_full_disk_leaves_no_half_of_a_timeline(
    singer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))
    output = tmp_path / "full" / "timeline"

    ended, left = on_a_full_disk(output.parent, "analyze", singer, "-o", output)

    assert ended.returncode == 5, ended.stderr
    check_message(ended.stderr, output)
    assert left == []


@pytest.mark.long
def test_a_full_temporary_folder_is_told(
    singer: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))
    full = tmp_path / "full"
    monkeypatch.setenv("TMPDIR", str(full))

    ended, left = on_a_full_disk(full, "mask", singer, "-o", output)

    assert ended.returncode == 5, ended.stderr
    check_message(ended.stderr, "TMPDIR")
    assert left == []
    assert nothing_in(output.parent)


# Stopped on the way.


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("analyze", signal.SIGINT),
        pytest.param("analyze", signal.SIGTERM, marks=pytest.mark.long),
        pytest.param("render", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_a_stop_leaves_nothing_behind(
    stage: str,
    number: signal.Signals,
    output: Path,
    tmp_path: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a long enough video for both stages, analysed coarsely to come to the second soon."""
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))
    coarse = "{long_side: 256, face_long_side: 256, faces_per_second: 0.1}"
    profile = f"profiles: {{fast: {{analysis: {coarse}, encoder: {{preset: slow}}}}}}"
    (tmp_path / "pipeline.yaml").write_text(profile)
    monkeypatch.setenv("BYSTANDER_CONFIGS", str(tmp_path))
    video = shared("clips", "opera", "video.mp4")

    stopped = stop_when(
        lambda event: event.get("stage") == stage,
        number,
        *("mask", video, "-o", output, "--profile", "fast", "--json"),
    )

    assert stopped.code == 128 + number
    assert stopped.stderr == ""
    last = events(stopped.stdout)[-1]
    assert (last["event"], last["kind"], last["code"]) == ("error", "Cancelled", 128 + number)
    assert nothing_in(output.parent, scratch)


@pytest.mark.long
def test_a_stop_while_the_encoder_finishes_leaves_nothing_behind(
    output: Path, tmp_path: Path, scratch: Path
) -> None:
    """Few enough frames that the encoder holds all of them back, noise to keep it busy."""
    video = noise(tmp_path / "noise.mp4", 48, (640, 360))
    timeline = make_timeline(tmp_path / "timeline", video, {"p1": Decision.KEEP})

    stopped = stop_when(
        lambda event: event.get("done") == 48,
        signal.SIGTERM,
        *("render", video, timeline, "-o", output, "--profile", "thorough", "--json"),
    )

    assert stopped.code == 143
    assert nothing_in(output.parent, scratch)


@pytest.mark.long
@pytest.mark.parametrize("how", [("--from", "0.1"), ("--processes", "1")])
def test_what_a_killed_command_leaves_the_next_one_removes(
    how: tuple[str, str], drawn: Path, review: Path, output: Path, tmp_path: Path, scratch: Path
) -> None:
    """An unmasked cut of the video is beside the output, or parts of it are."""
    video = noise(tmp_path / "noise.mp4", 240, (640, 360))
    timeline = make_timeline(tmp_path / "timeline", video, {"p1": Decision.KEEP})

    stopped = stop_when(
        lambda event: event.get("stage") == "render",
        signal.SIGKILL,
        *("render", video, timeline, "-o", output, "--profile", "thorough", *how, "--json"),
    )

    assert stopped.code == -signal.SIGKILL
    left = [path for path in output.parent.iterdir() if path.is_dir()]
    assert left
    assert all(path.stat().st_mode & 0o077 == 0 for path in left)
    assert list(output.parent.glob("*/*.mov")) or how[0] != "--from"
    succeeded(call("render", drawn, review, "-o", output.with_name("other.mp4"), "--overwrite"))
    assert not any(path.is_dir() for path in output.parent.iterdir())
    assert nothing_in(scratch)


INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, *rest):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
runpy.run_module("bystander", run_name="__main__")
"""


@pytest.mark.parametrize("json_wanted", [False, True])
@pytest.mark.parametrize("module", ["bystander.cli.app", "typer", "bystander.pipeline.render"])
@pytest.mark.sampled(3)
def test_a_stop_while_the_program_still_loads_is_told(
    module: str, json_wanted: bool, drawn: Path, review: Path, output: Path
) -> None:
    script = INTERRUPTED_IMPORT.replace("MODULE", repr(module))
    command = [sys.executable, "-c", script, "render", str(drawn), str(review), "-o", str(output)]
    command += ["--json"] if json_wanted else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 130
    if json_wanted:
        (told,) = events(done.stdout)
        assert (told["kind"], told["what"], told["code"]) == ("Cancelled", "stopped", 130)
        assert done.stderr == ""
    else:
        check_message(done.stderr, "stopped")
        assert done.stdout == ""
    assert nothing_in(output.parent)


def test_a_reader_that_goes_away_is_no_defect(review: Path, scratch: Path) -> None:
    command = [sys.executable, "-m", "bystander", "people", str(review), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert b"Traceback" not in started.stderr.read()
    assert nothing_in(scratch)
