"""The command line as a user meets it: every option, and every way to get it wrong."""

from __future__ import annotations

import functools
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from bystander import __version__
from bystander.cli.app import app
from bystander.cli.demo import group_photo
from bystander.media.demux import fingerprint
from bystander.media.probe import probe
from bystander.models import load_models
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, VideoFacts
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
from tests.conftest import sampled, shared
from tests.support.drawn import use_models
from tests.support.videos import (
    Clip,
    damaged,
    make_audio,
    make_frameless,
    make_video,
    truncated,
)
from tests.support.waiting import HANGS_AFTER_SECONDS
from tests.tracking.figures import figure

COMMANDS = ["mask", "analyze", "people", "render", "estimate", "doctor", "demo"]
COMMANDS += ["models list", "models pull"]

opened = functools.cache(load_models)


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files; a machine that has no networks."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("BYSTANDER_MODELS", "BENTOML_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(folder / "nothing"))
    # Only our own files are looked for in that folder, not ONNX Runtime's.
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    return folder


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real networks; within this process they are opened only once."""
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))
    use_models(monkeypatch, opened)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of drawn video: 320x240, 24 frames, nobody in it."""
    return make_video(tmp_path_factory.mktemp("drawn") / "drawn.mp4")


@pytest.fixture(scope="session")
def singer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames of a man who sings among others."""
    path = tmp_path_factory.mktemp("singer") / "singer.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    command += ["-i", str(shared("clips", "hamilton", "video.mp4")), "-frames:v", "10"]
    command += ["-preset", "ultrafast", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A path in an empty folder, where nothing else may appear."""
    folder = tmp_path / "output"
    folder.mkdir()
    return folder / "masked.mp4"


@pytest.fixture
def review(drawn: Path, tmp_path: Path) -> Path:
    """A timeline of `drawn` with two people: p1 (t1), kept, and p2 (t2), masked."""
    return make_timeline(tmp_path / "review", drawn, {"p1": Decision.KEEP, "p2": Decision.MASK})


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
        facts = VideoFacts(*size, clock, frames, rate, fingerprint(video))
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


# A video that can't be masked. None of these needs a network: the file comes first.


def text(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("Not a video at all. " * 100)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def cut_short(folder: Path) -> Path:
    return truncated(make_video(folder / "whole.mp4"), folder / "half.mp4", 0.5)


def still(folder: Path) -> Path:
    path = folder / "photo.jpg"
    Image.new("RGB", (64, 64)).save(path)
    return path


BAD_VIDEOS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "missing.mp4",
    "a folder": lambda folder: folder,
    "not a video": text,
    "empty": empty,
    "truncated": cut_short,
    "no frames": lambda folder: make_frameless(folder / "frameless.mp4"),
    "audio only": lambda folder: make_audio(folder / "sound.m4a"),
    "a photo": still,
}


@pytest.mark.parametrize("make", BAD_VIDEOS.values(), ids=BAD_VIDEOS)
def test_a_bad_video_is_refused(
    make: Callable[[Path], Path], tmp_path: Path, output: Path, scratch: Path
) -> None:
    video = make(tmp_path)

    refused(call("mask", video, "-o", output), 3, video)
    assert nothing_in(output.parent, scratch)


@pytest.mark.parametrize("command", ["mask", "analyze", "estimate"])
def test_every_command_refuses_a_bad_video(command: str, tmp_path: Path, output: Path) -> None:
    video = text(tmp_path)
    where = () if command == "estimate" else ("-o", output)

    refused(call(command, video, *where), 3, video)
    assert nothing_in(output.parent)


def test_a_user_sees_the_same_as_these_tests(tmp_path: Path, output: Path) -> None:
    video = text(tmp_path)

    ended = process("mask", video, "-o", output)

    assert ended.returncode == 3
    assert ended.stdout == ""
    check_message(ended.stderr, video)


# A photo of the cast that can't be used.


def broken(folder: Path) -> Path:
    path = folder / "broken.jpg"
    Image.effect_noise((200, 200), 80).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    return path


def not_a_photo(folder: Path) -> Path:
    path = folder / "notes.jpg"
    path.write_text("not a photo")
    return path


def pixel_bomb(folder: Path) -> Path:
    """A PNG of a few bytes whose header promises 400 million pixels."""
    path = folder / "bomb.png"
    Image.new("L", (100, 100)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def heavy(folder: Path) -> Path:
    path = folder / "heavy.jpg"
    Image.new("RGB", (64, 64)).save(path)
    with path.open("r+b") as file:
        file.truncate(60_000_000)  # sparse: it takes no room
    return path


def faceless(folder: Path) -> Path:
    path = folder / "wall.png"
    Image.new("RGB", (400, 300), "teal").save(path)
    return path


def twins(folder: Path) -> Path:
    """The same face twice, beside each other."""
    path = folder / "twins.png"
    with Image.open(group_photo()) as group:
        everyone = np.asarray(group.convert("RGB"))
    Image.fromarray(np.hstack([everyone, everyone])).save(path)
    return path


def no_photos(folder: Path) -> Path:
    path = folder / "nobody"
    path.mkdir()
    return path


BAD_PHOTOS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "missing.jpg",
    "an empty folder": no_photos,
    "not a photo": not_a_photo,
    "damaged": broken,
    "too many pixels": pixel_bomb,
    "too many bytes": heavy,
    "no face": faceless,
    "equally large faces": twins,
}


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("make", BAD_PHOTOS.values(), ids=BAD_PHOTOS)
@pytest.mark.sampled(4)
def test_a_bad_photo_is_refused(
    make: Callable[[Path], Path], drawn: Path, tmp_path: Path, output: Path, scratch: Path
) -> None:
    photo = make(tmp_path)

    refused(call("mask", drawn, "--cast", photo, "-o", output), 4, photo)
    assert nothing_in(output.parent, scratch)


# An output that can't be written.


def test_an_existing_output_is_not_touched(drawn: Path, output: Path) -> None:
    output.write_text("precious")

    refused(call("mask", drawn, "-o", output), 5, output, "overwrit")
    assert output.read_text() == "precious"


def test_the_source_is_never_overwritten(drawn: Path, review: Path) -> None:
    before = drawn.read_bytes()

    refused(call("mask", drawn, "-o", drawn, "--overwrite"), 5, drawn)
    refused(call("analyze", drawn, "-o", drawn, "--overwrite"), 5, drawn)
    refused(call("people", review, "--sheet", review, "--overwrite"), 5, review)
    assert drawn.read_bytes() == before


@pytest.mark.parametrize("command", ["mask", "analyze"])
def test_the_output_s_folder_must_be_there(command: str, drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"

    refused(call(command, drawn, "-o", folder / "out.mp4"), 5, folder)
    assert not folder.exists()


def test_a_saved_timeline_needs_a_place_of_its_own(
    drawn: Path, tmp_path: Path, output: Path
) -> None:
    def saving_to(path: Path) -> Result:
        return call("mask", drawn, "-o", output, "--timeline", path)

    existing = tmp_path / "existing"
    existing.touch()
    refused(saving_to(existing), 5, existing, "--overwrite")
    refused(saving_to(tmp_path), 5, tmp_path)
    refused(saving_to(tmp_path / "nowhere" / "timeline"), 5, "nowhere")
    refused(saving_to(output), 5, output)
    assert nothing_in(output.parent)


NAMES = {"letters": "a" * 241, "Korean": "가" * 80, "usual": "holiday"}
"""Without their suffix; the longest have 245 bytes with it."""


@pytest.mark.parametrize("name", NAMES)
def test_every_name_the_file_system_takes_is_written(
    name: str, drawn: Path, review: Path, tmp_path: Path, scratch: Path
) -> None:
    stem, folder = NAMES[name], tmp_path / "written"
    folder.mkdir()
    video, timeline, out = (folder / f"{stem}.{kind}" for kind in ("mp4", "tln", "mkv"))
    video.write_bytes(drawn.read_bytes())
    timeline.write_bytes(review.read_bytes())
    saved, sheet = folder / f"{stem}.new", folder / f"{stem}.png"

    succeeded(call("render", video, timeline, "-o", out, "--timeline", saved))
    succeeded(call("people", timeline, "--sheet", sheet))

    assert {path.name for path in folder.iterdir()} == {
        path.name for path in (video, timeline, out, saved, sheet)
    }
    assert nothing_in(scratch)


TOO_LONG = "a" * 252


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (3, ["mask", f"{TOO_LONG}.mp4", "-o", "{output}"]),
        (5, ["mask", "{drawn}", "-o", f"{TOO_LONG}.mp4"]),
        (5, ["mask", "{drawn}", "-o", "{output}", "--timeline", f"{TOO_LONG}.timeline"]),
        (5, ["mask", "{drawn}", "-o", f"{'nested/' * 700}o.mp4"]),
        (5, ["analyze", "{drawn}", "-o", f"{TOO_LONG}.timeline"]),
        (5, ["render", "{drawn}", "{review}", "-o", f"{TOO_LONG}.mp4"]),
        (5, ["render", "{drawn}", "{review}", "-o", "{output}", "--timeline", f"{TOO_LONG}.new"]),
        (7, ["render", "{drawn}", f"{TOO_LONG}.old", "-o", "{output}"]),
        (5, ["people", "{review}", "--sheet", f"{TOO_LONG}.png"]),
        (7, ["people", f"{TOO_LONG}.old"]),
        (5, ["audit", "{drawn}", "{drawn}", "-o", f"{TOO_LONG}.html"]),
        (3, ["audit", "{drawn}", f"{TOO_LONG}.mp4", "-o", "{output}.html"]),
        (3, ["estimate", f"{TOO_LONG}.mp4"]),
    ],
)
def test_a_name_too_long_is_refused_before_any_work(
    code: int, arguments: list[str], drawn: Path, review: Path, output: Path
) -> None:
    given = [a.format(drawn=drawn, review=review, output=output) for a in arguments]
    refused(call(*given), code)
    assert nothing_in(output.parent)


def test_a_photo_s_name_too_long_is_refused(networks: None, drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, "--cast", f"{TOO_LONG}.jpg"), 4)


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


# What is chosen on the command line.


@pytest.mark.usefixtures("networks")
def test_mask_speaks_json_and_saves_a_timeline(singer: Path, output: Path, scratch: Path) -> None:
    saved = output.with_name("timeline")
    cast = shared("clips", "hamilton", "cast", "lin")

    result = call("mask", singer, "-o", output, "--cast", cast, "--timeline", saved, "--json")

    told = events(succeeded(result))
    assert result.stderr == ""
    assert {event["event"] for event in told} <= {"progress", "note", "warning", "result"}
    stages = [event["stage"] for event in told if event["event"] == "progress"]
    assert sorted(set(stages)) == ["analyze", "render"]
    assert told[-1]["event"] == "result"
    assert told[-1]["output"] == str(output)
    assert told[-1]["frames"] == 10
    assert probe(output).frame_count == 10
    timeline = Timeline.load(saved)
    assert len(list(timeline.frames())) == 10
    assert told[-1]["people"] == len(timeline.header.persons)
    assert nothing_in(scratch)


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("profile", sampled(["fast", "thorough"], 2))
@pytest.mark.long
def test_other_profiles_work(profile: str, singer: Path, output: Path) -> None:
    arguments = ["--profile", profile, "--effect", "solid", "--color", "#ff00ff"]

    succeeded(call("mask", singer, "-o", output, *arguments))

    assert magenta(output).any(), "nobody was masked in a video full of people"


@pytest.mark.long
@pytest.mark.usefixtures("networks")
def test_a_folder_of_folders_is_several_people(singer: Path, output: Path) -> None:
    """Both are told about by name: neither is recognised within ten frames."""
    result = call(
        "analyze", singer, "-o", output, "--cast", shared("clips", "hamilton", "cast"), "--json"
    )

    warnings = [e["message"] for e in events(succeeded(result)) if e["event"] == "warning"]
    kept = events(result.stdout)[-1]["kept"]
    for name in ("alex", "lin"):
        assert name in kept or any(name in warning for warning in warnings)


@pytest.mark.long
@pytest.mark.usefixtures("networks")
def test_keep_at_where_nobody_is(drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, "--keep-at", "0.2:5,5"), 8, "5,5", "0.2 s")
    assert nothing_in(output.parent)


@pytest.mark.parametrize(
    "given", ["", "2.4", "2.4:510", "2.4:510;260", "a:b,c", "-1:5,5", "nan:5,5", "1:2,3,4"]
)
def test_keep_at_must_be_readable(given: str, drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, f"--keep-at={given}"), 8, given, "2.4:510,260")


@pytest.mark.parametrize("given", ["0.5:320,10", "0.5:10,240", "7:10,10", "inf:10,10"])
def test_keep_at_must_lie_in_the_video(given: str, drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, "--keep-at", given), 8, drawn, "320x240", "0.96 s")


@pytest.mark.parametrize("color", ["red", "#12345", "ff00ff", "#gg0000"])
def test_a_colour_must_be_one(color: str, drawn: Path, output: Path) -> None:
    given = call("mask", drawn, "-o", output, "--effect", "solid", "--color", color)

    refused(given, 9, color, "#ff00ff")


@pytest.mark.parametrize("command", ["mask", "render"])
def test_a_weak_effect_needs_insisting(command: str, drawn: Path, output: Path) -> None:
    timeline = [output.with_name("timeline")] if command == "render" else []
    weak = call(command, drawn, *timeline, "-o", output, "--strength", "0.5")
    refused(weak, 9, "too weak", "4x4", "--allow-weak")
    assert nothing_in(output.parent)


def test_strength_has_bounds(drawn: Path, output: Path) -> None:
    given = call("mask", drawn, "-o", output, "--strength", "0.1", "--allow-weak")
    refused(given, 9, "--strength 0.1", "0.25 to 8")


def test_wrong_usage_is_told_apart(drawn: Path, output: Path) -> None:
    assert call("mask", drawn).exit_code == 2
    assert call("mask", drawn, "-o", output, "--effect", "sparkle").exit_code == 2
    assert call("masque").exit_code == 2


def test_missing_networks_are_told(
    drawn: Path, output: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYSTANDER_SEGMENTER", str(scratch / "mine.onnx"))

    refused(call("mask", drawn, "-o", output), 6, "mine.onnx")


@pytest.mark.usefixtures("networks")
def test_estimate_speaks_json(singer: Path, scratch: Path) -> None:
    (found,) = events(succeeded(call("estimate", singer, "--json")))

    assert found["event"] == "estimate"
    assert 0 < found["low"] < found["seconds"] < found["high"]
    assert (found["frames"], found["width"], found["height"]) == (10, 640, 360)
    assert nothing_in(scratch)


# Reviewing.


def test_people_fits_a_terminal(review: Path) -> None:
    lines = succeeded(call("people", review)).splitlines()

    assert [line.split()[0] for line in lines] == ["id", "p1", "p2"], "one line a person"
    assert "9 of 9 face samples over 3.8 s match" in lines[1]
    assert ("keep" in lines[1], "mask" in lines[2]) == (True, True)
    assert max(map(len, lines)) <= 80


def test_people_speaks_json(review: Path) -> None:
    (told,) = events(succeeded(call("people", review, "--json")))

    assert [person["id"] for person in told["people"]] == ["p1", "p2"]
    assert [person["verdict"] for person in told["people"]] == ["keep", "mask"]
    assert [person["tracklets"] for person in told["people"]] == ["t1", "t2"]
    assert told["people"][0]["similarity"] == 0.625


def test_people_draws_a_sheet_but_over_no_other(review: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "people.png"

    succeeded(call("people", review, "--sheet", sheet))
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"
    refused(call("people", review, "--sheet", sheet), 5, sheet, "--overwrite")
    succeeded(call("people", review, "--sheet", sheet, "--overwrite"))


def test_people_of_something_else(drawn: Path, tmp_path: Path) -> None:
    refused(call("people", drawn), 7, drawn)
    refused(call("people", tmp_path / "missing"), 7, tmp_path / "missing")


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        ([], [False, True]),
        (["--keep", "p2"], [False, False]),
        (["--mask", "p1"], [True, True]),
        (["--mask", "t1", "--keep", "t2"], [True, False]),
    ],
)
@pytest.mark.sampled(2)
def test_render_masks_whom_it_is_told_to(
    arguments: list[str], masked: list[bool], drawn: Path, review: Path, output: Path
) -> None:
    solid = ["--effect", "solid", "--color", "#ff00ff"]

    succeeded(call("render", drawn, review, "-o", output, *solid, *arguments))

    pixels = magenta(output)
    assert [bool(pixels[:, 100, x].all()) for x in (195, 265)] == masked
    assert [bool(pixels[:, 100, x].any()) for x in (195, 265)] == masked


def test_render_saves_the_decisions(drawn: Path, review: Path, output: Path) -> None:
    saved = output.with_name("decided")

    told = events(
        succeeded(
            call(
                *("render", drawn, review, "-o", output),
                *("--keep", "p2", "--timeline", saved, "--json"),
            )
        )
    )

    assert told[-1]["kept"] == ["p1", "p2"]
    assert told[-1]["sound"] == {"kept": [], "transcoded": [], "left_out": []}
    verdicts = [tracklet.decision_at(0) for tracklet in Timeline.load(saved).header.tracklets]
    assert verdicts == [Decision.KEEP, Decision.KEEP]
    assert Timeline.load(review).header.tracklets[1].decision_at(0) is Decision.MASK


@pytest.mark.parametrize("arguments", [["--keep", "p9"], ["--mask", "1"], ["--mask", ""]])
def test_render_knows_no_strangers(
    arguments: list[str], drawn: Path, review: Path, output: Path
) -> None:
    refused(call("render", drawn, review, "-o", output, *arguments), 8, arguments[1], "people")
    assert nothing_in(output.parent)


def test_render_refuses_another_video(review: Path, tmp_path: Path, output: Path) -> None:
    other = make_video(tmp_path / "other.mp4", Clip(size=(160, 120)))

    refused(call("render", other, review, "-o", output), 7, other, review)
    assert nothing_in(output.parent)


# The rest.


def test_alone_it_shows_help() -> None:
    shown = call().output

    assert "Usage: " in shown
    for word in ("mask", "analyze", "render", "people", "Exit codes:", "130"):
        assert word in shown


def test_the_version() -> None:
    assert succeeded(call("--version")) == f"bystander {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits(command: str) -> None:
    shown = succeeded(call(*command.split(), "--help"))

    assert "--json" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_keep_at_says_which_pixels() -> None:
    shown = re.sub(r"\s+", " ", succeeded(call("mask", "--help")))

    assert "pixels from the top left corner of the video as it is displayed" in shown


def test_models_are_listed() -> None:
    assert "yolo11n-seg" in succeeded(call("models", "list"))
    (told,) = events(succeeded(call("models", "list", "--json")))
    assert {"name", "role", "licence", "where"} == set(told["models"][0])


def test_an_unknown_model_is_not_pulled() -> None:
    refused(call("models", "pull", "nothing"), 9, "nothing", "yolo11n-seg")


def test_doctor_says_what_is_missing(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYSTANDER_SEGMENTER", str(scratch / "mine.onnx"))

    result = call("doctor")

    assert result.exit_code == 6
    assert "networks" in result.stderr
    assert "mine.onnx" in "".join(result.stdout.split())  # wherever the table breaks the path


@pytest.mark.long
def test_a_bare_machine_is_complete() -> None:
    (told,) = events(succeeded(call("doctor", "--json")))

    assert all(check["ok"] for check in told["doctor"])


@pytest.mark.usefixtures("networks")
def test_doctor_is_content() -> None:
    (told,) = events(succeeded(call("doctor", "--json")))

    assert all(check["ok"] for check in told["doctor"])


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
