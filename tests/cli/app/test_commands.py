"""What each command does, says, and refuses of its options."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from bystander import __version__
from bystander.media.probe import probe
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision
from tests.conftest import sampled, shared
from tests.support.commands import (
    COMMANDS,
    call,
    events,
    magenta,
    make_timeline,
    nothing_in,
    refused,
    succeeded,
)
from tests.support.videos import Clip, Sound, make_video

pytestmark = pytest.mark.sampled(4)

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
    assert sorted(set(stages)) == ["analyze", "decide", "render"]
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


def test_a_picture_and_its_effect_belong_together(drawn: Path, output: Path) -> None:
    refused(call("mask", drawn, "-o", output, "--effect", "picture"), 9, "--picture FILE")
    given = call("mask", drawn, "-o", output, "--picture", drawn)
    refused(given, 9, "--effect picture")
    given = call("mask", drawn, "-o", output, "--effect", "picture", "--picture", drawn)
    refused(given, 9, drawn.name, "PNG")


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


@pytest.mark.parametrize("given", [["--licence", "commercial"], ["--preset"]])
def test_a_missing_network_of_such_a_licence_is_told(
    drawn: Path, output: Path, tmp_path: Path, given: list[str]
) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("licence: commercial\n")
    given = [*given, str(preset)] if given == ["--preset"] else given
    refused(
        call("mask", drawn, "-o", output, *given), 6, "person-seg-n is under AGPL", "models add"
    )
    assert not output.exists()


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
    assert told[-1]["sound"] == {
        "kept": [],
        "transcoded": [],
        "left_out": [],
        "treated": ["keep"],
    }
    verdicts = [tracklet.decision_at(0) for tracklet in Timeline.load(saved).header.tracklets]
    assert verdicts == [Decision.KEEP, Decision.KEEP]
    assert Timeline.load(review).header.tracklets[1].decision_at(0) is Decision.MASK


@pytest.mark.parametrize("arguments", [["--keep", "p9"], ["--mask", "1"], ["--mask", ""]])
def test_render_knows_no_strangers(
    arguments: list[str], drawn: Path, review: Path, output: Path
) -> None:
    refused(call("render", drawn, review, "-o", output, *arguments), 8, arguments[1], "people")
    assert nothing_in(output.parent)


def test_render_keeps_segments_for_the_next_time(
    drawn: Path, review: Path, output: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "segments"
    kept: list[str | Path] = ["--segments", folder, "--smart-render", "off", "--overwrite"]
    succeeded(call("render", drawn, review, "-o", output, *kept))
    first = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert first
    succeeded(call("render", drawn, review, "-o", output, *kept))
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == first
    refused(
        call("render", drawn, review, "-o", output, "--segments", drawn / "x", "--overwrite"),
        5,
        drawn / "x",
    )


def test_the_sound_is_treated_as_asked_and_that_is_said(tmp_path: Path, output: Path) -> None:
    video = make_video(tmp_path / "v.mp4", Clip(sounds=(Sound(),)))
    timeline = make_timeline(tmp_path / "t.timeline", video, {"p1": Decision.MASK})
    sound = ["--sound", "pitch", "--sound", "mute:0.2-0.5"]

    told = succeeded(call("render", video, timeline, "-o", output, *sound))

    assert "treated: pitch:-0.2 mute:0.2-0.5 pitch:0.5-" in told
    with av.open(str(output)) as container:
        frames = list(container.decode(audio=0))
        wave = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        rate, start = frames[0].sample_rate, float(frames[0].time or 0)
    first, stop = int((0.2 - start) * rate) + 1, int((0.5 - start) * rate)
    assert np.abs(wave[:, first:stop]).max() == 0
    assert np.abs(wave[:, stop + 4096 :]).max() > 0
    other = output.with_name("other.mp4")
    refused(call("render", video, timeline, "-o", other, "--sound", "loud"), 9, "--sound loud")


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
    assert {"name", "role", "licence", "used", "where"} == set(told["models"][0])


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
    told, *_, backends = events(succeeded(call("doctor", "--json")))

    assert all(check["ok"] for check in told["doctor"])
    taken = [row["name"] for row in backends["backends"] if row["taken"]]
    assert taken == ["onnxruntime fp32"]  # by tests/conftest.py


@pytest.mark.usefixtures("networks")
def test_doctor_is_content() -> None:
    told, *_, backends = events(succeeded(call("doctor", "--json")))

    assert all(check["ok"] for check in told["doctor"])
    taken = [row["name"] for row in backends["backends"] if row["taken"]]
    assert taken == ["onnxruntime fp32"]  # by tests/conftest.py
