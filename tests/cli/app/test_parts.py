"""A part of a video is masked by itself: --from, --to; and people are masked by pointing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bystander.media.probe import probe
from bystander.timeline.archive import Timeline
from tests.cli.app.test_edits import SOLID
from tests.support.commands import call, events, magenta, nothing_in, refused, succeeded
from tests.support.drawn import (
    BLUE,
    RED,
    Figure,
    Scene,
    drawn_models,
    pictures,
    standing,
    use_models,
    walking,
)
from tests.support.videos import Clip, Sound

pytestmark = pytest.mark.long

SCENE = Scene([Figure(RED, walking(60, 2)), Figure(BLUE, standing(300))], frames=50, cuts=[30])


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that find drawn people."""
    use_models(monkeypatch, lambda *_: drawn_models())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(pts=range(0, 512 * 50, 512), size=SCENE.size, sounds=(Sound(),))
    return SCENE.video(tmp_path_factory.mktemp("scene") / "scene.mp4", clip)


def alike(output: Path, whole: Path, first: int, stop: int) -> bool:
    """Whether a part was drawn over where the whole was; edges may be a pixel off by encoding."""
    one, other = magenta(output), magenta(whole)[first:stop]
    return one.shape == other.shape and float((one != other).mean()) < 0.002


def test_a_part_of_a_timeline_is_drawn(drawn: Path, review: Path, output: Path) -> None:
    whole = output.with_name("whole.mp4")
    edits = (*SOLID, "--mask-box", "0.2-0.6:4,4,30,20", "--zone", "mask:0,100,40,40@0.5-0.8")
    succeeded(call("render", drawn, review, "-o", whole, *edits))
    part = ("--from", "0.3", "--to", "0.72")
    told = succeeded(call("render", drawn, review, "-o", output, *edits, *part, "--json"))
    assert events(told)[-1]["frames"] == 10
    assert probe(output).frame_count == 10
    assert alike(output, whole, 8, 18)
    assert {path.name for path in output.parent.iterdir()} == {"masked.mp4", "whole.mp4"}


def test_the_saved_timeline_is_the_whole_one(drawn: Path, review: Path, output: Path) -> None:
    saved = output.with_name("saved")
    part = ("--from", "0.3", "--timeline", saved)
    succeeded(call("render", drawn, review, "-o", output, *part, "--keep", "p2"))
    assert Timeline.load(saved).header.video.frames == 24
    assert probe(output).frame_count == 16


def test_a_timeline_of_another_video_draws_no_part(
    drawn: Path, scene: Path, review: Path, output: Path
) -> None:
    refused(call("render", scene, review, "-o", output, "--from", "0.3"), 7, scene)
    assert nothing_in(output.parent)


@pytest.mark.usefixtures("people")
def test_what_was_drawn_is_audited_until_somebody_finds_it_fine(
    drawn: Path, review: Path, output: Path, tmp_path: Path
) -> None:
    """The red corner, which the timeline knows nothing of, passes for somebody."""
    options = ("--mask-box", "0.1:4,4,30,20", "--from", "0.3", "--audit", "--json")
    result = call("render", drawn, review, "-o", output, *SOLID, *options)
    assert result.exit_code == 11
    (told,) = [event for event in events(result.stdout) if event["event"] == "findings"]
    (finding,) = told["findings"]
    assert finding["mask_box"].startswith("--mask-box 0.32:0,0,")  # of the whole video's seconds
    assert output.with_name("masked.mp4.audit.html").exists()

    fine = {"kind": finding["kind"], "seconds": 0.32, "box": finding["box"]}
    document = tmp_path / "edits.json"
    document.write_text(json.dumps({"edits": [{"kind": "accept", "finding": fine}]}))
    again = ("--edits", document, "--overwrite")
    result = call("render", drawn, review, "-o", output, *SOLID, *options, *again)
    assert events(succeeded(result))[-1]["passed"] is True


@pytest.mark.usefixtures("people")
def test_a_part_of_a_video_is_looked_at_alone(scene: Path, output: Path, scratch: Path) -> None:
    options = (
        "--keep-at",
        "1.4:320,150",
        "--mask-box",
        "1.5:4,4,30,20",
        "--from",
        "1",
        "--to",
        "1.8",
    )
    told = succeeded(call("mask", scene, "-o", output, *SOLID, *options, "--json"))
    assert events(told)[-1]["frames"] == 20
    info = probe(output)
    assert info.frame_count == 20
    assert info.audio
    assert info.duration == pytest.approx(0.8, abs=0.01)
    frames = magenta(output)
    for number, frame in enumerate(frames):
        x, y = (round(v) for v in SCENE.figures[0].place(25 + number))
        assert frame[y + 40 : y + 100, x + 4 : x + 36].all()
    # The one who is pointed at, and the box that is drawn, are of the shot after the cut.
    assert not frames[5:, 120:180, 302:338].any()
    assert frames[5:, 8:20, 8:30].all()
    assert not frames[:5, 8:20, 8:30].any()
    assert nothing_in(scratch)
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize(
    ("code", "options", "told"),
    [
        (9, ("--from", "5"), "no frame appears"),
        (9, ("--from", "0.5", "--to", "0.5"), "no frame appears"),
        (8, ("--to", "0.5", "--keep-at", "0.6:10,10"), "beside the part"),
        (8, ("--to", "0.5", "--mask-at", "0.6:10,10"), "beside the part"),
        (8, ("--from", "0.5", "--mask-box", "0.2:1,1,9,9"), "beside the part"),
        (9, ("--from", "0.5", "--timeline", "t"), "isn't saved"),
    ],
)
def test_what_is_beside_the_part_is_refused(
    code: int, options: tuple[str, ...], told: str, drawn: Path, output: Path
) -> None:
    refused(call("mask", drawn, "-o", output, *options), code, told)
    assert nothing_in(output.parent)


def test_whoever_is_pointed_at_is_masked(drawn: Path, review: Path, output: Path) -> None:
    """p1, who is kept, stands at 180."""
    result = call("render", drawn, review, "-o", output, *SOLID, "--mask-at", "0.4:190,100")
    succeeded(result)
    assert "p1 is masked" in result.stderr
    assert magenta(output)[:, 70:130, 184:206].all()


@pytest.mark.usefixtures("people")
def test_pointing_at_somebody_masks_them_in_every_shot(scene: Path, output: Path) -> None:
    kept = ("--keep-at", "0.1:320,150", "--keep-at", "1.5:320,150")
    succeeded(call("mask", scene, "-o", output, *SOLID, *kept))
    assert not magenta(output)[:, 120:180, 302:338].any()
    succeeded(
        call("mask", scene, "-o", output, *SOLID, *kept, "--mask-at", "0.4:320,150", "--overwrite")
    )
    assert magenta(output)[:, 122:178, 304:336].all()
    assert len(pictures(output)) == 50


@pytest.mark.parametrize("given", ["", "2:1", "x:1,2", "-1:5,5", "nan:5,5"])
def test_a_point_to_mask_must_be_readable(
    given: str, drawn: Path, review: Path, output: Path
) -> None:
    refused(call("render", drawn, review, "-o", output, f"--mask-at={given}"), 8, "--mask-at")


@pytest.mark.parametrize("given", ["0.4:2,2", "9:180,120", "0.4:999,2"])
def test_a_point_to_mask_must_mean_somebody(
    given: str, drawn: Path, review: Path, output: Path
) -> None:
    refused(call("render", drawn, review, "-o", output, "--mask-at", given), 8)
    assert nothing_in(output.parent)
