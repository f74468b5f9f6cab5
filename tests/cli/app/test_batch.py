"""A folder of videos is masked one by one, and gone on with; presets hold what they share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bystander.cli.app import app
from bystander.media.probe import probe
from tests.cli.app.test_edits import SOLID
from tests.support.commands import call, events, magenta, nothing_in, refused, succeeded
from tests.support.drawn import (
    RED,
    Figure,
    Scene,
    drawn_models,
    standing,
    use_models,
)
from tests.support.videos import Clip

pytestmark = pytest.mark.sampled(4)

SCENE = Scene([Figure(RED, standing(60))], frames=8)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that find drawn people."""
    use_models(monkeypatch, lambda *_: drawn_models())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos, one that is none, and what isn't looked at."""
    folder = tmp_path / "videos"
    (folder / "deeper").mkdir(parents=True)
    one = SCENE.video(folder / "one.mp4")
    mjpeg = Clip(
        pts=range(0, 512 * 8, 512),
        size=SCENE.size,
        codec="mjpeg",
        pixel_format="yuvj420p",
        options={},
    )
    SCENE.video(folder / "three.avi", mjpeg)
    (folder / "two.MP4").write_bytes(b"no video at all")
    (folder / ".hidden.mp4").write_bytes(one.read_bytes())
    (folder / "notes.txt").write_text("Anna was here")
    return folder


def rows_of(stdout: str) -> dict[str, dict[str, object]]:
    (table,) = [event for event in events(stdout) if event["event"] == "videos"]
    return {row["video"]: row for row in table["videos"]}


@pytest.mark.usefixtures("people")
def test_every_video_is_masked_and_one_that_fails_stops_nobody(
    folder: Path, tmp_path: Path, scratch: Path
) -> None:
    out = tmp_path / "deep" / "masked"
    result = call("mask", folder, "-o", out, *SOLID, "--json")
    assert result.exit_code == 14
    rows = rows_of(result.stdout)
    assert {name: row["state"] for name, row in rows.items()} == {
        "one.mp4": "masked", "three.avi": "masked", "two.MP4": "failed",
    }  # fmt: skip
    assert "two.MP4" in str(rows["two.MP4"]["why"])
    assert (rows["one.mp4"]["kept"], rows["one.mp4"]["masked"]) == (0, 1)
    assert {path.name for path in out.iterdir()} == {"one.mp4", "three.avi.mp4"}
    assert magenta(out / "one.mp4")[:, 130:180, 64:96].all()
    error = events(result.stdout)[-1]
    assert (error["event"], error["kind"], error["code"]) == ("error", "BatchFailed", 14)
    assert nothing_in(scratch)


@pytest.mark.usefixtures("people")
def test_what_is_there_is_passed_over(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked"
    out.mkdir()
    (folder / "two.MP4").unlink()
    (out / "one.mp4").write_bytes(b"done before")
    told = succeeded(call("mask", folder, "-o", out, *SOLID, "--json"))
    assert {name: row["state"] for name, row in rows_of(told).items()} == {
        "one.mp4": "there", "three.avi": "masked",
    }  # fmt: skip
    assert (out / "one.mp4").read_bytes() == b"done before"
    succeeded(call("mask", folder, "-o", out, *SOLID, "--overwrite"))
    assert probe(out / "one.mp4").frame_count == 8


@pytest.mark.usefixtures("people")
def test_a_leak_found_before_is_told_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked"
    out.mkdir()
    for name in ("three.avi", "two.MP4"):
        (folder / name).unlink()
    (out / "one.mp4").write_bytes(b"done before")
    report = out / "one.mp4.audit.json"
    report.write_text(json.dumps({"passed": False}))
    result = call("mask", folder, "-o", out, "--audit", "--json")
    assert result.exit_code == 14
    assert rows_of(result.stdout)["one.mp4"]["state"] == "leak"
    report.write_text(json.dumps({"passed": True}))
    succeeded(call("mask", folder, "-o", out, "--audit"))


def test_a_person_reads_a_table(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.[am][vp]*"):
        path.unlink()
    result = call("mask", folder, "-o", tmp_path / "masked")
    assert result.exit_code == 14
    assert [line.split()[0] for line in result.stdout.splitlines()[:2]] == ["video", "two.MP4"]
    assert "error: 1 of 1 videos" in result.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--timeline", "t"),
        ("--keep-at", "0:1,1"),
        ("--mask-at", "0:1,1"),
        ("--mask-box", "0:1,1,2,2"),
    ],
)
def test_what_is_about_one_video_is_refused(
    option: tuple[str, str], folder: Path, tmp_path: Path
) -> None:
    refused(call("mask", folder, "-o", tmp_path / "masked", *option), 9, "is a folder")
    assert not (tmp_path / "masked").exists()


def test_folders_that_can_t_be_are_refused(folder: Path, tmp_path: Path) -> None:
    refused(call("mask", folder, "-o", folder), 5, "the videos themselves")
    refused(call("mask", folder / "deeper", "-o", tmp_path / "m"), 3, "holds no videos")
    refused(call("mask", folder, "-o", folder / "notes.txt"), 5, "can't be made")


# Presets.


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "preset.yaml"
    path.write_text('effect: solid\ncolor: "#ff00ff"\nzone: mask:0,0,40,30\ndevice: cpu\n')
    return path


def test_options_come_from_a_preset(drawn: Path, review: Path, output: Path, preset: Path) -> None:
    succeeded(call("render", drawn, review, "-o", output, "--preset", preset))
    frames = magenta(output)
    assert frames[:, 2:28, 2:38].all()
    assert frames[:, 70:130, 254:276].all()


def test_the_command_line_goes_first(drawn: Path, review: Path, output: Path, preset: Path) -> None:
    options = ("--color", "#00ff00", "--zone", "mask:100,0,20,20")
    succeeded(call("render", drawn, review, "-o", output, *options, "--preset", preset))
    assert not magenta(output).any()


def test_numbers_switches_and_paths_come_from_a_preset_too(
    drawn: Path, review: Path, output: Path, tmp_path: Path
) -> None:
    preset = tmp_path / "preset.toml"
    preset.write_text('strength = 0.5\nallow_weak = true\ncast = "nobody"\n')
    succeeded(call("render", drawn, review, "-o", output, "--preset", preset))
    result = call("mask", drawn, "-o", output, "--preset", preset, "--overwrite")
    refused(result, 4, tmp_path / "nobody")
    preset.write_text("strength = 0.5\n")
    result = call("render", drawn, review, "-o", output, "--preset", preset, "--overwrite")
    refused(result, 9, "too weak")


def test_a_preset_with_something_else_in_it_is_refused(
    drawn: Path, review: Path, output: Path, preset: Path
) -> None:
    preset.write_text("colour: red\n")
    refused(call("render", drawn, review, "-o", output, "--preset", preset), 9, preset, "colour")
    refused(call("mask", drawn, "-o", output, "--preset", output), 9, output)
    assert nothing_in(output.parent)


def test_every_option_of_a_preset_is_one_of_mask() -> None:
    from typer.main import get_command

    from bystander.preset import Preset

    mask = get_command(app).commands["mask"]  # type: ignore[attr-defined]
    assert set(Preset.model_fields) <= {parameter.name for parameter in mask.params}


@pytest.mark.usefixtures("people")
def test_what_another_takes_the_name_of_does_not_pass_for_masked(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "two.MP4").unlink()
    (folder / "one.mp4").rename(folder / "three.avi.mp4")

    result = call("mask", folder, "-o", tmp_path / "masked", "--json")

    assert result.exit_code == 14
    rows = rows_of(result.stdout)
    assert {name: row["state"] for name, row in rows.items()} == {
        "three.avi": "masked",
        "three.avi.mp4": "failed",
    }
    assert "three.avi has the same name" in str(rows["three.avi.mp4"]["why"])
